//! Answers the port `Library`: the components lie in the database, for all instances.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio_postgres::Row;

use super::super::seal::Seal;
use super::connection::{Connection, Failure};
use super::database::{Database, Patience};
use crate::domain::{Digest, Group, Timestamp};
use crate::ports::{Choice, Chosen, EDITIONS_MAX, JournalError, KeptComponent, Library};

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
    fn mark(&self, group: &str, digest: &str) -> String {
        self.seal.fingerprint(&format!("component {digest} of {group}"))
    }

    fn mark_of_choice(&self, group: &str, digest: &str, pinned: bool, number: i64) -> String {
        self.seal.fingerprint(&format!("choice {number}, pinned {pinned}: {digest} of {group}"))
    }

    /// Whether what stands there was written with the key. What was not is told of once.
    fn is_ours(&self, ours: &str, mark: String, group: &str, digest: &str) -> bool {
        if ours == mark {
            return true;
        }
        if self.forged.lock().unwrap_or_else(PoisonError::into_inner).insert(mark) {
            tracing::error!(
                group,
                digest,
                "the journal names a component, and who wrote that had not its key"
            );
        }
        false
    }

    fn chosen_of(&self, row: &Row) -> Option<(Group, Chosen)> {
        let (group, digest, pinned, number): (String, &str, bool, i64) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let ours = self.mark_of_choice(&group, digest, pinned, number);
        if !self.is_ours(&ours, row.get(4), &group, digest) {
            return None;
        }
        let chosen = Chosen { digest: Digest::parse(digest)?, pinned, number: number.unsigned_abs() };
        Some((Group(group), chosen))
    }

    fn kept_of(&self, group: &Group, row: &Row) -> Option<KeptComponent> {
        let digest: &str = row.get(0);
        if !self.is_ours(&self.mark(&group.0, digest), row.get(3), &group.0, digest) {
            return None;
        }
        let (kept_at, bytes) = (Timestamp::from_millis(row.get(1)), row.get::<_, i64>(2).unsigned_abs());
        Some(KeptComponent { digest: Digest::parse(digest)?, kept_at, bytes })
    }
}

#[async_trait]
impl Library for Components {
    async fn chosen(&self) -> Result<BTreeMap<Group, Chosen>, JournalError> {
        let text = "SELECT grp, digest, pinned, number, mark FROM served_by";
        let rows = self.database.read(|on| async move { on.all(text, &[]).await }).await?;
        Ok(rows.iter().filter_map(|row| self.chosen_of(row)).collect())
    }

    async fn kept(&self, group: &Group) -> Result<Vec<KeptComponent>, JournalError> {
        let text =
            "SELECT digest, kept_at, bytes, mark FROM component WHERE grp = $1 ORDER BY kept_at DESC, digest";
        let rows = self.database.read(|on| async move { on.all(text, &[&group.0]).await }).await?;
        Ok(rows.iter().filter_map(|row| self.kept_of(group, row)).collect())
    }

    async fn bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>, JournalError> {
        let text = "SELECT bytes FROM component_go WHERE digest = $1 AND go = $2";
        let (mut bytes, digest) = (Vec::new(), &digest.to_string());
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
        let mark = &self.mark(&group.0, &component.digest.to_string());
        let keep = |on| async move { keep(&on, group, component, mark, bytes).await };
        self.database.write(Patience::None, keep).await
    }

    async fn choose(&self, group: &Group, choice: &Choice<'_>) -> Result<Option<Chosen>, JournalError> {
        let Choice { component, bytes, pinned, heard } = choice;
        let digest = &component.digest.to_string();
        let mark = &self.mark(&group.0, digest);
        let choose = |on: Connection| async move {
            // Who chooses for a group chooses alone, whether it has a row or not.
            keep(&on, group, component, mark, bytes).await?;
            let there = "SELECT grp, digest, pinned, number, mark FROM served_by WHERE grp = $1 FOR UPDATE";
            let there = on.optional(there, &[&group.0]).await?;
            let said = there.as_ref().and_then(|row| self.chosen_of(row)).map(|(_, chosen)| chosen.number);
            if said != *heard {
                return Ok(None);
            }
            // One that was written without the key counts for nothing but its number.
            let number = there.map_or(0, |row| row.get::<_, i64>(3)).saturating_add(1);
            let mark = self.mark_of_choice(&group.0, digest, *pinned, number);
            let choose =
                "INSERT INTO served_by (grp, digest, pinned, number, mark) VALUES ($1, $2, $3, $4, $5)
                          ON CONFLICT (grp) DO UPDATE SET digest = $2, pinned = $3, number = $4, mark = $5";
            on.execute(choose, &[&group.0, digest, pinned, &number, &mark]).await?;
            Ok(Some(number.unsigned_abs()))
        };
        let number = self.database.write(Patience::None, choose).await?;
        let chosen = |number| Chosen { digest: component.digest.clone(), pinned: *pinned, number };
        Ok(number.map(chosen))
    }
}

/// The bytes come before the lock: over a slow line they take long, and others wait for that.
async fn keep(
    on: &Connection,
    group: &Group,
    component: &KeptComponent,
    mark: &String,
    bytes: &[u8],
) -> Result<(), Failure> {
    let (digest, kept_at) = (&component.digest.to_string(), component.kept_at.millis());
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    bring(on, digest, bytes).await?;
    on.all("SELECT pg_advisory_xact_lock(hashtextextended('punchdown: components', 0))", &[]).await?;
    // They may have gone with another group's last one in between.
    bring(on, digest, bytes).await?;
    on.execute(
        "INSERT INTO component (grp, digest, kept_at, bytes, mark) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (grp, digest) DO UPDATE SET kept_at = GREATEST(component.kept_at, excluded.kept_at), mark = $5",
        &[&group.0, digest, &kept_at, &size, mark],
    )
    .await?;
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

async fn bring(on: &Connection, digest: &String, bytes: &[u8]) -> Result<(), Failure> {
    let is_there = "SELECT EXISTS (SELECT 1 FROM component_go WHERE digest = $1)";
    if on.one(is_there, &[digest]).await?.get(0) {
        return Ok(());
    }
    for (go, bytes) in (0_i32..).zip(bytes.chunks(GO_BYTES)) {
        let text = "INSERT INTO component_go (digest, go, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        on.execute(text, &[digest, &go, &bytes]).await?;
    }
    Ok(())
}
