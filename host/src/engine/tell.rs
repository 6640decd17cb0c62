//! What is said of a change, in the log and in the metrics.

use std::time::Duration;

use super::Core;
use crate::domain::{Change, Note, Operation, Stage};

/// One log line a transition, and what is counted.
pub fn tell(core: &Core, change: &Change) {
    let operation = &change.operation;
    for note in &change.notes {
        let (group, i_account) = (&operation.lane.group, operation.lane.i_account);
        let (note_word, stage) = (note.word(), operation.stage.word());
        match note {
            Note::Parked { trouble, in_doubt } => {
                core.metrics.parked(group);
                tracing::warn!(operation = %operation.id, %group, %i_account, stage, code = trouble.code, in_doubt, "parked");
            }
            Note::Late => {
                core.metrics.late(group);
                tracing::warn!(operation = %operation.id, %group, %i_account, stage, "late");
            }
            Note::Retrying { trouble, at } => {
                tracing::info!(operation = %operation.id, %group, %i_account, stage, code = trouble.code, %at, "retrying");
            }
            Note::Decided { decision, .. } => {
                let decision = decision.word();
                tracing::info!(operation = %operation.id, %group, %i_account, stage, decision, "decided");
            }
            _ => tracing::info!(operation = %operation.id, %group, %i_account, stage, "{note_word}"),
        }
    }
    if matches!(operation.stage, Stage::Finished) {
        core.metrics.finished(&operation.lane.group, age(operation, core));
    }
}

fn age(operation: &Operation, core: &Core) -> Duration {
    core.ports.world.now().since(operation.event.received_at)
}
