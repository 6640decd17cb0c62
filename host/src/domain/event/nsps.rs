//! `{"event_id", "data": {"event_type", "variables"}, "pb_data", "updated_at", …}`: `data` is the
//! ESPF's event as it was.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::Digest as _;

use super::{Event, Json, NotAnEvent, Timestamp, hex, object};

/// NSPS names an event by a UUID.
const ID_LENGTH_MAX: usize = 64;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event_id: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    pb_data: Option<&'a RawValue>,
    #[serde(borrow)]
    updated_at: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// By what NSPS knows the event. A name that could be taken for something else is none.
    fn id(&self) -> Option<String> {
        let id: String = serde_json::from_str(self.event_id?.get()).ok()?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        ((1..=ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(is_name)).then_some(id)
    }

    fn enclosed(&self) -> Json {
        let enclosed = self.pb_data.map(|pb_data| Enclosed { pb_data, updated_at: self.updated_at });
        enclosed.and_then(|enclosed| Json::of(&enclosed).ok()).unwrap_or_else(Json::empty_object)
    }
}

/// What is kept beside the event's own variables.
#[derive(Serialize)]
struct Enclosed<'a> {
    pb_data: &'a RawValue,
    /// When NSPS read that.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<&'a RawValue>,
}

/// An event has the identity that it has when the ESPF itself brings it, so that it is one event
/// whichever way it comes.
pub fn read(body: &[u8], received_at: Timestamp) -> Result<Event, NotAnEvent> {
    let envelope: Envelope<'_> = object(body)?;
    let data = envelope.data.filter(|data| data.get().starts_with('{')).ok_or(NotAnEvent::NoData)?;
    let event = Event::read(data.get().as_bytes(), received_at, envelope.id().as_deref())?;
    Ok(Event { enclosed: envelope.enclosed(), ..event })
}

/// The rest of the envelope may change from one attempt to the next.
pub fn letter_id(body: &[u8]) -> String {
    let id = object::<Envelope<'_>>(body).ok().and_then(|envelope| envelope.id());
    let digest = sha2::Sha256::digest(id.as_deref().map_or(body, str::as_bytes));
    format!("nsps-{}", hex(&digest[..16]))
}

#[cfg(test)]
mod tests {
    use super::super::{EventSource, IAccount};
    use super::*;

    fn parse(body: &str) -> Result<Event, NotAnEvent> {
        EventSource::Nsps.read(body.as_bytes(), Timestamp::default())
    }

    #[test]
    fn an_envelope_is_the_event_that_is_in_it() {
        for (body, identity, enclosed) in [
            (
                r#"{"event_id":"a-1","data":{"event_type":"SIM/Updated","variables":{"i_env":3,"i_event":42,"i_account":7}},
                    "pb_data":{"account_info":{"balance":1.10}},"handler_id":"h","updated_at":"2026-01-31T08:00:00+00:00","status":"queued"}"#,
                "3-42",
                r#"{"pb_data":{"account_info":{"balance":1.10}},"updated_at":"2026-01-31T08:00:00+00:00"}"#,
            ),
            (
                r#"{"data":{"event_type":" SIM/Updated","variables":{"i_event":"42","i_account":"7"}},"pb_data":{}}"#,
                "0-42",
                r#"{"pb_data":{}}"#,
            ),
            (
                r#"{"event_id":null,"data":{"event_type":"SIM/Updated","variables":{"i_event":42,"i_account":7}},"pb_data":null,"updated_at":null}"#,
                "0-42",
                "{}",
            ),
            (
                r#"{"event_id":"0b8f-uuid","data":{"event_type":"SIM/Updated","variables":{"i_env":1,"i_event":null,"i_account":7}}}"#,
                "nsps-0b8f-uuid",
                "{}",
            ),
        ] {
            let event = parse(body).expect(body);
            assert_eq!(event.identity.0, identity, "{body}");
            assert_eq!(event.name, "SIM/Updated");
            assert_eq!(event.i_account, Some(IAccount(7)));
            assert_eq!(event.enclosed.text(), enclosed, "{body}");
        }
    }

    #[test]
    fn what_can_never_be_an_event_says_why() {
        let long = "x".repeat(65);
        for (body, why) in [
            (r#"{"event_type":"A","variables":{"i_event":1}}"#, NotAnEvent::NoData),
            (r#"{"event_id":"a","data":"{}"}"#, NotAnEvent::NoData),
            (r#"{"event_id":"a","data":null}"#, NotAnEvent::NoData),
            (r#"{"event_id":"a","data":{"variables":{"i_event":1}}}"#, NotAnEvent::NoName),
            (r#"{"event_id":"a","data":{"event_type":"A"}}"#, NotAnEvent::NoVariables),
            (
                r#"{"event_id":"a","data":{"event_type":"A","variables":{"i_event":"x"}}}"#,
                NotAnEvent::BadId("i_event"),
            ),
            (r#"{"data":{"event_type":"A","variables":{}}}"#, NotAnEvent::NoId),
            (r#"{"event_id":"1~2","data":{"event_type":"A","variables":{}}}"#, NotAnEvent::NoId),
            (r#"{"event_id":7,"data":{"event_type":"A","variables":{}}}"#, NotAnEvent::NoId),
            (
                &format!(r#"{{"event_id":"{long}","data":{{"event_type":"A","variables":{{}}}}}}"#),
                NotAnEvent::NoId,
            ),
        ] {
            assert_eq!(parse(body).expect_err(body), why, "{body}");
        }
        for body in ["", "<event/>", r#"{"data":{}"#] {
            assert!(matches!(parse(body), Err(NotAnEvent::NotJson { .. })), "{body}");
        }
        let listed = r#"["a",{"event_type":"A","variables":{"i_event":1}},null,null]"#;
        for body in ["[]", "7", listed] {
            assert_eq!(parse(body), Err(NotAnEvent::NotAnObject), "{body}");
        }
    }

    #[test]
    fn a_letter_that_comes_again_is_the_same_letter() {
        let letter = |body: &str| EventSource::Nsps.letter_id(body.as_bytes());
        let first = letter(r#"{"event_id":"a","status":"queued"}"#);
        assert_eq!(first, letter(r#"{"event_id":"a","status":"failed"}"#));
        assert_ne!(first, letter(r#"{"event_id":"b","status":"queued"}"#));
        assert_eq!(letter("<event/>"), letter("<event/>"));
        assert_ne!(letter("<event/>"), letter("<other/>"));
        assert_eq!(EventSource::Espf.letter_id(b"<event/>"), None, "the ESPF does not repeat it");
    }
}
