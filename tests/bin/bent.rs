//! The real program over a journal that is bent: it dies at a point (`PUNCHDOWN_BENT="before 1 accept"`), or
//! breaks a promise (`PUNCHDOWN_BENT=knows-no-repeats`); without a word it answers early.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use punchdown::lifecycle;
use punchdown::ports::Journal;
use punchdown_tests::broken::{AnswersEarly, KnowsNoRepeats, SendsAgain};
use punchdown_tests::journal::Over;
use punchdown_tests::points::Dies;

#[tokio::main]
async fn main() -> ExitCode {
    punchdown::crash::leave_nothing().expect("the system lets it");
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Started as the real program is: to compile, or `serve --config FILE`.
    if std::env::args().nth(1).is_some_and(|word| word == punchdown::wasm::COMPILES) {
        return tokio::task::block_in_place(punchdown::cli::main);
    }
    let Some(file) = std::env::args().nth(3) else { return ExitCode::from(2) };
    let how = std::env::var_os("PUNCHDOWN_BENT").unwrap_or_else(|| "answers-early".into());
    let how = how.to_string_lossy().into_owned();
    lifecycle::serve_with(Path::new(&file), |journal| bend(journal, &how)).await
}

fn bend(journal: Box<dyn Journal>, how: &str) -> Box<dyn Journal> {
    match how {
        "answers-early" => Box::new(Over(AnswersEarly(Arc::from(journal)))),
        "knows-no-repeats" => Box::new(Over(KnowsNoRepeats(journal))),
        "sends-again" => Box::new(Over(SendsAgain(journal))),
        point => match point.parse() {
            Ok(point) => Box::new(Over(Dies::new(journal, point))),
            Err(error) => panic!("{error}"),
        },
    }
}
