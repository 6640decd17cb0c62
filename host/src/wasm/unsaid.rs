//! What a guest says on the side is heard without secrets.

use crate::domain::{Json, Veil};
use crate::secret::{Vault, strike};

/// What is struck from a guest's words.
#[derive(Clone, Default)]
pub struct Unsaid {
    /// By their values.
    pub vault: Vault,
    /// By the names beside them.
    pub veil: Veil,
    /// What the guest was given of a subscriber: it may say a value without its name.
    pub documents: Option<Json>,
}

impl Unsaid {
    pub fn heard(&self, text: &str) -> String {
        let documents = self.documents.as_ref().map(|documents| self.veil.secrets_in(&documents.value()));
        let secrets = documents.unwrap_or_default();
        let text = secrets
            .iter()
            .fold(self.vault.strike(text), |text, secret| strike(&text, secret, "(hidden)").unwrap_or(text));
        self.veil.line(&text)
    }
}
