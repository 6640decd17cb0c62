//! Makes a group ready to be served, at the start and at a reload alike: its target, and its adapter, which is loaded
//! within its limits and asked about its configuration.

use std::path::Path;
use std::sync::Arc;

use crate::config::{GroupSettings, Problem};
use crate::domain::Digest;
use crate::explain::Code;
use crate::outbound::Target;
use crate::ports::World;
use crate::secret::Vault;
use crate::wasm::{Adapter, COMPONENT_BYTES_MAX, Sandbox, Serving};

/// Where the groups' parts are made ready.
#[derive(Clone)]
pub struct Workshop {
    pub sandbox: Sandbox,
    pub world: Arc<dyn World>,
    /// What nobody may say of the configuration; tokens that are granted are kept in it.
    pub secrets: Vault,
}

impl Workshop {
    /// The target of a group. Nothing is sent yet.
    ///
    /// # Errors
    /// When TLS cannot be set up as the target wants it.
    pub fn target(&self, group: &GroupSettings) -> Result<Target, Problem> {
        Target::new(group.target.clone(), &self.world, &self.secrets).map_err(|why| {
            let message = format!("the target of group {} cannot be used: {why}", group.group());
            problem(group, Code::TargetUnusable, "target", message)
        })
    }

    /// The adapter of a group.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub async fn adapter(&self, group: &GroupSettings) -> Result<Serving, Vec<Problem>> {
        let adapter = self
            .sandbox
            .load_within(&group.adapter, group.limits)
            .await
            .map_err(|error| vec![problem(group, error.code(), "adapter", error.to_string())])?;
        let refused = adapter
            .check_config(&group.config)
            .await
            .map_err(|trouble| vec![problem(group, Code::AdapterStopped, "config", trouble.message)])?;
        let name = &adapter.description().name;
        let refused = refused.into_iter().map(|refused| {
            let key = format!("config{}", refused.at.replace('/', "."));
            let message = format!("adapter {name} says: {}", self.secrets.strike(&refused.message));
            problem(group, Code::AdapterConfig, &key, message)
        });
        let found: Vec<Problem> = refused.chain(lacks(group, &adapter)).collect();
        if !found.is_empty() {
            return Err(found);
        }
        let notify_at = group.notify.as_ref().and_then(|notify| notify.at.clone());
        let version = &adapter.description().version;
        tracing::info!(group = %group.group(), adapter = name, version, digest = %adapter.digest(), "adapter loaded");
        Ok(Serving { adapter, config: group.config.clone(), notify_at, limits: group.limits })
    }
}

/// What the adapter needs of its group's section and does not find there, or the section of the adapter.
pub fn lacks(group: &GroupSettings, adapter: &Adapter) -> Vec<Problem> {
    let description = adapter.description();
    let name = &description.name;
    let missing = description.secrets.iter().filter(|secret| !group.target.secrets.contains_key(*secret));
    let mut found: Vec<Problem> = missing
        .map(|secret| {
            let message = format!("adapter {name} needs the secret `{secret}`");
            problem(group, Code::AdapterSecret, &format!("secrets.{secret}"), message)
        })
        .collect();
    if group.engine.registers && !adapter.registers() {
        let message =
            format!("adapter {name} has no interface `registration`: it cannot register with its system");
        found.push(problem(group, Code::AdapterConfig, "notify.register", message));
    }
    found
}

fn problem(group: &GroupSettings, code: Code, key: &str, message: String) -> Problem {
    let key = format!("groups.{}.{key}", group.group());
    Problem { place: group.place, key, message, help: None, code }
}

/// What a file holds; `None`: it cannot be read. One that is too large for a component is not read: when it was written
/// tells it from another.
pub async fn digest_of(file: &Path) -> Option<Digest> {
    let about = tokio::fs::metadata(file).await.ok().filter(std::fs::Metadata::is_file)?;
    if about.len() > COMPONENT_BYTES_MAX {
        return Some(Digest::of(format!("{} bytes, {:?}", about.len(), about.modified().ok()).as_bytes()));
    }
    tokio::fs::read(file).await.ok().map(|bytes| Digest::of(&bytes))
}
