//! Text that came from outside, as it stands in a column: on both engines the same, and as the one takes it that takes
//! less. PostgreSQL knows no NUL in a text, and an index of it no value of some thousand bytes.

use std::borrow::Cow;

use sha2::Digest as _;

use crate::domain::hex;

/// Far below what an index can hold, together with the name of a group.
const ID_BYTES_MAX: usize = 512;
const NUL: char = '\0';
/// What a person sees in its place.
const SYMBOL_FOR_NUL: &str = "\u{2400}";

/// What a person reads.
pub fn plain(text: &str) -> Cow<'_, str> {
    match text.contains(NUL) {
        true => Cow::Owned(text.replace(NUL, SYMBOL_FOR_NUL)),
        false => Cow::Borrowed(text),
    }
}

const DIGEST: &str = "sha256:";

/// By what a sender knows a message. One that cannot stand in an index is known by its digest.
pub fn id(text: &str) -> Cow<'_, str> {
    match text.len() > ID_BYTES_MAX || text.contains(NUL) {
        true => Cow::Owned(format!("{DIGEST}{}", hex(&sha2::Sha256::digest(text)))),
        false => Cow::Borrowed(text),
    }
}

/// Whether it may be what [`id`] has made of another one.
pub fn is_digest(text: &str) -> bool {
    text.starts_with(DIGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_column_can_hold_stays_as_it_is() {
        let longest = "x".repeat(ID_BYTES_MAX);
        for text in ["", "order-1", "sha256:00", "Zürich \u{2400}", &longest] {
            assert_eq!((plain(text).as_ref(), id(text).as_ref()), (text, text));
        }
    }

    #[test]
    fn what_it_cannot_is_told_apart_and_stands_once_it_is_stored() {
        let long = "x".repeat(ID_BYTES_MAX + 1);
        let ids = ["a\0", "a\0\0", "\0a", &long, &format!("{long}y")].map(|text| id(text).into_owned());
        for (at, one) in ids.iter().enumerate() {
            assert!(one.len() <= ID_BYTES_MAX && !one.contains(NUL), "{one}");
            assert!(!ids[..at].contains(one), "{one}");
            assert_eq!(id(one).as_ref(), one);
        }
        assert_eq!(plain("a\0b"), "a\u{2400}b");
    }
}
