//! What a journal in a directory promises beside: one owner, one key, nothing to be read in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;

const IMSI: &str = "001010000000001";
const KI: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
const ORDER: &str = "order-4711-of-acme";

/// All that the directory holds, of the given files.
pub(super) fn bytes(directory: &Path, of: impl Fn(&str) -> bool) -> Vec<u8> {
    let files = fs::read_dir(directory).expect("lists").map(|file| file.expect("lists").path());
    let mut all: Vec<PathBuf> =
        files.filter(|file| file.file_name().is_some_and(|name| of(&name.to_string_lossy()))).collect();
    all.sort();
    all.iter().flat_map(|file| fs::read(file).expect("reads")).collect()
}

pub(super) fn holds(bytes: &[u8], text: impl AsRef<[u8]>) -> bool {
    let text = text.as_ref();
    bytes.windows(text.len()).any(|window| window == text)
}

/// Lets one operation say `secret` in every place that a payload can be.
pub(super) async fn tell_all(journal: &dyn Journal, secret: &str) {
    let document = || json(&format!("{{\"said\":\"{secret}\"}}"));
    let event = Event { variables: document(), enclosed: document(), ..event(1, 189) };
    journal.accept(event.clone(), Work::Operations(vec![operation(&event, hss())])).await.expect("stored");
    let request = Request {
        label: "create".to_owned(),
        method: "PUT".to_owned(),
        path: format!("/subscriber/{secret}"),
        headers: vec![Header { name: "x-imsi".to_owned(), value: secret.to_owned() }],
        body: Body::Text(format!("<imsi>{secret}</imsi>")),
        delivery: Delivery::Repeatable,
        fills: Vec::new(),
        extras: None,
    };
    let answer = Response { status: 200, headers: Vec::new(), body: Body::Text(secret.to_owned()) };
    let laid_down = LaidDown {
        began: at(0),
        wanted: Wanted::Running,
        subscriber: Some(Subscriber {
            account_id: AccountId("15550001111@msisdn".to_owned()),
            msisdn: None,
            imsi: Some(secret.to_owned()),
            iccid: None,
            documents: document(),
        }),
        applied: Some(document()),
        config: document(),
        notify_at: None,
    };
    step(journal, at(0), |operation| Change {
        notes: vec![
            Note::LaidDown { wanted: Wanted::Running },
            Note::Answered { label: "create".to_owned(), response: answer },
        ],
        applied: Some(document()),
        statuses: BTreeMap::from([(service("HSS"), said(Status::Failed, secret))]),
        ..unchanged(Operation {
            laid_down: Some(laid_down),
            stage: Stage::Ready { request, by: Digest::of(b"adapter"), attempts: 0 },
            trouble: Some(Trouble::new("refused", secret)),
            ..operation
        })
    })
    .await;
    let raw = Notification {
        method: "POST".to_owned(),
        path: format!("/{secret}"),
        headers: Vec::new(),
        body: Body::Text(secret.to_owned()),
        received_at: at(0),
    };
    keep(journal, &hss(), "n-1", raw).await;
    let news = Signal {
        id: None,
        correlation: Correlation::IAccount(IAccount(189)),
        payload: document(),
        otherwise: Otherwise::Keep,
    };
    let reply = Response { status: 204, headers: Vec::new(), body: Body::Text(secret.to_owned()) };
    let reading = Reading { reply, signals: vec![news], unread: None };
    journal.record_reading("n-1", reading, at(0)).await.expect("stored");
    let body = secret.as_bytes().to_vec();
    let letter = DeadLetter { id: "d-1".to_owned(), at: at(0), why: "not JSON".to_owned(), body };
    journal.keep_dead_letter(letter).await.expect("stored");
}

#[tokio::test]
async fn payloads_can_be_read_by_nobody_who_has_the_files_but_not_the_key() {
    for secret in [IMSI, KI] {
        let folder = harness::folder();
        let journal = open(folder.path()).expect("the journal opens");
        tell_all(&journal, secret).await;
        let while_open = bytes(folder.path(), |name| name != "journal.key");
        assert!(holds(&while_open, "CREATE TABLE"), "these are the files");
        assert!(!holds(&while_open, secret), "{secret}");
        drop(journal);
        assert!(!holds(&bytes(folder.path(), |name| name != "journal.key"), secret), "{secret}");
    }
}

/// An adapter names an IMSI as a key, and every account is known by its number.
#[tokio::test]
async fn keys_can_be_read_by_nobody_who_has_the_files_but_not_the_key() {
    let folder = harness::folder();
    let journal = open(folder.path()).expect("the journal opens");
    accept(&journal, 1, 189).await;
    step(&journal, at(0), |operation| waits(operation, 600, &[IMSI, ORDER])).await;
    let account = AccountId("15550001111@msisdn".to_owned());
    for (number, correlation) in
        [Correlation::Key(KI.to_owned()), Correlation::AccountId(account)].into_iter().enumerate()
    {
        let raw = notice(Body::Empty);
        let id = format!("n-{number}");
        keep(&journal, &hss(), &id, raw).await;
        let reply = Response { status: 204, headers: Vec::new(), body: Body::Empty };
        let signal = Signal { id: None, correlation, payload: Json::null(), otherwise: Otherwise::Keep };
        let reading = Reading { reply, signals: vec![signal], unread: None };
        journal.record_reading(&id, reading, at(0)).await.expect("stored");
    }
    let files = bytes(folder.path(), |name| name != "journal.key");
    for secret in [IMSI, ORDER, KI, "15550001111"] {
        assert!(!holds(&files, secret), "{secret}");
    }
}

pub(super) fn refusal(opened: Result<store::SqliteJournal, store::OpenError>) -> String {
    match opened {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_directory_has_one_owner_at_a_time() {
    let folder = harness::folder();
    let journal = open(folder.path()).expect("the journal opens");
    let refusal = refusal(open_now(folder.path()));
    assert!(refusal.contains("another Punchdown runs on"), "{refusal}");
    assert!(refusal.contains(&folder.path().display().to_string()), "{refusal}");
    accept(&journal, 1, 189).await;
    drop(journal);
    let journal = open(folder.path()).expect("it is free again");
    assert_eq!(lease(&journal, at(0)).await.len(), 1);
}

#[tokio::test]
async fn a_start_knows_when_a_host_last_ran() {
    every_backend(async |backend| {
        let journal = backend.open().await;
        assert_eq!(journal.last_alive().await.expect("told"), None, "the first one ever");
        for second in [1, 5] {
            journal.alive(at(second)).await.expect("written");
            assert_eq!(journal.last_alive().await.expect("told"), Some(at(second)));
        }
        drop(journal);
        assert_eq!(backend.open().await.last_alive().await.expect("told"), Some(at(5)));
    })
    .await;
}

#[tokio::test]
async fn a_new_start_finds_every_lane_free() {
    let folder = harness::folder();
    let journal = open(folder.path()).expect("the journal opens");
    accept(&journal, 1, 189).await;
    let (first, _) = lease_one(&journal, at(0)).await;
    drop(journal);
    let journal = open(folder.path()).expect("it is free again");
    let (second, _) = lease_one(&journal, at(0)).await;
    assert!(second.epoch > first.epoch, "so that a mark of the one before can be told");
}

#[tokio::test]
async fn a_journal_is_opened_only_with_its_own_key() {
    let folder = harness::folder();
    accept(&open(folder.path()).expect("the journal opens"), 1, 189).await;
    let key = folder.path().join("journal.key");
    let own = fs::read(&key).expect("the key");
    let put = |bytes: &[u8]| {
        fs::write(&key, bytes).expect("writes");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("chmod");
    };

    fs::remove_file(&key).expect("removes");
    let missing = refusal(open(folder.path()));
    assert!(missing.contains("journal.key") && missing.contains("bring it back"), "{missing}");
    assert!(!key.exists(), "no other key takes its place");
    put(&[7; 32]);
    let other = refusal(open(folder.path()));
    assert!(other.contains("journal.key") && other.contains("bring the right one back"), "{other}");
    put(&own[..31]);
    let cut = refusal(open(folder.path()));
    assert!(cut.contains("32 bytes"), "{cut}");
    put(&own);
    let journal = open(folder.path()).expect("its own key");
    assert_eq!(lease(&journal, at(0)).await.len(), 1, "nothing was changed");
}

/// SQLite keeps `user_version` in the header of the first page: four bytes, the highest first.
#[tokio::test]
async fn a_journal_of_a_newer_version_is_refused_and_left_alone() {
    let folder = harness::folder();
    let journal = open(folder.path()).expect("the journal opens");
    accept(&journal, 1, 189).await;
    overview(&journal).await;
    drop(journal);
    let database = folder.path().join("journal.db");
    let ours = checkpointed(folder.path());
    let version = u32::from_be_bytes(ours[60..64].try_into().expect("four bytes"));
    let mut newer = ours.clone();
    newer[60..64].copy_from_slice(&(version + 1).to_be_bytes());
    fs::write(&database, &newer).expect("writes");
    let refusal = refusal(open(folder.path()));
    for words in [format!("version {}", version + 1), format!("knows {version}"), "newer one".to_owned()] {
        assert!(refusal.contains(&words), "{refusal}");
    }
    assert_eq!(fs::read(&database).expect("reads"), newer);
    fs::write(&database, ours).expect("writes");
    let journal = open(folder.path()).expect("the version that it knows");
    assert_eq!(lease(&journal, at(0)).await.len(), 1);
}

/// The database of a closed journal, whole: nothing is left beside it.
fn checkpointed(directory: &Path) -> Vec<u8> {
    let beside = bytes(directory, |name| name == "journal.db-wal");
    assert!(beside.is_empty(), "a clean stop leaves no log behind: {} bytes", beside.len());
    fs::read(directory.join("journal.db")).expect("the database")
}
