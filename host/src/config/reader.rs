//! Reads a TOML document key by key. Every key that is asked for is known; what is left over is
//! not, and is refused with the nearest known name.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::shapes::Shape;
use super::{Place, Problem};
use crate::explain::Code;
use crate::secret::Secret;

mod in_effect;
mod value;

pub use in_effect::{InEffect, Meant, Setting};

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
    /// Where a secret is named, or should be.
    references: RefCell<Vec<String>>,
    /// Each with the key by which it was read.
    secrets: RefCell<Vec<(String, Secret)>>,
    files: RefCell<Vec<PathBuf>>,
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
    /// The files that were read for it, or could not be.
    pub files: Vec<PathBuf>,
    /// What is in effect by it, each value by itself.
    pub in_effect: InEffect,
}

/// Reads `source` with `root`.
pub fn read<T>(source: &str, root: impl FnOnce(&mut Section<'_>) -> Option<T>) -> Read<T> {
    let findings = Findings {
        source,
        problems: RefCell::default(),
        warnings: RefCell::default(),
        known: RefCell::default(),
        shapes: RefCell::default(),
        references: RefCell::default(),
        secrets: RefCell::default(),
        files: RefCell::default(),
    };
    let (table, errors) = DeTable::parse_recoverable(source);
    for error in errors {
        findings.complain(Code::Syntax, error.span().unwrap_or(0..0), "", error.message(), None);
    }
    let mut section = Section::new(&findings, String::new(), table.span(), table.get_ref());
    let value = root(&mut section);
    section.finish();
    let in_effect = in_effect::all(table.get_ref(), &findings);
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
        secrets: findings.secrets.into_inner().into_iter().map(|(_, secret)| secret).collect(),
        files: findings.files.into_inner(),
        in_effect,
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

/// A name as it stands in a key: one that could be taken for several is quoted.
fn key_of(name: &str) -> Cow<'_, str> {
    if name.is_empty() || name.contains(['.', '[', ']', '"']) {
        return Cow::Owned(format!("{name:?}"));
    }
    Cow::Borrowed(name)
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
        let name = key_of(name);
        if self.key.is_empty() { name.into_owned() } else { format!("{}.{name}", self.key) }
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
        self.table(name, false, read)
    }

    /// The same of one that cannot be empty: whatever is required in it is missed there.
    pub fn needed<T>(&mut self, name: &str, read: impl FnOnce(&mut Section<'_>) -> Option<T>) -> Option<T> {
        self.table(name, true, read)
    }

    fn table<T>(
        &mut self,
        name: &str,
        required: bool,
        read: impl FnOnce(&mut Section<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.take(name, None, required) {
            Some(value) => value.section(read),
            None => self.unwritten(name, read),
        }
    }

    /// A table that does not stand there: all in it has its default.
    pub fn unwritten<T>(&self, name: &str, read: impl FnOnce(&mut Section<'_>) -> Option<T>) -> Option<T> {
        let empty = DeTable::new();
        let mut section = Section::new(self.findings, self.full(name), self.span.clone(), &empty);
        read(&mut section)
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
