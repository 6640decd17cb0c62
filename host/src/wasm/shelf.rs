//! Components that serve or served, kept on disk by group: what was begun is brought to its end by what began it, also
//! after a restart, and an operator can go back to one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::{Digest, Group, Timestamp};
use crate::ports::EDITIONS_MAX;

const ENDING: &str = "wasm";
/// So much is written at a time.
const GO_BYTES: usize = 1 << 20;
/// The file that names the one to which a group is pinned.
const PINNED: &str = "pinned";
/// The file that says what all instances serve a group by.
const AGREED: &str = "agreed";

/// The folder, with one for each group in it.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
    /// Whether what lies here is what all instances have.
    in_common: bool,
}

/// What this instance has heard last of a group from all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    pub serves: Digest,
    /// What lay in the group's place then: anything else there is new. `None`: nothing could be read.
    pub in_place: Option<Digest>,
}

/// A component on the shelf.
#[derive(Clone, Debug)]
pub struct Edition {
    pub digest: Digest,
    pub path: PathBuf,
    pub bytes: u64,
    /// When it was put there last.
    pub kept_at: Timestamp,
}

impl Shelf {
    /// Beside the journal whose operations need it.
    pub fn beside(journal: &Path) -> Self {
        Self { folder: journal.join("adapters"), in_common: false }
    }

    /// Whether the components are those of all instances, and lie here as a copy.
    #[must_use]
    pub fn in_common(self, in_common: bool) -> Self {
        Self { in_common, ..self }
    }

    pub const fn is_in_common(&self) -> bool {
        self.in_common
    }

    /// Keeps what lies at `path`, if it is what it is said to be, durably. One that is there already is the newest now.
    ///
    /// # Errors
    /// When it cannot be read or written, or is another one.
    pub fn put(&self, group: &Group, digest: &Digest, path: &Path, now: Timestamp) -> io::Result<()> {
        if self.holds(group, digest) {
            return File::options().append(true).open(self.place(group, digest))?.set_modified(at(now));
        }
        self.put_bytes(group, digest, &fs::read(path)?, now)
    }

    /// Keeps what was read elsewhere, as [`put`](Self::put).
    ///
    /// # Errors
    /// When it cannot be written, or is another one.
    pub fn put_bytes(&self, group: &Group, digest: &Digest, bytes: &[u8], now: Timestamp) -> io::Result<()> {
        if Digest::of(bytes) != *digest {
            return Err(io::Error::other("the file is another one already"));
        }
        let place = self.place(group, digest);
        let folder = self.folder_of(group)?;
        let unfinished = place.with_extension("unfinished");
        let mut file = File::create(&unfinished)?;
        write_in_goes(&mut file, bytes)?;
        file.set_modified(at(now))?;
        file.sync_all()?;
        fs::rename(unfinished, place)?;
        File::open(&folder)?.sync_all()?;
        // However the clock stands: not the one that was just put there.
        let (pinned, agreed) = (self.pinned(group)?, self.agreed(group).map(|agreed| agreed.serves));
        let stays = [Some(digest), pinned.as_ref(), agreed.as_ref()];
        let others = self.editions(group).into_iter().filter(|it| !stays.contains(&Some(&it.digest)));
        for old in others.skip(EDITIONS_MAX - 1) {
            fs::remove_file(old.path)?;
        }
        Ok(())
    }

    pub fn has(&self, group: &Group, digest: &Digest) -> bool {
        self.place(group, digest).is_file()
    }

    /// Whether it is there whole: all of it is read.
    pub fn holds(&self, group: &Group, digest: &Digest) -> bool {
        fs::read(self.place(group, digest)).is_ok_and(|bytes| Digest::of(&bytes) == *digest)
    }

    /// The one that is to serve a group, whatever lies in its place; `None`: nobody has pinned it.
    ///
    /// # Errors
    /// When somebody has, and it cannot be read to which; the error names the file.
    pub fn pinned(&self, group: &Group) -> io::Result<Option<Digest>> {
        let file = self.pin_of(group);
        let unreadable = |kind: ErrorKind, why: &str| {
            io::Error::new(kind, format!("the pin {} cannot be read: {why}", file.display()))
        };
        match fs::read_to_string(&file) {
            Ok(text) => match Digest::parse(text.trim()) {
                Some(digest) => Ok(Some(digest)),
                None => Err(unreadable(ErrorKind::InvalidData, "no digest stands in it")),
            },
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(unreadable(error.kind(), &error.to_string())),
        }
    }

    /// The file that says to which a group is pinned, where it is.
    pub fn pin_of(&self, group: &Group) -> PathBuf {
        self.of(group).join(PINNED)
    }

    /// From now on that one is to serve a group, durably; `None`: what lies in its place.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn pin(&self, group: &Group, to: Option<&Digest>) -> io::Result<()> {
        if let Some(digest) = to {
            return self.say(group, PINNED, &format!("{digest}\n"));
        }
        match fs::remove_file(self.pin_of(group)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| File::open(self.of(group))?.sync_all()),
        }
    }

    /// What was heard last of a group; `None`: nothing, or nobody works here but this one.
    pub fn agreed(&self, group: &Group) -> Option<Agreed> {
        let text = fs::read_to_string(self.agreement_of(group)).ok().filter(|_| self.in_common)?;
        let mut lines = text.lines();
        let serves = Digest::parse(lines.next()?)?;
        // A line that is no digest is a place in which nothing could be read.
        Some(Agreed { serves, in_place: lines.next().and_then(Digest::parse) })
    }

    /// Keeps what was heard of a group, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn agree(&self, group: &Group, on: &Agreed) -> io::Result<()> {
        let in_place = on.in_place.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        self.say(group, AGREED, &format!("{}\n{in_place}\n", on.serves))
    }

    /// The file in which that stands, where it is.
    pub fn agreement_of(&self, group: &Group) -> PathBuf {
        self.of(group).join(AGREED)
    }

    /// Whole, or as it was.
    fn say(&self, group: &Group, name: &str, text: &str) -> io::Result<()> {
        let folder = self.folder_of(group)?;
        let (place, unfinished) = (folder.join(name), folder.join(name).with_extension("unfinished"));
        let mut file = File::create(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(unfinished, place)?;
        File::open(folder)?.sync_all()
    }

    /// Where that one lies, if it is there.
    pub fn place(&self, group: &Group, digest: &Digest) -> PathBuf {
        let digits = digest.to_string();
        let digits = digits.trim_start_matches("sha256:");
        self.of(group).join(digits).with_extension(ENDING)
    }

    /// The newest first.
    pub fn editions(&self, group: &Group) -> Vec<Edition> {
        let edition = |path: PathBuf| {
            let name = path.file_stem()?.to_str()?;
            let is_one = path.extension().is_some_and(|ending| ending == ENDING);
            let digest = Digest::parse(&format!("sha256:{name}")).filter(|_| is_one)?;
            let about = path.metadata().ok()?;
            Some(Edition { digest, bytes: about.len(), kept_at: put_at(about.modified().ok()?), path })
        };
        let entries = fs::read_dir(self.of(group)).into_iter().flatten().flatten();
        let mut editions: Vec<Edition> = entries.filter_map(|entry| edition(entry.path())).collect();
        editions.sort_by_key(|edition| std::cmp::Reverse(edition.kept_at));
        editions
    }

    /// A group's name may hold anything; a folder's may not.
    fn of(&self, group: &Group) -> PathBuf {
        self.folder.join(utf8_percent_encode(&group.0, NON_ALPHANUMERIC).to_string())
    }

    /// The same, which is there now.
    fn folder_of(&self, group: &Group) -> io::Result<PathBuf> {
        let folder = self.of(group);
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            for above in folder.ancestors().skip(1).take(2) {
                File::open(above)?.sync_all()?;
            }
        }
        Ok(folder)
    }
}

fn put_at(modified: SystemTime) -> Timestamp {
    let millis = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    Timestamp::from_millis(i64::try_from(millis).unwrap_or_default())
}

fn at(now: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(now.millis().unsigned_abs())
}

/// The journal is on the same disk, and its commits wait for whatever is being written there.
pub fn write_in_goes(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    bytes.chunks(GO_BYTES).try_for_each(|go| {
        file.write_all(go)?;
        file.sync_data()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_eight_are_kept_whole_and_by_their_group() {
        let folder = tempfile::tempdir().expect("a folder");
        let (shelf, file) = (Shelf::beside(folder.path()), folder.path().join("a.wasm"));
        let (group, other) = (Group("../H S".to_owned()), Group("PCRF".to_owned()));
        let put = |number: u8, at: i64| {
            fs::write(&file, [number]).expect("written");
            let digest = Digest::of(&[number]);
            shelf.put(&group, &digest, &file, Timestamp::from_millis(at)).expect("kept");
            digest
        };
        let first = put(0, 0);
        let second = put(1, 1);
        (2..8).for_each(|number| drop(put(number, number.into())));
        put(0, 8);
        put(8, 9);
        let kept: Vec<Digest> = shelf.editions(&group).into_iter().map(|it| it.digest).collect();
        assert_eq!((kept.len(), &kept[0], &kept[1]), (EDITIONS_MAX, &Digest::of(&[8]), &first));
        assert!(!shelf.has(&group, &second), "the oldest one went");
        assert!(shelf.editions(&other).is_empty());
        assert!(shelf.put(&group, &second, &file, Timestamp::default()).is_err(), "another one lies there");
        assert!(!shelf.has(&group, &second));
        shelf.pin(&group, Some(&first)).expect("pinned");
        (9..20).for_each(|number| drop(put(number, i64::from(number) + 1)));
        assert!(shelf.has(&group, &first), "a group is pinned to it");
        let pinned = |group: &Group| shelf.pinned(group).map_err(|error| error.to_string());
        assert_eq!((pinned(&group), pinned(&other)), (Ok(Some(first.clone())), Ok(None)));
        fs::write(shelf.of(&group).join(PINNED), "sha256:half").expect("written");
        let why = pinned(&group).expect_err("it is no digest");
        assert!(why.contains("pinned cannot be read: no digest stands in it"), "{why}");
        for _ in 0..2 {
            shelf.pin(&group, None).expect("pinned no more");
        }
        assert_eq!(pinned(&group), Ok(None));
        let torn = shelf.place(&group, &first);
        fs::write(&torn, [1]).expect("written");
        assert!(shelf.has(&group, &first) && !shelf.holds(&group, &first), "as long, and another one");
        fs::write(&file, [0]).expect("written");
        shelf.put(&group, &first, &file, Timestamp::default()).expect("kept anew");
        assert!(shelf.holds(&group, &first));
        let beside = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(beside, 2, "no name leads out of the shelf");
    }
}
