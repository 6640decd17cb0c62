//! Promises that a journal can be made to break, so that it is seen that somebody notices.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It answers before it has stored: every seventh event is lost.
    AnswersEarly,
    /// A known identity makes its operations once more.
    KnowsNoRepeats,
    /// A lane that somebody holds is given to the next one who asks.
    LeasesTwice,
    /// Whoever held a lane once may write for ever.
    ChecksNoEpoch,
    /// That a request is on its way is answered as written, and is not.
    ForgetsMarks,
    /// After a start nobody knows any more that a request was on its way.
    LosesMarksAtStart,
    /// A lane that is given back has no date.
    LosesDates,
    /// A lane that is given back is due, whatever stands in it.
    KeepsDates,
    /// What ended is given out again.
    ReopensEnded,
    /// What is laid down is taken down again with every step.
    ThawsFrozen,
    /// Signals are answered as stored, and are not.
    DropsSignals,
    /// A word that was told settles the one that came after it, too.
    SettlesNewerWords,
    /// An older word may take the place of a newer one.
    TellsOldWords,
    /// Good news are not put into the outbox.
    KeepsGoodNews,
}
