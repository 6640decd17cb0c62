//! `explain`: what a code, a reason for parking, a trouble or a state means.

use std::process::ExitCode;

use serde_json::json;

use super::output::Format;
use crate::explain::{Code, explain, words};

#[derive(clap::Args)]
pub struct Arguments {
    /// `E0103`, `billing-refused`, `parked`, …; all of them when it is left out.
    #[arg(value_name = "CODE")]
    word: Option<String>,
    #[command(flatten)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let format = arguments.format;
    let Some(word) = &arguments.word else {
        let codes = Code::ALL.iter().map(|code| json!({ "code": code.number(), "title": code.title() }));
        let all_of_it = json!({ "codes": codes.collect::<Vec<_>>(), "words": words().collect::<Vec<_>>() });
        format.print(&all_of_it, |_| all());
        return ExitCode::SUCCESS;
    };
    if let Some(page) = explain(word) {
        format.print(&json!({ "word": word, "text": page }), |_| page.clone());
        return ExitCode::SUCCESS;
    }
    let nearest = words().map(|known| (strsim::damerau_levenshtein(known, word), known)).min();
    let help = match nearest {
        Some((distance, known)) if distance <= 1 + word.len() / 4 => {
            format!("= help: did you mean `{known}`?")
        }
        _ => "= help: `punchdown explain` names all that can be explained".to_owned(),
    };
    eprint!("{}", Code::NoPage.tell(format!("there is nothing to explain by the name `{word}`"), &[help]));
    ExitCode::FAILURE
}

fn all() -> String {
    let codes = Code::ALL.iter().map(|code| format!("{code}  {}\n", code.title()));
    let words = words().map(|word| format!("{word}\n"));
    codes.chain(["\n".to_owned()]).chain(words).collect()
}
