//! Lives that nobody would make up: whatever happens, and in whatever order, the rules hold.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;

use super::super::super::Act;
use super::*;

/// A pause that a target asks for, jitter and all, or a wait until the deadline; whatever the clock did.
const FARTHEST: Duration = Duration::from_secs(2 * 3600);
const LIVES: u32 = 500;
/// Patterns take their time to be read.
static POLICY: LazyLock<Policy> = LazyLock::new(policy);

/// What happens next, as far as the step that is due allows it.
#[derive(Clone, Debug)]
struct Turn {
    /// Which of the outcomes that are possible.
    which: usize,
    /// How the clock moves before it.
    seconds: i64,
    chance: f64,
    has_signal: bool,
    has_newer: bool,
    /// A newer owner has the lane.
    is_another_epoch: bool,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let seconds = select(vec![0, 1, 5, 30, 61, 599, 601, 2000, -1, -3600]);
    let turn = (0..1000_usize, seconds, 0.0..1.0, any::<[bool; 3]>());
    let turn = turn.prop_map(|(which, seconds, chance, [has_signal, has_newer, is_another_epoch])| Turn {
        which,
        seconds,
        chance,
        has_signal,
        has_newer,
        is_another_epoch,
    });
    proptest::collection::vec(turn, 1..60)
}

fn decisions() -> Vec<Decision> {
    let waiting = |seconds, forget, gives_way| Decision::Wait(Waiting { seconds, forget, gives_way });
    vec![
        Decision::Send(repeatable("create")),
        Decision::Send(once("order")),
        Decision::Send(Request { path: "//elsewhere".to_owned(), ..repeatable("astray") }),
        again(),
        renew(),
        waiting(None, false, true),
        waiting(Some(0), false, false),
        waiting(Some(30), true, false),
        waiting(Some(u32::MAX), true, true),
        Decision::Finish,
        Decision::Ignore("not ours".to_owned()),
        Decision::Park(Trouble::new("profile-unknown", "no such profile")),
    ]
}

/// Everything that can happen to anybody.
fn outcomes(now: Timestamp) -> Vec<Outcome> {
    let held = now + Duration::from_secs(5);
    let retry_after = |value: &str| Response {
        headers: vec![Header { name: "retry-after".to_owned(), value: value.to_owned() }],
        ..response(503)
    };
    let person = || Person { who: "ann".to_owned(), why: "mended".to_owned() };
    let newer = OperationId("01NEWER".to_owned());
    let mut all: Vec<Outcome> = decisions().into_iter().map(decided).collect();
    all.extend([
        Outcome::GaveWay { to: newer.clone() },
        Outcome::LaidDown(Box::new(LaidDown { began: now, ..frozen(0) })),
        not_read(),
        Outcome::NotRead { trouble: silence(), retry_after: Some(Duration::MAX) },
        Outcome::Absent,
        Outcome::Refused(Reason::RequestRefused.trouble("never")),
        Outcome::Compared { wanted: Wanted::Suspended, behind: behind("Account/Status/Changed") },
        Outcome::Compared { wanted: Wanted::Running, behind: behind("Account/Status/Changed") },
        Outcome::NotCompared { until: held },
        Outcome::Held { trouble: silence(), until: held },
        Outcome::Leaving { epoch: EPOCH },
        Outcome::Answered(response(200)),
        Outcome::Answered(retry_after("100000000")),
        Outcome::Answered(retry_after("Sun, 06 Nov 2094 08:49:37 GMT")),
        Outcome::NotSent(unreachable()),
        Outcome::Unanswered(silence()),
        Outcome::Unreadable(Reason::AnswerTooLarge.trouble("too large")),
        woken(),
        Outcome::Elapsed,
        Outcome::ByPerson(Act::Retry, person()),
        Outcome::ByPerson(Act::Restart { to: newer }, person()),
        Outcome::ByPerson(Act::Skip, person()),
    ]);
    all
}

/// Whether a step can bring that.
fn brings(step: &Step, outcome: &Outcome) -> bool {
    match step {
        Step::GiveWay(_) => matches!(outcome, Outcome::GaveWay { .. }),
        Step::Compare(_) => matches!(outcome, Outcome::Compared { .. } | Outcome::NotCompared { .. }),
        Step::Read => matches!(
            outcome,
            Outcome::LaidDown(_)
                | Outcome::NotRead { .. }
                | Outcome::Absent
                | Outcome::Refused(_)
                | Outcome::Held { .. }
        ),
        Step::Ask => matches!(outcome, Outcome::Decided { .. } | Outcome::Refused(_) | Outcome::Held { .. }),
        Step::Leave => matches!(outcome, Outcome::Leaving { .. } | Outcome::Held { .. }),
        Step::Send => matches!(
            outcome,
            Outcome::Answered(_)
                | Outcome::NotSent(_)
                | Outcome::Unanswered(_)
                | Outcome::Unreadable(_)
                | Outcome::Refused(_)
                | Outcome::Held { .. }
        ),
        Step::Doubt => matches!(outcome, Outcome::Unanswered(_)),
        Step::Wake(_) => matches!(outcome, Outcome::Woken(_)),
        Step::Elapse => matches!(outcome, Outcome::Elapsed),
    }
}

/// A life as far as it has come.
struct Life {
    story: Story,
    latest: Timestamp,
}

impl Life {
    fn begun() -> Self {
        Self { story: Story::received(), latest: at(0) }
    }

    fn passes(&mut self, turn: &Turn) {
        let second = Duration::from_secs(turn.seconds.unsigned_abs());
        let now = self.story.now;
        self.story.now = if turn.seconds < 0 { now - second } else { now + second };
        self.latest = self.latest.max(self.story.now);
    }

    fn next(&self, turn: &Turn) -> Next {
        let (news, newer) = (json("\"news\""), behind("Account/Product/Changed"));
        let head = Head {
            operation: &self.story.operation,
            signal: turn.has_signal.then_some(&news),
            behind: turn.has_newer.then_some(&newer),
            epoch: EPOCH + u64::from(turn.is_another_epoch),
        };
        next(&head, &POLICY, self.story.now)
    }

    /// What the step brings, or what a person wants of one that rests.
    fn outcome(&self, turn: &Turn, next: &Next) -> Option<Outcome> {
        let by_person = |outcome: &Outcome| matches!(outcome, Outcome::ByPerson(..));
        let may = |outcome: &Outcome| match next {
            Next::Do(step) => brings(step, outcome),
            Next::Rest | Next::RestUntil(_) => {
                by_person(outcome) && crate::domain::may_act_on(&self.story.operation).is_ok()
            }
        };
        let mut possible: Vec<Outcome> = outcomes(self.story.now).into_iter().filter(may).collect();
        let count = possible.len();
        (count > 0).then(|| possible.swap_remove(turn.which % count))
    }

    fn then(&mut self, outcome: Outcome, chance: f64) {
        let operation = self.story.operation.clone();
        self.story.last = apply(operation, outcome, &POLICY, self.story.now, Chance(chance));
        self.story.operation = self.story.last.operation.clone();
    }
}

/// The request that is to leave, or leaves, and how often it was tried.
fn tried(operation: &Operation) -> Option<(&Request, u32)> {
    match &operation.stage {
        Stage::Ready { request, attempts, .. } | Stage::OnItsWay { request, attempts, .. } => {
            Some((request, *attempts))
        }
        _ => None,
    }
}

fn rests_as_it_may(life: &Life, next: &Next) -> Result<(), TestCaseError> {
    let stage = &life.story.operation.stage;
    match next {
        Next::Do(_) => prop_assert!(stage.is_open(), "{} is moved", stage.word()),
        Next::RestUntil(until) => {
            prop_assert!(*until > life.story.now, "it spins");
            prop_assert!(*until <= life.latest + FARTHEST, "{} until {until}", stage.word());
        }
        Next::Rest => {
            let may = !stage.is_open() || matches!(stage, Stage::Parked { .. });
            prop_assert!(may, "{} waits without a date", stage.word());
        }
    }
    Ok(())
}

fn changed_as_it_may(
    before: &Operation,
    outcome: &Outcome,
    after: &Operation,
    change: &Change,
) -> Result<(), TestCaseError> {
    // Before its subscriber is read it has none that counts.
    let began = before.laid_down.is_none() && after.laid_down.is_some();
    prop_assert!(began || after.deadline >= before.deadline, "it has less time than before");
    prop_assert!(after.forgotten >= before.forgotten && after.readings <= before.readings + 1);
    if let (Some((was, attempts)), Some((is, now))) = (tried(before), tried(after)) {
        prop_assert!(was != is || now >= attempts, "{now} attempts after {attempts}");
    }
    // What may have arrived is the adapter's to ask after.
    if let (Outcome::Unanswered(_), Some((request, _))) = (outcome, tried(before))
        && request.delivery == Delivery::AtMostOnce
    {
        prop_assert!(tried(after).is_none(), "it is sent again of the host's own accord");
        prop_assert!(after.is_in_doubt());
    }
    if matches!(after.stage, Stage::Superseded { .. } | Stage::Skipped { .. }) {
        prop_assert!(change.statuses.is_empty(), "what gave way has no more to say");
    }
    let kept = serde_json::to_string(&(&after.stage, &after.moves, &after.said, &change.notes));
    let read = serde_json::from_str::<(Stage, Vec<Move>, BTreeMap<Service, Said>, Vec<Note>)>(
        &kept.expect("it can be written"),
    );
    let (stage, moves, said, notes) = read.expect("it can be read");
    prop_assert_eq!(&stage, &after.stage);
    prop_assert_eq!(&moves, &after.moves);
    prop_assert_eq!(&said, &after.said);
    prop_assert_eq!(&notes, &change.notes);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: LIVES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold(turns in turns()) {
        let mut life = Life::begun();
        for turn in &turns {
            life.passes(turn);
            let next = life.next(turn);
            rests_as_it_may(&life, &next)?;
            let Some(outcome) = life.outcome(turn, &next) else { continue };
            let before = life.story.operation.clone();
            life.then(outcome.clone(), turn.chance);
            changed_as_it_may(&before, &outcome, &life.story.operation, &life.story.last)?;
        }
    }

    /// An outcome that no step of that stage brings is a fault of ours, and even then nothing falls over.
    #[test]
    fn nothing_that_comes_at_the_wrong_time_stops_the_host(turns in turns(), strays in turns()) {
        let mut life = Life::begun();
        for turn in &turns {
            life.passes(turn);
            let next = life.next(turn);
            if let Some(outcome) = life.outcome(turn, &next) {
                life.then(outcome, turn.chance);
            }
        }
        for turn in &strays {
            life.passes(turn);
            let mut any = outcomes(life.story.now);
            let count = any.len();
            life.then(any.swap_remove(turn.which % count), turn.chance);
            let _ = life.next(turn);
        }
    }
}
