//! What a person does to an operation.

use super::super::super::{Act, Person, may_act_on};
use super::*;

fn ann() -> Person {
    Person { who: "ann".to_owned(), why: "mended".to_owned() }
}

fn by_ann(story: Story, act: Act) -> Story {
    story.then(Outcome::ByPerson(act, ann()))
}

#[test]
fn what_is_asked_again_goes_on_where_it_was_and_has_all_its_time() {
    let later = 2 * DEADLINE;
    let refused = || Outcome::Refused(Trouble::new("billing-refused", "no right"));
    for (row, story, stage, history) in [
        ("never read", Story::received().then(refused()), "received", &[][..]),
        ("parked by its adapter", Story::laid_down().decides(Decision::Park(silence())), "asking", &[]),
        (
            "with a history",
            Story::laid_down().sends(once("order")).answered(200).decides(Decision::Park(silence())),
            "asking",
            &["order"],
        ),
        ("in doubt", Story::unknown().decides(Decision::Again(silence())), "asking", &["order?"]),
        (
            "to be sent later",
            Story::laid_down().sends(repeatable("put")).then(Outcome::Unanswered(silence())),
            "ready",
            &[],
        ),
        ("waiting", Story::waits(), "waiting", &[]),
    ] {
        let story = by_ann(story.at(later), Act::Retry);
        assert_eq!(
            (story.stage(), story.history()),
            (stage, history.iter().map(|it| (*it).to_owned()).collect()),
            "{row}"
        );
        assert!(matches!(story.next(), Next::Do(_)), "{row}: it moves now");
        assert!(story.operation.deadline >= at(later + DEADLINE), "{row}");
        assert_eq!(story.notes(), ["by-person"], "{row}");
    }
}

#[test]
fn one_in_doubt_stays_so_when_it_is_asked_again() {
    let story = by_ann(Story::unknown().decides(Decision::Again(silence())), Act::Retry);
    assert!(story.operation.is_in_doubt(), "nobody has looked");
}

#[test]
fn what_is_left_or_begun_anew_says_nothing_more() {
    let to = OperationId("01NEWER".to_owned());
    for (act, stage) in [(Act::Skip, "skipped"), (Act::Restart { to }, "superseded")] {
        let story = by_ann(Story::unknown().decides(Decision::Again(silence())), act);
        assert_eq!((story.stage(), story.told()), (stage, Vec::new()));
        assert!(!story.operation.stage.is_open() && story.next() == Next::Rest);
    }
}

#[test]
fn nobody_touches_what_is_on_its_way_or_over() {
    let finished = || Story::laid_down().decides(Decision::Finish);
    for (story, word) in [
        (Story::laid_down().sends(once("order")), "on its way"),
        (finished(), "it is finished"),
        (by_ann(Story::waits(), Act::Skip), "it is skipped"),
    ] {
        let why = may_act_on(&story.operation).expect_err(word);
        assert!(why.contains(word), "{why}");
    }
    assert!(may_act_on(&Story::waits().operation).is_ok());
}
