//! What stands in a case, as the host has it.

use serde_json::{Value, json};

use super::Failure;
use crate::domain::{
    AccountId, Entry, Event, EventIdentity, Group, IAccount, Json, LaidDown, OperationId, Progress, Reading,
    Service, Subscriber, Timestamp,
};
use crate::ports::Question;

pub fn question(operation: &Value) -> Result<Question, Failure> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let i_account = IAccount(word(&operation["i-account"]).parse().map_err(|_| "`i-account` is no number")?);
    let event = &operation["event"];
    if operation.get("extras").is_some_and(|extras| *extras != json!({})) {
        return Err("the host has no extras to hand over".into());
    }
    Ok(Question {
        operation: OperationId(word(&operation["id"])),
        group: Group(word(&operation["group"])),
        service: Service(word(&operation["group"])),
        i_account,
        event: Event {
            identity: EventIdentity(format!("0-{}", word(&event["id"]))),
            id: word(&event["id"]),
            i_env: None,
            i_customer: None,
            name: word(&event["name"]),
            i_account: Some(i_account),
            received_at: instant(&event["received-at"])?,
            variables: text(&event["variables"]),
            enclosed: text(&event["enclosed"]),
            trace: None,
        },
        laid_down: LaidDown {
            began: instant(&operation["began"])?,
            wanted: serde_json::from_str(&operation["wanted"].to_string())?,
            subscriber: there(operation, "subscriber").map(|subscriber| Subscriber {
                account_id: AccountId(word(&subscriber["account-id"])),
                msisdn: there(subscriber, "msisdn").map(word),
                imsi: there(subscriber, "imsi").map(word),
                iccid: there(subscriber, "iccid").map(word),
                documents: text(&subscriber["documents"]),
            }),
            applied: there(operation, "applied").map(text),
            config: text(&operation["config"]),
            notify_at: there(operation, "notify-at").map(word),
        },
        history: Vec::new(),
    })
}

fn there<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// An adapter sees an instant as the host writes it: a case must write it so, too.
fn instant(value: &Value) -> Result<Timestamp, Failure> {
    let at: Timestamp = serde_json::from_str(&value.to_string())?;
    if Some(at.to_string().as_str()) == value.as_str() {
        return Ok(at);
    }
    Err(format!("the host writes {value} as {at}").into())
}

pub fn entry(then: &Value) -> Result<Entry, Failure> {
    instant(&then["at"])?;
    let then = written(then, "/what/exchanged/outcome/answered/body");
    Ok(serde_json::from_str(&then)?)
}

/// `applied` is taken from the case itself: as JSON, a member that is `null` and one that is absent
/// are the same to serde, and not to an adapter.
pub fn expected_progress(expect: &Value) -> Result<Progress, Failure> {
    let written = written(expect, "/decision/send/body");
    let mut progress: Progress = serde_json::from_str(&written)?;
    progress.applied = expect.get("applied").map(text);
    Ok(progress)
}

/// The contract writes an `i-account` as text, and the host keeps it as a number.
pub fn expected_reading(expect: &Value) -> Result<Reading, Failure> {
    let mut expect = expect.clone();
    for signal in expect.get_mut("signals").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(i_account) = signal.pointer_mut("/correlation/i-account")
            && let Some(number) = i_account.as_str().and_then(|text| text.parse::<u64>().ok())
        {
            *i_account = number.into();
        }
    }
    Ok(serde_json::from_str(&written(&expect, "/reply/body"))?)
}

/// A part of a case as text, with the short form of a body, `{"json": …}`, written out. As text,
/// because the domain keeps JSON as its author wrote it, and a tree has no author.
pub fn written(part: &Value, body_at: &str) -> String {
    let mut part = part.clone();
    if let Some(body) = part.pointer_mut(body_at)
        && let Some(short) = body.get("json")
    {
        *body = json!({ "text": short.to_string() });
    }
    part.to_string()
}

pub fn text(value: &Value) -> Json {
    Json::of(value).expect("a tree is JSON")
}

#[cfg(test)]
mod tests {
    use super::super::compare::compare;
    use super::*;

    #[test]
    fn to_say_that_nothing_stands_is_not_to_say_nothing() {
        let finish = json!({ "decision": "finish", "reports": [{ "status": "ok" }] });
        let nothing_stands =
            json!({ "decision": "finish", "reports": [{ "status": "ok" }], "applied": null });
        let [before, nothing] =
            [finish, nothing_stands].map(|case| expected_progress(&case).expect("a progress"));
        let difference =
            compare(&json!(before), &json!(nothing), true, &|whole| whole).expect_err("they differ");
        assert!(difference.to_string().contains("applied"), "{difference}");
    }
}
