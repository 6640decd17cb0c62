//! From the rename of a component's file to its service, in each language that there is an SDK for, compiled anew and
//! as it was compiled before; and what answers to the ESPF take meanwhile, beside a quiet time of the same run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use punchdown::cli::stage::Stage;
use punchdown::web;
use punchdown_kit::portabilling::Account;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::answers::{head, post};
use super::measure::{Failed, Times, Told, shown};
use super::scene::{HOST, set};

const LANGUAGES: [&str; 3] = ["rust", "typescript", "python"];
/// The group whose adapter is replaced, beside the one that the events are for.
const OTHER: &str = r#"
[groups.Other]
adapter = "other.wasm"
events = ["Other/**"]
[groups.Other.target]
url = "http://127.0.0.1:9"
allow-loopback = true
[groups.Other.config]
profiles = { "Mobile Gold" = "gold" }
"#;
/// A reload that is not through by then says nothing.
const PATIENCE: Duration = Duration::from_secs(120);
const ROUNDS_MIN: usize = 5;

pub async fn run(folder: &Path, seconds: f64, rate: f64, _: Told) -> Result<(), Failed> {
    let time = Duration::from_secs_f64(seconds);
    println!(
        "language       size   when    rounds  to service: p50        max   answers      p50       p99   p99 to quiet"
    );
    for language in LANGUAGES {
        let component = component(folder, language).await?;
        let mut scene = Scene::set(&folder.join(language), &component, rate).await?;
        scene.answers(Duration::from_secs(3)).await?;
        let mut quiet = scene.answers(time).await?;
        let size = format!("{:.1} MB", megabytes(component.len()));
        line(language, &size, "quiet", None, &mut quiet, None);
        // Each is another one; then they come again.
        let cold = scene.reloads(time, |round| round + 1).await?;
        let known = cold.0.count().min(4);
        let cached = scene.reloads(time, |round| round % known + 1).await?;
        for (when, (mut took, mut answers)) in [("anew", cold), ("again", cached)] {
            line(language, &size, when, Some(&mut took), &mut answers, Some(&mut quiet));
        }
        scene.stage.stop_host().await?;
    }
    Ok(())
}

fn line(
    language: &str,
    size: &str,
    when: &str,
    took: Option<&mut Times>,
    answers: &mut Times,
    quiet: Option<&mut Times>,
) {
    let (rounds, p50, max) = match took {
        Some(took) => (took.count().to_string(), shown(took.share(0.5)), shown(took.share(1.0))),
        None => Default::default(),
    };
    let p99 = answers.share(0.99);
    let ratio = quiet.map(|quiet| format!("{:.2}", p99.as_secs_f64() / quiet.share(0.99).as_secs_f64()));
    println!(
        "{language:<11} {size:>7}   {when:<6} {rounds:>7} {p50:>16} {max:>10} {:>9} {:>8} {:>9} {:>14}",
        answers.count(),
        shown(answers.share(0.5)),
        shown(p99),
        ratio.unwrap_or_default()
    );
}

/// The component of the adapter `oms` that `adapter new` writes in that language.
async fn component(folder: &Path, language: &str) -> Result<Vec<u8>, Failed> {
    let (project, to) = (folder.join("lines"), folder.join("lines.wasm"));
    let text = |path: &Path| path.display().to_string();
    let (project, to) = (text(&project), text(&to));
    for words in
        [vec!["new", &project, "--kind", "oms", "--lang", language], vec!["build", &project, "--to", &to]]
    {
        let output = Command::new(HOST).arg("adapter").args(words).output().await?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
    }
    fs::remove_dir_all(&project)?;
    Ok(fs::read(to)?)
}

/// What stops them, and what their answers took.
type Events = (Arc<AtomicBool>, JoinHandle<std::io::Result<Times>>);

/// A host at work, and the place of the adapter that is replaced.
struct Scene {
    stage: Stage,
    place: PathBuf,
    component: Vec<u8>,
    rate: f64,
    number: Arc<AtomicU64>,
}

impl Scene {
    async fn set(folder: &Path, component: &[u8], rate: f64) -> Result<Self, Failed> {
        let mut stage = set(folder, HOST, "").await?;
        let config = fs::read_to_string(&stage.config)?;
        fs::write(&stage.config, config + OTHER)?;
        let place = stage.directory.join("other.wasm");
        fs::write(&place, component)?;
        stage.start_host().await?;
        let (component, number) = (component.to_vec(), Arc::default());
        Ok(Self { stage, place, component, rate, number })
    }

    /// What answers take, for a time.
    async fn answers(&self, time: Duration) -> Result<Times, Failed> {
        let (stop, answers) = self.begin_events()?;
        tokio::time::sleep(time).await;
        stop.store(true, Ordering::Relaxed);
        Ok(answers.await??)
    }

    /// One reload after the other for that time, of the editions that `edition` names; and what answers take meanwhile.
    async fn reloads(
        &self,
        time: Duration,
        edition: impl Fn(usize) -> usize,
    ) -> Result<(Times, Times), Failed> {
        let mut took = Times::default();
        let (stop, answers) = self.begin_events()?;
        let began = Instant::now();
        while began.elapsed() < time || took.count() < ROUNDS_MIN {
            took.add(self.reload(edition(took.count())).await?);
        }
        stop.store(true, Ordering::Relaxed);
        Ok((took, answers.await??))
    }

    /// From the rename of the file to its service.
    async fn reload(&self, edition: usize) -> Result<Duration, Failed> {
        let mut bytes = self.component.clone();
        // A section that says nothing more.
        let number = u32::try_from(edition)?.to_le_bytes();
        bytes.extend([&[0, 12, 7][..], b"edition", &number].concat());
        let digest = Sha256::digest(&bytes);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let unfinished = self.place.with_extension("unfinished");
        fs::write(&unfinished, bytes)?;
        let client = web::client(PATIENCE)?;
        let url = format!("http://{}/admin/v1/reload", self.stage.admin);
        let token = fs::read_to_string(self.stage.directory.join("secrets/admin"))?;
        fs::rename(unfinished, &self.place)?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let told: Value = client.get(&url).bearer_auth(&token).send().await?.json().await?;
            let groups = told["groups"].as_array().ok_or("no groups")?;
            let other = groups.iter().find(|group| group["group"] == "Other");
            if other.is_some_and(|other| other["digest"] == format!("sha256:{digest}")) {
                return Ok(began.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err("it does not serve".into())
    }

    /// Events of new accounts at a steady pace, each measured from when it was due, until somebody says stop.
    fn begin_events(&self) -> Result<Events, Failed> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, number) = (Arc::clone(&stop), Arc::clone(&self.number));
        let (address, head, billing) = (self.stage.public, head(&self.stage)?, self.stage.billing.clone());
        let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / self.rate));
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let events = tokio::spawn(async move {
            let mut connection = TcpStream::connect(address).await?;
            connection.set_nodelay(true)?;
            let mut times = Times::default();
            while !stopped.load(Ordering::Relaxed) {
                let due = pace.tick().await;
                let id = number.fetch_add(1, Ordering::Relaxed) + 1;
                billing.put_account(Account::mobile(id));
                post(&mut connection, &head, id).await?;
                times.add(due.elapsed());
            }
            Ok(times)
        });
        Ok((stop, events))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size that a person reads")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
