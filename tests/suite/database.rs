//! The PostgreSQL of the tests: one cluster for all of them, and a database for each.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use punchdown::secret::Secret;
use punchdown::store;
use punchdown::store::postgres::{SealingKey, Server, Settings};
use punchdown_kit::postgres::{Cluster, Database, programs};
use punchdown_tests::rounds::SEALING_KEY;

/// Those of all tests. `None`, and a line that says so, where there is none. Under `PUNCHDOWN_TESTS=all` that is
/// a failure.
pub fn shared() -> Option<&'static Arc<Cluster>> {
    static CLUSTER: OnceLock<Option<Arc<Cluster>>> = OnceLock::new();
    CLUSTER.get_or_init(own).as_ref()
}

/// One that can be ended without harm to anybody else's.
pub fn own() -> Option<Arc<Cluster>> {
    if programs().is_none() && std::env::var("PUNCHDOWN_TESTS").is_ok_and(|which| which == "all") {
        panic!("there is no PostgreSQL");
    }
    if programs().is_none() {
        eprintln!("skipped: PostgreSQL");
        return None;
    }
    Some(Cluster::start(&[]).expect("a cluster"))
}

pub fn settings(database: &Database) -> Settings {
    let client = database.url().parse().expect("a URL");
    let password = Some(Secret::new(database.password()));
    let server = Server { client: Box::new(client), password, tls: None, connections: 4 };
    Settings {
        server,
        name: database.url(),
        key: SealingKey(Secret::new(SEALING_KEY)),
        stands_by: false,
        several: false,
    }
}

/// Those of a journal that is there, with that directory beside it.
pub fn beside(directory: &Path, database: &Database) -> store::Settings {
    store::Settings { postgres: Some(settings(database)), ..store::Settings::in_directory(directory) }
}
