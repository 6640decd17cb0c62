//! How far the demo is: a live line on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use punchdown_kit::espf::{Espf, State};

use crate::cli::stage::Stage;

pub struct Progress {
    bar: ProgressBar,
    done: Arc<AtomicBool>,
}

impl Progress {
    pub fn start(stage: &Stage, espf: &Espf, accounts: u64, instances: Option<u8>) -> Self {
        let bar =
            if std::io::stderr().is_terminal() { ProgressBar::new(accounts) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} settled in PortaBilling  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let done = Arc::new(AtomicBool::new(false));
        let progress = Self { bar: bar.clone(), done: Arc::clone(&done) };
        let by = instances.map(|instances| format!(", instances {instances}")).unwrap_or_default();
        let (billing, oms, espf) = (stage.billing.clone(), stage.oms.clone(), espf.clone());
        tokio::spawn(async move {
            let mut looks = 0_u32;
            while !done.load(Ordering::Relaxed) {
                let acknowledged =
                    espf.ledger().events.iter().filter(|event| event.state == State::Acknowledged).count();
                let is_settled = |i_account: &u64| {
                    let told = billing.final_status(*i_account, "HSS");
                    told.is_some_and(|told| matches!(told.status.as_str(), "OK" | "FAILED"))
                };
                let settled = (1..=accounts).filter(is_settled).count() as u64;
                let line = format!("events stored {acknowledged}, orders under way {}{by}", oms.waiting());
                bar.set_position(settled);
                bar.set_message(line.clone());
                if bar.is_hidden() && looks.is_multiple_of(20) {
                    eprintln!("{settled}/{accounts} settled in PortaBilling; {line}");
                }
                looks += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        progress
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        if self.bar.is_hidden() { eprintln!("{line}") } else { self.bar.println(line) }
    }

    pub fn finish(&self) {
        self.done.store(true, Ordering::Relaxed);
        self.bar.finish_and_clear();
    }
}
