//! What is told of each transition of an operation: a line of the log, and what is counted.

use crate::domain::{Change, Kind, Note, Stage, State, Timestamp};
use crate::telemetry::Metrics;

/// `stood` is the stage in which it was, and since when.
pub fn tell(metrics: &Metrics, stood: (&'static str, Timestamp), change: &Change, now: Timestamp) {
    let operation = &change.operation;
    let group = &operation.lane.group;
    change.notes.iter().for_each(|note| line(change, note));
    for note in &change.notes {
        match note {
            Note::Parked { .. } => metrics.parked(group),
            Note::Late => metrics.late(group),
            Note::Retrying { trouble, .. } => metrics.retried(group, Kind::of(&trouble.code)),
            _ => {}
        }
    }
    let (stage, since) = stood;
    // Nobody wrote down since when, before this was counted.
    let is_known = since > Timestamp::default();
    if is_known && stage != operation.stage.word() {
        metrics.left_stage(group, stage, now.since(since));
    }
    if matches!(operation.stage, Stage::Finished) {
        let took = now.since(operation.event.received_at);
        metrics.finished(group, State::of(operation), took);
    }
}

/// All have the operation, where it stands, and its trace; those of what failed have its code and its kind.
fn line(change: &Change, note: &Note) {
    let operation = &change.operation;
    let (id, group, i_account) = (&operation.id, &operation.lane.group, operation.lane.i_account);
    let (stage, trace, word) = (operation.stage.word(), operation.trace(), note.word());
    let (code, kind) = (note.code(), note.code().map(|code| Kind::of(code).word()));
    match note {
        Note::Parked { in_doubt, .. } => {
            tracing::warn!(operation = %id, %group, %i_account, stage, %trace, code, kind, in_doubt, "parked");
        }
        Note::Late => tracing::warn!(operation = %id, %group, %i_account, stage, %trace, "late"),
        Note::Retrying { at, .. } => {
            tracing::info!(operation = %id, %group, %i_account, stage, %trace, code, kind, %at, "retrying");
        }
        Note::Decided { decision, .. } => {
            let decision = decision.word();
            tracing::info!(operation = %id, %group, %i_account, stage, %trace, decision, "decided");
        }
        _ => tracing::info!(operation = %id, %group, %i_account, stage, %trace, code, kind, "{word}"),
    }
}
