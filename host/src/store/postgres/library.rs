//! Answers the port `Library`: the components lie in the database, for all instances.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::super::seal::Seal;
use super::connection::{Connection, Failure};
use super::database::{Database, Patience};
use crate::domain::{Digest, Group, Timestamp};
use crate::ports::{Chosen, EDITIONS_MAX, JournalError, KeptComponent, Library};

/// So much is said in one statement.
const GO_BYTES: usize = 1 << 20;

pub struct Components {
    database: Arc<Database>,
    seal: Seal,
    /// Marks that were not this journal's, and were told of.
    forged: Mutex<BTreeSet<String>>,
}

impl Components {
    pub fn new(database: Arc<Database>, seal: Seal) -> Self {
        Self { database, seal, forged: Mutex::default() }
    }

    /// Whoever may write to the database may not say by it what is to run: that takes the journal's key.
    fn mark(&self, group: &str, digest: &str, pinned: bool) -> String {
        self.seal.fingerprint(&format!("served by {digest}, pinned {pinned}: {group}"))
    }

    fn read(&self, row: &tokio_postgres::Row) -> Option<(Group, Chosen)> {
        let (group, text, pinned): (String, &str, bool) = (row.get(0), row.get(1), row.get(2));
        let (number, mark): (i64, String) = (row.get(3), row.get(4));
        if self.mark(&group, text, pinned) != mark {
            if self.forged.lock().unwrap_or_else(PoisonError::into_inner).insert(mark) {
                tracing::error!(
                    group,
                    digest = text,
                    "the journal says what serves the group, and who wrote that had not its key"
                );
            }
            return None;
        }
        let chosen = Chosen { digest: Digest::parse(text)?, pinned, number: number.unsigned_abs() };
        Some((Group(group), chosen))
    }
}

#[async_trait]
impl Library for Components {
    async fn chosen(&self) -> Result<BTreeMap<Group, Chosen>, JournalError> {
        let text = "SELECT grp, digest, pinned, number, mark FROM served_by";
        let rows = self.database.read(|on| async move { on.all(text, &[]).await }).await?;
        Ok(rows.iter().filter_map(|row| self.read(row)).collect())
    }

    async fn kept(&self, group: &Group) -> Result<Vec<KeptComponent>, JournalError> {
        let text =
            "SELECT digest, kept_at, bytes FROM component WHERE grp = $1 ORDER BY kept_at DESC, digest";
        let rows = self.database.read(|on| async move { on.all(text, &[&group.0]).await }).await?;
        let kept = rows.iter().filter_map(|row| {
            let bytes = row.get::<_, i64>(2).unsigned_abs();
            let kept_at = Timestamp::from_millis(row.get(1));
            Some(KeptComponent { digest: Digest::parse(row.get(0))?, kept_at, bytes })
        });
        Ok(kept.collect())
    }

    async fn bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>, JournalError> {
        let (text, digest) =
            ("SELECT bytes FROM component_go WHERE digest = $1 AND go = $2", digest.to_string());
        let (mut bytes, digest) = (Vec::new(), &digest);
        for go in 0.. {
            let read = |on: Connection| async move { on.optional(text, &[digest, &go]).await };
            match self.database.read(read).await? {
                Some(row) => bytes.extend_from_slice(row.get(0)),
                None if go == 0 => return Ok(None),
                None => break,
            }
        }
        Ok(Some(bytes))
    }

    async fn keep(&self, group: &Group, component: &KeptComponent, bytes: &[u8]) -> Result<(), JournalError> {
        let keep = |on| async move { keep(&on, group, component, bytes).await };
        self.database.write(Patience::None, keep).await
    }

    async fn choose(&self, group: &Group, digest: &Digest, pinned: bool) -> Result<Chosen, JournalError> {
        let text = &digest.to_string();
        let mark = &self.mark(&group.0, text, pinned);
        let choose = |on: Connection| async move {
            // A row whose mark does not fit is another one.
            let new = "INSERT INTO served_by (grp, digest, pinned, number, mark) VALUES ($1, $2, $3, 1, $4)
                       ON CONFLICT (grp) DO UPDATE
                           SET digest = $2, pinned = $3, mark = $4, number = served_by.number + 1
                           WHERE (served_by.digest, served_by.pinned, served_by.mark) IS DISTINCT FROM ($2, $3, $4)
                       RETURNING number";
            if let Some(row) = on.optional(new, &[&group.0, text, &pinned, mark]).await? {
                return Ok(row.get::<_, i64>(0));
            }
            let same = "SELECT number FROM served_by WHERE grp = $1";
            Ok(on.one(same, &[&group.0]).await?.get(0))
        };
        let number = self.database.write(Patience::None, choose).await?.unsigned_abs();
        Ok(Chosen { digest: digest.clone(), pinned, number })
    }
}

async fn keep(
    on: &Connection,
    group: &Group,
    component: &KeptComponent,
    bytes: &[u8],
) -> Result<(), Failure> {
    let (digest, kept_at) = (&component.digest.to_string(), component.kept_at.millis());
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    // Two that keep for a group go one after the other, and so do those that keep the same one for two.
    on.one("SELECT pg_advisory_xact_lock(hashtextextended('punchdown: components', 0))::text", &[]).await?;
    on.execute(
        "INSERT INTO component (grp, digest, kept_at, bytes) VALUES ($1, $2, $3, $4)
         ON CONFLICT (grp, digest) DO UPDATE SET kept_at = GREATEST(component.kept_at, excluded.kept_at)",
        &[&group.0, digest, &kept_at, &size],
    )
    .await?;
    let is_there = "SELECT EXISTS (SELECT 1 FROM component_go WHERE digest = $1)";
    if !on.one(is_there, &[digest]).await?.get::<_, bool>(0) {
        for (go, bytes) in (0_i32..).zip(bytes.chunks(GO_BYTES)) {
            let text = "INSERT INTO component_go (digest, go, bytes) VALUES ($1, $2, $3)";
            on.execute(text, &[digest, &go, &bytes]).await?;
        }
    }
    let most = i64::try_from(EDITIONS_MAX).unwrap_or(i64::MAX);
    on.execute(
        "DELETE FROM component c WHERE grp = $1 AND digest <> $2
             AND NOT EXISTS (SELECT 1 FROM served_by s WHERE s.grp = $1 AND s.digest = c.digest)
             AND digest NOT IN (SELECT digest FROM component WHERE grp = $1 ORDER BY kept_at DESC, digest LIMIT $3)",
        &[&group.0, digest, &most],
    )
    .await?;
    let of_nobody =
        "DELETE FROM component_go g WHERE NOT EXISTS (SELECT 1 FROM component c WHERE c.digest = g.digest)";
    on.execute(of_nobody, &[]).await.map(drop)
}
