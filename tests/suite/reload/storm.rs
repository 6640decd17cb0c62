//! Whatever is put in the place of adapters, configuration and secrets, and however, harms no operation.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::espf::Espf;
use serde_json::{Value, json};

use super::{edition_of, put, reloaded, set};
use crate::harness::{folder, rewrite, told, until};
use crate::operators::{asked, operations, said};

/// Two hundred events a second for a minute or more, while about every second something is another one: editions, half
/// files, texts, links and what is far too large, and beside them a secret, a header, a pace and a configuration that is
/// good or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_reloads_harms_no_operation() {
    const ACCOUNTS: u64 = 300;
    const A_SECOND: u64 = 200;
    const SECONDS: u8 = 60;
    let folder = folder();
    let Some((mut stage, adapter)) = set(folder.path(), "").await else { return };
    stage.open_accounts(ACCOUNTS);
    rewrite(&stage, "[admin]", "[resync]\nrate = \"1000/s\"\n\n[admin]");
    stage.start_host().await.expect("the host starts");
    let text = std::fs::read_to_string(&stage.config).expect("a configuration");
    let text = format!("{text}\n[groups.HSS.secrets]\nspare = {{ file = \"secrets/spare\" }}\n");
    let stage = stage;
    let changes =
        Changes { good: std::fs::read(&adapter).expect("a component"), adapter, text, stage: &stage };
    let espf = stage.espf(A_SECOND as f64);
    let mut sent = 0;
    for second in 1..=SECONDS {
        for _ in 0..A_SECOND {
            let i_account = sent % ACCOUNTS + 1;
            // Each is told of once, and then of what changed: it is barred, or not any more.
            let event = if sent < ACCOUNTS { "Account/New" } else { "Account/Info/Changed" };
            stage.billing.change_account(i_account, |account| account.blocked = sent / ACCOUNTS % 4 == 2);
            espf.emit(event, json!({ "i_account": i_account }));
            sent += 1;
        }
        changes.make(second);
        if second % 5 == 0 {
            let _ = said(&stage, &["reload"]).await;
        }
        // Each lies there for a whole second, however long a reload takes.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    changes.end();
    assert!(espf.drained(Duration::from_secs(300)).await, "{} events wait", waiting(&espf));
    let generations = reloaded(&stage).await["generation"].as_u64().expect("a number");
    // Seven there are by the commands alone.
    assert!(generations > 7, "too little was taken over: {generations}");
    for event in espf.ledger().events {
        assert!(event.answers.iter().all(|answer| answer == "200"), "{event:?}");
    }
    let status = async || stage.status().await.expect("the host answers");
    let all_are_over = async || status().await["groups"]["HSS"]["oldest_open"].is_null();
    until("everything is done", Duration::from_secs(120), all_are_over).await;
    assert_eq!(operations(&stage, &["--problems"]).await, Vec::<Value>::new());
    let twice = stage.oms.ledger().idempotency_keys.into_iter().filter(|(_, times)| *times > 1);
    assert_eq!(twice.collect::<Vec<_>>(), [], "a request left twice");
    for account in 1..=ACCOUNTS {
        assert_eq!(told(&stage, account).last().map(String::as_str), Some("OK"), "{account}");
    }
    // What stands is what PortaBilling wants, of each of them.
    let compared = asked(&stage, &["resync", "--all", "--dry-run", "--who", "ann", "--why", "a storm"]).await;
    let counts = (&compared["resync"]["same"], &compared["resync"]["differ"]);
    assert_eq!(counts, (&ACCOUNTS.into(), &0.into()), "{compared}");
}

fn waiting(espf: &Espf) -> usize {
    espf.ledger().events.iter().filter(|event| event.answers.is_empty()).count()
}

/// What a storm is made of.
struct Changes<'a> {
    good: Vec<u8>,
    adapter: PathBuf,
    text: String,
    stage: &'a Stage,
}

impl Changes<'_> {
    fn make(&self, second: u8) {
        const TOO_LARGE: usize = 80 << 20;
        let Self { good, adapter, text, stage } = self;
        let (newer, spare) = (edition_of(good, second), stage.config.with_file_name("secrets/spare"));
        let rotated = || put(&spare, format!("spare-{second}").as_bytes());
        let configured = |from: &str, to: &str| put(&stage.config, text.replace(from, to).as_bytes());
        match second % 10 {
            0 => put(adapter, b"not a component"),
            1 | 6 => put(adapter, &newer),
            2 => std::fs::write(adapter, &newer[..newer.len() / 2]).expect("written"),
            3 => put_link(adapter, &newer, second),
            4 => put(adapter, &vec![0; TOO_LARGE]),
            5 => {
                std::fs::write(adapter, &newer).expect("written");
                rotated();
            }
            7 => {
                configured("\"mobile-line\"", "7");
                let _ = std::fs::remove_file(&spare);
            }
            8 => {
                rotated();
                configured("timeout = \"5s\"", "timeout = \"6s\"");
            }
            _ => configured("concurrency = 32", &format!("concurrency = {}", 16 + second)),
        }
    }

    fn end(&self) {
        put(&self.adapter, &self.good);
        put(&self.stage.config.with_file_name("secrets/spare"), b"spare");
        put(&self.stage.config, self.text.as_bytes());
    }
}

/// As Kubernetes does it: the name stays, and leads elsewhere.
fn put_link(path: &Path, bytes: &[u8], number: u8) {
    let behind = path.with_file_name(format!("behind-{number}"));
    std::fs::create_dir_all(&behind).expect("a folder");
    std::fs::write(behind.join("oms.wasm"), bytes).expect("written");
    let link = path.with_extension("link");
    symlink(behind.join("oms.wasm"), &link).expect("a link");
    std::fs::rename(link, path).expect("renamed");
}
