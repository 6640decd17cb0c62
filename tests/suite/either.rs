//! The journal of a story. Most stories are told over either engine: over a journal in the stage's directory, or, where
//! `PUNCHDOWN_TESTS_JOURNAL` says `postgres`, over a database of its own in the cluster that all share. `over-postgres`
//! beside this file names the files that are told so in CI, and [`needs_directory`] the stories in them that are not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use punchdown::cli::stage::Stage;
use punchdown::ports::Journal;
use punchdown::world::SystemWorld;
use punchdown::{config, store};
use punchdown_kit::postgres::Cluster;
use punchdown_tests::rounds;
use rusqlite::Connection;

use crate::database::shared;

/// In which the stories of this run have their databases; `None`: they have directories.
fn cluster() -> Option<&'static Arc<Cluster>> {
    match std::env::var("PUNCHDOWN_TESTS_JOURNAL").as_deref() {
        Ok("postgres") => Some(shared().expect("a PostgreSQL, for it was asked for")),
        Ok("directory") | Err(_) => None,
        Ok(other) => panic!("PUNCHDOWN_TESTS_JOURNAL is `{other}`, and not `postgres` or `directory`"),
    }
}

/// Whether the stories of this run have databases.
pub fn over_postgres() -> bool {
    cluster().is_some()
}

/// Says that the story is of a journal in a directory, and why. It is not told where the others have databases.
#[must_use]
pub fn needs_directory(why: &str) -> bool {
    if over_postgres() {
        eprintln!("not over PostgreSQL: {why}");
    }
    over_postgres()
}

/// The host of a stage has its journal where this run has them.
pub fn keep_journal(stage: &Stage) {
    if let Some(cluster) = cluster() {
        let database = cluster.database().expect("a database");
        rounds::on(stage, &database).expect("written");
    }
}

/// The name of the database in which a stage's host has its journal, as its configuration says.
fn database_of(stage: &Stage) -> Option<String> {
    let config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let (_, section) = config.split_once("[journal.postgres]\n")?;
    let url = section.lines().find_map(|line| line.strip_prefix("url = "))?;
    url.trim_matches('"').rsplit('/').next().map(str::to_owned)
}

fn asked(database: &str, sql: &str) -> String {
    cluster().expect("it is there").ask(database, sql).expect("an answer")
}

fn file(stage: &Stage) -> Connection {
    Connection::open(rounds::journal(stage).join("journal.db")).expect("a journal")
}

/// The journal of a host that has ended.
pub async fn journal(stage: &Stage) -> Box<dyn Journal> {
    let settings = config::load(&stage.config).unwrap_or_else(|problems| panic!("{problems}")).store;
    let began = Instant::now();
    loop {
        match store::begin(&settings, Arc::new(SystemWorld)).await {
            // By a process that is not its own program yet.
            Err(store::OpenError::Locked(_)) if began.elapsed() < Duration::from_secs(5) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            opened => return opened.expect("the journal opens").journal,
        }
    }
}

/// How many rows of a journal are so: `event WHERE …`.
pub fn count(stage: &Stage, rows: &str) -> u64 {
    let select = format!("SELECT count(*) FROM {rows}");
    match database_of(stage) {
        Some(database) => asked(&database, &select).parse().expect("a number"),
        None => {
            let counted: i64 = file(stage).query_row(&select, [], |row| row.get(0)).expect("a number");
            counted.unsigned_abs()
        }
    }
}

/// What a question to a journal finds, a text in each row.
pub fn texts(stage: &Stage, select: &str) -> Vec<String> {
    match database_of(stage) {
        Some(database) => asked(&database, select).lines().map(str::to_owned).collect(),
        None => {
            let journal = file(stage);
            let mut select = journal.prepare(select).expect("SQL");
            let texts: rusqlite::Result<_> =
                select.query_map([], |row| row.get(0)).and_then(Iterator::collect);
            texts.expect("texts")
        }
    }
}

/// Changes what stands in a journal; so many rows were changed.
pub fn change(stage: &Stage, update: &str) -> u64 {
    match database_of(stage) {
        Some(database) => {
            let counted = format!("WITH changed AS ({update} RETURNING 1) SELECT count(*) FROM changed");
            asked(&database, &counted).parse().expect("a number")
        }
        None => file(stage).execute(update, []).expect("changed") as u64,
    }
}

/// All bytes of a journal, as whoever has stolen it has them.
pub fn everything(stage: &Stage) -> Vec<u8> {
    let Some(database) = database_of(stage) else {
        let files = ["journal.db", "journal.db-wal"].map(|name| rounds::journal(stage).join(name));
        return files.iter().flat_map(|file| std::fs::read(file).unwrap_or_default()).collect();
    };
    let tables = asked(&database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
    let rows = |table| asked(&database, &format!("SELECT every FROM {table} every"));
    tables.lines().map(rows).flat_map(|rows| [unescaped(&rows), rows.into_bytes()].concat()).collect()
}

/// What stands in it as `\x` and hexadecimal digits.
fn unescaped(rows: &str) -> Vec<u8> {
    let digits = |part: &str| part.split(|char: char| !char.is_ascii_hexdigit()).next().map(str::to_owned);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let values = rows.split("\\x").skip(1).filter_map(digits);
    values.flat_map(|digits| digits.as_bytes().chunks(2).filter_map(byte).collect::<Vec<_>>()).collect()
}
