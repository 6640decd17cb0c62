//! What stands between data and whoever reads of it: secrets that the host knows go by their values, others by
//! the names beside them.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value;

use super::{Vault, strike_all};
use crate::domain::{Json, Veil};

#[derive(Clone, Default)]
pub struct Screen {
    vault: Vault,
    veil: Veil,
    /// What is known of a subscriber where somebody speaks of him: a value may be said without its name.
    documents: Option<Json>,
    /// Those values. Most say nothing, and documents are long: looked for when they are needed.
    of_subscriber: OnceLock<BTreeSet<String>>,
}

impl Screen {
    /// With the names of secrets that adapters add to our own.
    pub fn new(vault: Vault, secret_fields: &[String]) -> Self {
        Self { vault, veil: Veil::new(secret_fields), ..Self::default() }
    }

    #[must_use]
    pub fn speaking_of(self, documents: Option<Json>) -> Self {
        Self { documents, ..self }
    }

    /// A document as a person may see it.
    pub fn over(&self, document: Value) -> Value {
        self.veil.over(self.vault.over(document))
    }

    /// As a line of the log may say it.
    pub fn line(&self, text: &str) -> String {
        self.veil.line(&self.without_values(text))
    }

    /// As PortaBilling may hear of it.
    pub fn message(&self, text: &str) -> String {
        self.veil.message(&self.without_values(text))
    }

    fn without_values(&self, text: &str) -> String {
        let secrets = self.of_subscriber.get_or_init(|| {
            let documents = self.documents.as_ref();
            documents.map(|documents| self.veil.secrets_in(&documents.value())).unwrap_or_default()
        });
        strike_all(&self.vault.strike(text), secrets.iter().map(String::as_str), "(hidden)")
    }
}
