//! What must not be said: secrets that the host knows, by their values, and what stands for one by its name.
//! Adapters quote what external systems say, and these say what they were told.

use std::cell::LazyCell;

use super::Core;
use crate::domain::outcome::Outcome;
use crate::domain::{Group, Operation};
use crate::secret::Screen;

impl Core {
    /// What came of a step, as PortaBilling and operators may hear of it.
    pub(super) fn without_secrets(&self, operation: &Operation, outcome: Outcome) -> Outcome {
        // Most outcomes say nothing, and documents are long.
        let screen = LazyCell::new(|| {
            let laid_down = operation.laid_down.as_ref();
            let subscriber = laid_down.and_then(|laid_down| laid_down.subscriber.as_ref());
            let documents = subscriber.map(|subscriber| subscriber.documents.clone());
            self.screen(&operation.lane.group).speaking_of(documents)
        });
        outcome.reworded(&|text| screen.message(text))
    }

    /// As a line of the log may say it.
    pub(super) fn for_log(&self, group: &Group, text: &str) -> String {
        self.screen(group).line(text)
    }

    /// What PortaBilling said, as a line of the log may say it.
    pub(super) fn of_billing(&self, text: &str) -> String {
        Screen::new(self.vault.clone(), &[]).line(text)
    }

    /// Before data of a group.
    pub(super) fn screen(&self, group: &Group) -> Screen {
        Screen::new(self.vault.clone(), &self.ports.adapters.secret_fields(group))
    }
}
