//! What goes into a journal's tables, sealed and ready to be written: the same for every engine.

use std::borrow::Cow;

use super::rows::{
    OperationRow, account_key, applied_place, event_place, notification_place, reply_place, signal_place,
    status_place, timeline_place,
};
use super::seal::Seal;
use super::text;
use crate::domain::resync::essence;
use crate::domain::{
    Change, Correlation, Event, Group, IAccount, Json, LaidDown, Lane, Listed, Note, Operation, Otherwise,
    Reading, Signal, State, Timestamp, Wanted,
};
use crate::ports::{Adopted, Delivered, JournalError, Work};

/// Of what differs so many are listed; all are counted.
pub const DIFFERING_MAX: i64 = 10_000;

/// A new operation, with the fingerprint of its account's key.
#[derive(Clone)]
pub struct NewOperation {
    pub lane: Lane,
    pub of_account: String,
    pub row: OperationRow,
}

impl NewOperation {
    pub fn of(operation: &Operation, seal: &Seal) -> Result<Self, JournalError> {
        Ok(Self {
            lane: operation.lane.clone(),
            of_account: seal.fingerprint(&account_key(operation.lane.i_account)),
            row: OperationRow::of(operation, seal, true)?,
        })
    }
}

/// What an event makes, as it goes into its rows.
pub enum WorkRows {
    Operations(Vec<NewOperation>),
    FanOut(Vec<Group>),
}

impl WorkRows {
    pub fn of(work: &Work, seal: &Seal) -> Result<Self, JournalError> {
        Ok(match work {
            Work::Operations(operations) => {
                let rows = operations.iter().map(|operation| NewOperation::of(operation, seal));
                Self::Operations(rows.collect::<Result<_, _>>()?)
            }
            Work::FanOut(groups) => Self::FanOut(groups.clone()),
        })
    }

    pub fn operations(&self) -> &[NewOperation] {
        match self {
            Self::Operations(operations) => operations,
            Self::FanOut(_) => &[],
        }
    }

    pub fn bytes(&self) -> usize {
        self.operations().iter().map(|new| new.row.state.len()).sum()
    }
}

/// What became of an event's identity.
pub enum Taken {
    New,
    Known,
    /// It is that of an event of another name, account or customer.
    OfAnother,
}

/// What an event is called, in its column.
pub fn name_of(event: &Event) -> Cow<'_, str> {
    text::plain(&event.name)
}

/// The numbers of the account and of the customer that an event names.
pub fn whose(event: &Event) -> (Option<i64>, Option<i64>) {
    let i_account = event.i_account.map(|account| account.0.cast_signed());
    (i_account, event.i_customer.map(|customer| customer.0.cast_signed()))
}

/// An event whose number came again for another one goes by another identity, and what it makes with it.
pub fn as_another(event: &mut Event, work: &mut Work) {
    let other = event.other_identity();
    tracing::warn!(event = %event.identity, stored_as = %other, "an event's number came again for another event");
    if let Work::Operations(operations) = work {
        for operation in operations {
            operation.event.identity = other.clone();
        }
    }
    event.identity = other;
}

/// An operation that a page of a fan-out made.
pub struct Made {
    pub new: NewOperation,
    pub closed: bool,
}

pub fn made(page: &[(Operation, Listed)], seal: &Seal) -> Result<Vec<Made>, JournalError> {
    let made = |(operation, listed): &(Operation, Listed)| {
        Ok(Made { new: NewOperation::of(operation, seal)?, closed: listed.closed })
    };
    page.iter().map(made).collect()
}

/// A change.
pub struct SaveRows {
    pub operation: OperationRow,
    pub group: Group,
    pub i_account: IAccount,
    /// Absent: as it stands. `Some(None)`: nothing stands.
    pub applied: Option<Option<Vec<u8>>>,
    /// Fingerprints, and whether the adapter named them.
    pub keys: Vec<(String, bool)>,
    pub notes: Vec<(&'static str, Vec<u8>)>,
    pub statuses: Vec<(String, &'static str, Vec<u8>)>,
    pub forgets_since: Option<Timestamp>,
    pub took_signal: bool,
    /// What its lane is done with. Absent: as it stands. `Some(None)`: nobody can say.
    pub done_with: Option<Option<String>>,
}

impl SaveRows {
    pub fn of(change: &Change, seal: &Seal) -> Result<Self, JournalError> {
        let operation = &change.operation;
        let lane = &operation.lane;
        let place = applied_place(&lane.group.0, lane.i_account.0.cast_signed());
        let sealed = |applied: &Json| match applied.is_null() {
            true => Ok(None),
            false => seal.pack(&place, applied).map(Some),
        };
        let note_place = timeline_place(&operation.id.0);
        let mut notes = Vec::with_capacity(change.notes.len());
        for note in &change.notes {
            notes.push((note.word(), seal.pack(&note_place, note)?));
        }
        let mut statuses = Vec::with_capacity(change.statuses.len());
        for (service, said) in &change.statuses {
            let place = status_place(lane.i_account, service);
            statuses.push((service.0.clone(), said.status.word(), seal.pack(&place, said)?));
        }
        Ok(Self {
            operation: OperationRow::of(operation, seal, is_laid_down_now(change))?,
            group: lane.group.clone(),
            i_account: lane.i_account,
            applied: change.applied.as_ref().map(sealed).transpose()?,
            keys: new_keys(change).iter().map(|(key, named)| (seal.fingerprint(key), *named)).collect(),
            notes,
            statuses,
            forgets_since: change.forgets_since,
            took_signal: change.took_signal,
            done_with: change_done_with(change, seal),
        })
    }

    pub fn bytes(&self) -> usize {
        let laid_down = self.operation.laid_down.as_ref().map_or(0, Vec::len);
        self.operation.state.len() + laid_down + self.notes.iter().map(|(_, note)| note.len()).sum::<usize>()
    }
}

/// What is laid down stays as it is to the letter, so it is sealed and written once.
fn is_laid_down_now(change: &Change) -> bool {
    change.notes.iter().any(|note| matches!(note, Note::LaidDown { .. }))
}

/// Once an operation is laid down nobody can say what its lane is done with, until one ends as was wanted.
fn change_done_with(change: &Change, seal: &Seal) -> Option<Option<String>> {
    let operation = &change.operation;
    if is_laid_down_now(change) {
        return Some(None);
    }
    let laid_down = operation.laid_down.as_ref().filter(|_| State::of(operation) == State::Done)?;
    Some(done_with(laid_down, seal))
}

/// The fingerprint of what an operation was laid down with; none of one that leaves nothing to compare with.
pub fn done_with(laid_down: &LaidDown, seal: &Seal) -> Option<String> {
    (laid_down.wanted != Wanted::Gone).then(|| seal.fingerprint(&format!("laid-down:{}", essence(laid_down))))
}

/// What its adapter named, and the account's own ID when it is laid down.
fn new_keys(change: &Change) -> Vec<(String, bool)> {
    let mut keys: Vec<_> = change.keys.iter().map(|key| (format!("key:{key}"), true)).collect();
    if is_laid_down_now(change) {
        let laid_down = change.operation.laid_down.as_ref();
        let subscriber = laid_down.and_then(|frozen| frozen.subscriber.as_ref());
        keys.extend(subscriber.map(|subscriber| (format!("account-id:{}", subscriber.account_id.0), false)));
    }
    keys
}

/// A notification as it came.
pub struct DeliveredRow {
    pub id: String,
    pub group: String,
    pub sender_id: Option<String>,
    pub received_at: i64,
    pub raw: Vec<u8>,
}

impl DeliveredRow {
    pub fn of(delivered: Delivered, seal: &Seal) -> Result<Self, JournalError> {
        let Delivered { id, group, sender_id, raw } = delivered;
        Ok(Self {
            raw: seal.pack(&notification_place(&id), &raw)?,
            id,
            group: group.0,
            sender_id: sender_id.map(|id| text::id(&id).into_owned()),
            received_at: raw.received_at.millis(),
        })
    }
}

/// A reading of a notification.
pub struct ReadingRows {
    pub reply: Vec<u8>,
    pub unread: bool,
    pub signals: Vec<SignalRow>,
}

pub struct SignalRow {
    pub sender_id: Option<String>,
    pub correlation: Correlation,
    /// The fingerprint of what it names, as indexes have it.
    pub key: String,
    pub otherwise: Otherwise,
    pub payload: Vec<u8>,
}

impl ReadingRows {
    pub fn of(notification: &str, reading: &Reading, seal: &Seal) -> Result<Self, JournalError> {
        let place = signal_place(notification);
        let row = |signal: &Signal| {
            Ok(SignalRow {
                sender_id: signal.id.as_deref().map(|id| text::id(id).into_owned()),
                correlation: signal.correlation.clone(),
                key: seal.fingerprint(&named(&signal.correlation)),
                otherwise: signal.otherwise,
                payload: seal.pack(&place, &signal.payload)?,
            })
        };
        Ok(Self {
            reply: seal.pack(&reply_place(notification), &reading.reply)?,
            unread: reading.unread.is_some(),
            signals: reading.signals.iter().map(row).collect::<Result<_, JournalError>>()?,
        })
    }
}

fn named(whom: &Correlation) -> String {
    match whom {
        Correlation::Key(key) => format!("key:{key}"),
        Correlation::IAccount(account) => account_key(*account),
        Correlation::AccountId(id) => format!("account-id:{}", id.0),
    }
}

/// Of whom a signal speaks: an operation that is open, one that is closed, or nobody who is known.
pub enum Whom {
    Open(i64),
    Closed(i64),
    Nobody,
}

/// What was found of an account, with the event that stands for it.
pub struct AdoptedRows {
    pub event: Event,
    pub body: Vec<u8>,
    pub new: NewOperation,
    pub keys: Vec<String>,
    pub applied: Option<Vec<u8>>,
    pub done_with: Option<String>,
}

impl AdoptedRows {
    pub fn of(event: &Event, found: Adopted, seal: &Seal) -> Result<Self, JournalError> {
        let Adopted { operation, applied, as_wanted } = found;
        let new = NewOperation::of(&operation, seal)?;
        let mut keys: Vec<String> = operation.keys.iter().map(|key| format!("key:{key}")).collect();
        let laid_down = operation.laid_down.as_ref();
        let subscriber = laid_down.and_then(|laid_down| laid_down.subscriber.as_ref());
        keys.extend(subscriber.map(|subscriber| format!("account-id:{}", subscriber.account_id.0)));
        let place = applied_place(&new.lane.group.0, new.lane.i_account.0.cast_signed());
        let applied = applied.filter(|applied| !applied.is_null());
        Ok(Self {
            event: event.clone(),
            body: seal.pack(&event_place(&event.identity.0), event)?,
            keys: keys.iter().map(|key| seal.fingerprint(key)).collect(),
            applied: applied.map(|applied| seal.pack(&place, &applied)).transpose()?,
            done_with: laid_down.filter(|_| as_wanted).and_then(|it| done_with(it, seal)),
            new,
        })
    }
}
