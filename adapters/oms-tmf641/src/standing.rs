//! What stands for the account in the order management system, as `applied` remembers it.

use std::collections::BTreeMap;

use punchdown_adapter::{Flow, Value, json};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::order::{End, Order};

/// All that outlives an operation.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Standing {
    /// What the last order that came to its end left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// An order whose end is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// A service as it was ordered. An account may be renamed, or gone, when its service is to be
/// taken away: what identifies it stands here.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Service {
    pub state: ServiceState,
    pub characteristics: BTreeMap<String, Value>,
    /// What the system calls it, by order item; empty when it did not say.
    pub ids: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    Active,
    Inactive,
}

/// Said before the order leaves, so that it can be found whatever becomes of its operation.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Asked {
    pub external_id: String,
    /// What the system calls it; absent until it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What stands when it is completed.
    pub leaves: Option<Service>,
}

impl Standing {
    /// Reads what [`say`](Self::say) wrote, perhaps long ago.
    pub fn read(applied: Option<&Value>) -> Result<Self, serde_json::Error> {
        applied.map_or_else(|| Ok(Self::default()), Self::deserialize)
    }

    /// Says all of it to the host.
    pub fn say(&self, flow: &mut Flow) {
        match self {
            Self { service: None, asked: None } => flow.nothing_applied(),
            some => flow.applied(json!(some)),
        }
    }

    /// The system has said what it calls the order that was asked for.
    pub fn named(&mut self, id: &str) {
        if let Some(asked) = &mut self.asked {
            asked.id = Some(id.to_owned());
        }
    }

    /// The order that was asked for has come to its `end`; `None`: it is not there.
    pub fn settle(&mut self, config: &Config, end: Option<&Order>) {
        let Some(Asked { id, leaves, .. }) = self.asked.take() else {
            return;
        };
        let Some(order) = end else {
            // One that was never named never came to be. One that was may have been done, and forgotten.
            if id.is_some() {
                self.service = leaves.or(self.service.take());
            }
            return;
        };
        let mut done = config.items.iter().map(|item| order.done(item).is_ok());
        match leaves {
            None if done.all(|done| done) => self.service = None,
            // Some of it stands, even when it is not said which.
            Some(mut service) if order.end(config) == Some(End::Partial) || done.any(|done| done) => {
                service.ids.extend(order.service_ids());
                self.service = Some(service);
            }
            _ => {}
        }
    }
}
