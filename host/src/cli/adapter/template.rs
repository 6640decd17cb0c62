//! The projects that `adapter new` makes, as they stand in `sdk/` and `adapters/` of this repository, inside the program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, File, include_dir};

use crate::toolchain::{Language, MADE};

static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk");
static BLANK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../adapters/blank");
const CONTRACT: &str = include_str!("../../../../wit/adapter.wit");

/// Nothing else of a folder belongs to a project.
const KINDS_OF_FILES: [&str; 12] =
    ["gitignore", "in", "js", "json", "md", "mjs", "mts", "py", "rs", "toml", "ts", "typed"];
/// What the SDKs are tested by.
const TESTS_OF_SDKS: [&str; 2] = ["test", "tests"];

/// What an adapter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Subscribers of a mobile core: looked up, made, changed and removed, each answered at once.
    Hss,
    /// Customers of an IPTV platform: a log-in first, forms, a password.
    Iptv,
    /// Orders: taken now, done later, told by a notification or found by a look.
    Oms,
    /// A service in a system that speaks SOAP; to begin anything else with.
    Blank,
}

impl Kind {
    #[cfg(test)]
    pub const ALL: [Self; 4] = [Self::Hss, Self::Iptv, Self::Oms, Self::Blank];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Hss => "hss",
            Self::Iptv => "iptv",
            Self::Oms => "oms",
            Self::Blank => "blank",
        }
    }

    /// The optional interfaces that it has.
    const fn interfaces(self) -> &'static str {
        match self {
            Self::Hss | Self::Oms => "[]",
            Self::Iptv | Self::Blank => "[\"session\"]",
        }
    }
}

/// Every file of a new project, by its place in it.
pub fn files(kind: Kind, language: Language, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let (kind_word, word) = (kind.word(), language.word());
    let mut project = Project { files: Vec::new(), name: name.to_owned(), interfaces: kind.interfaces() };
    project.take(&SDK, &format!("templates/{word}"), "");
    match (kind, language) {
        (Kind::Blank, Language::Rust) => project.take(&BLANK, "src", "src"),
        _ => project.take(&SDK, &format!("templates/{kind_word}/{word}"), ""),
    }
    match kind {
        Kind::Blank => project.take(&BLANK, "cases", "cases"),
        _ => project.take(&SDK, &format!("templates/{kind_word}/cases"), "cases"),
    }
    project.take(&SDK, word, &format!("sdk/{word}"));
    project.files.push((PathBuf::from("wit/adapter.wit"), CONTRACT.as_bytes().to_vec()));
    project.files
}

struct Project {
    files: Vec<(PathBuf, Vec<u8>)>,
    name: String,
    interfaces: &'static str,
}

impl Project {
    /// All that stands in a folder of ours, at its place below another one.
    fn take(&mut self, root: &'static Dir<'static>, from: &str, to: &str) {
        let Some(dir) = root.get_dir(from) else { return };
        let is_sdk = to.starts_with("sdk/");
        self.take_in(dir, dir.path(), Path::new(to), is_sdk);
    }

    fn take_in(&mut self, dir: &'static Dir<'static>, from: &Path, to: &Path, is_sdk: bool) {
        for entry in dir.entries() {
            let name = entry.path().file_name().and_then(OsStr::to_str).unwrap_or_default();
            let is_left_out = MADE.contains(&name) || (is_sdk && TESTS_OF_SDKS.contains(&name));
            match entry {
                DirEntry::Dir(_) if is_left_out => {}
                DirEntry::Dir(below) => self.take_in(below, from, to, is_sdk),
                DirEntry::File(file) if is_of_a_project(name) => {
                    let place = file.path().strip_prefix(from).unwrap_or(file.path());
                    self.files.push((named(&to.join(place)), self.filled(file)));
                }
                DirEntry::File(_) => {}
            }
        }
    }

    /// Its marks replaced by what they stand for.
    fn filled(&self, file: &File<'_>) -> Vec<u8> {
        let Some(text) = file.contents_utf8() else { return file.contents().to_vec() };
        let text = text.replace("{{name}}", &self.name).replace("{{interfaces}}", self.interfaces);
        text.into_bytes()
    }
}

fn is_of_a_project(name: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default();
    KINDS_OF_FILES.contains(&ending)
}

/// A manifest that cargo is not to find here has another name.
fn named(place: &Path) -> PathBuf {
    match place.extension() {
        Some(extension) if extension == "in" => place.with_extension(""),
        _ => place.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{{word}}`, behind its beginning.
    fn is_a_mark(text: &str) -> bool {
        let word = text.split_once("}}").map(|(word, _)| word);
        word.is_some_and(|word| !word.is_empty() && word.chars().all(|char| char.is_ascii_lowercase()))
    }

    #[test]
    fn every_kind_is_whole_in_every_language() {
        for (kind, language) in
            Kind::ALL.into_iter().flat_map(|kind| Language::ALL.map(|language| (kind, language)))
        {
            let files = files(kind, language, "my-adapter");
            let has = |place: &str| files.iter().any(|(found, _)| found == Path::new(place));
            let manifest = language.manifest();
            let source = match language {
                Language::Rust => "src/lib.rs",
                Language::Python => "adapter.py",
                Language::Typescript => "src/adapter.ts",
            };
            let of = format!("{kind:?} in {language:?}");
            for place in [manifest, source, "wit/adapter.wit", "README.md", ".gitignore"] {
                assert!(has(place), "{of} has no {place}");
            }
            let cases = files.iter().filter(|(place, _)| place.starts_with("cases"));
            assert!(cases.count() >= 10, "{of}");
            assert!(files.iter().any(|(place, _)| place.starts_with("sdk")), "{of} has no SDK");
            let is_own = |place: &PathBuf| !place.starts_with("sdk") && !place.starts_with("wit");
            let holds_a_mark = |text: &[u8]| String::from_utf8_lossy(text).split("{{").skip(1).any(is_a_mark);
            let unfilled = files.iter().find(|(place, text)| is_own(place) && holds_a_mark(text));
            assert_eq!(unfilled.map(|(place, _)| place), None, "{of}");
        }
    }
}
