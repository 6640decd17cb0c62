//! A person pins a group to a component that is kept: that one serves, whatever lies in its place, also after a
//! restart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Read, Reload, digest_of, read};
use crate::config::{GroupSettings, Problem};
use crate::domain::{Digest, Group};
use crate::ports::{KeptComponent, KeptOf, NotPinned, Outcome, Pin, Reloaded};
use crate::ready::Source;
use crate::wasm::{Edition, Shelf};

impl Reload {
    /// How the groups are pinned, with what lies in their places.
    pub(super) async fn look_at_pins(&self, groups: &[GroupSettings]) -> Vec<Pin> {
        let mut pins = Vec::new();
        for group in self.parts.sections.all().keys() {
            let pinned = self.parts.workshop.pinned(group);
            self.metrics.adapters.pinned(group, !matches!(pinned, Ok(None)));
            // Of one that cannot be read the group's refusal speaks.
            let Ok(Some(to)) = pinned else {
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
        pins
    }

    pub(super) async fn all_kept(&self) -> Vec<KeptOf> {
        let serving: BTreeMap<Group, Digest> = self
            .parts
            .catalog
            .served()
            .into_iter()
            .map(|(group, it)| (group, it.adapter.digest().clone()))
            .collect();
        let (mut all, pins) = (Vec::new(), self.as_it_stands().pins);
        for group in self.parts.sections.all().keys() {
            let pin = pins.iter().find(|pin| pin.group == *group).cloned();
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
        let turn = self.turn.lock().await;
        self.hear(&read(&self.file).await.groups).await;
        let said = self.parts.stock.as_ref().and_then(|stock| stock.said(group));
        let Some(digest) = &to else {
            if let Some(said) = said.filter(|said| said.pinned) {
                self.turn_all(group, &said.digest, false).await?;
            }
            self.write_pin(group, None).await?;
            let wanted = BTreeSet::from([group.clone()]);
            return Ok(self.take_over(&turn, "a pin that was taken off", &wanted).await);
        };
        let before = shelf.pinned(group).map_err(|error| {
            NotPinned::NotNow(format!("{error}; take it off: punchdown adapter pin --group {group} --off"))
        })?;
        self.may_serve(group, digest).await.map_err(|why| {
            NotPinned::NotNow(format!("it cannot serve group {group}, and all is as it was: {why}"))
        })?;
        self.turn_all(group, digest, true).await?;
        self.write_pin(group, to.clone()).await?;
        let reloaded = self.take_over(&turn, "a pin", &BTreeSet::new()).await;
        if reloaded.groups.iter().any(|(of, taken)| of == group && taken.digest == *digest) {
            return Ok(reloaded);
        }
        if let Some(said) = said {
            self.turn_all(group, &said.digest, said.pinned).await?;
        }
        self.write_pin(group, before).await?;
        let why = in_a_line(reloaded.refused_of(group).map(|it| (it.message.as_str(), it.code)));
        self.take_over(&turn, "a pin that could not be", &BTreeSet::new()).await;
        Err(NotPinned::NotNow(format!("it cannot serve group {group}, and all is as it was: {why}")))
    }

    /// Where there are others, they are told before anything is written here.
    async fn turn_all(&self, group: &Group, to: &Digest, pinned: bool) -> Result<(), NotPinned> {
        let Some(stock) = &self.parts.stock else { return Ok(()) };
        stock.turn(group, to, pinned).await.map_err(|error| {
            NotPinned::NotNow(format!(
                "the other instances cannot be told of a pin of group {group}: {error}"
            ))
        })
    }

    /// Looks at what is kept, and not at what is in memory alone: that is gone with the process.
    async fn may_serve(&self, group: &Group, digest: &Digest) -> Result<(), String> {
        let Read { groups, secrets, .. } = read(&self.file).await;
        self.parts.workshop.secrets.learn(&secrets);
        let settings = groups.iter().find(|it| it.group() == group);
        let mut served = self.parts.catalog.served().into_iter();
        let serves = served.any(|(of, it)| of == *group && it.adapter.digest() == digest);
        let shelf = self.known(group).map_err(|why| why.to_string())?;
        if !serves {
            let settings = settings.ok_or("its section is not whole: see `punchdown check`")?;
            let source = Source::pinned(shelf, group, digest);
            let made = self.parts.workshop.adapter_from(settings, &source).await;
            let said = |it: &Problem| (it.message.clone(), it.code.number());
            return made.map(drop).map_err(|found| in_a_line(found.iter().map(said)));
        }
        if let Some(settings) = settings {
            // What lies in its place may be the same, and whole.
            self.parts
                .catalog
                .shelve(group, digest, &settings.adapter, self.parts.workshop.world.now())
                .await;
        }
        let (shelf, of, what) = (shelf.clone(), group.clone(), digest.clone());
        match tokio::task::spawn_blocking(move || shelf.holds(&of, &what)).await {
            Ok(true) => Ok(()),
            _ => Err("it serves, and is not kept whole: install it again".to_owned()),
        }
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

/// All that is said, each with its code.
fn in_a_line<T: fmt::Display>(said: impl Iterator<Item = (T, &'static str)>) -> String {
    said.map(|(message, code)| format!("{message} ({code})")).collect::<Vec<_>>().join("; ")
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
    KeptComponent { digest: edition.digest.clone(), kept_at: edition.kept_at, bytes: edition.bytes }
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
