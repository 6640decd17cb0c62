//! One value: what it must be, and what is said when it is not.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::super::Place;
use super::super::durations::{duration, spoken};
use super::super::json::json;
use super::super::shapes::Shape;
use super::{Section, Value};
use crate::explain::Code;
use crate::secret::Secret;

impl<'a> Value<'a> {
    pub fn complain(&self, code: Code, message: impl Display, help: Option<&str>) {
        self.findings.complain(code, self.value.span(), &self.key, message, help.map(str::to_owned));
    }

    /// It will do, but it is not as it should be.
    pub fn warn(&self, code: Code, message: impl Display, help: Option<&str>) {
        let warning =
            self.findings.problem(code, &self.value.span(), &self.key, message, help.map(str::to_owned));
        self.findings.warnings.borrow_mut().push(warning);
    }

    fn wrong<T>(&self, wanted: &str) -> Option<T> {
        self.complain(
            Code::WrongKind,
            format!("it must be {wanted}, not {}", self.value.get_ref().type_str()),
            None,
        );
        None
    }

    pub fn place(&self) -> Place {
        self.findings.place(&self.value.span())
    }

    fn note(&self, shape: Shape) {
        self.findings.note(&self.key, shape);
    }

    pub fn text(&self) -> Option<String> {
        self.note(Shape::Text);
        match self.value.get_ref().as_str() {
            Some(text) if text.trim().is_empty() => {
                self.complain(Code::WrongKind, "it must not be empty", None);
                None
            }
            Some(text) => Some(text.to_owned()),
            None => self.wrong("text"),
        }
    }

    pub fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// Whether it is a table in which this name stands.
    pub fn has(&self, name: &str) -> bool {
        self.value.get_ref().as_table().is_some_and(|table| table.contains_key(name))
    }

    pub fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }

    pub fn parsed<T>(&self, wanted: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.note(Shape::of_words(wanted));
        let text = self.text()?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.complain(Code::WrongValue, format!("`{text}` is not {wanted}"), None);
        }
        parsed
    }

    pub fn truth(&self) -> Option<bool> {
        self.note(Shape::Truth);
        match self.value.get_ref().as_bool() {
            Some(truth) => Some(truth),
            None => self.wrong("true or false"),
        }
    }

    pub fn number(&self, range: RangeInclusive<u64>) -> Option<u64> {
        self.note(Shape::Number(*range.start(), *range.end()));
        let Some(integer) = self.value.get_ref().as_integer() else { return self.wrong("a whole number") };
        let number = u64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| range.contains(number));
        if number.is_none() {
            self.complain(
                Code::WrongValue,
                format!("it must be from {} to {}", range.start(), range.end()),
                None,
            );
        }
        number
    }

    /// `10s`, `5m`, `24h`.
    pub fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let time = self.parsed("a time, such as \"10s\", \"5m\" or \"24h\"", duration)?;
        if range.contains(&time) {
            return Some(time);
        }
        self.complain(
            Code::WrongValue,
            format!("it must be from {} to {}", spoken(*range.start()), spoken(*range.end())),
            None,
        );
        None
    }

    /// Here a secret is named. Whatever stands here instead is shown to nobody.
    pub fn is_of_a_secret(&self) {
        self.findings.references.borrow_mut().push(self.key.clone());
    }

    /// What it says depends on that file, too.
    pub fn reads(&self, file: &Path) {
        self.findings.files.borrow_mut().push(file.to_owned());
    }

    /// Remembers a secret that was read here, with all others of the document.
    pub fn remember(&self, secret: &Secret) {
        self.findings.secrets.borrow_mut().push((self.key.clone(), secret.clone()));
    }

    /// `64MiB`.
    pub fn bytes(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let size =
            self.parsed("a size, such as \"1MiB\"", |text| text.parse::<bytesize::ByteSize>().ok())?.as_u64();
        if range.contains(&size) {
            return Some(size);
        }
        let (least, most) = (bytesize::ByteSize(*range.start()), bytesize::ByteSize(*range.end()));
        self.complain(Code::WrongValue, format!("it must be from {least} to {most}"), None);
        None
    }

    pub fn list<T>(&self, mut read: impl FnMut(&Value<'_>) -> Option<T>) -> Option<Vec<T>> {
        self.note(Shape::List);
        let Some(array) = self.value.get_ref().as_array() else { return self.wrong("a list") };
        let items: Vec<Option<T>> = array
            .iter()
            .enumerate()
            .map(|(index, value)| {
                read(&Value { findings: self.findings, key: format!("{}[{index}]", self.key), value })
            })
            .collect();
        items.into_iter().collect()
    }

    pub fn section<T>(&self, read: impl FnOnce(&mut Section<'_>) -> Option<T>) -> Option<T> {
        let Some(table) = self.value.get_ref().as_table() else { return self.wrong("a table") };
        let mut section = Section::new(self.findings, self.key.clone(), self.value.span(), table);
        let value = read(&mut section);
        section.finish();
        value
    }

    /// The value as JSON; what TOML has beyond that (dates) becomes text.
    pub fn json(&self) -> serde_json::Value {
        self.note(Shape::Any);
        json(self.value.get_ref())
    }
}
