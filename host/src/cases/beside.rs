//! The golden cases that lie beside a component: it holds them, or it does not begin to serve.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::read::text;
use super::{Case, Failure, files, name_of};
use crate::crash::how_it_ended;
use crate::secret::Screen;
use crate::wasm::Adapter;

/// Of one component.
const CASES_MAX: usize = 500;
/// Of one case.
const CASE_BYTES_MAX: u64 = 4 << 20;
/// For all of them: a group waits so long for its adapter at most.
const TIME_MAX: Duration = Duration::from_secs(30);
/// So many that do not hold are told of; then no other one is asked.
const TOLD_MAX: usize = 5;
/// What differs may be as long as an answer.
const TOLD_CHARS_MAX: usize = 1000;

/// `hss.wasm` has its cases in `hss.cases`.
pub fn folder_beside(component: &Path) -> PathBuf {
    component.with_extension("cases")
}

/// Asks a component all cases in a folder; how many there are. A folder that is not there has none.
///
/// # Errors
/// Each case that cannot be asked or does not hold, with the place in it and what of that may be shown; or the limit that they met.
pub async fn hold_in(folder: &Path, adapter: &Adapter, screen: &Screen) -> Result<usize, Vec<String>> {
    let folder = folder.to_owned();
    let listed = folder.clone();
    let files = blocking(move || listed_in(&listed)).await.map_err(|why| vec![why.to_string()])?;
    let (mut found, mut asked) = (Vec::new(), 0);
    let asking = async {
        for file in &files {
            if found.len() == TOLD_MAX {
                found.push(format!("after {asked} of {} cases no other one was asked", files.len()));
                return;
            }
            if let Err(why) = held(adapter, file.clone(), screen).await {
                let name = name_of(file);
                found.push(told(&format!("case `{name}` of {} does not hold: {why}", folder.display())));
            }
            asked += 1;
        }
    };
    if tokio::time::timeout(TIME_MAX, asking).await.is_err() {
        let (all, seconds) = (files.len(), TIME_MAX.as_secs());
        found.push(format!(
            "{asked} of the {all} cases in {} were answered within {seconds} s, and no more time is given",
            folder.display()
        ));
    }
    if found.is_empty() { Ok(files.len()) } else { Err(found) }
}

/// What is wrong is said as it may be shown: a secret of the case's subscriber may be said without its name.
async fn held(adapter: &Adapter, file: PathBuf, screen: &Screen) -> Result<(), String> {
    let case = blocking(move || Case::of(&file, &read(&file)?)).await;
    let case = case.map_err(|why| screen.line(&why.to_string()))?;
    let documents = case.case.pointer("/operation/subscriber/documents").map(text);
    let screen = screen.clone().speaking_of(documents);
    let held = case.each(adapter, &mut |asked| asked.hold_shown(&|whole| screen.over(whole))).await;
    held.map_err(|why| screen.line(&why.to_string()))
}

/// Whoever reads a file may have to wait for it.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|error| Err(how_it_ended(&error).into()))
}

fn listed_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let files = match files(folder) {
        Ok(files) => files,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Vec::new(),
        Err(error) => return Err(format!("cannot read the cases in {}: {error}", folder.display()).into()),
    };
    if files.len() > CASES_MAX {
        let (folder, many) = (folder.display(), files.len());
        return Err(format!("{folder} holds {many} cases, and no more than {CASES_MAX} are asked").into());
    }
    Ok(files)
}

/// Somebody may be writing it, and it may be anything.
fn read(file: &Path) -> Result<String, Failure> {
    if !file.metadata()?.is_file() {
        return Err("it is no file".into());
    }
    let mut bytes = Vec::new();
    File::open(file)?.take(CASE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > CASE_BYTES_MAX {
        return Err(format!("it has more than {CASE_BYTES_MAX} bytes, and no case may").into());
    }
    String::from_utf8(bytes).map_err(|_| "it is no text".into())
}

/// In one line, as long as a line may be.
fn told(why: &str) -> String {
    let lines = why.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    let mut told: String =
        lines.chars().map(|char| if char.is_control() { ' ' } else { char }).take(TOLD_CHARS_MAX).collect();
    if told.len() < lines.len() {
        told.push('…');
    }
    told
}

/// By which it is seen that somebody has changed a case: what is in it is read when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen(Vec<(PathBuf, u64, Option<SystemTime>)>);

impl Seen {
    /// Those beside a component, as they lie there.
    pub fn beside(component: &Path) -> Self {
        let mark = |file: PathBuf| {
            let about = file.metadata().ok();
            (file, about.as_ref().map_or(0, std::fs::Metadata::len), about.and_then(|it| it.modified().ok()))
        };
        let files = listed_in(&folder_beside(component)).unwrap_or_default();
        Self(files.into_iter().map(mark).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_is_listed_and_read_within_its_limits() {
        let folder = tempfile::tempdir().expect("a folder");
        let component = folder.path().join("hss-2.0.wasm");
        let beside = folder_beside(&component);
        assert_eq!(beside, folder.path().join("hss-2.0.cases"));
        let listed = || listed_in(&beside).map(|files| files.len()).map_err(|why| why.to_string());
        assert_eq!(listed(), Ok(0), "there is no folder");
        std::fs::write(&beside, "a file").expect("written");
        assert_eq!(listed(), Ok(0), "and no folder either");
        std::fs::remove_file(&beside).expect("removed");
        std::fs::create_dir(&beside).expect("a folder");
        for number in 0..CASES_MAX {
            std::fs::write(beside.join(format!("{number}.json")), "{}").expect("written");
        }
        std::fs::write(beside.join("notes.txt"), "no case").expect("written");
        let before = Seen::beside(&component);
        assert_eq!(listed(), Ok(CASES_MAX));
        let one_more = beside.join("one-more.json");
        std::fs::write(&one_more, [0xff]).expect("written");
        let why = listed().expect_err("too many");
        assert!(why.contains("501 cases") && why.contains("no more than 500"), "{why}");
        std::fs::remove_file(beside.join("0.json")).expect("removed");
        assert_ne!(Seen::beside(&component), before);

        let why = |file: &Path| read(file).expect_err("it is no case").to_string();
        assert_eq!(why(&one_more), "it is no text");
        assert_eq!(why(&beside), "it is no file");
        let long = File::create(&one_more).expect("a file");
        long.set_len(CASE_BYTES_MAX).expect("long");
        assert!(read(&one_more).is_ok());
        long.set_len(CASE_BYTES_MAX + 1).expect("longer");
        assert!(why(&one_more).contains("4194304 bytes"), "{}", why(&one_more));
    }

    #[test]
    fn what_differs_is_told_in_one_line_that_ends() {
        for (why, line) in [
            ("/a: expected 1\n    /b: expected 2", "/a: expected 1; /b: expected 2".to_owned()),
            ("a\u{7}b", "a b".to_owned()),
            (&"é".repeat(1001), "é".repeat(1000) + "…"),
            (&"é".repeat(1000), "é".repeat(1000)),
        ] {
            assert_eq!(told(why), line);
        }
    }
}
