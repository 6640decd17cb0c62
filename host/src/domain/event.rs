use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::adapter::hex;
use super::{IAccount, ICustomer, Json, Timestamp, Trace};

/// NSPS's envelope around an event of the ESPF.
mod nsps;
/// What NSPS reads in PortaBilling and sends along.
mod pb_data;

pub use pb_data::Enriched;

/// PortaBilling's longest names have half as many characters. A name stands in every log line.
const NAME_LENGTH_MAX: usize = 128;

/// What makes two deliveries the same event: `<i_env>-<i_event>`, whoever brings it.
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
    /// `i_event` as decimal text, or what its sender names it by instead.
    pub id: String,
    /// PortaBilling's environment; absent where there is only one.
    #[serde(default)]
    pub i_env: Option<u64>,
    /// As PortaBilling sent it: `Account/New`.
    pub name: String,
    pub i_account: Option<IAccount>,
    /// Of an event that names no account.
    #[serde(default)]
    pub i_customer: Option<ICustomer>,
    pub received_at: Timestamp,
    /// The event's own `variables`, as they came.
    pub variables: Json,
    /// What came beside them; `{}` when nothing did.
    pub enclosed: Json,
    /// What its delivery was known by, if it named that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

/// Who sends events, each in an envelope of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventSource {
    Espf,
    /// PortaOne's queue between an ESPF and what is provisioned.
    Nsps,
}

impl EventSource {
    pub const ALL: [Self; 2] = [Self::Espf, Self::Nsps];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Espf => "espf",
            Self::Nsps => "nsps",
        }
    }

    /// # Errors
    /// When the body can never be an event.
    pub fn read(self, body: &[u8], received_at: Timestamp) -> Result<Event, NotAnEvent> {
        match self {
            Self::Espf => Event::parse(body, received_at),
            Self::Nsps => nsps::read(body, received_at),
        }
    }

    /// A name for a dead letter by which its repetition is known, where it is repeated: the ESPF
    /// deletes what is answered 4xx, and NSPS sends it again for a month.
    pub fn letter_id(self, body: &[u8]) -> Option<String> {
        match self {
            Self::Espf => None,
            Self::Nsps => Some(nsps::letter_id(body)),
        }
    }
}

/// Why a body can never become an event. Worth a dead letter: the ESPF will not send it again.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEvent {
    #[error("the body is not JSON: {what} in line {line}, column {column}")]
    NotJson { what: &'static str, line: usize, column: usize },
    #[error("the body is not a JSON object in which each name stands once")]
    NotAnObject,
    #[error("`event_type` is missing or not text")]
    NoName,
    #[error("`event_type` has more than {NAME_LENGTH_MAX} characters")]
    LongName,
    #[error("`variables` is missing or not an object")]
    NoVariables,
    #[error(
        "`data` is missing or not an object, so this is not NSPS's envelope; is it an event of the ESPF?"
    )]
    NoData,
    #[error("it has more than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
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

/// Reads an object. Of a list serde would take one field after the other, and what it says of an error
/// may quote the body, which is nobody's business where that is told.
fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, NotAnEvent> {
    use serde_json::error::Category;
    let read = serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            Category::Data => return NotAnEvent::NotAnObject,
            Category::Eof => "it ends too soon",
            Category::Syntax | Category::Io => "it is wrongly written",
        };
        NotAnEvent::NotJson { what, line: error.line(), column: error.column() }
    })?;
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') { Ok(read) } else { Err(NotAnEvent::NotAnObject) }
}

impl Event {
    /// Reads what the ESPF posts. Ids may be numbers or decimal text: its own documents show both.
    ///
    /// # Errors
    /// When the body can never be an event.
    pub fn parse(body: &[u8], received_at: Timestamp) -> Result<Self, NotAnEvent> {
        Self::read(body, received_at, None)
    }

    /// `other_id`: by what its sender knows it, should it have no `i_event`.
    fn read(body: &[u8], received_at: Timestamp, other_id: Option<&str>) -> Result<Self, NotAnEvent> {
        let envelope: Envelope<'_> = object(body)?;
        let name = envelope.event_type.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let name = name.ok_or(NotAnEvent::NoName)?;
        if name.chars().count() > NAME_LENGTH_MAX {
            return Err(NotAnEvent::LongName);
        }
        let variables = envelope.variables.ok_or(NotAnEvent::NoVariables)?;
        let serde_json::Value::Object(known) =
            serde_json::from_str(variables.get()).map_err(|_| NotAnEvent::NoVariables)?
        else {
            return Err(NotAnEvent::NoVariables);
        };
        let i_env = whole(&known, "i_env")?;
        let (i_account, i_customer) = whose(&name, &known)?;
        let (identity, id) = match (whole(&known, "i_event")?, other_id) {
            (Some(id), _) => (format!("{}-{id}", i_env.unwrap_or(0)), id.to_string()),
            // An ESPF's begins with a digit.
            (None, Some(id)) => (format!("nsps-{id}"), id.to_owned()),
            (None, None) => return Err(NotAnEvent::NoId),
        };
        Ok(Self {
            identity: EventIdentity(identity),
            id,
            i_env,
            name,
            i_account,
            i_customer,
            received_at,
            variables: Json::parse(variables.get().to_owned()).map_err(|_| NotAnEvent::NoVariables)?,
            enclosed: Json::empty_object(),
            trace: None,
        })
    }
}

impl Event {
    /// Whether PortaBilling can be asked of it. Where one side names no environment, it can.
    ///
    /// # Errors
    /// When it is of another environment than the one that is `served`.
    pub fn of_environment(self, served: Option<u64>) -> Result<Self, NotAnEvent> {
        self.belongs_to(served).map(|()| self)
    }

    /// # Errors
    /// As [`Event::of_environment`].
    pub fn belongs_to(&self, served: Option<u64>) -> Result<(), NotAnEvent> {
        match (self.i_env, served) {
            (Some(is), Some(served)) if is != served => Err(NotAnEvent::OtherEnvironment { is, served }),
            _ => Ok(()),
        }
    }

    /// Another identity, for one whose number was used before: the same for each repetition.
    pub fn other_identity(&self) -> EventIdentity {
        use sha2::Digest as _;
        let account = self.i_account.map(|account| account.to_string()).unwrap_or_default();
        let customer = self.i_customer.map(|customer| format!("\n{customer}")).unwrap_or_default();
        let content = sha2::Sha256::digest(format!("{}\n{account}{customer}", self.name));
        EventIdentity(format!("{}~{}", self.identity, hex(&content[..4])))
    }
}

/// Of whom an event speaks. Balance events name an account, or a customer, as `billing_entity_id`.
fn whose(
    name: &str,
    variables: &serde_json::Map<String, serde_json::Value>,
) -> Result<(Option<IAccount>, Option<ICustomer>), NotAnEvent> {
    let account = |i_account| (Some(IAccount(i_account)), None);
    let customer = |i_customer: Option<u64>| (None, i_customer.map(ICustomer));
    // Only the id that is used must be one.
    if let Some(i_account) = whole(variables, "i_account")? {
        return Ok(account(i_account));
    }
    if name.starts_with("Customer/") {
        let i_customer = whole(variables, "i_customer")?;
        return Ok(customer(
            i_customer.map_or_else(|| whole(variables, "billing_entity_id"), |id| Ok(Some(id)))?,
        ));
    }
    match whole(variables, "billing_entity_id")? {
        Some(i_account) => Ok(account(i_account)),
        None => Ok(customer(whole(variables, "i_customer")?)),
    }
}

fn whole(
    variables: &serde_json::Map<String, serde_json::Value>,
    name: &'static str,
) -> Result<Option<u64>, NotAnEvent> {
    match variables.get(name) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::Number(number)) => number.as_u64().map(Some).ok_or(NotAnEvent::BadId(name)),
        Some(serde_json::Value::String(text)) if text.trim().is_empty() => Ok(None),
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
    fn an_event_names_an_account_or_else_a_customer() {
        for (name, variables, account, customer) in [
            ("Account/New", r#""i_account":1,"i_customer":9"#, Some(1), None),
            ("Account/BalanceChanged", r#""billing_entity_id":1,"i_customer":9"#, Some(1), None),
            ("Account/New", r#""i_account":1,"i_customer":"","billing_entity_id":"x""#, Some(1), None),
            ("Account/New", r#""i_account":" ","i_customer":9"#, None, Some(9)),
            ("Customer/BalanceChanged", r#""billing_entity_id":"9""#, None, Some(9)),
            ("Customer/Updated", r#""i_customer":9"#, None, Some(9)),
            ("Customer/Suspended", r#""i_customer":9,"i_account":1"#, Some(1), None),
            ("Invoice/Created", r#""i_customer":"9","i_invoice":3"#, None, Some(9)),
            ("Product/Discount/Changed", r#""i_product":3"#, None, None),
        ] {
            let event =
                parse(&format!(r#"{{"event_type":"{name}","variables":{{"i_event":7,{variables}}}}}"#));
            let event = event.expect(variables);
            let named = (event.i_account.map(|it| it.0), event.i_customer.map(|it| it.0));
            assert_eq!(named, (account, customer), "{name} {variables}");
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
        let long = "x".repeat(NAME_LENGTH_MAX + 1);
        let wrong = |line, column| NotAnEvent::NotJson { what: "it is wrongly written", line, column };
        for (body, why) in [
            ("<event/>", wrong(1, 1)),
            ("{\n\"event_type\": s3cret}", wrong(2, 15)),
            (r#"{"event_type":"A""#, NotAnEvent::NotJson { what: "it ends too soon", line: 1, column: 17 }),
            (r#"["Account/New",{"i_account":1,"i_event":1}]"#, NotAnEvent::NotAnObject),
            (r#" "s3cret""#, NotAnEvent::NotAnObject),
            (r#"{"event_type":"A","event_type":"B","variables":{"i_event":1}}"#, NotAnEvent::NotAnObject),
            (&format!(r#"{{"event_type":"{long}","variables":{{"i_event":1}}}}"#), NotAnEvent::LongName),
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
            let found = parse(body).expect_err(body);
            assert_eq!(found, why, "{body}");
            let told = found.to_string();
            assert!(told.len() < 128 && !told.contains("s3cret"), "nothing of the body is told: {told}");
        }
        let longest = &long[1..];
        let event = format!(r#"{{"event_type":"{longest}","variables":{{"i_event":1}}}}"#);
        assert_eq!(parse(&event).expect("an event").name, longest);
    }
}
