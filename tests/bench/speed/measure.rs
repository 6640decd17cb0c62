//! The machine, times and what a process uses.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

pub use punchdown_tests::times::{Times, shown};

pub type Failed = Box<dyn Error>;

/// What stands behind the name of a measurement.
pub struct Arguments(BTreeMap<String, String>);

/// The machine was told of.
pub struct Told;

impl Arguments {
    pub fn read() -> Result<(String, Self), Failed> {
        // Cargo says `--bench` of its own.
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        let what = words.next().ok_or(super::KNOWN)?;
        let mut read = BTreeMap::new();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} of what?"))?;
            read.insert(word, value);
        }
        Ok((what, Self(read)))
    }

    pub fn take<T: FromStr<Err: Error + 'static>>(&mut self, name: &str, usual: T) -> Result<T, Failed> {
        self.0.remove(name).map_or(Ok(usual), |text| Ok(text.parse()?))
    }

    /// No more is known; what is measured is measured on this machine.
    pub fn end(&self, folder: &Path) -> Result<Told, Failed> {
        match self.0.keys().next() {
            Some(unknown) => Err(format!("{unknown} is not known").into()),
            None => {
                println!("{}\n", machine(folder)?);
                Ok(Told)
            }
        }
    }
}

/// Cores, and how long the disk of that folder takes to sync a page.
fn machine(folder: &Path) -> Result<String, Failed> {
    let cores = std::thread::available_parallelism()?;
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Times::default();
    for _ in 0..200 {
        let began = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.add(began.elapsed());
    }
    std::fs::remove_file(path)?;
    let built = if cfg!(debug_assertions) { "; a debug build, whose figures say nothing" } else { "" };
    Ok(format!(
        "{cores} cores ({model}), load before {load}; a page is synced in {} (p50), {} (p99){built}",
        shown(times.share(0.5)),
        shown(times.share(0.99))
    ))
}

#[expect(clippy::cast_precision_loss, reason = "a count that a person reads")]
pub fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// What a process has used up to now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub cpu: Duration,
    /// Bytes that it gave to the disk.
    pub written: u64,
    /// Bytes of memory that it has now, and had at most.
    pub memory: u64,
    pub memory_peak: u64,
}

impl Used {
    pub fn by(pid: u32) -> Result<Self, Failed> {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        let (stat, io, status) = (read("stat")?, read("io")?, read("status")?);
        // Behind the name, which may hold anything; in hundredths of a second.
        let behind = stat.rsplit_once(") ").ok_or("no stat")?.1;
        let ticks: u64 = behind.split(' ').skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
        let named = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default()
        };
        Ok(Self {
            cpu: Duration::from_millis(ticks * 10),
            written: named(&io, "write_bytes:"),
            memory: named(&status, "VmRSS:") << 10,
            memory_peak: named(&status, "VmHWM:") << 10,
        })
    }

    /// By all of them together.
    pub fn by_all(pids: &[u32]) -> Result<Self, Failed> {
        let mut all = Self::default();
        for pid in pids {
            let used = Self::by(*pid)?;
            all.cpu += used.cpu;
            all.written += used.written;
            all.memory += used.memory;
            all.memory_peak += used.memory_peak;
        }
        Ok(all)
    }

    /// What it has used since then.
    pub fn since(self, before: Self) -> Self {
        Self { cpu: self.cpu - before.cpu, written: self.written - before.written, ..self }
    }
}

pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}
