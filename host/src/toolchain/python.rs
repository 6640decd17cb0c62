//! Adapters in Python: componentize-py, in an environment of its own that is made once, puts them together with an
//! interpreter.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{env, io};

use serde::Deserialize;

use super::command::{command, output};
use super::{Adapter, Language, Sources, Tool, ToolchainError, add_files, cannot};

/// The oldest Python that its tools run on.
const PYTHON_MIN: (u32, u32) = (3, 10);
const TOOL: &str = "componentize-py";
const VERSION: &str = "0.25.1";
/// The author's module.
const MODULE: &str = "adapter";
const OPTIONAL: [&str; 2] = ["session", "registration"];
/// What of a project is not its own source.
const NOT_ITS_OWN: [&str; 4] = ["sdk", "tests", "cases", "wit"];

pub struct Project {
    dir: PathBuf,
    sources: Sources,
    interfaces: Vec<String>,
    tool: PathBuf,
}

#[derive(Deserialize)]
struct Manifest {
    project: Named,
    #[serde(default)]
    tool: Tools,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Default, Deserialize)]
struct Tools {
    #[serde(default)]
    punchdown: Interfaces,
}

#[derive(Default, Deserialize)]
struct Interfaces {
    #[serde(default)]
    interfaces: Vec<String>,
}

impl Project {
    pub fn read(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<Self, ToolchainError> {
        let path = dir.join(Language::Python.manifest());
        let wrong = |why: String| ToolchainError::Project { path: path.display().to_string(), why };
        let text = fs::read_to_string(&path).map_err(cannot("read", &path))?;
        let manifest: Manifest = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let interfaces = manifest.tool.punchdown.interfaces;
        if let Some(unknown) = interfaces.iter().find(|name| !OPTIONAL.contains(&name.as_str())) {
            return Err(wrong(format!("`{unknown}` is no optional interface: {}", OPTIONAL.join(", "))));
        }
        let python = python()?;
        let tool = have_tool(&python, say)?;
        let mut inputs = BTreeSet::new();
        add_files(dir, &mut inputs).map_err(cannot("read", dir))?;
        let about = format!("{TOOL} {VERSION} on Python {python}");
        let sources = Sources { package: manifest.project.name, about, inputs };
        Ok(Self { dir: dir.to_owned(), sources, interfaces, tool })
    }

    /// The author's own modules, away from whatever else stands in his folder.
    fn copy_sources(&self, to: &Path) -> io::Result<()> {
        for path in &self.sources.inputs {
            let place = path.strip_prefix(&self.dir).unwrap_or(path);
            let first = place.iter().next().unwrap_or_default();
            let is_source = path.extension().is_some_and(|extension| extension == "py");
            if is_source && !NOT_ITS_OWN.iter().any(|other| first == *other) {
                let copy = to.join(place);
                fs::create_dir_all(copy.parent().unwrap_or(to))?;
                fs::copy(path, copy)?;
            }
        }
        Ok(())
    }

    /// A world that has the adapter's interfaces, as the contract says it is to be written.
    fn world(&self) -> io::Result<String> {
        let contract = fs::read_to_string(self.dir.join("wit/adapter.wit"))?;
        let package = contract.lines().find_map(|line| line.strip_prefix("package ")?.strip_suffix(';'));
        let (name, version) = package.and_then(|package| package.split_once('@')).unwrap_or_default();
        let exports: String = self
            .interfaces
            .iter()
            .map(|interface| format!(" export {name}/{interface}@{version};"))
            .collect();
        Ok(format!(
            "package punchdown:project;\nworld project {{ include {name}/adapter@{version};{exports} }}\n"
        ))
    }
}

impl Adapter for Project {
    fn sources(&self) -> &Sources {
        &self.sources
    }

    fn component(&self, target_dir: &Path) -> Result<Vec<u8>, ToolchainError> {
        let build = target_dir.join("python").join(&self.sources.package);
        let (sources, world, made) = (build.join("app"), build.join("world.wit"), build.join("adapter.wasm"));
        match fs::remove_dir_all(&build) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(cannot("empty", &build)(error));
            }
            _ => {}
        }
        self.copy_sources(&sources).map_err(cannot("copy the sources to", &sources))?;
        self.world().and_then(|text| fs::write(&world, text)).map_err(cannot("write", &world))?;
        let mut make = command(&self.tool.to_string_lossy(), &self.dir);
        make.args(["-q", "-d", "wit", "-d"]).arg(&world);
        make.args(["-w", "punchdown:project/project", "componentize", MODULE]);
        make.arg("-p").arg(&sources).arg("-p").arg(self.dir.join("sdk/python")).arg("-o").arg(&made);
        output(&mut make)?;
        fs::read(&made).map_err(cannot("read", &made))
    }
}

/// Which Python is here.
fn python() -> Result<String, ToolchainError> {
    let (major_min, minor_min) = PYTHON_MIN;
    let missing = |what: String| {
        let how = "as root on Debian, `apt-get install --no-install-recommends python3 python3-venv`";
        let needs = format!("adapters in Python need Python {major_min}.{minor_min} or newer, with venv");
        ToolchainError::Missing(format!("{what}; {needs}: {how}"))
    };
    let version = output(command("python3", Path::new(".")).arg("--version"));
    let version = version.map_err(|_| missing("there is no `python3`".to_owned()))?;
    let version = version.trim().trim_start_matches("Python ").to_owned();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    if (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) < PYTHON_MIN {
        return Err(missing(format!("Python {version} is too old")));
    }
    let has_venv = output(command("python3", Path::new(".")).args(["-c", "import venv, ensurepip"]));
    has_venv.map_err(|_| missing("this Python has no `venv`".to_owned()))?;
    Ok(version)
}

/// Where tools of ours are kept, for all projects of this user. A folder that others may write is none.
fn tools_dir() -> Result<PathBuf, ToolchainError> {
    let of = |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let cache = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
    let cache = cache.ok_or_else(|| {
        ToolchainError::Missing("nobody says where tools may be kept: set HOME or XDG_CACHE_HOME".to_owned())
    })?;
    Ok(cache.join("punchdown/tools"))
}

/// An environment belongs to the Python that made it.
fn environment(tools: &Path, python: &str) -> PathBuf {
    let minor: Vec<_> = python.split('.').take(2).collect();
    tools.join(format!("{TOOL}-{VERSION}-python{}", minor.join(".")))
}

/// Installed once, whoever asks; the second waits for the first.
fn have_tool(python: &str, say: &mut dyn FnMut(&str)) -> Result<PathBuf, ToolchainError> {
    let tools = tools_dir()?;
    fs::create_dir_all(&tools).map_err(cannot("make", &tools))?;
    let lock_path = tools.join(".lock");
    let lock = File::create(&lock_path).map_err(cannot("make", &lock_path))?;
    lock.lock().map_err(cannot("lock", &lock_path))?;
    let environment = environment(&tools, python);
    let (tool, whole) = (environment.join("bin").join(TOOL), environment.join(".whole"));
    if whole.is_file() {
        return Ok(tool);
    }
    say(&format!("installing {TOOL} {VERSION} into {}", environment.display()));
    output(command("python3", &tools).args(["-m", "venv", "--clear"]).arg(&environment))?;
    let pip = environment.join("bin/pip");
    let mut install = command(&pip.to_string_lossy(), &tools);
    install.args(["install", "--quiet", "--disable-pip-version-check"]);
    output(install.arg(format!("{TOOL}=={VERSION}")))?;
    fs::write(&whole, "").map_err(cannot("write", &whole))?;
    Ok(tool)
}

pub fn examine() -> Vec<Tool> {
    let python = python();
    let there = python.as_ref().ok().zip(tools_dir().ok()).map(|(python, tools)| environment(&tools, python));
    let installed = match there.filter(|environment| environment.join(".whole").is_file()) {
        Some(environment) => format!("{VERSION}, in {}", environment.display()),
        None => "installed by the first build".to_owned(),
    };
    let (found, mend) = match python {
        Ok(version) => (Some(format!("Python {version}, with venv")), None),
        Err(missing) => (None, Some(missing.to_string())),
    };
    vec![Tool { name: "python3", found, mend }, Tool { name: TOOL, found: Some(installed), mend: None }]
}
