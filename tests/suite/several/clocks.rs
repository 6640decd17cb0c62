//! Hosts whose wall clocks are apart. The one of the database is between them.

use punchdown_tests::disk::{Disk, Order};

use super::*;

/// What a host takes for the time.
fn set_clock(disk: &Disk, ahead_s: i64) {
    disk.order(Order::Clock, ahead_s * 1000).expect("set");
}

/// Hosts that do not run yet; the clock of each is so far ahead of the true one.
async fn set_apart(apart: &[i64]) -> Option<(Scene, Vec<Disk>)> {
    let mut scene = set(shared()?, apart.len(), 60).await?;
    let mut clocks = Vec::new();
    for (host, ahead_s) in apart.iter().enumerate() {
        let disk = Disk::of(&scene.stage.directory.join(format!("data-{host}"))).expect("a clock");
        scene.fleet.set_environment(host, &disk.environment().expect("a shim"));
        set_clock(&disk, *ahead_s);
        clocks.push(disk);
    }
    Some((scene, clocks))
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_are_seconds_apart_change_nothing() {
    let Some((mut scene, _clocks)) = set_apart(&[3, 0, -3]).await else { return };
    scene.fleet.start_all().await.expect("they start");
    let led = scene.leads().await;
    let espf = scene.stage.espf(20.0);
    new_accounts(&espf, 60);
    scene.all_are_ok(60).await;
    scene.is_right(60);
    for host in 0..3 {
        assert!(requests(&scene, host).await > 0, "host {host} did its part");
    }
    assert_eq!(scene.leader(), Some(led), "nobody takes the lead from anybody");
}

/// What one of them dates the others take up when it is that late for them.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_are_minutes_apart_make_late_and_lose_and_double_nothing() {
    let Some((mut scene, clocks)) = set_apart(&[300, 0, -300]).await else { return };
    scene.fleet.start_all().await.expect("they start");
    let led = scene.leads().await;
    let espf = scene.stage.espf(20.0);
    new_accounts(&espf, 60);
    assert!(espf.drained(SOON).await, "events are taken as ever");
    until("all orders are made", SOON, async || scene.stage.oms.ledger().orders.len() == 60).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let ok = (1..=60).filter(|account| scene.are_ok(*account..=*account)).count();
    println!("minutes apart, host {} leads: {ok} of 60 are OK", led.0);
    assert_eq!(scene.leader(), Some(led), "nobody takes the lead from anybody");
    // As if as much time had passed.
    clocks.iter().for_each(|clock| set_clock(clock, 300));
    scene.all_are_ok(60).await;
    scene.is_right(60);
}
