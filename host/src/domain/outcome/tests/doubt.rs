//! Nobody knows whether a request arrived: who is told, who looks, who gives way.

use super::super::super::{GivesWay, gives_way};
use super::*;

#[test]
fn an_unanswered_repeatable_request_is_sent_again_and_told_as_retry() {
    let story = Story::laid_down().sends(repeatable("create")).at(5).then(Outcome::Unanswered(silence()));
    assert_eq!((story.stage(), story.attempts()), ("ready", 1));
    assert_eq!(story.operation.due, at(5 + FIRST_PAUSE));
    assert_eq!(story.told(), [("HSS", "RETRY")]);
    assert!(story.history().is_empty(), "the adapter hears only of answers");
    assert!(!story.operation.is_in_doubt());
}

#[test]
fn an_unanswered_at_most_once_request_is_told_as_unknown_and_never_repeated() {
    let story = Story::laid_down().sends(once("order")).at(5).then(Outcome::Unanswered(silence()));
    assert_eq!(story.stage(), "asking");
    let told = Received::Unknown("no answer in time".to_owned());
    let exchange = Exchange { label: "order".to_owned(), outcome: told };
    assert_eq!(story.operation.history(), [Entry { at: at(5), what: Happening::Exchanged(exchange) }]);
    assert!(story.told().is_empty());
    assert!(story.operation.is_in_doubt());
}

#[test]
fn again_over_unknown_parks_in_doubt() {
    for decision in [again(), renew()] {
        let story = Story::unknown().decides(decision);
        assert_eq!(story.parked_for(), "in-doubt");
        assert!(story.operation.is_in_doubt());
        assert_eq!(story.history(), ["order?"], "nothing is struck");
        assert_eq!(story.told(), [("HSS", "FAILED")]);
    }
}

#[test]
fn what_surely_did_not_arrive_is_sent_again_even_if_it_may_arrive_only_once() {
    let story = Story::laid_down().sends(once("order")).then(Outcome::NotSent(unreachable()));
    assert_eq!((story.stage(), story.attempts()), ("ready", 1));
    assert_eq!(story.operation.due, at(FIRST_PAUSE));
    assert!(!story.operation.is_in_doubt());
}

#[test]
fn an_answer_that_is_too_large_parks_a_repeatable_request_and_makes_any_other_unknown() {
    let too_large = || Outcome::Unreadable(Reason::AnswerTooLarge.trouble("more than 1 MiB"));
    let parked = Story::laid_down().sends(repeatable("look")).then(too_large());
    assert_eq!(parked.parked_for(), "answer-too-large");
    assert!(!parked.operation.is_in_doubt());
    let told = Story::laid_down().sends(once("order")).then(too_large());
    assert_eq!(told.history(), ["order?"]);
}

#[test]
fn a_request_that_can_never_be_sent_leaves_no_doubt() {
    let refused = Outcome::Refused(Reason::RequestRefused.trouble("the group has no secret `pw`"));
    let story = Story::laid_down().sends(once("order")).then(refused);
    assert_eq!(story.parked_for(), "request-refused");
    assert!(!story.operation.is_in_doubt(), "not one byte of it left");
}

#[test]
fn doubt_lasts_until_the_system_was_heard() {
    let look = |story: Story| story.sends(repeatable("look"));
    let park = |story: Story| story.decides(Decision::Park(Trouble::new("lost", "who knows")));
    let too_large = || Outcome::Unreadable(Reason::AnswerTooLarge.trouble("more than 1 MiB"));
    let waited = || Story::unknown().decides(wait(Some(60))).at(60).elapses();
    for (row, story, in_doubt) in [
        ("told unknown", Story::unknown(), true),
        ("parked at once", park(Story::unknown()), true),
        ("the look is on its way", look(Story::unknown()), true),
        ("the look did not get through", look(Story::unknown()).then(Outcome::NotSent(unreachable())), true),
        ("the look was not answered", look(Story::unknown()).then(Outcome::Unanswered(silence())), true),
        ("the look was answered by too much", look(Story::unknown()).then(too_large()), true),
        ("the look was struck", look(Story::unknown()).answered(503).decides(again()), true),
        ("the look never came through", look(Story::unknown()).at(900).answered(503).decides(again()), true),
        ("the look was answered", look(Story::unknown()).answered(200), false),
        ("parked after the look", park(look(Story::unknown()).answered(200)), false),
        ("it waited and heard nothing", waited(), true),
        ("parked after hearing nothing", park(waited()), true),
        ("it waits again", waited().decides(wait(None)), true),
        ("it heard of it", Story::unknown().decides(wait(None)).then(woken()), false),
    ] {
        assert_eq!(story.operation.is_in_doubt(), in_doubt, "{row}");
    }
}

#[test]
fn only_what_is_parked_or_overdue_without_doubt_gives_way_to_anything() {
    use GivesWay::{ToAnything, ToNone};
    let park = || Decision::Park(silence());
    let overdue = |story: Story| story.at(DEADLINE).elapses().decides(wait(None));
    for (row, story, gives) in [
        ("received", Story::received(), ToNone),
        ("asking", Story::laid_down(), ToNone),
        ("on its way", Story::laid_down().sends(repeatable("create")), ToNone),
        ("waiting", Story::waits(), ToNone),
        ("overdue", overdue(Story::waits()), ToAnything),
        ("overdue, but it is being looked at", overdue(Story::waits()).then(woken()), ToNone),
        ("overdue in doubt", overdue(Story::unknown().decides(wait(None))), ToNone),
        ("parked", Story::laid_down().decides(park()), ToAnything),
        ("parked in doubt", Story::unknown().decides(park()), ToNone),
    ] {
        assert_eq!(gives_way(&story.operation), gives, "{row}");
    }
}

#[test]
fn what_gave_way_names_its_successor_and_says_no_more() {
    let newer = OperationId("01NEWER".to_owned());
    let story = Story::waits().decides_after_news(Decision::Park(silence()));
    assert_eq!(story.told(), [("HSS", "FAILED")]);
    let story = story.then(Outcome::GaveWay { to: newer.clone() });
    assert_eq!(story.operation.stage, Stage::Superseded { by: newer });
    assert!(story.told().is_empty(), "the newer one speaks now");
}

impl Story {
    fn decides_after_news(self, decision: Decision) -> Self {
        self.then(woken()).decides(decision)
    }
}
