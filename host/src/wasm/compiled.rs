//! What components were compiled to, kept on disk, so that no start compiles what an earlier one did.
//!
//! It is native code and is run as it lies there. So it lies in a folder that only the host's own user can enter, is
//! known by all that it depends on, and what is read is what is checked. Whatever is wrong with it costs a compile.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, Metadata};
use std::hash::{Hash as _, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

use super::shelf::write_in_goes;
use crate::domain::{Digest, hex};

/// All that is kept; what was not used for longest goes. A Python component is 35 MB of code.
const KEPT_BYTES_MAX: u64 = 512 << 20;
/// Another one when the form of these files is.
const FORM: &[u8] = b"punchdown compiled 1";
const CHECK_BYTES: usize = 32;
const ENDING: &str = "cwasm";

/// A component's code, by all that makes it what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The component, wasmtime's version to the last digit, how the engine compiles, and for which processor.
    pub fn of(engine: &Engine, component: &Digest) -> Self {
        let mut all = Everything(Sha256::new_with_prefix(FORM));
        component.hash(&mut all);
        engine.precompile_compatibility_hash().hash(&mut all);
        Self(hex(&all.0.finalize()))
    }
}

/// Takes in whatever is hashed, and not a number of it.
struct Everything(Sha256);

impl Hasher for Everything {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// The folder. Whose it is not, and who can enter it besides, is found out each time.
pub struct Compiled {
    folder: PathBuf,
    most: u64,
    /// What came before the folder that the journal stands in was made.
    waiting: Mutex<BTreeMap<Name, Vec<u8>>>,
    /// Whether somebody was told that nothing can be kept.
    told: AtomicBool,
}

impl Compiled {
    /// Beside the journal, as the components themselves.
    pub fn beside(journal: &Path) -> Self {
        let (waiting, told) = (Mutex::default(), AtomicBool::new(false));
        Self { folder: journal.join("compiled"), most: KEPT_BYTES_MAX, waiting, told }
    }

    /// The code of that name, whole and as it was put there.
    pub fn get(&self, name: &Name) -> Option<Vec<u8>> {
        if let Some(code) = self.waiting().get(name) {
            return Some(code.clone());
        }
        self.read(name).unwrap_or_else(|error| {
            self.tell(&error);
            None
        })
    }

    /// Keeps it. That it cannot be kept harms nobody.
    pub fn put(&self, name: &Name, code: &[u8]) {
        match self.folder.parent().is_some_and(Path::is_dir) {
            true => self.write(name, code).unwrap_or_else(|error| self.tell(&error)),
            // What the configuration would be refused for makes no folder for a journal.
            false => drop(self.waiting().insert(name.clone(), code.to_vec())),
        }
    }

    /// It is no good, whatever its check says.
    pub fn forget(&self, name: &Name, why: &str) {
        let file = self.place(name);
        tracing::warn!(file = %file.display(), why, "what a component was compiled to cannot be used; it is compiled anew");
        let _ = fs::remove_file(file);
    }

    /// The folder that the journal stands in is there now.
    pub fn settle(&self) {
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.iter().for_each(|(name, code)| self.put(name, code));
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<Name, Vec<u8>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, name: &Name) -> io::Result<Option<Vec<u8>>> {
        let path = self.place(name);
        if own(&self.folder, Metadata::is_dir)?.is_none() || own(&path, Metadata::is_file)?.is_none() {
            return Ok(None);
        }
        let mut kept = fs::read(&path)?;
        let (check, code) = kept.split_at(kept.len().min(CHECK_BYTES));
        if check != check_of(name, code) {
            self.forget(name, "it is damaged");
            return Ok(None);
        }
        // So that what is used goes last.
        let _ = File::open(&path).map(|file| futimens(file, &USED_NOW));
        kept.drain(..CHECK_BYTES);
        Ok(Some(kept))
    }

    fn write(&self, name: &Name, code: &[u8]) -> io::Result<()> {
        if own(&self.folder, Metadata::is_dir)?.is_none() {
            DirBuilder::new().mode(0o700).create(&self.folder)?;
        }
        let path = self.place(name);
        let unfinished = path.with_extension("unfinished");
        let written = write_whole(&unfinished, name, code).and_then(|()| fs::rename(&unfinished, &path));
        if let Err(error) = written {
            // On a full disk the journal needs what is left.
            let _ = fs::remove_file(unfinished);
            return Err(error);
        }
        self.make_room(&path)
    }

    /// Of whatever lies there: what another version left, too.
    fn make_room(&self, newest: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            files.push((entry.path() != newest, about.modified()?, about.len(), entry.path()));
        }
        files.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        let mut all = 0;
        for (is_older, _, bytes, path) in files {
            all += bytes;
            if is_older && all > self.most {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn place(&self, name: &Name) -> PathBuf {
        self.folder.join(&name.0).with_extension(ENDING)
    }

    fn tell(&self, error: &io::Error) {
        if !self.told.swap(true, Ordering::Relaxed) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "what components are compiled to cannot be kept; the next start compiles them anew");
        }
    }
}

const USED_NOW: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
};

/// Whether that is there, is what it should be and no link to it, and nobody but this user can have written it.
fn own(path: &Path, is_one: impl FnOnce(&Metadata) -> bool) -> io::Result<Option<()>> {
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let others = about.mode() & 0o077;
    let why = match () {
        () if !is_one(&about) => "it is a link, or of another kind".to_owned(),
        () if about.uid() != rustix::process::geteuid().as_raw() => {
            format!("it is of the user {}, and must be of the host's own", about.uid())
        }
        () if others != 0 => "others may use it; take that from them (`chmod go=`)".to_owned(),
        () => return Ok(Some(())),
    };
    Err(io::Error::other(format!("{}: {why}", path.display())))
}

/// The name is not synced: what a power cut leaves half written is found to be damaged.
fn write_whole(path: &Path, name: &Name, code: &[u8]) -> io::Result<()> {
    let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(&check_of(name, code))?;
    write_in_goes(&mut file, code)
}

/// Also of the name, or one component's code could lie in the place of another's.
fn check_of(name: &Name, code: &[u8]) -> [u8; CHECK_BYTES] {
    Sha256::new_with_prefix(name.0.as_bytes()).chain_update(code).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn name(number: u8) -> Name {
        Name(hex(&[number; 32]))
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }

    fn with_one() -> (tempfile::TempDir, Compiled) {
        let journal = tempfile::tempdir().expect("a folder");
        let compiled = Compiled::beside(journal.path());
        compiled.put(&name(1), b"code");
        assert_eq!(compiled.get(&name(1)).as_deref(), Some(&b"code"[..]));
        (journal, compiled)
    }

    #[test]
    fn code_is_known_by_its_component_and_by_how_it_was_compiled() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let engine = Engine::default();
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let ticking = Engine::new(&config).expect("an engine");
        assert_eq!(Name::of(&engine, &one), Name::of(&Engine::default(), &one));
        assert_ne!(Name::of(&engine, &one), Name::of(&engine, &other));
        assert_ne!(Name::of(&engine, &one), Name::of(&ticking, &one));
    }

    #[test]
    fn what_is_not_as_it_was_put_there_is_not_given() {
        let (_journal, compiled) = with_one();
        let place = compiled.place(&name(1));
        let whole = fs::read(&place).expect("it lies there");
        let write = |bytes: &[u8]| {
            fs::write(&place, bytes).expect("written");
            chmod(&place, 0o600);
        };
        for length in 0..whole.len() {
            write(&whole[..length]);
            assert_eq!(compiled.get(&name(1)), None, "{length} bytes of it");
        }
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 1;
            write(&other);
            assert_eq!(compiled.get(&name(1)), None, "another byte {at}");
        }
        write(&whole);
        assert!(compiled.get(&name(1)).is_some());
        fs::rename(&place, compiled.place(&name(2))).expect("renamed");
        assert_eq!(compiled.get(&name(2)), None, "it is another component's");
        assert_eq!(compiled.get(&name(1)), None, "it is gone");
    }

    #[test]
    fn what_somebody_else_could_have_written_is_not_given() {
        let (journal, compiled) = with_one();
        let place = compiled.place(&name(1));
        for (path, mode, own) in [(&place, 0o660, 0o600), (&compiled.folder, 0o770, 0o700)] {
            chmod(path, mode);
            assert_eq!(compiled.get(&name(1)), None, "{}", path.display());
            chmod(path, own);
            assert!(compiled.get(&name(1)).is_some());
        }
        let aside = journal.path().join("aside");
        for path in [&place, &compiled.folder] {
            fs::rename(path, &aside).expect("moved");
            symlink(&aside, path).expect("a link");
            assert_eq!(compiled.get(&name(1)), None, "{} is a link", path.display());
            fs::remove_file(path).expect("the link goes");
            fs::rename(&aside, path).expect("moved back");
        }
        assert!(compiled.get(&name(1)).is_some());
        fs::remove_dir_all(&compiled.folder).expect("removed");
        symlink(journal.path(), &compiled.folder).expect("a link");
        compiled.put(&name(1), b"code");
        assert!(
            !journal.path().join(place.file_name().expect("a name")).exists(),
            "nothing is written there"
        );
        assert!(compiled.told.load(Ordering::Relaxed), "somebody is told");
    }

    #[test]
    fn it_has_a_size_and_what_was_not_used_for_longest_goes() {
        let (_journal, mut compiled) = with_one();
        let each = 4 + CHECK_BYTES as u64;
        compiled.most = 3 * each;
        fs::write(compiled.folder.join("of-another-version"), [0; 8]).expect("written");
        for number in 2..4 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            compiled.put(&name(number), b"code");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(compiled.get(&name(1)).is_some(), "it is used");
        std::thread::sleep(std::time::Duration::from_millis(20));
        compiled.put(&name(4), b"code");
        let kept: Vec<u8> = (1..5).filter(|number| compiled.get(&name(*number)).is_some()).collect();
        assert_eq!(kept, [1, 3, 4]);
        assert_eq!(fs::read_dir(&compiled.folder).expect("a folder").count(), 3);
        compiled.most = 1;
        compiled.put(&name(5), b"code");
        assert!(compiled.get(&name(5)).is_some(), "the last one stays");
    }

    #[test]
    fn what_comes_before_the_journal_waits_for_it() {
        let above = tempfile::tempdir().expect("a folder");
        let journal = above.path().join("data");
        let compiled = Compiled::beside(&journal);
        compiled.put(&name(1), b"code");
        assert!(!journal.exists() && compiled.get(&name(1)).is_some());
        fs::create_dir(&journal).expect("the journal's folder");
        compiled.settle();
        assert!(Compiled::beside(&journal).get(&name(1)).is_some());
    }
}
