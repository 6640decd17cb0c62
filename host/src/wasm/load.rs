//! File → digest → component → contract → `describe` answered: each stage has its own failure,
//! and a component that fails one is not there at all.

use std::path::{Path, PathBuf};
use std::time::Instant;

use wasmtime::component::Component;

use super::bindings::AdapterPre;
use super::contract::{self, Surface};
use super::guest::Guest;
use super::{Adapter, Limits, Sandbox};
use crate::crash::how_it_ended;
use crate::domain::{Digest, Trouble};
use crate::explain::Code;

/// Larger files are no adapters: a Python component has 18 MB.
pub const COMPONENT_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read {path}: {why}")]
    Unreadable { path: PathBuf, why: String },
    #[error("{path} is no WebAssembly component: {why}")]
    NoComponent { path: PathBuf, why: String },
    #[error("{path} does not fit the contract: {why}")]
    OtherContract { path: PathBuf, why: String },
    #[error("{path} cannot describe itself: {}", .trouble.message)]
    Silent { path: PathBuf, trouble: Trouble },
}

impl LoadError {
    pub const fn code(&self) -> Code {
        match self {
            Self::Unreadable { .. } => Code::AdapterUnreadable,
            Self::NoComponent { .. } => Code::NoComponent,
            Self::OtherContract { .. } => Code::OtherContract,
            Self::Silent { .. } => Code::AdapterStopped,
        }
    }
}

impl Sandbox {
    /// Loads an adapter from a file, within the limits that are the default.
    ///
    /// # Errors
    /// Each says the file, the stage and what is wrong.
    pub async fn load(&self, path: &Path) -> Result<Adapter, LoadError> {
        self.load_within(path, Limits::default()).await
    }

    /// Loads an adapter that keeps these limits when it describes itself and checks a
    /// configuration, too.
    ///
    /// # Errors
    /// As [`Sandbox::load`].
    pub async fn load_within(&self, path: &Path, limits: Limits) -> Result<Adapter, LoadError> {
        let bytes = read(path).await?;
        let digest = Digest::of(&bytes);
        let sandbox = self.clone();
        let place = path.to_owned();
        let compiled = tokio::task::spawn_blocking(move || sandbox.compile(&place, &bytes)).await;
        let (pre, not_asked) = compiled.map_err(|error| LoadError::NoComponent {
            path: path.to_owned(),
            why: how_it_ended(&error).to_owned(),
        })??;
        if !not_asked.is_empty() {
            let interfaces = not_asked.join(", ");
            tracing::warn!(adapter = %path.display(), "this host does not know {interfaces}, and asks nothing there");
        }
        Adapter::introduce(self.clone(), pre, not_asked, digest, limits)
            .await
            .map_err(|trouble| LoadError::Silent { path: path.to_owned(), trouble })
    }

    /// Also gives the interfaces of the contract's package that this host does not know.
    fn compile(&self, path: &Path, bytes: &[u8]) -> Result<(AdapterPre<Guest>, Vec<String>), LoadError> {
        let other = |why| LoadError::OtherContract { path: path.to_owned(), why };
        let not_asked = contract::check(bytes).map_err(|mismatch| match mismatch {
            contract::Mismatch::NoComponent(why) => LoadError::NoComponent { path: path.to_owned(), why },
            contract::Mismatch::Differs(why) => other(why),
        })?;
        let began = Instant::now();
        let component = Component::new(&self.engine, bytes)
            .map_err(|error| other(format!("the host cannot run it: {}", chain(&error))))?;
        self.measured.compiled(began.elapsed());
        let pre = self
            .linker
            .instantiate_pre(&component)
            .map_err(|error| other(format!("the host does not offer what it imports: {}", chain(&error))))?;
        let pre = AdapterPre::new(pre).map_err(|error| other(chain(&error)))?;
        Ok((pre, not_asked))
    }
}

/// What a component imports and exports, whether it can be loaded or not.
///
/// # Errors
/// When the file cannot be read, or is no component.
pub async fn surface(path: &Path) -> Result<Surface, LoadError> {
    let bytes = read(path).await?;
    Surface::of_component(&bytes).map_err(|why| LoadError::NoComponent { path: path.to_owned(), why })
}

async fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |why: String| LoadError::Unreadable { path: path.to_owned(), why };
    let metadata = tokio::fs::metadata(path).await.map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unreadable("it is no file".to_owned()));
    }
    let size = metadata.len();
    if size > COMPONENT_BYTES_MAX {
        return Err(unreadable(format!(
            "it has {size} bytes, and no adapter has more than {COMPONENT_BYTES_MAX}"
        )));
    }
    tokio::fs::read(path).await.map_err(|error| unreadable(error.to_string()))
}

fn chain(error: &wasmtime::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
