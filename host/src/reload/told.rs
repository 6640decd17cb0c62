//! What came of a reload: as it is kept for whoever asks, and as the log says it.

use std::path::Path;

use super::candidates::Candidates;
use crate::config::{self, GroupSettings, Problem};
use crate::domain::Group;
use crate::ports::{Outcome, Pin, Refusal, Reloaded, Taken, group_of};
use crate::wasm::Catalog;

pub fn taken(catalog: &Catalog, candidates: &Candidates) -> Vec<(Group, Taken)> {
    let served = catalog.served().into_iter().map(|(group, serving)| {
        let description = serving.adapter.description();
        let retired = catalog.retired(&group).iter().map(|adapter| adapter.digest().clone()).collect();
        let taken = Taken {
            outcome: candidates.outcomes.get(&group).copied().unwrap_or(Outcome::Unchanged),
            adapter: description.name.clone(),
            version: description.version.clone(),
            digest: serving.adapter.digest().clone(),
            retired,
            passes_over: candidates.passed_over.get(&group).cloned(),
        };
        (group, taken)
    });
    served.collect()
}

pub fn refusal(problem: Problem, file: &Path) -> Refusal {
    let Problem { place, key, message, help, code } = problem;
    let code = code.number();
    Refusal { code, key, file: file.to_owned(), line: place.line, column: place.column, message, help }
}

pub fn tell(reloaded: &Reloaded) {
    let (generation, because) = (reloaded.generation, &reloaded.because);
    for (group, taken) in &reloaded.groups {
        if taken.outcome == Outcome::Swapped {
            let (adapter, version, digest) = (&taken.adapter, &taken.version, &taken.digest);
            tracing::info!(%group, adapter, version, %digest, generation, because, "the group is as its section says now");
        }
    }
    for Refusal { code, key, line, column, message, .. } in &reloaded.refused {
        let at = format!("{line}:{column}");
        let group = group_of(key);
        let is_served = |group: &str| reloaded.groups.iter().any(|(served, _)| served.0 == group);
        let goes_on =
            if group.is_none_or(is_served) { "what served goes on" } else { "no adapter serves its group" };
        tracing::error!(key, at, code, why = message, because, goes_on, "not taken over");
    }
    for (group, taken) in &reloaded.groups {
        if let Some(passes_over) = &taken.passes_over {
            let serves = &taken.digest;
            tracing::warn!(%group, %serves, %passes_over, because, "all instances serve the group by another one than lies in its place here");
        }
    }
    for Pin { group, to, passes_over } in &reloaded.pins {
        let passes_over = passes_over.as_ref().map(ToString::to_string);
        tracing::warn!(%group, %to, passes_over, because, "the group is pinned, whatever lies in its place");
    }
    for key in &reloaded.waits {
        tracing::warn!(key, because, "changed on disk, and waits for a restart");
    }
}

/// Of what was taken over, what is not as it should be.
pub fn warn(warnings: &[Problem], groups: &[GroupSettings], candidates: &Candidates) {
    let swapped: Vec<_> = groups.iter().filter(|of| candidates.is_swapped(of.group())).collect();
    let concern_swapped = |warning: &&Problem| swapped.iter().any(|of| config::concerns(warning, of.group()));
    warnings.iter().filter(concern_swapped).for_each(Problem::log);
}
