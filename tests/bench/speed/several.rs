//! Hosts on one PostgreSQL, one of them and more, beside a host on SQLite, and beside the same work without any: durable
//! answers, and whole operations. All run on one machine, PostgreSQL and the neighbours with them. Whole operations
//! come by one address that leads to any of the hosts, and so they do where there is one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use punchdown::cli::stage::{Fleet, Stage};
use punchdown_kit::postgres::{Cluster, Database};
use punchdown_tests::rounds::on;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use super::answers::{head, post_events};
use super::measure::{Failed, Times, Told, per_second};
use super::operations::{FLOOR, whole};
use super::scene::{HOST, set};

const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(1);
/// Events are stored with their operations, and nothing else of them moves.
const PAUSED: &str = "paused = true";

/// One of what is held against each other.
struct Row {
    name: String,
    per_second: f64,
    times: Times,
    /// What else there is to say.
    beside: String,
}

pub async fn run(folder: &Path, instances: &str, seconds: f64, accounts: u64, _: Told) -> Result<(), Failed> {
    let instances = instances.split(',').map(|count| count.trim().parse::<usize>());
    let instances = instances.collect::<Result<Vec<_>, _>>()?;
    println!("durable answers over {CONNECTIONS} connections, {seconds} s each");
    let time = Duration::from_secs_f64(seconds);
    tell(answers(&folder.join("answers"), &instances, time).await?);
    println!("\nwhole operations: {accounts} at once; times of half as many at half that pace, to OK");
    tell(operations(&folder.join("operations"), &instances, accounts).await?);
    Ok(())
}

/// The first row is that of the fewest instances, the last one the floor.
fn tell(rows: Vec<Row>) {
    let (Some(first), Some(floor)) = (rows.first(), rows.last()) else { return };
    let (of_first, of_floor) = (first.per_second, floor.per_second);
    println!("{:<18} {:>7}  {:<32}  of the floor  to {}", "", "/s", "", first.name);
    for Row { name, per_second, mut times, beside } in rows {
        let told = times.told();
        let (to_floor, to_first) = (100.0 * per_second / of_floor, per_second / of_first);
        println!("{name:<18} {per_second:>7.0}  {told:<32}  {to_floor:>10.0} %  {to_first:>15.2}  {beside}");
    }
}

async fn answers(folder: &Path, instances: &[usize], time: Duration) -> Result<Vec<Row>, Failed> {
    let row = |name, times: Times| Row {
        name,
        per_second: per_second(times.count(), time),
        times,
        beside: String::new(),
    };
    let (mut rows, mut last) = (Vec::new(), None);
    for count in instances {
        let database = its_own()?;
        let scene = Scene::set(folder, &named(*count), HOST, Some(&database), *count, PAUSED).await?;
        rows.push(row(named(*count), scene.answered(time).await?));
        last = Some(database);
    }
    let scene = Scene::set(folder, SQLITE, HOST, None, 1, PAUSED).await?;
    rows.push(row(SQLITE.to_owned(), scene.answered(time).await?));
    eprintln!("bare commits begin");
    let last = last.ok_or("of how many instances?")?;
    last.ask("CHECKPOINT")?;
    let bare = commit(&last, time).await?;
    rows.push(row("bare commits".to_owned(), bare));
    Ok(rows)
}

async fn operations(folder: &Path, instances: &[usize], accounts: u64) -> Result<Vec<Row>, Failed> {
    let mut rows = Vec::new();
    for count in instances {
        let database = its_own()?;
        let scene = Scene::set(folder, &named(*count), HOST, Some(&database), *count, "").await?;
        rows.push(scene.whole(named(*count), accounts).await?);
    }
    for (name, program) in [(SQLITE, HOST), ("bare exchanges", FLOOR)] {
        let scene = Scene::set(folder, name, program, None, 1, "").await?;
        rows.push(scene.whole(name.to_owned(), accounts).await?);
    }
    Ok(rows)
}

/// A server that has nothing to clear away after anybody.
fn its_own() -> Result<Database, Failed> {
    Ok(Cluster::start(&[])?.database()?)
}

const SQLITE: &str = "SQLite, alone";

fn named(instances: usize) -> String {
    format!("PostgreSQL, {instances}")
}

/// Hosts that run.
struct Scene {
    stage: Stage,
    hosts: Fleet,
}

impl Scene {
    async fn set(
        folder: &Path,
        name: &str,
        program: &str,
        database: Option<&Database>,
        count: usize,
        group_settings: &str,
    ) -> Result<Self, Failed> {
        eprintln!("{name} begins");
        let stage = set(&folder.join(name.replace(", ", "-")), program, group_settings).await?;
        if let Some(database) = database {
            on(&stage, database)?;
        }
        let mut hosts = Fleet::several(&stage, program.as_ref(), count).await?;
        hosts.start_all().await?;
        Ok(Self { stage, hosts })
    }

    /// Each connection is to one of the hosts.
    async fn answered(self, time: Duration) -> Result<Times, Failed> {
        let (doors, head) = (self.hosts.doors(), head(&self.stage)?);
        let number = Arc::new(AtomicU64::new(1));
        post_events(doors, &head, CONNECTIONS, WARM_UP, &number).await?;
        post_events(doors, &head, CONNECTIONS, time, &number).await
    }

    async fn whole(self, name: String, accounts: u64) -> Result<Row, Failed> {
        let whole = whole(&self.stage, &self.hosts.pids(), accounts).await?;
        let beside = format!("{:.1} ms of a core each, without PostgreSQL's", whole.core_ms_each);
        Ok(Row { name, per_second: whole.per_second, times: whole.times, beside })
    }
}

/// The rows that a host has made of events, made again by whoever waits: in one statement each, over a connection each.
async fn commit(database: &Database, time: Duration) -> Result<Times, Failed> {
    let bytes = |of: &str, table: &str| -> Result<Vec<u8>, Failed> {
        Ok(vec![7; database.ask(&format!("SELECT avg(length({of}))::int FROM {table}"))?.parse()?])
    };
    let rows = Arc::new((bytes("body", "event")?, bytes("state", "operation")?));
    database.ask("TRUNCATE event, operation, lane CASCADE")?;
    // What the host has counted there is not the floor's, nor is one row for all who have no slot.
    for table in ["event", "operation"] {
        database.ask(&format!("ALTER TABLE {table} DISABLE TRIGGER USER"))?;
    }
    let number = Arc::new(AtomicI64::new(1));
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (client, rows, number) = (connected(database).await?, Arc::clone(&rows), Arc::clone(&number));
        callers.spawn(async move { insert(&client, &rows, &number, time).await });
    }
    let mut all = Times::default();
    while let Some(times) = callers.join_next().await {
        all.append(times??);
    }
    Ok(all)
}

async fn connected(database: &Database) -> Result<Client, Failed> {
    let mut server: tokio_postgres::Config = database.url().parse()?;
    let (client, connection) = server.password(database.password()).connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

const INSERT: &str = "
    WITH taken AS (INSERT INTO event (identity, name, i_account, received_at, body) VALUES ($1, 'Account/New', $2, $2, $3)),
         held AS (INSERT INTO lane (grp, i_account, due) VALUES ('HSS', $2, $2) RETURNING id)
    INSERT INTO operation (id, lane, event, stage, word, open, gives_way, compare_at, due, received_at, changed_at, state)
    SELECT $1, held.id, $1, 'received', 'received', TRUE, 1, 0, $2, $2, $2, $4 FROM held";

async fn insert(
    client: &Client,
    (body, state): &(Vec<u8>, Vec<u8>),
    number: &AtomicI64,
    time: Duration,
) -> Result<Times, tokio_postgres::Error> {
    let insert = client.prepare(INSERT).await?;
    let mut times = Times::default();
    let began = Instant::now();
    while began.elapsed() < time {
        let id = number.fetch_add(1, Ordering::Relaxed);
        let sent = Instant::now();
        client.execute(&insert, &[&format!("1-{id}"), &id, body, state]).await?;
        times.add(sent.elapsed());
    }
    Ok(times)
}
