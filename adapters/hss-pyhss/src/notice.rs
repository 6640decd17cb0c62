//! What the HSS says of itself: one request for each record that was written, by whomever.
//!
//! Such a notice is a hint and nothing more. A change is told with the values from before it, a deletion without
//! any, and our own writes come back, too. Whom it speaks of is all that is taken from it.

use punchdown_adapter::{
    Body, Correlation, Notification, Otherwise, Reading, Response, Signal, Trouble, Value, json,
};

use crate::config::{Config, OnNotice};
use crate::record::text;

/// The members by which kinds of records are told apart. A subscriber names its AuC, so that one comes last.
const KINDS: [(&str, &str); 3] =
    [("ims_subscriber_id", "ims-subscriber"), ("subscriber_id", "subscriber"), ("auc_id", "auc")];

pub fn read(config: &Value, notification: &Notification) -> Reading {
    let reply = Response::empty(204);
    let empty = match &notification.body {
        Body::Empty => true,
        Body::Text(text) => text.trim().is_empty(),
        Body::Bytes(_) => false,
    };
    // A deletion says nothing of what was deleted: the account's next operation finds it out.
    if empty {
        return Reading { reply, signals: Vec::new(), unread: None };
    }
    match notification.body.json() {
        Some(record) if record.is_object() => {
            let signals = signal(config, &notification.method, &record).into_iter().collect();
            Reading { reply, signals, unread: None }
        }
        _ => {
            let message = "no record of the HSS".to_owned();
            let unread = Some(Trouble { code: "not-understood".to_owned(), message });
            Reading { reply: Response::empty(202), signals: Vec::new(), unread }
        }
    }
}

/// What is said of a subscriber. Of an APN or a rule nobody here wants to hear.
fn signal(config: &Value, method: &str, record: &Value) -> Option<Signal> {
    let (_, kind) = KINDS.iter().find(|(member, _)| record.get(member).is_some())?;
    let imsi = text(&record["imsi"])?;
    let on_notice = Config::read(config).map_or(OnNotice::Record, |config| config.on_notice);
    Some(Signal {
        id: None,
        correlation: Correlation::Key(imsi),
        // Not the record itself: it is old, and holds the keys of the card.
        payload: json!({"method": method, "kind": kind}),
        otherwise: match on_notice {
            OnNotice::Look => Otherwise::Begin,
            OnNotice::Record => Otherwise::Drop,
        },
    })
}
