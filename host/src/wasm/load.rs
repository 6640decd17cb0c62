//! File → digest → component → contract → `describe` answered: each stage has its own failure,
//! and a component that fails one is not there at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::Component;

use super::bindings::AdapterPre;
use super::contract::{self, Surface};
use super::guest::Guest;
use super::{Adapter, Limits, NotCompiled, Sandbox};
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
    #[error("{path}: {why}")]
    NotCompiled { path: PathBuf, why: NotCompiled },
    #[error("{path} cannot describe itself: {}", .trouble.message)]
    Silent { path: PathBuf, trouble: Trouble },
}

impl LoadError {
    pub const fn code(&self) -> Code {
        match self {
            Self::Unreadable { .. } => Code::AdapterUnreadable,
            Self::NoComponent { .. } => Code::NoComponent,
            Self::OtherContract { .. } => Code::OtherContract,
            Self::NotCompiled { why: NotCompiled::NotStarted(_), .. } => Code::Machine,
            Self::NotCompiled { .. } => Code::TooMuchToCompile,
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
        let bytes = Arc::new(read(path).await?);
        let (of, place) = (Arc::clone(&bytes), path.to_owned());
        let (digest, not_asked) = off_thread(path, move || Ok((Digest::of(&of), fits(&place, &of)?))).await?;
        let component = self.compiled(path, bytes, &digest).await?;
        let (sandbox, place) = (self.clone(), path.to_owned());
        let pre = off_thread(path, move || sandbox.linked(&place, &component)).await?;
        if !not_asked.is_empty() {
            let interfaces = not_asked.join(", ");
            tracing::warn!(adapter = %path.display(), "this host does not know {interfaces}, and asks nothing there");
        }
        Adapter::introduce(self.clone(), pre, not_asked, digest, limits)
            .await
            .map_err(|trouble| LoadError::Silent { path: path.to_owned(), trouble })
    }

    async fn compiled(
        &self,
        path: &Path,
        bytes: Arc<Vec<u8>>,
        digest: &Digest,
    ) -> Result<Component, LoadError> {
        let began = Instant::now();
        let compiled = match &self.apart {
            Some(apart) => apart.component(&self.engine, &bytes, digest).await,
            None => {
                let engine = self.engine.clone();
                let compile = move || Ok(Component::new(&engine, bytes.as_slice()));
                off_thread(path, compile).await?.map_err(|error| NotCompiled::Refused(chain(&error)))
            }
        };
        self.measured.compiled(began.elapsed());
        compiled.map_err(|why| match why {
            NotCompiled::Refused(_) => other(path, why.to_string()),
            why => LoadError::NotCompiled { path: path.to_owned(), why },
        })
    }

    fn linked(&self, path: &Path, component: &Component) -> Result<AdapterPre<Guest>, LoadError> {
        let pre = self.linker.instantiate_pre(component).map_err(|error| {
            other(path, format!("the host does not offer what it imports: {}", chain(&error)))
        })?;
        AdapterPre::new(pre).map_err(|error| other(path, chain(&error)))
    }
}

/// Holds it against the contract. Gives the interfaces of the contract's package that this host does not know.
fn fits(path: &Path, bytes: &[u8]) -> Result<Vec<String>, LoadError> {
    contract::check(bytes).map_err(|mismatch| match mismatch {
        contract::Mismatch::NoComponent(why) => LoadError::NoComponent { path: path.to_owned(), why },
        contract::Mismatch::Differs(why) => other(path, why),
    })
}

fn other(path: &Path, why: String) -> LoadError {
    LoadError::OtherContract { path: path.to_owned(), why }
}

/// What computes for long is done where nobody waits for the thread.
async fn off_thread<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| LoadError::NoComponent {
        path: path.to_owned(),
        why: how_it_ended(&error).to_owned(),
    })?
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

pub(super) fn chain(error: &wasmtime::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
