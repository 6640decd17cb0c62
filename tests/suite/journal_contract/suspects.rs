//! What a process leaves marked when it dies is counted once, and held against the adapter that was asked.

use super::*;

fn lane(number: u64) -> Subject {
    Subject::Lane(Lane { i_account: IAccount(number), group: hss() })
}

fn note(id: &str) -> Subject {
    Subject::Notification { group: hss(), id: id.to_owned() }
}

fn log_in() -> Subject {
    Subject::Errand { group: hss(), what: "log-in".to_owned() }
}

fn adapter(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// Whom the deaths of the last process are held against, and how often in a row.
async fn counted(journal: &dyn Journal, second: u32) -> Vec<(Subject, u32)> {
    let suspects = journal.count_deaths(at(second)).await.expect("counted");
    suspects.into_iter().map(|suspect| (suspect.subject, suspect.deaths)).collect()
}

/// A process that dies while it asks.
async fn dies(backend: &dyn Backend, second: u32, asked: &[(Subject, &str)]) -> Vec<(Subject, u32)> {
    let journal = backend.open().await;
    let known = counted(&*journal, second).await;
    for (subject, by) in asked {
        std::mem::forget(journal.mark(subject, &adapter(by)));
    }
    known
}

#[tokio::test]
async fn what_is_marked_at_a_death_is_counted_once_and_what_was_answered_is_not() {
    on_the_disk(async |backend| {
        let journal = backend.open().await;
        for number in [1, 2] {
            accept(&*journal, u32::try_from(number).expect("small"), number).await;
        }
        assert!(counted(&*journal, 0).await.is_empty());
        drop(journal.mark(&lane(1), &adapter("a")));
        std::mem::forget(journal.mark(&lane(2), &adapter("a")));
        drop(journal);
        assert_eq!(dies(backend, 1, &[]).await, [(lane(2), 1)]);
        assert_eq!(dies(backend, 2, &[]).await, [(lane(2), 1)], "not a second time");
        assert_eq!(dies(backend, 3, &[(lane(2), "a"), (log_in(), "a")]).await, [(lane(2), 1)]);
        let known = dies(backend, 4, &[]).await;
        assert_eq!(known, [(lane(2), 2), (log_in(), 1)]);

        let journal = backend.open().await;
        journal.acquit(&lane(2), &adapter("a")).await.expect("acquitted");
        assert_eq!(counted(&*journal, 5).await, [(log_in(), 1)]);
    })
    .await;
}

#[tokio::test]
async fn each_adapter_answers_for_itself() {
    on_the_disk(async |backend| {
        let journal = backend.open().await;
        accept(&*journal, 1, 7).await;
        drop(journal);
        for _ in 0..3 {
            dies(backend, 1, &[(lane(7), "a")]).await;
        }
        dies(backend, 2, &[(lane(7), "b")]).await;
        let journal = backend.open().await;
        let known = async |second| -> Vec<(Digest, u32, Option<String>)> {
            let suspects = journal.count_deaths(at(second)).await.expect("counted");
            let head = |suspect: &Suspect| suspect.head.as_ref().map(|head| head.0.clone());
            suspects.iter().map(|it| (it.adapter.clone(), it.deaths, head(it))).collect()
        };
        let head = || Some("01-1-1-hss".to_owned());
        assert_eq!(known(3).await, [(adapter("a"), 3, head()), (adapter("b"), 1, head())]);
        journal.reprieve(&lane(7), &adapter("a")).await.expect("reprieved");
        assert_eq!(known(3).await, [(adapter("a"), 0, head()), (adapter("b"), 1, head())], "suspect still");
        journal.acquit(&lane(7), &adapter("b")).await.expect("acquitted");
        assert_eq!(known(3).await, [(adapter("a"), 0, head())]);
    })
    .await;
}

#[tokio::test]
async fn of_whom_nothing_is_asked_any_more_nothing_is_known_unless_three_processes_died() {
    on_the_disk(async |backend| {
        let journal = backend.open().await;
        for number in [7, 8] {
            accept(&*journal, u32::try_from(number).expect("small"), number).await;
        }
        drop(journal);
        for _ in 0..2 {
            dies(backend, 1, &[(lane(7), "a"), (lane(8), "a")]).await;
        }
        dies(backend, 1, &[(lane(8), "a"), (note("n1"), "a")]).await;
        let journal = backend.open().await;
        assert_eq!(
            counted(&*journal, 2).await,
            [(lane(7), 2), (lane(8), 3)],
            "there is no such notification"
        );
        for (lease, held) in lease(&*journal, at(2)).await {
            save(&*journal, &lease, in_stage(held.operation, Stage::Finished), at(2)).await;
        }
        assert_eq!(counted(&*journal, 3).await, [(lane(8), 3)], "its adapter must answer for it");
    })
    .await;
}

/// One of several processes that read it before.
#[tokio::test]
async fn a_pardon_has_notifications_read_again() {
    on_the_disk(async |backend| {
        let raw = notice(Body::Empty);
        let journal = backend.open().await;
        for id in ["n1", "n2"] {
            keep(&*journal, &hss(), id, raw.clone()).await;
        }
        drop(journal);
        for _ in 0..3 {
            dies(backend, 1, &[(note("n1"), "a")]).await;
        }
        let journal = backend.open().await;
        assert_eq!(counted(&*journal, 2).await, [(note("n1"), 3)]);
        for id in ["n1", "n2"] {
            let reading = Reading { reply: Response::ACCEPTED, signals: Vec::new(), unread: Some(trouble()) };
            journal.record_reading(id, reading, at(2)).await.expect("set aside");
        }
        let unread = async || -> Vec<String> {
            journal.unread(&hss(), 9).await.expect("read").into_iter().map(|(id, _)| id).collect()
        };
        assert!(unread().await.is_empty());
        journal.pardon(&adapter("b")).await.expect("pardoned");
        assert!(unread().await.is_empty(), "of another adapter");
        journal.pardon(&adapter("a")).await.expect("pardoned");
        assert_eq!(unread().await, ["n1"], "what merely could not be read stays");
        assert_eq!(counted(&*journal, 3).await, [(note("n1"), 0)]);
    })
    .await;
}
