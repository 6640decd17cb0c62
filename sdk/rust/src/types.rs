//! The words that the host and an adapter share, as `wit/adapter.wit` says them.
//!
//! What travels there as JSON text is a [`Value`] here. As JSON these types read like the contract:
//! names in kebab case, the chosen variant named from outside, a name that nobody knows refused.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::http::{Body, Header, Request, Response};

/// Why the operation exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Event {
    /// `i_event` as decimal text: an equal id is the same event delivered again.
    pub id: String,
    /// As PortaBilling sent it, for example `Account/New`; or the host's own: `Punchdown/Resync`.
    pub name: String,
    /// When the host took it, RFC 3339 in UTC.
    pub received_at: String,
    /// The event's `variables` object; of a notification, its signal's payload.
    pub variables: Value,
    /// What came with it beside that; `{}` when nothing did.
    pub enclosed: Value,
}

/// What PortaBilling wants of the service, the account and its customer taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Open, neither blocked nor suspended: it must run.
    Running,
    /// The account exists but its service must not run: keep the record, switch it off.
    Suspended,
    /// The account is closed, or PortaBilling has it no more: take away what was made.
    Gone,
}

/// What PortaBilling knew of the account when the operation began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Subscriber {
    /// The account ID with its realm: `15550001111@msisdn`.
    pub account_id: String,
    /// The telephone number.
    pub msisdn: Option<String>,
    /// The identity of the SIM in the network.
    pub imsi: Option<String>,
    /// The number of the SIM card.
    pub iccid: Option<String>,
    /// Every document that the host read for this adapter, by query name; `null`: it has none.
    pub documents: Value,
}

impl Subscriber {
    /// What stands in the documents at a JSON pointer that begins with a query's name. An element of a list may be
    /// called by its `name`, as PortaBilling's lists are: `/account_info/service_features/netaccess_policy`.
    pub fn document(&self, pointer: &str) -> Option<&Value> {
        let mut segments = pointer.strip_prefix('/')?.split('/');
        segments.try_fold(&self.documents, |value, segment| {
            let name = segment.replace("~1", "/").replace("~0", "~");
            match value {
                Value::Array(elements) => match name.parse::<usize>() {
                    Ok(place) => elements.get(place),
                    Err(_) => elements.iter().find(|element| element["name"] == *name),
                },
                value => value.get(name),
            }
        })
    }
}

/// One durable unit of work, the same to the letter at every asking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Operation {
    /// Also a key by which a notification finds it, without being named.
    pub id: String,
    /// The ESPF service group, for example `HSS`.
    pub group: String,
    /// PortaBilling's internal number of the account, as decimal text.
    pub i_account: String,
    /// When the subscriber was read, RFC 3339 in UTC.
    pub began: String,
    /// Why the operation exists.
    pub event: Event,
    /// What PortaBilling wants of the service.
    pub wanted: Wanted,
    /// Absent when PortaBilling has the account no more.
    pub subscriber: Option<Subscriber>,
    /// What earlier operations left in the external system; absent, and never `null`, when nothing.
    pub applied: Option<Value>,
    /// The group's own configuration, already found good by `check_config`.
    pub config: Value,
    /// The public address of the group's notification door, where it has one.
    pub notify_at: Option<String>,
    /// What later hosts have to say; `{}` today. Skip what you do not know.
    #[serde(default = "empty_object")]
    pub extras: Value,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The target answered, with whatever status code.
    Answered(Response),
    /// It may have arrived, and here is why nobody knows. Of `at-most-once` requests alone.
    Unknown(String),
}

/// A request, by its label, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Exchange {
    /// The label of the request.
    pub label: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What can happen to an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// What became of a `send`.
    Exchanged(Exchange),
    /// A notification reached it in its wait, with the payload that its signal has.
    Notified(Value),
    /// The wait's time was up, or the group's deadline came.
    Elapsed,
}

/// One thing that has happened. Each ends one `send` or one `wait`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Entry {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What.
    pub what: Happening,
}

/// What the ESPF can be told of an account in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The service is as PortaBilling wants it.
    Ok,
    /// It is being made so.
    InProgress,
    /// It is tried again; the host says so by itself while it sends again.
    Retry,
    /// It could not be made so.
    Failed,
}

/// A status to store in PortaBilling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Report {
    /// Absent: the operation's own group.
    pub group: Option<String>,
    /// What is reported.
    pub status: Status,
    /// For the administrator who reads it in PortaBilling; at most 4000 characters.
    pub message: Option<String>,
}

/// How long to sleep, and what of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Waiting {
    /// End the wait after so many seconds. Absent: the group's deadline ends it.
    pub seconds: Option<u32>,
    /// Strike everything since the wait before this one from the history.
    pub forget: bool,
    /// A newer operation that wants another state may take this one's place here.
    pub gives_way: bool,
}

/// Why something did not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trouble {
    /// A stable word to search and group by: `profile-unknown`.
    pub code: String,
    /// For a person.
    pub message: String,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Send this; then ask again with its outcome.
    Send(Request),
    /// Strike the exchange that ends the history, and send the same request again later.
    Again(Trouble),
    /// As `Again`, but at once and with a new session.
    Renew(Trouble),
    /// Sleep until a notification or the time comes; then ask again.
    Wait(Waiting),
    /// Done, well or badly: the reports say which.
    Finish,
    /// The event is none of this group's business. Only while the history is empty.
    Ignore(String),
    /// It cannot go on without a person, or without newer data from PortaBilling.
    Park(Trouble),
}

/// An adapter's answer to `provision`: a decision, and all that is said with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Progress {
    /// What to do next.
    pub decision: Decision,
    /// What has happened, to store in PortaBilling, in order.
    #[serde(default)]
    pub reports: Vec<Report>,
    /// What now stands, or may come to stand; `Some(Value::Null)`: nothing. In JSON `null` is that
    /// nothing, and a missing member is `None`: as said before.
    #[serde(default, deserialize_with = "even_null", skip_serializing_if = "Option::is_none")]
    pub applied: Option<Value>,
    /// Keys by which notifications find this operation from now on.
    #[serde(default)]
    pub keys: Vec<String>,
    /// For what later hosts can do. A host refuses a word that it does not know.
    pub extras: Option<Value>,
}

/// The next move of an errand: something done for a whole group, not for one account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Move {
    /// Send this; then ask again with the longer history.
    Send(Request),
    /// Begin anew, later.
    Again(Trouble),
    /// It is done.
    Ready(Standing),
    /// It cannot be done without a person.
    Fail(Trouble),
}

/// What an errand came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Standing {
    /// A session's values by name, texts and numbers.
    pub value: Value,
    /// Good for so long; then the errand is run again. Absent: until told otherwise.
    pub seconds: Option<u32>,
}

/// A message from the external system, authenticated and stored by the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Notification {
    /// The HTTP method.
    pub method: String,
    /// Path and query below the group's notification address.
    pub path: String,
    /// In order, names in lower case.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// What it says.
    pub body: Body,
    /// When the host took it, RFC 3339 in UTC.
    pub received_at: String,
}

/// Whom a notification speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Correlation {
    /// A key that an operation named, or an operation's id.
    Key(String),
    /// The account's open operation in this group, by `i_account`.
    IAccount(String),
    /// The same, by account ID.
    AccountId(String),
}

/// What becomes of a signal for which no operation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    /// Keep it: its operation may not have come so far yet.
    Keep,
    /// The system changed of itself: begin an operation for this.
    Begin,
    /// Only record it.
    Drop,
}

/// One thing that a notification says to one operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Signal {
    /// The sender's own id of it: one that was seen before is dropped. Absent: it is taken as new.
    pub id: Option<String>,
    /// Whom it speaks of.
    pub correlation: Correlation,
    /// Becomes the `notified` entry of the operation it belongs to.
    pub payload: Value,
    /// What becomes of it when no operation waits for it.
    pub otherwise: Otherwise,
}

/// An adapter's answer to `read_notification`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reading {
    /// What the host answers the external system once the signals are durable.
    pub reply: Response,
    /// What it says, and to whom.
    #[serde(default)]
    pub signals: Vec<Signal>,
    /// Why it could not be understood.
    pub unread: Option<Trouble>,
}

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Problem {
    /// JSON pointer to it.
    pub at: String,
    /// For a person.
    pub message: String,
}

/// An adapter's answer to `describe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Description {
    /// The adapter's name.
    pub name: String,
    /// The adapter's version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// The PortaBilling queries whose documents the adapter needs.
    pub queries: Vec<String>,
    /// JSON Schema of a group's configuration.
    pub config_schema: Value,
    /// Names of the group's secrets that its fills use.
    pub secrets: Vec<String>,
    /// Names, beside the host's own list, whose values are never shown or logged.
    pub secret_fields: Vec<String>,
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

/// A member that is there is `Some`, even when it is `null`.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_element_of_a_list_may_be_called_by_its_name() {
        let features = json!([{"name": "a", "values": [1]}, {"name": "b/c", "values": [2, 3]}]);
        let subscriber = Subscriber {
            account_id: "1@msisdn".to_owned(),
            msisdn: None,
            imsi: None,
            iccid: None,
            documents: json!({"account_info": {"features": features}, "sim_card": null}),
        };
        let at = |pointer| subscriber.document(pointer).cloned();
        assert_eq!(at("/account_info/features/b~1c/values/1"), Some(json!(3)));
        assert_eq!(at("/account_info/features/0/name"), Some(json!("a")));
        for nowhere in
            ["", "account_info", "/account_info/features/d", "/account_info/features/7", "/sim_card/ki"]
        {
            assert_eq!(at(nowhere), None, "{nowhere}");
        }
    }
}
