//! What is in effect by a document, value by value: as it stands there, or by its default. Of what stands there only
//! what was read as what it is: what nobody knows may be a secret that was written to the wrong place.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::Place;
use super::super::json::json;
use super::super::shapes::Shape;
use super::{Findings, key_of};
use crate::secret::Secret;

/// Each setting by its key.
pub type InEffect = BTreeMap<String, Setting>;

#[derive(Clone, Debug)]
pub struct Setting {
    /// Where it stands; `None`: nowhere, so it is the default.
    pub place: Option<Place>,
    pub value: Meant,
}

#[derive(Clone, Debug)]
pub enum Meant {
    Plain(Value),
    Secret(Reference),
}

/// How a secret is named, and the secret, where it could be read.
#[derive(Clone, Debug)]
pub struct Reference {
    /// One of [`WAYS`].
    pub from: &'static str,
    /// What stands behind that; `None` where that is as good as the secret.
    pub name: Option<String>,
    pub secret: Option<Secret>,
}

const WAYS: [&str; 4] = ["file", "env", "credential", SHA256];
/// A digest tells a short token to whoever guesses.
const SHA256: &str = "sha256";

impl Meant {
    /// Secrets are compared as they are, however they are named alike.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => one == other,
            (Self::Secret(one), Self::Secret(other)) => {
                let is_same = match (&one.secret, &other.secret) {
                    (Some(one), Some(other)) => one.is(other.expose().as_bytes()),
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                };
                is_same && (one.from, &one.name) == (other.from, &other.name)
            }
            (Self::Plain(_), Self::Secret(_)) | (Self::Secret(_), Self::Plain(_)) => false,
        }
    }
}

pub fn all(table: &DeTable<'_>, findings: &Findings<'_>) -> InEffect {
    let (known, shapes) = (findings.known.borrow(), findings.shapes.borrow());
    let read_as = |wanted: fn(&Shape) -> bool| {
        shapes.iter().filter(|(_, shape)| wanted(shape)).map(|(key, _)| key.clone()).collect()
    };
    let defaults = known.iter().filter_map(|known| Some((known.key.clone(), known.default.as_deref()?)));
    let defaults: BTreeMap<String, &str> = defaults.collect();
    let mut walk = Walk {
        findings,
        references: findings.references.borrow().iter().cloned().collect(),
        secrets: findings.secrets.borrow().iter().cloned().collect(),
        any: read_as(|shape| *shape == Shape::Any),
        lists: read_as(|shape| *shape == Shape::List),
        plain: read_as(|shape| !matches!(shape, Shape::Table | Shape::Names | Shape::List | Shape::Any)),
        defaults: &defaults,
        found: InEffect::new(),
    };
    walk.table(table, "", false);
    let mut found = walk.found;
    for known in known.iter().filter(|known| known.written.is_none()) {
        if let Some(default) = defaults.get(&known.key) {
            let value = DeValue::parse(default).expect("a default is TOML");
            found.insert(
                known.key.clone(),
                Setting { place: None, value: Meant::Plain(json(value.get_ref())) },
            );
        }
    }
    found
}

struct Walk<'a> {
    findings: &'a Findings<'a>,
    references: BTreeSet<String>,
    secrets: BTreeMap<String, Secret>,
    any: BTreeSet<String>,
    lists: BTreeSet<String>,
    plain: BTreeSet<String>,
    defaults: &'a BTreeMap<String, &'a str>,
    found: InEffect,
}

impl Walk<'_> {
    /// `any`: it is inside of what was read whatever it is.
    fn table(&mut self, table: &DeTable<'_>, key: &str, any: bool) {
        for (name, value) in table {
            let name = key_of(name.get_ref());
            let key = if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
            self.value(value, &key, any);
        }
    }

    fn value(&mut self, spanned: &Spanned<DeValue<'_>>, key: &str, any: bool) {
        let value = spanned.get_ref();
        let any = any || self.any.contains(key);
        let meant = match value {
            _ if self.references.contains(key) => self.reference(value, key).map(Meant::Secret),
            // What has a default is one value, though it is a table.
            DeValue::Table(_) if any && self.defaults.contains_key(key) => Some(Meant::Plain(json(value))),
            DeValue::Table(table) => return self.table(table, key, any),
            DeValue::Array(items) if !self.is_of_plain_values(items, key, any) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &format!("{key}[{index}]"), any);
                }
                return;
            }
            DeValue::Array(_) => Some(Meant::Plain(json(value))),
            _ => (any || self.plain.contains(key)).then(|| Meant::Plain(json(value))),
        };
        if let Some(value) = meant {
            let place = Some(self.findings.place(&spanned.span()));
            self.found.insert(key.to_owned(), Setting { place, value });
        }
    }

    /// A list that was read as one, and so was each of its elements.
    fn is_of_plain_values(&self, items: &[Spanned<DeValue<'_>>], key: &str, any: bool) -> bool {
        let is_one = |(index, item): (usize, &Spanned<DeValue<'_>>)| {
            let key = format!("{key}[{index}]");
            !matches!(item.get_ref(), DeValue::Table(_) | DeValue::Array(_))
                && !self.references.contains(&key)
                && (any || self.plain.contains(&key))
        };
        (any || self.lists.contains(key)) && items.iter().enumerate().all(is_one)
    }

    /// `None`: it is named in no way that there is, so the secret itself may stand there.
    fn reference(&self, value: &DeValue<'_>, key: &str) -> Option<Reference> {
        let table = value.as_table().filter(|table| table.len() == 1)?;
        let named = |from| Some((from, table.get(from)?.get_ref().as_str()?.to_owned()));
        let (from, name) = WAYS.into_iter().find_map(named)?;
        if from == SHA256 {
            return Some(Reference { from, name: None, secret: Some(Secret::new(name)) });
        }
        let secret = self.secrets.get(&format!("{key}.{from}")).cloned();
        Some(Reference { from, name: Some(name), secret })
    }
}
