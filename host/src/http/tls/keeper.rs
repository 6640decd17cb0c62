//! Takes a changed certificate without a restart.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;

use super::{ContentDigest, Contents, Tls, Unfit};
use crate::ports::World;
use crate::telemetry::{ListenerName, Metrics};

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Who looks at the certificate.
const CALLERS: &str = "callers";

/// Keeps what a listener shows equal to its files. New connections get what is good in them;
/// those that stand are left alone, and what is no good changes nothing.
pub struct Keeper {
    listener: ListenerName,
    shown: watch::Sender<Arc<ServerConfig>>,
    tls: Tls,
    /// What was found at the last look, and whether it was tried.
    seen: (ContentDigest, bool),
    warned: Option<String>,
    metrics: Arc<Metrics>,
    world: Arc<dyn World>,
}

impl Keeper {
    pub fn new(listener: ListenerName, tls: Tls, metrics: Arc<Metrics>, world: Arc<dyn World>) -> Self {
        metrics.listeners.shows(listener, tls.validity.until);
        Self {
            listener,
            shown: watch::Sender::new(Arc::clone(&tls.config)),
            seen: (tls.digest, true),
            // It was said at the start.
            warned: tls.validity.warning(world.now(), CALLERS),
            tls,
            metrics,
            world,
        }
    }

    /// What new connections get.
    pub fn shown(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.shown.subscribe()
    }

    /// Looks again and again, without end.
    pub async fn keep(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let files = self.tls.files.clone();
            let Ok(contents) = tokio::task::spawn_blocking(move || Contents::of(&files)).await else {
                return;
            };
            self.look(&contents);
            let warning = self.tls.validity.warning(self.world.now(), CALLERS);
            if warning != self.warned {
                if let Some(why) = &warning {
                    tracing::warn!(
                        listener = self.listener.word(),
                        why,
                        "a certificate is not as it should be"
                    );
                }
                self.warned = warning;
            }
        }
    }

    /// Files are written one after the other: what is not the same at two looks is not yet whole.
    fn look(&mut self, contents: &Contents) {
        let digest = contents.digest();
        let (seen, tried) = std::mem::replace(&mut self.seen, (digest, true));
        if digest == self.tls.digest || (seen == digest && tried) {
            return;
        }
        if seen != digest {
            self.seen.1 = false;
            return;
        }
        match Tls::understand(self.tls.files.clone(), contents) {
            Ok(tls) => self.take(tls),
            Err(unfit) => self.refuse(&unfit),
        }
    }

    fn take(&mut self, tls: Tls) {
        self.tls = tls;
        self.shown.send_replace(Arc::clone(&self.tls.config));
        let until = self.tls.validity.until;
        self.metrics.listeners.shows(self.listener, until);
        self.metrics.listeners.certificate(self.listener, "taken");
        tracing::info!(listener = self.listener.word(), %until, "a changed certificate is shown from now on");
    }

    fn refuse(&self, unfit: &[Unfit]) {
        let why = unfit.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        self.metrics.listeners.certificate(self.listener, "refused");
        tracing::warn!(
            listener = self.listener.word(),
            why,
            "a changed certificate is no good; the one before it stays"
        );
    }
}
