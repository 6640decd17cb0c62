//! With whom a process works on a database: with nobody, or with others that say so, too. A lock that PostgreSQL holds
//! for a connection, and lets go of with it, however the process ends. Over the same connection it says that it is there.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::connection::{Connection, Failure, Passes};
use super::database::Database;
use super::instances::{EVERY, Gone, Instance};
use super::refusal::Refusal;
use super::schema::{self, refused};
use super::settings::Settings;

/// A process that was killed is noticed by PostgreSQL a moment later.
const WAIT_MAX: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);
/// Whoever has lost the lock to another one has ended by then.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);

const ALONE: &str = "SELECT pg_try_advisory_lock(hashtextextended('punchdown: sole', 0))";
const WITH_OTHERS: &str = "SELECT pg_try_advisory_lock_shared(hashtextextended('punchdown: sole', 0))";
/// Others of the same kind may come.
const NO_LONGER_ALONE: &str = "SELECT pg_try_advisory_lock_shared(hashtextextended('punchdown: sole', 0))
                                      AND pg_advisory_unlock(hashtextextended('punchdown: sole', 0))";

/// The lock, and the connection that has it.
pub struct Held {
    pub on: Connection,
    /// Nobody else works on the database.
    pub alone: bool,
}

/// Takes the lock. Who stands by waits for it without end.
pub async fn take(database: &Database, settings: &Settings) -> Result<Held, Refusal> {
    let Settings { name: server, stands_by, several, .. } = settings;
    let began = Instant::now();
    let mut waited = false;
    let held = loop {
        match taken(database, *several).await {
            Ok(Some(held)) => break held,
            Ok(None) if !stands_by && began.elapsed() > WAIT_MAX => {
                return Err(Refusal::Taken { server: server.to_owned() });
            }
            Ok(None) => {}
            Err(failure) if *stands_by && waited && failure.passes() == Passes::Later => {}
            Err(failure) => return Err(refused(server, &failure)),
        }
        if *stands_by && !waited {
            tracing::info!(server, "another Punchdown works on the journal; this one stands by");
        }
        waited = true;
        tokio::time::sleep(PAUSE).await;
    };
    if *stands_by && waited {
        tracing::info!(server, "the other Punchdown has let go of the journal; this one begins");
        // Its connection may have been cut, and it has not noticed.
        tokio::time::sleep(NOTICED_WITHIN).await;
    }
    if !held.alone {
        // Those who work on it could not read what this one would make of it.
        let found = schema::version(&held.on).await.map_err(|failure| refused(server, &failure))?;
        if found != schema::VERSION {
            return Err(Refusal::Older { server: server.to_owned(), found, known: schema::VERSION });
        }
    }
    Ok(held)
}

/// Who may work with others takes it for himself first, if he can: nobody is there whom a step of the tables would harm.
async fn taken(database: &Database, several: bool) -> Result<Option<Held>, Failure> {
    let on = database.connection().await?;
    if said(&on, ALONE).await? {
        return Ok(Some(Held { on, alone: true }));
    }
    let beside = several && said(&on, WITH_OTHERS).await?;
    Ok(beside.then_some(Held { on, alone: false }))
}

async fn said(on: &Connection, text: &str) -> Result<bool, Failure> {
    Ok(on.one(text, &[]).await?.get(0))
}

/// Lets others come, where they may, and says that this one is there, from now on and as long as the database is in use.
pub async fn keep(
    database: &Arc<Database>,
    held: Held,
    instance: &Arc<Instance>,
    former: &[String],
) -> Result<(), Failure> {
    let Held { on, alone } = held;
    instance.beat(&on, if alone { Gone::AllOthers } else { Gone::These(former) }).await?;
    let several = instance.among().several;
    if several && alone {
        said(&on, NO_LONGER_ALONE).await?;
    }
    tokio::spawn(hold(Arc::downgrade(database), on, Arc::clone(instance)));
    Ok(())
}

/// When the connection was cut the lock is taken again over another one. Whoever finds that somebody else has it by
/// then ends: two of them are one too many.
async fn hold(database: Weak<Database>, on: Connection, instance: Arc<Instance>) {
    let mut held = Some(on);
    let mut lost_to_another: Option<Instant> = None;
    loop {
        tokio::select! {
            () = instance.leaving() => return instance.left(held.as_ref()).await,
            () = tokio::time::sleep(EVERY) => {}
        }
        let Some(database) = database.upgrade() else { return };
        if let Some(on) = &held {
            match instance.beat(on, Gone::Nobody).await {
                Ok(()) => continue,
                // The connection is there, and has the lock.
                Err(failure) if failure.is_the_statements_own() => {
                    tracing::warn!(error = %failure, "this instance could not say that it is there");
                    continue;
                }
                Err(_) => {}
            }
        }
        held = None;
        let Ok(on) = database.connection().await else { continue };
        let how = if instance.among().several { WITH_OTHERS } else { ALONE };
        match said(&on, how).await {
            Ok(true) => {
                // Not at the next turn: by then it might not lead any more.
                let _ = instance.beat(&on, Gone::Nobody).await;
                (held, lost_to_another) = (Some(on), None);
            }
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
