//! `check --online` finds out what a host will meet outside, and changes nothing there.

use std::path::Path;
use std::process::Command;

use punchdown::explain::Code;
use punchdown_kit::front::Demand;
use punchdown_kit::oms::Settings;
use punchdown_kit::portabilling::{Fault, When};

use crate::harness::{PROGRAM, folder, front, oms_adapter, rewrite, root, stage, with_settings};
use crate::operators::said;
use crate::targets::tls::{Authority, Front};

/// The lines of what is found, and the exit code.
struct Found(Vec<String>, Option<i32>);

async fn check(config: &Path) -> Found {
    let config = config.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(PROGRAM).args(["check", "--online", "--config"]).arg(config).output().expect("it runs")
    });
    let output = output.await.expect("it ran");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = said.split("The configuration is good.\n").nth(1);
    let found = found.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    Found(found.lines().map(str::to_owned).collect(), output.status.code())
}

impl Found {
    fn has(&self, kind: &str, what: &str, words: &str) {
        let head = format!("{kind:<8} {what:<20} ");
        let is_it = |line: &&String| line.starts_with(&head) && line.contains(words);
        assert_eq!(self.0.iter().filter(is_it).count(), 1, "no `{head}…{words}` in\n{:#?}", self.0);
    }

    /// One thing is wrong and everything else is well.
    fn only(&self, code: Code, what: &str, words: &str) {
        self.has(code.kind(), what, words);
        self.has(code.kind(), what, &format!("(punchdown explain {code})"));
        let wrong = self.0.iter().filter(|line| !line.starts_with("ok "));
        assert_eq!(wrong.count(), 1, "{:#?}", self.0);
        assert_eq!(self.1, Some(if code.kind() == "error" { 78 } else { 0 }), "{:#?}", self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_and_nothing_is_changed() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    let found = check(&stage.config).await;
    for (what, words) in [
        ("adapter HSS", "is loaded, and takes its configuration"),
        ("PortaBilling", "; i_env 1"),
        // A clock is told by the second, and time passes until it is looked at.
        ("clock", " s apart"),
        ("service group HSS", "PortaBilling knows it"),
        ("target HSS", "can be reached; nothing was sent"),
    ] {
        found.has("ok", what, words);
    }
    assert_eq!((found.0.len(), found.1), (5, Some(0)), "{:#?}", found.0);
    let ledger = stage.billing.ledger();
    let calls: Vec<&str> = ledger.calls.keys().map(String::as_str).collect();
    assert_eq!((ledger.logins, calls), (1, vec!["Session/login", "espf/groups"]));
    assert!(stage.oms.ledger().requests.is_empty(), "nothing was sent");
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_is_wrong_outside_is_told_alone() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    let strike = |call: &str, fault: Fault| stage.billing.faults().strike_on(call, fault, When::Share(1.0));

    strike("Session/login", Fault::LoginRefused);
    check(&stage.config).await.only(Code::NoSession, "PortaBilling", "Server.Session.auth_failed");
    assert_eq!(stage.billing.ledger().calls["Session/login"], 1, "it is tried once");
    stage.billing.faults().clear();

    for (ahead, words) in [(120, " s ahead of ours"), (-120, " s behind ours")] {
        stage.billing.set_clock_ahead(ahead);
        check(&stage.config).await.only(Code::ClocksApart, "clock", words);
    }
    stage.billing.set_clock_ahead(10);
    check(&stage.config).await.has("ok", "clock", " s apart");
    stage.billing.set_clock_ahead(0);

    strike("espf/groups", Fault::Answer(403, String::new()));
    check(&stage.config).await.only(Code::ServicesUnchecked, "service groups", "403");
    stage.billing.faults().clear();

    rewrite(&stage, "[groups.HSS]\n", "[groups.HSS]\nservice = \"Unheard\"\n");
    check(&stage.config).await.only(Code::ServiceUnknown, "service group Unheard", "register it there");
    rewrite(&stage, "service = \"Unheard\"\n", "");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
    let dead = format!("http://{}", nobody.local_addr().expect("an address"));
    drop(nobody);
    rewrite(&stage, &stage.oms.url(), &dead);
    check(&stage.config).await.only(Code::TargetUnreached, "target HSS", "Connection refused");
    let loopback = dead.replace("127.0.0.1", "ip6-localhost.localdomain.invalid");
    rewrite(&stage, &dead, &loopback);
    check(&stage.config).await.only(Code::TargetUnreached, "target HSS", "no connection to");
    let plain = stage.oms.url().replace("http:", "https:");
    rewrite(&stage, &loopback, &plain);
    check(&stage.config).await.only(Code::TargetUnreached, "target HSS", "no connection to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_where_the_target_wants_one() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    let front = front(&stage, Demand::Bearer("granted".to_owned())).await;
    front.grant(Some("granted"));
    std::fs::write(folder.path().join("secrets/client"), crate::harness::CLIENT_SECRET).expect("written");
    let grant = format!(
        "auth = {{ oauth2 = {{ token-url = \"{}/oauth/token\", client-id = \"punchdown\", client-secret = {{ file = \"secrets/client\" }} }} }}",
        front.url()
    );
    rewrite(&stage, "auth = { bearer = { file = \"secrets/oms\" } }", &grant);
    let found = check(&stage.config).await;
    found.has("ok", "token HSS", "was granted");
    assert_eq!(found.1, Some(0));
    front.grant(None);
    check(&stage.config).await.only(Code::NoToken, "token HSS", "invalid_client");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_of_certificates_on_both_sides_of_a_connection_are_told() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    let authority = Authority::new();
    let behind = root(&stage).trim_start_matches("http://").parse().expect("an address");
    let show = async |from: i64, until: i64| {
        Front::showing(behind, &authority, &authority.issue_within("127.0.0.1", from, until)).await
    };
    std::fs::write(folder.path().join("ca.pem"), &authority.pem).expect("written");
    let be_known_by = |until: i64| {
        let (certificate, key) = authority.issue_within("punchdown", -100, until);
        std::fs::write(folder.path().join("us.pem"), certificate).expect("written");
        std::fs::write(folder.path().join("secrets/us"), key).expect("written");
    };
    let identity = "client-certificate = { cert = \"us.pem\", key = { file = \"secrets/us\" } }";
    with_settings(&stage, "groups.HSS.target", &format!("ca = \"ca.pem\"\n{identity}"));
    let mut at = root(&stage);
    let mut move_to = |front: &Front| {
        let there = format!("https://{}", front.address);
        rewrite(&stage, &at, &there);
        at = there;
    };

    be_known_by(200);
    let good = show(-1, 100).await;
    move_to(&good);
    let found = check(&stage.config).await;
    found.has("ok", "certificate of HSS", "99 days left");
    found.has("ok", "certificate for HSS", "199 days left");
    assert_eq!(found.1, Some(0));

    let soon = show(-1, 10).await;
    move_to(&soon);
    check(&stage.config).await.only(Code::CertificateEnds, "certificate of HSS", "ends soon, at ");
    let printed = said(&stage, &["check", "--online", "-o", "json"]).await;
    assert_eq!(printed.status.code(), Some(0), "a warning is no error");
    let printed: serde_json::Value = serde_json::from_slice(&printed.stdout).expect("JSON");
    let lines = printed["online"].as_array().expect("lines");
    let line = lines.iter().find(|line| line["what"] == "certificate of HSS").expect("a line");
    assert_eq!(
        (&line["kind"], &line["code"], &line["days_left"]),
        (&"warning".into(), &"W0102".into(), &9.into())
    );

    let ended = show(-100, -1).await;
    move_to(&ended);
    check(&stage.config).await.only(Code::TargetUnreached, "target HSS", "expired");

    move_to(&good);
    be_known_by(-1);
    check(&stage.config).await.only(
        Code::CertificateEnded,
        "certificate for HSS",
        "the target will refuse it",
    );
    let warned = said(&stage, &["check"]).await;
    let words = String::from_utf8_lossy(&warned.stderr).into_owned();
    assert!(
        warned.status.success() && words.contains("groups.HSS.target.client-certificate.cert"),
        "{words}"
    );
}
