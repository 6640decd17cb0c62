//! The database has a synchronous standby, which takes its place or goes away: nothing that was answered is lost, and
//! nothing is answered that one machine alone has.

use tokio::task::JoinSet;

use punchdown_kit::line::{How, Line};

use super::*;

/// A server with a standby that its commits wait for.
fn pair() -> Option<[Arc<Cluster>; 2]> {
    let cluster = own()?;
    let standby = cluster.standby().expect("a standby");
    Some([cluster, standby])
}

/// All hosts have both addresses.
fn know_both(scene: &Scene, hosts: usize, [first, second]: &[Arc<Cluster>; 2]) {
    for host in 0..hosts {
        scene.fleet.set_addresses(host, &[first.address(), second.address()]).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_to_a_synchronous_standby_under_load_loses_nothing_and_doubles_nothing() {
    let Some(pair) = pair() else { return };
    let Some(mut scene) = set(&pair[0], 3, 120).await else { return };
    know_both(&scene, 3, &pair);
    scene.fleet.start_all().await.expect("they start");
    let (_, term) = scene.leads().await;
    let espf = scene.stage.espf(40.0);
    new_accounts(&espf, 120);
    until("it is under way", SOON, async || scene.stage.oms.ledger().orders.len() > 30).await;
    pair[0].kill().expect("it is gone");
    pair[1].promote().expect("it takes its place");
    scene.moved_to(&pair[1]);
    scene.all_are_ok(120).await;
    scene.is_right(120);
    assert!(espf.drained(SOON).await, "all were answered");
    assert_eq!(scene.asks("SELECT count(*) FROM event"), "120", "and all are there");
    assert!(scene.leads().await.1 >= term, "no term is given twice");
    for host in 0..3 {
        assert!(!scene.fleet.has_ended(host).expect("known"), "host {host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_takes_connections_and_says_nothing_keeps_nobody_from_the_other_one() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 1, 5).await else { return };
    let dead = Line::to(cluster.address()).await.expect("a line");
    dead.set(How::Swallows);
    scene.fleet.set_addresses(0, &[dead.address(), cluster.address()]).expect("written");
    let began = Instant::now();
    scene.fleet.start(0).await.expect("it starts");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let espf = scene.stage.espf(0.0);
    new_accounts(&espf, 5);
    scene.all_are_ok(5).await;
}

/// Connections that wait for their standby are ended: what they committed stands on one machine. Whoever is asked
/// what became of it says so, and still nobody may be told that it is safe.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_standby_is_away_nothing_is_answered_not_even_what_was_committed_without_it() {
    let Some(pair) = pair() else { return };
    let Some(mut scene) = set(&pair[0], 2, 30).await else { return };
    know_both(&scene, 2, &pair);
    scene.fleet.start_all().await.expect("they start");
    let espf = scene.stage.espf(0.0);
    new_accounts(&espf, 10);
    scene.all_are_ok(10).await;
    pair[1].end(Ending::Fast).expect("it ends");
    let mut calls = JoinSet::new();
    for account in 11..=16 {
        calls.spawn(scene.deliver(usize::from(account % 2 == 0), account));
    }
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    until("they wait for it", SOON, async || scene.asks(waiting).parse().is_ok_and(|them: u32| them > 5))
        .await;
    scene.database.cut().expect("cut");
    let there = "SELECT count(*) FROM event WHERE identity LIKE '%-9000%'";
    until("they are committed here", SOON, async || scene.asks(there) != "0").await;
    // They are asked for by then, and more come.
    tokio::time::sleep(Duration::from_secs(4)).await;
    for account in 17..=20 {
        calls.spawn(scene.deliver(usize::from(account % 2 == 0), account));
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let answered = std::iter::from_fn(|| calls.try_join_next()).map(|answer| answer.expect("a call"));
    let taken: Vec<_> = answered.filter(|(_, status)| status.is_some_and(|it| it.is_success())).collect();
    assert!(taken.is_empty(), "one machine alone has them: {taken:?}");

    pair[1].begin().expect("it comes back");
    let _ = calls.join_all().await;
    for account in 11..=30 {
        let (_, status) = scene.deliver(0, account).await;
        assert!(status.is_some_and(|it| it.is_success()), "account {account}: {status:?}");
    }
    scene.all_are_ok(30).await;
    scene.is_right(30);
    assert_eq!(scene.database.on(&pair[1]).ask("SELECT count(*) FROM event").expect("a number"), "30");
}
