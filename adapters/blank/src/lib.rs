//! A blank adapter, to begin one of your own with: for a system that speaks SOAP and wants a log-in first, as
//! many platforms for VoIP, WiMAX, network access, number portability or lawful interception do.
//!
//! It keeps one service for each account in a system that nobody sells, so change what is its own: the words of
//! `wire`, the settings of `config`, and what `flow` remembers. What it shows is the shape: look before you
//! create, remember what you made as soon as you ask for it, look again when an answer is lost, and judge an
//! answer by what it says and not by its status code.

mod config;
mod flow;
mod wire;

use punchdown_adapter::{
    Adapter, Description, Errand, Flow, LogIn, Notification, Operation, Problem, Reading, Response, Standing,
    Stop, Value, export_adapter, json,
};

use config::Config;
use wire::{Answer, Call};

/// The adapter.
pub struct Blank;

impl Adapter for Blank {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Keeps a service for each account in a system that speaks SOAP.".to_owned(),
            queries: vec!["account_info".to_owned()],
            config_schema: config::schema(),
            secrets: vec!["user".to_owned(), "password".to_owned()],
            secret_fields: vec!["session".to_owned()],
        }
    }

    fn check_config(config: &Value) -> Vec<Problem> {
        Config::read(config).err().unwrap_or_default()
    }

    fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
        flow::provision(flow, operation)
    }

    /// This system never notifies: it has done what it answers.
    fn read_notification(_config: &Value, _notification: &Notification) -> Reading {
        Reading { reply: Response::empty(204), signals: Vec::new(), unread: None }
    }
}

impl LogIn for Blank {
    fn log_in(errand: &mut Errand, config: &Value) -> Result<Standing, Stop> {
        let Ok(config) = Config::read(config) else {
            return Err(errand.fail("configuration", "it is not as it was checked"));
        };
        let response = errand.ask("log-in", Call::log_in().request(&config))?;
        match wire::read(&response) {
            Answer::Done(done) => match done.text("session") {
                Some(session) => {
                    let seconds = done.text("seconds").and_then(|seconds| seconds.parse().ok());
                    Ok(Standing { value: json!({ "id": session }), seconds })
                }
                None => Err(errand.fail("no-session", "it let us in and gave no session")),
            },
            Answer::Fault { code, why } if code == "Client.Login" => Err(errand.fail("refused", why)),
            Answer::Fault { why, .. } | Answer::Unclear(why) => Err(errand.again("busy", why)),
        }
    }
}

export_adapter!(Blank, with log_in);

#[cfg(test)]
mod tests {
    #[test]
    fn the_golden_cases_hold() {
        punchdown_adapter::run_cases_with_log_in::<super::Blank>("cases");
    }
}
