//! What is held back, and who waits meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

/// Something that a test can hold back.
pub(crate) struct Hold(watch::Sender<bool>);

impl Default for Hold {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Hold {
    pub(crate) fn set(&self, held: bool) {
        self.0.send_replace(held);
    }

    /// Waits until it is released.
    pub(crate) async fn released(&self) {
        // The sender is borrowed for as long as this waits, so the wait cannot fail.
        self.0.subscribe().wait_for(|held| !*held).await.ok();
    }
}

/// Requests that are not answered yet.
#[derive(Default)]
pub(crate) struct Unanswered(AtomicUsize);

impl Unanswered {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, until it is answered or given up, for hyper drops the work for a client that has gone.
    pub(crate) fn one_more(&self) -> Waits<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waits(&self.0)
    }
}

pub(crate) struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
