//! Another key: all that was sealed with the old one is read with the new one alone, wherever the change was stopped.

use std::fs;

use sha2::Digest as _;

use punchdown::store::{Rotated, Settings, rotate_key};

use super::directory::{bytes, holds, refusal, tell_all};
use super::*;

const SECRET: &str = "001010000000001";

pub(super) fn rotate(folder: &Path, batches: Option<usize>) -> Result<Rotated, store::OpenError> {
    rotate_key(&Settings::in_directory(folder), batches)
}

/// Everything that can be sealed, and what is found by a fingerprint.
pub(super) async fn fill(journal: &dyn Journal) {
    accept(journal, 2, 200).await;
    step(journal, at(0), |operation| waits(operation, 600, &["o-2"])).await;
    tell_all(journal, SECRET).await;
    let early = |key: &str| Signal {
        id: None,
        correlation: Correlation::Key(key.to_owned()),
        payload: json("\"early\""),
        otherwise: Otherwise::Keep,
    };
    hear_signal(journal, "n-early", 0, early("o-3")).await;
    let delivered =
        Delivered { id: "n-signed".to_owned(), group: hss(), sender_id: Some("w-1".to_owned()), raw: raw() };
    journal.keep_notification(delivered).await.expect("stored");
    journal.keep_reply("n-signed", &Response::ACCEPTED).await.expect("stored");
    journal.keep_breaker(&hss(), &Breaker::default()).await.expect("stored");
    let registration = Registration::default().begun(Token("a".to_owned()), Digest::of(b"system"));
    journal.keep_registration(&hss(), &registration, FIRST_TERM).await.expect("stored");
    let update = journal.statuses_due(at(0), 10).await.expect("reads").remove(0);
    journal.status_settled(&update, true).await.expect("stored");
}

fn raw() -> Notification {
    Notification {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: Vec::new(),
        body: Body::Text(SECRET.to_owned()),
        received_at: at(0),
    }
}

/// What can be read of it, without changing anything.
pub(super) async fn read(journal: &dyn Journal) -> String {
    let told = journal.operations(Sought { most: 10, ..Sought::default() }).await.expect("lists");
    let mut operations = Vec::new();
    for line in told {
        let told = journal.operation(&line.id).await.expect("reads").expect("it is there");
        operations.push(serde_json::to_string(&told.operation.laid_down).expect("JSON"));
        operations.push(format!("{told:?}"));
    }
    let unread = journal.unread(&hss(), 10).await.expect("reads");
    let breakers = journal.breakers().await.expect("reads");
    let registrations = journal.registrations().await.expect("reads");
    format!("{operations:?} {unread:?} {breakers:?} {registrations:?} {:?}", overview(journal).await)
}

/// What is found by a key, an account or a sender's id is found: the operation waits under that key.
pub(super) async fn finds(journal: &dyn Journal, second: u32, key: &str) -> (Lease, Held) {
    let again = Delivered {
        id: format!("again-{second}"),
        group: hss(),
        sender_id: Some("w-1".to_owned()),
        raw: raw(),
    };
    let kept = journal.keep_notification(again).await.expect("stored");
    assert_eq!(kept, Kept::Repeated(Some(Response::ACCEPTED)));
    let news = Signal {
        id: None,
        correlation: Correlation::Key(key.to_owned()),
        payload: json("\"late\""),
        otherwise: Otherwise::Keep,
    };
    hear_signal(journal, &format!("found-{second}"), second, news).await;
    let woken = lease(journal, at(second)).await;
    let of_ours = |(_, held): &(Lease, Held)| held.operation.lane.i_account == IAccount(200);
    let (lease, held) = woken.into_iter().find(of_ours).expect("it is woken");
    assert_eq!(held.signal, Some(json("\"late\"")));
    (lease, held)
}

#[tokio::test]
async fn all_is_read_with_the_new_key_wherever_the_change_was_stopped() {
    let folder = harness::folder();
    let journal = open(folder.path()).expect("the journal opens");
    fill(&journal).await;
    let before = read(&journal).await;
    drop(journal);
    let old = fs::read(folder.path().join("journal.key")).expect("the key");
    let mut stopped = 0;
    loop {
        let rotated = rotate(folder.path(), Some(1)).expect("goes on");
        assert_eq!(rotated.unreadable, 0);
        if rotated.finished {
            break;
        }
        stopped += 1;
        assert!(stopped < 50, "it comes to an end");
        let refusal = refusal(open(folder.path()));
        assert!(refusal.contains("rotate-key"), "{refusal}");
    }
    assert!(stopped >= 13, "it was stopped {stopped} times");

    let new = fs::read(folder.path().join("journal.key")).expect("the key");
    assert_ne!(old, new);
    assert!(!folder.path().join("journal.key.next").exists());
    let files = bytes(folder.path(), |_| true);
    assert!(!holds(&files, &old), "the old key is gone");
    let old_id = &sha2::Sha256::digest(&old)[..8];
    assert!(!holds(&files, old_id), "and nothing is left of what it had sealed");
    let journal = open(folder.path()).expect("with the new key");
    assert_eq!(read(&journal).await, before);
    let update = StatusUpdate {
        i_account: IAccount(189),
        service: service("HSS"),
        said: said(Status::Failed, SECRET),
        told: None,
        version: 1,
        attempts: 0,
        term: 0,
    };
    journal.status_settled(&update, true).await.expect("stored");
    let (lease, held) = finds(&journal, 1, "o-2").await;
    let taken = Change { took_signal: true, ..waits(held.operation, 600, &[]) };
    let held = save(&journal, &lease, taken, at(1)).await;
    let held = save(&journal, &lease, waits(held.operation, 600, &["o-3"]), at(1)).await;
    assert_eq!(held.signal, Some(json("\"early\"")), "news that came before their key was named");
    let taken = Change { took_signal: true, ..waits(held.operation, 600, &[]) };
    save(&journal, &lease, taken, at(1)).await;
    journal.release(&lease, at(1)).await.expect("the lease holds");
    drop(journal);

    fs::write(folder.path().join("journal.key"), &old).expect("written");
    let refusal = refusal(open(folder.path()));
    assert!(refusal.contains("bring the right one back"), "{refusal}");
    fs::write(folder.path().join("journal.key"), &new).expect("written");
    assert!(rotate(folder.path(), None).expect("once more").finished);
    let journal = open(folder.path()).expect("with the third key");
    finds(&journal, 100, "o-3").await;
}

#[tokio::test]
async fn stopped_between_the_journal_and_the_file_it_takes_the_key_that_the_journal_has() {
    let folder = harness::folder();
    let journal = open(folder.path()).expect("the journal opens");
    fill(&journal).await;
    let before = read(&journal).await;
    drop(journal);
    let (key, next) = (folder.path().join("journal.key"), folder.path().join("journal.key.next"));
    let old = fs::read(&key).expect("the key");
    assert!(rotate(folder.path(), None).expect("rotates").finished);
    // As it stands when the machine stops right before the file gets its name.
    fs::rename(&key, &next).expect("renamed");
    fs::write(&key, &old).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&key, mode).expect("chmod");
    assert!(refusal(open(folder.path())).contains("rotate-key"));
    let rotated = rotate(folder.path(), None).expect("goes on");
    assert_eq!((rotated.sealed, rotated.finished), (0, true));
    assert_eq!(read(&open(folder.path()).expect("the journal opens")).await, before);
}

#[tokio::test]
async fn the_key_of_a_journal_on_which_a_host_runs_is_left_alone() {
    let folder = harness::folder();
    let none = rotate(folder.path(), None).expect_err("there is none").to_string();
    assert!(none.contains("there is no journal"), "{none}");
    let journal = open(folder.path()).expect("the journal opens");
    accept(&journal, 1, 189).await;
    let refused = rotate(folder.path(), None).expect_err("it runs").to_string();
    assert!(refused.contains("another Punchdown runs on"), "{refused}");
    assert!(!folder.path().join("journal.key.next").exists());
}
