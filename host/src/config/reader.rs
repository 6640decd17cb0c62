//! Reads a TOML document key by key. Every key that is asked for is known; what is left over is
//! not, and is refused with the nearest known name.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::durations::{duration, spoken};
use super::json::json;
use super::shapes::Shape;
use super::{Place, Problem};
use crate::explain::Code;
use crate::secret::Secret;

/// A key that was asked for, whether it is in the file or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub key: String,
    /// What stands for it when it is absent; `None` when it must be there, or may be left out.
    pub default: Option<String>,
    /// As it stands in the file.
    pub written: Option<String>,
    /// Whether it must be there.
    pub required: bool,
}

/// What all sections of one document share.
struct Findings<'a> {
    source: &'a str,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    known: RefCell<Vec<Known>>,
    shapes: RefCell<Vec<(String, Shape)>>,
    secrets: RefCell<Vec<Secret>>,
}

/// What was read in a document, and what was found there; both lists in the order of the file.
pub struct Read<T> {
    pub value: Option<T>,
    /// All that is wrong.
    pub problems: Vec<Problem>,
    /// What would run, and is not as it should be.
    pub warnings: Vec<Problem>,
    /// The keys that were asked for.
    pub known: Vec<Known>,
    /// As what the values were read. A table stands here as often as one was.
    pub shapes: Vec<(String, Shape)>,
    /// The secrets that it names.
    pub secrets: Vec<Secret>,
}

/// Reads `source` with `root`.
pub fn read<T>(source: &str, root: impl FnOnce(&mut Section<'_>) -> Option<T>) -> Read<T> {
    let findings = Findings {
        source,
        problems: RefCell::default(),
        warnings: RefCell::default(),
        known: RefCell::default(),
        shapes: RefCell::default(),
        secrets: RefCell::default(),
    };
    let (table, errors) = DeTable::parse_recoverable(source);
    for error in errors {
        findings.complain(Code::Syntax, error.span().unwrap_or(0..0), "", error.message(), None);
    }
    let mut section = Section::new(&findings, String::new(), table.span(), table.get_ref());
    let value = root(&mut section);
    section.finish();
    let sorted = |found: RefCell<Vec<Problem>>| {
        let mut found = found.into_inner();
        found.sort();
        found
    };
    Read {
        value,
        problems: sorted(findings.problems),
        warnings: sorted(findings.warnings),
        known: findings.known.into_inner(),
        shapes: findings.shapes.into_inner(),
        secrets: findings.secrets.into_inner(),
    }
}

impl Findings<'_> {
    fn note(&self, key: &str, shape: Shape) {
        self.shapes.borrow_mut().push((key.to_owned(), shape));
    }

    fn place(&self, span: &Range<usize>) -> Place {
        // What is wrong with a default has its place there, and not in the file.
        let before = &self.source[..self.source.floor_char_boundary(span.start)];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
        Place { line, column }
    }

    fn complain(
        &self,
        code: Code,
        span: Range<usize>,
        key: &str,
        message: impl Display,
        help: Option<String>,
    ) {
        self.problems.borrow_mut().push(self.problem(code, &span, key, message, help));
    }

    fn problem(
        &self,
        code: Code,
        span: &Range<usize>,
        key: &str,
        message: impl Display,
        help: Option<String>,
    ) -> Problem {
        Problem { place: self.place(span), key: key.to_owned(), message: message.to_string(), help, code }
    }
}

/// Text as it would be in the file.
pub fn written(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A table that is being read.
pub struct Section<'a> {
    findings: &'a Findings<'a>,
    key: String,
    span: Range<usize>,
    values: BTreeMap<&'a str, (Range<usize>, &'a Spanned<DeValue<'a>>)>,
    asked: Vec<String>,
}

/// A value with the place where it stands.
pub struct Value<'a> {
    findings: &'a Findings<'a>,
    key: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Section<'a> {
    fn new(findings: &'a Findings<'a>, key: String, span: Range<usize>, table: &'a DeTable<'a>) -> Self {
        findings.note(&key, Shape::Table);
        let values =
            table.iter().map(|(name, value)| (name.get_ref().as_ref(), (name.span(), value))).collect();
        Self { findings, key, span, values, asked: Vec::new() }
    }

    pub fn place(&self) -> Place {
        self.findings.place(&self.span)
    }

    /// Something is wrong with the section as a whole.
    pub fn complain(&self, code: Code, message: impl Display, help: Option<String>) {
        self.findings.complain(code, self.span.clone(), &self.key, message, help);
    }

    fn full(&self, name: &str) -> String {
        if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) }
    }

    fn take(&mut self, name: &str, default: Option<String>, required: bool) -> Option<Value<'a>> {
        let key = self.full(name);
        let found = self.values.remove(name);
        let written = found.as_ref().map(|(_, value)| self.findings.source[value.span()].to_owned());
        self.findings.known.borrow_mut().push(Known { key: key.clone(), default, written, required });
        self.asked.push(name.to_owned());
        found.map(|(_, value)| Value { findings: self.findings, key, value })
    }

    /// A value that may be left out.
    pub fn optional(&mut self, name: &str) -> Option<Value<'a>> {
        self.take(name, None, false)
    }

    /// A text that may be left out, and is read only where nothing stands beside it.
    pub fn optional_text(&mut self, name: &str) -> Option<Value<'a>> {
        self.findings.note(&self.full(name), Shape::Text);
        self.optional(name)
    }

    /// A value that must be there.
    pub fn required(&mut self, name: &str, example: &str) -> Option<Value<'a>> {
        let value = self.take(name, None, true);
        if value.is_none() {
            let key = self.full(name);
            let help = Some(format!("add `{name} = {example}`"));
            self.findings.complain(
                Code::MissingKey,
                self.span.clone(),
                &key,
                format!("`{name}` is missing"),
                help,
            );
        }
        value
    }

    /// A value with a default, written as it would be in the file.
    pub fn or<T>(&mut self, name: &str, default: &str, read: impl Fn(&Value<'_>) -> Option<T>) -> Option<T> {
        match self.take(name, Some(default.to_owned()), false) {
            Some(value) => read(&value),
            None => {
                let value = DeValue::parse(default).expect("a default is TOML");
                read(&Value { findings: self.findings, key: self.full(name), value: &value })
            }
        }
    }

    /// A table below this one; an empty one when it is left out.
    pub fn section<T>(&mut self, name: &str, read: impl FnOnce(&mut Section<'_>) -> Option<T>) -> Option<T> {
        match self.take(name, None, false) {
            Some(value) => value.section(read),
            None => {
                let empty = DeTable::new();
                let mut section = Section::new(self.findings, self.full(name), self.span.clone(), &empty);
                read(&mut section)
            }
        }
    }

    /// Every value of a table whose keys are names of the operator's.
    pub fn each(&mut self, mut read: impl FnMut(&str, Value<'_>)) {
        self.findings.note(&self.key, Shape::Names);
        for (name, (_, value)) in std::mem::take(&mut self.values) {
            read(name, Value { findings: self.findings, key: self.full(name), value });
        }
    }

    /// What nobody asked for is not known.
    fn finish(self) {
        for (name, (span, _)) in &self.values {
            let nearest =
                self.asked.iter().map(|known| (strsim::damerau_levenshtein(known, name), known)).min();
            let help = match nearest {
                Some((distance, known)) if distance <= 1 + name.len() / 4 => {
                    Some(format!("did you mean `{known}`?"))
                }
                _ if self.asked.is_empty() => None,
                _ => Some(format!("known here: {}", self.asked.join(", "))),
            };
            let message = format!("there is no setting `{name}`");
            self.findings.complain(Code::UnknownKey, span.clone(), &self.full(name), message, help);
        }
    }
}

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

    /// Remembers a secret that was read here, with all others of the document.
    pub fn remember(&self, secret: &Secret) {
        self.findings.secrets.borrow_mut().push(secret.clone());
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
