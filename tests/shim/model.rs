//! What a power cut would leave.
//!
//! Of a file, what was written and then synced. Of a directory, the names that it had when it was last synced:
//! a file that was made, renamed or deleted since is not there, or still there under its old name. POSIX promises no
//! more. The contents of a file belong to the file and not to its name, so one that is synced, renamed and only then made
//! durable under its new name has its bytes.
//!
//! Kept are `data/<number>`, a file's synced bytes, and `names`, lines of `<number> <name>`.

use std::collections::HashMap;
use std::ffi::c_int;
use std::fs::{self, File};
use std::io;
use std::mem;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What was done to a file since it was last synced.
enum Done {
    Wrote { at: u64, bytes: Vec<u8> },
    Resized(u64),
}

pub struct Model {
    watched: PathBuf,
    kept: PathBuf,
    /// By the kernel's number; a new file may have that of one that is gone.
    numbers: HashMap<u64, usize>,
    unsynced: Vec<Vec<Done>>,
}

impl Model {
    /// What is kept is what a host before has left there; without such, all that is there now is taken for synced.
    pub fn begin(watched: &Path, kept: PathBuf) -> io::Result<Self> {
        let known = fs::read_to_string(kept.join("names")).ok();
        fs::create_dir_all(kept.join("data"))?;
        let mut model =
            Self { watched: watched.to_owned(), kept, numbers: HashMap::new(), unsynced: Vec::new() };
        match known {
            Some(known) => model.remember(&known),
            None => model.take_all()?,
        }
        Ok(model)
    }

    fn remember(&mut self, known: &str) {
        for (number, name) in known.lines().filter_map(|line| line.split_once(' ')) {
            let Ok(number) = number.parse::<usize>() else { continue };
            self.unsynced.resize_with(self.unsynced.len().max(number + 1), Vec::new);
            if let Ok(there) = fs::metadata(self.watched.join(name)) {
                self.numbers.insert(there.ino(), number);
            }
        }
    }

    fn take_all(&mut self) -> io::Result<()> {
        for entry in fs::read_dir(&self.watched).into_iter().flatten() {
            let entry = entry?;
            let there = entry.metadata()?;
            let number = self.number_of(there.ino());
            if there.is_file() {
                fs::copy(entry.path(), self.data(number))?;
            }
        }
        self.synced_names()
    }

    fn data(&self, number: usize) -> PathBuf {
        self.kept.join("data").join(number.to_string())
    }

    fn number_of(&mut self, inode: u64) -> usize {
        *self.numbers.entry(inode).or_insert_with(|| {
            self.unsynced.push(Vec::new());
            self.unsynced.len() - 1
        })
    }

    /// Gives the file's number.
    pub fn opened(&mut self, file: c_int, is_new: bool, is_emptied: bool) -> usize {
        let inode = fs::metadata(format!("/proc/self/fd/{file}")).map_or(0, |there| there.ino());
        if is_new {
            self.numbers.remove(&inode);
        }
        let number = self.number_of(inode);
        if is_emptied && !is_new {
            self.resized(number, 0);
        }
        number
    }

    pub fn wrote(&mut self, number: usize, at: u64, bytes: &[u8]) {
        self.unsynced[number].push(Done::Wrote { at, bytes: bytes.to_vec() });
    }

    pub fn resized(&mut self, number: usize, length: u64) {
        self.unsynced[number].push(Done::Resized(length));
    }

    pub fn synced(&mut self, number: usize) -> io::Result<()> {
        let file = File::options().create(true).truncate(false).write(true).open(self.data(number))?;
        for done in mem::take(&mut self.unsynced[number]) {
            match done {
                Done::Wrote { at, bytes } => file.write_all_at(&bytes, at)?,
                Done::Resized(length) => file.set_len(length)?,
            }
        }
        Ok(())
    }

    /// A sync failed. What it was for is not on the disk, and no later sync will bring it there: the kernel holds it
    /// for written.
    pub fn gave_up(&mut self, number: usize) {
        self.unsynced[number].clear();
    }

    pub fn synced_names(&mut self) -> io::Result<()> {
        let mut names = String::new();
        for entry in fs::read_dir(&self.watched).into_iter().flatten() {
            let entry = entry?;
            let Ok(there) = entry.metadata() else { continue };
            let number = self.number_of(there.ino());
            names.push_str(&format!("{number} {}\n", entry.file_name().to_string_lossy()));
        }
        let (new, names_at) = (self.kept.join("names.new"), self.kept.join("names"));
        fs::write(&new, names)?;
        fs::rename(new, names_at)
    }
}
