//! What must not be said: secrets that the host knows, by their values, and what stands for one by its name.
//! Adapters quote what external systems say, and these say what they were told.

use std::cell::OnceCell;

use serde_json::Value;

use super::Core;
use crate::domain::outcome::Outcome;
use crate::domain::{Group, Operation, Veil};
use crate::secret::{Vault, strike_all};

/// What stands between the data of one group, or of any, and a person who looks at it.
pub struct Screen {
    vault: Vault,
    veil: Veil,
}

impl Screen {
    /// A document as it may be seen.
    pub fn over(&self, document: Value) -> Value {
        self.veil.over(self.vault.over(document))
    }
}

impl Core {
    /// What came of a step, as PortaBilling and operators may hear of it.
    pub(super) fn without_secrets(&self, operation: &Operation, outcome: Outcome) -> Outcome {
        let veil = self.veil(&operation.lane.group);
        // Most outcomes say nothing, and documents are long.
        let of_subscriber = OnceCell::new();
        outcome.reworded(&|text| {
            let secrets = of_subscriber.get_or_init(|| {
                let laid_down = operation.laid_down.as_ref();
                let subscriber = laid_down.and_then(|laid_down| laid_down.subscriber.as_ref());
                subscriber
                    .map(|subscriber| veil.secrets_in(&subscriber.documents.value()))
                    .unwrap_or_default()
            });
            let secrets = secrets.iter().map(String::as_str);
            let text = strike_all(&self.vault.strike(text), secrets, "(hidden)");
            veil.message(&text)
        })
    }

    /// As a line of the log may say it.
    pub(super) fn for_log(&self, group: &Group, text: &str) -> String {
        self.veil(group).line(&self.vault.strike(text))
    }

    /// What PortaBilling said, as a line of the log may say it.
    pub(super) fn of_billing(&self, text: &str) -> String {
        Veil::default().line(&self.vault.strike(text))
    }

    pub(super) fn screen(&self, secret_fields: &[String]) -> Screen {
        Screen { vault: self.vault.clone(), veil: Veil::new(secret_fields) }
    }

    fn veil(&self, group: &Group) -> Veil {
        Veil::new(&self.ports.adapters.secret_fields(group))
    }
}
