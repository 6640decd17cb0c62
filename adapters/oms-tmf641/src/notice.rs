//! What the system says of itself: events about orders.
//!
//! The kind of an event does not matter: whatever carries an order says how that order is, and what
//! carries only a reference to one is a hint to look at it.

use punchdown_adapter::{
    Correlation, Notification, Otherwise, Reading, Response, Signal, Trouble, Value, json,
};

use crate::order::Order;

/// Where an event has its order; some have it in place of these.
const ORDERS: [&str; 2] = ["serviceOrder", "productOrder"];
/// Where an event about a cancellation has its task, which names the order.
const TASKS: [&str; 2] = ["cancelServiceOrder", "cancelProductOrder"];

pub fn read(notification: &Notification) -> Reading {
    let Some(notice) = notification.body.json() else {
        return unread("not JSON");
    };
    match order_of(&notice) {
        Some(order) => {
            let id = notice["eventId"].as_str().map(str::to_owned);
            Reading { reply: Response::empty(204), signals: vec![signal(id, &order)], unread: None }
        }
        None => unread("no event about an order"),
    }
}

fn order_of(notice: &Value) -> Option<Order> {
    let event = &notice["event"];
    let task = TASKS.iter().map(|name| &event[*name]).find(|task| task.is_object());
    let about = task.unwrap_or(event);
    let within = ORDERS.iter().map(|name| &about[*name]).find(|order| order.is_object());
    let mut order = Order::read(within.unwrap_or(about))?;
    let is_deletion = notice["eventType"].as_str().is_some_and(|kind| kind.contains("Delete"));
    if task.is_some() || is_deletion {
        // The task's state is not the order's, and what is deleted has none that counts.
        order.state.clear();
    }
    Some(order)
}

fn signal(id: Option<String>, order: &Order) -> Signal {
    // The external id is the operation's, and known before the order's own.
    let key = order.external_ids.first().unwrap_or(&order.id);
    Signal {
        id,
        correlation: Correlation::Key(key.clone()),
        payload: json!(order),
        otherwise: Otherwise::Keep,
    }
}

fn unread(message: &str) -> Reading {
    let trouble = Trouble { code: "not-understood".to_owned(), message: message.to_owned() };
    Reading { reply: Response::empty(202), signals: Vec::new(), unread: Some(trouble) }
}
