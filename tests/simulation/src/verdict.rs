//! When a run is over, and whether its promises held to the end.

use std::time::Duration;

use punchdown::domain::{Breaker, Group, Stage, State as Word, Status};

use crate::journal::Tables;
use crate::outside::Stands;
use crate::promise::Promise;
use crate::universe::{Moment, State, Universe};

/// Whoever received a notification is given so long to read it himself.
const READ_AFTER: Duration = Duration::from_secs(10);

/// When something happens next of itself.
pub enum NextMoment {
    /// Something is being done.
    Busy,
    At(Moment),
    Never,
}

pub fn next_moment(tables: &Tables, state: &State) -> NextMoment {
    let is_under_way = state.under_way > 0
        || state.outside.events.iter().any(|event| event.under_way)
        || state.outside.notifications.iter().any(|news| news.under_way);
    let is_held = tables.lanes.values().any(|lane| lane.owner.is_some());
    if is_under_way || is_held {
        return NextMoment::Busy;
    }
    let breakers = tables.breakers_kept().unwrap_or_default();
    let rests = |group: &Group| breakers.get(group).is_some_and(Breaker::rests);
    let probed_at = |group: &Group| Some(breakers.get(group)?.open()?.probe_at);
    let lanes = tables.lanes.values().filter(|lane| !rests(&lane.group));
    // What only waits to leave waits for its breaker, too.
    let lanes = lanes.filter_map(|lane| match lane.sends {
        true => Some(lane.due?.max(probed_at(&lane.group).unwrap_or_default())),
        false => lane.due,
    });
    let statuses = tables.statuses.values().filter_map(|row| row.due);
    let fan_outs = tables.fan_outs.values().filter(|row| !row.done).map(|row| row.fan_out.due);
    let unread = tables.unread_since().map(|at| at + READ_AFTER);
    let by_the_clock =
        lanes.chain(statuses).chain(fan_outs).chain(unread).map(|at| state.moment_of(at)).min();
    let planned = state.agenda.first_key_value().map(|((at, _), _)| *at);
    match [by_the_clock, planned].into_iter().flatten().min() {
        Some(at) if at <= state.moment() => NextMoment::Busy,
        Some(at) => NextMoment::At(at),
        None => NextMoment::Never,
    }
}

pub fn never_quiet(universe: &Universe) {
    let mut state = universe.state();
    let tables = universe.journal.tables();
    let open: Vec<String> = open(&tables).collect();
    let under_way = state.under_way;
    let held = tables.lanes.iter().filter(|(_, lane)| lane.owner.is_some());
    let held: Vec<String> =
        held.map(|(id, lane)| format!("lane {id} until {} by {:?}", lane.lease_until, lane.owner)).collect();
    state.break_promise(
        Promise::EverythingEnds,
        format!("{under_way} calls are under way, held are {held:?}, open are {open:?}"),
    );
}

/// What is open and not parked.
fn open(tables: &Tables) -> impl Iterator<Item = String> {
    let heads = tables.lanes.values().filter_map(|lane| lane.open.first());
    let open = heads.map(|seq| &tables.operations[seq].operation);
    let open = open.filter(|head| !matches!(head.stage, Stage::Parked { .. }));
    open.map(|head| format!("{} {} due {}", head.id, head.stage.word(), head.due))
}

pub fn at_the_end(universe: &Universe) {
    let mut state = universe.state();
    if state.broken.is_some() {
        return;
    }
    let tables = universe.journal.tables();
    let open: Vec<String> = open(&tables).collect();
    state.hold(Promise::EverythingEnds, open.is_empty(), || format!("open are {open:?}"));
    nothing_is_lost(universe, &tables, &mut state);
    the_last_word_is_told(&tables, &mut state);
    lanes_are_as_they_should(universe, &tables, &mut state);
}

fn nothing_is_lost(universe: &Universe, tables: &Tables, state: &mut State) {
    let mut lost = Vec::new();
    for (place, operations) in &state.ledger.made {
        for id in operations {
            if !tables.is_there(id) && !state.ledger.ended.contains(id) {
                lost.push(format!("{id} of event {} is gone, and had not ended", place.0));
            }
        }
    }
    for event in &state.outside.events {
        if !event.answered {
            lost.push(format!("event {} was never taken", event.identity));
        }
        for account in &event.of_customer {
            let is_closed = state.outside.accounts.get(account).is_none_or(|account| account.closed);
            for plan in universe.groups.iter().filter(|_| !is_closed) {
                let place = (event.identity.clone(), *account, plan.group.clone());
                if !state.ledger.made.contains_key(&place) {
                    lost.push(format!(
                        "event {} of a customer never reached account {account}",
                        event.identity
                    ));
                }
            }
        }
    }
    state.hold(Promise::NothingIsLost, lost.is_empty(), || lost.join("; "));
}

fn the_last_word_is_told(tables: &Tables, state: &mut State) {
    for ((account, service), row) in &tables.statuses {
        let told = state.outside.told.get(&(*account, service.clone())).cloned();
        // There is nothing to tell of what is no more.
        let is_gone = state.outside.accounts.get(account).is_none_or(|account| account.gone);
        let is_told = row.due.is_none() && (row.given_up || is_gone || told.as_ref() == Some(&row.said));
        state.hold(Promise::TheLastWordIsTold, is_told, || {
            format!("account {account} {service}: {:?} is so, and PortaBilling heard {told:?}", row.said)
        });
    }
}

fn lanes_are_as_they_should(universe: &Universe, tables: &Tables, state: &mut State) {
    let services: Vec<_> = universe.groups.iter().map(|plan| plan.settings.policy.service.clone()).collect();
    for lane in tables.lanes.values() {
        let newest = state.ledger.newest.get(&(lane.i_account, lane.group.clone()));
        let newest = newest.and_then(|newest| tables.operations.get(tables.by_id.get(newest)?));
        let Some(newest) = newest.filter(|row| !row.purged).map(|row| &row.operation) else { continue };
        let word = Word::of(newest);
        if word == Word::Done {
            let account = state.outside.accounts.get(&lane.i_account);
            let wanted = account.filter(|account| !account.closed);
            let wanted = wanted.map(|it| Stands { suspended: it.suspended, version: it.version });
            let system = state.outside.systems.get(&lane.group);
            let stands = system.and_then(|system| system.stands.get(&lane.i_account).copied());
            // What one host holds in its hands no other one can take back.
            let is_late = state.ledger.late.contains(&(lane.group.clone(), lane.i_account));
            state.hold(Promise::OutsideIsAsWanted, stands == wanted || is_late, || {
                let (group, account) = (&lane.group, lane.i_account);
                format!(
                    "{} is done, wanted of account {account} in {group} is {wanted:?}, and {stands:?} stands",
                    newest.id
                )
            });
        }
        let service = &newest.service;
        // Where several groups speak of a service it is another one that may have failed.
        if services.iter().filter(|other| *other == service).count() > 1 {
            continue;
        }
        let row = tables.statuses.get(&(lane.i_account, service.clone()));
        let status = row.map(|row| row.said.status);
        let is_true = match word {
            Word::Done => status.is_none_or(|status| status == Status::Ok),
            Word::Parked | Word::InDoubt => newest.is_foreign() || status == Some(Status::Failed),
            _ => true,
        };
        state.hold(Promise::StatusesAreTrue, is_true, || {
            format!("{} is {}, and its status is {status:?}", newest.id, word.word())
        });
    }
}
