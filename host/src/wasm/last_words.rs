//! What a guest said before it stopped. A trap by itself says only "unreachable"; the message,
//! file and line of an exception are on its standard error or in its last log line.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// So much of the end of its standard error is kept.
const KEPT_BYTES_MAX: usize = 8 << 10;

/// The end of what a guest wrote.
#[derive(Clone, Default)]
pub struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let beyond = kept.len().saturating_sub(KEPT_BYTES_MAX);
        kept.drain(..beyond);
    }

    pub fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (front, back) = kept.as_slices();
        let text = String::from_utf8_lossy(&[front, back].concat()).into_owned();
        // Where the beginning is missing, the first line may be the rest of a secret.
        match text.split_once('\n') {
            Some((_, whole)) if kept.len() == KEPT_BYTES_MAX && !whole.trim().is_empty() => {
                whole.trim().to_owned()
            }
            _ => text.trim().to_owned(),
        }
    }
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Tail {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let tail = Tail::default();
        tail.push(&[b'x'; KEPT_BYTES_MAX]);
        tail.push(b"panicked at src/lib.rs:7\n");
        assert!(tail.text().ends_with("panicked at src/lib.rs:7"));
        assert!(tail.text().len() <= KEPT_BYTES_MAX);
        tail.push(b"and on\n");
        assert_eq!(tail.text(), "and on", "what has lost its beginning is left out");
    }
}
