//! What must hold in every run, whatever goes wrong.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// What was answered as stored has its operations, until they ended.
    NothingIsLost,
    /// An event makes one operation in a lane, however often it comes.
    AnEventCountsOnce,
    /// No request leaves that is not written down as leaving, under the lease that holds.
    WrittenBeforeSent,
    /// A host has one request under way for a lane.
    OneSender,
    /// What an old owner writes is void.
    OldOwnersWriteNothing,
    /// What may have arrived and may not be repeated is not sent again, unless somebody has looked.
    NoRepeatInDoubt,
    /// What is open has a date, or is parked.
    WaitsHaveDates,
    /// Who is given a lane does something with it.
    NobodySpins,
    /// In good weather everything ends or is parked.
    EverythingEnds,
    /// What ended is not moved again.
    EndedStaysEnded,
    /// What an operation was begun with stays the same to the letter.
    FrozenStaysFrozen,
    /// News that were taken end the wait that they speak of.
    NewsArrive,
    /// PortaBilling hears no older word after a newer one.
    StatusesInOrder,
    /// What PortaBilling heard last is what is so.
    TheLastWordIsTold,
    /// What is done is reported as well, and what is parked as failed.
    StatusesAreTrue,
    /// Nothing is removed that PortaBilling has not closed.
    OnlyClosedIsRemoved,
    /// What stands outside is in the end what PortaBilling wants.
    OutsideIsAsWanted,
}

impl Promise {
    pub const ALL: [Self; 17] = [
        Self::NothingIsLost,
        Self::AnEventCountsOnce,
        Self::WrittenBeforeSent,
        Self::OneSender,
        Self::OldOwnersWriteNothing,
        Self::NoRepeatInDoubt,
        Self::WaitsHaveDates,
        Self::NobodySpins,
        Self::EverythingEnds,
        Self::EndedStaysEnded,
        Self::FrozenStaysFrozen,
        Self::NewsArrive,
        Self::StatusesInOrder,
        Self::TheLastWordIsTold,
        Self::StatusesAreTrue,
        Self::OnlyClosedIsRemoved,
        Self::OutsideIsAsWanted,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::NothingIsLost => "nothing-is-lost",
            Self::AnEventCountsOnce => "an-event-counts-once",
            Self::WrittenBeforeSent => "written-before-sent",
            Self::OneSender => "one-sender",
            Self::OldOwnersWriteNothing => "old-owners-write-nothing",
            Self::NoRepeatInDoubt => "no-repeat-in-doubt",
            Self::WaitsHaveDates => "waits-have-dates",
            Self::NobodySpins => "nobody-spins",
            Self::EverythingEnds => "everything-ends",
            Self::EndedStaysEnded => "ended-stays-ended",
            Self::FrozenStaysFrozen => "frozen-stays-frozen",
            Self::NewsArrive => "news-arrive",
            Self::StatusesInOrder => "statuses-in-order",
            Self::TheLastWordIsTold => "the-last-word-is-told",
            Self::StatusesAreTrue => "statuses-are-true",
            Self::OnlyClosedIsRemoved => "only-closed-is-removed",
            Self::OutsideIsAsWanted => "outside-is-as-wanted",
        }
    }
}

/// A promise that did not hold.
#[derive(Clone, Debug)]
pub struct Broken {
    pub promise: Promise,
    /// Of what, and how it was seen.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise.word(), self.what)
    }
}
