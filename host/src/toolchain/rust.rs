//! Adapters in Rust. What a machine has decides the way: a Rust with a wasm32 standard library; one to which rustup may
//! add it; or Debian's packages, which build that library from its sources.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde::Deserialize;

use super::command::{command, output};
use super::component::component_from_module;
use super::{Adapter, Language, Sources, Tool, ToolchainError, add_files, cannot, workspace_root};

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];
const DEBIAN_LINKER: &str = "wasm-ld-22";

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

    /// What is newly made has chosen no versions yet.
    fn metadata(&self, dir: &Path) -> Command {
        let mut question = self.cargo(dir);
        question.args(["metadata", "--format-version", "1", "--filter-platform", TARGET]);
        if workspace_root(dir).join("Cargo.lock").is_file() {
            question.arg("--locked");
        }
        question
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

pub fn examine() -> Vec<Tool> {
    let here = Path::new(".");
    let rustc = output(command("rustc", here).arg("--version")).ok();
    let may_ask_rustup = rustup_may_add() && output(command("rustup", here).arg("--version")).is_ok();
    let way = match () {
        () if has_target_library(here) => Some(format!("{TARGET} of that compiler")),
        () if may_ask_rustup => Some("added by rustup at the first build".to_owned()),
        () if has_debian_packages(here) => Some(DEBIAN_PACKAGES.join(", ")),
        () if may_install() => Some("installed by the first build".to_owned()),
        () => None,
    };
    // Debian's packages bring a compiler of their own.
    let no_rust = rustc.is_none() && !has_debian_packages(here) && !may_install();
    let no_rust = no_rust.then(|| "install Rust: https://rustup.rs".to_owned());
    let mend = way.is_none().then(|| missing().to_string());
    vec![
        Tool { name: "rustc", found: rustc.map(|version| version.trim().to_owned()), mend: no_rust },
        Tool { name: "library for WebAssembly", found: way, mend },
    ]
}

fn missing() -> ToolchainError {
    let packages = DEBIAN_PACKAGES.join(" ");
    ToolchainError::Missing(format!(
        "no Rust here builds for {TARGET}: run `rustup target add {TARGET}` or, as root on Debian, \
         `apt-get update && apt-get install --no-install-recommends {packages}`"
    ))
}

fn has_target_library(dir: &Path) -> bool {
    let question = ["--print", "target-libdir", "--target", TARGET];
    output(command("rustc", dir).args(question)).is_ok_and(|library| Path::new(library.trim()).is_dir())
}

/// Not where the machine's owner does not want rustup to fetch anything, as the variable says.
fn rustup_may_add() -> bool {
    env::var_os("RUSTUP_AUTO_INSTALL").is_none_or(|allowed| allowed != "0")
}

fn rustup_adds_it(dir: &Path, say: &mut dyn FnMut(&str)) -> bool {
    if !rustup_may_add() {
        return false;
    }
    say(&format!("adding {TARGET} by rustup"));
    if let Err(error) = output(command("rustup", dir).args(["target", "add", TARGET])) {
        say(&error.to_string());
    }
    has_target_library(dir)
}

/// As root, on Debian.
fn may_install() -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    is_root && Path::new("/etc/debian_version").exists()
}

fn has_debian_packages(dir: &Path) -> bool {
    let mut query = command("dpkg-query", dir);
    query.args(["--show", "--showformat=${db:Status-Status}\n"]);
    let statuses = output(query.args(DEBIAN_PACKAGES));
    statuses.is_ok_and(|statuses| statuses.lines().all(|status| status == "installed"))
}

fn have_debian_packages(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<(), ToolchainError> {
    if has_debian_packages(dir) {
        return Ok(());
    }
    if !may_install() {
        return Err(missing());
    }
    let packages = DEBIAN_PACKAGES.join(", ");
    say(&format!("installing Debian's {packages}"));
    output(command("apt-get", dir).arg("update"))?;
    let mut install = command("apt-get", dir);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install.args(["install", "-y", "--no-install-recommends"]);
    output(install.args(DEBIAN_PACKAGES)).map(drop)
}

/// A crate that makes a module.
pub struct AdapterCrate {
    dir: PathBuf,
    toolchain: Toolchain,
    module: String,
    sources: Sources,
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
    pub fn read(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<Self, ToolchainError> {
        let toolchain = Toolchain::find(dir, say)?;
        let metadata: Metadata = serde_json::from_str(&output(&mut toolchain.metadata(dir))?)?;
        let no_module = || ToolchainError::Project {
            path: dir.join(Language::Rust.manifest()).display().to_string(),
            why: "it makes no module: give it `[lib] crate-type = [\"cdylib\"]`".to_owned(),
        };
        let package = metadata.package_in(dir).ok_or_else(no_module)?;
        let is_module = |target: &&Target| target.crate_types.iter().any(|kind| kind == "cdylib");
        let mut targets = package.targets.iter();
        let library = targets.find(is_module).ok_or_else(no_module)?;
        let module = format!("{}.wasm", library.name.replace('-', "_"));
        let (package, about) = (package.name.clone(), toolchain.about.clone());
        let sources = Sources { package, about, inputs: metadata.inputs(dir)? };
        Ok(Self { dir: dir.to_owned(), toolchain, module, sources })
    }
}

impl Adapter for AdapterCrate {
    fn sources(&self) -> &Sources {
        &self.sources
    }

    fn component(&self, target_dir: &Path) -> Result<Vec<u8>, ToolchainError> {
        output(&mut self.toolchain.build(&self.sources.package, &self.dir, target_dir))?;
        let module = target_dir.join(TARGET).join("adapter").join(&self.module);
        component_from_module(&fs::read(&module).map_err(cannot("read", &module))?)
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
