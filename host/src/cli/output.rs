//! How a command prints: as text for a person, or as JSON for programs.

use std::path::Path;

use serde_json::{Value, json};

use crate::app::StartError;
use crate::config::Problem;

#[derive(Clone, Copy, clap::Args)]
pub struct Format {
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Format {
    pub fn is_json(self) -> bool {
        self.output == Output::Json
    }

    pub fn print(self, answer: &Value, text: impl FnOnce(&Value) -> String) {
        match self.output {
            Output::Text => print!("{}", text(answer)),
            Output::Json => println!("{answer:#}"),
        }
    }
}

/// What keeps a host from starting, for programs.
pub fn problems(error: &StartError) -> Vec<Value> {
    match error {
        StartError::Configuration(problems) => {
            problems.found.iter().map(|found| problem(found, &problems.file)).collect()
        }
        other => {
            let none = Value::Null;
            let code = other.code();
            vec![json!({
                "kind": "error",
                "code": code.map(|code| code.number()),
                "key": none, "file": none, "line": none, "column": none,
                "message": other.to_string(),
                "help": other.help(),
            })]
        }
    }
}

/// A problem or a warning of the configuration. What is wrong with the file as a whole has no place in it.
pub fn problem(problem: &Problem, file: &Path) -> Value {
    let place = Some(problem.place).filter(|place| place.line > 0);
    json!({
        "kind": problem.code.kind(),
        "code": problem.code.number(),
        "key": Some(&problem.key).filter(|key| !key.is_empty()),
        "file": file,
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "message": problem.message,
        "help": problem.help,
    })
}
