//! The life of an order: settle what an earlier operation left open, order, wait for the end.

use std::collections::BTreeMap;

use punchdown_adapter::{
    Acted, Flow, Operation, Request, Response, Status, Stop, Value, Wait, Wanted, Woken, json,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::{Config, Item};
use crate::order::{self, Action, ErrorMessage, Order};
use crate::standing::{Asked, Service, ServiceState, Standing};

/// How often one order is sent while nobody can say whether it arrived.
const ORDER_TRIES_MAX: u32 = 3;

pub fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
    let Ok(config) = Config::read(&operation.config) else {
        return Err(flow.park("configuration", "it is not as it was checked"));
    };
    let Ok(mut standing) = Standing::read(operation.applied.as_ref()) else {
        return Err(flow.park("applied", "what stands was not written by this adapter"));
    };
    settle_earlier(flow, &config, &mut standing)?;

    let Some((action, service)) = next_order(&config, operation, &standing) else {
        standing.say(flow);
        report_all(flow, &config, |_| (Status::Ok, None));
        return Ok(());
    };
    let body = order::body(&config, &operation.id, action, &service);
    let leaves = (action != Action::Delete).then_some(service);
    standing.asked = Some(Asked { external_id: operation.id.clone(), leaves });
    standing.say(flow);
    let mut order = place(flow, &config, &operation.id, &body)?;
    flow.key(&order.id);
    if order.end().is_none() {
        report_all(flow, &config, |_| (Status::InProgress, None));
        order = settle(flow, &config, &order.id)?;
    }

    standing.settle(&config, Some(&order));
    standing.say(flow);
    report_all(flow, &config, |item| match order.item_done(&item.id) {
        Ok(()) => (Status::Ok, None),
        Err(reason) => (Status::Failed, Some(reason)),
    });
    Ok(())
}

/// What to order so that the system agrees with PortaBilling; `None`: it does.
fn next_order(config: &Config, operation: &Operation, standing: &Standing) -> Option<(Action, Service)> {
    let service = |state, ids| Service { state, characteristics: config.characteristics_of(operation), ids };
    match (operation.wanted, standing.service.clone()) {
        (Wanted::Running, None) => Some((Action::Add, service(ServiceState::Active, BTreeMap::new()))),
        (Wanted::Running, Some(stands)) => Some((Action::Modify, service(ServiceState::Active, stands.ids))),
        (Wanted::Suspended, Some(stands)) => {
            Some((Action::Modify, service(ServiceState::Inactive, stands.ids)))
        }
        (Wanted::Gone, Some(stands)) => Some((Action::Delete, stands)),
        (Wanted::Suspended | Wanted::Gone, None) => None,
    }
}

/// An earlier operation may have left an order open, whatever became of that operation.
fn settle_earlier(flow: &mut Flow, config: &Config, standing: &mut Standing) -> Result<(), Stop> {
    let Some(asked) = &standing.asked else {
        return Ok(());
    };
    let mut earlier = find(flow, config, "find-open", &asked.external_id)?;
    if let Some(open) = earlier.as_ref().filter(|order| order.end().is_none()) {
        flow.key(&open.id);
        let cancel = Request::post(format!("{}/cancelServiceOrder", config.base))
            .json(&json!({"serviceOrder": {"id": open.id}}));
        // Cancelled twice, or too late, it is refused: its end is what counts.
        let response = flow.ask("cancel", cancel)?;
        if is_busy(&response) {
            return Err(flow.again("busy", format!("cancel: {}", response.status)));
        }
        earlier = Some(settle(flow, config, &open.id)?);
    }
    standing.settle(config, earlier.as_ref());
    Ok(())
}

/// Orders once. When nobody knows whether the order arrived, it is looked for, and sent again only
/// when it is not there.
fn place(flow: &mut Flow, config: &Config, external_id: &str, body: &Value) -> Result<Order, Stop> {
    for _ in 0..ORDER_TRIES_MAX {
        let order = Request::post(config.orders()).json(body);
        match flow.act("order", order)? {
            Acted::Answered(response) => return accepted(flow, &response),
            Acted::Unknown(_) => {
                if let Some(order) = find(flow, config, "find", external_id)? {
                    return Ok(order);
                }
            }
        }
    }
    let message = format!("sent {ORDER_TRIES_MAX} times, never answered, and not to be found");
    Err(flow.park("in-doubt", message))
}

fn accepted(flow: &mut Flow, response: &Response) -> Result<Order, Stop> {
    if is_busy(response) {
        return Err(flow.again("busy", format!("order: {}", response.status)));
    }
    if !response.is_success() {
        let said = read(response).and_then(|error: ErrorMessage| error.text());
        let reason = said.unwrap_or_else(|| format!("the order was answered {}", response.status));
        return Err(flow.park("refused", reason));
    }
    read(response).ok_or_else(|| {
        let message = format!("the order was answered {} without an order", response.status);
        flow.park("not-understood", message)
    })
}

/// Sleeps until the order has come to its end: by a notification, or by a look.
fn settle(flow: &mut Flow, config: &Config, id: &str) -> Result<Order, Stop> {
    let is_it = |order: &Order| order.id == id;
    let news = match flow.wait(pause(flow, config))? {
        Woken::Notified(payload) => Order::deserialize(payload).ok().filter(is_it),
        Woken::Elapsed => {
            let request = Request::get(config.orders()).segment(id);
            Some(look(flow, "look", request)?)
        }
    };
    match news {
        Some(order) if order.end().is_some() => Ok(order),
        _ => Err(flow.wait_on(pause(flow, config))),
    }
}

/// An old order is looked at less often.
fn pause(flow: &Flow, config: &Config) -> Wait {
    let at_least = match flow.age().as_secs() {
        0..600 => 0,
        600..3_600 => 300,
        _ => 1_800,
    };
    Wait::seconds(config.poll_seconds.max(at_least)).gives_way()
}

fn find(flow: &mut Flow, config: &Config, label: &str, external_id: &str) -> Result<Option<Order>, Stop> {
    let request = Request::get(config.orders()).query("externalId", external_id);
    let orders: Vec<Order> = look(flow, label, request)?;
    let none = orders.is_empty();
    let ours = |order: &Order| order.external_id.as_deref() == Some(external_id);
    match orders.into_iter().find(ours) {
        // A system that shows other orders did not search, so ours may be there all the same.
        None if !none => {
            let message = format!("{label}: other orders were shown");
            Err(flow.park("search-unclear", message))
        }
        found => Ok(found),
    }
}

/// An answer that is not 2xx, or not what was asked for, is never "not there".
fn look<T: DeserializeOwned>(flow: &mut Flow, label: &str, request: Request) -> Result<T, Stop> {
    let response = flow.ask(label, request)?;
    let seen = response.is_success().then(|| read(&response)).flatten();
    seen.ok_or_else(|| flow.again("look-failed", format!("{label}: {}", response.status)))
}

fn read<T: DeserializeOwned>(response: &Response) -> Option<T> {
    serde_json::from_value(response.json()?).ok()
}

fn is_busy(response: &Response) -> bool {
    matches!(response.status, 429 | 503)
}

fn report_all(flow: &mut Flow, config: &Config, status_of: impl Fn(&Item) -> (Status, Option<String>)) {
    for item in &config.items {
        let (status, message) = status_of(item);
        match &item.group {
            Some(group) => flow.report_for(group, status, message),
            None => flow.report(status, message),
        }
    }
}
