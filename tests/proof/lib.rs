//! What the promise "nothing lost, nothing doubled" is proven with: the suite and the benches stand on it, and the
//! bent hosts are made of it. What is promised, and what these runs have shown, is in `docs/reliability.md`.

pub mod broken;
pub mod disk;
pub mod fleet;
pub mod journal;
pub mod points;
pub mod question;
pub mod rounds;
pub mod times;
