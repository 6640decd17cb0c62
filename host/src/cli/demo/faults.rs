//! What goes wrong in `demo --faults`: all that the neighbours know to do wrongly and that must
//! still come to a good end.

use std::time::Duration;

use punchdown_kit::espf::Espf;
use punchdown_kit::oms::{Manners, Odd};
use punchdown_kit::portabilling::{Fault, When};

use super::progress::Progress;
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
const SILENCE: Duration = Duration::from_secs(5);

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
        faults.strike(fault, When::Share(share));
    }
    // Not of a status: whoever answers 200 has taken it.
    for fault in [Fault::EmptyAnswer, Fault::CutAnswer] {
        faults.strike_on("Account/get_account_info", fault, When::Share(0.05));
    }
    progress.say("PortaBilling: 503, HTML, empty, cut, slow and no answers; events that come twice");
    progress.say("the order system: 503, lost answers, early, late, repeated and lost notices");
}

/// What lasts a while, one after the other.
pub async fn a_bad_minute(stage: &Stage, progress: &Progress) {
    ODD.into_iter().for_each(|odd| stage.oms.answer_next(odd));
    progress
        .say("the order system: answers without an order, 202, 409, 500 after and before it was made, 502");
    stage.oms.hold_answers(true);
    progress.say("the order system is silent");
    tokio::time::sleep(SILENCE).await;
    stage.oms.hold_answers(false);
    stage.billing.faults().strike(Fault::LoginLockedOut, When::Next(1));
    stage.billing.faults().expire_sessions();
    progress.say("PortaBilling ends every session and locks the user out; no log-in is tried for a minute");
}
