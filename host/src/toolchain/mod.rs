//! Builds the project of an adapter into a component, at run time.
//!
//! Never from a build script: a cargo inside one waits for the lock of the cargo outside. What stands in the folder
//! says in which language it is written, and each language has its own way. Nothing here loads a component or judges
//! what it does.

mod command;
mod component;
mod python;
mod rust;
mod typescript;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{env, io};

use sha2::{Digest, Sha256};

pub use component::{component_from_module, embed_contract};

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// Something has to be installed first; it says what, and by which command.
    #[error("{0}")]
    Missing(String),
    #[error(
        "{0} is no project of an adapter: none of Cargo.toml, pyproject.toml and package.json stands there"
    )]
    NoProject(String),
    #[error("`{command}` failed; mend what it says:\n{tail}")]
    Failed { command: String, tail: String },
    #[error("cannot {doing}")]
    Io { doing: String, source: io::Error },
    #[error("cannot read what cargo says of the crate")]
    Metadata(#[from] serde_json::Error),
    #[error("{path}: {why}")]
    Project { path: String, why: String },
    #[error("the module makes no component: build it against `wit/adapter.wit`")]
    Module(#[source] Cause),
    #[error("the contract is not good WIT: mend its text")]
    Contract(#[source] Cause),
}

type Cause = Box<dyn Error + Send + Sync>;

/// In what an adapter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    Rust,
    Python,
    Typescript,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Rust, Self::Python, Self::Typescript];

    /// The file by which a folder says so.
    pub const fn manifest(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "pyproject.toml",
            Self::Typescript => "package.json",
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Typescript => "typescript",
        }
    }

    fn of(dir: &Path) -> Result<Self, ToolchainError> {
        let found = Self::ALL.into_iter().find(|language| dir.join(language.manifest()).is_file());
        found.ok_or_else(|| ToolchainError::NoProject(dir.display().to_string()))
    }
}

/// Something that builds need, as it was found on this machine.
pub struct Tool {
    pub name: &'static str,
    /// Which one.
    pub found: Option<String>,
    /// How to get it; `None`: nothing is to be done.
    pub mend: Option<String>,
}

/// What builds of that language need. Nothing is installed.
pub fn examine(language: Language) -> Vec<Tool> {
    match language {
        Language::Rust => rust::examine(),
        Language::Python => python::examine(),
        Language::Typescript => typescript::examine(),
    }
}

/// Folders that are made on the way, in every language.
pub const MADE: [&str; 5] = ["__pycache__", "build", "dist", "node_modules", "target"];
/// Beside them what no component is made of.
const NO_SOURCES: [&str; 2] = ["cases", "venv"];
const NO_SOURCE_ENDS: [&str; 3] = ["md", "wasm", "xml"];

/// As projects are called in all their languages: what is made of one has that name.
pub fn is_name(name: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.len() <= NAME_BYTES_MAX
        && name.chars().all(is_part)
}

const NAME_BYTES_MAX: usize = 64;

/// What a component is made of.
struct Sources {
    /// The project's name.
    package: String,
    /// By what it is built, for people and for the digest.
    about: String,
    /// Every file of this machine's that goes into it.
    inputs: BTreeSet<PathBuf>,
}

/// The project of an adapter, once it is known what this machine can do for it.
trait Adapter {
    fn sources(&self) -> &Sources;
    /// Builds it; what is made on the way goes below `target_dir`.
    fn component(&self, target_dir: &Path) -> Result<Vec<u8>, ToolchainError>;
}

/// Builds the adapter in `dir` and returns the path of its component. One that is unchanged since it was built is not
/// built again. `say` is told which way is taken.
///
/// # Errors
///
/// What is missing on this machine, or what the compiler found.
pub fn build_adapter(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, ToolchainError> {
    let dir = fs::canonicalize(dir).map_err(cannot("find", dir))?;
    let language = Language::of(&dir)?;
    let target_dir = target_dir(&dir)?;
    let components = target_dir.join("components");
    fs::create_dir_all(&components).map_err(cannot("make", &components))?;
    let _lock = lock(&target_dir, say)?;
    let adapter: Box<dyn Adapter> = match language {
        Language::Rust => Box::new(rust::AdapterCrate::read(&dir, say)?),
        Language::Python => Box::new(python::Project::read(&dir, say)?),
        Language::Typescript => Box::new(typescript::Project::read(&dir, say)?),
    };
    let Sources { package, about, inputs } = adapter.sources();
    if !is_name(package) {
        let path = dir.join(language.manifest()).display().to_string();
        let why =
            format!("`{package}` is no name: letters, digits, `-`, `_` and `.`, at most {NAME_BYTES_MAX}");
        return Err(ToolchainError::Project { path, why });
    }
    loop {
        let digested = digest(inputs, about)?;
        let component = components.join(format!("{package}-{digested}.wasm"));
        if component.is_file() {
            say(&format!("{package} is unchanged"));
            return Ok(component);
        }
        say(&format!("building {package} with {about}"));
        let built = adapter.component(&target_dir)?;
        // Whoever saved meanwhile may have had either built.
        if digest(inputs, about)? == digested {
            write_whole(&component, &built)?;
            return Ok(component);
        }
        say("its sources changed meanwhile");
    }
}

/// One build at a time, whoever asks: the second finds the work of the first.
fn lock(target_dir: &Path, say: &mut dyn FnMut(&str)) -> Result<File, ToolchainError> {
    let path = target_dir.join(".lock");
    let lock = File::create(&path).map_err(cannot("make", &path))?;
    if lock.try_lock().is_err() {
        say("waiting for another build");
        lock.lock().map_err(cannot("lock", &path))?;
    }
    Ok(lock)
}

fn add_files(dir: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let is_made = MADE.iter().chain(&NO_SOURCES).any(|made| name == *made);
        if is_made || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            add_files(&path, files)?;
        } else if !path
            .extension()
            .is_some_and(|extension| NO_SOURCE_ENDS.iter().any(|end| extension == *end))
        {
            files.insert(path);
        }
    }
    Ok(())
}

/// Sixteen hexadecimal digits of all that a component is made of.
fn digest(inputs: &BTreeSet<PathBuf>, toolchain: &str) -> Result<String, ToolchainError> {
    let mut sha256 = Sha256::new();
    // Modules become components by this program.
    sha256.update(env!("CARGO_PKG_VERSION"));
    sha256.update(toolchain);
    for path in inputs {
        let content = fs::read(path).map_err(cannot("read", path))?;
        sha256.update(path.as_os_str().as_encoded_bytes());
        sha256.update(content.len().to_le_bytes());
        sha256.update(content);
    }
    let mut digest = format!("{:x}", sha256.finalize());
    digest.truncate(16);
    Ok(digest)
}

/// Guests have a target folder of their own, which they share: the host's builds and theirs must
/// not wait for each other, and what guests have in common is compiled once.
fn target_dir(crate_dir: &Path) -> Result<PathBuf, ToolchainError> {
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => std::path::absolute(&dir).map_err(cannot("find", Path::new(&dir)))?,
        None => workspace_root(crate_dir).join("target"),
    };
    Ok(target.join("adapters"))
}

fn workspace_root(crate_dir: &Path) -> &Path {
    let is_root = |dir: &&Path| {
        let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap_or_default();
        let manifest = manifest.parse::<toml::Table>();
        manifest.is_ok_and(|manifest| manifest.contains_key("workspace"))
    };
    crate_dir.ancestors().find(is_root).unwrap_or(crate_dir)
}

/// Under its name stands a whole file or none.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), ToolchainError> {
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, content)
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(cannot("write", path))
}

fn cannot(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> ToolchainError {
    let doing = format!("{verb} {}", path.display());
    move |source| ToolchainError::Io { doing, source }
}
