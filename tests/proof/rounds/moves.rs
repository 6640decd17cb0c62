//! An installation that moves between its directory and PostgreSQL, again and again, while events and notifications go
//! on coming: whoever sends them finds nobody meanwhile, and sends them again.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use punchdown::cli::stage::Stage;
use punchdown_kit::postgres::{Cluster, Database};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;
use tokio::process::Command;

use super::{RUNS_MS, Round, Tally, journal, sealed_with};

/// Without which a directory has no journal.
const JOURNAL: [&str; 3] = ["journal.db", "journal.db-wal", "journal.db-shm"];

impl Round {
    pub(super) async fn play_moving(&self, stage: &mut Stage, database: &Database) -> io::Result<Tally> {
        stage.open_accounts(self.accounts());
        stage.start_host().await?;
        let espf = self.events(stage);
        let directory = std::fs::read_to_string(&stage.config)?;
        let (mut chance, mut is_in) = (StdRng::seed_from_u64(self.seed), None);
        for cycle in 0..self.cycles {
            tokio::time::sleep(Duration::from_millis(chance.random_range(RUNS_MS))).await;
            match chance.random() {
                true => stage.kill_host().await?,
                false => drop(stage.stop_host().await?),
            }
            let file = self.folder.join(format!("moved-{cycle}"));
            let out = self.moved(stage, "export", &file).await?;
            is_in = match is_in {
                None => Some(into(stage, &database.cluster)?),
                Some(_) => {
                    back(stage, &directory)?;
                    None
                }
            };
            let there = self.moved(stage, "import", &file).await?;
            if (&out["rows"], &out["open_operations"]) != (&there["rows"], &there["open_operations"]) {
                return Err(io::Error::other(format!("{out} was written, and {there} was read")));
            }
            stage.start_host().await?;
        }
        self.ended(stage, &espf, is_in.as_ref()).await
    }

    async fn moved(&self, stage: &Stage, which: &str, file: &Path) -> io::Result<Value> {
        let mut command = Command::new(&self.program);
        command.args(["journal", which]).arg(file).arg("--config").arg(&stage.config).args(["-o", "json"]);
        let said = command.output().await?;
        if !said.status.success() {
            return Err(io::Error::other(format!("{which}: {}", String::from_utf8_lossy(&said.stderr))));
        }
        Ok(serde_json::from_slice(&said.stdout)?)
    }
}

/// Has a stage's journal come into an empty database, with the key that lies in the directory.
///
/// # Errors
/// When there is no database to be had, or no key.
pub fn into(stage: &Stage, cluster: &Arc<Cluster>) -> io::Result<Database> {
    let database = cluster.database()?;
    let key = std::fs::read(journal(stage).join("journal.key"))?;
    sealed_with(stage, &database, &STANDARD.encode(key))?;
    Ok(database)
}

/// Has it come back into the directory, as that configuration says, from which what was left there is put away.
///
/// # Errors
/// When a file cannot be written or put away.
pub fn back(stage: &Stage, directory: &str) -> io::Result<()> {
    std::fs::write(&stage.config, directory)?;
    for name in JOURNAL {
        match std::fs::remove_file(journal(stage).join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
