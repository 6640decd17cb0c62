//! What all instances of a journal serve the groups by: it is heard before anything is made ready, and said before anything
//! new serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Reload;
use super::candidates::{Candidates, News};
use crate::config::{GroupSettings, Problem};
use crate::domain::Group;
use crate::explain::Code;
use crate::ports::{Outcome, Reloads as _};
use crate::ready::digest_of;
use crate::wasm::StockError;

/// How often this instance looks what the others serve.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Where it cannot be heard it is tried more and more rarely.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(60);

/// Takes over what other instances took over, until `stop`.
pub async fn follow(reload: Arc<Reload>, several: bool, stop: CancellationToken) {
    let Some(stock) = &reload.parts.stock else { return };
    reload.share_what_is_kept().await;
    let mut pause = LOOK_EVERY;
    while several && !stop.is_cancelled() {
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        // Where the journal cannot be asked, others say so.
        if !matches!(stock.has_news().await, Ok(true)) {
            pause = LOOK_EVERY;
            continue;
        }
        reload.reload("another instance", &BTreeSet::new()).await;
        reload.share_what_is_kept().await;
        // What could not be heard is news the next time, too.
        pause = (2 * pause).min(LOOK_EVERY_MAX);
    }
}

impl Reload {
    /// With what others serve by now, before this instance does anything. What serves is kept; what lies in a place and
    /// could not be told to the others serves nobody.
    pub async fn catch_up(&self, groups: &[GroupSettings]) {
        if self.parts.stock.is_some() {
            self.reload("start", &BTreeSet::new()).await;
            if self.leave_what_none_agreed_on() {
                self.reload("start", &BTreeSet::new()).await;
            }
        }
        let (catalog, workshop) = (&self.parts.catalog, &self.parts.workshop);
        for (group, serving) in catalog.served() {
            let Some(of) = groups.iter().find(|it| *it.group() == group) else { continue };
            if let Ok(source) = workshop.source_of(of, false).await {
                let (digest, now) = (serving.adapter.digest(), workshop.world.now());
                catalog.shelve(&group, digest, &source.file, now).await;
            }
        }
    }

    /// Whether there is anything that serves here and not elsewhere: it was made ready before anybody was asked.
    fn leave_what_none_agreed_on(&self) -> bool {
        let left: Vec<Group> = self.strays().collect();
        left.iter().for_each(|group| self.parts.catalog.remove(group));
        !left.is_empty()
    }

    /// Groups that are served here by another one than at all instances.
    fn strays(&self) -> impl Iterator<Item = Group> {
        let kept = self.parts.workshop.kept.clone().filter(|_| self.parts.stock.is_some());
        let served = kept.into_iter().flat_map(|kept| {
            let served = self.parts.catalog.served().into_iter();
            served.map(move |(group, serving)| (kept.agreed(&group), group, serving))
        });
        let strays = served.filter(|(agreed, _, serving)| {
            agreed.as_ref().is_none_or(|agreed| agreed.serves != *serving.adapter.digest())
        });
        strays.map(|(_, group, _)| group)
    }

    /// Whether this instance differs from the others in what it serves, or could not hear or tell.
    pub(super) fn is_apart(&self) -> bool {
        self.is_unheard.load(Ordering::Relaxed) || self.strays().next().is_some()
    }

    /// Of which groups it cannot be heard what all serve: what was heard last stands.
    pub(super) async fn hear(&self, groups: &[GroupSettings]) -> BTreeMap<Group, StockError> {
        let Some(stock) = &self.parts.stock else { return BTreeMap::new() };
        let mut named = Vec::with_capacity(groups.len());
        for group in groups {
            named.push((group.group().clone(), digest_of(&group.adapter).await));
        }
        let unheard = stock.hear(&named).await;
        for (group, error) in &unheard {
            tracing::error!(%group, %error, "nobody knows what other instances serve the group by");
        }
        self.is_unheard.store(!unheard.is_empty(), Ordering::Relaxed);
        unheard
    }

    /// What was begun by any of them is gone on with here, and what was begun here there.
    async fn share_what_is_kept(&self) {
        let Some(stock) = &self.parts.stock else { return };
        for group in self.parts.sections.all().keys() {
            if let Err(error) = stock.share(group).await {
                tracing::warn!(%group, %error, "components cannot be shared with other instances now; they are when they are needed");
            }
        }
    }

    /// What is new in its place is to serve at all instances, or at none.
    pub(super) async fn offer(&self, groups: &[GroupSettings], candidates: &mut Candidates) {
        let Some(stock) = &self.parts.stock else { return };
        for News { group, digest, file } in std::mem::take(&mut candidates.news) {
            let Err(error) = stock.offer(&group, &digest, &file).await else { continue };
            self.is_unheard.store(true, Ordering::Relaxed);
            candidates.good.retain(|(of, _)| *of != group);
            candidates.outcomes.insert(group.clone(), Outcome::Refused);
            let of = groups.iter().find(|of| *of.group() == group);
            candidates.problems.extend(of.map(|of| not_told(of, &error)));
        }
    }
}

/// It would serve here and not elsewhere.
pub fn not_told(group: &GroupSettings, why: &StockError) -> Problem {
    Problem {
        place: group.place,
        key: format!("groups.{}.adapter", group.group()),
        message: format!("the other instances cannot be told of what lies there: {why}"),
        help: Some(
            "it is tried again, at first within half a minute, or at once by `punchdown reload`".to_owned(),
        ),
        code: Code::AdapterUnreadable,
    }
}
