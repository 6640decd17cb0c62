//! What a person may do to an operation that does not go on by itself.

use serde::{Deserialize, Serialize};

use super::{Operation, OperationId, Stage};

/// Who did it, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub who: String,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Ask it again, now: same history, the adapter that serves now.
    Retry,
    /// Begin anew with fresh data and what stands; that one takes its place.
    Restart { to: OperationId },
    /// Leave it: whatever is to be done was done by hand.
    Skip,
}

impl Act {
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Restart { .. } => "restart",
            Self::Skip => "skip",
        }
    }
}

/// Whether a person may lay hands on it.
///
/// # Errors
/// Why not, in a sentence.
pub fn may_act_on(operation: &Operation) -> Result<(), String> {
    match &operation.stage {
        Stage::OnItsWay { .. } => Err("its request is on its way: what becomes of it comes first".to_owned()),
        stage if !stage.is_open() => Err(format!("it is {}: there is nothing left to do", stage.word())),
        _ => Ok(()),
    }
}
