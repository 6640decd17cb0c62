//! NSPS writes otherwise than PortaBilling's API: `open` for `O`, `true` for `"Y"`, one
//! `effective_value` for many. So nothing of it is ever put where an adapter expects what the API
//! said; only what a word is known for is taken, and where one is not known, all of it is left.

use std::time::Duration;

use serde_json::Value;

use super::{Event, Timestamp, whole};
use crate::domain::{AccountId, Json, Subscriber, Wanted};

/// NSPS sends again after a minute at the earliest, so that what an earlier attempt had read is
/// older than that.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// The sections in which stands what these queries would bring.
const STANDS_FOR: [(&str, &str); 2] = [("account_info", "account_info"), ("sim_card", "sim_info")];

/// A subscriber as NSPS read it for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enriched {
    pub subscriber: Subscriber,
    pub wanted: Wanted,
    pub read_at: Timestamp,
}

impl Enriched {
    /// Whether it may stand for a reading of our own. Not if it is old, or if the clocks do not
    /// agree; and not if the account's lane was moved since: what moved it may have read later.
    pub fn is_fresh(&self, now: Timestamp, moved: Option<Timestamp>) -> bool {
        let apart = now.since(self.read_at).max(self.read_at.since(now));
        apart <= FRESH_FOR && moved.is_none_or(|moved| moved < self.read_at)
    }
}

impl Event {
    /// What NSPS sent along, if it says all that these queries would bring. Not of an account
    /// that is gone: what is removed cannot be brought back, so PortaBilling itself is asked.
    pub fn enriched(&self, queries: &[String]) -> Option<Enriched> {
        let enclosed = self.enclosed.value();
        let read_at = serde_json::from_value(enclosed.get("updated_at")?.clone()).ok()?;
        let pb_data = enclosed.get("pb_data")?;
        for query in queries {
            let (_, section) = STANDS_FOR.iter().find(|(known, _)| known == query)?;
            pb_data.get(section).filter(|section| section.is_object())?;
        }
        let (account, none) = (pb_data.get("account_info")?, Value::Null);
        let sim = pb_data.get("sim_info").unwrap_or(&none);
        if !self.is_of(account)? || !self.is_of(sim).unwrap_or(true) {
            return None;
        }
        let account_id = AccountId(text(account, "id")?);
        let subscriber = Subscriber {
            msisdn: account_id.msisdn().map(str::to_owned),
            account_id,
            imsi: text(sim, "imsi"),
            iccid: text(sim, "iccid"),
            // PortaBilling was not asked for any.
            documents: Json::empty_object(),
        };
        Some(Enriched { subscriber, wanted: wanted(account)?, read_at })
    }

    /// Whether a section is about the event's account; `None` when it does not say.
    fn is_of(&self, section: &Value) -> Option<bool> {
        let named = whole(section.as_object()?, "i_account").ok()??;
        Some(self.i_account.is_some_and(|account| account.0 == named))
    }
}

/// Of its customer NSPS says nothing but by `status`, which is absent when the account is fine.
fn wanted(account: &Value) -> Option<Wanted> {
    // A block that is not spoken of is not known.
    let blocked = account.get("blocked")?.as_bool()?;
    let open = match account.get("bill_status")?.as_str()? {
        "open" | "active" => true,
        "suspended" | "inactive" => false,
        _ => return None,
    };
    let fine = match account.get("status") {
        None | Some(Value::Null) => true,
        Some(Value::String(status)) if status == "closed" => return None,
        Some(Value::String(status)) => matches!(status.as_str(), "" | "ok" | "active"),
        Some(_) => return None,
    };
    Some(if open && !blocked && fine { Wanted::Running } else { Wanted::Suspended })
}

fn text(section: &Value, name: &str) -> Option<String> {
    section.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::EventSource;
    use super::*;
    use serde_json::json;

    const READ_AT: Timestamp = Timestamp::from_millis(1_769_846_400_000);

    fn pb_data() -> Value {
        json!({
            "account_info": { "i_account": 7, "id": "15550001111@msisdn", "bill_status": "open", "blocked": false },
            "sim_info": { "i_sim_card": 9, "imsi": "001010000000001", "msisdn": "15550001111", "status": "used" },
        })
    }

    fn event(pb_data: &Value) -> Event {
        let envelope = json!({
            "event_id": "a",
            "data": { "event_type": "SIM/Updated", "variables": { "i_event": 1, "i_account": 7 } },
            "pb_data": pb_data,
            "updated_at": "2026-01-31T08:00:00.000000+00:00",
        });
        EventSource::Nsps.read(envelope.to_string().as_bytes(), Timestamp::default()).expect("an event")
    }

    /// The sections with one member changed, or taken out.
    fn with(pointer: &str, value: Option<Value>) -> Value {
        let mut pb_data = pb_data();
        let (section, name) = pointer.rsplit_once('/').expect("a pointer");
        let section = pb_data.pointer_mut(section).and_then(Value::as_object_mut).expect("a section");
        match value {
            Some(value) => drop(section.insert(name.to_owned(), value)),
            None => drop(section.remove(name)),
        }
        pb_data
    }

    fn enriched(pb_data: &Value) -> Option<Enriched> {
        event(pb_data).enriched(&["account_info".to_owned(), "sim_card".to_owned()])
    }

    #[test]
    fn what_is_known_becomes_a_subscriber_without_documents() {
        let enriched = enriched(&pb_data()).expect("all is there");
        assert_eq!(enriched.wanted, Wanted::Running);
        assert_eq!(enriched.read_at, READ_AT);
        let Subscriber { account_id, msisdn, imsi, iccid, documents } = enriched.subscriber;
        assert_eq!(account_id.0, "15550001111@msisdn");
        assert_eq!(msisdn.as_deref(), Some("15550001111"));
        assert_eq!((imsi.as_deref(), iccid), (Some("001010000000001"), None));
        assert_eq!(documents.text(), "{}");
    }

    #[test]
    fn what_is_wanted_in_the_words_of_nsps() {
        for (name, value, wanted) in [
            ("bill_status", json!("active"), Some(Wanted::Running)),
            ("bill_status", json!("suspended"), Some(Wanted::Suspended)),
            ("bill_status", json!("inactive"), Some(Wanted::Suspended)),
            ("bill_status", json!("terminated"), None),
            ("bill_status", json!("O"), None),
            ("bill_status", Value::Null, None),
            ("blocked", json!(true), Some(Wanted::Suspended)),
            ("blocked", json!("N"), None),
            ("status", Value::Null, Some(Wanted::Running)),
            ("status", json!("active"), Some(Wanted::Running)),
            ("status", json!("customer_suspended"), Some(Wanted::Suspended)),
            ("status", json!("closed"), None),
            ("status", json!(1), None),
        ] {
            let pb_data = with(&format!("/account_info/{name}"), Some(value.clone()));
            assert_eq!(enriched(&pb_data).map(|it| it.wanted), wanted, "{name}: {value}");
        }
    }

    #[test]
    fn what_is_not_there_or_not_the_accounts_is_asked_for() {
        for missing in [
            "/account_info",
            "/sim_info",
            "/account_info/id",
            "/account_info/i_account",
            "/account_info/blocked",
        ] {
            assert_eq!(enriched(&with(missing, None)), None, "{missing}");
        }
        for (pointer, value) in [
            ("/account_info/i_account", json!(8)),
            ("/account_info/id", json!(" ")),
            ("/account_info", json!([])),
            ("/sim_info/i_account", json!("8")),
            ("/sim_info", Value::Null),
        ] {
            assert_eq!(enriched(&with(pointer, Some(value))), None, "{pointer}");
        }
        for pb_data in [json!(null), json!({}), json!([]), json!("x")] {
            assert_eq!(enriched(&pb_data), None, "{pb_data}");
        }
        let without_sim = event(&with("/sim_info", None));
        let of = |queries: &[&str]| {
            without_sim.enriched(&queries.iter().map(|query| (*query).to_owned()).collect::<Vec<_>>())
        };
        assert!(of(&[]).is_some() && of(&["account_info"]).is_some(), "nobody needs the SIM");
        assert_eq!(of(&["custom_fields"]), None, "NSPS has no such section");
    }

    #[test]
    fn what_is_old_or_was_overtaken_does_not_stand() {
        let enriched = enriched(&pb_data()).expect("all is there");
        let second = Duration::from_secs(1);
        for (what, now, moved, fresh) in [
            ("at once", READ_AT, None, true),
            ("in time", READ_AT + 30 * second, None, true),
            ("too late", READ_AT + 31 * second, None, false),
            ("by a clock that is ahead", READ_AT - 31 * second, None, false),
            ("the lane rested before", READ_AT + second, Some(READ_AT - second), true),
            ("the lane was moved since", READ_AT + second, Some(READ_AT), false),
        ] {
            assert_eq!(enriched.is_fresh(now, moved), fresh, "{what}");
        }
        let undated = Event {
            enclosed: Json::of(&json!({ "pb_data": pb_data() })).expect("JSON"),
            ..event(&pb_data())
        };
        assert_eq!(undated.enriched(&[]), None, "nobody knows when it was read");
    }
}
