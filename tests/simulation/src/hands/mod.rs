//! The ports of a host, each answered by the universe, with what goes wrong in it.

mod adapters;
mod billing;
mod journal;
mod outbound;
mod status;

pub use journal::Hand as JournalHand;

use std::sync::Arc;

use punchdown::domain::{Chance, Timestamp};
use punchdown::ports::{Alone, Ports, World};

use crate::universe::Host;

/// All that a host has of the world.
pub fn ports(host: &Host) -> Ports {
    Ports {
        journal: Box::new(journal::Hand(host.clone())),
        instances: Arc::new(Alone),
        billing: Box::new(billing::Hand(host.clone())),
        adapters: Box::new(adapters::Hand(host.clone())),
        outbound: Box::new(outbound::Hand(host.clone())),
        status_api: Box::new(status::Hand(host.clone())),
        world: Box::new(Hand(host.clone())),
    }
}

struct Hand(Host);

impl World for Hand {
    fn now(&self) -> Timestamp {
        self.0.state().now()
    }

    fn chance(&self) -> Chance {
        Chance(self.0.state().dice.fraction())
    }

    fn new_id(&self) -> String {
        self.0.state().new_id()
    }
}
