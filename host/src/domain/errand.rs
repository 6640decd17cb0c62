//! What is done for a whole group and not for one account: logging in, registering for notifications.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Json, Request, Trouble};

/// The next move of an errand, as its adapter wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    Send(Request),
    Again(Trouble),
    Ready(Standing),
    /// Not without a person.
    Fail(Trouble),
}

/// What an errand came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub value: Json,
    /// Good for so long; until told otherwise when it does not say.
    pub life: Option<Duration>,
}

impl Standing {
    /// The values of a session, by the names that fills give them.
    ///
    /// # Errors
    /// When it is not an object of texts and numbers. The sentence quotes none of them.
    pub fn session_values(&self) -> Result<BTreeMap<String, String>, String> {
        let serde_json::Value::Object(members) = self.value.value() else {
            return Err("a session's values are an object".to_owned());
        };
        let text = |(name, value): (String, serde_json::Value)| match value {
            serde_json::Value::String(text) => Ok((name, text)),
            serde_json::Value::Number(number) => Ok((name, number.to_string())),
            _ => Err(format!("the session's `{name}` is neither text nor a number")),
        };
        members.into_iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_an_object_of_texts() {
        for (value, found) in [
            (r#"{"token":"a","seq":7}"#, Ok(vec![("seq", "7"), ("token", "a")])),
            ("{}", Ok(vec![])),
            (r#"["a"]"#, Err("a session's values are an object")),
            (r#"{"token":null}"#, Err("the session's `token` is neither text nor a number")),
        ] {
            let standing = Standing { value: Json::parse(value.to_owned()).expect("JSON"), life: None };
            let values = standing.session_values();
            let values = values.as_ref().map(|values| {
                values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>()
            });
            assert_eq!(values.map_err(String::as_str), found, "{value}");
        }
    }
}
