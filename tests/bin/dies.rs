//! A host whose adapters are its end: it aborts when one of them is asked about what the file `deadly` beside
//! the configuration names (`account 7`, `notification n-1`, `log-in`), and first writes that into the file
//! `deaths`. `slow 3` does not kill: the question takes as long as it says so, and as long as it takes there is a
//! file of that name in the folder `slowed`. `stops 3` does not either: the adapter stops at account 3, as a trap
//! stops it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use async_trait::async_trait;
use punchdown::domain::{Body, Digest, Errand, Group, IAccount, Notification, Progress, Reading, Reason};
use punchdown::lifecycle;
use punchdown::ports::{AdapterError, Adapters, Needs, Ports, Question, Register, Run, Slot};

const SLOWED: &str = "slowed";

#[tokio::main]
async fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Started as the real program is: to compile, or `serve --config FILE`.
    if std::env::args().nth(1).is_some_and(|word| word == punchdown::wasm::COMPILES) {
        return tokio::task::block_in_place(punchdown::cli::main);
    }
    let Some(file) = std::env::args().nth(3).map(PathBuf::from) else { return ExitCode::from(2) };
    let directory = file.parent().unwrap_or(Path::new(".")).to_owned();
    // What a host that was killed was slow at.
    let _ = std::fs::remove_dir_all(directory.join(SLOWED));
    let deadly =
        |ports: Ports| Ports { adapters: Box::new(Deadly { adapters: ports.adapters, directory }), ..ports };
    lifecycle::serve_over(&file, deadly).await
}

struct Deadly {
    adapters: Box<dyn Adapters>,
    directory: PathBuf,
}

impl Deadly {
    fn names(&self, what: &str) -> bool {
        let deadly = std::fs::read_to_string(self.directory.join("deadly")).unwrap_or_default();
        deadly.lines().any(|line| line == what)
    }

    fn die_of(&self, what: &str) {
        if !self.names(what) {
            return;
        }
        let path = self.directory.join("deaths");
        let deaths = std::fs::File::options().create(true).append(true).open(path);
        let written = deaths.and_then(|mut deaths| writeln!(deaths, "{what}"));
        written.expect("the last words are written");
        std::process::abort();
    }

    /// Waits until `deadly` says nothing of it any more.
    async fn dawdle(&self, about: IAccount) {
        let what = format!("slow {about}");
        if !self.names(&what) {
            return;
        }
        let slowed = self.directory.join(SLOWED);
        std::fs::create_dir_all(&slowed).expect("a folder");
        std::fs::write(slowed.join(&what), "").expect("it is said that it is slow");
        while self.names(&what) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::fs::remove_file(slowed.join(&what)).expect("it is slow no more");
    }
}

#[async_trait]
impl Adapters for Deadly {
    fn needs(&self, group: &Group) -> Option<Needs> {
        self.adapters.needs(group)
    }

    fn serves(&self, group: &Group) -> bool {
        self.adapters.serves(group)
    }

    fn secret_fields(&self, group: &Group) -> Vec<String> {
        self.adapters.secret_fields(group)
    }

    async fn keeps(&self, group: &Group, digest: &Digest) -> bool {
        self.adapters.keeps(group, digest).await
    }

    async fn have_at_hand(&self, group: &Group, digest: &Digest) {
        self.adapters.have_at_hand(group, digest).await;
    }

    async fn slot(&self, group: &Group) -> Slot {
        self.adapters.slot(group).await
    }

    async fn provision_by(
        &self,
        digest: &Digest,
        question: Question,
    ) -> Result<(Progress, Digest), AdapterError> {
        self.die_of(&format!("account {}", question.i_account));
        self.dawdle(question.i_account).await;
        if self.names(&format!("stops {}", question.i_account)) {
            let stopped = "the adapter stopped (unreachable); its last words: of a subscriber";
            return Err(AdapterError::Fault(Reason::AdapterBroken.trouble(stopped)));
        }
        self.adapters.provision_by(digest, question).await
    }

    async fn read_notification(&self, group: &Group, raw: &Notification) -> Result<Reading, AdapterError> {
        if let Body::Text(text) = &raw.body
            && let Some((_, event)) = text.split_once("\"eventId\":\"")
        {
            self.die_of(&format!("notification {}", event.split('"').next().unwrap_or_default()));
        }
        self.adapters.read_notification(group, raw).await
    }

    async fn log_in(&self, run: Run) -> Result<Errand, AdapterError> {
        self.die_of("log-in");
        self.adapters.log_in(run).await
    }

    async fn register(&self, run: Run, how: Register) -> Result<Errand, AdapterError> {
        self.die_of("register");
        self.adapters.register(run, how).await
    }
}
