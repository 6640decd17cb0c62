//! Wakes whoever may have something to do: a loop of this process, and other instances where they would see it a second
//! later. Losing one costs that second, and nothing else.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::Core;
use super::groups::PerGroup;
use crate::domain::Group;
use crate::ports::Hint;

#[derive(Default)]
pub struct Hints {
    pub lanes: PerGroup<Notify>,
    pub fan_outs: Notify,
    pub changes: Notify,
    pub statuses: Notify,
    pub words: Notify,
    /// The groups that have all their slots in use.
    busy: PerGroup<AtomicBool>,
}

impl Hints {
    /// A group may have something to do.
    pub fn lane(&self, group: &Group) {
        self.lanes.of(group).notify_one();
    }

    /// Whether a group could take a lane now.
    pub fn is_busy(&self, group: &Group, is: bool) {
        self.busy.of(group).store(is, Ordering::Relaxed);
    }

    /// Another instance gave it.
    pub fn heard(&self, hint: &Hint) {
        match hint {
            Hint::Lanes(group) => self.lane(group),
            Hint::FanOuts => self.fan_outs.notify_one(),
            Hint::Changes => self.changes.notify_one(),
            Hint::Statuses => self.statuses.notify_one(),
            Hint::Words => self.words.notify_one(),
        }
    }
}

impl Core {
    /// Lanes of a group are due. Others are told of what nobody here has a hand free for.
    pub(super) fn lanes_are_due(&self, group: &Group) {
        self.hints.lane(group);
        if self.hints.busy.of(group).load(Ordering::Relaxed) {
            self.ports.instances.hint(Hint::Lanes(group.clone()));
        }
    }

    /// Whoever leads has something to do.
    pub(super) fn to_whoever_leads(&self, hint: Hint) {
        self.hints.heard(&hint);
        if !self.leads() {
            self.ports.instances.hint(hint);
        }
    }

    /// A person said something of a group that all of them are to know.
    pub(super) fn person_said(&self, group: &Group) {
        self.hints.lane(group);
        self.ports.instances.hint(Hint::Words);
    }
}
