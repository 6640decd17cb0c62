//! Holds what a host writes against its promises, as it writes it.

use std::time::Duration;

use punchdown::domain::{Change, LaidDown, Note, OperationId, Reading, Stage};
use punchdown::ports::{Lease, Leased};

use crate::journal::Tables;
use crate::promise::Promise;
use crate::universe::State;

/// No rule of any group gives a date farther away than this, the clock set back by some hours.
const FARTHEST: Duration = Duration::from_secs(24 * 3600);

/// So often a lane is given out for nothing within a second, and not more often.
const IDLE_MAX: u32 = 30;

/// A lane is held for so long at most.
const LONG_AGO: u64 = 60_000;

/// After about that time what nobody claimed is kept for a person alone, whatever the clock did.
const UNCLAIMED: u64 = 60 * 3600 * 1000;

/// How an operation stood before it was saved.
pub struct Seen {
    id: OperationId,
    is_old: bool,
    ends: bool,
    had_sent: bool,
    laid_down: Option<LaidDown>,
    lane: i64,
    has_elapsed: bool,
}

/// Whether another epoch of the lane has begun, or somebody else holds it.
pub fn is_old(tables: &Tables, lease: &Lease) -> bool {
    tables
        .lanes
        .get(&lease.lane)
        .is_none_or(|lane| lane.epoch != lease.epoch || lane.owner.as_ref() != Some(&lease.owner))
}

pub fn before_save(tables: &Tables, lease: &Lease, change: &Change) -> Seen {
    let id = change.operation.id.clone();
    let stored = tables.by_id.get(&id).and_then(|seq| tables.operations.get(seq)).map(|row| &row.operation);
    Seen {
        is_old: is_old(tables, lease),
        ends: !change.operation.stage.is_open(),
        had_sent: stored.is_some_and(|stored| !stored.moves.is_empty()),
        laid_down: stored.and_then(|stored| stored.laid_down.clone()),
        lane: lease.lane,
        has_elapsed: change.notes.iter().any(|note| matches!(note, Note::Elapsed)),
        id,
    }
}

pub fn saved(tables: &Tables, state: &mut State, seen: &Seen) {
    let id = &seen.id;
    state.ledger.idle.remove(&seen.lane);
    let heard_of = state.ledger.heard_of.get(&id.0);
    // Whoever held the lane just then may not have seen them; one that stood still held it for long.
    let all_moved = state.stood_still.is_empty();
    let long_ago = |at: &&u64| (LONG_AGO..UNCLAIMED).contains(&(state.moment() - **at));
    let waited_in_vain = heard_of.filter(|_| seen.has_elapsed && all_moved).filter(long_ago).copied();
    state.hold(Promise::NewsArrive, waited_in_vain.is_none(), || {
        format!("{id} waited in vain, and news of its end were read at {waited_in_vain:?}")
    });
    state.hold(Promise::OldOwnersWriteNothing, !seen.is_old, || {
        format!("{id} was written under a lease that was over")
    });
    let had_ended = state.ledger.ended.contains(id);
    state.hold(Promise::EndedStaysEnded, !had_ended, || format!("{id} had ended, and was written"));
    let Some(row) = tables.by_id.get(id).and_then(|seq| tables.operations.get(seq)) else { return };
    let laid_down = &row.operation.laid_down;
    let is_frozen = !seen.had_sent || *laid_down == seen.laid_down;
    state.hold(Promise::FrozenStaysFrozen, is_frozen, || {
        format!("{id} has sent, and what it was begun with became different")
    });
    if seen.ends {
        state.ledger.ended.insert(id.clone());
    }
}

pub fn released(state: &mut State, lease: &Lease, was_old: bool, is_released: bool) {
    state.hold(Promise::OldOwnersWriteNothing, !(was_old && is_released), || {
        format!("lane {} was given back under a lease that was over", lease.lane)
    });
}

/// Lanes that were given out.
pub fn leased(state: &mut State, leased: &Leased) {
    let moment = state.moment();
    for (lease, held) in &leased.lanes {
        let (since, count) = state.ledger.idle.entry(lease.lane).or_insert((moment, 0));
        if moment - *since > 1000 {
            (*since, *count) = (moment, 0);
        }
        *count += 1;
        let spins = *count > IDLE_MAX;
        state.hold(Promise::NobodySpins, !spins, || {
            let head = &held.operation;
            format!("lane {} is given out in vain: {} is {}", lease.lane, head.id, head.stage.word())
        });
    }
}

/// News that were read: of an order's end, by the operation that made it.
pub fn heard(state: &mut State, reading: &Reading) {
    for signal in &reading.signals {
        let body = signal.payload.value();
        if let (Some(external), "done") = (body["of"].as_str(), body["state"].as_str().unwrap_or_default()) {
            let moment = state.moment();
            state.ledger.heard_of.entry(external.to_owned()).or_insert(moment);
        }
    }
}

/// Operations whose rows are newer than that number.
pub fn made(tables: &Tables, state: &mut State, before: i64) {
    for row in tables.operations.range(before + 1..).map(|(_, row)| row) {
        let operation = &row.operation;
        let lane = &operation.lane;
        let place = (operation.event.identity.0.clone(), lane.i_account, lane.group.clone());
        state.note(format!("made {} for {} of account {} in {}", operation.id, place.0, place.1, place.2));
        state.ledger.newest.insert((lane.i_account, lane.group.clone()), operation.id.clone());
        let of_event = state.ledger.made.entry(place.clone()).or_default();
        of_event.push(operation.id.clone());
        // An event that comes again when all that it made was purged begins anew.
        let count = of_event.iter().filter(|id| tables.is_there(id)).count();
        state.hold(Promise::AnEventCountsOnce, count == 1, || {
            format!("event {} made {count} operations for account {} in {}", place.0, place.1, place.2)
        });
    }
}

/// Whatever is open has a date, is parked, or is held by somebody whose lease ends.
pub fn lanes(tables: &Tables, state: &mut State) {
    let now = state.now();
    for (id, lane) in tables.lanes.iter().filter(|(_, lane)| lane.owner.is_none()) {
        let Some(seq) = lane.open.first() else { continue };
        let head = &tables.operations[seq].operation;
        let may_rest = match &head.stage {
            Stage::Parked { in_doubt, .. } => *in_doubt || lane.open.len() == 1,
            _ => false,
        };
        let has_date = lane.due.is_some_and(|due| due.since(now) < FARTHEST);
        state.hold(Promise::WaitsHaveDates, may_rest || has_date, || {
            format!("{} is {} in lane {id}, whose date is {:?}", head.id, head.stage.word(), lane.due)
        });
    }
}

/// A change in a few words.
pub fn line(change: &Change) -> String {
    let operation = &change.operation;
    let notes: Vec<&str> = change.notes.iter().map(punchdown::domain::Note::word).collect();
    let trouble = match &operation.stage {
        Stage::Parked { trouble, .. } => format!(" ({})", trouble.code),
        _ => String::new(),
    };
    format!(
        "{} {}{trouble} due {} [{}]",
        operation.id,
        operation.stage.word(),
        operation.due,
        notes.join(" ")
    )
}
