//! What a host costs while many operations wait in its journal for a notification: memory, the time until its doors are
//! open, and how fast new accounts go past them. The journal is filled through the store.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use punchdown::domain::{
    AccountId, Digest, Event, EventIdentity, Group, IAccount, Json, LaidDown, Operation, OperationId,
    Service, Stage, Subscriber, Timestamp, Waiting, Wanted,
};
use punchdown::ports::{Journal as _, Work, World as _};
use punchdown::store::{self, SqliteJournal};
use punchdown::world::SystemWorld;
use tokio::task::JoinSet;

use super::measure::{Failed, Told, Used, megabytes, shown};
use super::scene::{HOST, burst, set};

/// Of the accounts that wait; those that are measured are below.
const FIRST_WAITING: u64 = 1_000_000_000;
const MEASURED: u64 = 1500;
const AT_A_TIME: usize = 512;
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
const HISTORY: &str = "{\"order\":{\"id\":\"7c1d2f0e\",\"state\":\"inProgress\",\"externalId\":\"01KG8E5S00NEWACCOUNT000001\"}}";

pub async fn run(folder: &Path, most: u64, _: Told) -> Result<(), Failed> {
    println!("waiting      journal   doors open after   memory   and its peak   operations/s   of empty");
    let mut empty = None;
    for waiting in [0, most / 10, most] {
        let at = folder.join(waiting.to_string());
        let mut stage = set(&at, HOST, "").await?;
        fill(&stage.directory.join("data"), waiting).await?;
        let bytes = std::fs::metadata(stage.directory.join("data/journal.db")).map_or(0, |file| file.len());
        stage.open_accounts(MEASURED + 300);
        let began = Instant::now();
        stage.start_host().await?;
        let opened = began.elapsed();
        let espf = stage.espf(0.0);
        burst(&stage, &espf, 1..301, 0.0).await?;
        let measured = burst(&stage, &espf, 301..301 + MEASURED, 0.0).await?;
        let used = Used::by(stage.host_pid().ok_or("no host")?)?;
        let of_empty = 100.0 * measured.per_second / *empty.get_or_insert(measured.per_second);
        println!(
            "{waiting:>9}  {:>8}   {:>16}   {:>6}   {:>12}   {:>12.0}   {of_empty:>6.0} %",
            megabytes(bytes),
            shown(opened),
            megabytes(used.memory),
            megabytes(used.memory_peak),
            measured.per_second
        );
        stage.stop_host().await?;
        std::fs::remove_dir_all(&at)?;
    }
    Ok(())
}

async fn fill(directory: &Path, waiting: u64) -> Result<(), Failed> {
    let journal = Arc::new(store::open(&store::Settings::in_directory(directory))?);
    let now = SystemWorld.now();
    let mut storing = JoinSet::new();
    for number in 0..waiting {
        while storing.len() >= AT_A_TIME {
            storing.join_next().await.ok_or("nobody stores")???;
        }
        let journal: Arc<SqliteJournal> = Arc::clone(&journal);
        storing.spawn(async move {
            let (event, operation) = waits(number, now)?;
            journal.accept(event, Work::Operations(vec![operation])).await.map_err(|error| error.to_string())
        });
    }
    while let Some(stored) = storing.join_next().await {
        stored??;
    }
    Ok(())
}

/// An operation that has made its order, and waits a day.
fn waits(number: u64, now: Timestamp) -> Result<(Event, Operation), String> {
    let json = |text: String| Json::parse(text).map_err(|error| error.to_string());
    let i_account = IAccount(FIRST_WAITING + number);
    let event = Event {
        identity: EventIdentity(format!("9-{number}")),
        id: number.to_string(),
        i_env: Some(9),
        i_customer: None,
        name: "Account/New".to_owned(),
        i_account: Some(i_account),
        received_at: now,
        variables: json(format!("{{\"i_account\":{i_account}}}"))?,
        enclosed: Json::empty_object(),
        trace: None,
    };
    let (group, service) = (Group("HSS".to_owned()), Service("HSS".to_owned()));
    let id = OperationId(format!("01WAITING{number:017}"));
    let received = Operation::received(id, group, service, event.clone(), i_account, 30 * DAY);
    let account_id = format!("1{}@msisdn", i_account.0);
    let documents = format!(
        "{{\"account_info\":{{\"i_account\":{i_account},\"id\":\"{account_id}\",\"bill_status\":\"O\",\"product_name\":\"GOLD\"}}}}"
    );
    let laid_down = LaidDown {
        began: now,
        wanted: Wanted::Running,
        subscriber: Some(Subscriber {
            account_id: AccountId(account_id),
            msisdn: None,
            imsi: None,
            iccid: None,
            documents: json(documents)?,
        }),
        applied: Some(json(HISTORY.to_owned())?),
        config: json("{\"specification\":\"mobile-line\"}".to_owned())?,
        notify_at: None,
    };
    let waiting = Waiting { seconds: None, forget: false, gives_way: false };
    let stage = Stage::Waiting { waiting, by: Digest::of(b"adapter"), since: now, until: now + DAY };
    let operation = Operation { laid_down: Some(laid_down), stage, due: now + DAY, waited: true, ..received };
    Ok((event, operation))
}
