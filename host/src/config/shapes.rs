//! As what values are read: what an editor must know of them.

use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// A table whose keys are settings.
    Table,
    /// A table whose keys are names of the operator's.
    Names,
    List,
    Truth,
    /// From, to.
    Number(u64, u64),
    /// One of these.
    Words(Vec<String>),
    Text,
    Any,
}

impl Shape {
    /// `one of beside, instead`, or `` `hex` or `base64` ``: what is wanted as a person is told it.
    pub fn of_words(wanted: &str) -> Self {
        let words = match (wanted.strip_prefix("one of "), wanted.split_once("` or `")) {
            (Some(words), _) => words.split(", ").collect(),
            (None, Some((one, other))) => vec![one.trim_matches('`'), other.trim_matches('`')],
            (None, None) => return Self::Text,
        };
        Self::Words(words.into_iter().map(str::to_owned).collect())
    }

    /// In the words of JSON Schema; what is inside is added by whoever knows it.
    pub fn schema(&self) -> Value {
        match self {
            Self::Table => json!({ "type": "object", "additionalProperties": false }),
            Self::Names => json!({ "type": "object" }),
            Self::List => json!({ "type": "array" }),
            Self::Truth => json!({ "type": "boolean" }),
            Self::Number(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
            Self::Words(words) => json!({ "type": "string", "enum": words }),
            Self::Text => json!({ "type": "string", "minLength": 1 }),
            Self::Any => json!({}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_a_person_is_told() {
        let words = |words: &[&str]| Shape::Words(words.iter().map(|word| (*word).to_owned()).collect());
        for (wanted, shape) in [
            ("one of beside, instead", words(&["beside", "instead"])),
            ("`hex` or `base64`", words(&["hex", "base64"])),
            ("a time, such as \"10s\"", Shape::Text),
        ] {
            assert_eq!(Shape::of_words(wanted), shape, "{wanted}");
        }
    }
}
