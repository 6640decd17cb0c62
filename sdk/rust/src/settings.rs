//! A group's configuration, read member by member. All that is wrong is noted, each with its place, and
//! so is whatever nobody asked for.
//!
//! ```
//! use punchdown_adapter::json;
//! use punchdown_adapter::settings::{Settings, number, text};
//!
//! let read = |config| {
//!     Settings::read(&config, |settings| {
//!         let name = settings.required("name", "what is to be made?", text);
//!         (name, settings.or("seconds", 30, number(1..=86_400)))
//!     })
//! };
//! assert_eq!(read(json!({"name": "line"})), Ok(("line".to_owned(), 30)));
//! let problems = read(json!({"seconds": 0, "nmae": "line"})).unwrap_err();
//! let places: Vec<_> = problems.iter().map(|problem| problem.at.as_str()).collect();
//! assert_eq!(places, ["/name", "/seconds", "/nmae"]);
//! ```

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::types::Problem;

/// An object of a configuration. Whoever reads a member says that it is known.
pub struct Settings<'a> {
    at: String,
    /// `None`: it is no object, which is noted, and nothing more is said of it.
    members: Option<&'a Map<String, Value>>,
    known: Vec<String>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Settings<'a> {
    /// Reads a whole configuration.
    ///
    /// # Errors
    ///
    /// All that is wrong with it. What `read` made of the rest is dropped.
    pub fn read<T>(config: &Value, read: impl FnOnce(&mut Settings<'_>) -> T) -> Result<T, Vec<Problem>> {
        let mut problems = Vec::new();
        let value = object(String::new(), config, &mut problems, read);
        if problems.is_empty() { Ok(value) } else { Err(problems) }
    }

    /// A member that may be left out.
    pub fn optional<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        match read(self.member(name)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.note(name, message);
                None
            }
        }
    }

    /// A member that has a default.
    pub fn or<T>(&mut self, name: &str, default: T, read: impl FnOnce(&Value) -> Result<T, String>) -> T {
        self.optional(name, read).unwrap_or(default)
    }

    /// A member that must be there; `why` is said where it is missing.
    pub fn required<T: Default>(
        &mut self,
        name: &str,
        why: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> T {
        if self.members.is_some_and(|members| !members.contains_key(name)) {
            self.note(name, format!("is missing: {why}"));
        }
        self.optional(name, read).unwrap_or_default()
    }

    /// A member that is an object itself.
    pub fn table<T>(&mut self, name: &str, read: impl FnOnce(&mut Settings<'_>) -> T) -> Option<T> {
        let member = self.member(name)?;
        Some(object(pointer(&self.at, name), member, self.problems, read))
    }

    /// A member that is an object of objects, by names of the operator's choosing.
    pub fn tables<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Settings<'_>) -> T,
    ) -> BTreeMap<String, T> {
        let at = pointer(&self.at, name);
        let Some(member) = self.member(name) else { return BTreeMap::new() };
        let Some(members) = member.as_object() else {
            self.note(name, "must be an object");
            return BTreeMap::new();
        };
        let mut table = |(name, value): (&String, &Value)| {
            (name.clone(), object(pointer(&at, name), value, self.problems, &mut read))
        };
        members.iter().map(&mut table).collect()
    }

    /// Notes what is wrong with a member, or with this object when the name is empty.
    pub fn note(&mut self, name: &str, message: impl Into<String>) {
        let at = if name.is_empty() { self.at.clone() } else { pointer(&self.at, name) };
        self.problems.push(Problem { at, message: message.into() });
    }

    fn member(&mut self, name: &str) -> Option<&'a Value> {
        self.known.push(name.to_owned());
        self.members?.get(name)
    }
}

fn object<T>(
    at: String,
    value: &Value,
    problems: &mut Vec<Problem>,
    read: impl FnOnce(&mut Settings<'_>) -> T,
) -> T {
    let noted = problems.len();
    let mut settings = Settings { at, members: value.as_object(), known: Vec::new(), problems };
    let made = read(&mut settings);
    let Some(members) = settings.members else {
        // Whatever else was noted follows from it.
        settings.problems.truncate(noted);
        settings.note("", "must be an object");
        return made;
    };
    let known = std::mem::take(&mut settings.known);
    for name in members.keys().filter(|name| !known.contains(name)) {
        settings.note(name, "is no setting of this adapter");
    }
    made
}

/// The JSON pointer to a member of what is at `at`.
fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Text that is not empty.
///
/// # Errors
///
/// What it must be.
pub fn text(value: &Value) -> Result<String, String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| "must be text, and not empty".to_owned())
}

/// A list of such texts that is not empty itself.
///
/// # Errors
///
/// What it must be.
pub fn texts(value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Option<Vec<String>> = list.iter().map(|element| text(element).ok()).collect();
    let texts = texts.filter(|texts| !texts.is_empty());
    texts.ok_or_else(|| "must be a list of texts, and not empty".to_owned())
}

/// A JSON pointer into one of these documents: what an adapter does not read it cannot point into.
///
/// # Errors
///
/// What it must be.
pub fn document(queries: &[&str]) -> impl Fn(&Value) -> Result<String, String> {
    move |value| {
        let pointer = text(value)?;
        let query = pointer.strip_prefix('/').and_then(|rest| rest.split('/').next());
        let is_there = query.is_some_and(|query| queries.contains(&query));
        let names = || queries.iter().map(|query| format!("/{query}")).collect::<Vec<_>>().join(" or ");
        is_there
            .then_some(pointer)
            .ok_or_else(|| format!("must begin with {}: there are no other documents", names()))
    }
}

/// `true` or `false`.
///
/// # Errors
///
/// What it must be.
pub fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

/// A whole number within these bounds.
pub fn number(range: RangeInclusive<u64>) -> impl Fn(&Value) -> Result<u64, String> {
    move |value| {
        let number = value.as_u64().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

/// One of these words.
pub fn word<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Value) -> Result<T, String> {
    move |value| {
        let known = words.iter().find(|(word, _)| value == word);
        let names = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        known.map(|(_, meant)| *meant).ok_or_else(|| format!("must be {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(config: &Value) -> Result<BTreeMap<String, bool>, Vec<Problem>> {
        Settings::read(config, |settings| {
            settings.table("one", |one| one.optional("word", word(&[("yes", 1), ("no", 2)])));
            settings.tables("many", |one| one.or("on", true, flag))
        })
    }

    #[test]
    fn objects_within_objects_say_their_place() {
        assert_eq!(read(&json!({"many": {"a": {}, "b": {"on": false}}})).expect("good").len(), 2);
        let config = json!({"one": {"word": "may", "a/b": 1}, "many": {"a": 1, "b": {"on": "yes"}}});
        let found: Vec<_> = read(&config)
            .expect_err("bad")
            .into_iter()
            .map(|problem| (problem.at, problem.message))
            .collect();
        let expected = [
            ("/one/word", "must be yes or no"),
            ("/one/a~1b", "is no setting of this adapter"),
            ("/many/a", "must be an object"),
            ("/many/b/on", "must be true or false"),
        ];
        assert_eq!(found, expected.map(|(at, message)| (at.to_owned(), message.to_owned())));
    }

    #[test]
    fn what_is_no_object_is_said_once() {
        assert_eq!(read(&json!([])).expect_err("bad").len(), 1);
    }
}
