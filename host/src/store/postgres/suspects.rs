//! Answers the port `Suspects`: what outlives the process of the questions that it died of.

use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::super::marks::{Asked, Left};
use super::super::stored::{subject, subject_key};
use super::PostgresJournal;
use super::connection::{Connection, Failure};
use super::database::Patience;
use crate::domain::{Digest, OperationId, Subject, Suspect, Timestamp, suspect};
use crate::ports::{JournalError, Mark, Suspects};

/// So long a death is known to have been counted.
const COUNTED_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Whatever was marked when a process died counts once.
async fn count(on: &Connection, left: &Left, now: Timestamp) -> Result<(), Failure> {
    // Each process that died has a row: of several instances another one may have died since.
    let run = format!("deaths-of {}", left.run);
    let new = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    if left.asked.is_empty() || on.execute(new, &[&run, &now.millis().to_string()]).await? == 0 {
        return Ok(());
    }
    for Asked { subject, adapter } in &left.asked {
        let (kind, id) = subject_key(subject);
        on.execute(
            "INSERT INTO suspect (kind, grp, id, adapter, deaths, at) VALUES ($1, $2, $3, $4, 1, $5)
             ON CONFLICT (kind, grp, id, adapter) DO UPDATE SET deaths = suspect.deaths + 1, at = excluded.at",
            &[&kind, &subject.group().0, &id, &adapter.to_string(), &now.millis()],
        )
        .await?;
    }
    // Its file says of another run by now.
    let old = (now - COUNTED_FOR).millis();
    let text = "DELETE FROM meta WHERE name LIKE 'deaths-of %' AND value::bigint < $1";
    on.execute(text, &[&old]).await.map(drop)
}

/// Of whom nothing will be asked any more, nothing need be known. What three processes died of stays known:
/// its adapter must answer for it.
async fn forget_the_ended(on: &Connection) -> Result<(), Failure> {
    on.execute(
        "DELETE FROM suspect WHERE deaths < $1 AND CASE kind
             WHEN 'account' THEN NOT EXISTS (
                 SELECT 1 FROM operation o JOIN lane l ON l.id = o.lane
                 WHERE l.grp = suspect.grp AND l.i_account::text = suspect.id AND o.open)
             WHEN 'notification' THEN NOT EXISTS (
                 SELECT 1 FROM notification n WHERE n.id = suspect.id AND n.unread > 0)
             ELSE FALSE END",
        &[&suspect::DEATHS_MAX.cast_signed()],
    )
    .await
    .map(drop)
}

pub async fn all(on: &Connection) -> Result<Vec<Suspect>, Failure> {
    let rows = on
        .all(
            "SELECT kind, grp, id, adapter, deaths, at,
                    (SELECT o.id FROM operation o JOIN lane l ON l.id = o.lane
                     WHERE suspect.kind = 'account' AND l.grp = suspect.grp
                       AND l.i_account::text = suspect.id AND o.open ORDER BY o.seq LIMIT 1)
             FROM suspect ORDER BY suspect.at, kind, grp, suspect.id",
            &[],
        )
        .await?;
    Ok(rows.iter().filter_map(known).collect())
}

/// A row of a kind that this version does not know accuses nobody.
fn known(row: &Row) -> Option<Suspect> {
    Some(Suspect {
        subject: subject(row.get(0), row.get(1), row.get(2))?,
        adapter: Digest::parse(row.get(3))?,
        deaths: row.get::<_, i32>(4).unsigned_abs(),
        at: Timestamp::from_millis(row.get(5)),
        head: row.get::<_, Option<String>>(6).map(OperationId),
    })
}

async fn about(on: &Connection, text: &str, subject: &Subject, adapter: &Digest) -> Result<(), Failure> {
    let (kind, id) = subject_key(subject);
    let text = format!("{text} WHERE kind = $1 AND grp = $2 AND id = $3 AND adapter = $4");
    on.execute(&text, &[&kind, &subject.group().0, &id, &adapter.to_string()]).await.map(drop)
}

async fn pardon(on: &Connection, adapter: &str) -> Result<(), Failure> {
    on.execute(
        "UPDATE notification SET unread = 1
         WHERE unread = 2 AND id IN (SELECT id FROM suspect WHERE kind = 'notification' AND adapter = $1)",
        &[&adapter],
    )
    .await?;
    on.execute("UPDATE suspect SET deaths = 0 WHERE adapter = $1", &[&adapter]).await.map(drop)
}

#[async_trait]
impl Suspects for PostgresJournal {
    fn mark(&self, subject: &Subject, adapter: &Digest) -> Mark {
        self.marks.set(&Asked { subject: subject.clone(), adapter: adapter.clone() })
    }

    async fn count_deaths(&self, now: Timestamp) -> Result<Vec<Suspect>, JournalError> {
        let left = &self.marks.left();
        let work = |on: Connection| async move {
            count(&on, left, now).await?;
            forget_the_ended(&on).await?;
            all(&on).await
        };
        let suspects = self.database.write(Patience::Some, work).await?;
        self.marks.begin().map_err(|error| JournalError::Failed(error.to_string()))?;
        Ok(suspects)
    }

    async fn acquit(&self, subject: &Subject, adapter: &Digest) -> Result<(), JournalError> {
        let work = |on| async move { about(&on, "DELETE FROM suspect", subject, adapter).await };
        self.database.write(Patience::Some, work).await
    }

    async fn reprieve(&self, subject: &Subject, adapter: &Digest) -> Result<(), JournalError> {
        let work = |on| async move { about(&on, "UPDATE suspect SET deaths = 0", subject, adapter).await };
        self.database.write(Patience::Some, work).await
    }

    async fn pardon(&self, adapter: &Digest) -> Result<(), JournalError> {
        let adapter = &adapter.to_string();
        self.database.write(Patience::Some, |on| async move { pardon(&on, adapter).await }).await
    }
}
