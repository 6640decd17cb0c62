//! Which questions are with an adapter at this moment: a file beside the database, of slots that are written
//! over in place. Nothing of it is synced, for it has to outlive the process and not the machine. What a
//! process leaves marked when it dies is what it may have died of.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::domain::{Digest, Subject, hex};
use crate::ports::Mark;

/// More than any question needs; the first slot says of which run the marks are.
const SLOT: usize = 512;
const RUN_BYTES: usize = 16;
/// Of more questions at a time the rest go unmarked.
const SLOTS_MAX: usize = 4096;

/// What an adapter was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub subject: Subject,
    pub adapter: Digest,
}

/// What the last process left behind.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Its name, so that nothing is counted twice.
    pub run: String,
    pub asked: Vec<Asked>,
}

pub struct Marks {
    slots: Arc<Slots>,
    left: Left,
}

struct Slots {
    file: File,
    taken: Mutex<Vec<bool>>,
}

impl Marks {
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file =
            File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        let mut bytes = Vec::new();
        file.by_ref().take((SLOT * (SLOTS_MAX + 1)) as u64).read_to_end(&mut bytes)?;
        Ok(Self { slots: Arc::new(Slots { file, taken: Mutex::default() }), left: read(&bytes) })
    }

    pub fn left(&self) -> Left {
        self.left.clone()
    }

    /// From now on the marks are those of this run. What was left must have been counted.
    pub fn begin(&self) -> io::Result<()> {
        let mut run = [0; RUN_BYTES];
        getrandom::fill(&mut run).map_err(io::Error::other)?;
        let file = &self.slots.file;
        file.set_len(0)?;
        file.write_all_at(&slot(hex(&run)), 0)?;
        // Or a power cut would bring back what was counted before it.
        file.sync_all()
    }

    pub fn set(&self, asked: &Asked) -> Mark {
        match self.slots.set(asked) {
            Ok(mark) => Box::new(mark),
            // Whatever dies of it is not counted; all else goes on.
            Err(error) => {
                tracing::warn!(%error, "a question is not marked");
                Box::new(())
            }
        }
    }
}

/// Unmarks when it is dropped.
struct Set {
    slots: Arc<Slots>,
    at: usize,
}

impl Slots {
    fn set(self: &Arc<Self>, asked: &Asked) -> io::Result<Set> {
        let text = serde_json::to_string(asked).map_err(io::Error::other)?;
        if text.len() >= SLOT {
            return Err(io::Error::other("its names are too long"));
        }
        let at = self.take().ok_or_else(|| io::Error::other("too many are asked at a time"))?;
        let set = Set { slots: Arc::clone(self), at };
        self.file.write_all_at(&slot(text), place(at))?;
        Ok(set)
    }

    fn take(&self) -> Option<usize> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = taken.iter().position(|taken| !taken);
        match free {
            Some(at) => taken[at] = true,
            None if taken.len() < SLOTS_MAX => taken.push(true),
            None => return None,
        }
        Some(free.unwrap_or(taken.len() - 1))
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        if let Err(error) = self.slots.file.write_all_at(b" ", place(self.at)) {
            tracing::warn!(%error, "a question stays marked");
        }
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken[self.at] = false;
    }
}

fn place(at: usize) -> u64 {
    (SLOT * (at + 1)) as u64
}

/// A line that fills its slot.
fn slot(text: String) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    bytes.resize(SLOT - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// A slot that cannot be read is none: nobody is accused by half a word.
fn read(bytes: &[u8]) -> Left {
    let mut slots = bytes.chunks(SLOT);
    let run =
        slots.next().and_then(|run| std::str::from_utf8(run).ok()).unwrap_or_default().trim().to_owned();
    Left { run, asked: slots.filter_map(|slot| serde_json::from_slice(slot).ok()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Group, IAccount, Lane};

    fn asked(i_account: u64) -> Asked {
        let lane = Lane { i_account: IAccount(i_account), group: Group("HSS".to_owned()) };
        Asked { subject: Subject::Lane(lane), adapter: Digest::of(b"adapter") }
    }

    #[test]
    fn what_is_not_unmarked_is_left_to_the_next_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.asked");
        let marks = Marks::open(&path).expect("a file");
        assert!(marks.left().asked.is_empty() && marks.left().run.is_empty());
        marks.begin().expect("begun");
        let (first, second) = (marks.set(&asked(1)), marks.set(&asked(2)));
        drop(first);
        let third = marks.set(&asked(3));
        drop(second);
        // The process dies.
        std::mem::forget(third);
        drop(marks);

        let next = Marks::open(&path).expect("a file");
        let left = next.left();
        assert_eq!(left.asked, [asked(3)]);
        assert_eq!(left.run.len(), 2 * RUN_BYTES);
        // It dies before it has begun.
        assert_eq!(Marks::open(&path).expect("a file").left().run, left.run);
        next.begin().expect("begun");
        let after = Marks::open(&path).expect("a file").left();
        assert!(after.asked.is_empty() && after.run != left.run);
    }

    #[test]
    fn what_is_half_there_accuses_nobody() {
        let mut bytes = slot("run".to_owned());
        bytes.extend(slot(serde_json::to_string(&asked(1)).expect("JSON")));
        let whole = bytes.len();
        bytes.extend(slot("{\"subject\":{\"lane\"".to_owned()));
        bytes.extend([0; SLOT]);
        assert_eq!(read(&bytes).asked, [asked(1)]);
        assert!(read(&bytes[..whole - 400]).asked.is_empty(), "cut off");
        assert!(read(b"").asked.is_empty());
        assert!(read(&[0xff; 3 * SLOT]).asked.is_empty());
    }

    #[test]
    fn no_more_are_marked_than_there_are_slots_and_a_long_name_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let marks = Marks::open(&folder.path().join("journal.asked")).expect("a file");
        marks.begin().expect("begun");
        let held: Vec<Mark> = (0..=SLOTS_MAX as u64).map(|number| marks.set(&asked(number))).collect();
        let long = Asked {
            subject: Subject::Errand { group: Group("x".repeat(SLOT)), what: "log-in".to_owned() },
            ..asked(1)
        };
        drop(marks.set(&long));
        let left = read(&std::fs::read(folder.path().join("journal.asked")).expect("read"));
        assert_eq!(left.asked.len(), SLOTS_MAX);
        drop(held);
        assert!(read(&std::fs::read(folder.path().join("journal.asked")).expect("read")).asked.is_empty());
    }
}
