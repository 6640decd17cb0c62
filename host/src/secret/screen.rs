//! What stands between data and whoever reads of it: secrets that the host knows go by their values, others by
//! the names beside them.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value;

use super::Vault;
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

    /// Without the secrets that we know by value, and all else in it whole.
    pub fn without_ours(&self, document: Value) -> Value {
        self.vault.over(document)
    }

    /// Which names are those of secrets.
    pub const fn veil(&self) -> &Veil {
        &self.veil
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
        // Of both at once: one may begin with another.
        let hidden: Vec<_> = secrets.iter().map(|value| (value.as_str(), "(hidden)")).collect();
        self.vault.strike_with(text, &hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn of_secrets_that_begin_alike_nothing_stays_whosever_they_are() {
        let vault = Vault::new(["typed-4711", "hers-0815-and-ours"].map(Secret::new).into());
        let documents = r#"{"card":{"pin":"typed-4711-of-hers","token":"hers-0815"}}"#;
        let screen = Screen::new(vault, &[]).speaking_of(Json::parse(documents.to_owned()).ok());
        for (said, shown) in [
            ("no good: typed-4711-of-hers", "no good: (hidden)"),
            ("no good: typed-4711", "no good: (secret)"),
            ("no good: hers-0815-and-ours", "no good: (secret)"),
            ("no good: hers-0815", "no good: (hidden)"),
        ] {
            assert_eq!((screen.line(said).as_str(), screen.message(said).as_str()), (shown, shown));
        }
    }
}
