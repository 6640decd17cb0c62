//! Who goes first in a lane: which operation makes room for which.

use super::super::super::{GivesWay, gives_way};
use super::*;

const UPDATE: &str = "Account/Product/Changed";
/// `**/New` never collapses in these stories.
const CREATION: &str = "Account/New";

fn update() -> Story {
    let mut story = Story::received();
    story.operation.event.name = UPDATE.to_owned();
    story
}

fn waits_and_gives_way() -> Story {
    let waiting = Waiting { seconds: Some(60), forget: false, gives_way: true };
    update().then(Outcome::LaidDown(Box::new(frozen(0)))).decides(Decision::Wait(waiting))
}

fn next_with(story: &Story, newer: &Behind) -> Next {
    next(&story.head(None, Some(newer)), &policy(), story.now)
}

#[test]
fn unstarted_updates_collapse_into_the_next_and_nothing_else_does() {
    let laid_down = || update().then(Outcome::LaidDown(Box::new(frozen(0))));
    for (row, story, newer, collapses) in [
        ("two updates", update(), UPDATE, true),
        ("laid down, not asked", laid_down(), UPDATE, true),
        ("a request is decided", laid_down().decides(Decision::Send(repeatable("create"))), UPDATE, false),
        ("a request is out", laid_down().sends(repeatable("create")), UPDATE, false),
        ("a creation is next", update(), CREATION, false),
        ("a creation is first", Story::received(), UPDATE, false),
    ] {
        let newer = behind(newer);
        let made_room = next_with(&story, &newer) == Next::Do(Step::GiveWay(newer.next.clone()));
        assert_eq!(made_room, collapses, "{row}");
    }
}

#[test]
fn an_update_waits_for_the_open_order_and_another_state_does_not() {
    let newer = behind(UPDATE);
    let story = waits_and_gives_way();
    assert_eq!(gives_way(&story.operation), GivesWay::ToAnotherState);
    assert_eq!(next_with(&story, &newer), Next::Do(Step::Compare(newer.clone())));
    let same = || Outcome::Compared { wanted: Wanted::Running, behind: newer.clone() };
    let story = story.then(same());
    assert_eq!(story.stage(), "waiting");
    assert_eq!(next_with(&story, &newer), Next::RestUntil(at(60)), "PortaBilling is asked once for each");
    let newest = Behind { newest: OperationId("01NEWEST".to_owned()), ..newer.clone() };
    assert_eq!(next_with(&story, &newest), Next::Do(Step::Compare(newest.clone())));

    for wanted in [Wanted::Suspended, Wanted::Gone] {
        let story = waits_and_gives_way().then(Outcome::Compared { wanted, behind: newer.clone() });
        assert_eq!(story.operation.stage, Stage::Superseded { by: newer.next.clone() }, "{wanted:?}");
        assert!(story.told().is_empty(), "the newer one speaks");
    }
}

#[test]
fn while_it_cannot_be_found_out_the_wait_goes_on() {
    let newer = behind(UPDATE);
    let story = waits_and_gives_way().then(Outcome::NotCompared { until: at(30) });
    assert_eq!(next_with(&story, &newer), Next::RestUntil(at(60)));
    let story = story.at(30);
    assert_eq!(next_with(&story, &newer), Next::Do(Step::Compare(newer)));
}

#[test]
fn a_wait_that_does_not_say_so_gives_way_to_none() {
    let story = Story::waits();
    assert_eq!(gives_way(&story.operation), GivesWay::ToNone);
    assert_eq!(next_with(&story, &behind(UPDATE)), Next::RestUntil(at(DEADLINE)));
}

#[test]
fn news_that_has_come_goes_before_those_who_stand_behind() {
    let news = json("\"news\"");
    for story in [waits_and_gives_way(), Story::waits().at(DEADLINE).elapses().decides(wait(None))] {
        let newer = behind(UPDATE);
        let head = story.head(Some(&news), Some(&newer));
        assert_eq!(next(&head, &policy(), story.now), Next::Do(Step::Wake(news.clone())));
    }
}
