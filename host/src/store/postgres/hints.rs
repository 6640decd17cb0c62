//! Hints between instances, by `LISTEN` and `NOTIFY` over a connection of their own. PostgreSQL lets no two transactions
//! that notify commit at the same time, so no transaction of the journal does: what it made ready is told after it, what
//! comes in a moment together. A hint is lost with its connection, and the journal is looked at all the same.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_postgres::Client;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::told;
use super::reach::Reach;
use crate::domain::Group;
use crate::ports::Hint;

/// What is to be told in that time is told at once, the same thing once.
const GATHERED_FOR: Duration = Duration::from_millis(20);
/// Nothing is lost meanwhile but time.
const AGAIN_AFTER: Duration = Duration::from_secs(3);

/// By which its connection is known among those of the journal.
const NAME: &str = "punchdown hints";

/// What there is to be told, and what was heard; the connection ends with it.
pub struct Hints {
    both: Arc<Both>,
    _ends: DropGuard,
}

#[derive(Default)]
struct Both {
    given: Gathered,
    heard: Gathered,
}

impl Hints {
    /// Connects as soon as that can be, and again whenever the connection is lost.
    pub fn carried_by(reach: Reach) -> Self {
        let (both, end) = (Arc::<Both>::default(), CancellationToken::new());
        let (carried, ended) = (Arc::clone(&both), end.clone());
        tokio::spawn(async move { ended.run_until_cancelled(carry(&reach, &carried)).await });
        Self { both, _ends: end.drop_guard() }
    }

    pub fn give(&self, hint: Hint) {
        self.both.given.put(hint);
    }

    pub async fn heard(&self) -> BTreeSet<Hint> {
        self.both.heard.all().await
    }
}

/// Hints that nobody has taken yet.
#[derive(Default)]
struct Gathered {
    hints: Mutex<BTreeSet<Hint>>,
    some: Notify,
}

impl Gathered {
    fn put(&self, hint: Hint) {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).insert(hint);
        self.some.notify_one();
    }

    async fn all(&self) -> BTreeSet<Hint> {
        loop {
            let taken = std::mem::take(&mut *self.hints.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
            self.some.notified().await;
        }
    }
}

async fn carry(reach: &Reach, both: &Both) {
    loop {
        let why = match over_a_connection(reach, both).await {
            Ok(()) => "it was closed".to_owned(),
            Err(why) => why,
        };
        tracing::info!(why, "no hints from and for other instances for now: what they do is looked for");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn over_a_connection(reach: &Reach, both: &Both) -> Result<(), String> {
    let (hears, mut told_of) = mpsc::unbounded_channel();
    let lost = |error| told(&error);
    let (client, _) = reach.connect(NAME, Some(&hears)).await.map_err(lost)?;
    // It ends with the connection, and not with us.
    drop(hears);
    let this = Mutex::new(None);
    let hears = async {
        while let Some(hint) = told_of.recv().await {
            if *this.lock().unwrap_or_else(PoisonError::into_inner) != Some(hint.process_id())
                && let Some(hint) = read(hint.payload())
            {
                both.heard.put(hint);
            }
        }
        Ok(())
    };
    tokio::select! {
        heard = hears => heard,
        tells = tell(&client, both, &this) => tells.map_err(lost),
    }
}

async fn tell(client: &Client, both: &Both, this: &Mutex<Option<i32>>) -> Result<(), tokio_postgres::Error> {
    // What is lost costs a second, so nobody waits for a disk.
    client.batch_execute("SET synchronous_commit = off; SET client_min_messages = warning").await?;
    let id = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    *this.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    client.batch_execute("LISTEN punchdown").await?;
    let tell = client.prepare("SELECT pg_notify('punchdown', hint) FROM unnest($1::text[]) hint").await?;
    loop {
        let hints: Vec<String> = both.given.all().await.iter().map(written).collect();
        client.query(&tell, &[&hints]).await?;
        tokio::time::sleep(GATHERED_FOR).await;
    }
}

fn written(hint: &Hint) -> String {
    match hint {
        Hint::Lanes(group) => format!("lanes {}", group.0),
        Hint::FanOuts => "fan-outs".to_owned(),
        Hint::Changes => "changes".to_owned(),
        Hint::Statuses => "statuses".to_owned(),
        Hint::Words => "words".to_owned(),
    }
}

/// `None`: one of a newer program.
fn read(text: &str) -> Option<Hint> {
    Some(match text {
        "fan-outs" => Hint::FanOuts,
        "changes" => Hint::Changes,
        "statuses" => Hint::Statuses,
        "words" => Hint::Words,
        _ => Hint::Lanes(Group(text.strip_prefix("lanes ")?.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_read_as_it_was_written() {
        let lanes = Hint::Lanes(Group("a group".to_owned()));
        for hint in [lanes, Hint::FanOuts, Hint::Changes, Hint::Statuses, Hint::Words] {
            assert_eq!(read(&written(&hint)), Some(hint));
        }
        assert_eq!(read("of a newer program"), None);
    }

    #[tokio::test]
    async fn what_comes_together_is_taken_together_and_the_same_once() {
        let gathered = Gathered::default();
        for hint in [Hint::Statuses, Hint::Words, Hint::Statuses] {
            gathered.put(hint);
        }
        assert_eq!(gathered.all().await, BTreeSet::from([Hint::Statuses, Hint::Words]));
        let none = tokio::time::timeout(Duration::from_millis(10), gathered.all()).await;
        assert!(none.is_err(), "whoever asks waits");
    }
}
