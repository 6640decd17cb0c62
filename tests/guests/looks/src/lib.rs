//! A register that is looked at before anything is changed in it: a decent guest, for the stories about
//! subscribers that were there before.

use punchdown_adapter::{
    Adapter, Description, Flow, Notification, Operation, Problem, Reading, Request, Response, Status, Stop,
    Value, Wanted, export_adapter, json,
};

/// The adapter.
pub struct Looks;

impl Adapter for Looks {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Looks at a line, and switches it if need be.".to_owned(),
            queries: Vec::new(),
            config_schema: json!({ "type": "object" }),
            secrets: Vec::new(),
            secret_fields: Vec::new(),
        }
    }

    fn check_config(_config: &Value) -> Vec<Problem> {
        Vec::new()
    }

    fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
        let on = operation.wanted == Wanted::Running;
        let look = || Request::get("/lines").segment(&operation.i_account);
        let answer = flow.ask("look", look())?;
        let stands = match answer.status {
            200 => answer.json().unwrap_or_default()["on"].as_bool(),
            404 => None,
            status => return Err(flow.again("busy", format!("look: {status}"))),
        };
        if let Some(stands) = stands {
            flow.applied(json!({ "on": stands }));
            flow.key(format!("line-{}", operation.i_account));
            // Twice before it changes anything.
            flow.ask("look-again", look())?;
        }
        if stands.unwrap_or(false) != on {
            flow.applied(json!({ "on": on }));
            flow.ask(
                "switch",
                Request::put("/lines").segment(&operation.i_account).json(&json!({ "on": on })),
            )?;
        }
        flow.report(Status::Ok, None);
        Ok(())
    }

    fn read_notification(_config: &Value, _notification: &Notification) -> Reading {
        Reading { reply: Response::empty(204), signals: Vec::new(), unread: None }
    }
}

export_adapter!(Looks);
