//! Rounds of crashes under load: events come in all the time, each of an account of its own, orders are notified, and
//! the host ends again and again at moments that chance chooses. In the end the ledgers of the neighbours are compared,
//! and every notification that was answered is looked for in the journal: an order system that is asked hides its loss.

pub mod moves;
mod several;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use punchdown::cli::judge::{GROUP, Verdict, judge, unrest};
use punchdown::cli::stage::{self, HOOK_SECRET, Operator, Setting, Stage, Stuck};
use punchdown::domain::Reason;
use punchdown_kit::espf::{Espf, State};
use punchdown_kit::oms::{self, Manners, Notify, NotifyAuth};
use punchdown_kit::postgres::{Database, Ending};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use crate::disk::{Disk, LIES, Order, Unsynced};

/// How a host ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGKILL. What it wrote is still there.
    Kill,
    /// The power goes. What it synced is still there.
    PowerCut,
    /// It goes on, and all its connections to its database are cut.
    Cut,
    /// It goes on, and its database ends as if the machine had gone, and comes back.
    DatabaseGone,
    /// Three of them work on one database. One of them is killed, or stands still for longer than one leads, or its line
    /// to the database swallows for as long, or it is as in the last two; and once a synchronous standby takes the place
    /// of the server for good.
    OneOfSeveral,
    /// It ends in order or is killed, and its journal moves: from the folder into a new database, and from there back.
    Moves,
}

impl End {
    fn is_a_hosts(self) -> bool {
        !matches!(self, Self::Cut | Self::DatabaseGone)
    }
}

#[derive(Clone, Debug)]
pub struct Round {
    pub program: PathBuf,
    /// How its journal is bent, if it is one that can be.
    pub bent: Option<&'static str>,
    pub adapter: PathBuf,
    /// Everything is written in here.
    pub folder: PathBuf,
    pub end: End,
    /// The disk says that it has synced, and has not.
    pub disk_lies: bool,
    /// Its journal is here, and not in the folder; or moves into others beside it.
    pub database: Option<Database>,
    pub cycles: u32,
    pub seed: u64,
    /// When nothing has moved for so long, nothing will.
    pub patience: Duration,
}

/// Events a second.
const RATE: f64 = 60.0;
const ACCOUNTS_A_CYCLE: u64 = 25;
/// From one ready host to its end.
const RUNS_MS: std::ops::Range<u64> = 10..500;
/// Of events that come twice.
const REPEATED: f64 = 0.05;
/// What the neighbours know, the host may have to write down yet.
const REST_WITHIN: Duration = Duration::from_secs(20);
const READ_WITHIN: Duration = Duration::from_secs(8);

/// What came of rounds.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub cycles: u32,
    /// Events that were answered 200.
    pub acknowledged: u64,
    /// Notifications that were answered 2xx.
    pub notified: u64,
    /// Accounts whose event was answered and for which nothing was done, or was answered so that it was thrown away;
    /// and notifications that were answered and are not in the journal.
    pub lost: u64,
    /// Accounts for which something was done twice, and requests that were sent again in doubt.
    pub doubled: u64,
    /// Accounts that never got a last word.
    pub stuck: u64,
    /// Operations and notifications on which three ends of a host in a row fell while their adapter was asked, and
    /// that a person had asked again. From inside such an end cannot be told from one that the adapter brought about.
    pub accused: u64,
    /// What else does not agree.
    pub wrong: Vec<String>,
}

impl Tally {
    pub fn is_clean(&self) -> bool {
        // Once there is one, there can be two: they are asked alone, one after the other.
        let chance = u64::from(self.cycles.div_ceil(25).max(2));
        self.lost + self.doubled + self.stuck == 0 && self.accused <= chance && self.wrong.is_empty()
    }

    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.cycles += other.cycles;
        self.acknowledged += other.acknowledged;
        self.notified += other.notified;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.stuck += other.stuck;
        self.accused += other.accused;
        self.wrong.extend(other.wrong);
        self
    }
}

/// A row of the table in `docs/reliability.md`.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cycles, acknowledged, notified, lost, doubled, stuck, accused, wrong } = self;
        write!(f, "{cycles} | {acknowledged} | {notified} | {lost} | {doubled} | {stuck} |")?;
        if *accused > 0 {
            write!(f, "\nasked again by a person: {accused}")?;
        }
        wrong.iter().try_for_each(|wrong| write!(f, "\nwrong: {wrong}"))
    }
}

impl Round {
    fn accounts(&self) -> u64 {
        u64::from(self.cycles) * ACCOUNTS_A_CYCLE
    }

    /// # Errors
    /// When the host does not start again, or the stage is none.
    pub async fn play(&self) -> io::Result<Tally> {
        let mut stage = self.set().await?;
        match (self.end, &self.database) {
            (End::OneOfSeveral, Some(database)) => return self.play_among_several(&stage, database).await,
            (End::Moves, Some(database)) => return self.play_moving(&mut stage, database).await,
            _ => {}
        }
        let disk = self.disk(&mut stage)?;
        stage.open_accounts(self.accounts());
        stage.start_host().await?;
        let espf = self.events(&stage);
        let mut chance = StdRng::seed_from_u64(self.seed);
        for _ in 0..self.cycles {
            tokio::time::sleep(Duration::from_millis(chance.random_range(RUNS_MS))).await;
            match (self.end, &self.database) {
                (End::Cut, Some(database)) => database.cut()?,
                (End::DatabaseGone, Some(database)) => {
                    database.cluster.end(Ending::Immediate)?;
                    database.cluster.begin()?;
                }
                _ => {
                    stage.kill_host().await?;
                    if let Some(disk) = &disk {
                        let gone = chance.random();
                        disk.cut(if gone { Unsynced::Gone } else { Unsynced::InPart(&mut chance) })?;
                    }
                    stage.start_host().await?;
                }
            }
        }
        self.ended(&stage, &espf, self.database.as_ref()).await
    }

    fn events(&self, stage: &Stage) -> Espf {
        let espf = stage.espf(RATE);
        espf.emit_duplicates(REPEATED);
        for i_account in 1..=self.accounts() {
            espf.emit("Account/New", json!({ "i_account": i_account }));
        }
        espf
    }

    async fn set(&self) -> io::Result<Stage> {
        let stage = Stage::set(Setting {
            directory: self.folder.clone(),
            program: self.program.clone(),
            adapter: self.adapter.clone(),
            adapter_config: "specification = \"mobile-line\"\npoll-seconds = 1",
            group_settings: "",
            target_settings: "concurrency = 32\ntimeout = \"5s\"\nretry = [\"200ms\", \"500ms\"]\nbreaker = { pause = \"200ms\", pause-max = \"1s\" }",
            oms: system(self.seed),
            system: None,
        });
        let mut stage = stage.await?;
        stage.oms.set_notify(Some(until_taken(&stage)));
        let waits = matches!(self.end, End::OneOfSeveral | End::Moves);
        if let Some(database) = self.database.as_ref().filter(|_| !waits) {
            on(&stage, database)?;
        }
        if let Some(bent) = self.bent {
            stage.set_environment("PUNCHDOWN_BENT", bent);
        }
        Ok(stage)
    }

    fn disk(&self, stage: &mut Stage) -> io::Result<Option<Disk>> {
        if self.end != End::PowerCut {
            return Ok(None);
        }
        let disk = under(stage)?;
        disk.order(Order::Sync, if self.disk_lies { LIES } else { 0 })?;
        Ok(Some(disk))
    }

    /// Until every account has its last word, or nothing has moved for long. Gives how many were asked again.
    async fn settle(&self, stage: &Stage, espf: &Espf) -> u64 {
        let (mut before, mut moved, mut accused) = (None, Instant::now(), 0);
        while moved.elapsed() < self.patience {
            // One that does not answer just now is asked later.
            if self.end.is_a_hosts() {
                let _ = acquit(stage, &mut accused).await;
            }
            let verdict = judge(stage, espf, self.accounts());
            let acknowledged = espf.drained(Duration::from_millis(1)).await;
            if verdict.is_settled() && acknowledged {
                return accused;
            }
            let now = Some((verdict.unfinished(), acknowledged));
            if now != before {
                (before, moved) = (now, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        accused
    }

    /// What the host says of itself, once it has nothing more to do, that the ledgers do not explain. A notification that
    /// stays unread may have been set aside for ends of the host, and is asked about again.
    async fn rest(&self, stage: &Stage, accused: &mut u64) -> io::Result<Vec<String>> {
        let (began, mut released) = (Instant::now(), !self.end.is_a_hosts());
        loop {
            let status = stage.status().await?;
            let mut wrong = unrest(&status, self.accounts());
            if wrong.is_empty() {
                return Ok(wrong);
            }
            let stays_unread = status["notifications_unread"] != 0 && began.elapsed() > READ_WITHIN;
            if stays_unread && !std::mem::replace(&mut released, true) {
                *accused += u64::from(Operator::at(stage.admin)?.release(GROUP).await.is_ok());
            }
            if began.elapsed() > REST_WITHIN.min(self.patience) {
                wrong.extend(Operator::at(stage.admin)?.stuck().await?.iter().map(Stuck::to_string));
                return Ok(wrong);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn ended(&self, stage: &Stage, espf: &Espf, database: Option<&Database>) -> io::Result<Tally> {
        let mut accused = self.settle(stage, espf).await;
        let wrong = self.rest(stage, &mut accused).await?;
        Ok(Tally { accused, ..self.tally(stage, espf, &wrong, database) })
    }

    fn tally(&self, stage: &Stage, espf: &Espf, wrong: &[String], database: Option<&Database>) -> Tally {
        let mut verdict: Verdict = judge(stage, espf, self.accounts());
        verdict.hear(wrong);
        let events = espf.ledger().events;
        let acknowledged = events.iter().filter(|event| event.state == State::Acknowledged).count();
        let notices = stage.oms.ledger().notices_taken;
        let kept = match database {
            Some(database) => notifications_there(database),
            None => notifications(&journal(stage)).ok(),
        };
        let kept = kept.unwrap_or_default();
        let lost = notices.iter().filter(|notice| !kept.contains(*notice)).count() as u64;
        Tally {
            cycles: self.cycles,
            acknowledged: acknowledged as u64,
            notified: notices.len() as u64,
            lost: verdict.lost() + lost,
            doubled: verdict.doubled(),
            stuck: verdict.unfinished(),
            accused: 0,
            wrong: verdict.wrong().to_vec(),
        }
    }
}

/// Has asked again what the ends of the host are held against.
async fn acquit(stage: &Stage, accused: &mut u64) -> io::Result<()> {
    let operator = Operator::at(stage.admin)?;
    let status = operator.status().await?;
    if let Some(because_of) = status["groups"][GROUP]["quarantine"]["because_of"].as_array() {
        operator.release(GROUP).await?;
        // Operations are parked besides.
        let others = because_of.iter().filter_map(|it| it.as_str()).filter(|it| !it.starts_with("account "));
        *accused += others.count() as u64;
    }
    for stuck in operator.stuck().await? {
        if stuck.code == Reason::AdapterFatal.code() {
            operator.retry(&stuck).await?;
            *accused += 1;
        }
    }
    Ok(())
}

/// By what their senders know them.
fn notifications(journal: &Path) -> rusqlite::Result<BTreeSet<String>> {
    let journal = journal.join("journal.db");
    let journal = rusqlite::Connection::open_with_flags(journal, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut select = journal.prepare("SELECT sender_id FROM notification WHERE sender_id IS NOT NULL")?;
    select.query_map([], |row| row.get(0))?.collect()
}

fn notifications_there(database: &Database) -> Option<BTreeSet<String>> {
    let said = database.ask("SELECT sender_id FROM notification WHERE sender_id IS NOT NULL").ok()?;
    Some(said.lines().map(str::to_owned).collect())
}

/// Thirty-two sevens.
pub const SEALING_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// Puts the journal of a stage's host into a database, in the place of another one in which it would be.
///
/// # Errors
/// When a file cannot be written.
pub fn on(stage: &Stage, database: &Database) -> io::Result<()> {
    sealed_with(stage, database, SEALING_KEY)
}

/// The same where there is a key already.
///
/// # Errors
/// When a file cannot be written.
pub fn sealed_with(stage: &Stage, database: &Database, key: &str) -> io::Result<()> {
    let config = std::fs::read_to_string(&stage.config)?;
    if let Some((rest, _)) = config.split_once("\n[journal.postgres]\n") {
        std::fs::write(&stage.config, rest)?;
    }
    let (url, password) = (&database.url(), Some(database.password()));
    stage.keep_journal_in(&stage::Database { url, password, key, tls: false })
}

/// An order system that is not the best, and whose notices all come at last. It is never busy: a request that was refused
/// while its sender died looks to it as if it had been made.
fn system(seed: u64) -> oms::Settings {
    oms::Settings {
        seed,
        answer_after: Duration::from_millis(10),
        completes_after: Duration::from_millis(200)..Duration::from_millis(1500),
        fail_share: 0.05,
        manners: Manners {
            repeats_notice: 0.1,
            early_notice: 0.05,
            loses_answer: 0.05,
            late_notice: 0.05,
            ..Manners::default()
        },
        ..oms::Settings::default()
    }
}

/// Tried until it is taken, so that one more is under way at each end.
pub fn until_taken(stage: &Stage) -> Notify {
    Notify {
        url: format!("http://{}/notify/HSS", stage.public),
        auth: NotifyAuth::StandardWebhooks(HOOK_SECRET.to_owned()),
        attempts: u32::MAX,
        attempt_pause: Duration::from_millis(200),
    }
}

/// Puts the host of a stage on a disk that can be cut.
///
/// # Errors
/// When the shim is not there.
pub fn under(stage: &mut Stage) -> io::Result<Disk> {
    let disk = Disk::of(&journal(stage))?;
    for (name, value) in disk.environment()? {
        stage.set_environment(name, value);
    }
    Ok(disk)
}

/// Where a stage's host has its journal.
pub fn journal(stage: &Stage) -> PathBuf {
    Path::new(&stage.directory).join("data")
}
