//! What an answer means. Status and body together say it, and neither does alone: a refusal may be `200`, what
//! is busy `400`, and what can never be `500`.

use punchdown_adapter::{Response, Value};

pub enum Answer {
    /// An object or a list, or that something was done.
    Shown(Value),
    /// `null`: it is not there, or was refused without a word. Whoever asked has to find out which.
    Nothing,
    /// It may be another answer later: a word for it, as for `again`.
    Later(&'static str),
    /// It can never be otherwise, and why.
    Refused(String),
}

/// Of an error text no more is repeated: what follows is the statement with its values.
const REASON_CHARS_MAX: usize = 200;
/// What a text says of a database that is too busy.
const BUSY: [&str; 6] =
    ["OperationalError", "is locked", "eadlock", "Lock wait", "InterfaceError", "QueuePool"];
/// What one says of a request that no repetition mends.
const NEVER: [&str; 5] =
    ["invalid keyword", "400 Bad Request", "unexpected keyword", "TypeError", "KeyError"];

pub fn read(response: &Response) -> Answer {
    let shown = response.json();
    let reason = shown.as_ref().and_then(reason);
    match (response.status, &shown) {
        (200..300, Some(Value::Null)) | (400, Some(Value::Null)) => Answer::Nothing,
        (200..300, Some(_)) if reason.is_some() => refused(response, reason),
        (200..300, Some(_)) => Answer::Shown(shown.unwrap_or_default()),
        // A page of somebody in between, or half an answer.
        (200..300, None) => Answer::Later("not-understood"),
        (300..400, _) => Answer::Later("redirected"),
        (401 | 403 | 407, _) => Answer::Later("unauthorised"),
        (404 | 405, _) => Answer::Later("no-such-path"),
        (408 | 425 | 429 | 502..=504, _) => Answer::Later("busy"),
        (500.., _) => match reason {
            Some(text) if NEVER.iter().any(|word| text.contains(word)) => Answer::Refused(short(&text)),
            _ => Answer::Later("broken"),
        },
        _ => refused(response, reason),
    }
}

fn refused(response: &Response, reason: Option<String>) -> Answer {
    match reason {
        Some(text) if BUSY.iter().any(|word| text.contains(word)) => Answer::Later("locked"),
        Some(text) => Answer::Refused(short(&text)),
        None => Answer::Refused(format!("answered {}", response.status)),
    }
}

/// The text of a refusal. The IMS look-ups put theirs into a list, beside the status.
fn reason(shown: &Value) -> Option<String> {
    let said = shown.get(0).unwrap_or(shown);
    let word = said["result"].as_str().or_else(|| said["Result"].as_str())?;
    let text = said["reason"].as_str();
    (!word.starts_with("OK") && !word.starts_with("Success")).then(|| text.unwrap_or(word).to_owned())
}

/// The text up to the statement and the values that it quotes, keys of SIM cards among them.
fn short(reason: &str) -> String {
    let before = |text: &str, mark: &str| text.split(mark).next().unwrap_or_default().to_owned();
    let text = ["[SQL", "[parameters", "DETAIL", "\n"]
        .iter()
        .fold(reason.to_owned(), |text, mark| before(&text, mark));
    text.trim().chars().take(REASON_CHARS_MAX).collect()
}
