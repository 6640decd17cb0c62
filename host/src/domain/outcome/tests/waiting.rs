//! Waits, their ends, the deadline, and looks that leave no history.

use super::*;

#[test]
fn a_wait_ends_when_it_wishes_but_not_after_the_deadline() {
    for (began, seconds, until) in [
        (0, Some(30), 30),
        (0, None, DEADLINE),
        (0, Some(u32::MAX), DEADLINE),
        (DEADLINE - 10, Some(30), DEADLINE),
        (DEADLINE - 10, None, DEADLINE),
    ] {
        let story = Story::laid_down().at(began).decides(wait(seconds));
        assert_eq!(story.operation.due, at(until), "{began} {seconds:?}");
        assert!(
            matches!(story.operation.stage, Stage::Waiting { until: end, .. } if end == at(until)),
            "{began} {seconds:?}"
        );
        assert_eq!(story.next(), Next::RestUntil(at(until)));
    }
}

#[test]
fn it_is_in_progress_from_the_first_wait_on_unless_the_adapter_said_something() {
    let story = Story::laid_down().sends(once("order")).answered(202);
    assert!(story.told().is_empty());
    let story = story.decides(wait(Some(30)));
    assert_eq!(story.told(), [("HSS", "IN_PROGRESS")]);
    let story = story.then(woken()).decides(wait(Some(30)));
    assert!(story.told().is_empty(), "once");
    let said = Progress { reports: vec![report(None, Status::Ok)], ..saying(wait(None)) };
    let story = story.then(woken()).says(said);
    assert_eq!(story.told(), [("HSS", "OK")]);
}

#[test]
fn a_notification_ends_the_wait_and_enters_the_history() {
    let story = Story::waits().at(5).then(woken());
    let what = Happening::Notified(json("{\"state\":\"completed\"}"));
    assert_eq!(story.operation.history(), [Entry { at: at(5), what }]);
    assert_eq!((story.stage(), story.operation.due), ("asking", at(5)));
    assert!(story.last.took_signal);
}

#[test]
fn the_deadline_lets_the_adapter_look_before_anything_is_overdue() {
    let story = Story::waits().at(DEADLINE);
    assert_eq!(story.next(), Next::Do(Step::Elapse));
    let story = story.elapses();
    assert_eq!(story.history(), ["elapsed"]);
    assert_eq!((story.next(), story.operation.overdue.clone()), (Next::Do(Step::Ask), None));
    let story = story.sends(repeatable("look")).answered(200);
    assert_eq!(story.operation.overdue, None);
    let done = Progress { reports: vec![report(None, Status::Ok)], ..saying(Decision::Finish) };
    assert_eq!(story.says(done).told(), [("HSS", "OK")]);
}

#[test]
fn what_has_no_end_by_the_deadline_is_overdue_exactly_once() {
    let story = Story::waits().at(DEADLINE).elapses().decides(wait(Some(30)));
    assert_eq!(story.notes(), ["decided", "overdue"]);
    let message = Some("no end was heard of within 600 s".to_owned());
    assert_eq!(story.last.statuses, BTreeMap::from([(hss(), Said { status: Status::Failed, message })]));
    assert_eq!(story.operation.due, at(DEADLINE + 30), "it goes on as it was");
    let story = story.at(DEADLINE + 30).elapses();
    assert!(story.told().is_empty());
    let story = story.decides(wait(None));
    assert_eq!(story.notes(), ["decided"]);
    assert!(story.told().is_empty());
    assert_eq!(story.operation.due, at(2 * DEADLINE + 30), "no wait is without an end");
}

#[test]
fn a_late_success_is_still_taken_and_told() {
    let overdue = Story::waits().at(DEADLINE).elapses().decides(wait(None));
    let done = Progress { reports: vec![report(None, Status::Ok)], ..saying(Decision::Finish) };
    let story = overdue.at(2 * DEADLINE).then(woken()).says(done);
    assert_eq!(story.stage(), "finished");
    assert_eq!(story.notes(), ["decided", "late"]);
    let message = Some("late: after the deadline of 600 s".to_owned());
    assert_eq!(story.last.statuses, BTreeMap::from([(hss(), Said { status: Status::Ok, message })]));
}

#[test]
fn the_time_that_nobody_ran_burns_no_deadline() {
    let two_days_later = 3 * DEADLINE;
    let story = Story::waits().at(two_days_later).held_for(2 * DEADLINE).elapses();
    assert_eq!(story.history(), ["elapsed"], "it looks at once, for news may have been lost");
    let story = story.sends(repeatable("look")).answered(200).decides(wait_and_forget());
    assert_eq!(story.notes(), ["decided", "forgotten", "overdue"], "the time that was its own is over");
    let story = Story::waits().at(two_days_later).held_for(3 * DEADLINE).elapses();
    let story = story.sends(repeatable("look")).answered(200).decides(wait(None));
    assert_eq!((story.notes(), story.operation.due), (vec!["decided"], at(4 * DEADLINE)));
}

#[test]
fn one_that_finishes_without_a_word_leaves_none_of_ours_behind() {
    let finish = || saying(Decision::Finish);
    let of_another = || Progress { reports: vec![report(Some(pcrf()), Status::Ok)], ..finish() };
    let mended = || super::super::super::Person { who: "ann".to_owned(), why: "mended".to_owned() };
    let parked_and_asked = || {
        let parked = Story::laid_down().then(Outcome::Refused(Reason::AdapterBroken.trouble("it stopped")));
        parked.then(Outcome::ByPerson(super::super::super::Act::Retry, mended()))
    };
    let retried = || Story::laid_down().sends(repeatable("put")).then(Outcome::Unanswered(silence()));
    for (row, story, told) in [
        ("it waited", Story::waits().then(woken()).says(finish()), &[("HSS", "OK")][..]),
        ("a request was sent again", retried().leaves().answered(200).says(finish()), &[("HSS", "OK")]),
        ("an earlier one may have failed", Story::laid_down().says(finish()), &[("HSS", "OK")]),
        ("it spoke of another service alone", Story::laid_down().says(of_another()), &[("PCRF", "OK")]),
        ("it was parked, and asked again", parked_and_asked().says(finish()), &[("HSS", "OK")]),
    ] {
        assert_eq!(story.told(), told, "{row}");
    }
}

#[test]
fn forgetting_strikes_what_came_since_the_wait_before() {
    let ordered = || Story::laid_down().sends(once("order")).answered(202);
    let looked = |story: Story| story.elapses().sends(repeatable("look")).answered(200);
    let waits = || ordered().decides(wait(Some(30)));
    for (row, story, history, forgotten) in [
        ("a look", looked(waits()), &["order"][..], Some(2)),
        ("two looks", looked(waits()).sends(repeatable("more")).answered(200), &["order"], Some(3)),
        ("no look at all", waits().elapses(), &["order"], Some(1)),
        ("news", waits().then(woken()), &["order"], Some(1)),
        (
            "only since the last wait",
            looked(looked(waits()).decides(wait(Some(30)))),
            &["order", "elapsed", "look"],
            Some(2),
        ),
        ("no wait before", ordered(), &["order"], None),
    ] {
        let story = story.decides(wait_and_forget());
        assert_eq!(story.stage(), "waiting", "{row}");
        assert_eq!(story.history(), history, "{row}");
        let note = story.last.notes.iter().find_map(|note| match note {
            Note::Forgotten { entries } => Some(*entries),
            _ => None,
        });
        assert_eq!(note, forgotten, "{row}");
    }
}

#[test]
fn polling_leaves_no_history() {
    let mut story = Story::laid_down().sends(once("order")).answered(202).decides(wait(Some(30)));
    for _ in 0..10 * HISTORY_MAX {
        story = story.elapses().sends(repeatable("look")).answered(200).decides(wait_and_forget());
        assert_eq!(story.history(), ["order"]);
    }
}

#[test]
fn a_request_that_may_be_sent_only_once_is_never_forgotten() {
    let waits = || Story::laid_down().sends(once("order")).answered(202).decides(wait(Some(30)));
    let answered = waits().elapses().sends(once("cancel")).answered(202);
    let unknown = waits().elapses().sends(once("cancel")).then(Outcome::Unanswered(silence()));
    for story in [answered, unknown] {
        let history = story.history();
        let story = story.decides(wait_and_forget());
        assert_eq!(story.parked_for(), "adapter-broken");
        assert_eq!(story.history(), history, "nothing is cut");
    }
}
