//! What all instances of a journal serve the groups by: it is heard before anything is made ready, and said before anything
//! new serves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Reload;
use super::candidates::{Candidates, News};
use crate::config::{GroupSettings, Problem};
use crate::domain::Group;
use crate::explain::Code;
use crate::ports::{Outcome, Reloads as _};
use crate::ready::digest_of;

/// How often this instance looks what the others serve.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Takes over what other instances took over, until `stop`.
pub async fn follow(reload: Arc<Reload>, several: bool, stop: CancellationToken) {
    let Some(stock) = &reload.parts.stock else { return };
    reload.bring_what_is_kept().await;
    while several && !stop.is_cancelled() {
        // Where the journal cannot be asked, others say so.
        if matches!(stock.has_news().await, Ok(true)) {
            reload.reload("another instance", &BTreeSet::new()).await;
            reload.bring_what_is_kept().await;
        }
        stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await;
    }
}

impl Reload {
    /// With what others serve by now, before this instance does anything. What serves is kept.
    pub async fn catch_up(&self, groups: &[GroupSettings]) {
        if self.parts.stock.is_some() {
            self.reload("a start", &BTreeSet::new()).await;
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

    /// Where it cannot be heard, what was heard last stands.
    pub(super) async fn hear(&self, groups: &[GroupSettings]) {
        let Some(stock) = &self.parts.stock else { return };
        let mut named = Vec::with_capacity(groups.len());
        for group in groups {
            named.push((group.group().clone(), digest_of(&group.adapter).await));
        }
        if let Err(error) = stock.hear(&named).await {
            tracing::error!(%error, "nobody knows what other instances serve");
        }
    }

    /// What was begun by any of them is gone on with here.
    async fn bring_what_is_kept(&self) {
        let Some(stock) = &self.parts.stock else { return };
        for group in self.parts.sections.all().keys() {
            if let Err(error) = stock.bring_all(group).await {
                tracing::warn!(%group, %error, "components of other instances cannot be brought here; they are when they are needed");
            }
        }
    }

    /// What is new in its place is to serve at all instances, or at none.
    pub(super) async fn offer(&self, groups: &[GroupSettings], candidates: &mut Candidates) {
        let Some(stock) = &self.parts.stock else { return };
        for News { group, digest, file } in std::mem::take(&mut candidates.news) {
            let Err(error) = stock.offer(&group, &digest, &file).await else { continue };
            candidates.good.retain(|(of, _)| *of != group);
            candidates.outcomes.insert(group.clone(), Outcome::Refused);
            let place = groups.iter().find(|of| *of.group() == group).map(|of| of.place);
            candidates.problems.push(not_told(&group, place.unwrap_or_default(), &error.to_string()));
        }
    }
}

/// It would serve here and not elsewhere.
fn not_told(group: &Group, place: crate::config::Place, why: &str) -> Problem {
    Problem {
        place,
        key: format!("groups.{group}.adapter"),
        message: format!("the other instances cannot be told of what lies there: {why}"),
        help: Some("it is tried again within half a minute, or by `punchdown reload`".to_owned()),
        code: Code::AdapterUnreadable,
    }
}
