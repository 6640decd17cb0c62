//! How the host stands among those that work on its journal.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::ports::Among;

#[derive(Default)]
pub struct Instances {
    live: Gauge,
    leads: Gauge,
    term: Gauge,
}

impl Instances {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register("instances", "Hosts that work on the journal, this one among them", self.live.clone());
        all.register("leads", "1 while this host does what one does for all", self.leads.clone());
        all.register("lead_term", "The last term in which this host led", self.term.clone());
    }

    pub fn are(&self, among: &Among) {
        self.live.set(among.live.get().into());
        self.leads.set(among.leads().into());
        self.term.set(i64::try_from(among.term).unwrap_or(i64::MAX));
    }
}
