//! `adapter dev`: while somebody works on an adapter, every save builds it, asks its cases, and shows what changed in
//! the requests.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use notify::RecursiveMode;
use notify_debouncer_full::{DebounceEventResult, new_debouncer};
use reqwest::Method;
use serde_json::Value;
use tokio::sync::mpsc;

use super::super::door::{Door, encoded};
use super::build::{built, unbuilt};
use super::curl::curl;
use super::test::cases;
use super::{load_in, refused, sandbox};
use crate::cases::{Asked, Case, Failure};
use crate::explain::Code;
use crate::toolchain::MADE;
use crate::wasm::{Adapter, Sandbox};

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder of the adapter; its cases are in `cases`.
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Ask about the newest operation of the running host, too; nothing of that is sent.
    #[arg(long)]
    live: bool,
    /// Build and ask once, and end.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    door: Door,
}

/// Editors write a file in several goes.
const SETTLES_IN: Duration = Duration::from_millis(300);
/// Where a request would go.
const TARGET: &str = "https://target.example";
/// The requests of each case, step by step.
type Requests = BTreeMap<String, Vec<String>>;

pub async fn run(arguments: &Arguments) -> ExitCode {
    let sandbox = match sandbox() {
        Ok(sandbox) => sandbox,
        Err(code) => return code,
    };
    let (changes, mut changed) = mpsc::channel(1);
    let _watching = match watch(&arguments.folder, changes) {
        Ok(watching) => watching,
        Err(error) => {
            let why = format!("cannot watch {}: {error}", arguments.folder.display());
            return refused(Code::FileOfCommand, why);
        }
    };
    let mut before = None;
    loop {
        match round(arguments, &sandbox).await {
            Ok((requests, all_hold)) => {
                show_changes(before.as_ref(), &requests);
                before = Some(requests);
                if arguments.once {
                    return if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE };
                }
            }
            Err(Told) if arguments.once => return ExitCode::FAILURE,
            Err(Told) => {}
        }
        println!("waiting for a change in {}; Ctrl-C ends", arguments.folder.display());
        if changed.recv().await.is_none() {
            return ExitCode::SUCCESS;
        }
    }
}

/// Says that something changed; one word that was not heard yet is enough.
fn watch(folder: &Path, changes: mpsc::Sender<()>) -> notify::Result<impl Sized> {
    let root = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let watched = root.clone();
    let hear = move |heard: DebounceEventResult| {
        let by_hand = |path: &PathBuf| is_by_hand(path.strip_prefix(&root).unwrap_or(path));
        let events = heard.unwrap_or_default();
        let is_a_change =
            events.iter().any(|event| !event.kind.is_access() && event.paths.iter().any(by_hand));
        if is_a_change {
            let _ = changes.try_send(());
        }
    };
    let mut watching = new_debouncer(SETTLES_IN, None, hear)?;
    watching.watch(&watched, RecursiveMode::Recursive)?;
    Ok(watching)
}

/// What a build makes in its own folder sets off no other one.
fn is_by_hand(place: &Path) -> bool {
    let is_made =
        |part: &OsStr| MADE.iter().any(|made| part == *made) || part.as_encoded_bytes().starts_with(b".");
    !place.iter().any(is_made) && place.extension().is_none_or(|extension| extension != "wasm")
}

/// What was wrong was said already.
struct Told;

/// One build, and all that is asked of it: the requests of each case, and whether all of them hold.
async fn round(arguments: &Arguments, sandbox: &Sandbox) -> Result<(Requests, bool), Told> {
    let began = Instant::now();
    let component = built(&arguments.folder).await.map_err(|error| {
        unbuilt(&error);
        Told
    })?;
    let adapter = load_in(sandbox, &component).await.map_err(|_| Told)?;
    let description = adapter.description();
    println!("{} {}, built in {:.1} s", description.name, description.version, began.elapsed().as_secs_f64());
    let (mut requests, mut failed) = (Requests::new(), 0);
    let cases = cases(&arguments.folder.join("cases")).map_err(|_| Told)?;
    for file in &cases {
        let told = Case::read(file);
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let held = match told {
            Ok(case) => asked(&case, &adapter, &mut requests).await,
            Err(why) => Err(why),
        };
        if let Err(why) = held {
            failed += 1;
            println!("FAILED {name}: {why}");
        }
    }
    println!("{} of {} cases hold", cases.len() - failed, cases.len());
    if arguments.live {
        live(arguments, &adapter, &mut requests).await;
    }
    Ok((requests, failed == 0))
}

async fn asked(case: &Case, adapter: &Adapter, requests: &mut Requests) -> Result<(), Failure> {
    let lines = requests.entry(case.name.clone()).or_default();
    let mut differs = None;
    case.each(adapter, &mut |asked| {
        lines.extend(asked.request.as_ref().map(|request| curl(request, TARGET)));
        if let (None, Err(why)) = (&differs, asked.hold()) {
            differs = Some(why);
        }
        Ok(())
    })
    .await?;
    differs.map_or(Ok(()), Err)
}

/// What would be sent for the newest operation of the host.
async fn live(arguments: &Arguments, adapter: &Adapter, requests: &mut Requests) {
    let Ok(list) = arguments.door.ask(Method::GET, "operations?limit=1", None).await else { return };
    let Some(id) = list["operations"][0]["id"].as_str() else {
        println!("the host has no operation yet");
        return;
    };
    let path = format!("operations/{}/case", encoded(id));
    let Ok(case) = arguments.door.ask(Method::GET, &path, None).await else { return };
    let case = Case { name: format!("operation {id}"), case };
    let lines = requests.entry(case.name.clone()).or_default();
    let mut last = Value::Null;
    let mut hear = |asked: Asked| {
        lines.extend(asked.request.as_ref().map(|request| curl(request, TARGET)));
        last = asked.answer["decision"].clone();
        Ok(())
    };
    match case.each(adapter, &mut hear).await {
        Ok(()) => println!("operation {id}: {} requests, then {last}", lines.len()),
        Err(why) => println!("operation {id}: {why}"),
    }
}

/// The requests that are other ones than the last time.
fn show_changes(before: Option<&Requests>, now: &Requests) {
    let Some(before) = before else { return };
    for (case, lines) in now.iter().filter(|(case, lines)| before.get(*case).is_some_and(|old| old != *lines))
    {
        println!("{case}: its requests changed");
        let old = &before[case];
        for place in 0..lines.len().max(old.len()) {
            let (old, new) = (old.get(place), lines.get(place));
            if old != new {
                old.into_iter().for_each(|old| println!("- {old}"));
                new.into_iter().for_each(|new| println!("+ {new}"));
            }
        }
    }
}
