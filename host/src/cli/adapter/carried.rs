//! Golden cases that go with a component to the place where it is to serve, all of them or none.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::installed::cannot_write;
use super::test::cases;
use crate::cases::folder_beside;

/// Cases in their place, and those that lay there before.
pub struct Carried {
    place: PathBuf,
    before: Option<PathBuf>,
}

impl Carried {
    /// Beside the place of a component.
    pub fn put(from: &Path, component: &Path) -> Result<Self, ExitCode> {
        let files = cases(from)?;
        let place = folder_beside(component);
        let named = |what: &str| place.with_extension(format!("{what}-{}", std::process::id()));
        let (unfinished, before) = (named("unfinished"), named("before"));
        let put = || {
            copied(&files, &unfinished)?;
            let before = match fs::rename(&place, &before) {
                Ok(()) => Some(before),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let put = Self { place: place.clone(), before };
            if let Err(error) = fs::rename(&unfinished, &put.place).and_then(|()| synced_above(&put.place)) {
                put.undone()?;
                return Err(error);
            }
            Ok(put)
        };
        put().map_err(|error: io::Error| {
            let _ = fs::remove_dir_all(&unfinished);
            cannot_write(&folder_beside(component), &error)
        })
    }

    /// As it was.
    pub fn undo(self) -> Result<(), ExitCode> {
        self.undone().map_err(|error| cannot_write(&self.place, &error))
    }

    fn undone(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.before.as_ref().map_or(Ok(()), |before| fs::rename(before, &self.place))?;
        synced_above(&self.place)
    }

    /// Where those are that lay there before.
    pub fn before(&self) -> Option<&Path> {
        self.before.as_deref()
    }

    /// Those that lay there before are needed no more.
    pub fn settle(self) {
        if let Some(before) = self.before {
            let _ = fs::remove_dir_all(before);
        }
    }
}

fn copied(files: &[PathBuf], folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    for file in files {
        let to = folder.join(file.file_name().unwrap_or_default());
        fs::write(&to, fs::read(file)?)?;
        File::open(&to)?.sync_all()?;
    }
    File::open(folder)?.sync_all()
}

fn synced_above(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
