//! What must hold of sealed values, whatever lies on the disk.

use super::seal::Seal;

const PLACE: &str = "operation.state:1";

/// What was not sealed by us does not open, and what was opens whole, in its own place alone.
pub fn sealed(input: &[u8]) {
    let seal = Seal::new([7; 32]);
    assert!(seal.open(PLACE, input).is_err());
    let ours = seal.seal(PLACE, input).expect("anything can be sealed");
    assert_eq!(seal.open(PLACE, &ours).expect("it opens"), input);
    assert!(seal.open("operation.state:2", &ours).is_err(), "another place");
    assert!(Seal::new([8; 32]).open(PLACE, &ours).is_err(), "another key");

    let at = input.iter().map(|byte| usize::from(*byte)).sum::<usize>() % ours.len();
    assert!(seal.open(PLACE, &ours[..at]).is_err(), "cut off");
    let mut damaged = ours.clone();
    damaged[at] ^= 1;
    assert!(seal.open(PLACE, &damaged).is_err(), "one bit of it turned");
    // Behind a key's name that is known, too.
    assert!(seal.open(PLACE, &[&ours[..at], input].concat()).is_err() || ours[at..] == *input);
}
