//! What stands for the account in Magoware, as `applied` remembers it.

use std::collections::BTreeMap;

use punchdown_adapter::Value;
use serde::{Deserialize, Serialize};

/// All that outlives an operation.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Standing {
    /// The name of the login. An account may be renamed, or gone, when it is to be found again.
    pub username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<u64>,
    /// Who was made with it. A customer who was there before stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<u64>,
    /// What was sold to it, and until when; `null` while that is not known.
    pub products: BTreeMap<String, Option<String>>,
}

impl Standing {
    /// Reads what was said before, perhaps long ago.
    pub fn read(applied: Option<&Value>) -> Result<Self, serde_json::Error> {
        applied.map_or_else(|| Ok(Self::default()), Self::deserialize)
    }
}
