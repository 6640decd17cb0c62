//! Runs one seed and shows what happened, or many and says what did not hold.

use std::process::ExitCode;

use clap::Parser;
use punchdown_simulation::run::{Outcome, run};
use punchdown_simulation::sabotage::CONTROLS;

#[derive(Parser)]
#[command(about = "Runs the host in memory, with all that goes wrong drawn from a seed")]
struct Arguments {
    /// The seed, or the first of several.
    seed: u64,
    /// How many, one after the other.
    #[arg(default_value_t = 1)]
    count: u64,
    /// Shows all that happened, and not the end alone.
    #[arg(long)]
    trace: bool,
    /// Shows the host's own log, too.
    #[arg(long)]
    log: bool,
    /// Breaks promises on purpose, each in its own way, and says after how many seeds that was seen.
    #[arg(long)]
    controls: bool,
}

const LINES: usize = 60;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.log {
        punchdown::telemetry::start_logging("info");
    }
    let seeds = || arguments.seed..arguments.seed + arguments.count;
    if arguments.controls {
        return controls(seeds);
    }
    let mut broken = 0;
    let lines = if arguments.trace { usize::MAX } else { LINES };
    for seed in seeds() {
        let outcome = run(seed, None);
        broken += u64::from(outcome.broken.is_some());
        if outcome.broken.is_some() || arguments.count == 1 {
            tell(&outcome, lines);
        }
    }
    println!("{} seeds, {broken} of them broke a promise", arguments.count);
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(outcome: &Outcome, lines: usize) {
    println!("{}", outcome.report(lines));
    let counts = outcome.counts;
    println!(
        "{} operations, {} requests, {} starts, {} s",
        counts.operations, counts.requests, counts.lives, counts.seconds
    );
}

fn controls<I: Iterator<Item = u64>>(seeds: impl Fn() -> I) -> ExitCode {
    let mut unseen = 0;
    for (sabotage, promise) in CONTROLS {
        let sees =
            |seed: &u64| run(*seed, Some(sabotage)).broken.is_some_and(|broken| broken.promise == promise);
        match seeds().find(sees) {
            Some(seed) => println!("{}: {sabotage:?} is seen with seed {seed}", promise.word()),
            None => {
                unseen += 1;
                println!("{}: {sabotage:?} is never seen", promise.word());
            }
        }
    }
    if unseen == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
