//! Instances that work on one database at a time: each says every two seconds that it is there, and one of them leads.
//! The lead is a row with a date, and not a lock of a connection: one that is stopped keeps its connections, and one
//! whose database was restarted keeps the lead.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Failure};
use crate::domain::Timestamp;
use crate::ports::{Among, World};

/// How often each says that it is there.
pub const EVERY: Duration = Duration::from_secs(2);
/// One of whom nothing was heard for so long leads no more, and has no part of any limit.
const TERM: Duration = Duration::from_secs(10);
/// By so much sooner it stops by itself: what it has under way is over when another one begins.
const MARGIN: Duration = Duration::from_secs(3);

/// This process among the instances.
pub struct Instance {
    id: String,
    several: bool,
    world: Arc<dyn World>,
    led: Mutex<Option<Led>>,
    /// The last one in which it led; 0: it never has.
    term: AtomicI64,
    others: AtomicU32,
    /// When it began nobody else was there, as far as anybody knows.
    began_alone: AtomicBool,
    /// Cancelled when it works no more.
    leaves: CancellationToken,
    /// Cancelled when everybody knows.
    gone: CancellationToken,
}

/// That the database said so, when it was asked: by both clocks, for one of them may be set, and the other one stands
/// while a machine sleeps.
#[derive(Clone, Copy)]
struct Led {
    steady: Instant,
    wall: Timestamp,
}

/// Who is known to work no more.
pub enum Gone<'a> {
    Nobody,
    /// Those that were this one's former selves.
    These(&'a [String]),
    /// The database is locked for this one, which works with nobody.
    AllOthers,
}

/// When anybody else was there last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Never,
    /// He may be gone, or the database was away for all.
    Once,
    InTerm,
}

impl Instance {
    pub fn new(several: bool, world: Arc<dyn World>) -> Arc<Self> {
        Arc::new(Self {
            id: world.new_id(),
            several,
            world,
            led: Mutex::default(),
            term: AtomicI64::new(0),
            others: AtomicU32::new(0),
            began_alone: AtomicBool::new(false),
            leaves: CancellationToken::new(),
            gone: CancellationToken::new(),
        })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn term(&self) -> u64 {
        self.term.load(Ordering::Relaxed).cast_unsigned()
    }

    pub fn begins(&self, alone: bool) {
        self.began_alone.store(alone, Ordering::Relaxed);
    }

    pub fn began_alone(&self) -> bool {
        self.began_alone.load(Ordering::Relaxed)
    }

    pub fn among(&self) -> Among {
        let live = NonZeroU32::MIN.saturating_add(self.others.load(Ordering::Relaxed));
        let led = *self.led.lock().unwrap_or_else(PoisonError::into_inner);
        let leads_for = led.and_then(|led| {
            let ago = led.steady.elapsed().max(self.world.now().since(led.wall));
            (TERM - MARGIN).checked_sub(ago).filter(|left| !left.is_zero())
        });
        Among { live, leads_for, term: self.term(), several: self.several }
    }

    /// Says that it is there, and takes the lead, or keeps it, if it can.
    pub async fn beat(&self, on: &Connection, gone: Gone<'_>) -> Result<(), Failure> {
        // The term is counted from before it was asked for.
        let asked = Led { steady: Instant::now(), wall: self.world.now() };
        let (these, all): (&[String], bool) = match gone {
            Gone::Nobody => (&[], false),
            Gone::These(these) => (these, false),
            Gone::AllOthers => (&[], true),
        };
        let row = on.committed(BEAT, &[&self.id, &millis(TERM), &these, &all]).await?;
        let (term, others): (Option<i64>, i64) = (row.get(0), row.get(1));
        self.others.store(u32::try_from(others).unwrap_or(u32::MAX), Ordering::Relaxed);
        let led = term.map(|_| asked);
        *self.led.lock().unwrap_or_else(PoisonError::into_inner) = led;
        if let Some(term) = term
            && self.term.swap(term, Ordering::Relaxed) != term
        {
            tracing::info!(instance = self.id, term, others, "this instance leads");
        }
        Ok(())
    }

    /// It works no more: the one who says so for it has as long as it takes to say it.
    pub async fn leave(&self) {
        self.leaves.cancel();
        self.gone.cancelled().await;
    }

    pub async fn leaving(&self) {
        self.leaves.cancelled().await;
    }

    pub async fn left(&self, on: Option<&Connection>) {
        *self.led.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(on) = on
            && let Err(error) = on.execute(LEAVE, &[&self.id]).await
        {
            tracing::warn!(%error, "the others learn by the clock that this instance has left");
        }
        self.gone.cancel();
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

const BEAT: &str = "
    WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now),
    seen AS (
        INSERT INTO instance (id, seen_at) SELECT $1, now FROM clock
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
    ),
    forgotten AS (
        DELETE FROM instance USING clock
        WHERE id <> $1 AND (seen_at < now - 10 * $2::bigint OR id = ANY ($3) OR $4)
    ),
    led AS (
        UPDATE lead SET instance = $1, until = now + $2, term = term + CASE WHEN instance = $1 THEN 0 ELSE 1 END
        FROM clock WHERE instance = $1 OR until <= now OR instance = ANY ($3) OR $4
        RETURNING term
    )
    SELECT (SELECT term FROM led),
           (SELECT count(*) FROM instance, clock
            WHERE id <> $1 AND seen_at >= now - $2 AND id <> ALL ($3) AND NOT $4)";

const LEAVE: &str = "
    WITH left_by AS (DELETE FROM instance WHERE id = $1)
    UPDATE lead SET until = 0 WHERE instance = $1";

/// Whether any has ever been there: their table is made beside the versions.
async fn is_known(on: &Connection) -> Result<bool, Failure> {
    Ok(on.one("SELECT to_regclass('instance') IS NOT NULL", &[]).await?.get(0))
}

/// When somebody last said that it is there, if that is no longer ago.
pub async fn last_heard(on: &Connection, within: Duration) -> Result<Option<i64>, Failure> {
    if !is_known(on).await? {
        return Ok(None);
    }
    let text = "SELECT MAX(seen_at) FROM instance
                WHERE seen_at > (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $1";
    Ok(on.one(text, &[&millis(within)]).await?.get(0))
}

/// Of all but those.
pub async fn others(on: &Connection, former: &[String]) -> Result<Seen, Failure> {
    if !is_known(on).await? {
        return Ok(Seen::Never);
    }
    let text = "SELECT bool_or(seen_at >= (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $1)
                FROM instance WHERE id <> ALL ($2)";
    Ok(match on.one(text, &[&millis(TERM), &former]).await?.get(0) {
        None => Seen::Never,
        Some(false) => Seen::Once,
        Some(true) => Seen::InTerm,
    })
}

/// Whether what was begun under that term still counts. Nobody else leads before this transaction has ended.
pub async fn leads(on: &Connection, term: u64) -> Result<bool, Failure> {
    let row = on.one("SELECT term FROM lead FOR SHARE", &[]).await?;
    Ok(row.get::<_, i64>(0) == term.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_leads_has_looked_several_times_before_he_stops_and_stops_before_another_one_begins() {
        assert!(EVERY * 3 <= TERM - MARGIN && MARGIN > EVERY);
    }
}
