//! Brings a copy back as the journal of a directory.
//!
//! Until the last step nothing there can be mistaken for a journal, and what stood there before is kept. A file
//! says that this is under way: a host that began in the middle would find no journal, and make a new one.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use super::backup::key_beside;
use super::care::CareError;
use super::seal::{Seal, copy_key, sync_folder_of};
use super::sqlite::copy::{self, Contents};
use super::sqlite::{inspect, schema};
use super::verify::Report;
use super::{DATABASE, KEY, OpenError, Settings, lock, rotation};

/// Stands in the directory from the moment when all is checked until the journal has its name.
pub const RESTORED: &str = "journal.db.restored";
pub const UNFINISHED: &str = "journal.db.part";
/// The folder for what stood there before.
const ASIDE: &str = "replaced";
/// What goes there. The key stays as well: it may be the one that is needed.
pub const REPLACED: [&str; 4] = [DATABASE, "journal.db-wal", "journal.db-shm", rotation::NEXT_KEY];

/// What a person wants.
#[derive(Clone, Debug)]
pub struct Wish {
    pub from: PathBuf,
    /// Where the copy's key is; beside it or in the directory, if that is not said.
    pub key: Option<PathBuf>,
    /// What stands there now is put aside. Without this nothing may stand there.
    pub move_aside: bool,
    /// A copy will do of which some values cannot be read.
    pub accept_damage: bool,
}

#[derive(Debug)]
pub struct Restored {
    pub contents: Contents,
    /// What was looked through, with the damage that was accepted.
    pub report: Report,
    /// Where that is which stood there before.
    pub aside: Option<PathBuf>,
}

/// Brings a copy back. With `steps` it stops after so many of those that change something, as if it had been
/// killed; then there is nothing to tell.
///
/// # Errors
/// When a host runs there, a journal stands there, or the copy is not one to trust. Nothing is changed then.
pub fn restore(
    settings: &Settings,
    wish: &Wish,
    steps: Option<usize>,
) -> Result<Option<Restored>, CareError> {
    let directory = &settings.directory;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(CareError::write(directory))?;
    let _lock = lock(directory)?;
    let place = Place { directory, goes_on: directory.join(RESTORED).exists() };
    place.has_room(wish.move_aside)?;
    let checked = check(wish, directory);
    let (contents, report, key) = checked.inspect_err(|_| {
        let _ = std::fs::remove_file(directory.join(UNFINISHED));
    })?;
    let all: [&dyn Fn() -> Result<(), CareError>; 4] =
        [&|| place.announce(), &|| place.put_aside(), &|| place.bring_key(&key), &|| place.name()];
    let done = steps.unwrap_or(all.len());
    all.iter().take(done).try_for_each(|step| step())?;
    let aside = Some(directory.join(ASIDE)).filter(|aside| aside.exists());
    Ok((done >= all.len()).then_some(Restored { contents, report, aside }))
}

/// Makes the copy in its new place, of this version, and looks it through with its key.
fn check(wish: &Wish, directory: &Path) -> Result<(Contents, Report, PathBuf), CareError> {
    let (from, to) = (&wish.from, directory.join(UNFINISHED));
    let failed = |source| CareError::from(OpenError::Sqlite { path: from.clone(), source });
    let write = CareError::write(&to);
    File::open(from).map_err(|source| CareError::Read { path: from.clone(), source })?;
    let file =
        File::options().create(true).truncate(true).write(true).mode(0o600).open(&to).map_err(&write)?;
    copy::copy(from, &to).map_err(failed)?;
    schema::bring_forward(&to, from)?;
    file.sync_all().map_err(&write)?;
    let contents = copy::contents(&to).map_err(failed)?;
    let key = key(wish, directory, &contents)?;
    let mut report = Report { database: to, ..Report::default() };
    inspect::inspect(&mut report, &key, Seal::read(&key)?.as_ref())?;
    report.database.clone_from(from);
    match report.is_sound() || (wish.accept_damage && report.is_usable()) {
        true => Ok((contents, report, key)),
        false => Err(CareError::Damaged(Box::new(report))),
    }
}

/// The key with which the copy is sealed.
fn key(wish: &Wish, directory: &Path, contents: &Contents) -> Result<PathBuf, OpenError> {
    let places = match &wish.key {
        Some(given) => vec![given.clone()],
        None => vec![key_beside(&wish.from), directory.join(KEY)],
    };
    for place in &places {
        if Seal::read(place)?.is_some_and(|seal| contents.key.as_ref() == Some(&seal.key_id())) {
            return Ok(place.clone());
        }
    }
    let looked: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    let wanted = contents.key.as_deref().unwrap_or("unknown");
    let why = format!(
        "{} is sealed with the key {wanted}, which is not in {}: name its file with --key",
        wish.from.display(),
        looked.join(" nor in ")
    );
    Err(OpenError::Key { path: directory.join(KEY), why })
}

/// The directory that gets the journal.
struct Place<'a> {
    directory: &'a Path,
    /// One that was stopped is done again; whatever it left is in its way.
    goes_on: bool,
}

impl Place<'_> {
    fn has_room(&self, move_aside: bool) -> Result<(), CareError> {
        let stands = REPLACED.iter().any(|name| self.directory.join(name).exists());
        let aside = self.directory.join(ASIDE);
        match stands && !self.goes_on {
            true if !move_aside => Err(CareError::Occupied(self.directory.to_owned())),
            true if aside.exists() => Err(CareError::There(aside)),
            _ => Ok(()),
        }
    }

    fn announce(&self) -> Result<(), CareError> {
        let (unfinished, restored) = (self.directory.join(UNFINISHED), self.directory.join(RESTORED));
        std::fs::rename(&unfinished, &restored).map_err(CareError::write(&restored))?;
        sync_folder_of(&restored).map_err(CareError::write(&restored))
    }

    /// The log last of all would be taken for that of the new one.
    fn put_aside(&self) -> Result<(), CareError> {
        let (aside, key) = (self.directory.join(ASIDE), self.directory.join(KEY));
        let stands: Vec<&str> =
            REPLACED.into_iter().filter(|name| self.directory.join(name).exists()).collect();
        if stands.is_empty() {
            return Ok(());
        }
        let write = CareError::write(&aside);
        self.copy_key_aside(&key, &aside)?;
        for name in stands {
            std::fs::rename(self.directory.join(name), aside.join(name)).map_err(&write)?;
        }
        sync_folder_of(&aside.join(KEY)).and_then(|()| sync_folder_of(&aside)).map_err(&write)
    }

    fn bring_key(&self, from: &Path) -> Result<(), CareError> {
        let key = self.directory.join(KEY);
        if from == key {
            return Ok(());
        }
        self.put_key_aside(from)?;
        copy_key(from, &key).map_err(CareError::write(&key))?;
        self.give(&key)
    }

    /// Where nothing but a key stands, somebody may still need that one.
    fn put_key_aside(&self, from: &Path) -> Result<(), CareError> {
        let (key, aside) = (self.directory.join(KEY), self.directory.join(ASIDE));
        let bytes = |path: &Path| std::fs::read(path).map_err(CareError::write(path));
        if !key.exists() || aside.join(KEY).exists() || bytes(&key)? == bytes(from)? {
            return Ok(());
        }
        self.copy_key_aside(&key, &aside)
    }

    /// Makes the folder, and keeps the key in it, if there is one; what is kept there stays.
    fn copy_key_aside(&self, key: &Path, aside: &Path) -> Result<(), CareError> {
        let (write, kept) = (CareError::write(aside), aside.join(KEY));
        DirBuilder::new().recursive(true).mode(0o700).create(aside).map_err(&write)?;
        self.give(aside)?;
        if !key.exists() || kept.exists() {
            return Ok(());
        }
        copy_key(key, &kept).map_err(&write)?;
        self.give(&kept)
    }

    fn name(&self) -> Result<(), CareError> {
        let (restored, database) = (self.directory.join(RESTORED), self.directory.join(DATABASE));
        self.give(&restored)?;
        std::fs::rename(&restored, &database).map_err(CareError::write(&database))?;
        sync_folder_of(&database).map_err(CareError::write(&database))
    }

    fn give(&self, path: &Path) -> Result<(), CareError> {
        give(self.directory, path)
    }
}

/// Root may do this, and the host runs as whoever has the directory.
pub fn give(directory: &Path, path: &Path) -> Result<(), CareError> {
    let owners = std::fs::metadata(directory).and_then(|of| Ok((of, std::fs::metadata(path)?)));
    let (wanted, found) = owners.map_err(CareError::write(path))?;
    if (wanted.uid(), wanted.gid()) == (found.uid(), found.gid()) {
        return Ok(());
    }
    chown(path, Some(wanted.uid()), Some(wanted.gid())).map_err(CareError::write(path))
}
