//! `adapter install` and `rollback`: another component in the place of the one that serves a group, and the one before.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::door::{Door, word};
use super::carried::Carried;
use crate::app::load_groups;
use crate::cases::folder_beside;
use crate::config::{self, GroupSettings, Problem, Problems, Settings};
use crate::domain::{Digest, Group};
use crate::explain::Code;
use crate::lifecycle::{EXIT_CONFIGURATION, refuse};
use crate::ready::shelf;
use crate::wasm::Edition;

#[derive(clap::Args)]
pub struct Install {
    /// The component.
    file: PathBuf,
    /// Its golden cases, which take the place of those that lie beside the one that serves.
    #[arg(long, value_name = "FOLDER")]
    cases: Option<PathBuf>,
    #[command(flatten)]
    of: Of,
}

#[derive(clap::Args)]
pub struct Rollback {
    #[command(flatten)]
    of: Of,
    /// Not the one before, but that of this digest, or of one that begins so.
    #[arg(long, value_name = "DIGEST")]
    to: Option<String>,
}

#[derive(clap::Args)]
pub struct Of {
    /// The group that it is to serve.
    #[arg(long)]
    group: String,
    #[command(flatten)]
    door: Door,
}

pub async fn install(Install { file, cases, of }: &Install) -> ExitCode {
    let installed = async {
        let (settings, group) = of.settings()?;
        // By the cases that will lie beside it then.
        let held_to = cases.as_ref().unwrap_or(&group.cases);
        put(New { file, cases: cases.as_deref(), held_to }, &settings, &group, of).await
    };
    installed.await.unwrap_or_else(|code| code)
}

pub async fn rollback(Rollback { of, to }: &Rollback) -> ExitCode {
    let gone_back = async {
        let (settings, group) = of.settings()?;
        let shelf = shelf(&settings.store);
        let now = match shelf.agreed(group.group()) {
            Some(agreed) => Some(agreed.serves),
            None => std::fs::read(&group.adapter).ok().map(|bytes| Digest::of(&bytes)),
        };
        let wanted = to.as_ref().map(|to| format!("sha256:{}", to.trim_start_matches("sha256:")));
        let is_meant = |edition: &Edition| match &wanted {
            Some(wanted) => edition.digest.to_string().starts_with(wanted),
            None => Some(&edition.digest) != now.as_ref(),
        };
        let editions = shelf.editions(group.group());
        let Some(edition) = editions.iter().find(|edition| is_meant(edition)) else {
            let why =
                format!("no such component of group {} is kept: see `punchdown adapter list`", of.group);
            return Err(super::refused(Code::FileOfCommand, why));
        };
        // The cases are those of the one that it takes the place of.
        let new = New { file: &edition.path, cases: None, held_to: &folder_beside(&edition.path) };
        put(new, &settings, &group, of).await
    };
    gone_back.await.unwrap_or_else(|code| code)
}

impl Of {
    fn settings(&self) -> Result<(Settings, GroupSettings), ExitCode> {
        let file = self.door.config();
        let (settings, problems) =
            config::load_what_is_good(file).map_err(|problems| refuse(&problems.into()))?;
        if let Some(group) = settings.groups.iter().find(|it| it.group().0 == self.group) {
            let group = group.clone();
            return Ok((settings, group));
        }
        let of_it = |problem: &Problem| config::concerns(problem, &Group(self.group.clone()));
        let found: Vec<Problem> = problems.into_iter().filter(of_it).collect();
        Err(match found.is_empty() {
            false => refuse(&Problems::of(file, found).into()),
            true => {
                super::refused(Code::UnknownKey, format!("no group `{}` in {}", self.group, file.display()))
            }
        })
    }
}

/// What is to take a component's place.
struct New<'a> {
    file: &'a Path,
    /// Golden cases that go with it.
    cases: Option<&'a Path>,
    /// Those that it must hold to be tried at all.
    held_to: &'a Path,
}

/// Tries it here, puts it in its place whole, and has the host take it over. What the host refuses goes again.
async fn put(
    New { file, cases, held_to }: New<'_>,
    settings: &Settings,
    group: &GroupSettings,
    of: &Of,
) -> Result<ExitCode, ExitCode> {
    let place = &group.adapter;
    let bytes = std::fs::read(file).map_err(|error| {
        eprint!("{}", Code::AdapterUnreadable.tell(format!("cannot read {}: {error}", file.display()), &[]));
        ExitCode::from(EXIT_CONFIGURATION)
    })?;
    // All that it would serve must take it.
    let sharing: Vec<GroupSettings> =
        settings.groups.iter().filter(|it| it.adapter == *place).cloned().collect();
    let tried = sharing.iter().map(|it| {
        let (adapter, cases) = (file.to_owned(), held_to.to_owned());
        GroupSettings { adapter, cases, ..it.clone() }
    });
    let tried = load_groups(&tried.collect::<Vec<_>>(), &settings.secrets, of.door.config()).await;
    tried.and_then(crate::app::Loaded::all_good).map_err(|error| refuse(&error))?;
    let before = before(place)?;
    // Whether the host can be told at all, and would take it over, before anything is another one.
    let kept = of.door.ask(Method::GET, "adapters", None).await?;
    let digest = Digest::of(&bytes);
    refuse_what_is_pinned(&kept, &sharing, &digest)?;
    let carried = cases.map(|from| Carried::put(from, place)).transpose()?;
    if let Err(error) = put_whole(place, &bytes) {
        carried.map_or(Ok(()), Carried::undo)?;
        return Err(cannot_write(place, &error));
    }
    let installed: Vec<&str> = sharing.iter().map(|it| it.group().0.as_str()).collect();
    let wish = json!({ "installed": installed });
    let told = of.door.take_over("reload", Some(&wish)).await.inspect_err(|_| {
        eprintln!("{} lies there; `punchdown reload --last` says what becomes of it", place.display());
        if let Some(before) = carried.as_ref().and_then(Carried::before) {
            eprintln!("the cases that lay beside the one before are in {}", before.display());
        }
    })?;
    if sharing.iter().all(|it| serves(&told, &it.group().0, &digest)) {
        carried.into_iter().for_each(Carried::settle);
        of.door.print(Ok(json!({ "groups": installed, "digest": digest.to_string() })), |told| {
            format!("{} serves {}\n", word(&told["digest"]), installed.join(", "))
        });
        return Ok(ExitCode::SUCCESS);
    }
    let undone = match before {
        Some(before) => put_whole(place, &before),
        None => std::fs::remove_file(place),
    };
    undone.map_err(|error| cannot_write(place, &error))?;
    carried.map_or(Ok(()), Carried::undo)?;
    of.door.take_over("reload", None).await?;
    let why = sharing.iter().map(|it| why_not(&told, &it.group().0)).collect::<Vec<_>>().join("; ");
    let why = format!("the host did not take it over, and all is as it was: {why}");
    Err(super::refused(Code::FileOfCommand, why))
}

/// Others that share the file would be served by it, if only until all is as it was again.
fn refuse_what_is_pinned(kept: &Value, sharing: &[GroupSettings], digest: &Digest) -> Result<(), ExitCode> {
    let is_sharing = |group: &Value| sharing.iter().any(|it| *group == it.group().0.as_str());
    let sharing = kept["groups"].as_array().into_iter().flatten().filter(|it| is_sharing(&it["group"]));
    let pinned = sharing.filter(|it| it["pin"].is_object() && it["pin"]["to"] != digest.to_string());
    let why: Vec<String> = pinned
        .map(|it| {
            let [group, to] = [&it["group"], &it["pin"]["to"]].map(word);
            format!("group {group} is pinned to {to}: punchdown adapter pin --group {group} --off")
        })
        .collect();
    if why.is_empty() { Ok(()) } else { Err(super::refused(Code::FileOfCommand, why.join("; "))) }
}

/// What lies in its place now; `None`: nothing does. What cannot be read could not be put back.
fn before(place: &Path) -> Result<Option<Vec<u8>>, ExitCode> {
    match std::fs::read(place) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let why = format!("cannot read what lies at {} now: {error}", place.display());
            Err(super::refused(Code::FileOfCommand, why))
        }
    }
}

pub fn cannot_write(place: &Path, error: &std::io::Error) -> ExitCode {
    super::refused(Code::FileOfCommand, format!("cannot write {}: {error}", place.display()))
}

fn serves(told: &Value, group: &str, digest: &Digest) -> bool {
    let mut groups = told["groups"].as_array().into_iter().flatten();
    groups.any(|it| it["group"] == group && it["digest"] == digest.to_string())
}

fn why_not(told: &Value, group: &str) -> String {
    let section = format!("groups.{group}");
    let is_of_it = |key: &Value| key.as_str().is_some_and(|key| config::is_within(key, &section));
    let problems = told["problems"].as_array().into_iter().flatten().filter(|it| is_of_it(&it["key"]));
    let mut why: Vec<String> = problems.map(|problem| word(&problem["message"])).collect();
    if told["waits_for_restart"].as_array().into_iter().flatten().any(|key| *key == section) {
        why.push("its section waits for a restart".to_owned());
    }
    why.join("; ")
}

/// Whole under its name, or not at all, through a power cut, too; and whoever could read the one before can read it.
fn put_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension(format!("unfinished-{}", std::process::id()));
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(bytes)?;
    match path.metadata() {
        Ok(before) => {
            chown(&unfinished, Some(before.uid()), Some(before.gid()))?;
            file.set_permissions(before.permissions())?;
        }
        Err(_) => file.set_permissions(Permissions::from_mode(0o644))?,
    }
    file.sync_all()?;
    std::fs::rename(unfinished, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
