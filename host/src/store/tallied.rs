//! What a journal has counted as it came and went, and what stands open: the same of every engine.

use crate::domain::{Group, Timestamp};
use crate::ports::Overview;

/// The word of all events, which are of no group.
const EVENT: &str = "event";

/// So many operations of a group in a state, those that are open by when the oldest of them was received. With no word:
/// of all operations of a group that there have been, by when the newest was.
pub struct Tallied {
    pub group: String,
    pub word: String,
    pub count: i64,
    pub oldest: Option<i64>,
    pub newest: i64,
}

impl Tallied {
    pub fn tell(self, overview: &mut Overview) {
        let count = self.count.unsigned_abs();
        if self.group.is_empty() && self.word == EVENT {
            overview.events = count;
            return;
        }
        let group = Group(self.group);
        if self.word.is_empty() {
            overview.newest.insert(group, Timestamp::from_millis(self.newest));
            return;
        }
        if let Some(received) = self.oldest.map(Timestamp::from_millis) {
            let oldest = overview.oldest_open.entry(group.clone()).or_insert(received);
            *oldest = received.min(*oldest);
        }
        if count > 0 {
            *overview.operations.entry((group, self.word)).or_default() += count;
        }
    }
}
