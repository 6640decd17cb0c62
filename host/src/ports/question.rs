use crate::domain::{Entry, Event, Group, IAccount, LaidDown, Operation, OperationId, Service};

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
