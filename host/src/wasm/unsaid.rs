//! What a guest says on the side is heard without secrets.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use crate::domain::{Json, Veil};
use crate::secret::{Vault, strike_all};

/// What is struck from a guest's words.
#[derive(Clone, Default)]
pub struct Unsaid {
    /// By their values.
    vault: Vault,
    /// By the names beside them.
    veil: Veil,
    /// What the guest was given of a subscriber: it may say a value without its name.
    documents: Option<Json>,
    /// Those values; looked for when the guest says something.
    of_subscriber: OnceLock<BTreeSet<String>>,
}

impl Unsaid {
    pub fn new(vault: Vault, veil: Veil, documents: Option<Json>) -> Self {
        Self { vault, veil, documents, of_subscriber: OnceLock::new() }
    }

    pub fn heard(&self, text: &str) -> String {
        let secrets = self.of_subscriber.get_or_init(|| {
            let documents = self.documents.as_ref();
            documents.map(|documents| self.veil.secrets_in(&documents.value())).unwrap_or_default()
        });
        let text = strike_all(&self.vault.strike(text), secrets.iter().map(String::as_str), "(hidden)");
        self.veil.line(&text)
    }
}
