//! Deflates and inflates with what each thread keeps for it. To make that anew for every value would be most of the
//! work: it is some hundred kilobytes, and a value is one or two.

use std::cell::RefCell;
use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

thread_local! {
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
    static STORE: RefCell<Compress> = RefCell::new(Compress::new(Compression::none(), false));
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// Room for what is around a value that cannot be made smaller.
const FRAME: usize = 64;

/// What cannot be made smaller stays as it is, in the same format.
pub fn deflated(plain: &[u8]) -> io::Result<Vec<u8>> {
    let deflated = deflated_with(&COMPRESS, plain)?;
    if deflated.len() <= plain.len() { Ok(deflated) } else { deflated_with(&STORE, plain) }
}

fn deflated_with(
    compress: &'static std::thread::LocalKey<RefCell<Compress>>,
    plain: &[u8],
) -> io::Result<Vec<u8>> {
    compress.with_borrow_mut(|compress| {
        compress.reset();
        let mut deflated = Vec::with_capacity(plain.len() / 2 + FRAME);
        while compress.compress_vec(rest(plain, compress.total_in()), &mut deflated, FlushCompress::Finish)?
            != Status::StreamEnd
        {
            deflated.reserve(deflated.capacity());
        }
        Ok(deflated)
    })
}

/// # Errors
/// When it is damaged, or would grow beyond so many bytes.
pub fn inflated(deflated: &[u8], most: usize) -> io::Result<Vec<u8>> {
    DECOMPRESS.with_borrow_mut(|decompress| {
        decompress.reset(false);
        let mut plain = Vec::with_capacity(4 * deflated.len() + FRAME);
        while decompress.decompress_vec(
            rest(deflated, decompress.total_in()),
            &mut plain,
            FlushDecompress::Finish,
        )? != Status::StreamEnd
        {
            if plain.len() < plain.capacity() {
                return Err(io::Error::other("it is cut off"));
            }
            plain = within(plain, most)?;
            plain.reserve(plain.capacity());
        }
        within(plain, most)
    })
}

fn within(plain: Vec<u8>, most: usize) -> io::Result<Vec<u8>> {
    match plain.len() <= most {
        true => Ok(plain),
        false => Err(io::Error::other(format!("it is larger than {most} bytes"))),
    }
}

/// What was not taken in yet.
fn rest(bytes: &[u8], taken: u64) -> &[u8] {
    usize::try_from(taken).ok().and_then(|taken| bytes.get(taken..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_deflated_is_inflated_whatever_its_size_and_whatever_came_before_it() {
        let noise = |length: usize| {
            let mut state = 1u32;
            let next = std::iter::repeat_with(move || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            });
            next.take(length).collect::<Vec<u8>>()
        };
        for plain in [Vec::new(), noise(1), noise(100_000), vec![b'a'; 3 << 20], noise(300)] {
            let deflated = deflated(&plain).expect("deflates");
            assert!(deflated.len() <= plain.len() + FRAME, "{} of {} bytes", deflated.len(), plain.len());
            assert!(inflated(&deflated, 4 << 20).expect("inflates") == plain, "{} bytes", plain.len());
        }
    }

    #[test]
    fn what_is_damaged_cut_off_or_too_large_is_refused_and_the_next_is_not() {
        let whole = deflated(&[b'a'; 100_000]).expect("deflates");
        assert_eq!(
            inflated(&whole[..whole.len() - 3], 1 << 20).expect_err("cut").to_string(),
            "it is cut off"
        );
        assert_eq!(inflated(&[], 1 << 20).expect_err("nothing").to_string(), "it is cut off");
        inflated(&[0xff; 40], 1 << 20).expect_err("no deflate");
        let error = inflated(&whole, 1000).expect_err("too large");
        assert_eq!(error.to_string(), "it is larger than 1000 bytes");
        assert_eq!(inflated(&whole, 1 << 20).expect("whole").len(), 100_000);
    }
}
