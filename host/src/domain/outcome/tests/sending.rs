//! Reading the subscriber, sending, and sending again.

use super::*;

#[test]
fn laying_down_begins_the_clock_and_asks_at_once() {
    let story = Story::received().at(100).then(not_read()).at(120);
    let story = story.then(Outcome::LaidDown(Box::new(frozen(115))));
    assert_eq!(story.stage(), "asking");
    assert_eq!(story.operation.laid_down, Some(frozen(115)));
    assert_eq!(story.operation.deadline, at(115 + DEADLINE), "counted from the reading");
    assert_eq!(story.operation.due, at(120));
    assert_eq!(story.operation.trouble, None);
    assert_eq!(story.last.notes, [Note::LaidDown { wanted: Wanted::Running }]);
}

#[test]
fn a_failed_reading_is_repeated_by_schedule_until_the_deadline() {
    let mut story = Story::received();
    let mut second = 0;
    for (attempt, pause) in [(1, FIRST_PAUSE), (2, LAST_PAUSE), (3, LAST_PAUSE), (4, LAST_PAUSE)] {
        story = story.at(second).then(not_read());
        second += pause;
        assert_eq!((story.stage(), story.attempts()), ("received", attempt));
        assert_eq!(story.operation.due, at(second), "{attempt}");
        assert!(statuses(&story.operation).is_empty(), "nothing is sent again yet");
    }
    let story = story.at(DEADLINE - 1).then(not_read());
    assert_eq!(story.stage(), "received");
    let story = story.at(DEADLINE).then(not_read());
    assert_eq!(story.parked_for(), "attempts-spent");
    assert_eq!(story.told(), [("HSS", "FAILED")]);
}

#[test]
fn a_reading_waits_as_long_as_portabilling_asks() {
    let trouble = Trouble::new("billing-unavailable", "429");
    let retry_after = Some(Duration::from_secs(90));
    let story = Story::received().then(Outcome::NotRead { trouble, retry_after });
    assert_eq!(story.operation.due, at(90));
}

#[test]
fn an_absent_account_is_read_four_times_and_then_parked() {
    let mut story = Story::received();
    for _ in 1..4 {
        story = story.then(Outcome::Absent);
        assert_eq!(story.stage(), "received");
    }
    let story = story.then(Outcome::Absent);
    assert_eq!(story.parked_for(), "account-absent");
    assert!(!story.operation.is_in_doubt());
}

#[test]
fn readings_that_failed_do_not_count_as_absence() {
    let mut story = Story::received();
    for _ in 0..5 {
        story = story.then(not_read());
    }
    for _ in 1..4 {
        story = story.then(Outcome::Absent);
        assert_eq!(story.stage(), "received", "absent has to be seen four times in a row");
    }
    assert_eq!(story.then(Outcome::Absent).parked_for(), "account-absent");
}

#[test]
fn what_a_whole_group_lacks_is_not_counted() {
    for story in [Story::received(), Story::laid_down()] {
        let stage = story.operation.stage.clone();
        let trouble = Trouble::new("adapter-not-loaded", "group hss has no adapter");
        let story = story.at(2 * DEADLINE).then(Outcome::Held { trouble, until: at(2 * DEADLINE + 5) });
        assert_eq!(story.operation.stage, stage);
        assert_eq!(story.next(), Next::RestUntil(at(2 * DEADLINE + 5)));
        assert!(story.told().is_empty());
    }
}

#[test]
fn what_is_held_back_has_so_much_more_time_and_has_not_left() {
    let lacks = |until| Outcome::Held { trouble: Trouble::new("token-refused", "401"), until: at(until) };
    for delivery in [repeatable("order"), once("order")] {
        let story = Story::laid_down().sends(delivery).at(10).then(lacks(40));
        assert_eq!((story.stage(), story.attempts()), ("ready", 0), "it is to be sent as if nothing were");
        assert!(!story.operation.is_in_doubt());
        assert_eq!(story.operation.deadline, at(DEADLINE + 30));
        assert_eq!(story.next(), Next::RestUntil(at(40)));
        let story = story.at(40).then(lacks(50)).at(DEADLINE + 39).leaves().then(Outcome::NotSent(silence()));
        assert_eq!((story.stage(), story.attempts()), ("ready", 1), "the deadline has moved on");
    }
}

#[test]
fn the_time_that_its_group_was_held_burns_no_attempts() {
    let story = Story::laid_down().decides(Decision::Send(repeatable("create"))).at(2 * DEADLINE);
    let story = story.held_for(2 * DEADLINE).leaves().then(Outcome::Unanswered(silence()));
    assert_eq!((story.stage(), story.attempts()), ("ready", 1));
    let story = story.at(3 * DEADLINE).leaves().then(Outcome::Unanswered(silence()));
    assert_eq!(story.parked_for(), "attempts-spent");
}

/// The breaker listens to what the adapter makes of an answer, and to silence.
#[test]
fn what_a_step_shows_of_the_target() {
    use crate::domain::breaker::{Sign, sign};
    let fails = |sign: Option<Sign>| match sign {
        Some(Sign::Fails(trouble)) => Some(Some(trouble.code)),
        Some(Sign::Answers) => Some(None),
        None => None,
    };
    let decided =
        |decision| Outcome::Decided { progress: Box::new(saying(decision)), by: Digest::of(b"adapter") };
    let left = Story::laid_down().sends(repeatable("create")).operation;
    for (outcome, shown) in [
        (Outcome::NotSent(silence()), Some(Some(silence().code))),
        (Outcome::Unanswered(silence()), Some(Some(silence().code))),
        (Outcome::Unreadable(silence()), Some(None)),
        (Outcome::Answered(response(500)), None),
        (Outcome::Refused(silence()), None),
        (Outcome::Held { trouble: silence(), until: at(1) }, None),
    ] {
        assert_eq!(fails(sign(&left, &Step::Send, &outcome)), shown, "{outcome:?}");
    }
    assert_eq!(sign(&left, &Step::Doubt, &Outcome::Unanswered(silence())), None, "it was the host");
    let answered = Story::laid_down().sends(repeatable("create")).answered(500).operation;
    let unknown = Story::unknown().operation;
    let woken = Story::waits().elapses().operation;
    let told = Outcome::Refused(Trouble::new("adapter-broken", "it stopped"));
    for (asked, outcome, shown) in [
        (&answered, decided(again()), Some(Some("busy".to_owned()))),
        (&answered, decided(Decision::Finish), Some(None)),
        (&answered, told.clone(), Some(None)),
        (&unknown, decided(Decision::Finish), None),
        (&unknown, told.clone(), None),
        (&woken, decided(Decision::Finish), None),
    ] {
        assert_eq!(fails(sign(asked, &Step::Ask, &outcome)), shown, "{outcome:?}");
    }
}

#[test]
fn a_request_leaves_under_its_epoch_with_one_key_for_all_attempts() {
    let keys = |story: &Story| match &story.last.notes[..] {
        [Note::Left { label, key, attempt }] => (label.clone(), key.clone(), *attempt),
        other => panic!("{other:?}"),
    };
    let first = Story::laid_down().sends(repeatable("create"));
    assert!(matches!(first.operation.stage, Stage::OnItsWay { epoch: EPOCH, attempts: 0, .. }));
    let (label, key, attempt) = keys(&first);
    assert_eq!((label.as_str(), attempt), ("create", 1));
    let second = first.then(Outcome::Unanswered(silence())).leaves();
    assert_eq!(keys(&second), (label, key, 2));
}

#[test]
fn an_answer_enters_the_history_whatever_its_status_code() {
    for status in [200, 302, 404, 409, 500, 503] {
        let story = Story::laid_down().sends(repeatable("create")).at(3).answered(status);
        let outcome = Received::Answered(response(status));
        let what = Happening::Exchanged(Exchange { label: "create".to_owned(), outcome });
        assert_eq!(story.operation.history(), [Entry { at: at(3), what }]);
        assert_eq!((story.stage(), story.operation.due), ("asking", at(3)));
    }
}

#[test]
fn attempts_at_a_request_end_at_the_deadline() {
    for outcome in [Outcome::NotSent(unreachable()), Outcome::Unanswered(silence())] {
        let story = Story::laid_down().sends(repeatable("create"));
        let before = story.at(DEADLINE - 1).then(outcome.clone());
        assert_eq!(before.stage(), "ready");
        let after = before.leaves().at(DEADLINE).then(outcome);
        assert_eq!(after.parked_for(), "attempts-spent");
    }
}

#[test]
fn again_strikes_the_exchange_and_sends_the_same_request_later() {
    let story = Story::laid_down().sends(once("first")).answered(200).sends(once("order")).answered(503);
    let story = story.at(20).decides(again());
    assert_eq!(story.history(), ["first"], "struck for the adapter");
    let struck = Note::Struck {
        label: "order".to_owned(),
        outcome: Received::Answered(response(503)),
        trouble: Trouble::new("busy", "the system is busy"),
    };
    assert_eq!(story.last.notes[1], struck, "kept for a person");
    assert_eq!((story.stage(), story.attempts()), ("ready", 1));
    assert!(matches!(&story.operation.stage, Stage::Ready { request, .. } if *request == once("order")));
    assert_eq!(story.operation.due, at(20 + FIRST_PAUSE));
    assert_eq!(story.told(), [("HSS", "RETRY")]);
}

#[test]
fn again_counts_attempts_until_the_deadline_and_keeps_what_is_said_with_it() {
    let mut story = Story::laid_down().sends(repeatable("create"));
    for (attempt, pause) in [(1, FIRST_PAUSE), (2, LAST_PAUSE), (3, LAST_PAUSE)] {
        story = story.answered(503).decides(again());
        assert_eq!(story.attempts(), attempt);
        assert_eq!(story.operation.due, story.now + Duration::from_secs(pause.into()));
        story = story.leaves();
    }
    let last = Progress {
        reports: vec![report(Some(pcrf()), Status::Failed)],
        applied: Some(json("{\"id\":7}")),
        ..saying(again())
    };
    let story = story.answered(503).at(DEADLINE).says(last);
    assert_eq!(story.parked_for(), "attempts-spent");
    assert_eq!(story.last.applied, Some(json("{\"id\":7}")));
    assert_eq!(story.told(), [("HSS", "FAILED"), ("PCRF", "FAILED")]);
}

#[test]
fn again_waits_as_long_as_the_target_asks_if_that_is_longer() {
    for (value, pause) in [
        ("120", 120),
        (" 120 ", 120),
        ("1", FIRST_PAUSE),
        ("soon", FIRST_PAUSE),
        ("999999", 3600),
        ("Sat, 31 Jan 2026 08:02:00 GMT", 120),
        ("Sat, 31 Jan 2026 07:00:00 GMT", FIRST_PAUSE),
        ("Sat, 31 Jan 2026 18:00:00 GMT", 3600),
    ] {
        let headers = vec![Header { name: "retry-after".to_owned(), value: value.to_owned() }];
        let busy = Response { headers, ..response(503) };
        let story = Story::laid_down().sends(repeatable("create")).then(Outcome::Answered(busy));
        assert_eq!(story.decides(again()).operation.due, at(pause), "{value}");
    }
}

#[test]
fn again_without_a_history_reads_the_subscriber_afresh() {
    let story = Story::laid_down().at(20).decides(again());
    assert_eq!((story.stage(), story.attempts()), ("received", 1));
    assert_eq!(story.next(), Next::RestUntil(at(20 + FIRST_PAUSE)));
    assert!(story.told().is_empty(), "nothing is sent again yet");
    let story = story.at(30).then(Outcome::LaidDown(Box::new(frozen(30))));
    assert_eq!(story.operation.laid_down, Some(frozen(30)));
}

#[test]
fn reading_afresh_does_not_begin_the_clock_again() {
    let mut story = Story::laid_down();
    for second in [100, 300, 500] {
        story = story.at(second).decides(again());
        story = story.then(Outcome::LaidDown(Box::new(frozen(second))));
        assert_eq!(story.operation.deadline, at(DEADLINE));
    }
    assert_eq!(story.at(DEADLINE).decides(again()).parked_for(), "attempts-spent");
}

#[test]
fn again_is_refused_where_nothing_was_sent() {
    for (story, decision) in [
        (Story::waits().then(woken()), again()),
        (Story::waits().elapses(), again()),
        (Story::waits().then(woken()), renew()),
    ] {
        assert_eq!(story.decides(decision).parked_for(), "adapter-broken");
    }
}

#[test]
fn a_first_renewal_is_at_once_and_a_second_waits_like_again() {
    let story = Story::laid_down().sends(once("order")).answered(401).at(20).decides(renew());
    assert_eq!((story.stage(), story.attempts(), story.operation.due), ("ready", 1, at(20)));
    assert_eq!(story.next(), Next::Do(Step::Leave));
    assert!(story.history().is_empty());
    let story = story.leaves().answered(401).decides(renew());
    assert_eq!((story.stage(), story.attempts()), ("ready", 2));
    assert_eq!(story.operation.due, at(20 + LAST_PAUSE));
}
