//! Makes a group ready to be served, at the start and at a reload alike: its target, and its adapter, which is loaded
//! within its limits, asked about its configuration, and held against the golden cases that lie beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cases::{folder_beside, hold_beside};
use crate::config::{GroupSettings, Problem};
use crate::domain::{Digest, Group};
use crate::explain::Code;
use crate::outbound::Target;
use crate::ports::World;
use crate::secret::{Screen, Vault};
use crate::wasm::{Adapter, COMPONENT_BYTES_MAX, Sandbox, Serving, Shelf};

/// Where the groups' parts are made ready.
#[derive(Clone)]
pub struct Workshop {
    pub sandbox: Sandbox,
    pub world: Arc<dyn World>,
    /// What nobody may say of the configuration; tokens that are granted are kept in it.
    pub secrets: Vault,
    /// Where components that serve are kept, and groups are pinned to one; `None`: nothing is to serve here.
    pub kept: Option<Shelf>,
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

    /// The component to which a person has pinned a group.
    pub fn pinned(&self, group: &Group) -> Option<Digest> {
        self.kept.as_ref()?.pinned(group)
    }

    /// The file from which a group is to be served: that of its section, unless it is pinned to another one.
    pub fn file_of(&self, group: &GroupSettings) -> PathBuf {
        let pinned =
            self.kept.as_ref().and_then(|kept| Some(kept.place(group.group(), &kept.pinned(group.group())?)));
        pinned.unwrap_or_else(|| group.adapter.clone())
    }

    /// The adapter of a group, from that file.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub async fn adapter(&self, group: &GroupSettings) -> Result<Serving, Vec<Problem>> {
        let file = self.file_of(group);
        let adapter = self.sandbox.load_within(&file, group.limits).await.map_err(|error| {
            let unpin =
                || format!("it is pinned to that: punchdown adapter pin --group {} --off", group.group());
            let help = (file != group.adapter).then(unpin);
            vec![Problem { help, ..problem(group, error.code(), "adapter", error.to_string()) }]
        })?;
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
        let cases = self.cases(group, &file, &adapter).await?;
        let notify_at = group.notify.as_ref().and_then(|notify| notify.at.clone());
        let version = &adapter.description().version;
        tracing::info!(group = %group.group(), adapter = name, version, digest = %adapter.digest(), cases, "adapter loaded");
        Ok(Serving { adapter, config: group.config.clone(), notify_at, limits: group.limits })
    }

    /// How many golden cases it holds. One that has served the group already is only warned of: the cases are
    /// those of another one by now, and nobody would be there to serve.
    async fn cases(
        &self,
        group: &GroupSettings,
        file: &Path,
        adapter: &Adapter,
    ) -> Result<usize, Vec<Problem>> {
        let has_served = self.kept.as_ref().is_some_and(|kept| kept.has(group.group(), adapter.digest()));
        let found = match hold_beside(adapter, file).await {
            Ok(cases) => return Ok(cases),
            Err(found) => found,
        };
        let screen = Screen::new(self.secrets.clone(), &adapter.description().secret_fields);
        let found = found.iter().map(|why| screen.line(why));
        if has_served {
            let (group, code) = (group.group(), Code::CasesMovedOn.number());
            found.for_each(
                |why| tracing::warn!(%group, code, why, "what has served before serves all the same"),
            );
            return Ok(0);
        }
        let help = format!("punchdown adapter test {} {}", file.display(), folder_beside(file).display());
        let found = found.map(|why| problem(group, Code::CaseDiffers, "adapter", why));
        Err(found.map(|problem| Problem { help: Some(help.clone()), ..problem }).collect())
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
