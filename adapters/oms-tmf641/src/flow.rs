//! The life of an operation: settle what an earlier one left open, order, wait for the end.

use std::collections::{BTreeMap, BTreeSet};

use punchdown_adapter::{Acted, Flow, Operation, Request, Status, Stop, Value, Wait, Wanted, Woken};

use crate::answer::{self, Answer};
use crate::config::Config;
use crate::dialect::{self, Action};
use crate::following::Sent;
use crate::inventory;
use crate::order::Order;
use crate::standing::{Asked, Service, ServiceState, Standing};

/// How often one order is sent while nobody can say whether it arrived: for an hour and a half.
const ORDER_TRIES_MAX: u32 = 8;
const RETRY_SECONDS_MAX: u32 = 1_800;

pub fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
    let Ok(config) = Config::read(&operation.config) else {
        return Err(flow.park("configuration", "it is not as it was checked"));
    };
    let Ok(mut standing) = Standing::read(operation.applied.as_ref()) else {
        return Err(flow.park("applied", "what stands was not written by this adapter"));
    };
    settle_earlier(flow, &config, &mut standing)?;
    if standing.service.is_none() {
        standing.service = inventory::find(flow, &config, operation)?;
    }
    let Some((action, service)) = next_order(&config, operation, &standing) else {
        standing.say(flow);
        report(flow, &config, Status::Ok);
        return Ok(());
    };
    let body = dialect::order(&config, &operation.id, action, &service);
    let leaves = (action != Action::Delete).then_some(service);
    let mut sent = Sent { external_id: operation.id.clone(), id: None };
    standing.asked = Some(Asked { external_id: operation.id.clone(), id: None, leaves });
    standing.say(flow);
    let placed = place(flow, &config, &mut sent, &body)?;
    if let Some(id) = &sent.id {
        flow.key(id);
        standing.named(id);
    }
    let order = match placed {
        Some(order) if order.end(&config).is_some() => order,
        _ => {
            standing.say(flow);
            report(flow, &config, Status::InProgress);
            sent.settle(flow, &config)?
        }
    };

    standing.settle(&config, Some(&order));
    standing.say(flow);
    report_end(flow, &config, &order);
    Ok(())
}

/// What to order so that the system agrees with PortaBilling; `None`: it does.
fn next_order(config: &Config, operation: &Operation, standing: &Standing) -> Option<(Action, Service)> {
    let service = |state, ids| Service { state, characteristics: config.characteristics.of(operation), ids };
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

/// An earlier operation may have left an order open, whatever became of that operation. It is cancelled
/// where that can be asked for; what counts is how it ended.
fn settle_earlier(flow: &mut Flow, config: &Config, standing: &mut Standing) -> Result<(), Stop> {
    let Some(Asked { external_id, id, .. }) = &standing.asked else {
        return Ok(());
    };
    let mut sent = Sent { external_id: external_id.clone(), id: id.clone() };
    let mut earlier = sent.look(flow, config)?;
    if let Some(open) = earlier.take_if(|order| order.end(config).is_none()) {
        // News of it is ours from now on.
        flow.key(&open.id);
        flow.key(&sent.external_id);
        sent.id = Some(open.id.clone());
        standing.named(&open.id);
        standing.say(flow);
        if let Some(cancel) = config.dialect.cancel(&config.base, &open.id) {
            cancelled(flow, cancel)?;
            earlier = sent.look(flow, config)?.filter(|order| order.end(config).is_some());
        }
        if earlier.is_none() {
            earlier = Some(sent.settle(flow, config)?);
        }
    }
    standing.settle(config, earlier.as_ref());
    Ok(())
}

/// Cancelled twice, too late, or not at all: a refusal is as good an answer as any, for a look follows.
fn cancelled(flow: &mut Flow, cancel: Request) -> Result<(), Stop> {
    let response = flow.ask("cancel", cancel)?;
    match response.status {
        401 | 407 | 408 | 425 | 429 | 500 | 502..=504 => {
            Err(flow.again("cancel-unanswered", format!("cancel: {}", response.status)))
        }
        _ => Ok(()),
    }
}

/// Orders once. When nobody knows whether the order arrived, it is looked for, and sent again only
/// when it is not there. `None`: it was taken, and is not to be seen yet.
fn place(flow: &mut Flow, config: &Config, sent: &mut Sent, body: &Value) -> Result<Option<Order>, Stop> {
    for attempt in 0..ORDER_TRIES_MAX {
        let found = match flow.act("order", Request::post(config.orders()).json(body))? {
            Acted::Answered(response) => match answer::read(&response) {
                Answer::Order(order) => Some(order),
                Answer::Accepted(id) => {
                    sent.id = id;
                    let order = sent.look(flow, config)?;
                    return Ok(order.inspect(|order| sent.id = Some(order.id.clone())));
                }
                Answer::Later(code) => {
                    return Err(flow.again(code, format!("order: {}", response.status)));
                }
                Answer::Refused(reason) => return Err(flow.park("refused", reason)),
                Answer::Duplicate(reason) => match sent.find(flow, config)? {
                    None => return Err(flow.park("refused", reason)),
                    found => found,
                },
                Answer::Unclear => look_twice(flow, config, sent, attempt)?,
            },
            Acted::Unknown(_) => look_twice(flow, config, sent, attempt)?,
        };
        if let Some(order) = found {
            sent.id = Some(order.id.clone());
            return Ok(Some(order));
        }
    }
    let message = format!("sent {ORDER_TRIES_MAX} times, never taken, and not to be found");
    Err(flow.park("in-doubt", message))
}

/// An order that is not there may be on its way: a second one would be one too many.
fn look_twice(flow: &mut Flow, config: &Config, sent: &Sent, attempt: u32) -> Result<Option<Order>, Stop> {
    if let Some(order) = sent.find(flow, config)? {
        return Ok(Some(order));
    }
    let seconds = config.poll_seconds.saturating_mul(1 << attempt).min(RETRY_SECONDS_MAX);
    if let Woken::Notified(payload) = flow.wait(Wait::seconds(seconds))?
        && let Some(order) = sent.told(&payload)
    {
        return Ok(Some(order));
    }
    sent.find(flow, config)
}

fn report(flow: &mut Flow, config: &Config, status: Status) {
    for group in groups(config) {
        say(flow, group, status, None);
    }
}

/// A group is as well as the worst of its items.
fn report_end(flow: &mut Flow, config: &Config, order: &Order) {
    for group in groups(config) {
        let items = config.items.iter().filter(|item| item.group.as_deref() == group);
        match items.map(|item| order.done(item)).find_map(Result::err) {
            None => say(flow, group, Status::Ok, None),
            Some(reason) => say(flow, group, Status::Failed, Some(reason)),
        }
    }
}

fn say(flow: &mut Flow, group: Option<&str>, status: Status, message: Option<String>) {
    match group {
        Some(group) => flow.report_for(group, status, message),
        None => flow.report(status, message),
    }
}

/// The groups that the items report for; `None`: the operation's own.
fn groups(config: &Config) -> BTreeSet<Option<&str>> {
    config.items.iter().map(|item| item.group.as_deref()).collect()
}
