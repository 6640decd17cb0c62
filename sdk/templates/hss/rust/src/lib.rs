//! Keeps a subscriber for each account in an HSS that speaks REST, and does at once what it is asked.
//!
//! A subscriber is found by its IMSI, so the IMSI is all that is remembered. Change the paths and the members to
//! those of your system.

use std::collections::BTreeMap;

use punchdown_adapter::settings::Settings;
use punchdown_adapter::{
    Acted, Adapter, Applied, Description, Flow, Notification, Operation, Problem, Reading, Request, Response,
    Status, Stop, Value, Wanted, export_adapter, json,
};
use serde::{Deserialize, Serialize};

/// How often a subscriber is asked for while nobody can say whether it was made.
const TRIES_MAX: usize = 4;

/// The adapter.
pub struct Hss;

/// What stands in the HSS for the account, as `applied` remembers it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Standing {
    imsi: Option<String>,
}

/// The inner `Err`: it is refused, and why.
type Done = Result<Result<(), String>, Stop>;

impl Adapter for Hss {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Keeps a subscriber for each account in an HSS, by REST.".to_owned(),
            queries: vec!["account_info".to_owned(), "sim_card".to_owned()],
            config_schema: json!({
                "type": "object", "additionalProperties": false, "required": ["profiles"],
                "properties": {
                    "profiles": {
                        "type": "object", "minProperties": 1, "additionalProperties": {"type": "string"},
                        "description": "The HSS's profiles, by the names of PortaBilling's products.",
                    },
                },
            }),
            secrets: Vec::new(),
            secret_fields: Vec::new(),
        }
    }

    fn check_config(config: &Value) -> Vec<Problem> {
        read_profiles(config).err().unwrap_or_default()
    }

    fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
        let Ok(stands) = operation.applied.as_ref().map_or(Ok(Standing::default()), Standing::deserialize)
        else {
            return Err(flow.park("applied", "what stands was not written by this adapter"));
        };
        let mut standing = Applied::new(stands);
        let done = match operation.wanted {
            Wanted::Running => keep(flow, operation, &mut standing)?,
            Wanted::Suspended => suspend(flow, &mut standing)?,
            Wanted::Gone => remove(flow, &mut standing)?,
        };
        standing.say(flow);
        match done {
            Ok(()) => flow.report(Status::Ok, None),
            Err(reason) => flow.report(Status::Failed, reason),
        }
        Ok(())
    }

    /// This HSS never notifies: it has done what it answers.
    fn read_notification(_config: &Value, _notification: &Notification) -> Reading {
        Reading { reply: Response::empty(204), signals: Vec::new(), unread: None }
    }
}

fn read_profiles(config: &Value) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    Settings::read(config, |settings| {
        settings.required("profiles", "which profile has which product?", profiles)
    })
}

fn profiles(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let profiles = BTreeMap::deserialize(value).ok().filter(|profiles| !profiles.is_empty());
    profiles.ok_or_else(|| "must be an object of texts, and not empty".to_owned())
}

fn keep(flow: &mut Flow, operation: &Operation, standing: &mut Applied<Standing>) -> Done {
    let subscriber = operation.subscriber.as_ref();
    let Some((subscriber, imsi)) = subscriber.and_then(|it| Some((it, it.imsi.as_ref()?))) else {
        return Err(flow.park("imsi-unknown", "the account has no SIM card with an IMSI"));
    };
    let product = subscriber.document("/account_info/product_name").and_then(Value::as_str);
    let product = product.unwrap_or_default();
    let profiles = read_profiles(&operation.config).unwrap_or_default();
    let Some(profile) = profiles.get(product) else {
        return Err(flow.park("profile-unknown", format!("no profile for the product `{product}`")));
    };
    if standing.imsi.as_ref().is_some_and(|old| old != imsi) {
        // Another card: the old one is not left in the network.
        if let Err(reason) = remove(flow, standing)? {
            return Ok(Err(reason));
        }
    }
    let wanted = json!({"imsi": imsi, "msisdn": subscriber.msisdn, "profile": profile, "state": "active"});
    if let Some(found) = look(flow, standing, imsi)? {
        return change(flow, standing, &found, &wanted);
    }
    for _ in 0..TRIES_MAX {
        standing.imsi = Some(imsi.clone());
        standing.say(flow); // Before it is made: the answer may be lost.
        let mut refused = None;
        if let Acted::Answered(response) = flow.act("create", Request::post("/subscribers").json(&wanted))? {
            match response.status {
                200..300 => return Ok(Ok(())),
                401 | 403 | 408 | 429 | 503 => return Err(busy(flow, "create", &response)),
                400..500 => refused = Some(reason("create", &response)),
                _ => {} // It may be a proxy's answer, which is as good as none.
            }
        }
        // Its answer was lost, or one that was lost before has made it after all.
        if let Some(found) = look(flow, standing, imsi)? {
            return change(flow, standing, &found, &wanted);
        }
        if let Some(reason) = refused {
            standing.imsi = None;
            return Ok(Err(reason));
        }
    }
    Err(flow.park("in-doubt", "nobody can say whether the subscriber was made"))
}

/// Who must not be served is switched off, and the record kept.
fn suspend(flow: &mut Flow, standing: &mut Applied<Standing>) -> Done {
    let Some(imsi) = standing.imsi.clone() else { return Ok(Ok(())) };
    if let Some(found) = look(flow, standing, &imsi)? {
        return change(flow, standing, &found, &json!({"imsi": imsi, "state": "suspended"}));
    }
    standing.imsi = None;
    Ok(Ok(()))
}

fn remove(flow: &mut Flow, standing: &mut Applied<Standing>) -> Done {
    let Some(imsi) = standing.imsi.clone() else { return Ok(Ok(())) };
    if let Some(found) = look(flow, standing, &imsi)? {
        let response = flow.ask("delete", at(&found, "DELETE"))?;
        if response.status != 404
            && let Err(reason) = judged(flow, "delete", &response)?
        {
            return Ok(Err(reason));
        }
    }
    standing.imsi = None;
    Ok(Ok(()))
}

/// Changes what was found, where it is not yet as it is wanted.
fn change(flow: &mut Flow, standing: &mut Applied<Standing>, found: &Value, wanted: &Value) -> Done {
    standing.imsi = wanted["imsi"].as_str().map(str::to_owned);
    standing.say(flow);
    let members = wanted.as_object().into_iter().flatten();
    let other = members.filter(|(name, value)| found[*name] != **value);
    let other: Value = other.map(|(name, value)| (name.clone(), value.clone())).collect();
    if other == json!({}) {
        return Ok(Ok(()));
    }
    let response = flow.ask("change", at(found, "PATCH").json(&other))?;
    judged(flow, "change", &response)
}

/// The subscriber of that IMSI. An answer that is not 2xx never means that there is none.
fn look(flow: &mut Flow, standing: &mut Applied<Standing>, imsi: &str) -> Result<Option<Value>, Stop> {
    standing.say(flow);
    let response = flow.ask("look", Request::get("/subscribers").query("imsi", imsi))?;
    let Some(Value::Array(found)) = response.json().filter(|_| response.is_success()) else {
        return Err(flow.again("look-failed", format!("look: {}", response.status)));
    };
    match found.into_iter().find(|one| one["imsi"] == *imsi) {
        Some(one) if !one["id"].is_string() => {
            Err(flow.park("not-understood", "the subscriber has no id that is a text"))
        }
        found => Ok(found),
    }
}

/// A request to the subscriber that was found.
fn at(found: &Value, method: &str) -> Request {
    Request::new(method, "/subscribers").segment(found["id"].as_str().unwrap_or_default())
}

/// What the answer to a request that may be repeated means.
fn judged(flow: &mut Flow, label: &str, response: &Response) -> Done {
    match response.status {
        200..300 => Ok(Ok(())),
        401 | 403 | 408 | 429 | 500.. => Err(busy(flow, label, response)),
        _ => Ok(Err(reason(label, response))),
    }
}

/// It is the trouble of the group and not of the account: later.
fn busy(flow: &mut Flow, label: &str, response: &Response) -> Stop {
    flow.again("busy", format!("{label}: {}", response.status))
}

/// Why it is refused, in the system's own words where it has some.
fn reason(label: &str, response: &Response) -> String {
    let said = response.json().unwrap_or_default();
    said["reason"].as_str().map_or_else(|| format!("{label}: {}", response.status), str::to_owned)
}

export_adapter!(Hss);

#[cfg(test)]
mod tests {
    #[test]
    fn the_golden_cases_hold() {
        punchdown_adapter::run_cases::<super::Hss>("cases");
    }
}
