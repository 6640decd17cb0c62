//! What can become of a request beside what it should.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Odd {
    /// `400`, the database is locked; nothing was done.
    Locked,
    /// `200` and `null`; nothing was done.
    PassedOver,
    /// It was done, and the answer is `200` and `null`.
    Wordless,
    /// `200` and the record as it was; nothing was done.
    Unchanged,
    /// `400`, a member that must be there is missing; nothing was done.
    Missing,
    /// `500`, a member that nobody knows; nothing was done.
    InvalidKeyword,
    /// `500`, and a `400` in its words: the body could not be read.
    BadJson,
    /// `500` without a word; nothing was done.
    BrokenEarly,
    /// The same after it was done.
    BrokenLate,
    /// `404`, as for a path that nobody knows.
    NoSuchPath,
    /// `200` and a page of somebody in between; nothing was done.
    Page,
    /// It was done, and the connection closes without an answer.
    Lost,
}

impl Odd {
    /// Whether what was asked for is done all the same.
    pub(super) fn does_it(self) -> bool {
        matches!(self, Self::BrokenLate | Self::Lost | Self::Wordless)
    }
}
