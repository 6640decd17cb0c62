//! What an order system can do wrong, as its ledger counts it.

use super::odd::Odd;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misdeed {
    /// HTTP 503, and no order was made.
    Busy,
    /// The order was made, and the connection was closed instead of an answer.
    AnswerLost,
    /// The client closed the connection, or died, before it was answered.
    Silence,
    /// A notice of an order that its client did not know of yet.
    NoticeEarly,
    /// A notice of what was before the end, after it.
    NoticeLate,
    NoticeRepeated,
    NoticeLost,
    Answered(Odd),
}
