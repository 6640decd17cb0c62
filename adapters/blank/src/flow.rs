//! The life of an operation: find what stands, then make, change or remove it.

use punchdown_adapter::{
    Acted, Flow, Operation, Response, Status, Stop, Subscriber, Wait, Wanted, Woken, json,
};

use crate::config::Config;
use crate::wire::{self, Answer, Call, Done};

/// How often a service is asked for while nobody can say whether it was made.
const TRIES_MAX: usize = 4;
/// What was asked for and is not there yet may still be under way.
const UNDER_WAY_SECONDS: u32 = 60;

/// What the system is to have.
struct Service<'a> {
    number: &'a str,
    profile: &'a str,
    state: &'static str,
}

/// The code of a fault that is the answer to a question.
const NOT_FOUND: &str = "Client.NotFound";
/// Somebody has made it already; perhaps we, and its answer was lost.
const EXISTS: &str = "Client.Exists";

pub fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
    let Ok(config) = Config::read(&operation.config) else {
        return Err(flow.park("configuration", "it is not as it was checked"));
    };
    let stands = operation.applied.as_ref();
    let number = stands.and_then(|applied| applied["number"].as_str());
    let mut id = stands.and_then(|applied| applied["id"].as_str()).map(str::to_owned);
    // It was asked for, and nobody knows what became of that: what it was asked for under is known.
    if let (None, Some(number)) = (&id, number) {
        id = look(flow, &config, number)?;
    }
    match (operation.wanted, &operation.subscriber) {
        (Wanted::Gone, _) => remove(flow, &config, id),
        (Wanted::Running | Wanted::Suspended, Some(subscriber)) => {
            keep(flow, &config, operation.wanted, subscriber, id)
        }
        (Wanted::Running | Wanted::Suspended, None) => Err(flow.park("subscriber", "there is no subscriber")),
    }
}

fn keep(
    flow: &mut Flow,
    config: &Config,
    wanted: Wanted,
    subscriber: &Subscriber,
    known: Option<String>,
) -> Result<(), Stop> {
    let profile = match config.profile_of(subscriber) {
        Ok(profile) => profile,
        Err(why) => return Err(flow.park("profile-unknown", why)),
    };
    let number = number_of(subscriber);
    let state = if wanted == Wanted::Running { "active" } else { "suspended" };
    let service = Service { number, profile, state };
    let found = match known {
        Some(id) => Some(id),
        None => look(flow, config, number)?,
    };
    let made = match found {
        Some(id) => change(flow, config, &id, &service)?,
        None => add(flow, config, &service)?,
    };
    if let Some(id) = made {
        flow.applied(json!({ "id": id, "number": number }));
        flow.report(Status::Ok, None);
    }
    Ok(())
}

/// The part of the account ID that the system knows.
fn number_of(subscriber: &Subscriber) -> &str {
    subscriber.account_id.split('@').next().unwrap_or_default()
}

/// The id of the service of that number, where there is one.
fn look(flow: &mut Flow, config: &Config, number: &str) -> Result<Option<String>, Stop> {
    let response = flow.ask("look", Call::new("GetService").with("number", number).request(config))?;
    match judged(flow, &response)? {
        Ok(done) => Ok(done.text("id")),
        Err((code, _)) if code == NOT_FOUND => Ok(None),
        Err((code, why)) => Err(flow.again(&code, why)),
    }
}

/// `None`: it is refused, and that is reported.
fn add(flow: &mut Flow, config: &Config, service: &Service<'_>) -> Result<Option<String>, Stop> {
    let call = Call::new("AddService").with("number", service.number).with("profile", service.profile);
    let call = call.with("state", service.state);
    for _ in 0..TRIES_MAX {
        // Before it is asked for: its answer may be lost.
        flow.applied(json!({ "number": service.number }));
        if let Acted::Answered(response) = flow.act("add", call.request(config))? {
            match made(flow, &response)? {
                Made::Yes(id) => return Ok(Some(id)),
                Made::No(why) => return refused(flow, why),
                Made::Unknown => {}
            }
        }
        if let Some(id) = look_twice(flow, config, service.number)? {
            return change(flow, config, &id, service);
        }
    }
    Err(flow.park("unanswered", "nobody can say whether the service was made"))
}

/// What an answer says of a service that was asked for.
enum Made {
    Yes(String),
    No(String),
    Unknown,
}

/// Whoever speaks for the system, a proxy for one, knows nothing of what it did: that is as good as no answer.
fn made(flow: &mut Flow, response: &Response) -> Result<Made, Stop> {
    if matches!(wire::read(response), Answer::Unclear(_)) {
        return Ok(Made::Unknown);
    }
    Ok(match judged(flow, response)? {
        Ok(done) => done.text("id").map_or(Made::Unknown, Made::Yes),
        Err((code, _)) if code == EXISTS => Made::Unknown,
        Err((_, why)) => Made::No(why),
    })
}

/// What is not there at once may come yet.
fn look_twice(flow: &mut Flow, config: &Config, number: &str) -> Result<Option<String>, Stop> {
    if let Some(id) = look(flow, config, number)? {
        return Ok(Some(id));
    }
    match flow.wait(Wait::seconds(UNDER_WAY_SECONDS))? {
        Woken::Notified(_) | Woken::Elapsed => look(flow, config, number),
    }
}

fn change(flow: &mut Flow, config: &Config, id: &str, service: &Service<'_>) -> Result<Option<String>, Stop> {
    flow.applied(json!({ "id": id, "number": service.number }));
    let call = Call::new("ChangeService").with("id", id).with("number", service.number);
    let call = call.with("profile", service.profile).with("state", service.state);
    let response = flow.ask("change", call.request(config))?;
    match judged(flow, &response)? {
        Ok(_) => Ok(Some(id.to_owned())),
        // Somebody has removed it by hand, and may have made another one.
        Err((code, _)) if code == NOT_FOUND => match look(flow, config, service.number)? {
            Some(other) if other != id => change(flow, config, &other, service),
            _ => add(flow, config, service),
        },
        Err((_, why)) => refused(flow, why),
    }
}

fn remove(flow: &mut Flow, config: &Config, id: Option<String>) -> Result<(), Stop> {
    if let Some(id) = id {
        let response = flow.ask("remove", Call::new("RemoveService").with("id", &id).request(config))?;
        match judged(flow, &response)? {
            Err((code, why)) if code != NOT_FOUND => return refused(flow, why).map(drop),
            Ok(_) | Err(_) => {}
        }
    }
    flow.nothing_applied();
    flow.report(Status::Ok, None);
    Ok(())
}

fn refused(flow: &mut Flow, why: String) -> Result<Option<String>, Stop> {
    flow.report(Status::Failed, why);
    Ok(None)
}

/// What the system did, or the fault that it named. What says nothing of the request is asked again.
fn judged(flow: &mut Flow, response: &Response) -> Result<Result<Done, (String, String)>, Stop> {
    match wire::read(response) {
        Answer::Done(done) => Ok(Ok(done)),
        Answer::Fault { code, why } => match code.as_str() {
            "Client.Session" => Err(flow.renew("session-ended", why)),
            "Server.Busy" => Err(flow.again("busy", why)),
            _ => Ok(Err((code, why))),
        },
        Answer::Unclear(why) => Err(flow.again("unclear", why)),
    }
}
