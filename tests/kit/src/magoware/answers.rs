//! Answers in the system's own words.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{Html, IntoResponse as _, Response};
use serde_json::{Value, json};

use super::odd::Odd;
use crate::server::hang_up;

pub(super) fn shown(document: Value) -> Response {
    Json(document).into_response()
}

/// A sentence, which says that it is a page.
pub(super) fn sentence(status: StatusCode, text: &'static str) -> Response {
    (status, Html(text)).into_response()
}

pub(super) fn refused(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "status": false, "message": message }))).into_response()
}

pub(super) fn message(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

pub(super) fn no_such_path() -> Response {
    (StatusCode::NOT_FOUND, Html("<!DOCTYPE html><pre>Cannot find that</pre>")).into_response()
}

pub(super) fn error_page() -> Response {
    (StatusCode::FOUND, [(LOCATION, "/server-error")], "Found. Redirecting to /server-error").into_response()
}

pub(super) fn odd(odd: Odd) -> Response {
    match odd {
        Odd::ErrorPage | Odd::ErrorPageLate => error_page(),
        Odd::Page => Html("<html><body>Sign in to continue</body></html>").into_response(),
        Odd::StatusFalse => refused(StatusCode::OK, "there was an error creating username"),
        Odd::RolledBack => refused(StatusCode::NOT_FOUND, "error executing transaction"),
        Odd::QueryFailed => {
            sentence(StatusCode::BAD_REQUEST, "there was an error running the query ETIMEDOUT")
        }
        Odd::PrintedError => {
            shown(json!({ "name": "SequelizeConnectionError", "parent": { "code": "ETIMEDOUT" } }))
        }
        Odd::Busy => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        // Whoever knows the record shows it.
        Odd::Unchanged => no_such_path(),
        Odd::Lost => hang_up(),
    }
}
