//! Answers in the system's own words, with the statement and the values that it quotes in them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use serde_json::{Value, json};

use super::odd::Odd;
use super::tables::{Refusal, Table};
use crate::server::hang_up;

pub(super) fn shown(document: Value) -> Response {
    Json(document).into_response()
}

pub(super) fn deleted() -> Response {
    shown(json!({ "Result": "OK" }))
}

/// Not there, or passed over: nobody is told which.
pub(super) fn nothing() -> Response {
    shown(Value::Null)
}

/// The look-ups of IMS subscribers say it with another status, and put a refusal into a list.
pub(super) fn no_ims_subscriber() -> Response {
    (StatusCode::BAD_REQUEST, Json(Value::Null)).into_response()
}

pub(super) fn no_such_path() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "Result": "Not Found" }))).into_response()
}

pub(super) fn wrong_key() -> Response {
    let refused = json!({ "Result": "Unauthorized - Provisioning-Key Invalid" });
    (StatusCode::UNAUTHORIZED, Json(refused)).into_response()
}

/// Of the framework itself: nobody caught what went wrong.
pub(super) fn broken() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "message": "Internal Server Error" }))).into_response()
}

pub(super) fn refused(table: Table, refusal: &Refusal, members: &Value) -> Response {
    let name = table.name();
    let quoted = quoted(table, members);
    match refusal {
        Refusal::Absent | Refusal::Mistyped => nothing(),
        Refusal::NotUnique(column) => failed(
            StatusCode::BAD_REQUEST,
            &format!(
                "A database integrity error occurred: (sqlite3.IntegrityError) UNIQUE constraint failed: {name}.{column}\n{quoted}"
            ),
        ),
        Refusal::Missing(column) => failed(
            StatusCode::BAD_REQUEST,
            &format!(
                "A database integrity error occurred: (sqlite3.IntegrityError) NOT NULL constraint failed: {name}.{column}\n{quoted}"
            ),
        ),
        Refusal::UnknownMember(member) => invalid_keyword(table, member),
    }
}

fn invalid_keyword(table: Table, member: &str) -> Response {
    let class = table.name().to_uppercase();
    let why =
        format!("An internal server error occurred: '{member}' is an invalid keyword argument for {class}");
    failed(StatusCode::INTERNAL_SERVER_ERROR, &why)
}

pub(super) fn bad_json() -> Response {
    let why = "An internal server error occurred: 400 Bad Request: Failed to decode JSON object";
    failed(StatusCode::INTERNAL_SERVER_ERROR, why)
}

pub(super) fn odd(odd: Odd, table: Option<Table>, members: &Value, in_a_list: bool) -> Response {
    let table = table.unwrap_or(Table::Subscriber);
    match odd {
        Odd::Locked => {
            let why = format!(
                "A database operational error occurred: (sqlite3.OperationalError) database is locked\n{}",
                quoted(table, members)
            );
            if in_a_list {
                let body = json!([{ "result": "Failed", "reason": why }, 400]);
                return (StatusCode::BAD_REQUEST, Json(body)).into_response();
            }
            failed(StatusCode::BAD_REQUEST, &why)
        }
        Odd::PassedOver | Odd::Wordless => nothing(),
        Odd::BrokenEarly | Odd::BrokenLate => broken(),
        Odd::Missing => refused(table, &Refusal::Missing("amf"), members),
        Odd::BadJson => bad_json(),
        Odd::NoSuchPath => no_such_path(),
        // What a record was is shown by whoever knows it.
        Odd::Unchanged => nothing(),
        Odd::InvalidKeyword => invalid_keyword(table, "nonsense"),
        Odd::Page => Html("<html><body>Welcome to the portal</body></html>").into_response(),
        Odd::Lost => hang_up(),
    }
}

fn failed(status: StatusCode, reason: &str) -> Response {
    (status, Json(json!({ "result": "Failed", "reason": reason }))).into_response()
}

/// The statement with its values, keys of cards among them.
fn quoted(table: Table, members: &Value) -> String {
    let members: Vec<_> = members.as_object().into_iter().flatten().collect();
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    let values: Vec<String> = members.iter().map(|(_, value)| value.to_string()).collect();
    format!(
        "[SQL: INSERT INTO {} ({}) VALUES ({})]\n[parameters: ({})]\n(Background on this error at: https://sqlalche.me/e/20/gkpj)",
        table.name(),
        names.join(", "),
        vec!["?"; names.len()].join(", "),
        values.join(", ")
    )
}
