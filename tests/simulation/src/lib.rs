//! The host's decisions and its engine, run whole in memory: over a journal that keeps the promises of the
//! real one, a clock that is held, and systems outside that do what a seed says. Thousands of lives in a
//! minute; the same seed is the same life to the letter.
//!
//! | module | what it is |
//! |---|---|
//! | [`journal`] | the journal in memory, and the promises that it can be made to break |
//! | [`plan`], [`weather`] | what a seed means: what happens, and what goes wrong |
//! | [`universe`] | the clock, chance, and all that a host does not own |
//! | [`hands`] | the ports of a host |
//! | [`flow`], [`system`] | adapters, and the systems that they speak to |
//! | [`promise`] | what must hold |
//! | [`watch`], [`verdict`] | whether it does, at every write and at the end |
//! | [`sabotage`] | that it would be seen if it did not |
//! | [`run`] | one run |

pub mod chance;
pub mod deeds;
pub mod flow;
pub mod hands;
pub mod journal;
pub mod ledger;
pub mod outside;
pub mod plan;
pub mod promise;
pub mod run;
pub mod sabotage;
pub mod system;
pub mod universe;
pub mod verdict;
pub mod watch;
pub mod weather;
