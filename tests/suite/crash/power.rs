//! The power goes before each single thing that is done to the disk, while a journal is made, and while its key is
//! changed. Whoever starts next finds a whole journal, and can read what was stored.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use punchdown_tests::disk::{Disk, NOTHING, Order, Unsynced};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::{OPENS, folder};

/// At every step nothing that was not synced is left; at some of them some of it is, as chance has it.
const RUNS: [(Option<u64>, i64); 2] = [(None, 1), (Some(189), 4)];
const STORED: &str = "operation-1\n";

/// What was synced is the shim's to say, so that a disk in memory does, where there is one.
fn in_memory() -> TempDir {
    tempfile::Builder::new().prefix("punchdown-power-").tempdir_in("/dev/shm").unwrap_or_else(|_| folder())
}

struct Machine {
    _folder: TempDir,
    directory: PathBuf,
    disk: Disk,
}

impl Machine {
    fn new() -> Self {
        let folder = in_memory();
        let directory = folder.path().join("journal");
        let disk = Disk::of(&directory).expect("a disk");
        Self { _folder: folder, directory, disk }
    }

    /// What it said, and whether it came to its end.
    async fn run(&self, what: &str) -> (String, bool) {
        let environment = self.disk.environment().expect("a shim");
        let mut opens = Command::new(OPENS);
        opens.arg(&self.directory).arg(what).envs(environment).stderr(Stdio::piped());
        let output = opens.output().await.expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&said).into_owned(), output.status.success())
    }

    async fn succeeds(&self, what: &str, when: &str) -> String {
        let (said, ended) = self.run(what).await;
        assert!(ended, "{what} {when}: {said}");
        said
    }

    /// The power goes before the so manyth step of `what`; false: it had no more.
    async fn cut(&self, what: &str, step: i64, seed: Option<u64>) -> (bool, String) {
        self.disk.order(Order::Dies, step).expect("ordered");
        let (said, ended) = self.run(what).await;
        self.disk.order(Order::Dies, NOTHING).expect("ordered");
        if !ended {
            assert!(!said.contains("Error"), "{what} at step {step}: {said}");
            let mut chance = StdRng::seed_from_u64(seed.unwrap_or_default());
            let unsynced = if seed.is_some() { Unsynced::InPart(&mut chance) } else { Unsynced::Gone };
            self.disk.cut(unsynced).expect("cut");
        }
        (!ended, said)
    }

    fn holds(&self, name: &str) -> bool {
        Path::new(&self.directory).join(name).exists()
    }
}

#[tokio::test]
async fn a_first_start_that_is_cut_off_anywhere_leaves_a_journal_that_can_be_begun() {
    for (seed, stride) in RUNS {
        let mut steps = 1;
        loop {
            let machine = Machine::new();
            let (was_cut, said) =
                machine.cut("open", steps, seed.map(|seed| seed + steps.unsigned_abs())).await;
            let when = format!("after a cut at step {steps}");
            if said.contains("stored") {
                assert_eq!(machine.succeeds("tell", &when).await, STORED, "{when}");
            }
            machine.succeeds("open", &when).await;
            assert_eq!(machine.succeeds("tell", &when).await, STORED, "{when}");
            if !was_cut {
                break;
            }
            steps += stride;
        }
        println!("a first start is {steps} steps at most");
        assert!(steps > 20, "{steps} steps are not all");
    }
}

#[tokio::test]
async fn a_change_of_the_key_that_is_cut_off_anywhere_can_be_finished() {
    for (seed, stride) in RUNS {
        let mut steps = 1;
        loop {
            let machine = Machine::new();
            machine.succeeds("open", "at first").await;
            machine.disk.all_is_synced().expect("synced");
            let (was_cut, _) =
                machine.cut("rotate", steps, seed.map(|seed| seed + steps.unsigned_abs())).await;
            let when = format!("after a cut at step {steps}");
            if machine.holds("journal.key.next") {
                machine.succeeds("rotate", &when).await;
            }
            assert_eq!(machine.succeeds("tell", &when).await, STORED, "{when}");
            if !was_cut {
                break;
            }
            steps += stride;
        }
        println!("a change of the key is {steps} steps at most");
        assert!(steps > 20, "{steps} steps are not all");
    }
}
