//! An object of JSON whose members keep their order and their text: what is rewritten in part stays as its author
//! wrote it elsewhere.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

pub struct Ordered(Vec<(String, Box<RawValue>)>);

impl Ordered {
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// In the place that it has; a new one comes before what follows from it, or last.
    pub fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => {
                let follows = self.0.iter().position(|(known, _)| known == "then");
                self.0.insert(follows.unwrap_or(self.0.len()), (name.to_owned(), value));
            }
        }
    }

    /// A member a line, in an object that stands so deep.
    pub fn text(&self, indent: usize) -> String {
        let members = self
            .0
            .iter()
            .map(|(name, value)| format!("{:indent$}  {}: {}", "", serde_json::json!(name), value.get()));
        format!("{{\n{}\n{:indent$}}}", members.collect::<Vec<_>>().join(",\n"), "")
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Ordered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Ordered(members))
    }
}
