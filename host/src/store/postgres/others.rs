//! Answers the port `Instances`: what is no operation's, and yet must be known to all who work on the database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::super::seal::Seal;
use super::database::{Database, Patience};
use super::hints::Hints;
use super::instances::Instance;
use super::suspects;
use crate::domain::Suspect;
use crate::ports::{Among, Hint, Instances, JournalError, LogInRefused};

/// Whoever leaves does not wait longer for a database that is away.
const LEFT_WITHIN: Duration = Duration::from_secs(2);

pub struct Others {
    pub(super) database: Arc<Database>,
    pub(super) instance: Arc<Instance>,
    pub(super) seal: Seal,
    pub(super) hints: Option<Arc<Hints>>,
}

impl Others {
    /// Neither the user nor his credential is to be read there.
    fn who(&self, user: &str) -> String {
        self.seal.fingerprint(&format!("log-in {user}"))
    }
}

#[async_trait]
impl Instances for Others {
    fn among(&self) -> Among {
        self.instance.among()
    }

    async fn suspects(&self) -> Result<Vec<Suspect>, JournalError> {
        self.database.read(|on| async move { suspects::all(&on).await }).await
    }

    async fn log_in_refused(&self, user: &str) -> Result<Option<LogInRefused>, JournalError> {
        let who = &self.who(user);
        let text = "SELECT locked_out, why, until - (extract(epoch FROM clock_timestamp()) * 1000)::bigint
                    FROM log_in_refused WHERE who = $1";
        let found = self.database.read(|on| async move { on.optional(text, &[who]).await }).await?;
        Ok(found.and_then(|row| {
            let left = u64::try_from(row.get::<_, i64>(2)).ok().filter(|left| *left > 0)?;
            let pause = Duration::from_millis(left);
            Some(LogInRefused { locked_out: row.get(0), why: row.get(1), pause })
        }))
    }

    async fn refuse_log_in(&self, user: &str, refused: &LogInRefused) -> Result<(), JournalError> {
        let (who, pause) = (&self.who(user), i64::try_from(refused.pause.as_millis()).unwrap_or(i64::MAX));
        let text = "INSERT INTO log_in_refused (who, until, locked_out, why)
             VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $2, $3, $4)
             ON CONFLICT (who) DO UPDATE SET until = GREATEST(log_in_refused.until, excluded.until),
                                             locked_out = excluded.locked_out, why = excluded.why";
        let (locked_out, why) = (&refused.locked_out, &refused.why);
        let refuse = |on: super::connection::Connection| async move {
            on.execute(text, &[who, &pause, locked_out, why]).await.map(drop)
        };
        self.database.write(Patience::None, refuse).await
    }

    fn hint(&self, hint: Hint) {
        if let Some(hints) = &self.hints {
            hints.give(hint);
        }
    }

    async fn hinted(&self) -> BTreeSet<Hint> {
        match &self.hints {
            Some(hints) => hints.heard().await,
            None => std::future::pending().await,
        }
    }

    async fn leave(&self) {
        if tokio::time::timeout(LEFT_WITHIN, self.instance.leave()).await.is_err() {
            tracing::warn!("the others learn by the clock that this instance has left");
        }
    }
}
