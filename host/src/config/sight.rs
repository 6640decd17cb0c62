//! What a person sees of settings: how a secret is named, and never what it is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::reader::{InEffect, Meant, Setting};
use crate::domain::{Group, Veil};
use crate::ports::{SecretNamed, ShownSetting};
use crate::secret::Vault;

const HIDDEN: &str = "(hidden)";

pub struct Sight {
    /// All that the settings name.
    vault: Vault,
    /// With the names that the adapter of each group calls secret.
    veils: BTreeMap<Group, Veil>,
    /// Of what is ours.
    veil: Veil,
}

impl Sight {
    /// Of these settings. What an adapter is configured with is hidden where nobody could ask it which names are
    /// those of secrets.
    pub fn of(all: &[&InEffect], secret_fields: BTreeMap<Group, Vec<String>>) -> Self {
        let secrets = all.iter().flat_map(|all| all.values()).filter_map(|setting| match &setting.value {
            Meant::Secret(reference) => reference.secret.clone(),
            Meant::Plain(_) => None,
        });
        let veils = secret_fields.into_iter().map(|(group, names)| (group, Veil::new(&names)));
        Self { vault: Vault::new(secrets.collect()), veils: veils.collect(), veil: Veil::default() }
    }

    pub fn all(&self, settings: &InEffect) -> Vec<ShownSetting> {
        settings.iter().map(|(key, setting)| self.shown(key, setting, settings)).collect()
    }

    pub fn one(&self, settings: &InEffect, key: &str) -> Option<ShownSetting> {
        Some(self.shown(key, settings.get(key)?, settings))
    }

    fn shown(&self, key: &str, setting: &Setting, among: &InEffect) -> ShownSetting {
        let (value, secret) = match &setting.value {
            Meant::Plain(value) => (self.plain(key, value, among), None),
            Meant::Secret(reference) => {
                let name = reference.name.as_ref().map(|name| self.vault.strike(name));
                (Value::Null, Some(SecretNamed { from: reference.from, name }))
            }
        };
        let place = setting.place.map(|place| (place.line, place.column));
        ShownSetting { key: key.to_owned(), value, secret, place }
    }

    fn plain(&self, key: &str, value: &Value, among: &InEffect) -> Value {
        let in_group = key.strip_prefix("groups.").and_then(|key| key.split_once('.'));
        let of_adapter = in_group.and_then(|(group, rest)| Some((group, rest.strip_prefix("config")?)));
        let of_adapter = of_adapter.filter(|(_, rest)| rest.is_empty() || rest.starts_with(['.', '[']));
        let Some((group, path)) = of_adapter else { return self.value(value, &self.veil) };
        // What is no table was written by somebody who meant something else.
        let Some(path) = path.strip_prefix('.') else { return HIDDEN.into() };
        let Some(veil) = self.veils.get(&Group(group.to_owned())) else { return HIDDEN.into() };
        let mut names = path.split(['.', '[', ']', '"']);
        match names.any(|name| veil.hides(name)) || is_beside_a_secret_name(key, among, veil) {
            true => HIDDEN.into(),
            false => self.value(value, veil),
        }
    }

    fn value(&self, value: &Value, veil: &Veil) -> Value {
        match value {
            Value::String(text) if holds_credential(text) => HIDDEN.into(),
            Value::String(text) => veil.without_secrets(&self.vault.strike(text)).into(),
            Value::Array(items) => items.iter().map(|item| self.value(item, veil)).collect(),
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    let value = if veil.hides(name) { HIDDEN.into() } else { self.value(value, veil) };
                    (name.clone(), value)
                };
                Value::Object(members.iter().map(member).collect())
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain.clone(),
        }
    }
}

/// Addresses of whatever kind, wherever in a text: `scheme://user:password@host`.
fn holds_credential(text: &str) -> bool {
    let at = |rest: &str| rest.split([' ', '"', '\'']).next().is_some_and(|address| address.contains('@'));
    text.split("://").skip(1).chain(text.split("jdbc:").skip(1)).any(at)
}

/// A header is a name and a value; whatever stands in a table with the name of a secret may be that.
fn is_beside_a_secret_name(key: &str, among: &InEffect, veil: &Veil) -> bool {
    let tables = key.match_indices('.').map(|(at, _)| &key[..at]);
    tables.flat_map(|of| ["name", "key", "id", "field"].map(|name| format!("{of}.{name}"))).any(|named| {
        let is_a_secret = match among.get(&named) {
            Some(Setting { value: Meant::Plain(Value::String(name)), .. }) => veil.hides(name),
            Some(_) | None => false,
        };
        is_a_secret && named != key
    })
}
