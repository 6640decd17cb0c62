//! The crash rounds of the suite in any number, told as rows of the table in `docs/reliability.md`.
//!
//! ```sh
//! cargo bench --workspace --profile dev --bench crashes -- --kills 500 --cuts 200
//! cargo bench --workspace --profile dev --bench crashes -- --kills 0 --cuts 0 --several 50    # three hosts on PostgreSQL
//! cargo bench --workspace --profile dev --bench crashes -- --kills 0 --cuts 0 --moves 50      # between the two engines
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use punchdown::cli::stage;
use punchdown_kit::postgres::Cluster;
use punchdown_tests::rounds::{End, Round, Tally};

const PROGRAM: &str = env!("CARGO_BIN_EXE_punchdown-under-test");
/// Each round has a journal and neighbours of its own.
const CYCLES_A_ROUND: u32 = 50;

type Failed = Box<dyn Error>;

struct Arguments {
    kills: u32,
    cuts: u32,
    several: u32,
    moves: u32,
    seed: u64,
    /// The host; another build of it, say.
    program: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let Arguments { kills, cuts, several, moves, seed, program } = arguments()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let adapter = stage::adapter(None, "oms-tmf641").await?;
    println!("| how it ends | cycles | events acknowledged | notifications | lost | doubled | stuck |");
    println!("|---|---|---|---|---|---|---|");
    let mut clean = true;
    for (end, cycles) in
        [(End::Kill, kills), (End::PowerCut, cuts), (End::OneOfSeveral, several), (End::Moves, moves)]
    {
        let began = Instant::now();
        let tally = rounds(end, cycles, seed, (&program, &adapter)).await?;
        println!("| {end:?} | {tally}");
        eprintln!("{end:?} took {} s", began.elapsed().as_secs());
        clean &= tally.is_clean();
    }
    if clean { Ok(()) } else { Err("the ledgers do not agree".into()) }
}

async fn rounds(
    end: End,
    cycles: u32,
    seed: u64,
    (program, adapter): (&Path, &Path),
) -> Result<Tally, Failed> {
    let mut tally = Tally::default();
    while tally.cycles < cycles {
        let folder = tempfile::Builder::new().prefix("punchdown-crashes-").tempdir()?;
        let cluster =
            matches!(end, End::OneOfSeveral | End::Moves).then(|| Cluster::start(&[])).transpose()?;
        let database = cluster.map(|cluster| cluster.database()).transpose()?;
        let round = Round {
            program: program.to_owned(),
            bent: None,
            adapter: adapter.to_owned(),
            folder: folder.path().to_owned(),
            end,
            disk_lies: false,
            database,
            cycles: CYCLES_A_ROUND.min(cycles - tally.cycles),
            seed: seed + u64::from(tally.cycles),
            patience: Duration::from_secs(120),
        };
        let this = round.play().await.inspect_err(|_| eprintln!("seed {}", round.seed))?;
        if !this.is_clean() {
            eprintln!("seed {}, kept: {}", round.seed, folder.keep().display());
        }
        tally = tally.and(this);
        eprintln!("{end:?}: {} of {cycles}", tally.cycles);
    }
    Ok(tally)
}

fn arguments() -> Result<Arguments, Failed> {
    let mut read =
        Arguments { kills: 50, cuts: 20, several: 0, moves: 0, seed: 189, program: PathBuf::from(PROGRAM) };
    // Cargo says `--bench` of its own.
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} of what?"))?;
        match word.as_str() {
            "--kills" => read.kills = value.parse()?,
            "--cuts" => read.cuts = value.parse()?,
            "--several" => read.several = value.parse()?,
            "--moves" => read.moves = value.parse()?,
            "--seed" => read.seed = value.parse()?,
            "--program" => read.program = value.into(),
            _ => {
                let known = "--kills, --cuts, --several, --moves, --seed and --program are";
                return Err(format!("{word} is not known: {known}").into());
            }
        }
    }
    Ok(read)
}
