//! What goes wrong in a run, and how often: drawn once from its seed.

use crate::chance::Dice;

/// Each so many times in a thousand.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// The journal has no room now.
    pub journal_busy: u32,
    /// It says that it could not write, and has not.
    pub journal_fails: u32,
    /// It says so, and has.
    pub journal_fails_after: u32,
    /// The process is killed in a call of a port, before or after that did its work.
    pub crash_in_call: u32,
    /// A host stands still as it is about to write, and wakes when its lease is over.
    pub stands_still: u32,
    pub billing_out: u32,
    pub billing_refuses_login: u32,
    pub billing_refuses: u32,
    /// What a whole group needs to send is not to be had.
    pub lacks: u32,
    pub not_sent: u32,
    pub lost_on_the_way: u32,
    pub lost_on_the_way_back: u32,
    pub unavailable: u32,
    /// For longer than a step may take.
    pub hangs: u32,
    pub answers_too_much: u32,
    pub refuses_for_good: u32,
    pub session_ends: u32,
    pub adapter_stops: u32,
    pub status_refused: u32,
    pub status_answer_lost: u32,
    pub no_status_session: u32,
    pub event_twice: u32,
    pub notification_twice: u32,
    pub notification_lost: u32,
    pub notification_early: u32,
}

impl Weather {
    /// Some days are fair, and on some all goes wrong.
    pub fn of(dice: &mut Dice) -> Self {
        let badness = *dice.pick(&[0, 300, 500, 800]);
        let mut of = |mild: u32, hard: u32| match (dice.permille(badness), dice.permille(300)) {
            (false, _) => 0,
            (true, false) => mild,
            (true, true) => hard,
        };
        Self {
            journal_busy: of(3, 30),
            journal_fails: of(3, 30),
            journal_fails_after: of(3, 30),
            crash_in_call: of(1, 6),
            stands_still: of(2, 15),
            billing_out: of(30, 400),
            billing_refuses_login: of(10, 100),
            billing_refuses: of(2, 20),
            lacks: of(20, 200),
            not_sent: of(30, 300),
            lost_on_the_way: of(30, 250),
            lost_on_the_way_back: of(30, 250),
            unavailable: of(50, 400),
            hangs: of(5, 30),
            answers_too_much: of(3, 20),
            refuses_for_good: of(5, 30),
            session_ends: of(30, 300),
            adapter_stops: of(5, 60),
            status_refused: of(50, 400),
            status_answer_lost: of(50, 300),
            no_status_session: of(30, 200),
            event_twice: of(100, 600),
            notification_twice: of(100, 500),
            notification_lost: of(50, 400),
            notification_early: of(100, 700),
        }
    }
}
