//! What happens to a host, and what it is asked for.

use std::sync::Arc;

use punchdown::domain::{Body, EventSource, IAccount, ICustomer, Notification, OperationId, Person};
use punchdown::engine::{Accepted, Wish};
use punchdown::ports::Sought;
use serde_json::json;

use crate::outside::{Account, EspfEvent};
use crate::plan::{Change, Deed};
use crate::promise::Promise;
use crate::run::Process;
use crate::system;
use crate::universe::{State, UnderWay, Universe};

/// A sender that was not answered tries so long after.
const AGAIN_WITHIN: u64 = 15_000;
/// A system that is not heard gives up after so many attempts.
const NEWS_ATTEMPTS_MAX: u32 = 12;

/// Those which the driver does not do itself.
pub fn doing(deed: Deed, universe: &Arc<Universe>, process: &Process) {
    match deed {
        Deed::Change(change) => change_billing(&mut universe.state(), change),
        Deed::Deliver(number) => deliver(universe, process, number),
        Deed::Notify(number) => notify(universe, process, number),
        Deed::Finish(group, number) => system::finish(&mut universe.state(), universe, group, number),
        Deed::Drift(group, account) => system::drift(&mut universe.state(), group, account),
        Deed::Act => act(universe, process),
        Deed::Pause(group, paused) => pause(universe, process, group, paused),
        Deed::SetClock(seconds) => {
            let mut state = universe.state();
            if !state.calm {
                state.skew += seconds * 1000;
                state.note(format!("the clock is set by {seconds} s"));
            }
        }
        Deed::AdapterGone(group, gone) => {
            let mut state = universe.state();
            let group = universe.groups[group].group.clone();
            state.note(format!("the adapter of {group} is gone: {gone}"));
            match gone {
                true => drop(state.adapters_gone.insert(group)),
                false => drop(state.adapters_gone.remove(&group)),
            }
        }
        Deed::SwapAdapter(group) => {
            let mut state = universe.state();
            let group = universe.groups[group].group.clone();
            state.note(format!("another version of the adapter of {group}"));
            *state.versions.entry(group).or_default() += 1;
        }
        Deed::Hide(account, seconds) => {
            let mut state = universe.state();
            let until = state.moment() + seconds * 1000;
            if let Some(account) = state.outside.accounts.get_mut(&account) {
                account.hidden_until = until;
            }
            state.note(format!("account {account} is hidden for {seconds} s"));
        }
        Deed::Kill(_) | Deed::Stop(_) | Deed::StandStill(_) | Deed::GoOn => {}
    }
}

fn change_billing(state: &mut State, change: Change) {
    let (name, account, customer) = match change {
        Change::Create(i_account) => {
            let customer = ICustomer(1 + i_account.0 % 2);
            let account = Account {
                customer,
                suspended: false,
                closed: false,
                gone: false,
                version: 1,
                hidden_until: 0,
            };
            state.outside.accounts.entry(i_account).or_insert(account);
            ("Account/New", Some(i_account), None)
        }
        Change::Update(i_account) => ("Account/Info/Changed", Some(i_account), None),
        Change::Suspend(i_account, suspended) => {
            if let Some(account) = state.outside.accounts.get_mut(&i_account) {
                account.suspended = suspended;
            }
            ("Account/Status/Changed", Some(i_account), None)
        }
        Change::Close(i_account) => {
            let gone = state.dice.permille(500);
            if let Some(account) = state.outside.accounts.get_mut(&i_account) {
                (account.closed, account.gone) = (true, gone);
            }
            ("Account/Closed", Some(i_account), None)
        }
        Change::OfCustomer(customer) => ("Customer/Updated", None, Some(customer)),
    };
    let mut of_customer = Vec::new();
    for (i_account, found) in &mut state.outside.accounts {
        if Some(*i_account) == account || Some(found.customer) == customer {
            found.version += 1;
        }
        if Some(found.customer) == customer && !found.closed {
            of_customer.push(*i_account);
        }
    }
    state.note(format!("{change:?}"));
    send_event(state, name, account, customer, of_customer, false);
    if state.dice.permille(30) {
        send_event(state, "Account/Info/Changed", account.or(Some(IAccount(1))), None, Vec::new(), true);
    }
}

fn send_event(
    state: &mut State,
    name: &str,
    account: Option<IAccount>,
    customer: Option<ICustomer>,
    of_customer: Vec<IAccount>,
    foreign: bool,
) {
    let number = state.outside.events.len();
    let environment = if foreign { 2 } else { 1 };
    let body = json!({
        "event_type": name,
        "variables": {"i_event": number, "i_env": environment, "i_account": account, "i_customer": customer},
    });
    let event = EspfEvent {
        body: body.to_string(),
        identity: format!("{environment}-{number}"),
        account,
        of_customer,
        foreign,
        under_way: false,
        answered: false,
    };
    state.outside.events.push(event);
    let most = if state.dice.permille(100) { 60_000 } else { 2000 };
    let in_millis = state.dice.within(0..most);
    state.plan(in_millis, Deed::Deliver(number));
}

fn deliver(universe: &Arc<Universe>, process: &Process, number: usize) {
    let (universe, intake) = (Arc::clone(universe), process.intake.clone());
    let body = {
        let mut state = universe.state();
        let event = &mut state.outside.events[number];
        event.under_way = true;
        event.body.clone()
    };
    let under_way = UnderWay::begin(&universe);
    tokio::spawn(async move {
        let answer = intake.event(EventSource::Espf, None, body.as_bytes()).await;
        drop(under_way);
        let mut state = universe.state();
        if state.dead {
            return;
        }
        state.outside.events[number].under_way = false;
        match answer {
            Ok(Accepted::New | Accepted::Repeated) => is_answered(&mut state, &universe, number),
            Ok(Accepted::DeadLetter(why)) => {
                let is_foreign = state.outside.events[number].foreign;
                state.hold(Promise::NothingIsLost, is_foreign, || {
                    format!("event {number} was taken for none: {why}")
                });
                state.outside.events[number].answered = true;
            }
            Err(error) => {
                state.note(format!("event {number} is refused: {error}"));
                let in_millis = state.dice.within(500..AGAIN_WITHIN);
                state.plan(in_millis, Deed::Deliver(number));
            }
        }
    });
}

fn is_answered(state: &mut State, universe: &Universe, number: usize) {
    let event = &mut state.outside.events[number];
    event.answered = true;
    let (identity, account, foreign) = (event.identity.clone(), event.account, event.foreign);
    state.note(format!("event {identity} is answered"));
    if let Some(account) = account.filter(|_| !foreign) {
        for plan in &universe.groups {
            let place = (identity.clone(), account, plan.group.clone());
            let is_there = state.ledger.made.contains_key(&place);
            state.hold(Promise::NothingIsLost, is_there, || {
                format!(
                    "event {} was answered, and made nothing for account {account} in {}",
                    place.0, place.2
                )
            });
        }
    }
    if state.fails(|weather| weather.event_twice) {
        let in_millis = state.dice.within(0..40_000);
        state.plan(in_millis, Deed::Deliver(number));
    }
}

fn notify(universe: &Arc<Universe>, process: &Process, number: usize) {
    let (universe, intake) = (Arc::clone(universe), process.intake.clone());
    let news = {
        let mut state = universe.state();
        let news = &mut state.outside.notifications[number];
        (news.under_way, news.attempts) = (true, news.attempts + 1);
        news.clone()
    };
    let under_way = UnderWay::begin(&universe);
    tokio::spawn(async move {
        let received_at = universe.state().now();
        let raw = Notification {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body: Body::Text(news.body.clone()),
            received_at,
        };
        let group = universe.groups[news.group].group.clone();
        let answer = intake.notification(&group, news.sender_id.clone(), raw).await;
        drop(under_way);
        let mut state = universe.state();
        if state.dead {
            return;
        }
        state.outside.notifications[number].under_way = false;
        let again = match answer {
            Ok(_) => {
                state.note(format!("news {number} are taken: {}", news.body));
                state.outside.notifications[number].answered = true;
                state.fails(|weather| weather.notification_twice)
            }
            Err(error) => {
                state.note(format!("news {number} are refused: {error}"));
                true
            }
        };
        if again && news.attempts < NEWS_ATTEMPTS_MAX {
            let in_millis = state.dice.within(500..AGAIN_WITHIN);
            state.plan(in_millis, Deed::Notify(number));
        }
    });
}

/// A person looks for what does not go on, and does something about it.
fn act(universe: &Arc<Universe>, process: &Process) {
    let (universe, operators) = (Arc::clone(universe), process.operators.clone());
    let under_way = UnderWay::begin(&universe);
    tokio::spawn(async move {
        let _under_way = under_way;
        let problems = universe.state().dice.permille(700);
        let sought = Sought { problems, most: 20, ..Sought::default() };
        let Ok(found) = operators.journal().operations(sought).await else { return };
        let open: Vec<OperationId> = found.into_iter().map(|line| line.id).collect();
        if open.is_empty() {
            return;
        }
        let (id, wish) = {
            let mut state = universe.state();
            let id = state.dice.pick(&open).clone();
            (id, *state.dice.pick(&[Wish::Retry, Wish::Retry, Wish::Restart, Wish::Skip]))
        };
        let person = Person { who: "ann".to_owned(), why: "it does not go on".to_owned() };
        let done = operators.act(id.clone(), wish, person).await;
        let mut state = universe.state();
        if !state.dead {
            state.note(format!("a person wants {wish:?} of {id}: {done:?}"));
        }
    });
}

fn pause(universe: &Arc<Universe>, process: &Process, group: usize, paused: bool) {
    let (universe, operators) = (Arc::clone(universe), process.operators.clone());
    let under_way = UnderWay::begin(&universe);
    tokio::spawn(async move {
        let _under_way = under_way;
        let person = Person { who: "ann".to_owned(), why: "the system is mended".to_owned() };
        let group = universe.groups[group].group.clone();
        let done = operators.pause(&group, paused, person).await;
        let mut state = universe.state();
        if state.dead {
            return;
        }
        state.note(format!("a person pauses {group}: {paused}, {done:?}"));
    });
}

/// Whoever was not answered before the process ended sends again.
pub fn bring_again(universe: &Universe) {
    let mut state = universe.state();
    let events = state.outside.events.iter_mut().enumerate().filter(|(_, event)| event.under_way);
    let mut again: Vec<Deed> = Vec::new();
    for (number, event) in events {
        event.under_way = false;
        again.push(Deed::Deliver(number));
    }
    let news = state.outside.notifications.iter_mut().enumerate().filter(|(_, news)| news.under_way);
    for (number, news) in news {
        news.under_way = false;
        again.push(Deed::Notify(number));
    }
    if state.calm {
        again.extend((0..universe.groups.len()).map(|group| Deed::Pause(group, false)));
    }
    for deed in again {
        let in_millis = state.dice.within(0..AGAIN_WITHIN);
        state.plan(in_millis, deed);
    }
}

/// From now on nothing goes wrong, and whatever was withheld is there again.
pub fn calm_down(universe: &Universe) {
    let mut state = universe.state();
    state.note("all is well from now on");
    state.calm = true;
    state.adapters_gone.clear();
    for account in state.outside.accounts.values_mut() {
        account.hidden_until = 0;
    }
    for group in 0..universe.groups.len() {
        state.plan(0, Deed::Pause(group, false));
    }
}
