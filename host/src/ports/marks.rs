use crate::domain::{Operation, Request, Trace};

/// By what a request is known as it leaves.
#[derive(Clone, Debug)]
pub struct Marks {
    /// The same for each of its repetitions.
    pub key: String,
    pub trace: Trace,
}

impl Marks {
    pub fn of(operation: &Operation, request: &Request) -> Self {
        Self { key: request.idempotency_key(&operation.id), trace: operation.trace() }
    }
}
