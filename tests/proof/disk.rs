//! The disk and the clock of a host, seen from outside: the shim stands between, see `tests/shim`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rand::Rng as _;
use rand::rngs::StdRng;

/// What the host's system does with its calls.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// The wall clock is so many milliseconds ahead.
    Clock = 0,
    /// Writing to the journal's files fails with that error.
    Write,
    /// Syncing them does; [`LIES`].
    Sync,
    /// Opening them to write does.
    Open,
    /// The process is killed before the so manyth of its writes, syncs and new files.
    Dies,
}

const ORDERS: usize = 5;

/// Whoever syncs is told that it was done, and it was not.
pub const LIES: i64 = -1;
pub const EIO: i64 = 5;
pub const ENOSPC: i64 = 28;
pub const EROFS: i64 = 30;
/// No order.
pub const NOTHING: i64 = 0;

/// What survives a cut beside what was synced.
pub enum Unsynced<'a> {
    /// Nothing: the most pessimistic disk.
    Gone,
    /// One sector and not the next, as chance has it.
    InPart(&'a mut StdRng),
}

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

pub struct Disk {
    directory: PathBuf,
    kept: PathBuf,
    orders: PathBuf,
}

impl Disk {
    /// The disk on which a directory is; what else is needed is put beside it.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn of(directory: &Path) -> io::Result<Self> {
        let beside = |ending: &str| directory.with_extension(ending);
        let disk = Self { directory: directory.to_owned(), kept: beside("kept"), orders: beside("orders") };
        fs::write(&disk.orders, [0; ORDERS * 8])?;
        Ok(disk)
    }

    /// What a process must find in its environment to be on this disk.
    ///
    /// # Errors
    /// When the shim is not where it was built.
    pub fn environment(&self) -> io::Result<[(&'static str, PathBuf); 4]> {
        Ok([
            ("LD_PRELOAD", shim()?),
            ("SHIM_WATCHED", self.directory.clone()),
            ("SHIM_KEPT", self.kept.clone()),
            ("SHIM_ORDERS", self.orders.clone()),
        ])
    }

    /// Is obeyed from now on, by whoever runs on this disk.
    ///
    /// # Errors
    /// When the file of the orders is gone.
    pub fn order(&self, what: Order, value: i64) -> io::Result<()> {
        let file = File::options().write(true).open(&self.orders)?;
        file.write_all_at(&value.to_ne_bytes(), what as u64 * 8)
    }

    /// The names that would be there after a cut.
    ///
    /// # Errors
    /// When nobody has run on this disk yet.
    pub fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.survivors()?.into_iter().map(|(name, _)| name).collect())
    }

    fn survivors(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let names = fs::read_to_string(self.kept.join("names"))?;
        let lines = names.lines().filter_map(|line| line.split_once(' '));
        Ok(lines.map(|(number, name)| (name.to_owned(), self.kept.join("data").join(number))).collect())
    }

    /// The power goes. Nobody runs any more; the directory holds then what the disk had.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn cut(&self, mut unsynced: Unsynced<'_>) -> io::Result<()> {
        let after = self.directory.with_extension("after");
        fs::create_dir_all(&after)?;
        for (name, data) in self.survivors()? {
            let mut bytes = fs::read(data).unwrap_or_default();
            if let Unsynced::InPart(chance) = &mut unsynced
                && matches!(name.as_str(), "journal.db" | "journal.db-wal")
            {
                let unsynced = fs::read(self.directory.join(&name)).unwrap_or_default();
                survive(&mut bytes, &unsynced, chance);
            }
            let file = after.join(name);
            fs::write(&file, bytes)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        fs::remove_dir_all(&self.directory)?;
        fs::rename(&after, &self.directory)?;
        self.all_is_synced()
    }

    /// What is in the directory now is on the disk.
    ///
    /// # Errors
    /// When what was kept cannot be removed.
    pub fn all_is_synced(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Puts some of the sectors that were written and not synced among those that were.
fn survive(synced: &mut Vec<u8>, written: &[u8], chance: &mut StdRng) {
    for (at, sector) in written.chunks(SECTOR).enumerate() {
        let (from, to) = (at * SECTOR, at * SECTOR + sector.len());
        if synced.get(from..to) != Some(sector) && chance.random() {
            synced.resize(synced.len().max(to), 0);
            synced[from..to].copy_from_slice(sector);
        }
    }
}

/// It is built with whoever depends on it, and lies where their libraries do.
fn shim() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let beside = program.parent().unwrap_or(Path::new("."));
    let found =
        [beside.to_owned(), beside.join("deps")].into_iter().flat_map(|folder| fs::read_dir(folder).ok());
    let files = found.flatten().filter_map(|file| Some(file.ok()?.path()));
    let mut shims: Vec<PathBuf> = files
        .filter(|file| {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.starts_with("libpunchdown_shim") && name.ends_with(".so")
        })
        .collect();
    shims.sort_by_key(|file| fs::metadata(file).and_then(|there| there.modified()).ok());
    shims.pop().ok_or_else(|| io::Error::other(format!("there is no shim beside {}", program.display())))
}
