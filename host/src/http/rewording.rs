//! Changes what hyper says by itself.
//!
//! To a head that it cannot read hyper answers 400, 414 or 431, and no service is asked. The ESPF
//! would delete the event for which it is told so, and nobody would have kept it. So at the
//! events listener these words become `503` on their way out.
//!
//! What is our own is told apart by a header that all our own answers carry
//! ([`super::listener`] puts it there); hyper's answers have no body, and end the connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Every answer of ours says so: none may be kept by anybody on the way.
pub const OURS: (&str, &str) = ("cache-control", "no-store");

const COME_AGAIN: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// A stream on which hyper's own refusals are said as `503`.
pub struct Reworded<S> {
    stream: S,
    on: bool,
    /// How much of the other words is written.
    written: usize,
}

impl<S> Reworded<S> {
    pub fn new(stream: S, on: bool) -> Self {
        Self { stream, on, written: 0 }
    }
}

/// Where an answer of hyper's own begins; it is always the last thing that is said.
fn own_answer(said: &[u8]) -> Option<usize> {
    let head = said.strip_suffix(b"\r\n\r\n")?;
    let at = head.windows(9).rposition(|words| matches!(words, b"HTTP/1.1 " | b"HTTP/1.0 "))?;
    let head = std::str::from_utf8(&head[at..]).ok()?;
    let refused = head.get(9..).is_some_and(|status| status.starts_with('4'));
    let ours = head.lines().any(|line| line.split_once(": ").is_some_and(|header| header == OURS));
    (refused && !ours && head.contains("\r\ncontent-length: 0")).then_some(at)
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Reworded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, said: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match own_answer(said).filter(|_| this.on) {
            None => Pin::new(&mut this.stream).poll_write(cx, said),
            Some(0) => {
                while this.written < COME_AGAIN.len() {
                    let rest = &COME_AGAIN[this.written..];
                    match ready!(Pin::new(&mut this.stream).poll_write(cx, rest))? {
                        0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                        written => this.written += written,
                    }
                }
                Poll::Ready(Ok(said.len()))
            }
            // First what was said before it.
            Some(at) => Pin::new(&mut this.stream).poll_write(cx, &said[..at]),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Reworded<S> {
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

    const HYPERS: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: Mon, 23 Nov 2026 12:00:00 GMT\r\n\r\n";
    const OURS: &str = "HTTP/1.1 400 Bad Request\r\ncache-control: no-store\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn hypers_own_words_are_found_and_ours_are_left_alone() {
        assert_eq!(own_answer(HYPERS.as_bytes()), Some(0));
        assert_eq!(own_answer(OURS.as_bytes()), None);
        assert_eq!(own_answer(format!("{OURS}{HYPERS}").as_bytes()), Some(OURS.len()));
        for other in ["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"] {
            assert_eq!(own_answer(other.as_bytes()), None, "{other}");
        }
    }

    #[tokio::test]
    async fn the_other_words_come_whole_through_a_narrow_stream() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (narrow, mut other_side) = tokio::io::duplex(7);
        let mut stream = Reworded::new(narrow, true);
        let said = format!("{OURS}{HYPERS}");
        let saying = tokio::spawn(async move { stream.write_all(said.as_bytes()).await });
        let mut heard = Vec::new();
        other_side.read_to_end(&mut heard).await.expect("heard");
        saying.await.expect("no panic").expect("said");
        assert_eq!(heard, [OURS.as_bytes(), COME_AGAIN].concat());
    }
}
