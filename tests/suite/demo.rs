//! The demo is the promise as a person sees it: every fault that the neighbours know, two crashes of each host,
//! and ledgers that agree.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::database::shared;
use crate::harness::{PROGRAM, folder, oms_adapter, until};

/// A minute of it is the lock-out; a status that is refused time after time waits for minutes.
const PATIENCE: Duration = Duration::from_secs(900);

async fn demo(arguments: &[&str]) -> Option<Output> {
    let adapter = oms_adapter()?;
    // What it keeps when it fails goes away with this.
    let folder = folder();
    let mut demo = Command::new(PROGRAM);
    demo.arg("demo").args(arguments).arg("--adapter").arg(&adapter);
    demo.stdin(Stdio::null()).kill_on_drop(true);
    // Root has PostgreSQL run by somebody else, who could not get in there.
    if !arguments.contains(&"--postgres") {
        demo.env("TMPDIR", folder.path());
    }
    Some(tokio::time::timeout(PATIENCE, demo.output()).await.expect("it ends").expect("it runs"))
}

fn agrees(ended: &Output, crashes: usize) {
    let (told, said) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{}\n{told}\n{said}", ended.status);
    assert!(told.ends_with("The ledgers agree for every account.\n"), "{told}");
    assert_eq!(said.matches("SIGKILL").count(), crashes, "{said}");
    for struck in ["events twice", "locked out 1", "given up in silence"] {
        assert!(told.contains(struck), "no `{struck}` in\n{told}");
    }
}

const ALL_THAT_GOES_WRONG: [&str; 4] = ["--faults", "--crash", "--accounts", "20"];

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_with_faults_and_crashes_ends_with_ledgers_that_agree() {
    let Some(ended) = demo(&ALL_THAT_GOES_WRONG).await else { return };
    agrees(&ended, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgresql_the_demo_ends_so_too_and_takes_it_away() {
    if shared().is_none() {
        return;
    }
    let arguments = [&ALL_THAT_GOES_WRONG[..], &["--postgres"]].concat();
    let Some(ended) = demo(&arguments).await else { return };
    agrees(&ended, 2);
    let said = String::from_utf8_lossy(&ended.stderr);
    for struck in ["all connections are cut", "ends as if its machine had gone"] {
        assert!(said.contains(struck), "no `{struck}` in\n{said}");
    }
    let port = said.split("of its own, at postgres://punchdown@127.0.0.1:").nth(1).expect("it says where");
    let port: u16 = port.split('/').next().and_then(|port| port.parse().ok()).expect("a port");
    until("it is gone", Duration::from_secs(20), async || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_instances_on_one_database_end_so_too_though_each_is_killed_twice() {
    if shared().is_none() {
        return;
    }
    let arguments = [&ALL_THAT_GOES_WRONG[..], &["--postgres", "--instances", "3"]].concat();
    let Some(ended) = demo(&arguments).await else { return };
    agrees(&ended, 6);
    let (told, said) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    for instance in 1..=3 {
        let killed = said.matches(&format!("SIGKILL of instance {instance} while")).count();
        assert_eq!(killed, 2, "{said}");
    }
    assert!(said.contains("orders under way 0, instances 3"), "{said}");
    assert!(told.contains("instances on one database: 3\n"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_need_a_database() {
    let Some(ended) = demo(&["--instances", "3"]).await else { return };
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("--postgres"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_takes_an_empty_database_that_is_named_and_no_other_one() {
    let Some(cluster) = shared() else { return };
    let database = cluster.database().expect("a database");
    let url = format!("--postgres={}?sslmode=disable", database.url());
    let arguments = [url.as_str(), "--accounts", "5", "--rate", "0"];
    let Some(adapter) = oms_adapter() else { return };
    for succeeds in [true, false] {
        let mut demo = Command::new(PROGRAM);
        demo.arg("demo").args(arguments).arg("--adapter").arg(&adapter).kill_on_drop(true);
        demo.env("PGPASSWORD", database.password()).stdin(Stdio::null());
        let ended = tokio::time::timeout(PATIENCE, demo.output()).await.expect("it ends").expect("it runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.success(), succeeds, "{said}");
        assert_eq!(said.contains("it wants a database that is empty"), !succeeds, "{said}");
        assert_eq!(database.ask("SELECT count(*) FROM event").expect("a number"), "5");
    }
}
