//! The same where the journal is on PostgreSQL, and the new key is a file of the operator's: whatever is killed, all is sealed
//! with the one key or with the other.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use punchdown_kit::postgres::Database;
use punchdown_tests::rounds::on;

use super::*;
use crate::database::shared;

/// Those who are connected to the database.
const CONNECTED: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
/// Those of them who have written something that is not committed.
const WRITES: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL";

struct Scene {
    stage: Stage,
    database: Database,
    _folder: TempDir,
}

/// A host on PostgreSQL whose orders are all open, and rest.
async fn scene(accounts: u64) -> Option<Scene> {
    let (folder, mut stage) = of_open_orders(accounts).await?;
    let database = shared()?.database().expect("a database");
    on(&stage, &database).expect("written");
    stage.start_host().await.expect("the host starts");
    Some(Scene { stage, database, _folder: folder })
}

impl Scene {
    /// A file with a key of that number.
    fn key(&self, number: u8) -> PathBuf {
        let path = self.stage.directory.join(format!("secrets/journal.{number}"));
        let mut file = std::fs::File::options();
        let file = file.create(true).truncate(true).write(true).mode(0o600).open(&path).expect("a file");
        std::io::Write::write_all(&mut &file, STANDARD.encode([number; 32]).as_bytes()).expect("written");
        path
    }

    fn take_key(&self, key: &Path) {
        std::fs::copy(key, self.stage.directory.join("secrets/journal")).expect("copied");
    }

    fn rotate(&self, key: &Path) -> Command {
        let mut command = rotate(&self.stage.config);
        command.arg("--to").arg(key);
        command
    }

    async fn rotated(&self, key: &Path) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.rotate(key).output().await.expect("it runs");
        (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }

    fn asked(&self, sql: &str) -> String {
        self.database.ask(sql).expect("an answer")
    }

    /// The key of the journal, with which everything in it is sealed but components.
    fn sealed_with(&self) -> String {
        let columns = self.asked(
            "SELECT string_agg(format('SELECT %I AS value FROM %I', column_name, table_name), ' UNION ALL ')
             FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'bytea' AND table_name <> 'component_go'",
        );
        let keys = self.asked(&format!(
            "SELECT DISTINCT encode(substr(value, 1, 8), 'hex') FROM ({columns}) AS sealed WHERE length(value) > 0"
        ));
        assert_eq!(
            keys,
            self.asked("SELECT value FROM meta WHERE name = 'key'"),
            "one key, and that of the journal"
        );
        keys
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_changed_with_the_host_stopped_and_no_host_begins_with_the_old_one() {
    let Some(mut scene) = scene(5).await else { return };
    let espf = scene.stage.espf(0.0);
    new_accounts(&espf, 5);
    all_say(&scene.stage, 5, "IN_PROGRESS").await;
    let (first, key) = (scene.sealed_with(), scene.key(8));
    let (code, said) = scene.rotated(&key).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error[E0501]"), "a host works on it: {said}");
    scene.stage.stop_host().await.expect("it stops");
    let (code, said) = scene.rotated(&key).await;
    assert_eq!(code, Some(0), "{said}");
    let second = scene.sealed_with();
    assert_ne!(second, first);
    let refused = scene.stage.start_host().await.expect_err("it has the old key").to_string();
    assert!(refused.contains("error[E0502]") && refused.contains(&second), "{refused}");

    let (code, said) = scene.rotated(&key).await;
    assert!(code == Some(0) && said.starts_with("0 values"), "it is done already: {said}");
    scene.take_key(&key);
    let (code, said) = scene.rotated(&key).await;
    assert!(code == Some(0) && said.starts_with("0 values"), "it is done already: {said}");
    scene.stage.start_host().await.expect("it starts with the new key");
    // The notices name orders by the keys that were named before.
    scene.stage.oms.hold_completion(false);
    all_say(&scene.stage, 5, "OK").await;

    // What stands, and what it is compared with, go through a second change.
    scene.stage.stop_host().await.expect("it stops");
    let key = scene.key(9);
    let (code, said) = scene.rotated(&key).await;
    assert!(code == Some(0) && !said.contains("could not be read"), "{said}");
    scene.take_key(&key);
    scene.stage.start_host().await.expect("it starts with the newest key");
    assert_eq!(scene.sealed_with().len(), second.len());
    let log = log(&scene.stage);
    assert!(!log.contains("had not its key"), "what says which component serves is marked anew: {log}");
    scene.stage.billing.change_account(1, |account| account.blocked = true);
    espf.emit("Account/Blocked", json!({ "i_account": 1 }));
    let oks = || told(&scene.stage, 1).iter().filter(|word| *word == "OK").count();
    until("it goes on", SOON, async || oks() > 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_or_that_others_may_read_changes_nothing() {
    let Some(mut scene) = scene(1).await else { return };
    scene.stage.stop_host().await.expect("it stops");
    let of = || scene.asked("SELECT value FROM meta WHERE name = 'key'");
    let (before, key) = (of(), scene.key(8));
    for (text, mode, why) in [("too short", 0o600, "32 bytes in base64"), ("", 0o644, "chmod 600")] {
        std::fs::write(&key, text).expect("written");
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("chmod");
        let (code, said) = scene.rotated(&key).await;
        assert!(code == Some(1) && said.contains("error[E0502]") && said.contains(why), "{said}");
    }
    let (code, said) = scene.rotated(&scene.stage.directory.join("nowhere")).await;
    assert!(code == Some(1) && said.contains("there is no such file"), "{said}");
    assert_eq!(of(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_was_done_or_was_not() {
    const ACCOUNTS: u64 = 100;
    let Some(mut scene) = scene(ACCOUNTS).await else { return };
    let before = when_all_rest(&scene.stage, ACCOUNTS).await;
    scene.stage.stop_host().await.expect("it stops");
    let began = Instant::now();
    let (code, said) = scene.rotated(&scene.key(10)).await;
    assert_eq!(code, Some(0), "{said}");
    let took = began.elapsed();
    let mut whole = took;
    scene.take_key(&scene.key(10));

    let mut chance = StdRng::seed_from_u64(189);
    let (mut number, mut of, mut kills, mut struck, mut done) = (11, scene.sealed_with(), 0, 0, 0);
    while struck < 4 || done < 2 {
        assert!(kills < 80, "of {kills} kills {struck} came in the midst of it and {done} after the commit");
        kills += 1;
        let key = scene.key(number);
        let mut changing =
            scene.rotate(&key).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        tokio::time::sleep(whole.mul_f64(chance.random_range(0.1..1.0))).await;
        let has_begun = scene.asked(WRITES) != "0";
        changing.kill().await.expect("SIGKILL");
        // PostgreSQL notices it a moment later, and ends what it was asked for.
        until("nobody is connected", SOON, async || scene.asked(CONNECTED) == "0").await;
        let now = scene.sealed_with();
        // How long it takes changes with what else this machine does.
        if now == of {
            struck += u32::from(has_begun);
            whole = whole.mul_f64(1.1);
        } else {
            done += 1;
            whole = whole.mul_f64(0.8);
            of = now;
            scene.take_key(&key);
            number += 1;
        }
    }
    scene.stage.start_host().await.expect("it starts with the key that it is of");
    same(shown(&scene.stage).await, before);
    // Each notice finds its order by the key that it was given before.
    scene.stage.oms.hold_completion(false);
    all_say(&scene.stage, ACCOUNTS, "OK").await;
    println!(
        "of {kills} kills {struck} came in the midst of it and {done} after the commit; {took:?} when nobody stops it"
    );
}
