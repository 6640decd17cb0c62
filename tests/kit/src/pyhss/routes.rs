//! The resources: records of each table, look-ups, and the PCRF's push.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::odd::Odd;
use super::tables::{Row, Table};
use super::{Shared, answers, webhooks};
use crate::lock::lock;

const PAGE: usize = 100;
/// Of an AuC these are left out, unless keys may be read.
const KEYS: [&str; 6] = ["opc", "ki", "des", "kid", "psk", "adm1"];

pub(super) fn all(shared: &Arc<Shared>) -> Router {
    Router::new().fallback(handle).with_state(Arc::clone(shared))
}

/// A request, taken apart.
struct Asked<'a> {
    method: &'a Method,
    segments: Vec<&'a str>,
    query: HashMap<String, String>,
    members: Value,
}

impl Asked<'_> {
    /// Its kind, as the ledger names it.
    fn name(&self) -> String {
        let path = match self.segments.as_slice() {
            [table, ""] => (*table).to_owned(),
            [table, "list"] => format!("{table}/list"),
            [table, _] => format!("{table}/{{id}}"),
            [table, way, ..] => format!("{table}/{way}/{{}}"),
            other => other.join("/"),
        };
        format!("{} /{path}", self.method)
    }

    fn table(&self) -> Option<Table> {
        Table::named(self.segments.first()?)
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let segments = uri.path().trim_start_matches('/').split('/').collect();
    let members = serde_json::from_slice(&body).unwrap_or_default();
    let asked = Asked { method: &method, segments, query, members };
    let name = asked.name();
    *lock(&shared.ledger).requests.entry(name.clone()).or_default() += 1;
    let writes = method != Method::GET;
    if writes && !has_key(&shared, &headers) {
        lock(&shared.ledger).refused_keys += 1;
        return answers::wrong_key();
    }
    if matches!(method, Method::PUT | Method::PATCH) && !asked.members.is_object() {
        return answers::bad_json();
    }
    let odd = odd_for(&shared, &name, writes);
    if let Some(odd) = odd {
        *lock(&shared.ledger).odd.entry(odd).or_default() += 1;
    }
    // Whoever is gone before he is answered is not waited for.
    let waiting = writes.then(|| shared.unanswered.one_more());
    let in_a_list = asked.segments.first() == Some(&"ims_subscriber") && asked.segments.len() > 2;
    let answer = match odd {
        Some(Odd::Unchanged) => answer(&shared, &Asked { method: &Method::GET, ..asked }),
        Some(odd) => {
            if odd.does_it() {
                drop(answer(&shared, &asked));
            }
            answers::odd(odd, asked.table(), &asked.members, in_a_list)
        }
        None => answer(&shared, &asked),
    };
    if writes {
        shared.hold_answers.released().await;
    }
    drop(waiting);
    answer
}

fn has_key(shared: &Shared, headers: &HeaderMap) -> bool {
    let shown = headers.get("provisioning-key").map(|value| value.as_bytes());
    lock(&shared.knobs).key.as_ref().is_none_or(|key| shown == Some(key.as_bytes()))
}

/// What was said to happen to the next of these, or what chance brings.
fn odd_for(shared: &Shared, name: &str, writes: bool) -> Option<Odd> {
    let mut knobs = lock(&shared.knobs);
    if let Some(odd) = knobs.odd.get_mut(name).and_then(|queue| queue.pop_front()) {
        return Some(odd);
    }
    if !writes {
        return None;
    }
    knobs.writes += 1;
    let number = knobs.writes;
    let mut chance = StdRng::seed_from_u64(shared.settings.seed.rotate_left(32) ^ number);
    let (locked, lost) = (chance.random::<f64>(), chance.random::<f64>());
    match &knobs.manners {
        manners if locked < manners.locked => Some(Odd::Locked),
        manners if lost < manners.loses_answer => Some(Odd::Lost),
        _ => None,
    }
}

fn answer(shared: &Arc<Shared>, asked: &Asked<'_>) -> Response {
    let method = asked.method.as_str();
    match (method, asked.segments.as_slice(), asked.table()) {
        ("GET", ["oam", "ping"], _) => answers::shown(json!({ "result": "OK" })),
        ("GET", ["pcrf", "pcrf_subscriber_imsi", imsi, apn], _) => session(shared, imsi, apn),
        ("PUT", ["pcrf", ""], _) => push(shared, &asked.members),
        ("PUT", [_, ""], Some(table)) => create(shared, table, &asked.members),
        ("GET", [_, "list"], Some(table)) => list(shared, table, &asked.query),
        ("GET", [_, id], Some(table)) => {
            let row = id.parse().ok().and_then(|id| lock(&shared.tables).get(table, id).cloned());
            row.map_or_else(answers::nothing, |row| answers::shown(readable(shared, table, row)))
        }
        ("PATCH", [_, id], Some(table)) => patch(shared, table, id.parse().unwrap_or(0), &asked.members),
        ("DELETE", [_, id], Some(table)) => {
            if !lock(&shared.tables).delete(table, id.parse().unwrap_or(0)) {
                return answers::nothing();
            }
            webhooks::tell(shared, "DELETE", None);
            answers::deleted()
        }
        ("GET", [_, way, value], Some(table)) => look_up(shared, table, way, value),
        _ => answers::no_such_path(),
    }
}

fn create(shared: &Arc<Shared>, table: Table, members: &Value) -> Response {
    let made = lock(&shared.tables).create(table, members);
    match made {
        Ok(row) => {
            webhooks::tell(shared, "PUT", Some(&row));
            answers::shown(row.into())
        }
        Err(refusal) => answers::refused(table, &refusal, members),
    }
}

fn patch(shared: &Arc<Shared>, table: Table, id: u64, members: &Value) -> Response {
    let changed = {
        let mut tables = lock(&shared.tables);
        let before = tables.patch(table, id, members);
        before.map(|before| (before, tables.get(table, id).cloned().unwrap_or_default()))
    };
    match changed {
        Ok((before, after)) => {
            webhooks::tell(shared, "PATCH", Some(&before));
            answers::shown(readable(shared, table, after))
        }
        Err(refusal) => answers::refused(table, &refusal, members),
    }
}

fn list(shared: &Shared, table: Table, query: &HashMap<String, String>) -> Response {
    let number = |name| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let (page, size) = (number("page").unwrap_or(0), number("page_size").unwrap_or(PAGE));
    let rows: Vec<Row> = lock(&shared.tables).rows(table).skip(page * size).take(size).cloned().collect();
    let rows = rows.into_iter().map(|row| readable(shared, table, row));
    answers::shown(rows.collect())
}

fn look_up(shared: &Shared, table: Table, way: &str, value: &str) -> Response {
    let column = match (table, way) {
        (Table::Auc, "imsi" | "iccid") | (Table::Subscriber, "imsi" | "msisdn") => way,
        (Table::ImsSubscriber, "ims_subscriber_imsi") => "imsi",
        (Table::ImsSubscriber, "ims_subscriber_msisdn") => "msisdn",
        _ => return answers::no_such_path(),
    };
    let row = lock(&shared.tables).one(table, column, value).cloned();
    match row {
        Some(mut row) => {
            if table == Table::Subscriber {
                row.insert("attributes".to_owned(), json!([]));
            }
            answers::shown(readable(shared, table, row))
        }
        None if table == Table::ImsSubscriber => answers::no_ims_subscriber(),
        None => answers::nothing(),
    }
}

fn readable(shared: &Shared, table: Table, mut row: Row) -> Value {
    if table == Table::Auc && !shared.settings.shows_keys {
        row.retain(|name, _| !KEYS.contains(&name.as_str()));
    }
    row.into()
}

fn is_online(shared: &Shared, imsi: &str, apn_id: u64) -> bool {
    lock(&shared.knobs).sessions.contains(&(imsi.to_owned(), apn_id))
}

fn session(shared: &Shared, imsi: &str, apn: &str) -> Response {
    match apn.parse() {
        Ok(apn_id) if is_online(shared, imsi, apn_id) => {
            answers::shown(json!({ "pcrf_session_id": format!("pgw;{imsi};{apn_id}"), "apn": apn_id }))
        }
        _ => answers::nothing(),
    }
}

/// Whatever goes wrong, nobody catches it.
fn push(shared: &Shared, members: &Value) -> Response {
    let numbers = (members["apn_id"].as_u64(), members["charging_rule_id"].as_u64());
    let (Some(imsi), (Some(apn_id), Some(rule_id))) = (members["imsi"].as_str(), numbers) else {
        return answers::broken();
    };
    let is_rule = lock(&shared.tables).get(Table::ChargingRule, rule_id).is_some();
    if !is_rule || !is_online(shared, imsi, apn_id) || lock(&shared.knobs).pushes_break {
        return answers::broken();
    }
    lock(&shared.ledger).pushed.push((imsi.to_owned(), apn_id, rule_id));
    answers::shown(json!({ "Result": "Successfully sent Gx RAR", "destinationClients": "pgw01" }))
}
