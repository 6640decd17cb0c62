//! How long an answer may wait for a caller who does not take it.
//!
//! hyper knows no such time: a caller who asks, and asks again, and never reads what he is told
//! would hold his connection for ever.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// From the first moment at which the caller took no more until he has taken all: one who takes a
/// little now and then wins nothing by it.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// A stream whose other side must take what is said to it.
pub struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Runs while something is said and not taken.
    waiting: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the caller did not take its answer in time")]
struct NotTaken;

/// Whether a connection ended because of that.
pub fn ran_out(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = |error: &io::Error| error.get_ref().is_some_and(|inner| inner.is::<NotTaken>());
    std::iter::successors(Some(error), |error| error.source())
        .any(|error| error.downcast_ref::<io::Error>().is_some_and(inner))
}

impl<S> Patient<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, patience: ANSWER_TIME, waiting: None }
    }

    /// What the other side has not taken, or the end of patience with it.
    fn bear<T>(&mut self, cx: &mut Context<'_>, said: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if said.is_ready() {
            return said;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, NotTaken)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, said: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, said);
        self.bear(cx, written)
    }

    /// hyper comes here when it has nothing more to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.waiting = None;
        }
        self.bear(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bear(cx, shut)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        heard: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    /// A stream with room for four bytes, and its other side.
    fn narrow(patience: Duration) -> (Patient<DuplexStream>, DuplexStream) {
        let (narrow, caller) = tokio::io::duplex(4);
        (Patient { patience, ..Patient::new(narrow) }, caller)
    }

    #[tokio::test]
    async fn who_takes_all_is_waited_for_anew_at_the_next_answer() {
        let (mut stream, mut caller) = narrow(Duration::from_secs(60));
        let mut heard = [0; 9];
        let saying = async { stream.write_all(b"an answer").await.and(stream.flush().await) };
        let (said, taken) = tokio::join!(saying, caller.read_exact(&mut heard));
        said.expect("said");
        taken.expect("taken");
        assert!(stream.waiting.is_none());
    }

    #[tokio::test]
    async fn who_takes_nothing_or_too_little_is_given_up() {
        let (mut stream, _silent) = narrow(Duration::from_millis(50));
        let error = stream.write_all(b"an answer").await.expect_err("it is not taken");
        assert!(ran_out(&error), "{error}");
        assert!(!ran_out(&io::Error::from(io::ErrorKind::TimedOut)), "the network's own");

        let (mut stream, mut dribbling) = narrow(Duration::from_millis(50));
        let little_by_little = async {
            while dribbling.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let said = async {
            let said = stream.write_all(&[b'x'; 10_000]).await;
            drop(stream);
            said
        };
        let (error, ()) = tokio::join!(said, little_by_little);
        assert!(ran_out(&error.expect_err("it is not taken whole")));
    }
}
