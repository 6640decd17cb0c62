//! The JSON API below `/rest`: every call is a POST, every fault an HTTP 500.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::account::Account;
use super::sessions::code;
use super::{Shared, World, bearer};
use crate::lock::lock;

/// How many rows a list holds when the caller does not say.
const PAGE: u64 = 100;

type Params = Map<String, Value>;

/// A fault as the API tells it: the HTTP status says nothing, the code all.
pub(super) struct ApiFault {
    code: String,
    text: String,
}

impl ApiFault {
    pub(super) fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        let (code, text) = (code.into(), text.into());
        Self { code, text }
    }

    fn of_session(code: &'static str) -> Self {
        Self::new(code, "Authentication failed")
    }
}

impl IntoResponse for ApiFault {
    fn into_response(self) -> Response {
        let document = json!({ "faultcode": self.code, "faultstring": self.text });
        (StatusCode::INTERNAL_SERVER_ERROR, Json(document)).into_response()
    }
}

pub(super) async fn call(
    State(shared): State<Arc<Shared>>,
    Path((service, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match answer(&shared, &format!("{service}/{method}"), &headers, &body) {
        Ok(document) => Json(document).into_response(),
        Err(fault) => fault.into_response(),
    }
}

fn answer(shared: &Shared, call: &str, headers: &HeaderMap, body: &[u8]) -> Result<Value, ApiFault> {
    let params = params_of(body)?;
    let bearer = bearer(headers);
    let world = &mut *lock(&shared.world);
    // These carry their own credentials, and must work when the session is over.
    match call {
        super::LOGIN => return login(shared, world, &params),
        "Session/refresh_access_token" => return refresh(shared, world, &params),
        "Session/ping" => return Ok(ping(shared, world, &params, bearer)),
        "Session/logout" => return logout(world, &params, bearer),
        _ => {}
    }
    let token = bearer.ok_or_else(|| ApiFault::of_session(code::NO_TOKEN))?;
    let checked = world.sessions.check(token, shared.now());
    checked.map_err(ApiFault::of_session)?;
    match call {
        "Account/get_account_info" => Ok(account_info(world, &params)),
        "Account/get_account_list" => Ok(account_list(world, &params)),
        "Account/get_service_features" => Ok(service_features(world, &params)),
        "Account/get_custom_fields_values" => Ok(custom_fields(world, &params)),
        "Account/get_alias_list" => Ok(alias_list(world, &params)),
        "AccessPolicy/get_access_policy_info" => Ok(access_policy(world, &params)),
        "SIMCard/get_card_list" => Ok(card_list(world, &params)),
        "Customer/get_customer_list" => Ok(customer_list(world, &params)),
        "Customer/get_customer_info" => Ok(customer_info(world, &params)),
        "Generic/get_version" => Ok(json!({ "version": "MR117-2" })),
        unknown => {
            Err(ApiFault::new("Client.General.unknown_method", format!("There is no method {unknown}")))
        }
    }
}

/// The parameters, from `{"params": {…}}`. A body without any is a call without any.
fn params_of(body: &[u8]) -> Result<Params, ApiFault> {
    if body.is_empty() {
        return Ok(Params::new());
    }
    let unreadable = || ApiFault::new("Client.General.bad_request", "The request is not readable");
    let mut document: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    match document.get_mut("params").map(Value::take) {
        None => Ok(Params::new()),
        Some(Value::Object(params)) => Ok(params),
        Some(_) => Err(unreadable()),
    }
}

/// The account that a call names.
pub(super) fn account_named(body: &[u8]) -> Option<u64> {
    let params = params_of(body).ok()?;
    number(&params, "i_account").or_else(|| number(&params, "i_master_account"))
}

fn login(shared: &Shared, world: &mut World, params: &Params) -> Result<Value, ApiFault> {
    let settings = &shared.settings;
    let known = text(params, "login") == Some(&settings.login)
        && (text(params, "token") == Some(&settings.token)
            || text(params, "password") == Some(&settings.password));
    if !known {
        return Err(ApiFault::of_session(code::AUTH_FAILED));
    }
    world.ledger.logins += 1;
    Ok(world.sessions.grant(shared.now()))
}

fn refresh(shared: &Shared, world: &mut World, params: &Params) -> Result<Value, ApiFault> {
    let refresh_token = text(params, "refresh_token").unwrap_or_default();
    let refreshed = world.sessions.refresh(refresh_token, shared.now());
    refreshed.map_err(ApiFault::of_session)
}

/// A dead session is no fault here: it answers with a user that does not exist.
fn ping(shared: &Shared, world: &World, params: &Params, bearer: Option<&str>) -> Value {
    let token = text(params, "access_token").or(bearer).unwrap_or_default();
    let lives = world.sessions.check(token, shared.now()).is_ok();
    json!({ "user_id": if lives { 3 } else { 0 } })
}

fn logout(world: &mut World, params: &Params, bearer: Option<&str>) -> Result<Value, ApiFault> {
    let named = text(params, "access_token").or_else(|| text(params, "session_id")).or(bearer);
    let ended = world.sessions.end(named.unwrap_or_default());
    ended.map_err(ApiFault::of_session)?;
    Ok(json!({ "success": 1 }))
}

/// An account that does not exist is an empty document, not a fault.
fn account_info(world: &World, params: &Params) -> Value {
    match named_account(world, params) {
        Some(account) => json!({ "account_info": account.info(wants_features(params)) }),
        None => json!({}),
    }
}

fn service_features(world: &World, params: &Params) -> Value {
    match named_account(world, params) {
        Some(account) => json!({ "service_features": account.info(true)["service_features"] }),
        None => json!({}),
    }
}

fn named_account<'a>(world: &'a World, params: &Params) -> Option<&'a Account> {
    match number(params, "i_account") {
        Some(i_account) => world.accounts.get(&i_account),
        None => world.account_by_id(text(params, "id")?),
    }
}

/// Features are there unless one of the two flags says otherwise.
fn wants_features(params: &Params) -> bool {
    flag(params, "without_service_features") != Some(true)
        && flag(params, "get_service_features") != Some(false)
}

fn custom_fields(world: &World, params: &Params) -> Value {
    match named_account(world, params) {
        Some(account) => json!({ "custom_fields_values": account.custom_fields() }),
        None => json!({}),
    }
}

fn alias_list(world: &World, params: &Params) -> Value {
    let master = number(params, "i_master_account").and_then(|master| world.accounts.get(&master));
    page("alias_list", master.map(Account::alias_rows).unwrap_or_default(), params)
}

fn access_policy(world: &World, params: &Params) -> Value {
    let i_access_policy = number(params, "i_access_policy");
    let of_policy = |account: &&Account| Some(account.i_access_policy) == i_access_policy;
    match world.accounts.values().find(of_policy) {
        Some(account) => json!({ "access_policy_info": account.access_policy() }),
        None => json!({}),
    }
}

fn account_list(world: &World, params: &Params) -> Value {
    let i_customer = number(params, "i_customer");
    let open_only = flag(params, "get_not_closed_accounts") == Some(true);
    let rows = world
        .accounts
        .values()
        .filter(|account| i_customer.is_none_or(|only| only == account.i_customer))
        .filter(|account| !(open_only && account.closed()));
    page("account_list", rows.map(|account| account.info(false)).collect(), params)
}

fn card_list(world: &World, params: &Params) -> Value {
    let i_account = number(params, "i_account");
    let rows = world
        .accounts
        .values()
        .filter(|account| i_account.is_none_or(|only| only == account.i_account))
        .filter(|account| account.imsi.is_some());
    page("card_list", rows.map(Account::card).collect(), params)
}

fn customer_info(world: &World, params: &Params) -> Value {
    let i_customer = number(params, "i_customer");
    let of_customer = |account: &&Account| Some(account.i_customer) == i_customer;
    match world.accounts.values().find(of_customer) {
        Some(account) => json!({ "customer_info": account.customer() }),
        None => json!({}),
    }
}

fn customer_list(world: &World, params: &Params) -> Value {
    let customers: BTreeMap<u64, Value> =
        world.accounts.values().map(|account| (account.i_customer, account.customer())).collect();
    page("customer_list", customers.into_values().collect(), params)
}

/// The rows from `offset`, `limit` of them, and how many there are when asked.
fn page(name: &str, rows: Vec<Value>, params: &Params) -> Value {
    let place =
        |name, otherwise| usize::try_from(number(params, name).unwrap_or(otherwise)).unwrap_or(usize::MAX);
    let total = rows.len();
    let shown = rows.into_iter().skip(place("offset", 0)).take(place("limit", PAGE));
    let mut document = Map::new();
    document.insert(name.to_owned(), shown.collect());
    if flag(params, "get_total") == Some(true) {
        document.insert("total".to_owned(), total.into());
    }
    document.into()
}

fn text<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.get(name)?.as_str()
}

/// A number that may be written as text.
fn number(params: &Params, name: &str) -> Option<u64> {
    let value = params.get(name)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A flag: 0 or 1, as a number or as text.
fn flag(params: &Params, name: &str) -> Option<bool> {
    number(params, name).map(|value| value != 0)
}
