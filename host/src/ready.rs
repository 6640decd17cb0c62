//! Makes a group ready to be served, at the start and at a reload alike: its target, and its adapter, which is loaded
//! within its limits, asked about its configuration, and held against the golden cases that lie beside it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::cases::{folder_beside, hold_in};
use crate::config::{GroupSettings, Problem};
use crate::domain::{Digest, Group};
use crate::explain::Code;
use crate::outbound::Target;
use crate::ports::World;
use crate::secret::{Screen, Vault};
use crate::store;
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
    /// Those that have served already are asked their cases one at a time: nobody waits for that.
    pub asked_later: Arc<Mutex<()>>,
}

/// Whence a group's component is to come.
#[derive(Clone, Debug)]
pub struct Source {
    pub file: PathBuf,
    pub by: By,
    /// The folder of the golden cases that it is to hold.
    pub cases: PathBuf,
}

/// Who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Its section.
    Section,
    /// Its section, and the other instances do not know of that one.
    News(Digest),
    /// A person.
    Pin(Digest),
    /// All instances, and another one lies in its place here.
    All { serves: Digest, passes_over: Option<Digest> },
}

impl By {
    /// Which one it must be.
    const fn wanted(&self) -> Option<&Digest> {
        match self {
            Self::Section | Self::News(_) => None,
            Self::Pin(digest) | Self::All { serves: digest, .. } => Some(digest),
        }
    }
}

impl Source {
    /// One that is kept.
    pub fn pinned(kept: &Shelf, group: &Group, digest: &Digest) -> Self {
        Self::kept(kept.place(group, digest), By::Pin(digest.clone()))
    }

    fn of_all(shelf: &Shelf, group: &GroupSettings, serves: Digest, passes_over: Option<Digest>) -> Self {
        Self::kept(shelf.place(group.group(), &serves), By::All { serves, passes_over })
    }

    fn kept(file: PathBuf, by: By) -> Self {
        Self { cases: folder_beside(&file), file, by }
    }

    fn of_section(group: &GroupSettings, by: By) -> Self {
        Self { file: group.adapter.clone(), by, cases: group.cases.clone() }
    }
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
    ///
    /// # Errors
    /// When somebody has, and it cannot be read to which.
    pub fn pinned(&self, group: &Group) -> io::Result<Option<Digest>> {
        self.kept.as_ref().map_or(Ok(None), |kept| kept.pinned(group))
    }

    /// Whence a group is to be served: from the file of its section, unless it is pinned to another one, or all instances
    /// serve it by another one and nothing new lies there. What is `wanted` counts as new.
    ///
    /// # Errors
    /// When it is pinned, and nobody can say to which: what lies in its place may be what it is to be spared.
    pub async fn source_of(&self, group: &GroupSettings, wanted: bool) -> Result<Source, Problem> {
        let pinned = self.pinned(group.group()).map_err(|error| {
            let mend = |group| format!("punchdown adapter pin --group {group} --off, and pin it again");
            let problem = problem(group, Code::AdapterUnreadable, "adapter", error.to_string());
            Problem { help: Some(mend(group.group())), ..problem }
        })?;
        let Some(kept) = &self.kept else { return Ok(Source::of_section(group, By::Section)) };
        if let Some(digest) = pinned {
            return Ok(Source::pinned(kept, group.group(), &digest));
        }
        if !kept.is_in_common() {
            return Ok(Source::of_section(group, By::Section));
        }
        let (there, agreed) = (digest_of(&group.adapter).await, kept.agreed(group.group()));
        Ok(match (there, agreed) {
            (there, Some(agreed)) if !wanted && (there == agreed.in_place || there.is_none()) => {
                match there.as_ref() == Some(&agreed.serves) {
                    true => Source::of_section(group, By::Section),
                    false => Source::of_all(kept, group, agreed.serves, there),
                }
            }
            (Some(there), _) => Source::of_section(group, By::News(there)),
            (None, _) => Source::of_section(group, By::Section),
        })
    }

    /// Whence it is served at all instances, as this one heard last; `None`: it has heard nothing.
    pub fn as_all_serve(&self, group: &GroupSettings) -> Option<Source> {
        let kept = self.kept.as_ref()?;
        let serves = kept.agreed(group.group())?.serves;
        Some(Source::of_all(kept, group, serves, None))
    }

    /// The files beside that of its section that say by what a group is served.
    pub fn files_beside(&self, group: &GroupSettings) -> Vec<PathBuf> {
        let Some(kept) = &self.kept else { return Vec::new() };
        let pinned = kept.pinned(group.group()).ok().flatten();
        let file = pinned.map(|digest| kept.place(group.group(), &digest));
        file.into_iter().chain([kept.pin_of(group.group())]).collect()
    }

    /// The adapter of a group, from its source.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub async fn adapter(&self, group: &GroupSettings) -> Result<Serving, Vec<Problem>> {
        let source = self.source_of(group, false).await.map_err(|problem| vec![problem])?;
        self.adapter_from(group, &source).await
    }

    /// The same from a source of which that is still to be said.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub async fn adapter_from(
        &self,
        group: &GroupSettings,
        source: &Source,
    ) -> Result<Serving, Vec<Problem>> {
        let file = &source.file;
        let unusable = |code: Code, why: String| {
            let help = match source.by {
                By::Pin(_) => Some(format!(
                    "it is pinned to that: punchdown adapter pin --group {} --off",
                    group.group()
                )),
                By::All { .. } => Some("the others serve it by that; put it into its place here".to_owned()),
                By::Section | By::News(_) => None,
            };
            vec![Problem { help, ..problem(group, code, "adapter", why) }]
        };
        let adapter = self.sandbox.load_within(file, group.limits).await;
        let adapter = adapter.map_err(|error| unusable(error.code(), error.to_string()))?;
        if source.by.wanted().is_some_and(|wanted| wanted != adapter.digest()) {
            let why = format!("{} is not what was kept there: it is {}", file.display(), adapter.digest());
            return Err(unusable(Code::AdapterUnreadable, why));
        }
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
        let cases = self.cases(group, source, &adapter).await?;
        let notify_at = group.notify.as_ref().and_then(|notify| notify.at.clone());
        let version = &adapter.description().version;
        tracing::info!(group = %group.group(), adapter = name, version, digest = %adapter.digest(), cases, "adapter loaded");
        Ok(Serving { adapter, config: group.config.clone(), notify_at, limits: group.limits })
    }

    /// How many golden cases it holds; `None`: it is asked later. One that has served the group already is only warned of, and serves meanwhile: the
    /// cases are those of another one by now, and nobody would be there to serve.
    async fn cases(
        &self,
        group: &GroupSettings,
        source: &Source,
        adapter: &Adapter,
    ) -> Result<Option<usize>, Vec<Problem>> {
        let screen = Screen::new(self.secrets.clone(), &adapter.description().secret_fields);
        let Source { file, cases, .. } = source.clone();
        if self.kept.as_ref().is_some_and(|kept| kept.has(group.group(), adapter.digest())) {
            let (group, adapter) = (group.group().clone(), adapter.clone());
            let turn = Arc::clone(&self.asked_later).lock_owned();
            tokio::spawn(async move {
                let _turn = turn.await;
                warn_of_cases(&group, &cases, &adapter, &screen).await;
            });
            return Ok(None);
        }
        hold_in(&cases, adapter, &screen).await.map(Some).map_err(|found| {
            let help = format!("punchdown adapter test {} {}", file.display(), cases.display());
            let found = found.into_iter().map(|why| problem(group, Code::CaseDiffers, "adapter", why));
            found.map(|problem| Problem { help: Some(help.clone()), ..problem }).collect()
        })
    }
}

async fn warn_of_cases(group: &Group, cases: &Path, adapter: &Adapter, screen: &Screen) {
    let code = Code::CasesMovedOn.number();
    for why in hold_in(cases, adapter, screen).await.err().into_iter().flatten() {
        tracing::warn!(%group, code, why, "what has served before serves all the same");
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
    let unknown = description
        .queries
        .iter()
        .filter(|query| group.queries.as_ref().is_some_and(|known| !known.contains(*query)));
    found.extend(unknown.map(|query| {
        let message =
            format!("adapter {name} needs what the query `{query}` brings, and there is none of that name");
        let help = format!("name its method under [portabilling.queries.{query}]");
        Problem { help: Some(help), ..problem(group, Code::AdapterQuery, "adapter", message) }
    }));
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

/// Where the components lie that serve or served: beside the journal, as a copy of what it has where there may be other
/// instances.
pub fn shelf(journal: &store::Settings) -> Shelf {
    Shelf::beside(&journal.directory).in_common(journal.postgres.is_some())
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
