//! `adapter new`: a project of an adapter that builds and passes its cases as it is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::super::door::word;
use super::super::output::Format;
use super::refused;
use super::template::{Kind, files};
use crate::explain::Code;
use crate::toolchain::Language;

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder to make; its last part is the adapter's name: lower case letters, digits and `-`.
    #[arg(value_name = "NAME")]
    folder: PathBuf,
    /// What it is for.
    #[arg(long, value_enum, default_value_t = Kind::Blank)]
    kind: Kind,
    /// In what it is written.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    #[command(flatten)]
    format: Format,
}

const NAME_CHARS_MAX: usize = 64;

pub fn run(arguments: &Arguments) -> ExitCode {
    let folder = &arguments.folder;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !is_name(&name) {
        let why =
            format!("`{name}` names no adapter: a letter, then up to 63 lower case letters, digits and `-`");
        return refused(Code::FileOfCommand, why);
    }
    if folder.exists() {
        return refused(Code::ThereAlready, format!("{} is there already", folder.display()));
    }
    let files = files(arguments.kind, arguments.lang, &name);
    // Whole under its name, or not at all.
    let unfinished = folder.with_file_name(format!(".{name}.unfinished"));
    let written = files.iter().try_for_each(|(place, content)| write(&unfinished.join(place), content));
    if let Err(error) = written.and_then(|()| std::fs::rename(&unfinished, folder)) {
        let _ = std::fs::remove_dir_all(&unfinished);
        return refused(Code::FileOfCommand, format!("cannot write {}: {error}", folder.display()));
    }
    let told = json!({
        "name": name,
        "folder": folder,
        "files": files.len(),
        "next": next(folder, &name, arguments.lang),
    });
    arguments.format.print(&told, |told| {
        let next: Vec<_> = told["next"].as_array().into_iter().flatten().map(word).collect();
        format!("wrote {} files to {}\n\nnext:\n  {}\n", told["files"], folder.display(), next.join("\n  "))
    });
    ExitCode::SUCCESS
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_lowercase())
        && name.len() <= NAME_CHARS_MAX
        && !name.ends_with('-')
        && chars.all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-')
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, content)
}

/// What to type then.
fn next(folder: &Path, name: &str, language: Language) -> Vec<String> {
    let native = match language {
        Language::Rust => "cargo test",
        Language::Python => "python3 -m pytest",
        Language::Typescript => "npm install && npm test",
    };
    vec![
        format!("cd {}", folder.display()),
        format!("{native}   # its cases, natively"),
        format!("punchdown adapter build . --to {name}.wasm"),
        format!("punchdown adapter test {name}.wasm cases"),
    ]
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_is_one_for_every_language() {
        for (name, good) in [
            ("hss-acme", true),
            ("a", true),
            ("x2", true),
            ("2x", false),
            ("Hss", false),
            ("hss_acme", false),
            ("hss-", false),
            ("", false),
            ("a b", false),
        ] {
            assert_eq!(is_name(name), good, "{name}");
        }
        assert!(!is_name(&"a".repeat(65)));
    }
}
