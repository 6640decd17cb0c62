//! That one process alone works on a database: a lock that PostgreSQL holds for a connection, and lets go of with
//! it, however the process ends.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::connection::{Connection, Failure, Passes};
use super::database::Database;
use super::refusal::Refusal;
use super::schema::refused;

/// A process that was killed is noticed by PostgreSQL a moment later.
const WAIT_MAX: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Whoever has lost the lock to another one has ended by then.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);

const TAKE: &str = "SELECT pg_try_advisory_lock(hashtextextended('punchdown: sole', 0))";

/// Takes the lock, and keeps it as long as the database is in use. Who stands by waits for it without end.
pub async fn keep(database: &Arc<Database>, server: &str, stands_by: bool) -> Result<(), Refusal> {
    let began = Instant::now();
    let mut waited = false;
    let on = loop {
        match taken(database).await {
            Ok(Some(on)) => break on,
            Ok(None) if !stands_by && began.elapsed() > WAIT_MAX => {
                return Err(Refusal::Taken { server: server.to_owned() });
            }
            Ok(None) => {}
            Err(failure) if stands_by && waited && failure.passes() == Passes::Later => {}
            Err(failure) => return Err(refused(server, &failure)),
        }
        if stands_by && !waited {
            tracing::info!(server, "another Punchdown works on the journal; this one stands by");
        }
        waited = true;
        tokio::time::sleep(PAUSE).await;
    };
    if stands_by && waited {
        tracing::info!(server, "the other Punchdown has let go of the journal; this one begins");
        // Its connection may have been cut, and it has not noticed.
        tokio::time::sleep(NOTICED_WITHIN).await;
    }
    tokio::spawn(hold(Arc::downgrade(database), on));
    Ok(())
}

async fn taken(database: &Database) -> Result<Option<Connection>, Failure> {
    let on = database.connection().await?;
    Ok(take(&on).await?.then_some(on))
}

async fn take(on: &Connection) -> Result<bool, Failure> {
    Ok(on.one(TAKE, &[]).await?.get(0))
}

/// When the connection was cut the lock is taken again over another one. Whoever finds that somebody else has it by
/// then ends: two of them are one too many.
async fn hold(database: Weak<Database>, on: Connection) {
    let mut held = Some(on);
    let mut lost_to_another: Option<Instant> = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(database) = database.upgrade() else { return };
        if let Some(on) = &held
            && on.one("SELECT 1", &[]).await.is_ok()
        {
            continue;
        }
        held = None;
        let Ok(on) = database.connection().await else { continue };
        match take(&on).await {
            Ok(true) => (held, lost_to_another) = (Some(on), None),
            // It may be our own connection, of which PostgreSQL has not heard yet that it is gone.
            Ok(false) if lost_to_another.get_or_insert_with(Instant::now).elapsed() < WAIT_MAX => {}
            Ok(false) => {
                tracing::error!("another Punchdown has taken the journal's database");
                database.failed().cancel();
                return;
            }
            Err(_) => {}
        }
    }
}
