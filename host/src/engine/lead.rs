//! What one instance does for all. Where several work on a journal one of them leads; the others wait until it is gone.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Core;
use crate::ports::Among;

/// How soon whoever leads begins.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where the loops are begun of which one instance has each.
pub struct Lead<'a> {
    pub core: &'a Arc<Core>,
    pub loops: &'a TaskTracker,
    pub stop: &'a CancellationToken,
}

impl Lead<'_> {
    pub fn does<F>(&self, work: impl Fn(Arc<Core>, CancellationToken) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.loops.spawn(lead(Arc::clone(self.core), self.stop.clone(), work));
    }
}

/// Has it done as long as this instance leads, and again when it leads once more. Whoever does it is told to stop as
/// by the end of the host: what is under way is finished, and it is for the journal to say whether it still counts.
async fn lead<F>(core: Arc<Core>, stop: CancellationToken, work: impl Fn(Arc<Core>, CancellationToken) -> F)
where
    F: Future<Output = ()>,
{
    while !stop.is_cancelled() {
        match core.ports.instances.among() {
            Among::ALONE => work(Arc::clone(&core), stop.clone()).await,
            among if among.leads() => {
                let lead = stop.child_token();
                tokio::join!(work(Arc::clone(&core), lead.clone()), core.stop_when_it_leads_no_more(&lead));
            }
            _ => drop(stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await),
        }
    }
}

impl Core {
    pub(super) fn leads(&self) -> bool {
        self.ports.instances.among().leads()
    }

    /// It may be granted more meanwhile, and never less than was known.
    pub(super) async fn until_it_leads_no_more(&self) {
        while let Some(left) = self.ports.instances.among().leads_for {
            tokio::time::sleep(left).await;
        }
    }

    /// What came of it; or nothing, where it is another one's by now.
    pub(super) async fn while_it_leads<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.until_it_leads_no_more() => None,
            done = work => Some(done),
        }
    }

    async fn stop_when_it_leads_no_more(&self, lead: &CancellationToken) {
        lead.run_until_cancelled(self.until_it_leads_no_more()).await;
        lead.cancel();
    }
}
