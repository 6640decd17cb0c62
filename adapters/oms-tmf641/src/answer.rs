//! What an answer to a posted order means. The status code alone does not say it.

use punchdown_adapter::Response;

use crate::order::{ErrorMessage, Order};

pub enum Answer {
    Order(Order),
    /// It was taken, and is not shown; perhaps it was said where it is.
    Accepted(Option<String>),
    /// There is no order, and the same one may be taken later: a word for it, as for `again`.
    Later(&'static str),
    /// There is none, and why.
    Refused(String),
    /// There may be one of the same name already.
    Duplicate(String),
    /// Nobody can say whether there is one.
    Unclear,
}

pub fn read(response: &Response) -> Answer {
    match response.status {
        200..300 => accepted(response),
        // What the whole group lacks is nothing to bother a person with for each of its accounts.
        401 | 407 => Answer::Later("unauthorised"),
        404 | 405 => Answer::Later("no-such-path"),
        425 | 429 => Answer::Later("busy"),
        // A proxy says so, too, and perhaps of a system that had the order before it fell silent.
        503 if is_own_word(response) => Answer::Later("busy"),
        408 | 500.. => Answer::Unclear,
        409 => Answer::Duplicate(reason(response)),
        _ => Answer::Refused(reason(response)),
    }
}

/// Whether the order system itself speaks, or somebody who knows when it will be there again.
fn is_own_word(response: &Response) -> bool {
    let said = response.json().and_then(|body| ErrorMessage::read(&body));
    said.is_some_and(|said| said.is_whole()) || response.header("retry-after").is_some()
}

/// A success may show the order, tell where it is, say nothing, or be none.
fn accepted(response: &Response) -> Answer {
    let shown = response.json().unwrap_or_default();
    match Order::read(&shown) {
        // What 202 shows may be a task of its own, with an id of its own.
        Some(order) if response.status != 202 || !order.external_ids.is_empty() => Answer::Order(order),
        None if ErrorMessage::read(&shown).is_some_and(|said| said.is_whole()) => {
            Answer::Refused(reason(response))
        }
        _ => Answer::Accepted(location(response)),
    }
}

/// The order's id, as its address says it. Whatever else that address says is nobody's business.
fn location(response: &Response) -> Option<String> {
    let path = response.header("location")?.split(['?', '#']).next()?;
    let (before, id) = path.trim_end_matches('/').rsplit_once('/')?;
    let is_order = before.ends_with("serviceOrder") || before.ends_with("productOrder");
    (is_order && !id.is_empty()).then(|| id.to_owned())
}

fn reason(response: &Response) -> String {
    let said = response.json().and_then(|body| ErrorMessage::read(&body)?.text());
    said.unwrap_or_else(|| format!("the order was answered {}", response.status))
}
