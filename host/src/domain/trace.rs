use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::{OperationId, hex};

/// By what a delivery, and all that came of it, is found in the logs of every system that it went through:
/// 32 hexadecimal digits, as W3C Trace Context has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    id: String,
    /// Whether those before us record it; who comes after us may go by that.
    sampled: bool,
}

impl Trace {
    /// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`
    pub fn of_traceparent(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(5, '-');
        let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_known = match version {
            "00" => parts.next().is_none(),
            later => is_hex(later, 2) && later != "ff",
        };
        if !is_known || !is_hex(parent, 16) || is_zero(parent) || !is_hex(flags, 2) {
            return None;
        }
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Self::of_id(id, sampled).filter(|_| id.len() == 32)
    }

    /// `b3`: `<id>-<span>[-<sampled>[-<parent>]]`.
    pub fn of_b3(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (id, span, sampled) = (parts.next()?, parts.next()?, parts.next());
        if !is_hex(span, 16) {
            return None;
        }
        Self::of_id(id, matches!(sampled, Some("1" | "d")))
    }

    /// `x-b3-traceid`, and `x-b3-sampled` beside it.
    pub fn of_b3_headers(id: &str, sampled: Option<&str>) -> Option<Self> {
        Self::of_id(id.trim(), matches!(sampled, Some("1" | "true")))
    }

    /// Of one that came without: made of its id, so that it is the same after every restart. Our log records it.
    pub fn of_operation(id: &OperationId) -> Self {
        Self { id: hex(&sha2::Sha256::digest(&id.0)[..16]), sampled: true }
    }

    /// B3 knows ids of half the length, too.
    fn of_id(id: &str, sampled: bool) -> Option<Self> {
        let id = id.to_ascii_lowercase();
        let is_id = (is_hex(&id, 16) || is_hex(&id, 32)) && !is_zero(&id);
        is_id.then(|| Self { id: format!("{id:0>32}"), sampled })
    }

    /// `traceparent` of a request; each has a span of its own, made of its key.
    pub fn parent_of(&self, key: &str) -> String {
        let span = hex(&sha2::Sha256::digest(key)[..8]);
        format!("00-{}-{span}-{:02x}", self.id, u8::from(self.sampled))
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn read(trace: Option<Trace>) -> Option<(String, bool)> {
        trace.map(|trace| (trace.id, trace.sampled))
    }

    #[test]
    fn a_traceparent_is_taken_when_it_is_one() {
        for (text, sampled) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(true)),
            (" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02 ", Some(false)),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-will-be", Some(true)),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", None),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None),
            ("00-4bf92f3577b34da6-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", None),
            ("", None),
        ] {
            assert_eq!(read(Trace::of_traceparent(text)), sampled.map(|it| (ID.to_owned(), it)), "{text}");
        }
    }

    #[test]
    fn b3_is_taken_in_both_of_its_forms_and_lengths() {
        let short = format!("{:0>32}", "a3ce929d0e0e4736");
        for (text, read_as) in [
            ("4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1-05e3ac9a4f6e3b90", Some((ID, true))),
            ("4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7", Some((ID, false))),
            ("a3ce929d0e0e4736-00f067aa0ba902b7-d", Some((short.as_str(), true))),
            ("0", None),
            ("4bf92f3577b34da6a3ce929d0e0e4736", None),
        ] {
            let expected = read_as.map(|(id, sampled)| (id.to_owned(), sampled));
            assert_eq!(read(Trace::of_b3(text)), expected, "{text}");
        }
        assert_eq!(read(Trace::of_b3_headers(ID, Some("1"))), Some((ID.to_owned(), true)));
        assert_eq!(read(Trace::of_b3_headers("a3ce929d0e0e4736", None)), Some((short, false)));
        assert_eq!(read(Trace::of_b3_headers("a-request", None)), None);
    }

    #[test]
    fn what_came_without_one_has_its_own_for_ever() {
        let of = |id: &str| Trace::of_operation(&OperationId(id.to_owned()));
        assert_eq!(of("01J"), of("01J"));
        assert_ne!(of("01J"), of("01K"));
        let parent = of("01J").parent_of("01J.order.1");
        assert_eq!(Trace::of_traceparent(&parent), Some(of("01J")));
        assert_ne!(parent, of("01J").parent_of("01J.order.2"), "each request is a span");
        assert_eq!(parent, of("01J").parent_of("01J.order.1"), "and its repetition is the same");
    }
}
