//! Nothing private is written where it can be read: after a run in which everything goes wrong, the log, the metrics,
//! the operators' pages and all files of the journal are searched for all that is secret. A host that dies of
//! itself leaves no more.

mod death;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use punchdown::cli::stage::Stage;
use punchdown_kit::espf::Espf;
use punchdown_kit::hlr::{self, Hlr};
use punchdown_kit::oms::{Manners, Settings};
use punchdown_kit::portabilling::{Fault, When};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::guests::guest;
use crate::harness::{
    PROGRAM, component, counted, folder, log, new_accounts, oms_adapter, rewrite, stage, told, until,
};

const SOON: Duration = Duration::from_secs(60);
const ACCOUNTS: u64 = 24;
const HLR_PASSWORD: &str = "hlr-pass-w0rd-of-ours";
const TYPED: &str = "typed-by-mistake-4711";
/// It begins as the token of the OMS does; so does each token that is granted for it with the one before, and each
/// subscriber's PIN with what somebody typed by mistake. Where the shorter one is struck first, the rest stays.
const CLIENT_SECRET: &str = "stage-oms-token-of-our-client-8812";
const GRANTED: [&str; 2] = ["granted-token-7731", "granted-token-7731-and-another-4410"];
const NOTIFIED: [&str; 2] = ["n0tification-header-secret", "n0tification-path-secret"];

fn ki(account: u64) -> String {
    format!("465b5ce8b199b49faa5f0a2e{account:08x}")
}

fn opc(account: u64) -> String {
    format!("CD63CB71954A9F4E48A5994E{account:08X}")
}

fn pin(account: u64) -> String {
    format!("{TYPED}-of-line-{account:04}")
}

/// Begins as the password of the account, which the simulator makes.
fn token(account: u64) -> String {
    format!("service-password-{account}-with-token-{account:04}")
}

/// A system that refuses all, and says back whatever it was told. It grants tokens, after a first refusal, and
/// quotes the ones before when it refuses a later one.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked_for_tokens = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let asked = Arc::clone(&asked_for_tokens);
            tokio::spawn(async move {
                let mut told = vec![0; 64 << 10];
                let length = caller.read(&mut told).await.unwrap_or(0);
                let told = String::from_utf8_lossy(&told[..length]).into_owned();
                let (status, body) = echoed(&told, &asked);
                let head = format!(
                    "HTTP/1.1 {status} So\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = caller.write_all((head + &body).as_bytes()).await;
            });
        }
    });
    url
}

fn echoed(told: &str, asked_for_tokens: &AtomicUsize) -> (u16, String) {
    let heard = told.to_ascii_lowercase();
    let shows = |token: &str| heard.contains(&format!("bearer {token}\r\n"));
    let granted = match (shows(GRANTED[0]), shows(GRANTED[1])) {
        (false, false) => String::new(),
        (true, _) => GRANTED[0].to_owned(),
        (_, true) => GRANTED.join(" and then "),
    };
    let complaint = format!("I do not like this: {told}; I granted {granted}");
    if told.starts_with("POST /oauth/token ") {
        return match asked_for_tokens.fetch_add(1, Ordering::Relaxed) {
            0 => (401, json!({ "error": "invalid_client", "error_description": complaint }).to_string()),
            1 => (200, json!({ "access_token": GRANTED[0] }).to_string()),
            _ => (200, json!({ "access_token": GRANTED[1] }).to_string()),
        };
    }
    let status = if shows(GRANTED[0]) { 401 } else { 400 };
    (status, json!({ "code": "61", "reason": complaint }).to_string())
}

type Secrets = Vec<(String, String)>;

/// All that must not be found, and what it is: the secrets of the configuration, and those of the subscribers.
fn secrets(stage: &Stage) -> Secrets {
    let mut secrets: Secrets = Vec::new();
    let mut add = |what: &str, value: &str| secrets.push((what.to_owned(), value.to_owned()));
    for file in std::fs::read_dir(stage.directory.join("secrets")).expect("a folder") {
        let file = file.expect("a file");
        let value = std::fs::read_to_string(file.path()).expect("a secret");
        add(&file.file_name().display().to_string(), value.trim());
    }
    for account in 1..=ACCOUNTS {
        add("Ki", &ki(account));
        add("OPc", &opc(account));
        add("password", &format!("service-password-{account}"));
        add("IMSI", &format!("00101{account:010}"));
        add("ICCID", &format!("8900101{account:012}"));
        add("MSISDN", &format!("1555{account:07}"));
    }
    secrets
}

/// What the run tells besides; of a secret that begins as another one does, the rest alone.
fn of_the_run(hlr: &Hlr) -> Secrets {
    let mut secrets: Secrets = Vec::new();
    let mut add = |what: &str, value: &str| secrets.push((what.to_owned(), value.to_owned()));
    NOTIFIED.iter().for_each(|value| add("of a notification", value));
    hlr.ledger().sessions.iter().for_each(|session| add("a session", session));
    GRANTED.iter().for_each(|value| add("a granted token", value));
    // As the endpoint hears it, by Basic.
    add("the client", &STANDARD.encode(format!("punchdown:{CLIENT_SECRET}")));
    add("the end of the client's secret", CLIENT_SECRET.trim_start_matches("stage-oms-token"));
    add("the end of a granted token", GRANTED[1].trim_start_matches(GRANTED[0]));
    for account in 1..=ACCOUNTS {
        add("the end of a PIN", pin(account).trim_start_matches(TYPED));
        add("the end of a token", &format!("-with-token-{account:04}"));
    }
    secrets
}

/// Ki and OPc of every account; and a PIN and a token that a person quotes, too.
fn give_secrets(stage: &Stage) {
    for account in 1..=ACCOUNTS {
        stage.billing.change_account(account, |subscriber| {
            let card = json!({
                "ki": ki(account), "opc": opc(account), "imsi": subscriber.imsi, "pin": pin(account), "token": token(account),
            });
            subscriber.extra.insert("card".to_owned(), card);
            let remark = format!("the key is {}, PIN {}, and {} for both", ki(account), pin(account), token(account));
            subscriber.extra.insert("remark".to_owned(), remark.into());
        });
    }
}

fn search(place: &str, bytes: &[u8], secrets: &[(String, String)], found: &mut Vec<String>) {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    for (what, value) in secrets {
        if let Some(at) = text.find(&value.to_ascii_lowercase()) {
            let from = text.floor_char_boundary(at.saturating_sub(150));
            let to = text.ceil_char_boundary((at + value.len() + 50).min(text.len()));
            found.push(format!("{what} in {place}: …{}…", &text[from..to]));
        }
    }
}

async fn said(stage: &Stage, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--config").arg(&stage.config);
    let output = command.output().await.expect("it runs");
    [output.stdout, output.stderr].concat()
}

/// What operators are shown, on pages and by commands.
async fn pages(stage: &Stage) -> Vec<(String, Vec<u8>)> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut pages = Vec::new();
    let get = async |path: &str| {
        let request = client.get(format!("http://{}{path}", stage.admin)).bearer_auth("stage-admin-token");
        request.send().await.expect("an answer").bytes().await.expect("a body").to_vec()
    };
    for path in
        ["/metrics", "/readyz", "/admin/v1/status", "/admin/v1/operations?limit=500", "/admin/v1/audit"]
    {
        pages.push((path.to_owned(), get(path).await));
    }
    let list: Value = serde_json::from_slice(&pages[3].1).expect("JSON");
    let list = list["operations"].as_array().expect("a list").clone();
    assert!(list.len() >= 4 * usize::try_from(ACCOUNTS).expect("few"), "{}", list.len());
    for operation in list {
        let path = format!("/admin/v1/operations/{}", operation["id"].as_str().expect("an id"));
        pages.push((path.clone(), get(&path).await));
    }
    for list in ["events", "notifications", "dead-letters"] {
        let path = format!("/admin/v1/{list}");
        let page = get(&path).await;
        let rows: Value = serde_json::from_slice(&page).expect("JSON");
        for row in rows[list.replace('-', "_")].as_array().unwrap_or_else(|| panic!("{path}: {rows}")) {
            let path = format!("{path}/{}", row["id"].as_str().expect("an id"));
            pages.push((path.clone(), get(&path).await));
        }
        pages.push((path, page));
    }
    for account in 1..=ACCOUNTS {
        let path = format!("/admin/v1/accounts/{account}");
        pages.push((path.clone(), get(&path).await));
    }
    pages.push(("/admin/v1/config".to_owned(), get("/admin/v1/config").await));
    for arguments in [
        &["status"][..],
        &["status", "-o", "json"],
        &["operation", "list"],
        &["check"],
        &["config", "show"],
        &["config", "show", "-o", "json"],
    ] {
        pages.push((arguments.join(" "), said(stage, arguments).await));
    }
    pages
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let data = std::fs::read_dir(folder.join("data")).expect("a folder");
    // Beside them stand the components, which know nobody.
    let data = data.map(|file| file.expect("a file").path()).filter(|file| file.is_file());
    let files = data.chain([folder.join("host.log")]);
    files.map(|file| (file.display().to_string(), std::fs::read(&file).expect("reads"))).collect()
}

/// The groups beside the OMS: one that wants a log-in, one that echoes, one that does so with tokens that it grants,
/// one whose adapter blabs.
fn more_groups(stage: &Stage, folder: &Path, hlr: &Hlr, echo: &str, adapters: [&Path; 2]) {
    let mut config = std::fs::read_to_string(&stage.config).expect("a configuration");
    let [hlr_adapter, oms_adapter] = adapters.map(Path::display);
    let blabs = guest(folder, "blabs");
    config.push_str(&format!(
        "\n[log]\nfilter = \"debug,cranelift_codegen=info,wasmtime_internal_cranelift=info,regalloc2=info\"\n\
         [groups.HLR]\nadapter = \"{hlr_adapter}\"\nservice = \"PCRF\"\nevents = [\"Account/**\"]\n\
         target = {{ url = \"{}\", retry = [\"200ms\"] }}\nsecrets = {{ password = {{ file = \"secrets/hlr\" }} }}\n\
         [groups.ECHO]\nadapter = \"{oms_adapter}\"\nevents = [\"Account/**\"]\nservice = \"IPTV\"\n\
         target = {{ url = \"{echo}\", retry = [\"200ms\"], auth = {{ bearer = {{ file = \"secrets/oms\" }} }} }}\n\
         config = {{ specification = \"mobile-line\" }}\n\
         [groups.GRANT]\nadapter = \"{oms_adapter}\"\nevents = [\"Account/**\"]\nservice = \"Netaccess\"\n\
         target = {{ url = \"{echo}\", retry = [\"200ms\"], auth = {{ oauth2 = {{ token-url = \"{echo}/oauth/token\", \
         client-id = \"punchdown\", client-secret = {{ file = \"secrets/client\" }} }} }} }}\n\
         config = {{ specification = \"mobile-line\" }}\n\
         [groups.BLAB]\nadapter = \"{}\"\nservice = \"VoIP\"\nevents = [\"Account/Service/Voice\"]\n\
         target = {{ url = \"{echo}\", retry = [\"200ms\"] }}\nsecrets = {{ typed = {{ file = \"secrets/typed\" }} }}\n\
         notify = {{ auth = {{ path-secret = {{ file = \"secrets/typed\" }} }} }}\n\
         config = {{ note = \"{TYPED}\" }}\n",
        hlr.url(),
        blabs.display()
    ));
    std::fs::write(&stage.config, config).expect("written");
    for (name, value) in [("hlr", HLR_PASSWORD), ("typed", TYPED), ("client", CLIENT_SECRET)] {
        std::fs::write(folder.join("secrets").join(name), value).expect("written");
    }
}

/// What anybody may send to the doors.
async fn knock(stage: &Stage) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let [header, path] = NOTIFIED;
    for url in [
        format!("http://{}/notify/HSS/{path}?token={path}", stage.public),
        format!("http://{}/notify/BLAB/{TYPED}/news/001010000000001", stage.public),
        format!("http://{}/notify/BLAB/{path}/news", stage.public),
        format!("http://{}/notify/NONE/{path}", stage.public),
        format!("http://{}/elsewhere/{TYPED}/001010000000001", stage.public),
    ] {
        let body = json!({ "imsi": "001010000000001", "Ki": ki(1), "password": header }).to_string();
        let request = client.post(&url).header("x-api-key", header).header("webhook-signature", "v1,no/good");
        let request = request.bearer_auth(header).body(body);
        request.send().await.expect("an answer");
    }
    let dead = client
        .post(format!("http://{}/espf/events", stage.public))
        .basic_auth("espf", Some("stage-espf-password"));
    let body = format!("{{\"variables\": {{\"ki\": \"{}\", \"imsi\": \"001010000000001\"}}}}", ki(1));
    assert_eq!(dead.body(body).send().await.expect("an answer").status(), 400);
}

/// Of two accounts, which are parked for it; then of so many that it is asked no more.
async fn blabs_of(stage: &Stage, espf: &Espf) {
    let speak = |account: u64| {
        espf.emit("Account/Service/Voice", json!({ "i_account": account }));
    };
    for account in [1, 2] {
        speak(account);
        until("it is parked", SOON, async || {
            stage.billing.final_status(account, "VoIP").is_some_and(|seen| seen.status == "FAILED")
        })
        .await;
    }
    (3..=ACCOUNTS).for_each(speak);
    let held = "punchdown_held{group=\"BLAB\",by=\"adapter\"}";
    until("it is asked no more", SOON, async || counted(stage, held).await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_which_everything_goes_wrong_leaves_nothing_private_to_be_read() {
    let (Some(oms), Some(hlr_adapter)) = (oms_adapter(), component("tests/guests/hlr")) else { return };
    let folder = folder();
    let manners = Manners { loses_notice: 0.2, ..Manners::default() };
    let mut stage = stage(folder.path(), &oms, Settings { manners, ..Settings::default() }).await;
    rewrite(&stage, "specification = \"mobile-line\"", "specification = \"mobile-line\"\npoll-seconds = 1");
    let hlr = Hlr::start(hlr::Settings {
        user: "punchdown".to_owned(),
        password: HLR_PASSWORD.to_owned(),
        session_seconds: None,
        log_in_takes: Duration::ZERO,
    })
    .await
    .expect("a register");
    more_groups(&stage, folder.path(), &hlr, &echo().await, [&hlr_adapter, &oms]);
    stage.open_accounts(ACCOUNTS);
    give_secrets(&stage);
    let quoted = format!(
        "ORA-1: SELECT ki FROM card WHERE ki = '{}' as user with stage-billing-token, password=service-password-1",
        ki(1)
    );
    let fault = json!({ "faultcode": "Server.General.internal", "faultstring": quoted }).to_string();
    let calls = stage.billing.faults();
    calls.strike_on("Account/get_account_info", Fault::Answer(500, fault), When::Share(0.2));
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    hlr.lock_out(true);
    new_accounts(&espf, ACCOUNTS);
    knock(&stage).await;
    until("the log-in was refused", SOON, async || hlr.ledger().log_ins_refused > 0).await;
    hlr.lock_out(false);
    stage.kill_host().await.expect("there is a host");
    stage.start_host().await.expect("it starts again");
    let last = |account: u64, service: &str| {
        stage.billing.statuses(account, service).last().map(|seen| seen.status.clone())
    };
    let all = async |service: &str, word: &str| {
        until(&format!("{service} says {word} of all"), SOON, async || {
            (1..=ACCOUNTS).all(|account| last(account, service).as_deref() == Some(word))
        })
        .await;
    };
    all("PCRF", "OK").await;
    hlr.end_sessions();
    for account in 1..=ACCOUNTS {
        stage.billing.change_account(account, |subscriber| subscriber.blocked = true);
        espf.emit("Account/Blocked", json!({ "i_account": account, "imsi": format!("00101{account:010}") }));
    }
    until("a new log-in", SOON, async || hlr.ledger().log_ins >= 2).await;
    all("HSS", "OK").await;
    for echoing in ["IPTV", "Netaccess"] {
        until("what is echoed is told", SOON, async || {
            (1..=ACCOUNTS).any(|account| last(account, echoing).as_deref() == Some("FAILED"))
        })
        .await;
    }
    blabs_of(&stage, &espf).await;
    assert!(told(&stage, 1).iter().any(|word| word == "OK"));

    let secrets = [secrets(&stage), of_the_run(&hlr)].concat();
    let mut found = Vec::new();
    for (place, bytes) in pages(&stage).await.into_iter().chain(files(folder.path())) {
        search(&place, &bytes, &secrets, &mut found);
    }
    // Who reads a status in PortaBilling sees the account's numbers there anyway.
    let no_numbers: Vec<_> =
        secrets.iter().filter(|(what, _)| !matches!(&**what, "IMSI" | "ICCID" | "MSISDN")).cloned().collect();
    for account in 1..=ACCOUNTS {
        for service in ["HSS", "PCRF", "IPTV", "Netaccess", "VoIP"] {
            for seen in stage.billing.statuses(account, service) {
                let message = seen.message.unwrap_or_default();
                search(&format!("a status of {service}"), message.as_bytes(), &no_numbers, &mut found);
            }
        }
    }
    stage.stop_host().await.expect("it stops");
    for (place, bytes) in files(folder.path()) {
        search(&place, &bytes, &secrets, &mut found);
    }
    let mut shown: Vec<_> = found.clone();
    shown.truncate(12);
    assert!(found.is_empty(), "{} places:\n{}", found.len(), shown.join("\n"));
    let log = log(&stage);
    for words in ["\"adapter\":\"guest\"", "(hidden)", "00101…"] {
        assert!(log.contains(words), "no {words} in the log: what was searched is not what was said");
    }
}
