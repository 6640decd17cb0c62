use crate::domain::{Digest, Entry, Event, Group, IAccount, Json, LaidDown, Operation, OperationId, Service};

/// What an adapter is asked: an operation as it was laid down, and all that has happened to it.
#[derive(Clone, Debug)]
pub struct Question {
    pub operation: OperationId,
    pub group: Group,
    pub service: Service,
    pub i_account: IAccount,
    pub event: Event,
    pub laid_down: LaidDown,
    pub history: Vec<Entry>,
}

impl Question {
    pub fn about(operation: &Operation, laid_down: LaidDown, history: Vec<Entry>) -> Self {
        Self {
            operation: operation.id.clone(),
            group: operation.lane.group.clone(),
            service: operation.service.clone(),
            i_account: operation.lane.i_account,
            event: operation.event.clone(),
            laid_down,
            history,
        }
    }
}

/// What an adapter wants to have before it can be asked.
#[derive(Clone, Debug)]
pub struct Needs {
    /// The adapter that serves the group now.
    pub digest: Digest,
    pub queries: Vec<String>,
    pub config: Json,
    pub notify_at: Option<String>,
    /// It can log in.
    pub logs_in: bool,
    /// It can register for notifications.
    pub registers: bool,
}

/// Of the questions that a group has computed at the same moment this is one, until it is dropped.
pub type Slot = Box<dyn Send>;
