//! The systems outside: PortaBilling and whoever switches services on. They lose nothing, so that what
//! is lost was lost by the host.

use std::collections::{BTreeMap, VecDeque};

use punchdown::domain::{Group, IAccount, ICustomer, Said, Service, Timestamp, Wanted};

use crate::universe::Moment;

#[derive(Default)]
pub struct Outside {
    pub accounts: BTreeMap<IAccount, Account>,
    pub events: Vec<EspfEvent>,
    pub systems: BTreeMap<Group, System>,
    pub notifications: Vec<News>,
    /// Whether somebody has logged in to PortaBilling since the start, so that its environment is known.
    pub logged_in: bool,
    pub told: BTreeMap<(IAccount, Service), Said>,
    /// What was read of an account last: when that began by the clock and in truth.
    pub read: BTreeMap<IAccount, Reading>,
    /// Sabotage: what was read once serves for ever.
    pub reads_stale: bool,
    /// Sabotage: orders and jobs come to no end.
    pub never_done: bool,
}

/// An account as PortaBilling has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub customer: ICustomer,
    pub suspended: bool,
    pub closed: bool,
    /// Its record went when it was closed.
    pub gone: bool,
    pub version: u64,
    pub hidden_until: Moment,
}

impl Account {
    pub const fn wanted(&self) -> Wanted {
        match (self.closed, self.suspended) {
            (true, _) => Wanted::Gone,
            (false, true) => Wanted::Suspended,
            (false, false) => Wanted::Running,
        }
    }
}

#[derive(Clone)]
pub struct Reading {
    pub began: Timestamp,
    pub began_at: Moment,
    pub found: Option<Account>,
}

pub struct EspfEvent {
    pub body: String,
    pub identity: String,
    pub account: Option<IAccount>,
    /// The accounts of the customer of whom it speaks, when it was made.
    pub of_customer: Vec<IAccount>,
    /// Of another environment: nothing is to be done for it.
    pub foreign: bool,
    pub under_way: bool,
    pub answered: bool,
}

/// A notification on its way to the host.
#[derive(Clone)]
pub struct News {
    pub group: usize,
    pub sender_id: Option<String>,
    pub body: String,
    pub order: Option<u64>,
    pub under_way: bool,
    pub answered: bool,
    pub attempts: u32,
}

/// What stands for an account in a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stands {
    pub suspended: bool,
    pub version: u64,
}

#[derive(Default)]
pub struct System {
    pub stands: BTreeMap<IAccount, Stands>,
    pub orders: BTreeMap<u64, Order>,
    /// Idempotency keys of jobs, with the job that each made.
    pub jobs_by_key: BTreeMap<String, u64>,
    pub session: u64,
    pub numbers: u64,
    /// Requests that arrived, the last few.
    pub arrived: VecDeque<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Open,
    Done,
    Cancelled,
}

/// An order or a job.
#[derive(Clone, Debug)]
pub struct Order {
    /// The operation that it was made by.
    pub external: String,
    pub account: IAccount,
    /// What is to stand; `None`: nothing.
    pub wants: Option<Stands>,
    pub progress: Progress,
    /// News of its end were taken by the host.
    pub told: bool,
}

impl System {
    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub fn set(&mut self, account: IAccount, stands: Option<Stands>) {
        match stands {
            Some(stands) => drop(self.stands.insert(account, stands)),
            None => drop(self.stands.remove(&account)),
        }
    }

    /// Of an account's orders the newest counts.
    pub fn finish(&mut self, number: u64) -> bool {
        let Some(order) = self.orders.get_mut(&number).filter(|order| order.progress == Progress::Open)
        else {
            return false;
        };
        order.progress = Progress::Done;
        let (account, wants) = (order.account, order.wants);
        let newest = self
            .orders
            .iter()
            .rev()
            .find(|(_, order)| order.account == account && order.progress != Progress::Cancelled);
        if newest.is_some_and(|(newest, _)| *newest == number) {
            self.set(account, wants);
        }
        true
    }

    pub fn by_external(&self, external: &str) -> Vec<u64> {
        let found = self.orders.iter().filter(|(_, order)| order.external == external);
        found.map(|(number, _)| *number).collect()
    }
}
