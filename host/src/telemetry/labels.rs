//! The labels of metrics, and the sets that their values are of.

use prometheus_client::encoding::EncodeLabelSet;

use crate::domain::{Reason, State};

/// Stages of which the time is told. What is parked stands there until a person comes.
pub const STAGES: [&str; 5] = ["received", "asking", "ready", "on-its-way", "waiting"];
/// How an operation can have ended.
pub const ENDS: [State; 2] = [State::Done, State::Failed];
/// Status codes of answers, by their first digit.
pub const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "other"];
/// What comes of a question to an adapter: an answer, or why there is none.
pub const ANSWERED: &str = "answered";
pub const NO_ANSWERS: [&str; 5] = [
    Reason::AdapterBroken.code(),
    Reason::AdapterDiverged.code(),
    Reason::AdapterLimit.code(),
    Reason::AdapterRefused.code(),
    "adapter-not-loaded",
];

pub const fn class(status: u16) -> &'static str {
    match status {
        200..300 => CLASSES[0],
        300..400 => CLASSES[1],
        400..500 => CLASSES[2],
        500..600 => CLASSES[3],
        _ => CLASSES[4],
    }
}

/// What came of a question, as a label: whatever else a code may be, an adapter that did not answer is broken.
pub fn result(fault: Option<&str>) -> &'static str {
    let Some(code) = fault else { return ANSWERED };
    NO_ANSWERS.into_iter().find(|known| *known == code).unwrap_or(NO_ANSWERS[0])
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct GroupOutcome {
    pub group: String,
    pub outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct GroupStage {
    pub group: String,
    pub stage: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct GroupKind {
    pub group: String,
    pub kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct GroupCode {
    pub group: String,
    pub code: &'static str,
}

/// Which adapter serves a group.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ServingAdapter {
    pub group: String,
    pub adapter: String,
    pub version: String,
    pub digest: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OfResult {
    pub result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OfKind {
    pub what: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DoorResult {
    pub door: &'static str,
    pub result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OfGroup {
    pub group: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct GroupState {
    pub group: String,
    pub state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct GroupResult {
    pub group: String,
    pub result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct AdapterCall {
    pub group: String,
    pub question: &'static str,
    pub result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StatusPost {
    pub status: &'static str,
    pub result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct GroupHeld {
    pub group: String,
    pub by: &'static str,
}
