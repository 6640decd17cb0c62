//! The demo is the promise as a person sees it: every fault that the neighbours know, two crashes,
//! and ledgers that agree.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::harness::{PROGRAM, folder, oms_adapter};

/// A minute of it is the lock-out; a status that is refused time after time waits for minutes.
const PATIENCE: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_with_faults_and_crashes_ends_with_ledgers_that_agree() {
    let Some(adapter) = oms_adapter() else { return };
    // What it keeps when it fails goes away with this.
    let folder = folder();
    let demo = Command::new(PROGRAM)
        .args(["demo", "--faults", "--crash", "--accounts", "20", "--adapter"])
        .arg(&adapter)
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(PATIENCE, demo).await.expect("it ends").expect("it runs");
    let (told, said) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{}\n{told}\n{said}", ended.status);
    assert!(told.ends_with("The ledgers agree for every account.\n"), "{told}");
    assert_eq!(said.matches("SIGKILL while").count(), 2, "{said}");
    for struck in ["events twice", "locked out 1", "given up in silence"] {
        assert!(told.contains(struck), "no `{struck}` in\n{told}");
    }
}
