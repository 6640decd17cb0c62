//! What `demo --crash` does: each host is killed twice on the way, while something of its is under way, and begins again.

use std::io;
use std::time::{Duration, Instant};

use punchdown_kit::oms::Manners;

use super::progress::Progress;
use super::{Arguments, IMPATIENT, PATIENCE, PATIENT, manners};
use crate::cli::stage::{Fleet, Stage};

/// In flight, or waiting, when the crashes begin, if there are so many.
pub const AMONG: u64 = 20;
/// After the first of them came: well before a patient host gives its request up.
const AFTER: Duration = Duration::from_secs(10);

/// Requests stay unanswered, and orders open, until the hosts were killed among them.
pub fn hold(stage: &Stage) {
    // A request that is refused or cut off at once would not be out and unanswered.
    stage.oms.set_manners(Manners::default());
    stage.oms.hold_answers(true);
    stage.oms.hold_completion(true);
}

/// Each in turn while requests are out and unanswered, and again while operations wait for their notice.
pub async fn all_twice(
    stage: &Stage,
    hosts: &mut Fleet,
    progress: &Progress,
    among: u64,
    arguments: &Arguments,
) -> io::Result<()> {
    let among = usize::try_from(among).unwrap_or(usize::MAX);
    until(among, || stage.oms.unanswered()).await?;
    for host in 0..hosts.count() {
        let while_it_was = format!("{} requests were sent and unanswered", stage.oms.unanswered());
        kill(hosts, host, progress, &while_it_was)?;
        hosts.start(host).await?;
    }
    stage.oms.hold_answers(false);
    until(among, || stage.oms.waiting()).await?;
    for host in 0..hosts.count() {
        let while_it_was = format!("{} operations waited for their notice", stage.oms.waiting());
        kill(hosts, host, progress, &while_it_was)?;
        if arguments.faults {
            // Requests that were to be found unanswered had to be waited for. Those to come need not.
            let config = std::fs::read_to_string(hosts.config(host))?;
            std::fs::write(hosts.config(host), config.replacen(PATIENT, IMPATIENT, 1))?;
        }
        hosts.start(host).await?;
    }
    stage.oms.hold_completion(false);
    stage.oms.set_manners(manners(arguments.faults));
    Ok(())
}

fn kill(hosts: &mut Fleet, host: usize, progress: &Progress, while_it_was: &str) -> io::Result<()> {
    hosts.kill(host)?;
    let which = if hosts.is_several() { format!(" of instance {}", host + 1) } else { String::new() };
    progress.say(&format!("SIGKILL{which} while {while_it_was}"));
    Ok(())
}

/// So many, or as many as there are a while after the first: they come as slowly as they were asked for.
async fn until(among: usize, count: impl Fn() -> usize) -> io::Result<()> {
    let (began, mut first) = (Instant::now(), None);
    while began.elapsed() < PATIENCE {
        let reached = count();
        if reached > 0 {
            let first = *first.get_or_insert_with(Instant::now);
            if reached >= among || first.elapsed() > AFTER {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(io::Error::other("nothing was under way to be crashed among"))
}
