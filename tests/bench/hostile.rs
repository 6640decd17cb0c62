//! Whether a hostile adapter is its own group's trouble: nine groups ask a decent one at a steady pace, and the tenth
//! asks a hostile one without a pause, from as many tasks as a group has turns and more. Measured is how long the nine wait for
//! an answer, and how long after it was due each has its next request in hand; quiet pieces and hostile ones take turns.
//!
//! ```sh
//! cargo bench -p punchdown-tests --bench hostile -- --rate 200 --seconds 4
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use punchdown::cli::stage;
use punchdown::domain::{Decision, Group, Json};
use punchdown::ports::{AdapterError, Question};
use punchdown::toolchain::{component_from_module, embed_contract};
use punchdown::wasm::{Catalog, Limits, Sandbox, Serving};
use punchdown_tests::question::about_new_account;
use punchdown_tests::times::{Times, shown};

const GROUPS: u64 = 9;
const HOSTILE: &str = "HOSTILE";
/// Twice as many as a group may ask at once.
const ASKING: usize = 8;
/// Each kind is held against the quiet pieces before it.
const TURNS: u32 = 3;
const CONFIG: &str = "{\"specification\":\"mobile-line\"}";

type Failed = Box<dyn Error>;

/// A hostile guest: its name, and its module as a text that stands in place of another one.
struct Kind {
    name: &'static str,
    guest: &'static str,
    bend: Option<(&'static str, &'static str)>,
}

const fn as_it_is(name: &'static str) -> Kind {
    Kind { name, guest: name, bend: None }
}

const KINDS: [Kind; 10] = [
    as_it_is("spins"),
    as_it_is("recurses"),
    as_it_is("hoards"),
    Kind {
        name: "hoards by the page",
        guest: "hoards",
        bend: Some(("(memory.grow (i32.const 16))", "(memory.grow (i32.const 1))")),
    },
    as_it_is("floods"),
    as_it_is("multiplies"),
    as_it_is("shouts"),
    as_it_is("chatters"),
    Kind {
        name: "chatters for ever",
        guest: "traps",
        bend: Some((
            "(call $log (i32.const 3) (i32.const 4096) (i32.const 26))",
            "(loop $again (call $log (i32.const 3) (i32.const 4096) (i32.const 26)) (br $again))",
        )),
    },
    as_it_is("traps"),
];

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let (rate, piece) = arguments()?;
    let sandbox = Sandbox::new()?;
    let decent = sandbox.load(&stage::adapter(None, "oms-tmf641").await?).await?;
    let folder = tempfile::Builder::new().prefix("punchdown-bench-").tempdir()?;
    println!(
        "{GROUPS} groups ask {rate} times a second, {TURNS} times {piece:?} each; `limits.time` is 1 s\n"
    );
    println!(
        "{:<20} {:>8} {:>26} {:>26} {:>13}",
        "", "", "answer, p50 / p99", "to the request, p50 / p99", "p99 to quiet"
    );
    for kind in KINDS {
        let path = folder.path().join("hostile.wasm");
        std::fs::write(&path, component(&kind)?)?;
        let hostile = sandbox.load(&path).await?;
        let serving = |adapter: &_, limits| -> Result<Serving, Failed> {
            let config = Json::parse(CONFIG.to_owned())?;
            Ok(Serving { adapter: Clone::clone(adapter), config, notify_at: None, limits })
        };
        let mut groups = vec![(Group(HOSTILE.to_owned()), serving(&hostile, Limits::default())?)];
        for group in 0..GROUPS {
            groups.push((Group(format!("G{group}")), serving(&decent, Limits::default())?));
        }
        compare(&kind, &Arc::new(Catalog::new(groups)), rate, piece).await?;
    }
    Ok(())
}

fn arguments() -> Result<(f64, Duration), Failed> {
    let (mut rate, mut seconds) = (200.0, 4.0);
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value: f64 = words.next().ok_or_else(|| format!("{word} of what?"))?.parse()?;
        match word.as_str() {
            "--rate" => rate = value,
            "--seconds" => seconds = value,
            _ => return Err(format!("{word} is not known: --rate and --seconds are").into()),
        }
    }
    if rate <= 0.0 || seconds <= 0.0 {
        return Err("both are more than nothing".into());
    }
    Ok((rate, Duration::from_secs_f64(seconds)))
}

/// The component of a guest, of the same texts as the suite's.
fn component(kind: &Kind) -> Result<Vec<u8>, Failed> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |name: &str| std::fs::read_to_string(tests.join("guests").join(name).with_extension("wat"));
    let own = text(kind.guest)?;
    let own = match kind.bend {
        Some((from, to)) if own.contains(from) => own.replacen(from, to, 1),
        Some((from, _)) => return Err(format!("{} has no `{from}`", kind.guest).into()),
        None => own,
    };
    let module = [text("common")?, text("unnotified")?, own].concat();
    let contract = std::fs::read_to_string(tests.join("../wit/adapter.wit"))?;
    let module = embed_contract(wat::parse_str(module)?, &contract).map_err(|error| error.to_string())?;
    Ok(component_from_module(&module).map_err(|error| format!("{error:?}"))?)
}

/// What the nine waited for.
#[derive(Default)]
struct Waited {
    answers: Times,
    requests: Times,
}

impl Waited {
    fn append(&mut self, other: Self) {
        self.answers.append(other.answers);
        self.requests.append(other.requests);
    }

    fn told(&mut self) -> (String, String) {
        let two = |times: &mut Times| format!("{} / {}", shown(times.share(0.5)), shown(times.share(0.99)));
        (two(&mut self.answers), two(&mut self.requests))
    }

    fn p99(&mut self) -> (f64, f64) {
        (self.answers.share(0.99).as_secs_f64(), self.requests.share(0.99).as_secs_f64())
    }
}

async fn compare(kind: &Kind, catalog: &Arc<Catalog>, rate: f64, piece: Duration) -> Result<(), Failed> {
    let (mut quiet, mut beside) = (Waited::default(), Waited::default());
    let (mut asked, mut codes) = (0, std::collections::BTreeSet::new());
    // Whatever is made at the first questions is made.
    paced(catalog, rate, Duration::from_secs(1)).await?;
    for _ in 0..TURNS {
        quiet.append(paced(catalog, rate, piece).await?);
        let hostile = Hostile::begin(catalog);
        beside.append(paced(catalog, rate, piece).await?);
        let (questions, code) = hostile.end().await?;
        asked += questions;
        codes.extend(code);
    }
    let ((answers, requests), (answers_beside, requests_beside)) = (quiet.told(), beside.told());
    let ((quiet_answer, quiet_request), (answer, request)) = (quiet.p99(), beside.p99());
    println!("{:<20} {:>8} {answers:>26} {requests:>26}", kind.name, "quiet");
    let ratios = format!("{:.2} / {:.2}", answer / quiet_answer, request / quiet_request);
    println!("{:<20} {:>8} {answers_beside:>26} {requests_beside:>26} {ratios:>13}", "", "beside");
    let codes = codes.into_iter().collect::<Vec<_>>().join(", ");
    println!("{:<20} {asked} questions to it, that ended in: {codes}", "");
    Ok(())
}

/// The tenth group, asking for all it is worth.
struct Hostile {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<Option<String>>>,
}

impl Hostile {
    fn begin(catalog: &Arc<Catalog>) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let task = |_| {
            let (stop, asked, catalog) = (Arc::clone(&stop), Arc::clone(&asked), Arc::clone(catalog));
            tokio::spawn(async move {
                let mut last = None;
                while !stop.load(Ordering::Relaxed) {
                    let answer = catalog.provision(question(HOSTILE)).await;
                    asked.fetch_add(1, Ordering::Relaxed);
                    last = Some(answer.err().map_or_else(|| "an answer".to_owned(), |error| code(&error)));
                }
                last
            })
        };
        let tasks = (0..ASKING).map(task).collect();
        Self { stop, asked, tasks }
    }

    /// How often it was asked, and what came of that.
    async fn end(self) -> Result<(u64, Vec<String>), Failed> {
        self.stop.store(true, Ordering::Relaxed);
        let mut codes = Vec::new();
        for task in self.tasks {
            codes.extend(task.await?);
        }
        Ok((self.asked.load(Ordering::Relaxed), codes))
    }
}

fn code(error: &AdapterError) -> String {
    error.code().to_owned()
}

/// The nine for so long, each question when it is due.
async fn paced(catalog: &Arc<Catalog>, rate: f64, during: Duration) -> Result<Waited, Failed> {
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    let (began, mut number, mut asking) = (Instant::now(), 0_u64, tokio::task::JoinSet::new());
    while began.elapsed() < during {
        let due = pace.tick().await.into_std();
        let (group, catalog) = (format!("G{}", number % GROUPS), Arc::clone(catalog));
        number += 1;
        asking.spawn(async move {
            let asked = Instant::now();
            let question = question(&group);
            let answer = catalog.provision(question).await.map_err(|error| error.to_string())?;
            match answer.0.decision {
                Decision::Send(_) => Ok::<_, String>((asked.elapsed(), due.elapsed())),
                other => Err(format!("it decides `{}`", other.word())),
            }
        });
    }
    let mut waited = Waited::default();
    while let Some(one) = asking.join_next().await {
        let (answer, request) = one??;
        waited.answers.add(answer);
        waited.requests.add(request);
    }
    Ok(waited)
}

fn question(group: &str) -> Question {
    let documents = "{\"account_info\":{\"i_account\":189,\"product_name\":\"GOLD\"},\"sim_card\":null}";
    about_new_account(group, CONFIG, documents)
}
