//! Rows as they came out of a journal's tables, still sealed: the same of every engine.

use super::rows::{
    StoredOperation, applied_place, breaker_place, dead_letter_place, decided_by, event_place, i_account,
    notification_place, registration_place, signal_place, status_place, timeline_place,
};
use super::seal::Seal;
use crate::domain::{
    Behind, Event, EventIdentity, FanOut, Group, IAccount, Json, Lane, Note, Operation, OperationId, Reached,
    Service, State, Subject, SystemChange, Timestamp,
};
use crate::ports::{
    AccountTold, Compared, Deciders, Held, JournalError, Letter, NotificationLine, NotificationTold, Sought,
    StatusTold, StatusUpdate, Told,
};

/// The head of a lane.
pub struct StoredHead {
    pub operation: StoredOperation,
    pub beside: Beside,
}

impl StoredHead {
    pub fn read(self, seal: &Seal) -> Result<Held, JournalError> {
        let operation = self.operation.read(seal)?;
        self.beside.held(operation, seal)
    }
}

/// A lane, the epoch that began with its lease, and its head.
pub type LeasedLane = (i64, u64, StoredHead);

/// What stands beside the head.
pub struct Beside {
    pub group: String,
    pub i_account: i64,
    pub signal: Option<(String, Vec<u8>)>,
    pub behind: Option<Behind>,
    pub applied: Option<Vec<u8>>,
}

impl Beside {
    pub fn held(self, operation: Operation, seal: &Seal) -> Result<Held, JournalError> {
        let open = |place: String, sealed: Vec<u8>| seal.unpack::<Json>(&place, &sealed);
        let applied_place = applied_place(&self.group, self.i_account);
        Ok(Held {
            operation,
            signal: self.signal.map(|(id, sealed)| open(signal_place(&id), sealed)).transpose()?,
            behind: self.behind,
            applied: self.applied.map(|sealed| open(applied_place, sealed)).transpose()?,
        })
    }
}

/// What could not even be set aside stays as it is, and keeps nothing beside it from moving. A lane stays leased, to
/// somebody who does nothing in it: nobody could.
pub fn set_aside(done: Result<(), JournalError>) {
    if let Err(error) = done {
        tracing::error!(%error, "it could not be set aside");
    }
}

/// A fan-out, with its event.
pub struct StoredFanOut {
    pub event: String,
    pub body: Vec<u8>,
    pub groups: String,
    pub reached: Reached,
    pub attempts: u32,
    pub due: Timestamp,
}

impl StoredFanOut {
    pub fn event(&self) -> EventIdentity {
        EventIdentity(self.event.clone())
    }

    pub fn read(self, seal: &Seal) -> Result<FanOut, JournalError> {
        let damaged = |why: &str| JournalError::Damaged(format!("fan-out of {}: {why}", self.event));
        let event: Event = seal.unpack(&event_place(&self.event), &self.body)?;
        let i_customer = event.i_customer.ok_or_else(|| damaged("its event names no customer"))?;
        let groups: Vec<String> =
            serde_json::from_str(&self.groups).map_err(|error| damaged(&error.to_string()))?;
        let groups = groups.into_iter().map(Group).collect();
        let Self { reached, attempts, due, .. } = self;
        Ok(FanOut { event, i_customer, groups, reached, attempts, due })
    }
}

/// A signal for which an operation is to begin.
pub struct StoredChange {
    pub signal: i64,
    pub notification: String,
    pub i_account: i64,
    pub at: i64,
    pub payload: Vec<u8>,
}

impl StoredChange {
    pub fn read(self, seal: &Seal) -> Result<SystemChange, JournalError> {
        Ok(SystemChange {
            signal: self.signal,
            i_account: IAccount(self.i_account.cast_unsigned()),
            payload: seal.unpack(&signal_place(&self.notification), &self.payload)?,
            at: Timestamp::from_millis(self.at),
        })
    }
}

pub struct StoredStatus {
    pub i_account: i64,
    pub service: String,
    pub version: i64,
    pub said: Vec<u8>,
    pub told: Option<Vec<u8>>,
    pub attempts: u32,
}

impl StoredStatus {
    pub fn place(&self) -> (i64, String) {
        (self.i_account, self.service.clone())
    }

    pub fn read(self, seal: &Seal) -> Result<StatusUpdate, JournalError> {
        let (i_account, service) = (i_account(self.i_account), Service(self.service));
        let place = status_place(i_account, &service);
        Ok(StatusUpdate {
            i_account,
            said: seal.unpack(&place, &self.said)?,
            told: self.told.map(|told| seal.unpack(&place, &told)).transpose()?,
            service,
            version: self.version.cast_unsigned(),
            attempts: self.attempts,
            // Where one process alone has the journal nobody else leads.
            term: 0,
        })
    }
}

/// An operation with its timeline.
pub struct StoredTold {
    pub operation: StoredOperation,
    pub notes: Vec<(i64, Vec<u8>)>,
    pub head: Option<String>,
}

impl StoredTold {
    pub fn read(self, seal: &Seal) -> Result<Told, JournalError> {
        let operation: Operation = self.operation.read(seal)?;
        let place = timeline_place(&operation.id.0);
        let note = |(at, sealed): (i64, Vec<u8>)| {
            Ok((Timestamp::from_millis(at), seal.unpack::<Note>(&place, &sealed)?))
        };
        let timeline = self.notes.into_iter().map(note).collect::<Result<_, JournalError>>()?;
        let stands_behind =
            self.head.map(OperationId).filter(|head| operation.stage.is_open() && *head != operation.id);
        Ok(Told { operation, timeline, stands_behind })
    }
}

/// What is sealed is never empty; what is empty was purged.
pub fn unless_purged(sealed: Vec<u8>) -> Option<Vec<u8>> {
    Some(sealed).filter(|sealed| !sealed.is_empty())
}

/// A letter whose body was still sealed.
pub fn open_letter(seal: &Seal, letter: Letter) -> Result<Letter, JournalError> {
    let open = |sealed: Vec<u8>| seal.open(&dead_letter_place(&letter.id), &sealed);
    Ok(Letter { body: letter.body.clone().map(open).transpose()?, ..letter })
}

/// A notification, with what became of its signals.
pub struct StoredNotification {
    pub line: NotificationLine,
    pub raw: Option<Vec<u8>>,
    pub signals: Vec<(String, Option<String>)>,
}

impl StoredNotification {
    pub fn read(self, seal: &Seal) -> Result<NotificationTold, JournalError> {
        let place = notification_place(&self.line.id);
        let raw = self.raw.map(|sealed| seal.unpack(&place, &sealed)).transpose()?;
        Ok(NotificationTold { line: self.line, raw, signals: self.signals })
    }
}

/// What is known of an account.
pub struct StoredAccount {
    pub stands: Vec<(Group, Option<Vec<u8>>)>,
    pub statuses: Vec<(String, Vec<u8>, Option<i64>, bool)>,
}

impl StoredAccount {
    /// `None` when nothing is known of it.
    pub fn read(self, account: IAccount, seal: &Seal) -> Result<Option<AccountTold>, JournalError> {
        if self.stands.is_empty() && self.statuses.is_empty() {
            return Ok(None);
        }
        let stands = |(group, sealed): (Group, Option<Vec<u8>>)| {
            let place = applied_place(&group.0, account.0.cast_signed());
            let applied = sealed.map(|sealed| seal.unpack::<Json>(&place, &sealed)).transpose()?;
            Ok((group, applied))
        };
        let status = |(service, said, due, given_up): (String, Vec<u8>, Option<i64>, bool)| {
            let service = Service(service);
            let said = seal.unpack(&status_place(account, &service), &said)?;
            Ok(StatusTold { service, said, due: due.map(Timestamp::from_millis), given_up })
        };
        Ok(Some(AccountTold {
            stands: self.stands.into_iter().map(stands).collect::<Result<_, JournalError>>()?,
            statuses: self.statuses.into_iter().map(status).collect::<Result<_, JournalError>>()?,
        }))
    }
}

/// A lane as it stands.
#[derive(Default)]
pub struct StoredLane {
    pub open: bool,
    pub done_with: Option<String>,
    pub applied: Option<Vec<u8>>,
}

impl StoredLane {
    /// Beside the fingerprint of what it is done with.
    pub fn read(self, lane: &Lane, seal: &Seal) -> Result<(Compared, Option<String>), JournalError> {
        let place = applied_place(&lane.group.0, lane.i_account.0.cast_signed());
        let known = self.applied.is_some() || self.done_with.is_some();
        let applied = self.applied.map(|sealed| seal.unpack(&place, &sealed)).transpose()?;
        Ok((Compared { open: self.open, known, same: false, applied }, self.done_with))
    }
}

/// What is kept of a group as a whole: a sealed row each.
#[derive(Clone, Copy)]
pub enum OfGroups {
    /// What holds its requests back.
    Breaker,
    /// How it stands with its system's notifications.
    Registration,
}

impl OfGroups {
    pub const fn table(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Registration => "registration",
        }
    }

    pub fn place(self, group: &Group) -> String {
        match self {
            Self::Breaker => breaker_place(group),
            Self::Registration => registration_place(group),
        }
    }
}

/// By what a subject is known: its kind and its id.
pub fn subject_key(subject: &Subject) -> (&'static str, String) {
    match subject {
        Subject::Lane(lane) => ("account", lane.i_account.0.cast_signed().to_string()),
        Subject::Notification { id, .. } => ("notification", id.clone()),
        Subject::Errand { what, .. } => ("errand", what.clone()),
    }
}

/// The one of that key; `None` of a kind that this version does not know.
pub fn subject(kind: &str, group: String, id: String) -> Option<Subject> {
    let group = Group(group);
    match kind {
        "account" => Some(Subject::Lane(Lane { i_account: i_account(id.parse().ok()?), group })),
        "notification" => Some(Subject::Notification { group, id }),
        "errand" => Some(Subject::Errand { group, what: id }),
        _ => None,
    }
}

/// The head of a lane, as far as the lane's date depends on it.
pub struct Dates {
    pub id: String,
    pub stage: String,
    pub gives_way: u8,
    pub compared: Option<String>,
    pub compare_at: i64,
    pub due: i64,
}

impl Dates {
    /// A wait ends with a signal.
    pub fn waits(&self) -> bool {
        self.stage == "waiting"
    }

    /// When the lane is due. `newest` is the newest operation in it, `is_called` whether a signal is kept for the head.
    pub fn of_lane(&self, newest: Option<String>, is_called: bool, now: i64) -> Option<i64> {
        let newest = newest.filter(|newest| *newest != self.id);
        let by_itself = match self.stage.as_str() {
            "parked" | "in-doubt" => None,
            "waiting" if is_called => Some(now),
            _ => Some(self.due),
        };
        match (self.gives_way, newest) {
            (1, Some(_)) => Some(now),
            // PortaBilling is to be asked whether the newest came for another state.
            (2, Some(newest)) if self.compared.as_ref() != Some(&newest) => {
                let asked_at = self.compare_at.max(now);
                Some(by_itself.map_or(asked_at, |due| due.min(asked_at)))
            }
            _ => by_itself,
        }
    }

    /// Whether that is all it is due for: one that has to make room does something else first.
    pub fn only(&self, stage: &str, due: Option<i64>) -> bool {
        self.stage == stage && due == Some(self.due)
    }
}

/// Of open operations, so many are looked at in a time.
pub const OPEN_AT_A_TIME: i64 = 1000;

/// A lane, and an operation in it.
pub type LanePlace = (i64, i64);

/// An open operation, still sealed. Which adapter decided last stands in there, so each has to be opened.
pub struct OpenOperation {
    pub place: LanePlace,
    pub id: String,
    pub group: String,
    pub state: Vec<u8>,
}

/// Adds a page of them; where the next one begins, if there may be one. One that cannot be read is left out.
pub fn count_deciders(page: Vec<OpenOperation>, seal: &Seal, to: &mut Deciders) -> Option<LanePlace> {
    let last = page.last().map(|it| it.place);
    for OpenOperation { id, group, state, .. } in page {
        if let Ok(by) = decided_by(&id, &state, seal) {
            *to.entry((Group(group), by)).or_default() += 1;
        }
    }
    last
}

/// What finds the operations that a person wants to see, without its order; `seen` is the state in which he sees one.
pub fn select_lines(sought: &Sought, seen: &str, conditions: &[String]) -> String {
    let select = format!(
        "SELECT o.seq, o.id, l.grp, l.i_account, e.name, {seen}, o.received_at, o.changed_at, o.due
         FROM operation o JOIN lane l ON l.id = o.lane JOIN event e ON e.identity = o.event
         WHERE {}",
        conditions.join(" AND ")
    );
    // Those of each word stand in an index in their order, and are merged as far as they are wanted.
    let of_word = |state: State, kept: State| {
        format!("{select} AND o.word = '{}' AND {seen} = '{}'", kept.word(), state.word())
    };
    let selects =
        sought.state.map(|state| state.kept_as().into_iter().map(|kept| of_word(state, kept)).collect());
    let selects: Vec<String> = selects.unwrap_or_else(|| vec![select.clone()]);
    selects.join(" UNION ALL ")
}
