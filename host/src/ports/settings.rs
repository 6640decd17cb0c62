use std::path::PathBuf;

use serde_json::Value;

use super::reloads::Refusal;

/// Whether a key is that of a setting, or of something in it.
pub fn is_within(key: &str, setting: &str) -> bool {
    key.strip_prefix(setting).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The group in whose section a key stands.
pub fn group_of(key: &str) -> Option<&str> {
    key.strip_prefix("groups.")?.split('.').next()
}

/// By what a host runs, and how that differs from what lies on disk. No secret is in it.
#[derive(Clone, Debug)]
pub struct RunsBy {
    pub file: PathBuf,
    pub settings: Vec<ShownSetting>,
    pub differs: Vec<Difference>,
    /// What is wrong with what lies on disk.
    pub refused: Vec<Refusal>,
}

/// A setting as a person may see it.
#[derive(Clone, Debug)]
pub struct ShownSetting {
    pub key: String,
    /// Nothing, where it is a secret.
    pub value: Value,
    pub secret: Option<SecretNamed>,
    /// Line and column of the file where it stands; `None`: it is the default.
    pub place: Option<(usize, usize)>,
}

/// Where a secret comes from.
#[derive(Clone, Debug)]
pub struct SecretNamed {
    /// `file`, `env`, `credential` or `sha256`.
    pub from: &'static str,
    pub name: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Difference {
    pub key: String,
    /// What runs; `None`: no such setting.
    pub running: Option<ShownSetting>,
    pub on_disk: Option<ShownSetting>,
    /// By the next reload; else it waits for a restart.
    pub is_taken_over: bool,
}
