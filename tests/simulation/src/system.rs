//! What the external systems do with a request.

use std::sync::Arc;

use punchdown::domain::{Body, Group, IAccount, Request, Response};
use punchdown::ports::SessionValues;
use serde_json::{Value, json};

use crate::outside::{News, Order, Progress, Stands, System};
use crate::plan::{Deed, Manner};
use crate::promise::Promise;
use crate::universe::{State, Universe};

fn respond(status: u16, body: &Value) -> Response {
    Response { status, headers: Vec::new(), body: Body::Text(body.to_string()) }
}

/// What a request wants to stand.
fn wanted(body: &Value) -> Option<Stands> {
    let suspended = body["suspended"].as_bool().unwrap_or_default();
    (body["gone"] != true)
        .then(|| Stands { suspended, version: body["version"].as_u64().unwrap_or_default() })
}

fn account_in(path: &str) -> IAccount {
    let number = path.split('/').nth(2).and_then(|part| part.parse().ok());
    IAccount(number.unwrap_or_default())
}

pub fn take(
    state: &mut State,
    universe: &Arc<Universe>,
    group: &Group,
    request: &Request,
    key: &str,
    session: &SessionValues,
) -> Response {
    let at = universe.groups.iter().position(|plan| plan.group == *group).unwrap_or_default();
    let body: Value = serde_json::from_slice(request.body.bytes()).unwrap_or(Value::Null);
    let ends = state.fails(|weather| weather.session_ends);
    let system = state.outside.systems.entry(group.clone()).or_default();
    if request.needs_session() {
        if ends {
            system.session += 1;
        }
        let offered = session.get("token").map(|token| token.expose().to_owned());
        if offered != Some(system.session.to_string()) {
            return respond(401, &Value::Null);
        }
    }
    let path = request.path.as_str();
    match request.method.as_str() {
        "POST" if path == "/log-in" => respond(200, &json!({"token": system.session})),
        "POST" if path == "/order" => make(state, universe, at, &body),
        "POST" if path == "/job" => match system.jobs_by_key.get(key) {
            Some(known) => respond(201, &json!({"id": known})),
            None => {
                let made = make(state, universe, at, &body);
                let id = serde_json::from_slice::<Value>(made.body.bytes()).unwrap_or(Value::Null);
                let system = state.outside.systems.entry(group.clone()).or_default();
                system.jobs_by_key.insert(key.to_owned(), id["id"].as_u64().unwrap_or_default());
                made
            }
        },
        "POST" if path.ends_with("/cancel") => cancel(system, path),
        "GET" => look(system, path),
        _ => {
            let account = account_in(path);
            let wants = if request.method == "DELETE" { None } else { wanted(&body) };
            removes(state, account, wants);
            let system = state.outside.systems.entry(group.clone()).or_default();
            let stood = system.stands.contains_key(&account);
            system.set(account, wants);
            respond(if wants.is_none() && !stood { 404 } else { 200 }, &Value::Null)
        }
    }
}

/// Nothing is removed that is not closed.
fn removes(state: &mut State, account: IAccount, wants: Option<Stands>) {
    let is_closed = state.outside.accounts.get(&account).is_none_or(|account| account.closed);
    state.hold(Promise::OnlyClosedIsRemoved, wants.is_some() || is_closed, || {
        format!("account {account} is removed, and PortaBilling has not closed it")
    });
}

fn make(state: &mut State, universe: &Universe, at: usize, body: &Value) -> Response {
    let account = IAccount(body["account"].as_u64().unwrap_or_default());
    let wants = wanted(&body["wants"]);
    removes(state, account, wants);
    let group = universe.groups[at].group.clone();
    let takes = match universe.groups[at].manner {
        Manner::Order => state.dice.within(100..90_000),
        _ => state.dice.within(100..50_000),
    };
    // Some are done before whoever ordered hears that they were taken.
    let takes = if state.fails(|weather| weather.notification_early) { 1 } else { takes };
    let system = state.outside.systems.entry(group).or_default();
    let number = system.number();
    let external = body["external"].as_str().unwrap_or_default().to_owned();
    let order = Order { external, account, wants, progress: Progress::Open, told: false };
    system.orders.insert(number, order);
    state.plan(takes, Deed::Finish(at, number));
    respond(201, &json!({"id": number}))
}

fn cancel(system: &mut System, path: &str) -> Response {
    let number = path.split('/').nth(2).and_then(|part| part.parse::<u64>().ok()).unwrap_or_default();
    match system.orders.get_mut(&number) {
        Some(order) if order.progress == Progress::Open => {
            order.progress = Progress::Cancelled;
            respond(200, &Value::Null)
        }
        _ => respond(409, &Value::Null),
    }
}

fn look(system: &System, path: &str) -> Response {
    let shown = |number: u64| {
        let state = match system.orders.get(&number).map(|order| order.progress) {
            Some(Progress::Open) => "open",
            Some(Progress::Done) => "done",
            Some(Progress::Cancelled) | None => "cancelled",
        };
        json!({"id": number, "state": state})
    };
    if let Some(external) = path.strip_prefix("/order?external=") {
        let found: Vec<Value> = system.by_external(external).into_iter().map(shown).collect();
        return respond(200, &Value::from(found));
    }
    let number = path.rsplit('/').next().and_then(|part| part.parse().ok()).unwrap_or_default();
    respond(200, &shown(number))
}

/// An order or a job comes to its end; who ordered is told, unless that gets lost.
pub fn finish(state: &mut State, universe: &Universe, at: usize, number: u64) {
    if state.outside.never_done {
        return;
    }
    let plan = &universe.groups[at];
    let system = state.outside.systems.entry(plan.group.clone()).or_default();
    if !system.finish(number) {
        return;
    }
    let external = system.orders[&number].external.clone();
    state.note(format!("{} finishes {number} of {external}", plan.group));
    if plan.manner != Manner::Order || state.fails(|weather| weather.notification_lost) {
        return;
    }
    let body = match state.dice.permille(500) {
        true => {
            json!({"id": format!("n-{at}-{number}"), "external": external, "of": external, "state": "done"})
        }
        false => json!({"id": format!("n-{at}-{number}"), "order": number, "of": external, "state": "done"}),
    };
    let sender_id = state.dice.permille(500).then(|| format!("w-{at}-{number}"));
    send_news(state, at, body.to_string(), sender_id, Some(number));
}

/// The system changed something of itself, and says so.
pub fn drift(state: &mut State, at: usize, account: IAccount) {
    let id = state.ids;
    let body = json!({"id": format!("d-{at}-{id}"), "account": account});
    send_news(state, at, body.to_string(), None, None);
}

fn send_news(state: &mut State, group: usize, body: String, sender_id: Option<String>, order: Option<u64>) {
    let news = News { group, sender_id, body, order, under_way: false, answered: false, attempts: 0 };
    state.outside.notifications.push(news);
    let number = state.outside.notifications.len() - 1;
    let in_millis = state.dice.within(0..300);
    state.plan(in_millis, Deed::Notify(number));
}
