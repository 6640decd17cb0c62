use super::*;

const POLICY: BreakerPolicy =
    BreakerPolicy { failures: 3, pause: Duration::from_secs(10), pause_max: Duration::from_secs(30) };

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(1_769_846_400_000) + Duration::from_secs(second)
}

fn fails() -> Sign {
    Sign::Fails(Trouble::new("target-silent", "no answer in time"))
}

/// A breaker that opened at that second.
fn opened(second: u64) -> Breaker {
    let mut breaker = Breaker::default();
    let turns: Vec<_> = (0..3).map(|_| breaker.heard(fails(), &POLICY, at(second)).is_some()).collect();
    assert_eq!(turns, [false, false, true]);
    breaker
}

#[test]
fn it_opens_after_failures_one_after_the_other() {
    for (signs, opens) in [("ff", false), ("fff", true), ("ffaff", false), ("ffafff", true), ("aaa", false)] {
        let mut breaker = Breaker::default();
        for sign in signs.chars() {
            breaker.heard(if sign == 'f' { fails() } else { Sign::Answers }, &POLICY, at(0));
        }
        assert_eq!(breaker.open().is_some(), opens, "{signs}");
        assert_eq!(breaker.admits(at(9)), !opens, "{signs}");
    }
}

#[test]
fn one_probe_at_a_time_goes_after_a_pause_that_grows() {
    let mut breaker = opened(0);
    let mut now = 0;
    for pause in [10, 20, 30, 30] {
        assert!(!breaker.admit(at(now + pause - 1)), "{pause}");
        now += pause;
        assert!(breaker.admit(at(now)), "{pause}");
        assert!(!breaker.admit(at(now)), "the probe is under way");
        assert!(matches!(breaker.heard(fails(), &POLICY, at(now)), Some(Turn::StaysOpen { .. })));
    }
    assert!(breaker.admit(at(now + 30)));
    assert_eq!(breaker.heard(Sign::Answers, &POLICY, at(now + 31)), Some(Turn::Closed { since: at(0) }));
    assert!(breaker.admit(at(now + 31)) && breaker.admit(at(now + 31)));
}

#[test]
fn stragglers_change_nothing_and_a_lost_probe_is_not_waited_for() {
    let mut breaker = opened(0);
    assert_eq!(breaker.heard(fails(), &POLICY, at(5)), None);
    assert!(breaker.admit(at(10)));
    assert!(!breaker.admit(at(69)));
    assert!(breaker.admit(at(70)), "nothing was heard of the first one for a minute");
    breaker.did_not_leave();
    assert!(breaker.admit(at(70)));
}

#[test]
fn a_clock_that_is_set_back_prolongs_neither_a_pause_nor_a_probe() {
    assert!(opened(3_600).admits(at(20)), "the pause was said an hour from now");
    let mut breaker = opened(0);
    assert!(breaker.admit(at(3_600)));
    assert!(!breaker.admit(at(3_601)));
    assert!(breaker.admit(at(20)), "the clock has been set back by an hour");
    assert!(!breaker.admit(at(21)), "and the next one is waited for as ever");
}

#[test]
fn it_is_as_it_was_after_a_restart_and_its_probe_is_not() {
    let mut breaker = opened(0);
    assert!(breaker.admit(at(10)));
    let kept = serde_json::to_string(&breaker).expect("JSON");
    let mut breaker: Breaker = serde_json::from_str(&kept).expect("a breaker");
    assert_eq!(breaker.open().map(|open| (open.since, open.probe_at)), Some((at(0), at(10))));
    assert!(!breaker.admits(at(9)));
    assert!(breaker.admit(at(10)), "whoever probed is no more");
}

#[test]
fn of_what_persons_say_at_two_instances_the_later_word_counts() {
    let (mut one, mut other) = (Breaker::default(), opened(90));
    assert!(one.rest(true, at(100)));
    assert!(other.hear(&one) && !other.hear(&one));
    assert!(other.rests() && other.open().is_some(), "its own breaker is its own");
    assert!(other.rest(false, at(200)));
    assert!(!other.hear(&one), "an older word");
    assert!(one.hear(&other) && !one.rests() && one.open().is_none());
    assert_eq!(one.held_between(at(150), at(300)), Duration::from_secs(50));
    other.was_away(at(400), at(500));
    assert!(!one.hear(&other), "no person said that");
    assert_eq!(one.held_between(at(390), at(600)), Duration::from_secs(100));
}

#[test]
fn the_time_that_was_held_back_is_known() {
    let mut breaker = opened(100);
    assert!(breaker.admit(at(110)));
    breaker.heard(Sign::Answers, &POLICY, at(120));
    assert!(breaker.pause(true, at(200)) && !breaker.pause(true, at(210)));
    assert!(breaker.pause(false, at(300)) && !breaker.pause(false, at(310)));
    for (from, to, held) in [
        (0, 90, 0),
        (0, 110, 10),
        (105, 110, 5),
        (0, 150, 20),
        (110, 250, 60),
        (0, 1000, 120),
        (120, 200, 0),
        (300, 400, 0),
    ] {
        assert_eq!(breaker.held_between(at(from), at(to)), Duration::from_secs(held), "{from} {to}");
    }
    for _ in 0..3 {
        breaker.heard(fails(), &POLICY, at(400));
    }
    assert_eq!(breaker.held_between(at(390), at(450)), Duration::from_secs(50), "still open");
    breaker.rest(true, at(395));
    assert_eq!(breaker.held_between(at(390), at(450)), Duration::from_secs(55), "and resting");
    for second in 0..1000 {
        breaker.pause(second % 2 == 0, at(500 + second));
    }
    assert_eq!(breaker.spans.len(), SPANS_MAX);
}
