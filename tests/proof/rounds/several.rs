//! Three hosts on one database, of which something ends again and again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::line::{How, Line};
use punchdown_kit::postgres::{Cluster, Database, Ending};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::{RUNS_MS, Round, Tally};
use crate::fleet::Fleet;

const HOSTS: usize = 3;
/// Another one leads by then.
const STANDS_STILL: Duration = Duration::from_secs(13);

impl Round {
    pub(super) async fn play_among_several(&self, stage: &Stage, database: &Database) -> io::Result<Tally> {
        let mut fleet = Fleet::of(stage, &self.program, database.clone(), HOSTS).await?;
        let mut servers = Servers::of(database, &fleet).await?;
        stage.open_accounts(self.accounts());
        fleet.start_all().await?;
        let espf = self.events(stage);
        let mut chance = StdRng::seed_from_u64(self.seed);
        for cycle in 0..self.cycles {
            tokio::time::sleep(Duration::from_millis(chance.random_range(RUNS_MS))).await;
            let host = chance.random_range(0..HOSTS);
            match chance.random_range(0..9) {
                _ if cycle == self.cycles / 2 => servers.fail_over(&mut fleet)?,
                0 => {
                    fleet.freeze(host)?;
                    tokio::time::sleep(STANDS_STILL).await;
                    fleet.thaw(host)?;
                }
                1 => servers.database.cut()?,
                2 => {
                    servers.database.cluster.end(Ending::Immediate)?;
                    servers.database.cluster.begin()?;
                }
                3 => {
                    servers.lines[host].set(How::Swallows);
                    tokio::time::sleep(STANDS_STILL).await;
                    servers.lines[host].set(How::Passes);
                }
                _ => {
                    fleet.kill(host)?;
                    fleet.start(host).await?;
                }
            }
        }
        self.ended(stage, &espf, Some(&servers.database)).await
    }
}

/// Who has the database of several hosts, who takes its place, and how each host reaches it.
struct Servers {
    database: Database,
    standby: Arc<Cluster>,
    lines: Vec<Line>,
}

impl Servers {
    async fn of(database: &Database, fleet: &Fleet) -> io::Result<Self> {
        let standby = database.cluster.standby()?;
        let mut lines = Vec::new();
        for host in 0..HOSTS {
            let line = Line::to(database.cluster.address()).await?;
            fleet.set_addresses(host, &[line.address()])?;
            lines.push(line);
        }
        Ok(Self { database: database.clone(), standby, lines })
    }

    fn fail_over(&mut self, fleet: &mut Fleet) -> io::Result<()> {
        self.database.cluster.kill()?;
        self.standby.promote()?;
        self.database = self.database.on(&self.standby);
        fleet.moved_to(self.database.clone());
        self.lines.iter().for_each(|line| line.lead_to(self.standby.address()));
        Ok(())
    }
}
