//! A person pins a group to a component that is kept: that one serves, whatever lies in its place, also after a
//! restart.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::SystemTime;

use super::{Reload, digest_of};
use crate::config::{self, GroupSettings};
use crate::domain::{Digest, Group, Timestamp};
use crate::ports::{KeptComponent, KeptOf, NotPinned, Outcome, Pin, Reloaded};
use crate::wasm::{Edition, Shelf};

impl Reload {
    /// How the groups are pinned, with what lies in their places.
    pub(super) async fn look_at_pins(&self, groups: &[GroupSettings]) -> Vec<Pin> {
        let mut pins = Vec::new();
        for group in self.parts.sections.all().keys() {
            let pinned = self.parts.workshop.pinned(group);
            self.metrics.adapters.pinned(group, pinned.is_some());
            let Some(to) = pinned else {
                self.metrics.adapters.passes_over(group, false);
                continue;
            };
            let there = match groups.iter().find(|it| it.group() == group) {
                Some(settings) => digest_of(&settings.adapter).await,
                None => None,
            };
            let passes_over = there.filter(|there| *there != to);
            self.metrics.adapters.passes_over(group, passes_over.is_some());
            pins.push(Pin { group: group.clone(), to, passes_over });
        }
        self.pins.write().unwrap_or_else(PoisonError::into_inner).clone_from(&pins);
        pins
    }

    pub(super) fn pins_seen(&self) -> Vec<Pin> {
        self.pins.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn all_kept(&self) -> Vec<KeptOf> {
        let serving: BTreeMap<Group, Digest> = self
            .parts
            .catalog
            .served()
            .into_iter()
            .map(|(group, it)| (group, it.adapter.digest().clone()))
            .collect();
        let mut all = Vec::new();
        for group in self.parts.sections.all().keys() {
            let pin = self.pins_seen().into_iter().find(|pin| pin.group == *group);
            let kept = self.editions(group).await.iter().map(component).collect();
            all.push(KeptOf { group: group.clone(), serves: serving.get(group).cloned(), pin, kept });
        }
        all
    }

    async fn editions(&self, group: &Group) -> Vec<Edition> {
        let Some(shelf) = self.parts.workshop.kept.clone() else { return Vec::new() };
        let group = group.clone();
        tokio::task::spawn_blocking(move || shelf.editions(&group)).await.unwrap_or_default()
    }

    pub(super) async fn meant(&self, group: &Group, begins: Option<&str>) -> Result<Digest, NotPinned> {
        self.known(group)?;
        let Some(begins) = begins else {
            let serving = self.parts.catalog.served().into_iter().find(|(of, _)| of == group);
            return serving.map(|(_, it)| it.adapter.digest().clone()).ok_or_else(|| {
                NotPinned::NotNow(format!(
                    "nothing serves group {group}: say to which component it is to be pinned"
                ))
            });
        };
        let kept: Vec<Digest> = self.editions(group).await.into_iter().map(|it| it.digest).collect();
        one_of(&kept, begins)
            .map_err(|why| NotPinned::NotNow(format!("{why} of group {group}: see `punchdown adapter list`")))
    }

    fn known(&self, group: &Group) -> Result<&Shelf, NotPinned> {
        let shelf =
            self.parts.workshop.kept.as_ref().filter(|_| self.parts.sections.all().contains_key(group));
        shelf.ok_or_else(|| NotPinned::Unknown(format!("group {group} that this host could serve")))
    }

    /// Written down before it serves: whoever comes back after a crash is served by the one that was wanted.
    pub(super) async fn pin_to(&self, group: &Group, to: Option<Digest>) -> Result<Reloaded, NotPinned> {
        let shelf = self.known(group)?;
        let mut running = self.running.lock().await;
        let before = shelf.pinned(group);
        let because = if to.is_some() { "a pin" } else { "a pin that was taken off" };
        self.write_pin(group, to.clone()).await?;
        let reloaded = self.take_over(&mut running, because).await;
        let serves = reloaded.groups.iter().find(|(of, _)| of == group).map(|(_, taken)| &taken.digest);
        if to.is_none() || serves == to.as_ref() {
            return Ok(reloaded);
        }
        self.write_pin(group, before).await?;
        let why = self.why_not(group, &reloaded);
        self.take_over(&mut running, "a pin that could not be").await;
        Err(NotPinned::NotNow(format!("it cannot serve group {group}, and all is as it was: {why}")))
    }

    fn why_not(&self, group: &Group, reloaded: &Reloaded) -> String {
        let section = format!("groups.{group}");
        let of_it =
            reloaded.refused.iter().filter(|it| it.key.is_empty() || config::is_within(&it.key, &section));
        of_it.map(|it| format!("{} ({})", it.message, it.code)).collect::<Vec<_>>().join("; ")
    }

    async fn write_pin(&self, group: &Group, to: Option<Digest>) -> Result<(), NotPinned> {
        let (shelf, of) = (self.known(group)?.clone(), group.clone());
        let written = tokio::task::spawn_blocking(move || shelf.pin(&of, to.as_ref())).await;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        written.map_err(|error| {
            NotPinned::NotNow(format!("the pin of group {group} cannot be written: {error}"))
        })
    }
}

/// What is pinned and lies otherwise in its place is said of the group, unless more is to be said.
pub fn tell_of(pins: &[Pin], outcomes: &mut BTreeMap<Group, Outcome>) {
    for pin in pins.iter().filter(|pin| pin.passes_over.is_some()) {
        outcomes.entry(pin.group.clone()).or_insert(Outcome::Pinned);
    }
}

/// The one that begins so.
fn one_of(kept: &[Digest], begins: &str) -> Result<Digest, String> {
    let wanted = format!("sha256:{}", begins.trim_start_matches("sha256:").to_ascii_lowercase());
    let meant: Vec<&Digest> = kept.iter().filter(|digest| digest.to_string().starts_with(&wanted)).collect();
    match meant[..] {
        [one] => Ok(one.clone()),
        [] => Err(format!("`{begins}` begins no component that is kept")),
        _ => Err(format!("`{begins}` begins {} components that are kept", meant.len())),
    }
}

fn component(edition: &Edition) -> KeptComponent {
    let kept_at = edition.kept_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let kept_at = Timestamp::from_millis(i64::try_from(kept_at).unwrap_or_default());
    KeptComponent { digest: edition.digest.clone(), kept_at, bytes: edition.bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_names_one_component_or_none() {
        let kept: Vec<Digest> = (0..40_u8).map(|number| Digest::of(&[number])).collect();
        let whole = kept[3].to_string();
        assert_eq!(one_of(&kept, &whole), Ok(kept[3].clone()));
        assert_eq!(one_of(&kept, &whole[7..20].to_uppercase()), Ok(kept[3].clone()));
        for (begins, part) in [
            ("", "begins 40 components"),
            ("sha256:", "begins 40"),
            ("xyz", "begins no"),
            (&format!("{whole}0"), "begins no"),
        ] {
            let why = one_of(&kept, begins).expect_err(begins);
            assert!(why.contains(part), "{begins}: {why}");
        }
    }
}
