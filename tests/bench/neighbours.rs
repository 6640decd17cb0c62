//! Whether a group's trouble is its own: ten groups on one host and one journal, each with an order
//! system of its own, and the tenth system is a black hole now and then. Measured is how long the
//! others take meanwhile, from the event that was accepted to its `OK` in PortaBilling.
//!
//! ```sh
//! cargo bench -p punchdown-tests --bench neighbours -- --rate 20 --minutes 5
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use punchdown::cli::stage::{self, OMS_TOKEN, Setting, Stage};
use punchdown_kit::espf::Espf;
use punchdown_kit::front::{self, Demand, Front};
use punchdown_kit::oms::{self, Notify, NotifyAuth, Oms};
use punchdown_kit::portabilling::{self, Account, PortaBilling, StatusSeen};
use punchdown_tests::times::{Times, shown};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_punchdown-under-test");
const GROUPS: u64 = 10;
/// The group with the black hole.
const STUCK: u64 = 9;
/// A minute is quiet and the next one black, in turns, so that what else the machine does meets both.
const PIECE: Duration = Duration::from_secs(60);
/// Caches and connections are made; not measured.
const WARM_UP: Duration = Duration::from_secs(10);
/// After each black piece, while the tenth group makes up for what it missed; not measured.
const RECOVERY: Duration = Duration::from_secs(20);
const HOOK_SECRET: &str = "whsec_YmVuY2gtd2ViaG9vay1zZWNyZXQtb2YtcHVuY2hkb3du";
/// A system that is found to be away is asked every few seconds, so that the run is short.
const TARGET: &str =
    "timeout = \"5s\"\nretry = [\"1s\", \"2s\"]\nbreaker = { pause = \"2s\", pause-max = \"4s\" }";

type Failed = Box<dyn Error>;

struct Arguments {
    /// Events a second over all groups; each is of an account of its own.
    rate: f64,
    /// Black minutes; there are as many quiet ones.
    minutes: u32,
}

impl Phase {
    const fn word(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Black => "black",
        }
    }
}

/// A quiet minute, or a black one.
struct Piece {
    turn: u32,
    phase: Phase,
    time: Range<SystemTime>,
}

/// What the tenth system is meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Quiet,
    Black,
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let arguments = arguments()?;
    let folder = tempfile::Builder::new().prefix("punchdown-bench-").tempdir()?;
    let mut scene = Scene::set(folder.path()).await?;
    scene.stage.start_host().await?;
    let pieces = scene.play(&arguments).await;
    let drained = scene.settle().await;
    scene.stage.stop_host().await?;
    scene.report(&pieces, drained)
}

fn arguments() -> Result<Arguments, Failed> {
    let mut read = Arguments { rate: 20.0, minutes: 5 };
    // Cargo says `--bench` of its own.
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} of what?"))?;
        match word.as_str() {
            "--rate" => read.rate = value.parse()?,
            "--minutes" => read.minutes = value.parse()?,
            _ => return Err(format!("{word} is not known: --rate and --minutes are").into()),
        }
    }
    if read.rate <= 0.0 || read.minutes == 0 {
        return Err("both are more than nothing".into());
    }
    Ok(read)
}

fn name(group: u64) -> String {
    format!("G{group}")
}

struct Scene {
    stage: Stage,
    billing: PortaBilling,
    espf: Espf,
    systems: Vec<Oms>,
    front: Front,
    emitted: u64,
}

impl Scene {
    /// Ten groups, the host not yet running.
    async fn set(folder: &Path) -> Result<Self, Failed> {
        let stage = Stage::set(Setting {
            directory: folder.to_owned(),
            program: PathBuf::from(PROGRAM),
            adapter: stage::adapter(None, "oms-tmf641").await?,
            // What was swallowed is looked for soon.
            adapter_config: "specification = \"mobile-line\"\npoll-seconds = 5",
            group_settings: "",
            target_settings: TARGET,
            oms: oms::Settings::default(),
            system: None,
        })
        .await?;
        let settings =
            portabilling::Settings { groups: (0..GROUPS).map(name).collect(), ..Default::default() };
        std::fs::write(folder.join("secrets/portabilling"), &settings.token)?;
        std::fs::write(folder.join("secrets/oms-hook"), HOOK_SECRET)?;
        let billing = PortaBilling::start(settings).await?;
        let mut systems = Vec::new();
        for group in 0..GROUPS {
            systems.push(Oms::start(system(&stage, group)).await?);
        }
        let behind = root(&systems[usize::try_from(STUCK)?].url());
        let front = Front::start(
            front::Settings {
                behind,
                bearer: OMS_TOKEN.to_owned(),
                client_id: String::new(),
                client_secret: String::new(),
            },
            open(),
        )
        .await?;
        let scene = Self { espf: stage.espf(0.0), stage, billing, systems, front, emitted: 0 };
        scene.write()?;
        Ok(scene)
    }

    /// The stage's configuration, with its one group written ten times.
    fn write(&self) -> Result<(), Failed> {
        let config = std::fs::read_to_string(&self.stage.config)?;
        let (head, group) = config.split_once("[groups.HSS]").ok_or("no group")?;
        let mut config = head.replace(&self.stage.billing.url(), &self.billing.url());
        for (number, system) in (0..).zip(&self.systems) {
            let url = match number {
                STUCK => system.url().replace(&root(&system.url()), &self.front.url()),
                _ => system.url(),
            };
            let group = format!("[groups.HSS]{group}")
                .replace(&self.stage.oms.url(), &url)
                .replace("groups.HSS", &format!("groups.{}", name(number)))
                .replace("/notify/HSS", &format!("/notify/{}", name(number)))
                // Events of one group are nobody else's.
                .replace("Account/**", &format!("Account/{}/New", name(number)));
            config.push_str(&group);
        }
        std::fs::write(&self.stage.config, config)?;
        Ok(())
    }

    /// Events at a steady pace, in turns quiet and black. Gives when what was.
    async fn play(&mut self, arguments: &Arguments) -> Vec<Piece> {
        self.events(WARM_UP, arguments.rate).await;
        let mut pieces = Vec::new();
        for turn in 0..arguments.minutes {
            for phase in [Phase::Quiet, Phase::Black] {
                if phase == Phase::Black {
                    self.front.demand(Demand::BlackHole);
                }
                let began = SystemTime::now();
                self.events(PIECE, arguments.rate).await;
                pieces.push(Piece { turn, phase, time: began..SystemTime::now() });
                self.front.demand(open());
            }
            self.events(RECOVERY, arguments.rate).await;
        }
        pieces
    }

    async fn events(&mut self, during: Duration, rate: f64) {
        let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        let began = Instant::now();
        while began.elapsed() < during {
            pace.tick().await;
            self.emitted += 1;
            let i_account = self.emitted;
            self.billing.put_account(Account::mobile(i_account));
            self.espf.emit(
                &format!("Account/{}/New", name(i_account % GROUPS)),
                json!({ "i_account": i_account }),
            );
        }
    }

    /// Whether every account has its `OK` within two minutes.
    async fn settle(&self) -> bool {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(120) {
            let oks = self.billing.ledger().statuses.iter().filter(|seen| seen.status == "OK").count();
            if oks as u64 >= self.emitted {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        false
    }

    fn report(&self, pieces: &[Piece], drained: bool) -> Result<(), Failed> {
        let is_ok = |seen: &StatusSeen| seen.status == "OK";
        let oks = self.billing.ledger().statuses.into_iter().filter(is_ok);
        let oks: BTreeMap<u64, SystemTime> = oks.map(|seen| (seen.i_account, seen.at)).collect();
        let mut others: BTreeMap<(u32, Phase), Times> = BTreeMap::new();
        let mut stuck = Times::default();
        let (mut of_stuck, mut in_time) = (0, 0);
        for event in self.espf.ledger().events {
            let (Some(i_account), Some(accepted)) = (event.i_account, event.answered_at) else { continue };
            let piece = pieces.iter().find(|piece| piece.time.contains(&accepted));
            let (Some(piece), Some(told)) = (piece, oks.get(&i_account)) else { continue };
            let took = told.duration_since(accepted).unwrap_or_default();
            if i_account % GROUPS != STUCK {
                others.entry((piece.turn, piece.phase)).or_default().add(took);
            } else if piece.phase == Phase::Black {
                of_stuck += 1;
                in_time += u32::from(piece.time.contains(told));
                stuck.add(took);
            }
        }
        println!("\n{} events, of an account each, {} ended OK\n", self.emitted, oks.len());
        compare(others)?;
        println!("\nthe tenth\n{}", line("black", &mut stuck));
        println!(
            "of {of_stuck} events in the dark {in_time} ended in it; {} requests were swallowed",
            self.front.ledger().unanswered
        );
        if !drained || in_time > 0 || of_stuck == 0 {
            return Err("the tenth was not stuck, or did not recover: the figures say nothing".into());
        }
        Ok(())
    }
}

/// The nine in each minute, and in all; each black minute beside the quiet one before it.
fn compare(others: BTreeMap<(u32, Phase), Times>) -> Result<(), Failed> {
    println!("nine groups   operations       p50       p95       p99       max");
    let mut all: BTreeMap<Phase, Times> = BTreeMap::new();
    let mut p99: BTreeMap<Phase, Vec<f64>> = BTreeMap::new();
    for ((_, phase), mut times) in others {
        println!("{}", line(phase.word(), &mut times));
        p99.entry(phase).or_default().push(times.share(0.99).as_secs_f64());
        all.entry(phase).or_default().append(times);
    }
    println!("in all");
    for (phase, times) in &mut all {
        println!("{}", line(phase.word(), times));
    }
    let mut of_all = |phase| all.get_mut(&phase).map(|times| times.share(0.99).as_secs_f64());
    let (Some(quiet), Some(black)) = (of_all(Phase::Quiet), of_all(Phase::Black)) else {
        return Err("there was nothing to compare".into());
    };
    let pairs = p99[&Phase::Quiet].iter().zip(&p99[&Phase::Black]);
    let mut ratios: Vec<f64> = pairs.map(|(quiet, black)| black / quiet).collect();
    ratios.sort_by(f64::total_cmp);
    println!("\np99 black to quiet: {:.2} in all; minute by minute {ratios:.2?}", black / quiet);
    println!("the middle one of them: {:.2}", ratios[ratios.len() / 2]);
    Ok(())
}

/// The system of a group: quick, so that what is measured is the host.
fn system(stage: &Stage, group: u64) -> oms::Settings {
    oms::Settings {
        seed: group,
        bearer: Some(OMS_TOKEN.to_owned()),
        notify: Some(Notify {
            url: format!("http://{}/notify/{}", stage.public, name(group)),
            auth: NotifyAuth::StandardWebhooks(HOOK_SECRET.to_owned()),
            attempts: 1,
            attempt_pause: Duration::ZERO,
        }),
        answer_after: Duration::from_millis(5),
        completes_after: Duration::from_millis(100)..Duration::from_millis(110),
        ..oms::Settings::default()
    }
}

/// What the tenth system asks for while it is well.
fn open() -> Demand {
    Demand::Bearer(OMS_TOKEN.to_owned())
}

fn root(url: &str) -> String {
    url.split("/tmf-api").next().unwrap_or(url).to_owned()
}

fn line(what: &str, times: &mut Times) -> String {
    let [p50, p95, p99, max] = [0.5, 0.95, 0.99, 1.0].map(|of| shown(times.share(of)));
    format!("{what:<13} {:>10} {p50:>9} {p95:>9} {p99:>9} {max:>9}", times.count())
}
