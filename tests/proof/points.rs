//! The points at which a host can be killed, by name.
//!
//! All that a host does outside stands between two writes to its journal. So a kill right before and right after
//! each write, and of `save` each stage that it can write, are all the kills that leave different worlds behind. A
//! read changes nothing: a kill at one is a kill after the write before it.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use punchdown::domain::Stage;
use punchdown::ports::Journal;

use crate::journal::{Bent, WRITES};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Before,
    After,
}

/// Where a host is killed: the nth time that it comes by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub side: Side,
    pub write: String,
    pub nth: u32,
}

/// The names of all writes.
pub fn writes() -> Vec<String> {
    let saves = Stage::WORDS.iter().map(|stage| format!("save {stage}"));
    WRITES.iter().map(|write| (*write).to_owned()).chain(saves).collect()
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Before => "before",
            Side::After => "after",
        };
        write!(f, "{side} {} {}", self.nth, self.write)
    }
}

/// `before 1 save ready`.
impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.splitn(3, ' ');
        let side = match words.next() {
            Some("before") => Side::Before,
            Some("after") => Side::After,
            _ => return Err(format!("`{text}` begins neither with `before` nor with `after`")),
        };
        let nth = words.next().and_then(|nth| nth.parse().ok()).ok_or("the how manyth time?")?;
        let write = words.next().unwrap_or_default().to_owned();
        match writes().contains(&write) {
            true => Ok(Self { side, write, nth }),
            false => Err(format!("`{write}` is no write of the journal")),
        }
    }
}

/// A journal that takes its process along.
pub struct Dies {
    journal: Box<dyn Journal>,
    at: Point,
    passed: AtomicU32,
}

impl Dies {
    pub fn new(journal: Box<dyn Journal>, at: Point) -> Self {
        Self { journal, at, passed: AtomicU32::new(0) }
    }

    /// Ends as by SIGKILL: nothing is unwound, flushed or said.
    fn pass(&self, side: Side, write: &str) {
        if self.at.side == side
            && self.at.write == write
            && self.passed.fetch_add(1, Ordering::Relaxed) + 1 == self.at.nth
        {
            std::process::abort();
        }
    }
}

impl Bent for Dies {
    fn journal(&self) -> &dyn Journal {
        &*self.journal
    }

    fn before(&self, write: &str) {
        self.pass(Side::Before, write);
    }

    fn after(&self, write: &str) {
        self.pass(Side::After, write);
    }
}
