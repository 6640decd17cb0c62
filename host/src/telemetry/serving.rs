//! Which adapter serves which group: one series for each, and another one when another one serves.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::labels::ServingAdapter;

#[derive(Debug, Default)]
pub struct Serving {
    pub family: Family<ServingAdapter, Gauge>,
    now: Mutex<BTreeMap<String, ServingAdapter>>,
}

impl Serving {
    pub fn is_now(&self, serving: ServingAdapter) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = now.remove(&serving.group) {
            self.family.remove(&before);
        }
        self.family.get_or_create(&serving).set(1);
        now.insert(serving.group.clone(), serving);
    }
}
