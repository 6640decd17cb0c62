//! What lies on disk and differs from what runs, made ready.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Reload;
use super::between::Between;
use crate::config::{GroupSettings, Problem};
use crate::domain::Group;
use crate::engine;
use crate::explain::Code;
use crate::outbound::Target;
use crate::ports::{Outbound as _, Outcome};
use crate::ready::{digest_of, lacks};
use crate::wasm::Serving;

#[derive(Default)]
pub struct Candidates {
    pub good: Vec<(Group, Candidate)>,
    pub outcomes: BTreeMap<Group, Outcome>,
    pub problems: Vec<Problem>,
}

/// What of a group is another one.
pub struct Candidate {
    pub target: Option<Target>,
    /// With the file that it was loaded from.
    pub adapter: Option<(Serving, PathBuf)>,
    /// How its operations move.
    pub section: Option<engine::GroupSettings>,
}

impl Candidate {
    const fn is_none(&self) -> bool {
        self.target.is_none() && self.adapter.is_none() && self.section.is_none()
    }
}

impl Candidates {
    pub fn is_refused(&self, group: &Group) -> bool {
        self.outcomes.get(group) == Some(&Outcome::Refused)
    }

    pub fn is_swapped(&self, group: &Group) -> bool {
        self.outcomes.get(group) == Some(&Outcome::Swapped)
    }

    /// These are other ones, too, be it by their doors alone.
    pub fn swapped(&mut self, groups: BTreeSet<String>) {
        self.outcomes.extend(groups.into_iter().map(|group| (Group(group), Outcome::Swapped)));
    }

    pub fn is_any_swapped(&self) -> bool {
        self.outcomes.values().any(|outcome| *outcome == Outcome::Swapped)
    }
}

impl Reload {
    /// Each group by itself: what is wrong with one is its trouble alone.
    pub(super) async fn candidates(&self, groups: &[GroupSettings], between: &Between) -> Candidates {
        let serving: BTreeMap<_, _> = self.parts.catalog.served().into_iter().collect();
        let mut found = Candidates::default();
        for group in groups {
            let candidate = match between.judged_by(group.group()) {
                Some(by) => Err(vec![judged_by(group, by)]),
                None => self.candidate(group, serving.get(group.group())).await,
            };
            match candidate {
                Ok(candidate) if candidate.is_none() => {}
                Ok(candidate) => found.good.push((group.group().clone(), candidate)),
                Err(problems) => {
                    found.outcomes.insert(group.group().clone(), Outcome::Refused);
                    found.problems.extend(problems);
                }
            }
        }
        found
    }

    /// All parts of a group are taken over, or none: an adapter may need what its target has now.
    async fn candidate(
        &self,
        group: &GroupSettings,
        now: Option<&Serving>,
    ) -> Result<Candidate, Vec<Problem>> {
        let parts = &self.parts;
        let source = parts.workshop.source_of(group).map_err(|problem| vec![problem])?;
        let is_same_target = parts.targets.identity(group.group()) == Some(group.target.identity());
        let is_same_adapter = match now {
            Some(now) => is_same(now, group, &source.file).await,
            None => false,
        };
        let target = if is_same_target { None } else { Some(parts.workshop.target(group)) };
        let adapter = match now {
            // A secret that it needs may be there no more.
            Some(now) if is_same_adapter => match lacks(group, &now.adapter) {
                found if found.is_empty() => Ok(None),
                found => Err(found),
            },
            _ => parts.workshop.adapter_from(group, &source).await.map(Some),
        };
        match (target.transpose(), adapter) {
            (Ok(target), Ok(adapter)) => {
                let adapter = adapter.map(|serving| (serving, source.file));
                let is_same_section =
                    parts.sections.all().get(group.group()).map(|it| &**it) == Some(&group.engine);
                let section = (!is_same_section).then(|| group.engine.clone());
                Ok(Candidate { target, adapter, section })
            }
            (target, adapter) => {
                Err(target.err().into_iter().chain(adapter.err().into_iter().flatten()).collect())
            }
        }
    }
}

/// Who would come in at its door, nobody could say.
fn judged_by(group: &GroupSettings, by: &str) -> Problem {
    Problem {
        place: group.place,
        key: format!("groups.{}.notify", group.group()),
        message: format!("it was judged by `{by}`, which waits for a restart"),
        help: Some("restart, or take the one back until then".to_owned()),
        code: Code::Contradiction,
    }
}

/// Whether what serves is what lies on disk.
async fn is_same(now: &Serving, group: &GroupSettings, file: &Path) -> bool {
    let notify_at = group.notify.as_ref().and_then(|notify| notify.at.as_ref());
    digest_of(file).await.as_ref() == Some(now.adapter.digest())
        && now.config.text() == group.config.text()
        && now.limits == group.limits
        && now.notify_at.as_ref() == notify_at
}
