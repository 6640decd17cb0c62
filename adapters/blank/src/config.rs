//! A group's configuration: what its schema promises, what is checked, what the flow works with.

use std::collections::BTreeMap;

use punchdown_adapter::{Problem, Subscriber, Value, json};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Where the system listens, below the target's base URL.
    #[serde(default = "default_path")]
    pub path: String,
    /// Its profiles, by the names of PortaBilling's products.
    #[serde(default)]
    profiles: BTreeMap<String, String>,
    /// That of all other products.
    default_profile: Option<String>,
}

fn default_path() -> String {
    "/services".to_owned()
}

/// The JSON Schema of what [`Config::read`] takes.
pub fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "anyOf": [
            { "required": ["profiles"], "properties": { "profiles": { "minProperties": 1 } } },
            { "required": ["default-profile"] },
        ],
        "properties": {
            "path": {
                "type": "string", "default": "/services", "pattern": "^/[^?#\\s]*$",
                "description": "Where the system listens, below the target's base URL.",
            },
            "profiles": {
                "type": "object", "additionalProperties": { "type": "string", "minLength": 1 },
                "description": "The system's profiles, by the names of PortaBilling's products.",
            },
            "default-profile": {
                "type": "string", "minLength": 1,
                "description": "The profile of all other products.",
            },
        },
    })
}

impl Config {
    /// Reads a configuration, or says all that is wrong with it.
    pub fn read(config: &Value) -> Result<Self, Vec<Problem>> {
        let read = Self::deserialize(config).map_err(|error| vec![problem("", &error.to_string())])?;
        let mut problems = Vec::new();
        if !read.path.starts_with('/') || read.path.contains(|c: char| "?#".contains(c) || c.is_whitespace())
        {
            problems.push(problem("/path", "must be a path that begins with /"));
        }
        if read.profiles.is_empty() && read.default_profile.is_none() {
            problems.push(problem("/profiles", "names no profile, and there is no `default-profile`"));
        }
        if read.profiles.values().chain(&read.default_profile).any(String::is_empty) {
            problems.push(problem("/profiles", "a profile has a name"));
        }
        if problems.is_empty() { Ok(read) } else { Err(problems) }
    }

    /// The profile of the subscriber's product; else what there is none for.
    pub fn profile_of(&self, subscriber: &Subscriber) -> Result<&str, String> {
        let product = subscriber.documents["account_info"]["product_name"].as_str().unwrap_or_default();
        let profile = self.profiles.get(product).or(self.default_profile.as_ref());
        profile.map(String::as_str).ok_or_else(|| format!("no profile for the product `{product}`"))
    }
}

fn problem(at: &str, message: &str) -> Problem {
    Problem { at: at.to_owned(), message: message.to_owned() }
}
