//! Which adapter serves which group: one series for each, and another one when another one serves.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{OfGroup, ServingAdapter};
use crate::domain::Group;

#[derive(Debug, Default)]
pub struct Serving {
    family: Family<ServingAdapter, Gauge>,
    refused: Gauge,
    pinned: Family<OfGroup, Gauge>,
    passes_over: Family<OfGroup, Gauge>,
    now: Mutex<BTreeMap<String, ServingAdapter>>,
}

impl Serving {
    pub fn register(&self, all: &mut Registry) {
        all.register("adapter_info", "1 for the adapter that serves a group", self.family.clone());
        all.register(
            "reload_problems",
            "What was wrong when it was last tried to take over what lies on disk",
            self.refused.clone(),
        );
        all.register(
            "adapter_pinned",
            "1 while a person has pinned a group to a component",
            self.pinned.clone(),
        );
        all.register(
            "adapter_passed_over",
            "1 while another component lies in the place of a group that is pinned",
            self.passes_over.clone(),
        );
    }

    /// So much was wrong with what lies on disk.
    pub fn refused(&self, problems: usize) {
        self.refused.set(i64::try_from(problems).unwrap_or(i64::MAX));
    }

    pub fn pinned(&self, group: &Group, pinned: bool) {
        self.pinned.get_or_create(&OfGroup { group: group.0.clone() }).set(pinned.into());
    }

    pub fn passes_over(&self, group: &Group, passes_over: bool) {
        self.passes_over.get_or_create(&OfGroup { group: group.0.clone() }).set(passes_over.into());
    }

    pub fn is_now(&self, serving: ServingAdapter) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = now.remove(&serving.group) {
            self.family.remove(&before);
        }
        self.family.get_or_create(&serving).set(1);
        now.insert(serving.group.clone(), serving);
    }
}
