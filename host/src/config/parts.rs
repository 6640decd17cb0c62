//! What a command must know that needs one section alone. Nothing else of the file is looked at: the secrets of
//! all else may be for the service alone, and what is wrong elsewhere is no reason not to see how the host is.

use std::path::Path;

use super::listeners::listener;
use super::reader::{self, Section};
use super::secrets::admin_token;
use super::{Problems, source};
use crate::explain::Code;
use crate::http::{AdminToken, ListenerSettings};
use crate::store;

/// The operators' door of a host.
pub struct Door {
    pub listener: ListenerSettings,
    /// Those that can be read here.
    pub tokens: Vec<AdminToken>,
}

/// # Errors
/// All that is wrong with the section of the operators' door, or with the file as a whole.
pub fn door(file: &Path) -> Result<Door, Problems> {
    part(file, "admin", |section, directory| {
        let listener = listener(section, directory, "\"127.0.0.1:8701\"");
        let tokens =
            section.or("tokens", "[]", |value| value.list(|value| Some(admin_token(value, directory))));
        let tokens = tokens.map(|tokens| tokens.into_iter().flatten().collect());
        Some(Door { listener: listener?, tokens: tokens? })
    })
}

/// # Errors
/// All that is wrong with the section of the journal, or with the file as a whole.
pub fn journal(file: &Path) -> Result<store::Settings, Problems> {
    part(file, "journal", super::journal::journal)
}

fn part<T>(
    file: &Path,
    name: &str,
    read: impl FnOnce(&mut Section<'_>, &Path) -> Option<T>,
) -> Result<T, Problems> {
    let source = source(file)?;
    let directory = file.parent().unwrap_or(Path::new("."));
    let part = reader::read(&source, |root| root.section(name, |section| read(section, directory)));
    let below = format!("{name}.");
    let counts = |code: Code, key: &str| match code {
        Code::Syntax => true,
        // Another one may do, or one that is given.
        Code::SecretUnreadable => false,
        _ => key == name || key.starts_with(&below),
    };
    let found: Vec<_> =
        part.problems.into_iter().filter(|problem| counts(problem.code, &problem.key)).collect();
    part.value.filter(|_| found.is_empty()).ok_or_else(|| Problems::of(file, found))
}
