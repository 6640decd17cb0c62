//! Being registered at the system's hub. Nobody can look there for what stands: a registration of which
//! nothing is known is left to its address, which the host closes.

use punchdown_adapter::{Acted, Errand, Request, Response, Standing, Stop, Value, json};

use crate::config::Config;
use crate::order::ErrorMessage;

pub fn register(
    errand: &mut Errand,
    config: &Config,
    address: &str,
    standing: Option<&Value>,
) -> Result<Standing, Stop> {
    let mut wanted = json!({ "callback": address });
    if let Some(query) = &config.hub_query {
        wanted["query"] = json!(query);
    }
    let made = match errand.act("register", Request::post(hub(config)).json(&wanted))? {
        Acted::Answered(response) if is_made(&response) => response,
        Acted::Answered(response) => return Err(not_made(errand, &response)),
        Acted::Unknown(why) => return Err(errand.again("unanswered", why)),
    };
    // Only now, so that nothing is missed in between. If it stays, its address is closed all the same.
    if let Some(before) = standing.and_then(|standing| standing["id"].as_str()) {
        match errand.act("unregister-before", removal(config, before))? {
            Acted::Answered(_) | Acted::Unknown(_) => {}
        }
    }
    let seconds = config.hub_hours.map(|hours| hours * 3600);
    // One that has no id cannot be removed; its address can be closed.
    let value = id_of(&made).map_or_else(|| json!({}), |id| json!({ "id": id }));
    Ok(Standing { value, seconds })
}

pub fn unregister(errand: &mut Errand, config: &Config, standing: &Value) -> Result<(), Stop> {
    let Some(id) = standing["id"].as_str() else { return Ok(()) };
    let answer = errand.ask("unregister", removal(config, id))?;
    match answer.status {
        200..300 | 404 | 410 => Ok(()),
        status => Err(errand.again("not-removed", format!("answered {status}"))),
    }
}

fn hub(config: &Config) -> String {
    format!("{}/hub", config.base)
}

fn removal(config: &Config, id: &str) -> Request {
    Request::delete(hub(config)).segment(id)
}

/// A page in a 200 is somebody else's word.
fn is_made(response: &Response) -> bool {
    response.is_success() && (response.status != 200 || response.json().is_some())
}

fn not_made(errand: &mut Errand, response: &Response) -> Stop {
    let said = response.json().and_then(|body| ErrorMessage::read(&body)?.text());
    let why = said.unwrap_or_else(|| format!("answered {}", response.status));
    match response.status {
        200..300 | 401 | 407 | 408 | 425 | 429 | 500.. => errand.again("busy", why),
        _ => errand.fail("refused", why),
    }
}

/// As it is shown, or as its address says it.
fn id_of(response: &Response) -> Option<String> {
    let shown = response.json().unwrap_or_default();
    match &shown["id"] {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => {
            let (_, id) = response.header("location")?.trim_end_matches('/').rsplit_once("/hub/")?;
            Some(id.to_owned())
        }
    }
}
