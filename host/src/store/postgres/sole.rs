//! With whom a process works on a database: with nobody, or with others that say so, too. A lock that PostgreSQL holds
//! for a connection, and lets go of with it, however the process ends. Over the same connection it says that it is there.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use super::connection::{Connection, Failure, Passes};
use super::database::Database;
use super::instances::{self, EVERY, Gone, Instance, Seen};
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
const LET_GO: &str = "SELECT pg_advisory_unlock(hashtextextended('punchdown: sole', 0))";
/// Others of the same kind may come.
const NO_LONGER_ALONE: &str = "SELECT pg_try_advisory_lock_shared(hashtextextended('punchdown: sole', 0))
                                      AND pg_advisory_unlock(hashtextextended('punchdown: sole', 0))";

/// Whoever hears nothing of it any more has it ended, or it would keep the lock from him.
const END: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2";

/// The lock, and the connection that has it.
pub struct Held {
    pub on: Connection,
    /// Nobody else has it.
    pub alone: bool,
}

/// Who serves a connection there. A number is given again, on another server, too, but not at the same moment.
struct Backend {
    number: i32,
    began: SystemTime,
}

impl Backend {
    async fn of(on: &Connection) -> Result<Self, Failure> {
        let text = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        let row = on.one(text, &[]).await?;
        Ok(Self { number: row.get(0), began: row.get(1) })
    }
}

/// Takes the lock. Who stands by waits for it without end. `former`: those that this one was before.
pub async fn take(database: &Database, settings: &Settings, former: &[String]) -> Result<Held, Refusal> {
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
    if *several { fit_for(database, held, server, former).await } else { Ok(held) }
}

/// Those who work on it could not read what this one would make of it. The lock says nothing of whoever has lost his
/// connections: he has it again within seconds, if nobody keeps it from him.
async fn fit_for(database: &Database, held: Held, server: &str, former: &[String]) -> Result<Held, Refusal> {
    let failed = |failure: Failure| refused(server, &failure);
    let found = schema::version(&held.on).await.map_err(failed)?;
    if found == schema::VERSION || (held.alone && found == 0) {
        return Ok(held);
    }
    let older = || Refusal::Older { server: server.to_owned(), found, known: schema::VERSION };
    if !held.alone {
        return Err(older());
    }
    if instances::others(&held.on, former).await.map_err(failed)? == Seen::Never {
        return Ok(held);
    }
    tracing::warn!(
        server,
        "others worked on the journal; before its tables are changed they may say that they do"
    );
    said(&held.on, LET_GO).await.map_err(failed)?;
    drop(held);
    tokio::time::sleep(NOTICED_WITHIN).await;
    let held = taken(database, false).await.map_err(failed)?.ok_or_else(older)?;
    match instances::others(&held.on, former).await.map_err(failed)? {
        Seen::InTerm => Err(older()),
        Seen::Never | Seen::Once => Ok(held),
    }
}

/// Who may work with others takes it for himself first, if he can: nobody begins beside him then.
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
    let several = instance.among().several;
    // Of several the lock is no proof that they are gone.
    let (gone, others) = match several {
        true => (Gone::These(former), instances::others(&on, former).await?),
        false => (Gone::AllOthers, Seen::Never),
    };
    instance.begins(alone && others == Seen::Never);
    instance.beat(&on, gone).await?;
    if several && alone {
        said(&on, NO_LONGER_ALONE).await?;
    }
    let backend = Backend::of(&on).await?;
    tokio::spawn(hold(Arc::downgrade(database), (on, backend), Arc::clone(instance)));
    Ok(())
}

/// When the connection was cut the lock is taken again over another one. Whoever finds that somebody else has it by
/// then ends: two of them are one too many.
async fn hold(database: Weak<Database>, (on, mut backend): (Connection, Backend), instance: Arc<Instance>) {
    let mut held = Some(on);
    let mut lost = Lost::default();
    loop {
        tokio::select! {
            () = instance.leaving() => return instance.left(held.as_ref()).await,
            () = tokio::time::sleep(EVERY) => {}
        }
        let Some(database) = database.upgrade() else { return };
        if let Some(on) = &held {
            match database.heard(backend.number, on, instance.beat(on, Gone::Nobody)).await {
                Ok(()) => continue,
                // The connection is there, and has the lock.
                Err(failure) if failure.is_the_statements_own() => {
                    tracing::warn!(error = %failure, "this instance could not say that it is there");
                    continue;
                }
                Err(_) => lost = Lost { answered: database.answered(), since: None },
            }
        }
        held = None;
        match again(&database, &instance, &backend).await {
            Ok(Again::Had(on, serves)) => (held, backend) = (Some(on), serves),
            // It may be our own connection, of which PostgreSQL has not heard yet that it is gone.
            Ok(Again::AnothersNow) => {
                if lost.since.get_or_insert_with(Instant::now).elapsed() >= WAIT_MAX {
                    tracing::error!("another Punchdown has taken the journal's database");
                    return database.failed().cancel();
                }
            }
            Ok(Again::Changed(found)) => {
                tracing::error!(
                    found,
                    known = schema::VERSION,
                    "another Punchdown has changed the journal's tables"
                );
                return database.failed().cancel();
            }
            Err(error) if lost.while_others_are_answered(database.answered()) => {
                tracing::error!(%error, "this instance has not had its lock for too long, and others may");
                return database.failed().cancel();
            }
            Err(_) => {}
        }
    }
}

/// Since when it is without its lock, while the database can be reached.
#[derive(Default)]
struct Lost {
    since: Option<Instant>,
    answered: u64,
}

impl Lost {
    /// Whether there was no connection for it for too long, and some for what works here. A database that is away
    /// keeps the lock from everybody.
    fn while_others_are_answered(&mut self, answered: u64) -> bool {
        let are_answered = answered != std::mem::replace(&mut self.answered, answered);
        if !are_answered {
            self.since = None;
            return false;
        }
        self.since.get_or_insert_with(Instant::now).elapsed() >= WAIT_MAX
    }
}

/// What came of taking it once more.
enum Again {
    Had(Connection, Backend),
    AnothersNow,
    /// Its tables are of that version.
    Changed(i64),
}

/// `former`: who has had the lock for this one. Where its end was not noticed there, it has it still.
async fn again(database: &Database, instance: &Instance, former: &Backend) -> Result<Again, Failure> {
    let on = database.connection().await?;
    on.all(END, &[&former.number, &former.began]).await?;
    let how = if instance.among().several { WITH_OTHERS } else { ALONE };
    if !said(&on, how).await? {
        return Ok(Again::AnothersNow);
    }
    // Whoever had it meanwhile took this one for gone.
    let found = schema::version(&on).await?;
    if found != schema::VERSION {
        return Ok(Again::Changed(found));
    }
    let backend = Backend::of(&on).await?;
    // Not at the next turn: by then it might not lead any more.
    let beat = database.heard(backend.number, &on, instance.beat(&on, Gone::Nobody)).await;
    match beat {
        Err(failure @ Failure::Unheard) => Err(failure),
        Ok(()) | Err(_) => Ok(Again::Had(on, backend)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_no_lock_while_others_here_are_answered_ends_and_waits_for_a_database_that_is_away() {
        let mut lost = Lost { since: None, answered: 1 };
        let long_ago =
            |lost: &mut Lost| lost.since = lost.since.and_then(|since| since.checked_sub(WAIT_MAX));
        assert!(!lost.while_others_are_answered(2), "it may have it at the next turn");
        long_ago(&mut lost);
        assert!(!lost.while_others_are_answered(2), "the database is away");
        assert!(!lost.while_others_are_answered(3), "it is back");
        assert!(!lost.while_others_are_answered(4));
        long_ago(&mut lost);
        assert!(lost.while_others_are_answered(5));
    }
}
