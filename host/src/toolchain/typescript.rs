//! Adapters in TypeScript: the script of their own SDK bundles and componentizes them, with what npm installs beside
//! them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::command::{command, output};
use super::{Adapter, Language, Sources, Tool, ToolchainError, add_files, cannot};

/// The oldest Node that its tools run on.
const NODE_MIN: u32 = 20;
const MAKES_COMPONENTS: &str = "componentize-qjs";
/// Where a project keeps the script that builds it.
const BUILD: &str = "sdk/typescript/build.mjs";

pub struct Project {
    dir: PathBuf,
    sources: Sources,
}

#[derive(Deserialize)]
struct Manifest {
    name: String,
    #[serde(default, rename = "devDependencies")]
    tools: std::collections::BTreeMap<String, String>,
}

impl Project {
    pub fn read(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<Self, ToolchainError> {
        let path = dir.join(Language::Typescript.manifest());
        let wrong = |why: String| ToolchainError::Project { path: path.display().to_string(), why };
        let text = fs::read_to_string(&path).map_err(cannot("read", &path))?;
        let manifest: Manifest = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let Some(version) = manifest.tools.get(MAKES_COMPONENTS) else {
            return Err(wrong(format!("`devDependencies` does not name `{MAKES_COMPONENTS}`")));
        };
        let node = node()?;
        have_modules(dir, &path, say)?;
        let mut inputs = BTreeSet::new();
        add_files(dir, &mut inputs).map_err(cannot("read", dir))?;
        let about = format!("{MAKES_COMPONENTS} {version} on Node {node}");
        // A scope has a slash, and a component's file has none.
        let package = manifest.name.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self { dir: dir.to_owned(), sources: Sources { package, about, inputs } })
    }
}

/// Installs what the manifest names, unless that was done since it was written.
fn have_modules(dir: &Path, manifest: &Path, say: &mut dyn FnMut(&str)) -> Result<(), ToolchainError> {
    let written = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let installed = written(&dir.join("node_modules/.package-lock.json"));
    if installed.is_some_and(|installed| written(manifest).is_some_and(|written| written <= installed)) {
        return Ok(());
    }
    say("installing its tools by npm");
    output(command("npm", dir).args(["install", "--no-audit", "--no-fund"])).map(drop)
}

/// Which Node is here.
fn node() -> Result<String, ToolchainError> {
    let missing = |what: String| {
        let how = "as root on Debian, `apt-get install --no-install-recommends nodejs npm`";
        ToolchainError::Missing(format!(
            "{what}; adapters in TypeScript need Node {NODE_MIN} or newer, with npm: {how}"
        ))
    };
    let version = output(command("node", Path::new(".")).arg("--version"));
    let version = version.map_err(|_| missing("there is no `node`".to_owned()))?;
    let version = version.trim().trim_start_matches('v').to_owned();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MIN) {
        return Err(missing(format!("Node {version} is too old")));
    }
    output(command("npm", Path::new(".")).arg("--version"))
        .map_err(|_| missing("there is no `npm`".to_owned()))?;
    Ok(version)
}

pub fn examine() -> Vec<Tool> {
    let (found, mend) = match node() {
        Ok(version) => (Some(format!("Node {version}, with npm")), None),
        Err(missing) => (None, Some(missing.to_string())),
    };
    let modules = Some("installed by the first build, in the project".to_owned());
    vec![Tool { name: "node, npm", found, mend }, Tool { name: MAKES_COMPONENTS, found: modules, mend: None }]
}

impl Adapter for Project {
    fn sources(&self) -> &Sources {
        &self.sources
    }

    fn component(&self, target_dir: &Path) -> Result<Vec<u8>, ToolchainError> {
        let made = target_dir.join("typescript").join(&self.sources.package).with_extension("wasm");
        output(command("node", &self.dir).args([BUILD, "--to"]).arg(&made))?;
        fs::read(&made).map_err(cannot("read", &made))
    }
}
