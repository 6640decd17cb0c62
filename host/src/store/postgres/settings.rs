//! Where the journal is when it is on PostgreSQL.

use std::sync::Arc;

use super::super::seal::{self, Seal};
use super::database::{Database, Server};
use super::refusal::Refusal;
use super::schema;
use crate::ports::World;
use crate::secret::Secret;

#[derive(Clone, Debug)]
pub struct Settings {
    pub server: Server,
    /// As a person may read it.
    pub name: String,
    /// What seals; each instance is given the same.
    pub key: SealingKey,
    /// Where another one works on it with whom this one cannot, it waits for its end.
    pub stands_by: bool,
    /// Others that say the same work on it at the same time.
    pub several: bool,
}

/// The key's bytes, in base64.
#[derive(Clone, Debug)]
pub struct SealingKey(pub Secret);

impl SealingKey {
    pub(super) fn seal(&self) -> Option<Seal> {
        seal::key_of_text(self.0.expose()).map(Seal::new)
    }

    /// Whether it is as long as a key is.
    pub fn is_one(&self) -> bool {
        seal::key_of_text(self.0.expose()).is_some()
    }
}

impl Settings {
    pub(super) fn database(&self, world: Arc<dyn World>) -> Result<(Database, Seal), Refusal> {
        let unusable = |why| Refusal::Unusable { server: self.name.clone(), why };
        let seal = self.key.seal().ok_or_else(|| unusable("its key is none".to_owned()))?;
        Ok((Database::new(&self.server, world).map_err(unusable)?, seal))
    }

    /// Whether a host could use it. Nothing is changed.
    pub async fn check(&self, world: Arc<dyn World>) -> Result<(), Refusal> {
        let (database, seal) = self.database(world)?;
        schema::check(&database, &self.name, &seal).await
    }
}
