//! A resync: PortaBilling's accounts one by one, held against what was last done for them. It has its place in
//! the journal, so that it goes on after a crash where it was.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Decision, Group, IAccount, ICustomer, LaidDown, Lane, Person, Reached, Timestamp};

/// Members of PortaBilling's documents that move by themselves, and say nothing of a service.
const RESTLESS: [&str; 9] = [
    "balance",
    "opening_balance",
    "available_funds",
    "first_usage",
    "last_usage",
    "last_recharge",
    "idle_days",
    "remaining",
    "allocated_amount",
];

/// One run of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Resync {
    pub id: String,
    pub whom: Whom,
    /// In this group alone.
    pub group: Option<Group>,
    pub mode: Mode,
    pub person: Person,
    pub began_at: Timestamp,
    pub place: Place,
    pub counts: Counts,
    pub end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    Account(IAccount),
    Customer(ICustomer),
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Begins an operation wherever it differs.
    Drive,
    /// Says what differs.
    DryRun,
    /// Has adapters find what stands of accounts of whom nothing is known here. Nothing is changed outside.
    Adopt,
}

impl Mode {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Drive => "drive",
            Self::DryRun => "dry-run",
            Self::Adopt => "adopt",
        }
    }
}

/// How far it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Place {
    /// Of the list of customers, those before it are done; the last of them.
    pub customers: u64,
    pub last: Option<ICustomer>,
    /// How far into the accounts of the next one.
    pub accounts: Reached,
    /// PortaBilling's lists are done. What is left are lanes behind this one of which something stands, and
    /// whose accounts were in no list.
    pub lanes: Option<i64>,
}

impl Place {
    /// The customer there is done.
    pub fn behind(&mut self, i_customer: ICustomer) {
        (self.customers, self.last, self.accounts) =
            (self.customers + 1, Some(i_customer), Reached::default());
    }

    /// Somebody left the list, or came into it, before this place: who is seen twice is no harm.
    pub fn back(&mut self) {
        (self.customers, self.last, self.accounts) =
            (self.customers.saturating_sub(BACK), None, Reached::default());
    }
}

/// So far it goes back when a list has moved.
const BACK: u64 = 100;

/// What came of it, up to its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// That were read.
    pub accounts: u64,
    /// Lanes that are as PortaBilling wants them.
    pub same: u64,
    pub differ: u64,
    /// In which an operation is open: that one reads for itself.
    pub open: u64,
    /// PortaBilling or the adapter refuses to say.
    pub unread: u64,
    pub adopted: u64,
}

impl Counts {
    pub fn add(&mut self, what: Found) {
        match what {
            Found::Same => self.same += 1,
            Found::Differs(_) => self.differ += 1,
            Found::Open => self.open += 1,
            Found::Unread => self.unread += 1,
            Found::Adopted => self.adopted += 1,
        }
    }
}

/// How a lane was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Same,
    Differs(Difference),
    Open,
    Unread,
    Adopted,
}

impl Found {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs(_) => "differ",
            Self::Open => "open",
            Self::Unread => "unread",
            Self::Adopted => "adopted",
        }
    }

    pub const WORDS: [&str; 5] = ["same", "differ", "open", "unread", "adopted"];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// Nothing is known of it here.
    Unknown,
    Changed,
    /// Something stands, and PortaBilling has no such account.
    Absent,
    /// Something would have to be changed outside.
    NotAsWanted,
}

impl Difference {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Changed => "changed",
            Self::Absent => "absent",
            Self::NotAsWanted => "not-as-wanted",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Unknown, Self::Changed, Self::Absent, Self::NotAsWanted]
            .into_iter()
            .find(|it| it.word() == word)
    }
}

/// A lane that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    pub lane: Lane,
    pub how: Difference,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct End {
    pub at: Timestamp,
    pub how: Ending,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    Done,
    /// By a person.
    Stopped,
    /// Why it could not go on.
    Failed(String),
}

/// What of a reading says how a service has to be, in one and the same form however PortaBilling orders it.
pub fn essence(laid_down: &LaidDown) -> String {
    let subscriber = laid_down.subscriber.as_ref().map(|subscriber| {
        let mut documents = subscriber.documents.value();
        calm(&mut documents);
        serde_json::json!([subscriber.account_id, documents])
    });
    serde_json::json!([laid_down.wanted, subscriber, laid_down.config.value()]).to_string()
}

fn calm(document: &mut Value) {
    match document {
        Value::Object(members) => {
            members.retain(|name, _| !RESTLESS.contains(&name.as_str()));
            members.values_mut().for_each(calm);
        }
        Value::Array(items) => items.iter_mut().for_each(calm),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether an adapter that was told nothing of what happened has anything to do.
pub const fn has_nothing_to_do(first: &Decision) -> bool {
    matches!(first, Decision::Finish | Decision::Ignore(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountId, Json, Subscriber, Trouble, Wanted};

    fn laid_down(documents: &str, wanted: Wanted) -> LaidDown {
        let subscriber = Subscriber {
            account_id: AccountId("1@msisdn".to_owned()),
            msisdn: None,
            imsi: None,
            iccid: None,
            documents: Json::parse(documents.to_owned()).expect("JSON"),
        };
        LaidDown {
            began: Timestamp::default(),
            wanted,
            subscriber: Some(subscriber),
            applied: None,
            config: Json::empty_object(),
            notify_at: None,
        }
    }

    #[test]
    fn what_moves_by_itself_is_no_difference_and_neither_is_the_order() {
        let one = laid_down(r#"{"account_info":{"id":"1","balance":12.5,"i_product":31}}"#, Wanted::Running);
        for (documents, wanted, same) in [
            (r#"{"account_info":{"i_product":31,"id":"1","balance":7}}"#, Wanted::Running, true),
            (r#"{"account_info":{"i_product":32,"id":"1","balance":12.5}}"#, Wanted::Running, false),
            (r#"{"account_info":{"id":"1","balance":12.5,"i_product":31}}"#, Wanted::Suspended, false),
            (r#"{"account_info":{"id":"1","i_product":31},"sim_card":{"imsi":"1"}}"#, Wanted::Running, false),
        ] {
            let other = LaidDown { began: Timestamp::from_millis(7), ..laid_down(documents, wanted) };
            assert_eq!(essence(&one) == essence(&other), same, "{documents}");
        }
        let other = LaidDown { config: Json::parse("{\"a\":1}".to_owned()).expect("JSON"), ..one.clone() };
        assert_ne!(essence(&one), essence(&other), "its adapter is told something else");
        let stands = LaidDown { applied: Some(Json::empty_object()), ..one.clone() };
        assert_eq!(essence(&one), essence(&stands), "what stands is what came of it");
    }

    #[test]
    fn an_adapter_that_sends_or_waits_has_something_to_do() {
        assert!(has_nothing_to_do(&Decision::Finish));
        assert!(has_nothing_to_do(&Decision::Ignore("no line".to_owned())));
        assert!(!has_nothing_to_do(&Decision::Park(Trouble::new("a", "b"))));
    }

    #[test]
    fn a_list_that_moved_is_read_again_from_a_hundred_before() {
        let mut place = Place::default();
        for number in 0..250 {
            place.behind(ICustomer(number));
        }
        assert_eq!((place.customers, place.last), (250, Some(ICustomer(249))));
        place.back();
        assert_eq!((place.customers, place.last), (150, None));
        place.back();
        place.back();
        assert_eq!(place.customers, 0);
    }
}
