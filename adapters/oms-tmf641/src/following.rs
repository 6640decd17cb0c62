//! Finding out how an order ended. A notification is a hint unless it tells all; a look decides.

use std::time::Duration;

use punchdown_adapter::{Flow, Level, Request, Response, Stop, Value, Wait, Woken, log};

use crate::config::Config;
use crate::order::Order;

/// How long an order may be nowhere to be found before a person has to look.
const NOWHERE: Duration = Duration::from_secs(600);

/// An order that was sent: our name for it, and the system's, when that is known.
pub struct Sent {
    pub external_id: String,
    pub id: Option<String>,
}

impl Sent {
    /// Sleeps until the order has come to its end: by a notification, or by a look.
    pub fn settle(&self, flow: &mut Flow, config: &Config) -> Result<Order, Stop> {
        let since = flow.age();
        let told = match flow.wait(pause(flow, config))? {
            Woken::Elapsed => None,
            Woken::Notified(payload) => match self.told(&payload) {
                None => return Err(flow.wait_on(pause(flow, config))),
                told => told,
            },
        };
        let order = match told {
            Some(order) if order.tells_all(config) => return Ok(order),
            Some(order) if order.is_on_its_way() => Some(order),
            _ => self.look(flow, config)?,
        };
        match order {
            Some(order) if order.end(config).is_some() => Ok(order),
            Some(order) => {
                if order.is_strange() {
                    log(Level::Warn, format_args!("order {} is `{}`: waiting on", order.id, order.state));
                }
                Err(flow.wait_on(pause(flow, config)))
            }
            None if flow.age() - since < NOWHERE => Err(flow.wait_on(pause(flow, config))),
            None => Err(flow.park("order-not-found", "the order was taken, and is nowhere to be found")),
        }
    }

    /// `None`: it is not there, as far as anybody can see.
    pub fn look(&self, flow: &mut Flow, config: &Config) -> Result<Option<Order>, Stop> {
        if let Some(id) = &self.id {
            let response = flow.ask("look", Request::get(config.orders()).segment(id))?;
            if !matches!(response.status, 404 | 410) {
                return seen(flow, "look", &response, Order::read).map(Some);
            }
        }
        self.find(flow, config)
    }

    /// Looks among all orders for the one that carries our name.
    pub fn find(&self, flow: &mut Flow, config: &Config) -> Result<Option<Order>, Stop> {
        let search = Request::get(config.orders()).query(config.dialect.search(), &self.external_id);
        let response = flow.ask("find", search)?;
        let orders = seen(flow, "find", &response, |shown| {
            Some(shown.as_array()?.iter().filter_map(Order::read).collect::<Vec<_>>())
        })?;
        let none = orders.is_empty();
        match orders.into_iter().find(|order| self.is(order)) {
            // A system that shows other orders did not search, so ours may be there all the same.
            None if !none => Err(flow.park("search-unclear", "find: other orders were shown")),
            found => Ok(found),
        }
    }

    /// A notification's order, if it is this one.
    pub fn told(&self, payload: &Value) -> Option<Order> {
        Order::read(payload).filter(|order| self.is(order))
    }

    fn is(&self, order: &Order) -> bool {
        self.id.as_ref() == Some(&order.id) || order.external_ids.contains(&self.external_id)
    }
}

/// An answer that is not 2xx, or not what was asked for, is never "not there".
fn seen<T>(
    flow: &mut Flow,
    label: &str,
    response: &Response,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<T, Stop> {
    let shown = response.json().filter(|_| response.is_success());
    let seen = shown.and_then(|shown| read(&shown));
    seen.ok_or_else(|| flow.again("look-failed", format!("{label}: {}", response.status)))
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
