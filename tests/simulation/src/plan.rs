//! What a run is made of, drawn from its seed: groups, accounts, and what is to happen when.

use std::collections::BTreeSet;
use std::time::Duration;

use punchdown::domain::{
    BreakerPolicy, Digest, Group, IAccount, ICustomer, Patterns, Policy, Response, RetrySchedule, Service,
    Status,
};
use punchdown::engine::{GroupSettings, PbData, Retention};

use crate::chance::Dice;

/// How a group's system is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// One request that may be repeated; with a log-in, or without.
    Put { session: bool },
    /// An order that must not be made twice, can be looked for, and ends with a notification.
    Order,
    /// A job that may be posted again, and is asked after until it is done.
    Poll,
    /// A request that must not be repeated and cannot be looked for.
    Once,
}

#[derive(Clone, Debug)]
pub struct GroupPlan {
    pub group: Group,
    pub manner: Manner,
    pub settings: GroupSettings,
    /// Its adapter reports at the end, or leaves that to the host.
    pub reports: bool,
    /// Sabotage: after `unknown` its adapter sends anew without a look.
    pub repeats_blindly: bool,
}

impl GroupPlan {
    pub fn digest(&self, version: u32) -> Digest {
        Digest::of(format!("{}-{version}", self.group).as_bytes())
    }
}

/// Something that happens at its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Somebody changes something in PortaBilling.
    Change(Change),
    /// The ESPF brings an event, by its number.
    Deliver(usize),
    /// A system brings a notification, by its number.
    Notify(usize),
    /// A system finishes an order or a job, by its group's and its own number.
    Finish(usize, u64),
    /// A system changes something of itself.
    Drift(usize, IAccount),
    /// A person does something to an operation that does not go on.
    Act,
    Pause(usize, bool),
    /// The clock is set, by so many seconds.
    SetClock(i64),
    /// The process is killed, and begins again after so many seconds.
    Kill(u64),
    /// It is stopped in good order, and begins again after so many seconds.
    Stop(u64),
    /// A host stands still for so many seconds; another one begins meanwhile.
    StandStill(u64),
    /// It goes on.
    GoOn,
    AdapterGone(usize, bool),
    SwapAdapter(usize),
    /// PortaBilling does not show an account for so many seconds.
    Hide(IAccount, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Create(IAccount),
    Update(IAccount),
    Suspend(IAccount, bool),
    Close(IAccount),
    /// All accounts of a customer become different.
    OfCustomer(ICustomer),
}

pub struct Plan {
    pub groups: Vec<GroupPlan>,
    pub deeds: Vec<(u64, Deed)>,
    pub retention: Retention,
    /// The seconds over which it is spread.
    pub accounts: Vec<(IAccount, ICustomer)>,
}

const SECOND: u64 = 1000;

impl Plan {
    pub fn of(dice: &mut Dice) -> Self {
        let groups = groups(dice);
        let accounts: Vec<_> = (1..=dice.within(1..5))
            .map(|number| (IAccount(number), ICustomer(1 + dice.within(0..2))))
            .collect();
        let mut deeds = changes(dice, &accounts);
        let last = deeds.iter().map(|(at, _)| *at).max().unwrap_or_default();
        disturb(dice, &mut deeds, &accounts, groups.len(), last + 60 * SECOND);
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        let retention = match dice.permille(200) {
            true => Retention { finished: Duration::from_secs(300), bodies: Duration::from_secs(120) },
            false => Retention { finished: days(90), bodies: days(7) },
        };
        Self { groups, deeds, retention, accounts }
    }
}

fn groups(dice: &mut Dice) -> Vec<GroupPlan> {
    let manners = [
        Manner::Put { session: false },
        Manner::Put { session: true },
        Manner::Order,
        Manner::Order,
        Manner::Poll,
        Manner::Once,
    ];
    let names = ["HSS", "OMS", "IPTV"];
    let count = usize::try_from(dice.within(1..4)).unwrap_or(1);
    // Two systems behind one service: of both the worse word is told.
    let share = dice.permille(150);
    let plan = |name: &&str| {
        let service = if share { "HSS" } else { *name };
        group(dice, name, service, &manners)
    };
    names[..count].iter().map(plan).collect()
}

fn group(dice: &mut Dice, name: &str, service: &str, manners: &[Manner]) -> GroupPlan {
    let patterns = |written: &[&str]| {
        Patterns::new(written.iter().map(|pattern| (*pattern).to_owned()).collect()).expect("patterns")
    };
    let service = Service(service.to_owned());
    let retry = dice.pick(&[&[1, 5, 20][..], &[2][..], &[5, 60][..]]).iter();
    let retry = retry.map(|seconds| Duration::from_secs(*seconds)).collect();
    let policy = Policy {
        service: service.clone(),
        reports: BTreeSet::from([service]),
        deadline: Duration::from_secs(*dice.pick(&[60, 120, 300, 600])),
        closing: patterns(&["**/Closed"]),
        never_collapse: patterns(&["**/New", "**/Closed"]),
        on_deadline: *dice.pick(&[Status::Failed, Status::Retry, Status::InProgress]),
        retry: RetrySchedule::new(retry).expect("pauses"),
        history_entries_max: 32,
    };
    let group = Group(name.to_owned());
    let breaker = BreakerPolicy {
        failures: u32::try_from(dice.within(2..8)).unwrap_or(2),
        pause: Duration::from_secs(5),
        pause_max: Duration::from_secs(40),
    };
    let settings = GroupSettings {
        group: group.clone(),
        events: patterns(&["**"]),
        policy,
        pb_data: PbData::Beside,
        slots: usize::try_from(dice.within(1..4)).unwrap_or(1),
        default_reply: Response::ACCEPTED,
        breaker,
        paused: false,
        registers: false,
    };
    let (manner, reports) = (*dice.pick(manners), dice.permille(600));
    GroupPlan { group, manner, settings, reports, repeats_blindly: false }
}

/// What becomes of the accounts, each change with an event of its own.
fn changes(dice: &mut Dice, accounts: &[(IAccount, ICustomer)]) -> Vec<(u64, Deed)> {
    let mut deeds = Vec::new();
    for (account, customer) in accounts {
        let mut at = dice.within(0..20 * SECOND);
        deeds.push((at, Deed::Change(Change::Create(*account))));
        for _ in 0..dice.within(0..7) {
            at += match dice.permille(500) {
                true => dice.within(0..3 * SECOND),
                false => dice.within(0..120 * SECOND),
            };
            let change = match dice.within(0..10) {
                0..5 => Change::Update(*account),
                5 | 6 => Change::Suspend(*account, true),
                7 | 8 => Change::Suspend(*account, false),
                _ => Change::OfCustomer(*customer),
            };
            deeds.push((at, Deed::Change(change)));
        }
        if dice.permille(350) {
            at += dice.within(0..60 * SECOND);
            deeds.push((at, Deed::Change(Change::Close(*account))));
        }
    }
    deeds
}

/// What else happens while that goes on.
fn disturb(
    dice: &mut Dice,
    deeds: &mut Vec<(u64, Deed)>,
    accounts: &[(IAccount, ICustomer)],
    groups: usize,
    until: u64,
) {
    let groups = u64::try_from(groups).unwrap_or(1);
    for _ in 0..dice.within(0..8) {
        let at = dice.within(0..until);
        let group = usize::try_from(dice.within(0..groups)).unwrap_or_default();
        let account = dice.pick(accounts).0;
        let hour = 3600;
        let ends = at + dice.within(SECOND..100 * SECOND);
        let deed = match dice.within(0..16) {
            0..3 => Deed::Act,
            3 => Deed::SetClock(hour),
            4 => Deed::SetClock(-hour),
            5 => Deed::SetClock(i64::try_from(dice.within(0..200)).unwrap_or_default() - 100),
            6 | 7 => Deed::Kill(dice.within(0..30)),
            8 => Deed::Kill(48 * 3600),
            9 => Deed::Stop(dice.within(0..300)),
            10 => Deed::StandStill(dice.within(5..150)),
            11 => {
                deeds.push((ends, Deed::AdapterGone(group, false)));
                Deed::AdapterGone(group, true)
            }
            12 => Deed::SwapAdapter(group),
            13 => {
                deeds.push((ends, Deed::Pause(group, false)));
                Deed::Pause(group, true)
            }
            14 => Deed::Hide(account, dice.within(1..90)),
            _ => Deed::Drift(group, account),
        };
        deeds.push((at, deed));
    }
    // Whoever has been at work for a while is asked to do something.
    for _ in 0..dice.within(0..4) {
        deeds.push((dice.within(until / 2..until * 2), Deed::Act));
    }
}
