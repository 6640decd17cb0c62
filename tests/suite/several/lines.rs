//! Lines between hosts and their database that are slow, are cut in the middle of a commit, or swallow what is said.

use punchdown_kit::line::{AtCommit, How, Line};

use super::*;

/// Longer than a lease.
const CUT_OFF: Duration = Duration::from_secs(63);

/// A line of its own for a host, from its next start on.
async fn line_of(scene: &Scene, host: usize) -> Line {
    let line = Line::to(scene.database.cluster.address()).await.expect("a line");
    scene.fleet.set_addresses(host, &[line.address()]).expect("written");
    line
}

async fn is_ready(scene: &Scene, host: usize) -> bool {
    let url = format!("http://{}/readyz", scene.fleet.admin(host));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().expect("a client");
    client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_line_makes_its_host_slow_and_nothing_worse() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 2, 60).await else { return };
    let line = line_of(&scene, 0).await;
    scene.fleet.start_all().await.expect("they start");
    line.set(How::Slow(Duration::from_millis(200)));
    let espf = scene.stage.espf(10.0);
    new_accounts(&espf, 60);
    tokio::time::sleep(Duration::from_secs(5)).await;
    line.set(How::Slow(Duration::from_secs(1)));
    tokio::time::sleep(Duration::from_secs(10)).await;
    line.set(How::Passes);
    // What it could not bring to its end the other one has after a minute.
    until("OK for all", Duration::from_secs(100), async || scene.are_ok(1..=60)).await;
    scene.is_right(60);
    assert!(!scene.fleet.has_ended(0).expect("known"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_cut_in_the_middle_of_commits_loses_nothing_and_doubles_nothing() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 2, 80).await else { return };
    let lines = [line_of(&scene, 0).await, line_of(&scene, 1).await];
    scene.fleet.start_all().await.expect("they start");
    let espf = scene.stage.espf(15.0);
    new_accounts(&espf, 80);
    for time in 0..24 {
        let line = &lines[time % 2];
        line.cut_at_commit(if time % 4 < 2 { AtCommit::Unheard } else { AtCommit::Unanswered });
        until("a commit is cut", SOON, async || line.has_cut()).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    scene.all_are_ok(80).await;
    scene.is_right(80);
    for host in 0..2 {
        assert!(scene.fleet.log(host).contains("a commit was not answered"), "host {host}");
        assert!(!scene.fleet.has_ended(host).expect("known"), "host {host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_cut_off_beyond_its_leases_answers_nothing_leads_nothing_and_undoes_nothing_when_it_is_back()
 {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 3, 90).await else { return };
    let lines = [line_of(&scene, 0).await, line_of(&scene, 1).await, line_of(&scene, 2).await];
    scene.fleet.start_all().await.expect("they start");
    let (cut_off, term) = scene.leads().await;
    let espf = scene.stage.espf(40.0);
    new_accounts(&espf, 60);
    until("it is under way", SOON, async || scene.stage.oms.ledger().orders.len() > 15).await;
    lines[cut_off].set(How::Swallows);
    let began = Instant::now();
    until("another one leads", SOON, async || {
        scene.leader().is_some_and(|(leader, of)| leader != cut_off && of == term + 1)
    })
    .await;
    assert!(!is_ready(&scene, cut_off).await, "it says so");
    let (_, status) = scene.deliver(cut_off, 90).await;
    assert_eq!(status.map(|it| it.as_u16()), Some(503), "it takes nothing, and keeps nobody waiting");
    tokio::time::sleep(CUT_OFF.saturating_sub(began.elapsed())).await;
    // What it had leased the others have taken by now.
    until("OK for all", Duration::from_secs(60), async || scene.are_ok(1..=60)).await;
    assert!(scene.fleet.log(cut_off).contains("this instance leads no more"), "it knows by its clock");
    lines[cut_off].set(How::Passes);
    until("it is ready", SOON, async || is_ready(&scene, cut_off).await).await;
    assert_eq!(scene.asks("SELECT count(*) FROM event WHERE identity LIKE '%-9000%'"), "0", "it said no");
    for account in 61..=80 {
        espf.emit("Account/New", json!({ "i_account": account }));
    }
    scene.all_are_ok(80).await;
    scene.is_right(80);
    assert!(!scene.fleet.has_ended(cut_off).expect("known"), "it works on");
    assert_eq!(
        scene.leader().map(|(leader, _)| leader == cut_off),
        Some(false),
        "what it led is another one's"
    );
}

/// As by something on the way that has lost its memory. What is said there is taken, so TCP sees nothing wrong.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_nobody_hears_any_more_are_given_up_and_others_made() {
    let Some(cluster) = shared() else { return };
    let Some(mut scene) = set(cluster, 2, 41).await else { return };
    let line = line_of(&scene, 0).await;
    scene.fleet.start_all().await.expect("they start");
    let espf = scene.stage.espf(20.0);
    new_accounts(&espf, 20);
    scene.all_are_ok(20).await;
    for account in 21..=40 {
        espf.emit("Account/New", json!({ "i_account": account }));
    }
    until("it is under way", SOON, async || scene.stage.oms.ledger().orders.len() > 25).await;
    line.forget();
    let within = Duration::from_secs(30);
    until("it takes events", within, async || scene.deliver(0, 41).await.1.is_some_and(|it| it.is_success()))
        .await;
    let heard = "SELECT count(*) FROM instance
                 WHERE seen_at > (extract(epoch FROM clock_timestamp()) * 1000)::bigint - 4000";
    until("both are heard of", within, async || scene.asks(heard) == "2").await;
    // What was leased over a connection that is no more is another's after a minute.
    until("OK for all", Duration::from_secs(90), async || scene.are_ok(1..=41)).await;
    scene.is_right(41);
    assert!(!scene.fleet.has_ended(0).expect("known"));
}
