//! Domain values as the journal keeps them. Each sealed value is JSON that begins with the
//! number of its format; an older format is read by the code that is written when it changes.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::seal::Seal;
use crate::domain::{
    Digest, Event, GivesWay, Group, IAccount, LaidDown, Lane, Move, Operation, OperationId, Said, Service,
    Stage, State as StateWord, Timestamp, Trouble, gives_way,
};
use crate::ports::JournalError;

const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Written<'a, T> {
    format: u32,
    value: &'a T,
}

#[derive(Deserialize)]
struct Stored<T> {
    format: u32,
    value: T,
}

impl Seal {
    pub fn pack<T: Serialize>(&self, place: &str, value: &T) -> Result<Vec<u8>, JournalError> {
        let plain = serde_json::to_vec(&Written { format: FORMAT, value })
            .map_err(|error| JournalError::Failed(format!("cannot write {place}: {error}")))?;
        self.seal(place, &plain)
    }

    pub fn unpack<T: DeserializeOwned>(&self, place: &str, sealed: &[u8]) -> Result<T, JournalError> {
        let damaged = |why: String| JournalError::Damaged(format!("{place}: {why}"));
        let plain = self.open(place, sealed)?;
        let stored: Stored<T> = serde_json::from_slice(&plain).map_err(|error| damaged(error.to_string()))?;
        if stored.format != FORMAT {
            return Err(damaged(format!("it has format {}, this version knows {FORMAT}", stored.format)));
        }
        Ok(stored.value)
    }
}

/// The part of an operation that changes at every step.
#[derive(Serialize, Deserialize)]
struct State {
    service: Service,
    stage: Stage,
    #[serde(default)]
    since: Timestamp,
    deadline: Timestamp,
    moves: Vec<Move>,
    keys: Vec<String>,
    said: BTreeMap<Service, Said>,
    waited: bool,
    #[serde(default)]
    spoken_for: bool,
    overdue: Option<Said>,
    by: Option<Digest>,
    compared: Option<OperationId>,
    compare_at: Timestamp,
    forgotten: usize,
    readings: u32,
    trouble: Option<Trouble>,
}

/// An operation as it goes into its row.
#[derive(Clone)]
pub struct OperationRow {
    pub id: String,
    pub stage: &'static str,
    /// Its state's.
    pub word: &'static str,
    pub open: bool,
    /// 0: to none; 1: to anything newer; 2: to another state, once PortaBilling was asked.
    pub gives_way: u8,
    pub compared: Option<String>,
    pub compare_at: i64,
    pub due: i64,
    pub laid_down: Option<Vec<u8>>,
    pub state: Vec<u8>,
}

impl OperationRow {
    /// With what is laid down, or as that stands.
    pub fn of(operation: &Operation, seal: &Seal, with_laid_down: bool) -> Result<Self, JournalError> {
        let id = &operation.id.0;
        let state = State {
            service: operation.service.clone(),
            stage: operation.stage.clone(),
            since: operation.since,
            deadline: operation.deadline,
            moves: operation.moves.clone(),
            keys: operation.keys.clone(),
            said: operation.said.clone(),
            waited: operation.waited,
            spoken_for: operation.spoken_for,
            overdue: operation.overdue.clone(),
            by: operation.by.clone(),
            compared: operation.compared.clone(),
            compare_at: operation.compare_at,
            forgotten: operation.forgotten,
            readings: operation.readings,
            trouble: operation.trouble.clone(),
        };
        let laid_down = operation.laid_down.as_ref().filter(|_| with_laid_down);
        Ok(Self {
            id: id.clone(),
            stage: operation.stage.word(),
            word: StateWord::of(operation).word(),
            open: operation.stage.is_open(),
            gives_way: match gives_way(operation) {
                GivesWay::ToNone => 0,
                GivesWay::ToAnything => 1,
                GivesWay::ToAnotherState => 2,
            },
            compared: operation.compared.as_ref().map(|id| id.0.clone()),
            compare_at: operation.compare_at.millis(),
            due: operation.due.millis(),
            laid_down: laid_down.map(|frozen| seal.pack(&laid_down_place(id), frozen)).transpose()?,
            state: seal.pack(&state_place(id), &state)?,
        })
    }
}

/// Which adapter decided last, of the state of an operation alone.
pub fn decided_by(id: &str, state: &[u8], seal: &Seal) -> Result<Option<Digest>, JournalError> {
    seal.unpack::<State>(&state_place(id), state).map(|state| state.by)
}

/// An operation as it came out of its row, beside its lane and its event.
pub struct StoredOperation {
    pub id: String,
    pub group: String,
    pub i_account: i64,
    pub due: i64,
    pub event_identity: String,
    pub event: Vec<u8>,
    pub laid_down: Option<Vec<u8>>,
    pub state: Vec<u8>,
}

impl StoredOperation {
    pub fn read(self, seal: &Seal) -> Result<Operation, JournalError> {
        let state: State = seal.unpack(&state_place(&self.id), &self.state)?;
        let event: Event = seal.unpack(&event_place(&self.event_identity), &self.event)?;
        let laid_down: Option<LaidDown> =
            self.laid_down.map(|sealed| seal.unpack(&laid_down_place(&self.id), &sealed)).transpose()?;
        Ok(Operation {
            id: OperationId(self.id),
            lane: Lane { i_account: i_account(self.i_account), group: Group(self.group) },
            event,
            service: state.service,
            laid_down,
            stage: state.stage,
            since: state.since,
            due: Timestamp::from_millis(self.due),
            deadline: state.deadline,
            moves: state.moves,
            keys: state.keys,
            said: state.said,
            waited: state.waited,
            spoken_for: state.spoken_for,
            overdue: state.overdue,
            by: state.by,
            compared: state.compared,
            compare_at: state.compare_at,
            forgotten: state.forgotten,
            readings: state.readings,
            trouble: state.trouble,
        })
    }
}

/// SQLite's integers are signed; an `i_account` keeps its bits.
pub fn i_account(stored: i64) -> IAccount {
    IAccount(stored.cast_unsigned())
}

/// By what a signal names an account.
pub fn account_key(i_account: IAccount) -> String {
    format!("i-account:{i_account}")
}

pub fn event_place(identity: &str) -> String {
    format!("event.body:{identity}")
}

pub fn applied_place(group: &str, i_account: i64) -> String {
    format!("lane.applied:{group}/{i_account}")
}

fn laid_down_place(id: &str) -> String {
    format!("operation.laid_down:{id}")
}

fn state_place(id: &str) -> String {
    format!("operation.state:{id}")
}

pub fn signal_place(notification: &str) -> String {
    format!("signal.payload:{notification}")
}

pub fn notification_place(id: &str) -> String {
    format!("notification.raw:{id}")
}

pub fn reply_place(notification: &str) -> String {
    format!("notification.reply:{notification}")
}

pub fn status_place(i_account: IAccount, service: &Service) -> String {
    format!("status.said:{i_account}/{service}")
}

pub fn timeline_place(id: &str) -> String {
    format!("timeline.note:{id}")
}

pub fn registration_place(group: &Group) -> String {
    format!("registration.state:{group}")
}

pub fn breaker_place(group: &Group) -> String {
    format!("breaker.state:{group}")
}

pub fn dead_letter_place(id: &str) -> String {
    format!("dead_letter.body:{id}")
}
