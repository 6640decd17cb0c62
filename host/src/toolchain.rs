//! Builds an adapter crate into a component, at run time.
//!
//! Never from a build script: a cargo inside one waits for the lock of the cargo outside. What a
//! machine has decides the way: a Rust with a wasm32 standard library; one to which rustup may add
//! it; or Debian's packages, which build that library from its sources. Nothing here loads a
//! component or judges what it does.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];
const DEBIAN_LINKER: &str = "wasm-ld-22";
/// As much of a failed command's output as an error shows.
const TAIL_LINES: usize = 40;

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    #[error(
        "no Rust here builds for {TARGET}: run `rustup target add {TARGET}` or, as root on Debian, \
         `apt-get update && apt-get install --no-install-recommends {}`",
        DEBIAN_PACKAGES.join(" ")
    )]
    NoToolchain,
    #[error("`{command}` failed; mend what it says:\n{tail}")]
    Failed { command: String, tail: String },
    #[error("cannot {doing}")]
    Io { doing: String, source: io::Error },
    #[error("cannot read what cargo says of the crate")]
    Metadata(#[from] serde_json::Error),
    #[error("{0} makes no module: give it `[lib] crate-type = [\"cdylib\"]`")]
    NoModule(String),
    #[error("the module makes no component: build it against `wit/adapter.wit`")]
    Module(#[source] Cause),
    #[error("the contract is not good WIT: mend its text")]
    Contract(#[source] Cause),
}

type Cause = Box<dyn Error + Send + Sync>;

/// Builds the adapter crate in `crate_dir` and returns the path of its component. One that is
/// unchanged since it was built is not built again. `say` is told which way is taken.
///
/// # Errors
///
/// What is missing on this machine, or what the compiler found.
pub fn build_adapter(crate_dir: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, ToolchainError> {
    let crate_dir = fs::canonicalize(crate_dir).map_err(cannot("find", crate_dir))?;
    let target_dir = target_dir(&crate_dir)?;
    let components = target_dir.join("components");
    fs::create_dir_all(&components).map_err(cannot("make", &components))?;
    // One build at a time, whoever asks: the second finds the work of the first.
    let lock_path = target_dir.join(".lock");
    let lock = File::create(&lock_path).map_err(cannot("make", &lock_path))?;
    if lock.try_lock().is_err() {
        say("waiting for another build");
        lock.lock().map_err(cannot("lock", &lock_path))?;
    }

    let toolchain = Toolchain::find(&crate_dir, say)?;
    let adapter = AdapterCrate::read(&crate_dir, &toolchain)?;
    let package = &adapter.package;
    let digest = digest(&adapter.inputs, &toolchain.about)?;
    let component = components.join(format!("{package}-{digest}.wasm"));
    if component.is_file() {
        say(&format!("{package} is unchanged"));
        return Ok(component);
    }
    say(&format!("building {package} with {}", toolchain.about));
    output(&mut toolchain.build(package, &crate_dir, &target_dir))?;
    let module = target_dir.join(TARGET).join("adapter").join(&adapter.module);
    let module = fs::read(&module).map_err(cannot("read", &module))?;
    write_whole(&component, &component_from_module(&module)?)?;
    Ok(component)
}

/// Turns a core module that carries its contract into a component.
///
/// # Errors
///
/// When it does not keep it. One that carries none makes a component without exports.
pub fn component_from_module(module: &[u8]) -> Result<Vec<u8>, ToolchainError> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| ToolchainError::Module(error.into()))
}

/// Puts the contract into a core module that was written by hand, as [`component_from_module`]
/// wants it: the last world of `wit_text`.
///
/// # Errors
///
/// When the text is no WIT, or has no world.
pub fn embed_contract(mut core_module: Vec<u8>, wit_text: &str) -> Result<Vec<u8>, ToolchainError> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("adapter.wit", wit_text);
    let package = package.map_err(|error| ToolchainError::Contract(error.into()))?;
    let world = resolve.packages[package].worlds.values().last();
    let world = *world.ok_or_else(|| ToolchainError::Contract("it has no world".into()))?;
    let encoding = StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut core_module, &resolve, world, encoding)
        .map_err(|error| ToolchainError::Module(error.into()))?;
    Ok(core_module)
}

/// A Rust that builds for [`TARGET`].
struct Toolchain {
    /// Debian's, whatever stands first in the path; it builds the standard library too.
    debian: bool,
    /// Which one, for people and for the digest.
    about: String,
}

impl Toolchain {
    fn find(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<Self, ToolchainError> {
        if has_target_library(dir) || rustup_adds_it(dir, say) {
            let about = output(command("rustc", dir).arg("--version"))?.trim().to_owned();
            return Ok(Self { debian: false, about });
        }
        have_debian_packages(dir, say)?;
        let version = output(command("/usr/bin/rustc", dir).arg("--version"))?;
        let about = format!("Debian's {} and its sources", version.trim());
        Ok(Self { debian: true, about })
    }

    fn cargo(&self, dir: &Path) -> Command {
        if !self.debian {
            return command("cargo", dir);
        }
        let mut cargo = command("/usr/bin/cargo", dir);
        cargo.env("RUSTC", "/usr/bin/rustc");
        cargo
    }

    fn build(&self, package: &str, dir: &Path, target_dir: &Path) -> Command {
        let mut cargo = self.cargo(dir);
        cargo.args(["build", "--locked", "--profile", "adapter"]);
        cargo.args(["--package", package, "--lib", "--target", TARGET]);
        cargo.env("CARGO_TARGET_DIR", target_dir);
        if self.debian {
            // A stable compiler builds its own library only when told that it may.
            cargo.args(["-Z", "build-std=std,panic_abort"]);
            cargo.env("RUSTC_BOOTSTRAP", "1");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER);
        }
        cargo
    }
}

fn has_target_library(dir: &Path) -> bool {
    let question = ["--print", "target-libdir", "--target", TARGET];
    output(command("rustc", dir).args(question)).is_ok_and(|library| Path::new(library.trim()).is_dir())
}

/// Not where the machine's owner does not want rustup to fetch anything, as the variable says.
fn rustup_adds_it(dir: &Path, say: &mut dyn FnMut(&str)) -> bool {
    if env::var_os("RUSTUP_AUTO_INSTALL").is_some_and(|allowed| allowed == "0") {
        return false;
    }
    say(&format!("adding {TARGET} by rustup"));
    if let Err(error) = output(command("rustup", dir).args(["target", "add", TARGET])) {
        say(&error.to_string());
    }
    has_target_library(dir)
}

fn have_debian_packages(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<(), ToolchainError> {
    let mut query = command("dpkg-query", dir);
    query.args(["--show", "--showformat=${db:Status-Status}\n"]);
    let statuses = output(query.args(DEBIAN_PACKAGES));
    if statuses.is_ok_and(|statuses| statuses.lines().all(|status| status == "installed")) {
        return Ok(());
    }
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root || !Path::new("/etc/debian_version").exists() {
        return Err(ToolchainError::NoToolchain);
    }
    let packages = DEBIAN_PACKAGES.join(", ");
    say(&format!("installing Debian's {packages}"));
    output(command("apt-get", dir).arg("update"))?;
    let mut install = command("apt-get", dir);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install.args(["install", "-y", "--no-install-recommends"]);
    output(install.args(DEBIAN_PACKAGES)).map(drop)
}

/// A crate, and every file of this machine's that its module is made of.
struct AdapterCrate {
    package: String,
    module: String,
    inputs: BTreeSet<PathBuf>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Dependency {
    /// Of a dependency that is no published package.
    path: Option<PathBuf>,
}

impl AdapterCrate {
    fn read(dir: &Path, toolchain: &Toolchain) -> Result<Self, ToolchainError> {
        let mut question = toolchain.cargo(dir);
        question.args(["metadata", "--locked", "--format-version", "1"]);
        question.args(["--filter-platform", TARGET]);
        let metadata: Metadata = serde_json::from_str(&output(&mut question)?)?;
        let no_module = || ToolchainError::NoModule(dir.display().to_string());
        let package = metadata.package_in(dir).ok_or_else(no_module)?;
        let is_module = |target: &&Target| target.crate_types.iter().any(|kind| kind == "cdylib");
        let mut targets = package.targets.iter();
        let library = targets.find(is_module).ok_or_else(no_module)?;
        Ok(Self {
            package: package.name.clone(),
            module: format!("{}.wasm", library.name.replace('-', "_")),
            inputs: metadata.inputs(dir)?,
        })
    }
}

impl Metadata {
    fn package_in(&self, dir: &Path) -> Option<&Package> {
        let mut packages = self.packages.iter();
        packages.find(|package| package.manifest_path.parent() == Some(dir))
    }

    /// The files of the crate, of the crates that it takes by path, of the contracts above them,
    /// and the workspace's own words.
    fn inputs(&self, crate_dir: &Path) -> Result<BTreeSet<PathBuf>, ToolchainError> {
        let mut dirs = BTreeSet::new();
        let mut ahead = vec![crate_dir];
        while let Some(dir) = ahead.pop() {
            if dirs.insert(dir.to_owned()) {
                let package = self.package_in(dir);
                let needs = package.map_or(&[][..], |package| &package.dependencies);
                ahead.extend(needs.iter().filter_map(|need| need.path.as_deref()));
                let mut contracts = dir.ancestors().map(|above| above.join("wit"));
                dirs.extend(contracts.find(|contract| contract.is_dir()));
            }
        }
        let words = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"];
        let words = words.map(|name| self.workspace_root.join(name));
        let mut files: BTreeSet<_> = words.into_iter().filter(|path| path.is_file()).collect();
        for dir in dirs {
            add_files(&dir, &mut files).map_err(cannot("read", &dir))?;
        }
        Ok(files)
    }
}

fn add_files(dir: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if name == "target" || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            add_files(&path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}

/// Sixteen hexadecimal digits of all that a component is made of.
fn digest(inputs: &BTreeSet<PathBuf>, toolchain: &str) -> Result<String, ToolchainError> {
    let mut sha256 = Sha256::new();
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

/// A command that does not know what a cargo around us told us.
fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_cargo = text.starts_with("CARGO_") && text != "CARGO_HOME";
        let of_rustc = text.starts_with("RUSTC") || text == "RUSTFLAGS" || text == "RUSTDOCFLAGS";
        if of_cargo || of_rustc {
            command.env_remove(&name);
        }
    }
    command
}

/// What a command writes to its standard output.
fn output(command: &mut Command) -> Result<String, ToolchainError> {
    let program = Path::new(command.get_program()).to_owned();
    let output = command.output().map_err(cannot("run", &program))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(said.into_owned());
    }
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let command: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let said = said + String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    Err(ToolchainError::Failed { command: command.join(" "), tail })
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

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";
    const CONTRACT: &str = include_str!("../../wit/adapter.wit");

    #[test]
    fn a_module_that_exports_nothing_is_no_adapter() {
        let module = embed_contract(EMPTY_MODULE.to_vec(), CONTRACT).expect("the contract fits in");
        let refused = component_from_module(&module);
        assert!(matches!(refused, Err(ToolchainError::Module(_))), "{refused:?}");
    }

    #[test]
    fn a_module_written_by_hand_becomes_a_component() {
        let contract = "package punchdown:adapter@0.9.0; world nothing {}";
        let module = embed_contract(EMPTY_MODULE.to_vec(), contract).expect("the contract fits in");
        assert!(component_from_module(&module).is_ok());
    }

    #[test]
    fn a_contract_must_have_a_world() {
        for text in ["package punchdown:adapter@0.9.0;", "world"] {
            let refused = embed_contract(EMPTY_MODULE.to_vec(), text);
            assert!(matches!(refused, Err(ToolchainError::Contract(_))), "{refused:?}");
        }
    }
}
