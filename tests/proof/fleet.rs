//! Several hosts that work on a database of the tests, behind one address: that of a stage.

use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use punchdown::cli::stage::{self, Stage};
use punchdown_kit::postgres::Database;

use crate::rounds::on;

pub struct Fleet {
    hosts: stage::Fleet,
    database: Database,
}

impl Fleet {
    /// So many hosts of a stage. None runs yet. The first one has the stage's own configuration.
    ///
    /// # Errors
    /// When an address or a file cannot be had.
    pub async fn of(stage: &Stage, program: &Path, database: Database, hosts: usize) -> io::Result<Self> {
        on(stage, &database)?;
        Ok(Self { hosts: stage::Fleet::several(stage, program, hosts).await?, database })
    }

    /// It has the database at these addresses, from its next start on.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn set_addresses(&self, host: usize, addresses: &[SocketAddr]) -> io::Result<()> {
        let config = self.config(host);
        let text = std::fs::read_to_string(config)?;
        std::fs::write(config, text.replace(&self.database.url(), &self.database.url_at(addresses)))
    }

    /// Another server has it now.
    pub fn moved_to(&mut self, database: Database) {
        self.database = database;
    }

    /// Which host leads now, and in which term. `None`: the lead is nobody's.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn leader(&self) -> io::Result<Option<(usize, u64)>> {
        let led = self.database.ask(
            "SELECT instance || ' ' || term FROM lead WHERE until > extract(epoch FROM clock_timestamp()) * 1000",
        )?;
        let Some((instance, term)) = led.split_once(' ') else { return Ok(None) };
        let host = (0..self.count()).find(|host| self.log(*host).contains(instance));
        Ok(host.zip(term.parse().ok()))
    }
}

impl Deref for Fleet {
    type Target = stage::Fleet;

    fn deref(&self) -> &Self::Target {
        &self.hosts
    }
}

impl DerefMut for Fleet {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.hosts
    }
}
