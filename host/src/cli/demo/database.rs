//! Where the journal of `demo --postgres` is: in a PostgreSQL of its own, which goes with it, or in a database that
//! somebody has made for it.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use punchdown_kit::postgres::{self, Cluster};

use crate::cli::stage::{Database, Stage};
use crate::config;
use crate::world::SystemWorld;

/// Whose value of the environment is the password, as for PostgreSQL's own programs.
const PASSWORD: &str = "PGPASSWORD";

const NONE_HERE: &str = "there is no PostgreSQL on this machine: install its server (Debian: `apt install postgresql`, \
    Fedora: `dnf install postgresql-server`), or name an empty database with --postgres=URL";

/// Has the host of a stage keep its journal in PostgreSQL. What is given back must outlive the host.
///
/// # Errors
/// When there is no PostgreSQL, or the database is not empty.
pub async fn beneath(stage: &Stage, url: Option<&str>) -> io::Result<Option<postgres::Database>> {
    let key = STANDARD.encode(key()?);
    let own = match url {
        Some(_) => None,
        None if postgres::programs().is_none() => return Err(io::Error::other(NONE_HERE)),
        None => Some(Cluster::start(&[])?.database()?),
    };
    let database = match (&own, url) {
        (Some(own), _) => (own.url(), Some(own.password().to_owned()), false),
        (None, Some(url)) => (url.to_owned(), password(), !url.contains("sslmode=disable")),
        (None, None) => return Ok(None),
    };
    let (url, password, tls) = &database;
    stage.keep_journal_in(&Database { url, password: password.as_deref(), key: &key, tls: *tls })?;
    match &own {
        Some(own) => eprintln!("the journal is in a PostgreSQL of its own, at {}", own.url()),
        None => must_be_empty(stage).await?,
    }
    Ok(own)
}

#[expect(clippy::disallowed_methods, reason = "as PostgreSQL's own programs take it")]
fn password() -> Option<String> {
    std::env::var(PASSWORD).ok().filter(|password| !password.is_empty())
}

fn key() -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    Ok(key)
}

/// Events of an earlier demo would be known there, and nothing would be done. What is there has another key.
async fn must_be_empty(stage: &Stage) -> io::Result<()> {
    let settings =
        config::journal(&stage.config).map_err(|problems| io::Error::other(problems.to_string()))?;
    let Some(postgres) = &settings.postgres else { return Ok(()) };
    let checked = postgres.check(Arc::new(SystemWorld)).await;
    checked.map_err(|error| io::Error::other(format!("it wants a database that is empty: {error}")))
}
