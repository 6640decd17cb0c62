//! Changes what hyper says by itself.
//!
//! To a head that it cannot read hyper answers 400, 414 or 431, and no service is asked. The ESPF
//! would delete the event for which it is told so, and nobody would have kept it. So at the
//! events listener these words become `503` on their way out.
//!
//! What is our own is told apart by a header that all our own answers carry
//! ([`super::listener`] puts it there). It is looked for where an answer begins and nowhere else:
//! the body of an answer may be a caller's own words, and those may read like an answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Every answer of ours says so: none may be kept by anybody on the way.
pub const OURS: (&str, &str) = ("cache-control", "no-store");

pub const COME_AGAIN: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// A stream on which hyper's own refusals are said as `503`.
pub struct Reworded<S> {
    stream: S,
    on: bool,
    /// So much of our own answers has yet to be written; behind it another one begins.
    ours: usize,
    /// How much of the other words is written.
    written: usize,
}

impl<S> Reworded<S> {
    pub fn new(stream: S, on: bool) -> Self {
        Self { stream, on, ours: 0, written: 0 }
    }

    /// How much of what is said is our own; what follows is hyper's, and the last that is said.
    fn own(&mut self, said: &[u8]) -> usize {
        while self.on && self.ours < said.len() {
            match Answer::beginning(&said[self.ours..]) {
                Answer::Ours { bytes } => self.ours = self.ours.saturating_add(bytes),
                Answer::Hypers => return self.ours,
            }
        }
        said.len()
    }
}

/// An answer, by its head. hyper hands a head over whole.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// With so many bytes, its body included. One to HEAD has fewer than it says, and is the last
    /// of its connection.
    Ours {
        bytes: usize,
    },
    Hypers,
}

impl Answer {
    fn beginning(said: &[u8]) -> Self {
        let end = said.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end.filter(|_| said.starts_with(b"HTTP/1.")) else {
            return Self::Ours { bytes: said.len() };
        };
        let head = String::from_utf8_lossy(&said[..end]);
        let header = |name: &str| {
            let headers = head.lines().filter_map(|line| line.split_once(": "));
            headers.filter(|header| header.0 == name).map(|header| header.1).next()
        };
        let refused = head.split(' ').nth(1).is_some_and(|status| status.starts_with('4'));
        if refused && header(OURS.0) != Some(OURS.1) {
            return Self::Hypers;
        }
        let body = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        Self::Ours { bytes: (end + 4).saturating_add(body) }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Reworded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, said: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let own = this.own(said);
        if own == 0 && !said.is_empty() {
            while this.written < COME_AGAIN.len() {
                let rest = &COME_AGAIN[this.written..];
                match ready!(Pin::new(&mut this.stream).poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => this.written += written,
                }
            }
            return Poll::Ready(Ok(said.len()));
        }
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, &said[..own]))?;
        this.ours = this.ours.saturating_sub(written);
        Poll::Ready(Ok(written))
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
    use super::super::fuzz::{HYPERS, rewording};
    use super::*;

    const OURS: &str = "HTTP/1.1 400 Bad Request\r\ncache-control: no-store\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn hypers_own_words_are_found_and_ours_are_left_alone() {
        let bytes = |text: &str| Answer::Ours { bytes: text.len() };
        assert_eq!(Answer::beginning(HYPERS.as_bytes()), Answer::Hypers);
        assert_eq!(Answer::beginning(format!("{OURS}{HYPERS}").as_bytes()), bytes(OURS));
        for other in ["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"] {
            assert_eq!(Answer::beginning(other.as_bytes()), bytes(other), "{other}");
        }
    }

    /// A caller whom an adapter answers with his own words must not end the answer.
    #[test]
    fn a_body_that_reads_like_a_refusal_is_a_body() {
        for width in [1, 7, 127] {
            for refused in [0, 1] {
                let bodies = format!("one\0{HYPERS}\0{HYPERS}HTTP/1.1 200 OK\r\n\r\n");
                rewording(&[&[width, refused], bodies.as_bytes()].concat());
            }
        }
    }
}
