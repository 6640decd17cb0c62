use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::adapter::hex;
use super::{IAccount, Json, Timestamp};

/// What makes two deliveries the same event: `<i_env>-<i_event>`.
/// An event without `i_env` comes from the only environment there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventIdentity(pub String);

impl fmt::Display for EventIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A provisioning event of the ESPF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    pub identity: EventIdentity,
    /// `i_event` as decimal text.
    pub id: String,
    /// PortaBilling's environment; absent where there is only one.
    #[serde(default)]
    pub i_env: Option<u64>,
    /// As PortaBilling sent it: `Account/New`.
    pub name: String,
    pub i_account: Option<IAccount>,
    pub received_at: Timestamp,
    /// The event's own `variables`, as they came.
    pub variables: Json,
    /// What came beside them; `{}` when nothing did.
    pub enclosed: Json,
}

/// Why a body can never become an event. Worth a dead letter: the ESPF will not send it again.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEvent {
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("`event_type` is missing or not text")]
    NoName,
    #[error("`variables` is missing or not an object")]
    NoVariables,
    #[error("`{0}` is neither a whole number nor decimal text")]
    BadId(&'static str),
    #[error("`i_event` is missing, so a repeated delivery could not be recognised")]
    NoId,
    #[error("it is of environment {is}, and the session with PortaBilling serves environment {served}")]
    OtherEnvironment { is: u64, served: u64 },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event_type: Option<&'a RawValue>,
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
}

impl Event {
    /// Reads what the ESPF posts. Ids may be numbers or decimal text: its own documents show both.
    ///
    /// # Errors
    /// When the body can never be an event.
    pub fn parse(body: &[u8], received_at: Timestamp) -> Result<Self, NotAnEvent> {
        let envelope: Envelope<'_> =
            serde_json::from_slice(body).map_err(|error| NotAnEvent::NotJson(error.to_string()))?;
        let name = envelope.event_type.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let name = name.ok_or(NotAnEvent::NoName)?;
        let variables = envelope.variables.ok_or(NotAnEvent::NoVariables)?;
        let serde_json::Value::Object(known) =
            serde_json::from_str(variables.get()).map_err(|_| NotAnEvent::NoVariables)?
        else {
            return Err(NotAnEvent::NoVariables);
        };
        let id = whole(&known, "i_event")?.ok_or(NotAnEvent::NoId)?;
        let i_env = whole(&known, "i_env")?;
        // Balance events name the account so.
        let i_account = match whole(&known, "i_account")? {
            Some(i_account) => Some(i_account),
            None => whole(&known, "billing_entity_id")?,
        };
        Ok(Self {
            identity: EventIdentity(format!("{}-{id}", i_env.unwrap_or(0))),
            id: id.to_string(),
            i_env,
            name,
            i_account: i_account.map(IAccount),
            received_at,
            variables: Json::parse(variables.get().to_owned()).map_err(|_| NotAnEvent::NoVariables)?,
            enclosed: Json::empty_object(),
        })
    }
}

impl Event {
    /// Whether PortaBilling can be asked of it. Where one side names no environment, it can.
    ///
    /// # Errors
    /// When it is of another environment than the one that is `served`.
    pub fn of_environment(self, served: Option<u64>) -> Result<Self, NotAnEvent> {
        match (self.i_env, served) {
            (Some(is), Some(served)) if is != served => Err(NotAnEvent::OtherEnvironment { is, served }),
            _ => Ok(self),
        }
    }

    /// Another identity, for one whose number was used before: the same for each repetition.
    pub fn other_identity(&self) -> EventIdentity {
        use sha2::Digest as _;
        let account = self.i_account.map(|account| account.to_string()).unwrap_or_default();
        let content = sha2::Sha256::digest(format!("{}\n{account}", self.name));
        EventIdentity(format!("{}~{}", self.identity, hex(&content[..4])))
    }
}

fn whole(
    variables: &serde_json::Map<String, serde_json::Value>,
    name: &'static str,
) -> Result<Option<u64>, NotAnEvent> {
    match variables.get(name) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::Number(number)) => number.as_u64().map(Some).ok_or(NotAnEvent::BadId(name)),
        Some(serde_json::Value::String(text)) => {
            text.trim().parse().map(Some).map_err(|_| NotAnEvent::BadId(name))
        }
        Some(_) => Err(NotAnEvent::BadId(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Event, NotAnEvent> {
        Event::parse(body.as_bytes(), Timestamp::default())
    }

    #[test]
    fn ids_are_numbers_or_text() {
        for body in [
            r#"{"event_type":"Account/New","variables":{"i_account":189,"i_event":7}}"#,
            r#"{"event_type":" Account/New ","variables":{"i_account":"189","i_event":"7"}}"#,
            r#"{"event_type":"Account/New","variables":{"billing_entity_id":"189","i_event":7}}"#,
        ] {
            let event = parse(body).expect(body);
            assert_eq!(event.identity.0, "0-7");
            assert_eq!(event.i_account, Some(IAccount(189)));
            assert_eq!(event.name, "Account/New");
        }
    }

    #[test]
    fn an_event_of_another_environment_is_none_for_us() {
        let of = |i_env: &str, served| {
            let body = format!(r#"{{"event_type":"Account/New","variables":{{"i_event":7{i_env}}}}}"#);
            parse(&body).expect("an event").of_environment(served).map(|event| event.identity.0)
        };
        assert_eq!(of(r#","i_env":"2""#, Some(2)).as_deref(), Ok("2-7"));
        assert_eq!(of(r#","i_env":2"#, None).as_deref(), Ok("2-7"), "nobody has logged in yet");
        assert_eq!(of("", Some(1)).as_deref(), Ok("0-7"), "it names none");
        let other = NotAnEvent::OtherEnvironment { is: 2, served: 1 };
        assert_eq!(of(r#","i_env":2"#, Some(1)), Err(other));
    }

    #[test]
    fn what_can_never_be_an_event_says_why() {
        let not_json = parse("<event/>").expect_err("XML");
        assert!(matches!(not_json, NotAnEvent::NotJson(_)));
        for (body, why) in [
            (r#"{"variables":{"i_event":1}}"#, NotAnEvent::NoName),
            (r#"{"event_type":5,"variables":{"i_event":1}}"#, NotAnEvent::NoName),
            (r#"{"event_type":"A"}"#, NotAnEvent::NoVariables),
            (r#"{"event_type":"A","variables":[]}"#, NotAnEvent::NoVariables),
            (r#"{"event_type":"A","variables":{}}"#, NotAnEvent::NoId),
            (r#"{"event_type":"A","variables":{"i_event":-1}}"#, NotAnEvent::BadId("i_event")),
            (
                r#"{"event_type":"A","variables":{"i_event":1,"i_account":"x"}}"#,
                NotAnEvent::BadId("i_account"),
            ),
        ] {
            assert_eq!(parse(body).expect_err(body), why, "{body}");
        }
    }
}
