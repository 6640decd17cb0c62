//! What persons look at.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Audit, AuditsSought, JournalError, Line, Sought, Told};
use crate::domain::{
    Digest, Event, EventIdentity, Group, IAccount, ICustomer, Json, Notification, Operation, OperationId,
    Said, Service, Timestamp,
};

/// What is in the journal, for a person to see. Lists begin with the newest.
#[async_trait]
pub trait Looks: Send + Sync {
    /// Operations for a person to see, the newest first.
    async fn operations(&self, sought: Sought) -> Result<Vec<Line>, JournalError>;

    /// One operation with all that is known of it.
    async fn operation(&self, id: &OperationId) -> Result<Option<Told>, JournalError>;

    /// Events for a person to see, the newest first.
    async fn events(&self, before: Option<Place>, most: usize) -> Result<Vec<EventLine>, JournalError>;

    async fn event(&self, identity: &EventIdentity) -> Result<Option<Event>, JournalError>;

    /// What could never become an event, the newest first.
    async fn letters(&self, before: Option<Place>, most: usize) -> Result<Vec<Letter>, JournalError>;

    async fn letter(&self, id: &str) -> Result<Option<Letter>, JournalError>;

    /// Notifications, or those that no adapter could read; the newest first.
    async fn notifications(
        &self,
        unread: bool,
        before: Option<Place>,
        most: usize,
    ) -> Result<Vec<NotificationLine>, JournalError>;

    async fn notification(&self, id: &str) -> Result<Option<NotificationTold>, JournalError>;

    /// What is known of an account; `None`: nothing.
    async fn account(&self, account: IAccount) -> Result<Option<AccountTold>, JournalError>;

    /// The oldest open operation of each group that has one. One that cannot be read is left out.
    async fn oldest_open(&self) -> Result<Vec<Operation>, JournalError>;

    /// Whose the open operations are.
    async fn deciders(&self) -> Result<Deciders, JournalError>;

    /// What persons did, the newest first, each with its place among all.
    async fn audits(&self, sought: AuditsSought) -> Result<Vec<(u64, Audit)>, JournalError>;
}

/// How many open operations of a group were decided last by which adapter; `None`: by none yet.
pub type Deciders = BTreeMap<(Group, Option<Digest>), u64>;

/// Where a list is continued: what its last line has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub at: Timestamp,
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLine {
    pub identity: EventIdentity,
    pub name: String,
    pub i_account: Option<IAccount>,
    pub i_customer: Option<ICustomer>,
    pub received_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub id: String,
    pub at: Timestamp,
    pub why: String,
    /// Absent in a list, and once it was purged.
    pub body: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationLine {
    pub id: String,
    pub group: Group,
    pub received_at: Timestamp,
    pub is_read: bool,
}

/// A notification with what was read in it.
#[derive(Clone, Debug)]
pub struct NotificationTold {
    pub line: NotificationLine,
    /// Absent once it was purged.
    pub raw: Option<Notification>,
    /// What became of each signal, and the operation that it was given to.
    pub signals: Vec<(String, Option<String>)>,
}

/// What is known of an account.
#[derive(Clone, Debug)]
pub struct AccountTold {
    /// What stands in each group's external system; `None`: nothing that is known.
    pub stands: Vec<(Group, Option<Json>)>,
    pub statuses: Vec<StatusTold>,
}

#[derive(Clone, Debug)]
pub struct StatusTold {
    pub service: Service,
    pub said: Said,
    /// It is yet to be told, and when it is tried next.
    pub due: Option<Timestamp>,
    pub given_up: bool,
}
