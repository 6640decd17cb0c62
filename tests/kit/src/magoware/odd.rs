//! What can become of a request beside what it should.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Odd {
    /// A redirection to an error page; nothing was done.
    ErrorPage,
    /// The same after it was done.
    ErrorPageLate,
    /// `200` and a page of somebody in between; nothing was done.
    Page,
    /// `200` and a false status; nothing was done.
    StatusFalse,
    /// `404` and a false status: the transaction was rolled back.
    RolledBack,
    /// `400` and a sentence: the query did not run.
    QueryFailed,
    /// `200` and the database's error, printed.
    PrintedError,
    /// `200` and the record as it was; nothing was done.
    Unchanged,
    /// `503`; nothing was done.
    Busy,
    /// It was done, and the connection closes without an answer.
    Lost,
}

impl Odd {
    pub(super) fn does_it(self) -> bool {
        matches!(self, Self::ErrorPageLate | Self::Lost)
    }
}
