//! Sets a reload off when a file has changed. What a watcher says is a hint: what counts is the files' bytes, and
//! they are looked at without any hint, too.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Reload, digest_of, load};
use crate::cases;
use crate::domain::Digest;
use crate::ports::Reloads as _;

/// Whoever writes a file does it in several goes.
const SETTLES_IN: Duration = Duration::from_millis(300);
/// A file that is other bytes after so long is still being written.
const STANDS_FOR: Duration = Duration::from_millis(200);
/// So often it is looked at again.
const LOOKS_MAX: u32 = 25;
/// Without any hint: some file systems give none.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What keeps a group unserved is tried again after one such look, two, four, and so on up to so many: to compile a
/// component that is not to be had costs minutes.
const TRIED_EVERY_MAX: u32 = 20;

/// What each file held, and which cases lay beside each component: one that was refused for a case is tried again
/// when that has changed.
#[derive(PartialEq, Eq)]
struct Seen {
    files: BTreeMap<PathBuf, Option<Digest>>,
    cases: BTreeMap<PathBuf, cases::Seen>,
}

/// Looks until `stop`.
pub async fn watch(reload: Arc<Reload>, stop: CancellationToken) {
    let (hints, mut hinted) = mpsc::channel(1);
    let mut seen = look(&reload).await;
    let mut watching = Watching::new(hints, &seen);
    // What changed while the host began.
    reload.reload("a changed file", &BTreeSet::new()).await;
    let (mut is_time, mut tries) = (false, Tries::default());
    while !stop.is_cancelled() {
        let Some(now) = stop.run_until_cancelled(settled(&reload)).await else { return };
        if now != seen {
            tries = Tries::default();
        }
        // What keeps a group unserved may have been mended elsewhere.
        if now != seen || (is_time && reload.leaves_undone() && tries.is_due()) {
            reload.reload("a changed file", &BTreeSet::new()).await;
            seen = now;
        }
        // A folder that was made anew is another one, though it has the old one's name.
        watching.again(&seen);
        if look(&reload).await != seen {
            // It changed while nobody watched.
            continue;
        }
        is_time = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(()) = hinted.recv() => false,
            () = tokio::time::sleep(LOOK_EVERY) => true,
        };
    }
}

/// When something is tried again though nothing has changed that we can see.
struct Tries {
    looks: u32,
    every: u32,
}

impl Default for Tries {
    fn default() -> Self {
        Self { looks: 0, every: 1 }
    }
}

impl Tries {
    /// Asked once in a look.
    fn is_due(&mut self) -> bool {
        self.looks += 1;
        let is_due = self.looks == self.every;
        if is_due {
            *self = Self { looks: 0, every: (2 * self.every).min(TRIED_EVERY_MAX) };
        }
        is_due
    }
}

/// The configuration, the files that it names, and the pins.
async fn look(reload: &Reload) -> Seen {
    let file = reload.file.as_path();
    let (groups, named) = match load(file).await.0 {
        Ok((settings, _)) => (settings.groups, settings.files),
        Err(problems) => (problems.whole, problems.files),
    };
    let pins: Vec<PathBuf> =
        groups.iter().flat_map(|group| reload.parts.workshop.files_beside(group)).collect();
    let components: Vec<PathBuf> = groups.into_iter().map(|group| group.adapter).collect();
    let mut files = BTreeMap::new();
    for file in [file.to_owned()].into_iter().chain(components.iter().cloned()).chain(named).chain(pins) {
        let digest = digest_of(&file).await;
        files.insert(file, digest);
    }
    let beside = |component: PathBuf| (cases::folder_beside(&component), cases::Seen::beside(&component));
    let cases = tokio::task::spawn_blocking(move || components.into_iter().map(beside).collect());
    Seen { files, cases: cases.await.unwrap_or_default() }
}

/// As they are once nobody writes any more. One that is written all the time does not hold up the others for ever.
async fn settled(reload: &Reload) -> Seen {
    let mut before = look(reload).await;
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(STANDS_FOR).await;
        let now = look(reload).await;
        if now == before {
            return now;
        }
        before = now;
    }
    before
}

/// By which a folder is told from one that was made anew: a number may be given again.
type Identity = (u64, Option<SystemTime>);

/// The folders that are watched: a file that is renamed into its place is another file.
struct Watching {
    debouncer: Option<Debouncer<RecommendedWatcher, RecommendedCache>>,
    /// Each with what tells it from another one of its name.
    folders: BTreeMap<PathBuf, Option<Identity>>,
}

impl Watching {
    fn new(hints: mpsc::Sender<()>, seen: &Seen) -> Self {
        let hear = move |heard: DebounceEventResult| {
            if is_a_hint(&heard) {
                let _ = hints.try_send(());
            }
        };
        let debouncer = new_debouncer(SETTLES_IN, None, hear)
            .map_err(|error| tracing::warn!(%error, "files cannot be watched; they are looked at every 30 seconds"))
            .ok();
        let mut watching = Self { debouncer, folders: BTreeMap::new() };
        watching.again(seen);
        watching
    }

    fn again(&mut self, seen: &Seen) {
        let Some(debouncer) = &mut self.debouncer else { return };
        let cases = seen.cases.keys().filter(|folder| folder.is_dir()).cloned();
        let folders = seen.files.keys().flat_map(|file| folders_of(file)).chain(cases);
        let folders: BTreeMap<PathBuf, Option<Identity>> = folders
            .map(|folder| (folder.clone(), folder.metadata().ok().map(|it| (it.ino(), it.created().ok()))))
            .collect();
        for (folder, inode) in &self.folders {
            if folders.get(folder) != Some(inode) {
                let _ = debouncer.unwatch(folder);
            }
        }
        for (folder, inode) in &folders {
            if self.folders.get(folder) != Some(inode) {
                // One that is not there is looked at all the same.
                let _ = debouncer.watch(folder, RecursiveMode::NonRecursive);
            }
        }
        self.folders = folders;
    }
}

/// What could not be heard may have been anything, and so may what was too much to be told. What is only read is no
/// change: we read, too.
fn is_a_hint(heard: &DebounceEventResult) -> bool {
    heard.as_ref().map_or(true, |events| events.iter().any(|event| !event.kind.is_access()))
}

/// That in which its name stands, and that in which the file itself does, where links lead there.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    let named = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let real = file.canonicalize().ok().and_then(|real| Some(real.parent()?.to_owned()));
    std::iter::once(named.to_owned()).chain(real).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use notify::event::{AccessKind, AccessMode, CreateKind, Flag, RemoveKind};
    use notify::{Event, EventKind};
    use notify_debouncer_full::DebouncedEvent;

    use super::*;

    #[test]
    fn what_was_too_much_to_be_told_is_a_hint_and_what_was_read_is_none() {
        let one = |event: Event| Ok(vec![DebouncedEvent::new(event, Instant::now())]);
        let of = |kind: EventKind| Event::new(kind).add_path("hss.wasm".into());
        for (heard, is_hint) in [
            (one(of(EventKind::Create(CreateKind::File))), true),
            (one(of(EventKind::Remove(RemoveKind::Folder))), true),
            (one(of(EventKind::Access(AccessKind::Close(AccessMode::Read)))), false),
            // The kernel's queue was full.
            (one(Event::new(EventKind::Other).set_flag(Flag::Rescan)), true),
            (Err(vec![notify::Error::generic("it cannot be heard")]), true),
            (Ok(Vec::new()), false),
        ] {
            assert_eq!(is_a_hint(&heard), is_hint, "{heard:?}");
        }
    }

    #[test]
    fn what_never_helps_is_tried_more_and_more_rarely() {
        let mut tries = Tries::default();
        let due: Vec<u32> = (1..=75).filter(|_| tries.is_due()).collect();
        assert_eq!(due, [1, 3, 7, 15, 31, 51, 71]);
    }
}
