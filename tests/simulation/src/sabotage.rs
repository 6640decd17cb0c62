//! Negative controls: what breaks a promise on purpose, so that it is seen that somebody notices.

use crate::journal::Flaw;
use crate::promise::Promise;

/// What is done to a run on purpose, so that it is seen that somebody notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    Journal(Flaw),
    /// PortaBilling's answers are of long ago.
    StaleReadings,
    /// Adapters send anew what may have arrived.
    BlindRepeats,
    /// Orders and jobs come to no end.
    NeverDone,
    /// Every event is taken for one that closes.
    EverythingCloses,
}

/// For each promise what breaks it.
pub const CONTROLS: [(Sabotage, Promise); 18] = [
    (Sabotage::Journal(Flaw::AnswersEarly), Promise::NothingIsLost),
    (Sabotage::Journal(Flaw::KnowsNoRepeats), Promise::AnEventCountsOnce),
    (Sabotage::Journal(Flaw::ForgetsMarks), Promise::WrittenBeforeSent),
    (Sabotage::Journal(Flaw::LeasesTwice), Promise::OneSender),
    (Sabotage::Journal(Flaw::ChecksNoEpoch), Promise::OldOwnersWriteNothing),
    (Sabotage::Journal(Flaw::LosesMarksAtStart), Promise::NoRepeatInDoubt),
    (Sabotage::BlindRepeats, Promise::NoRepeatInDoubt),
    (Sabotage::Journal(Flaw::LosesDates), Promise::WaitsHaveDates),
    (Sabotage::Journal(Flaw::KeepsDates), Promise::NobodySpins),
    (Sabotage::NeverDone, Promise::EverythingEnds),
    (Sabotage::Journal(Flaw::ReopensEnded), Promise::EndedStaysEnded),
    (Sabotage::Journal(Flaw::ThawsFrozen), Promise::FrozenStaysFrozen),
    (Sabotage::Journal(Flaw::DropsSignals), Promise::NewsArrive),
    (Sabotage::Journal(Flaw::TellsOldWords), Promise::StatusesInOrder),
    (Sabotage::Journal(Flaw::SettlesNewerWords), Promise::TheLastWordIsTold),
    (Sabotage::Journal(Flaw::KeepsGoodNews), Promise::StatusesAreTrue),
    (Sabotage::EverythingCloses, Promise::OnlyClosedIsRemoved),
    (Sabotage::StaleReadings, Promise::OutsideIsAsWanted),
];
