//! What stands for the account in the HSS, as `applied` remembers it.
//!
//! The system's ids are a short cut and no proof: a small database gives an id that became free to the next
//! record. So what makes a record ours is the IMSI and the number that it bears.

use std::collections::{BTreeMap, BTreeSet};

use punchdown_adapter::Value;
use serde::{Deserialize, Serialize};

/// All that outlives an operation.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Standing {
    /// Under which IMSIs its records may stand: more than one while a change is not confirmed.
    pub imsis: BTreeSet<String>,
    pub msisdns: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auc: Option<Auc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscriber: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ims: Option<u64>,
    /// Of SIM cards that were taken out, until they are removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub old_aucs: Vec<Auc>,
    /// The rules that need no pushing any more, by APN.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, Vec<String>>,
}

/// The keys of one SIM card.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Auc {
    pub imsi: String,
    /// Absent until the system said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// We wrote it, or are about to. What is somebody else's is never changed, and never removed.
    pub is_ours: bool,
    /// Digest of the keys that it is known to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
}

impl Auc {
    pub fn of(imsi: &str) -> Self {
        Self { imsi: imsi.to_owned(), id: None, is_ours: false, keys: None }
    }
}

impl Standing {
    /// Reads what was said before, perhaps long ago.
    pub fn read(applied: Option<&Value>) -> Result<Self, serde_json::Error> {
        applied.map_or_else(|| Ok(Self::default()), Self::deserialize)
    }

    /// Whether a subscriber record is this account's.
    pub fn owns(&self, record: &Value) -> bool {
        bears(record, "imsi", &self.imsis) && bears(record, "msisdn", &self.msisdns)
    }

    /// The card that is in use is another one now.
    pub fn takes_card(&mut self, imsi: &str) {
        if let Some(old) = self.auc.take_if(|auc| auc.imsi != imsi) {
            self.rules.clear();
            // What is not ours is nothing to remove.
            self.old_aucs.extend(Some(old).filter(|auc| auc.is_ours));
        }
        self.old_aucs.retain(|auc| auc.imsi != imsi);
    }
}

/// A record that says nothing of it contradicts nobody.
fn bears(record: &Value, member: &str, names: &BTreeSet<String>) -> bool {
    match crate::record::text(&record[member]) {
        Some(name) if member == "msisdn" => names.is_empty() || names.contains(name.trim_start_matches('+')),
        Some(name) => names.contains(&name),
        None => true,
    }
}
