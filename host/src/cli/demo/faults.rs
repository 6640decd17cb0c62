//! What goes wrong in `demo --faults`: all that the neighbours know to do wrongly and that must
//! still come to a good end. It is counted afterwards what really struck.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use punchdown_kit::espf::Espf;
use punchdown_kit::oms::{Manners, Misdeed, Odd};
use punchdown_kit::portabilling::{Fault, When};
use punchdown_kit::postgres::{Database, Ending};

use super::emit;
use super::progress::Progress;
use crate::cli::judge::{Verdict, judge};
use crate::cli::stage::Stage;

/// Of the order system: a share of the orders each.
pub const MANNERS: Manners = Manners {
    repeats_notice: 0.3,
    early_notice: 0.2,
    loses_answer: 0.2,
    loses_notice: 0.2,
    busy: 0.2,
    late_notice: 0.2,
};

/// Longer than an answer is waited for.
const SILENCE: Duration = Duration::from_secs(3);
/// What has not struck by then may find nobody any more.
const STRIKES_WITHIN: Duration = Duration::from_secs(300);
/// From so many accounts on, chance is no excuse for what never struck.
const ALL_STRIKE_FROM: u64 = 100;

const ODD: [Odd; 7] =
    [Odd::Empty, Odd::Located, Odd::Taken, Odd::Duplicate, Odd::BrokenLate, Odd::BrokenEarly, Odd::Page];

/// From the first event on.
pub fn begin(stage: &Stage, espf: &Espf, progress: &Progress) {
    espf.emit_duplicates(0.2);
    let faults = stage.billing.faults();
    for (fault, share) in [
        (Fault::Busy, 0.04),
        (Fault::HtmlPage, 0.03),
        (Fault::HangUp, 0.03),
        (Fault::Delay(Duration::from_millis(300)), 0.1),
        (Fault::StatusRefused(503), 0.1),
    ] {
        // Once for certain, whatever chance says.
        faults.strike(fault.clone(), When::Next(1));
        faults.strike(fault, When::Share(share));
    }
    // Not of a status: whoever answers 200 has taken it.
    for fault in [Fault::EmptyAnswer, Fault::CutAnswer] {
        faults.strike_on(INFO, fault.clone(), When::Next(1));
        faults.strike_on(INFO, fault, When::Share(0.05));
    }
    progress.say("PortaBilling: 503, HTML, empty, cut, slow and no answers; events that come twice");
    progress.say("the order system: 503, lost answers, early, late, repeated and lost notices");
}

const INFO: &str = "Account/get_account_info";

/// What lasts a while, one after the other, each while events of the accounts that were held back
/// come in. From its end on PortaBilling is well again: a status that is refused time after time is
/// told again only after ten minutes.
pub async fn a_bad_minute(stage: &Stage, espf: &Espf, progress: &Progress, held: RangeInclusive<u64>) {
    let few = (held.end() + 1 - held.start()).div_ceil(4);
    let silent_from = held.end() + 1 - few;
    let locked_from = silent_from + few.div_ceil(2);
    let so_far = |next: u64| Scene { stage, espf, accounts: next - 1 };

    ODD.into_iter().for_each(|odd| stage.oms.answer_next(odd));
    progress
        .say("the order system: answers without an order, 202, 409, 500 after and before it was made, 502");
    emit(espf, *held.start()..=silent_from - 1);
    let all_answered = || {
        let misdeeds = stage.oms.ledger().misdeeds;
        ODD.iter().all(|odd| misdeeds.contains_key(&Misdeed::Answered(*odd)))
    };
    so_far(silent_from).until_struck(all_answered).await;

    stage.oms.hold_answers(true);
    progress.say("the order system is silent");
    let given_up = || stage.oms.ledger().misdeeds.get(&Misdeed::Silence).copied().unwrap_or_default();
    let before = given_up();
    emit(espf, silent_from..=locked_from - 1);
    tokio::time::sleep(SILENCE).await;
    so_far(locked_from).until_struck(|| given_up() > before).await;
    stage.oms.hold_answers(false);

    stage.billing.faults().strike(Fault::LoginLockedOut, When::Next(1));
    stage.billing.faults().expire_sessions();
    progress.say("PortaBilling ends every session and locks the user out; no log-in is tried for a minute");
    emit(espf, locked_from..=*held.end());
    let locked_out = || stage.billing.ledger().struck.contains_key(Fault::LoginLockedOut.name());
    so_far(held.end() + 1).until_struck(locked_out).await;
    stage.billing.faults().clear();
}

/// What the host must live through while work is under way: its connections are cut, and its PostgreSQL dies.
pub async fn database_goes(database: &Database, progress: &Progress) -> io::Result<()> {
    progress.say("PostgreSQL: all connections are cut");
    let cut = database.clone();
    tokio::task::spawn_blocking(move || cut.cut()).await.map_err(io::Error::other)??;
    tokio::time::sleep(SILENCE).await;
    progress.say("PostgreSQL ends as if its machine had gone, and comes back");
    let cluster = Arc::clone(&database.cluster);
    let goes = move || cluster.end(Ending::Immediate).and_then(|()| cluster.begin());
    tokio::task::spawn_blocking(goes).await.map_err(io::Error::other)?
}

/// The accounts whose events were emitted so far.
struct Scene<'a> {
    stage: &'a Stage,
    espf: &'a Espf,
    accounts: u64,
}

impl Scene<'_> {
    /// Until it has struck, or nothing is under way any more that it could strike.
    async fn until_struck(&self, struck: impl Fn() -> bool) {
        let began = Instant::now();
        while !struck() && began.elapsed() < STRIKES_WITHIN {
            let drained = self.espf.drained(Duration::from_millis(1)).await;
            if drained && judge(self.stage, self.espf, self.accounts).is_settled() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// What struck, by the ledgers of those who did it, and how often.
pub struct Strikes(Vec<(&'static str, Vec<(&'static str, u64)>)>);

impl Strikes {
    pub fn count(stage: &Stage, espf: &Espf) -> Self {
        let struck = stage.billing.ledger().struck;
        let of_billing = [
            Fault::Busy,
            Fault::HtmlPage,
            Fault::EmptyAnswer,
            Fault::CutAnswer,
            Fault::Delay(Duration::ZERO),
            Fault::HangUp,
            Fault::StatusRefused(503),
            Fault::LoginLockedOut,
        ];
        let of_billing = of_billing.map(|fault| {
            let name = fault.name();
            (name, struck.get(name).copied().unwrap_or_default())
        });
        let misdeeds = stage.oms.ledger().misdeeds;
        let of_oms = [
            ("503", Misdeed::Busy),
            ("answers lost", Misdeed::AnswerLost),
            ("given up in silence", Misdeed::Silence),
            ("notices early", Misdeed::NoticeEarly),
            ("late", Misdeed::NoticeLate),
            ("repeated", Misdeed::NoticeRepeated),
            ("lost", Misdeed::NoticeLost),
            ("201 without a word", Misdeed::Answered(Odd::Empty)),
            ("201 and a place alone", Misdeed::Answered(Odd::Located)),
            ("202", Misdeed::Answered(Odd::Taken)),
            ("409", Misdeed::Answered(Odd::Duplicate)),
            ("500 with an order", Misdeed::Answered(Odd::BrokenLate)),
            ("500 without", Misdeed::Answered(Odd::BrokenEarly)),
            ("502", Misdeed::Answered(Odd::Page)),
        ];
        let of_oms =
            of_oms.map(|(name, misdeed)| (name, misdeeds.get(&misdeed).copied().unwrap_or_default()));
        let twice = |answers: &[String]| answers.iter().filter(|answer| *answer == "200").count() > 1;
        let twice = espf.ledger().events.iter().filter(|event| twice(&event.answers)).count();
        Self(vec![
            ("the ESPF: events twice", vec![("", twice as u64)]),
            ("PortaBilling:", of_billing.into()),
            ("the order system:", of_oms.into()),
        ])
    }

    /// Prints it; what never struck is wrong where there was enough to strike.
    pub fn tell(&self, accounts: u64, verdict: &mut Verdict) {
        println!("\nwhat went wrong: {self}");
        let never = self.0.iter().flat_map(|(whose, kinds)| {
            let never = kinds.iter().filter(|(_, count)| *count == 0);
            never.map(move |(kind, _)| format!("{whose} {kind}: it never struck"))
        });
        let never: Vec<String> = never.collect();
        if accounts >= ALL_STRIKE_FROM {
            verdict.hear(&never);
        } else if !never.is_empty() {
            println!("too few accounts for all of it: {}", never.join("; "));
        }
    }
}

impl fmt::Display for Strikes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.iter().map(|(whose, kinds)| {
            let kinds = kinds.iter().map(|(kind, count)| format!("{kind} {count}").trim_start().to_owned());
            format!("{whose} {}", kinds.collect::<Vec<_>>().join(", "))
        });
        f.write_str(&whole.collect::<Vec<_>>().join("; "))
    }
}
