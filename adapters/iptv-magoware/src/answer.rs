//! What an answer means. A success may hold a refusal, a sentence or a page; what broke is a redirection.

use punchdown_adapter::{Body, Response, Value};

pub enum Answer {
    /// A record, or a list of them.
    Shown(Value),
    /// A sentence, which says that it was done.
    Said,
    /// The session has ended, or the key is not good.
    Denied,
    /// No such record, or no such path.
    NotThere,
    /// What was asked for was not done, and why.
    Refused(String),
    /// The same request may be answered otherwise later: a word for it, as for `again`.
    Later(&'static str),
    /// Nobody can say whether it was done.
    Unclear,
}

const REASON_CHARS_MAX: usize = 200;

pub fn read(response: &Response) -> Answer {
    let shown = response.json();
    match response.status {
        200..300 => success(response, shown),
        // Whatever is thrown there ends as a redirection to a page.
        300..=399 => Answer::Unclear,
        401 | 407 => Answer::Later("unauthorised"),
        403 => Answer::Denied,
        404 | 405 => not_found(shown.as_ref()),
        408 | 500 => Answer::Unclear,
        425 | 429 | 501.. => Answer::Later("busy"),
        _ => match shown.as_ref().and_then(message).or_else(|| sentence(response)) {
            Some(reason) => refused(&reason),
            None => Answer::Refused(format!("answered {}", response.status)),
        },
    }
}

fn success(response: &Response, shown: Option<Value>) -> Answer {
    match shown {
        Some(said) if said["status"] == false => refused(&message(&said).unwrap_or_default()),
        // An error of the database that somebody printed.
        Some(said) if said.get("sql").is_some() || is_error(&said) => Answer::Later("database"),
        Some(said) => Answer::Shown(said),
        None if sentence(response).is_some() => Answer::Said,
        None => Answer::Unclear,
    }
}

fn is_error(said: &Value) -> bool {
    said["name"].as_str().is_some_and(|name| name.starts_with("Sequelize")) && said.get("id").is_none()
}

fn not_found(shown: Option<&Value>) -> Answer {
    match shown.and_then(message) {
        Some(reason) if shown.is_some_and(|said| said["status"] == false) => refused(&reason),
        // A role that may not do it is told so.
        Some(reason) if reason.contains("authorized") => Answer::Later("unauthorised"),
        _ => Answer::NotThere,
    }
}

/// What the database could not do now is no refusal.
fn refused(reason: &str) -> Answer {
    match reason.contains("running the query") || reason.contains("executing transaction") {
        true => Answer::Later("database"),
        false => Answer::Refused(reason.chars().take(REASON_CHARS_MAX).collect()),
    }
}

fn message(said: &Value) -> Option<String> {
    Some(said["message"].as_str()?.to_owned())
}

/// A sentence that is no page, whatever it says it is.
fn sentence(response: &Response) -> Option<String> {
    match &response.body {
        Body::Text(text) if !text.trim().is_empty() && !text.trim_start().starts_with('<') => {
            Some(text.trim().to_owned())
        }
        _ => None,
    }
}
