//! What must hold of a configuration, whatever an operator writes.

use std::path::Path;

use super::{Problem, groups, reader, sections};

/// It is complete, or it is said what is wrong, and where.
pub fn configuration(input: &[u8]) {
    let Ok(source) = str::from_utf8(input) else { return };
    let nowhere = Path::new("/nonexistent");
    let read = reader::read(source, |root| sections::root(root, nowhere, &mut groups::Read::default()));
    assert!(read.value.is_some() || !read.problems.is_empty(), "it is refused without a word");
    let lines = source.split('\n').count();
    for problem in read.problems.iter().chain(&read.warnings) {
        assert!((1..=lines).contains(&problem.place.line), "{problem:?}");
        assert!(!problem.message.is_empty() && tells(problem), "{problem:?}");
    }
    assert!(read.problems.is_sorted() && read.warnings.is_sorted());
    for known in read.known.iter().filter_map(|known| known.written.as_ref()) {
        assert!(source.contains(known));
    }
}

fn tells(problem: &Problem) -> bool {
    problem.tell(Path::new("punchdown.toml")).contains(&problem.message)
}
