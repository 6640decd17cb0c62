//! A system that wants a log-in first: the host logs in once for all, and again when the session has
//! ended; while it cannot, no operation fails. Nothing of a session is written down.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::hlr::{Hlr, Settings};
use punchdown_kit::oms;
use serde_json::json;
use tempfile::TempDir;

use crate::either::everything;
use crate::harness::{
    component, counted, folder, log, new_accounts, rewrite, stage, told, until, with_settings,
};

const SOON: Duration = Duration::from_secs(30);
const PASSWORD: &str = "hlr-pass\"word";

pub fn hlr_adapter() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| component("tests/guests/hlr")).clone()
}

pub fn settings() -> Settings {
    Settings {
        user: "punchdown".to_owned(),
        password: PASSWORD.to_owned(),
        session_seconds: None,
        log_in_takes: Duration::from_millis(200),
    }
}

/// A host that runs, whose target is a register, and so many accounts.
async fn running(settings: Settings, accounts: u64) -> Option<(TempDir, Stage, Hlr)> {
    let adapter = hlr_adapter()?;
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, oms::Settings::default()).await;
    let hlr = register(&stage, settings).await;
    stage.open_accounts(accounts);
    stage.start_host().await.expect("the host starts");
    Some((folder, stage, hlr))
}

/// A register, which the configuration names for the target.
pub async fn register(stage: &Stage, settings: Settings) -> Hlr {
    let hlr = Hlr::start(settings).await.expect("a register");
    rewrite(stage, &stage.oms.url(), &hlr.url());
    rewrite(stage, "auth = { bearer = { file = \"secrets/oms\" } }", "");
    with_settings(stage, "groups.HSS", "secrets = { password = { file = \"secrets/hlr\" } }");
    std::fs::write(stage.directory.join("secrets/hlr"), PASSWORD).expect("written");
    hlr
}

async fn all_ok(stage: &Stage, accounts: u64) {
    until("every account is OK", SOON, async || {
        (1..=accounts).all(|i_account| told(stage, i_account).last().is_some_and(|word| word == "OK"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_log_in_serves_all_and_is_renewed_once_when_an_answer_says_so() {
    let Some((_folder, mut stage, hlr)) = running(settings(), 40).await else { return };
    let espf = stage.espf(0.0);
    new_accounts(&espf, 20);
    all_ok(&stage, 20).await;
    assert_eq!(hlr.ledger().log_ins, 1);

    hlr.end_sessions();
    for i_account in 21..=40 {
        espf.emit("Account/New", json!({ "i_account": i_account }));
    }
    all_ok(&stage, 40).await;
    let ledger = hlr.ledger();
    assert_eq!(ledger.log_ins, 2, "however many were told that it had ended");
    assert!(ledger.refused >= 1);
    assert!(ledger.lines.values().all(|line| *line == (true, 1)), "{:?}", ledger.lines);
    let granted = "punchdown_log_ins_total{group=\"HSS\",result=\"granted\"}";
    assert_eq!(counted(&stage, granted).await, 2);

    stage.stop_host().await.expect("it stops");
    nowhere(&stage, ledger.sessions.iter().map(String::as_str).chain([PASSWORD, "hlr-pass\\\"word"]));
}

/// Neither in the log nor in the journal. The secrets' own files are the operator's.
fn nowhere<'a>(stage: &Stage, words: impl Iterator<Item = &'a str>) {
    let bytes = [log(stage).into_bytes(), everything(stage)].concat();
    assert!(bytes.len() > 10_000);
    for word in words {
        assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "`{word}` was written down");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_renewed_before_its_end() {
    let settings = Settings { session_seconds: Some(8), ..settings() };
    let Some((_folder, stage, hlr)) = running(settings, 2).await else { return };
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    all_ok(&stage, 1).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    espf.emit("Account/New", json!({ "i_account": 2 }));
    all_ok(&stage, 2).await;
    let ledger = hlr.ledger();
    assert_eq!((ledger.log_ins, ledger.refused), (2, 0), "nobody had to say that it had ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_that_is_refused_holds_all_back_fails_none_and_is_not_hammered() {
    let Some((_folder, stage, hlr)) = running(settings(), 10).await else { return };
    hlr.lock_out(true);
    let espf = stage.espf(0.0);
    new_accounts(&espf, 10);
    until("a log-in is refused", SOON, async || hlr.ledger().log_ins_refused > 0).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(hlr.ledger().log_ins_refused, 1, "nobody knocks again at once");
    assert!((1..=10).all(|i_account| told(&stage, i_account).is_empty()), "nothing failed");
    assert!(log(&stage).contains("session-refused"), "the log says why");
    hlr.lock_out(false);
    all_ok(&stage, 10).await;
    assert_eq!(hlr.ledger().log_ins, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_that_is_not_answered_is_tried_again() {
    let Some((_folder, stage, hlr)) = running(settings(), 1).await else { return };
    hlr.silence(true);
    let espf = stage.espf(0.0);
    new_accounts(&espf, 1);
    until("it was in vain", SOON, async || log(&stage).contains("session-unavailable")).await;
    hlr.silence(false);
    all_ok(&stage, 1).await;
    assert_eq!(hlr.ledger().lines["1"], (true, 1));
}

/// Log-ins that succeed and help nothing would go on as fast as operations come.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_never_good_are_not_asked_for_without_end() {
    let Some((_folder, stage, hlr)) = running(settings(), 10).await else { return };
    hlr.forget(true);
    let espf = stage.espf(0.0);
    new_accounts(&espf, 10);
    let ended = "its sessions end as soon as they are granted";
    until("that is said", SOON, async || log(&stage).contains(ended)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(hlr.ledger().log_ins, 3, "and no more for a while");
    hlr.forget(false);
    all_ok(&stage, 10).await;
}
