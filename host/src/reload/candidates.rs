//! What lies on disk and differs from what runs, made ready.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Reload;
use super::between::Between;
use super::common::not_told;
use crate::config::{GroupSettings, Problem};
use crate::domain::{Digest, Group};
use crate::engine;
use crate::explain::Code;
use crate::outbound::Target;
use crate::ports::{Outbound as _, Outcome};
use crate::ready::{By, Source, digest_of, lacks};
use crate::wasm::{Serving, StockError};

#[derive(Default)]
pub struct Candidates {
    pub good: Vec<(Group, Candidate)>,
    pub outcomes: BTreeMap<Group, Outcome>,
    pub problems: Vec<Problem>,
    /// What lies in its place, good, and is to be told to the other instances.
    pub news: Vec<News>,
    /// What lies in its place and was left for what all serve.
    pub passed_over: BTreeMap<Group, Digest>,
}

/// What persons and other instances have said.
pub struct Said<'a> {
    /// What lies in the places of these groups is to serve.
    pub wanted: &'a BTreeSet<Group>,
    /// Of these nobody knows what all serve.
    pub unheard: BTreeMap<Group, StockError>,
}

/// A component of which the other instances do not know.
pub struct News {
    pub group: Group,
    pub digest: Digest,
    pub file: PathBuf,
}

/// What of a group is another one.
pub struct Candidate {
    pub target: Option<Target>,
    pub adapter: Option<Serving>,
    /// How its operations move.
    pub section: Option<engine::GroupSettings>,
    /// Whence its adapter is, or would be.
    pub source: Source,
}

impl Candidate {
    const fn is_none(&self) -> bool {
        self.target.is_none() && self.adapter.is_none() && self.section.is_none()
    }
}

impl Candidates {
    fn take(&mut self, group: &GroupSettings, candidate: Candidate) {
        match &candidate.source.by {
            By::News(digest) => self.news.push(News {
                group: group.group().clone(),
                digest: digest.clone(),
                file: candidate.source.file.clone(),
            }),
            By::All { passes_over, .. } => {
                self.passed_over.extend(passes_over.clone().map(|there| (group.group().clone(), there)));
            }
            By::Section | By::Pin(_) => {}
        }
        if !candidate.is_none() {
            self.good.push((group.group().clone(), candidate));
        }
    }

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
    pub(super) async fn candidates(
        &self,
        groups: &[GroupSettings],
        between: &Between,
        said: &Said<'_>,
    ) -> Candidates {
        let serving: BTreeMap<_, _> = self.parts.catalog.served().into_iter().collect();
        let mut found = Candidates::default();
        for group in groups {
            let candidate = match between.judged_by(group.group()) {
                Some(by) => Err(vec![judged_by(group, by)]),
                None => self.candidate(group, serving.get(group.group()), said).await,
            };
            match candidate {
                Ok(candidate) => found.take(group, candidate),
                Err(problems) => {
                    found.outcomes.insert(group.group().clone(), Outcome::Refused);
                    found.problems.extend(problems);
                    if !serving.contains_key(group.group()) {
                        found.good.extend(self.as_all_serve(group).await);
                    }
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
        said: &Said<'_>,
    ) -> Result<Candidate, Vec<Problem>> {
        let workshop = &self.parts.workshop;
        let is_wanted = said.wanted.contains(group.group());
        let source = workshop.source_of(group, is_wanted).await.map_err(|problem| vec![problem])?;
        if let (By::News(_), Some(why)) = (&source.by, said.unheard.get(group.group())) {
            return Err(vec![not_told(group, why)]);
        }
        self.candidate_from(group, now, source).await
    }

    /// Where what lies in its place is no good, and nothing serves: what all instances do.
    async fn as_all_serve(&self, group: &GroupSettings) -> Option<(Group, Candidate)> {
        let source = self.parts.workshop.as_all_serve(group)?;
        let candidate = self.candidate_from(group, None, source).await.ok()?;
        Some((group.group().clone(), candidate))
    }

    async fn candidate_from(
        &self,
        group: &GroupSettings,
        now: Option<&Serving>,
        source: Source,
    ) -> Result<Candidate, Vec<Problem>> {
        let parts = &self.parts;
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
                let is_same_section =
                    parts.sections.all().get(group.group()).map(|it| &**it) == Some(&group.engine);
                let section = (!is_same_section).then(|| group.engine.clone());
                Ok(Candidate { target, adapter, section, source })
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
