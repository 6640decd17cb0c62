//! Looks whether the database is as it must be, and brings it to this version.

use super::super::seal::{Index, Seal};
use super::connection::{Connection, Failure};
use super::database::{Database, Patience};
use super::refusal::Refusal;
use crate::ports::JournalError;

/// The first version that PostgreSQL has had; a step a version from there on, in lockstep with the other engine's.
const FIRST: i64 = 11;
const MIGRATIONS: [&str; 1] = [include_str!("0011_journal.sql")];
/// What stands beside the versions.
const BESIDE: [&str; 3] =
    [include_str!("commit_mark.sql"), include_str!("instances.sql"), include_str!("library.sql")];
/// The one that this program writes.
pub const VERSION: i64 = FIRST - 1 + MIGRATIONS.len() as i64;

/// `pg_xact_status` and its like are there since then.
const SERVER_MIN: i32 = 130_000;

/// What must be so, or what was answered could be lost. The last one is our own, read back.
const SETTINGS: [(&str, &str); 4] =
    [("fsync", "on"), ("full_page_writes", "on"), ("server_encoding", "UTF8"), ("synchronous_commit", "on")];

/// Looks, and changes nothing: whether it could serve, and whether it is sealed with that key.
pub async fn check(database: &Database, server: &str, seal: &Seal) -> Result<(), Refusal> {
    let failed = |failure: Failure| refused(server, &failure);
    let on = database.connection().await.map_err(failed)?;
    serves(&on, server).await?;
    let version = version(&on).await.map_err(failed)?;
    if version > VERSION {
        return Err(Refusal::Newer { server: server.to_owned(), found: version, known: VERSION });
    }
    if version == 0 {
        return Ok(());
    }
    let found = on.optional("SELECT value FROM meta WHERE name = 'key'", &[]).await.map_err(failed)?;
    same_key(found.map(|row| row.get(0)), server, seal)
}

/// Makes the tables, or brings them here. With the seal as this journal has it: the keys of its fingerprints are kept in
/// it, where it was sealed with another key once.
pub async fn open(database: &Database, server: &str, seal: &Seal) -> Result<Seal, Refusal> {
    check(database, server, seal).await?;
    let unusable =
        |error: JournalError| Refusal::Unusable { server: server.to_owned(), why: error.to_string() };
    for text in BESIDE {
        database.read(|on| async move { on.batch(text).await }).await.map_err(unusable)?;
    }
    database.write(Patience::None, |on| async move { migrate(&on).await }).await.map_err(unusable)?;
    database.write(Patience::None, |on| async move { keep_tally(&on).await }).await.map_err(unusable)?;
    let key = &seal.key_id();
    let take_key = |on: Connection| async move {
        let text = "INSERT INTO meta (name, value) VALUES ('key', $1) ON CONFLICT (name) DO NOTHING";
        on.execute(text, &[key]).await?;
        Ok(on.one("SELECT value FROM meta WHERE name = 'key'", &[]).await?.get(0))
    };
    let stored = database.write(Patience::None, take_key).await.map_err(unusable)?;
    same_key(Some(stored), server, seal)?;
    let index = "SELECT value FROM meta WHERE name = 'index'";
    let index = database.read(|on| async move { on.optional(index, &[]).await }).await.map_err(unusable)?;
    let Some(row) = index else { return Ok(seal.clone()) };
    let index =
        Index::kept(row.get(0), seal).map_err(|why| Refusal::Unusable { server: server.to_owned(), why })?;
    Ok(seal.clone().with_index(index))
}

pub fn refused(server: &str, failure: &Failure) -> Refusal {
    let (server, why) = (server.to_owned(), failure.to_string());
    match failure {
        Failure::Connection(_) | Failure::Unheard => Refusal::Unreachable { server, why },
        Failure::Journal(_) | Failure::Postgres(_) => Refusal::Unusable { server, why },
    }
}

async fn serves(on: &Connection, server: &str) -> Result<(), Refusal> {
    let failed = |failure: Failure| refused(server, &failure);
    let text = "SELECT current_setting('server_version_num')::integer, current_setting('server_version')";
    let row = on.one(text, &[]).await.map_err(failed)?;
    if row.get::<_, i32>(0) < SERVER_MIN {
        return Err(Refusal::TooOld { server: server.to_owned(), found: row.get(1) });
    }
    for (setting, wanted) in SETTINGS {
        let row = on.one("SELECT current_setting($1)", &[&setting]).await.map_err(failed)?;
        let found: String = row.get(0);
        let is_stronger = setting == "synchronous_commit" && found == "remote_apply";
        if found != wanted && !is_stronger {
            return Err(Refusal::Setting { server: server.to_owned(), setting, wanted, found });
        }
    }
    Ok(())
}

/// 0: there is no journal in it.
pub async fn version(on: &Connection) -> Result<i64, Failure> {
    let is_there: bool = on.one("SELECT to_regclass('meta') IS NOT NULL", &[]).await?.get(0);
    if !is_there {
        return Ok(0);
    }
    let found = on.optional("SELECT value FROM meta WHERE name = 'version'", &[]).await?;
    Ok(found.and_then(|row| row.get::<_, String>(0).parse().ok()).unwrap_or_default())
}

/// All of it or nothing, and one after the other.
async fn migrate(on: &Connection) -> Result<(), Failure> {
    on.batch("SELECT pg_advisory_xact_lock(hashtextextended('punchdown: schema', 0))").await?;
    let from = version(on).await?;
    let steps = (FIRST..).zip(MIGRATIONS).filter(|(version, _)| *version > from);
    for (version, migration) in steps {
        on.batch(migration).await?;
        on.execute(
            "INSERT INTO meta (name, value) VALUES ('version', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &[&version.to_string()],
        )
        .await?;
    }
    Ok(())
}

/// From now on it is known how many there are of what only grows. A journal in which it was not is counted once; nobody
/// writes meanwhile.
async fn keep_tally(on: &Connection) -> Result<(), Failure> {
    on.batch("SELECT pg_advisory_xact_lock(hashtextextended('punchdown: schema', 0))").await?;
    if on.one("SELECT to_regclass('tally') IS NOT NULL", &[]).await?.get(0) {
        return Ok(());
    }
    on.batch("SET LOCAL statement_timeout = 0; LOCK TABLE event, operation IN SHARE ROW EXCLUSIVE MODE")
        .await?;
    on.batch(include_str!("tally.sql")).await
}

/// A journal that is opened with another key could not read its own rows; better to hear it at once.
fn same_key(stored: Option<String>, server: &str, seal: &Seal) -> Result<(), Refusal> {
    let given = seal.key_id();
    match stored {
        Some(stored) if stored != given => Err(Refusal::Key { server: server.to_owned(), stored, given }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_engines_write_the_same_version() {
        assert_eq!(super::VERSION, crate::store::sqlite::schema::VERSION);
    }
}
