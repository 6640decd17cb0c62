//! Thousands of lives of the host in memory, each with what its seed lets go wrong: every promise holds. That
//! each could fail to hold, and would be seen, is shown by breaking them one by one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use punchdown_simulation::promise::Promise;
use punchdown_simulation::run::{Outcome, run};
use punchdown_simulation::sabotage::CONTROLS;

const SEEDS: u64 = 1500;
/// What is broken on purpose is seen within so many.
const SEEDS_UNTIL_SEEN: u64 = 400;
const TRACE_LINES: usize = 80;

/// All runs that broke a promise, from as many threads as there are cores.
fn broken_among(seeds: u64) -> Vec<Outcome> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut broken = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return broken;
            }
            broken.extend(Some(run(seed, None)).filter(|outcome| outcome.broken.is_some()));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("it runs to its end")).collect()
    })
}

#[test]
fn every_promise_holds_whatever_goes_wrong() {
    let broken = broken_among(SEEDS);
    let reports: Vec<String> = broken.iter().map(|outcome| outcome.report(TRACE_LINES)).collect();
    let again = "see it again with: cargo run --bin punchdown-simulate -- SEED --trace";
    assert!(broken.is_empty(), "{} of {SEEDS} seeds; {again}\n{}", broken.len(), reports.join("\n\n"));
}

#[test]
fn the_same_seed_is_the_same_life_to_the_letter() {
    for seed in 0..50 {
        let (one, other) = (run(seed, None), run(seed, None));
        assert!(one.trace.len() > 20, "something happened");
        assert_eq!(one.trace, other.trace, "seed {seed}");
    }
    let lives: BTreeSet<Vec<String>> = (0..50).map(|seed| run(seed, None).trace).collect();
    assert_eq!(lives.len(), 50, "and another seed is another life");
}

#[test]
fn each_promise_is_seen_when_it_does_not_hold() {
    let controlled: BTreeSet<Promise> = CONTROLS.iter().map(|(_, promise)| *promise).collect();
    assert_eq!(controlled, BTreeSet::from(Promise::ALL), "each promise has its control");
    for (sabotage, promise) in CONTROLS {
        let seen = (0..SEEDS_UNTIL_SEEN)
            .find(|seed| run(*seed, Some(sabotage)).broken.is_some_and(|broken| broken.promise == promise));
        assert!(seen.is_some(), "{sabotage:?} breaks {}, and nobody sees it", promise.word());
    }
}
