//! `adapter list`: which components of each group are kept, who needs them still, and to which one a group is pinned.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::door::{Door, word};
use crate::config::{self, GroupSettings};
use crate::domain::Digest;
use crate::lifecycle::refuse;
use crate::ready::shelf;
use crate::store::{self, deciders};
use crate::wasm::{Edition, Shelf};

#[derive(clap::Args)]
pub struct List {
    /// Only those of this group.
    #[arg(long)]
    group: Option<String>,
    #[command(flatten)]
    door: Door,
}

pub async fn list(List { group, door }: &List) -> ExitCode {
    let settings = match config::load_what_is_good(door.config()) {
        Ok((settings, _)) => settings,
        Err(problems) => return refuse(&problems.into()),
    };
    let shelf = shelf(&settings.store);
    let open = Open::counted(door, &settings.store).await;
    let is_meant = |it: &&GroupSettings| group.as_ref().is_none_or(|group| it.group().0 == *group);
    let groups = settings.groups.iter().filter(is_meant).map(|group| of_group(group, &shelf, &open));
    let told = json!({ "counted_by": open.by, "groups": groups.collect::<Vec<_>>() });
    door.print(Ok(told), text)
}

/// How many open operations each component of a group decided last; without a digest, those of which none has.
struct Open {
    /// Who counted them; `None`: nobody could.
    by: Option<&'static str>,
    counts: BTreeMap<(String, Option<String>), u64>,
}

impl Open {
    /// By the host, or by the journal itself where none is to be reached.
    async fn counted(door: &Door, journal: &store::Settings) -> Self {
        if let Some(heard) = door.hear("adapters").await {
            return Self { by: Some("host"), counts: of_host(&heard) };
        }
        let journal = journal.clone();
        match tokio::task::spawn_blocking(move || deciders(&journal)).await {
            Ok(Ok(open)) => {
                let text = |((group, digest), count): ((crate::domain::Group, Option<Digest>), u64)| {
                    ((group.0, digest.map(|digest| digest.to_string())), count)
                };
                Self { by: Some("journal"), counts: open.into_iter().map(text).collect() }
            }
            Ok(Err(_)) | Err(_) => Self { by: None, counts: BTreeMap::new() },
        }
    }

    fn of(&self, group: &str, digest: Option<&str>) -> Option<u64> {
        let place = (group.to_owned(), digest.map(str::to_owned));
        self.by.map(|_| self.counts.get(&place).copied().unwrap_or(0))
    }

    /// Of components that are not kept.
    fn gone(&self, group: &str, kept: &[Edition]) -> BTreeMap<&str, u64> {
        let is_kept = |digest: &str| kept.iter().any(|it| it.digest.to_string() == digest);
        let of_it = self.counts.iter().filter(|((of, _), _)| of == group);
        let deciding = of_it.filter_map(|((_, digest), count)| Some((digest.as_deref()?, *count)));
        deciding.filter(|(digest, _)| !is_kept(digest)).collect()
    }
}

fn of_host(heard: &Value) -> BTreeMap<(String, Option<String>), u64> {
    let mut counts = BTreeMap::new();
    for of in heard["groups"].as_array().into_iter().flatten() {
        let group = word(&of["group"]);
        let mut add = |digest: Option<String>, open: &Value| {
            counts.insert((group.clone(), digest), open.as_u64().unwrap_or_default());
        };
        add(None, &of["undecided"]);
        for kept in of["kept"].as_array().into_iter().flatten() {
            add(Some(word(&kept["digest"])), &kept["open"]);
        }
        for (digest, open) in of["gone"].as_object().into_iter().flatten() {
            add(Some(digest.clone()), open);
        }
    }
    counts
}

fn of_group(group: &GroupSettings, shelf: &Shelf, open: &Open) -> Value {
    let (name, now) = (&group.group().0, std::fs::read(&group.adapter).ok().map(|bytes| Digest::of(&bytes)));
    let editions = shelf.editions(group.group());
    let pin = match shelf.pinned(group.group()) {
        Ok(Some(to)) => {
            let passes_over = now.as_ref().filter(|now| **now != to);
            json!({ "to": to.to_string(), "passes_over": passes_over.map(ToString::to_string) })
        }
        Ok(None) => Value::Null,
        // By whoever asks: the host reads it as another user.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Value::Null,
        // The group will not be served.
        Err(error) => json!({ "unreadable": error.to_string() }),
    };
    json!({
        "group": name,
        "adapter": group.adapter.display().to_string(),
        "digest": now.as_ref().map(ToString::to_string),
        "all_serve": shelf.agreed(group.group()).map(|agreed| agreed.serves.to_string()),
        "pin": pin,
        "kept": editions.iter().map(|it| edition(it, now.as_ref(), open, name)).collect::<Vec<_>>(),
        "undecided": open.of(name, None),
        "gone": open.gone(name, &editions),
    })
}

fn edition(edition: &Edition, now: Option<&Digest>, open: &Open, group: &str) -> Value {
    let digest = edition.digest.to_string();
    json!({
        "digest": digest,
        "kept_at": edition.kept_at.to_string(),
        "bytes": edition.bytes,
        "lies_there": now == Some(&edition.digest),
        "open": open.of(group, Some(&digest)),
    })
}

fn text(told: &Value) -> String {
    let mut text = String::new();
    for group in told["groups"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "group {}  {}", word(&group["group"]), word(&group["adapter"]));
        if let Some(why) = group["pin"]["unreadable"].as_str() {
            let _ = writeln!(text, "! {why}: nothing new will serve the group");
        }
        for edition in group["kept"].as_array().into_iter().flatten() {
            let mark = if edition["lies_there"] == true { '*' } else { ' ' };
            let (digest, kept_at) = (word(&edition["digest"]), word(&edition["kept_at"]));
            let pinned = if group["pin"]["to"] == edition["digest"] { ", pinned" } else { "" };
            let all = if group["all_serve"] == edition["digest"] { ", all instances serve it" } else { "" };
            let open = edition["open"].as_u64().map_or_else(String::new, |open| format!(", {open} open"));
            let _ =
                writeln!(text, "{mark} {digest}  {kept_at}  {} bytes{open}{pinned}{all}", edition["bytes"]);
        }
        for (digest, open) in group["gone"].as_object().into_iter().flatten() {
            let _ = writeln!(text, "! {digest}  is not kept, and decided {open} open operations last");
        }
    }
    if told["counted_by"].is_null() {
        text += "nobody could count the open operations: neither a host nor the journal can be asked\n";
    }
    text
}
