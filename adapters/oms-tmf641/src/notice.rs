//! What the system says of itself: events about service orders.

use punchdown_adapter::{Correlation, Notification, Otherwise, Reading, Response, Signal, Trouble, json};
use serde::Deserialize;

use crate::order::Order;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notice {
    event_id: Option<String>,
    event: Subject,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subject {
    service_order: Order,
}

/// Every kind of event carries the whole order, so the kind does not matter.
pub fn read(notification: &Notification) -> Reading {
    let notice = notification.body.json().map(Notice::deserialize);
    match notice {
        Some(Ok(notice)) => {
            Reading { reply: Response::empty(204), signals: vec![signal(notice)], unread: None }
        }
        Some(Err(error)) => unread(format!("no event about a service order: {error}")),
        None => unread("not JSON".to_owned()),
    }
}

fn signal(notice: Notice) -> Signal {
    let order = notice.event.service_order;
    // `externalId` is the operation's id, and known before the order's own.
    let key = order.external_id.as_ref().unwrap_or(&order.id);
    Signal {
        id: notice.event_id,
        correlation: Correlation::Key(key.clone()),
        payload: json!(order),
        otherwise: Otherwise::Keep,
    }
}

fn unread(message: String) -> Reading {
    Reading {
        reply: Response::empty(202),
        signals: Vec::new(),
        unread: Some(Trouble { code: "not-understood".to_owned(), message }),
    }
}
