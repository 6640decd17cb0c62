//! A home location register that wants a log-in first: a decent guest, for the stories about sessions.

use punchdown_adapter::{
    Adapter, Description, Errand, Escape, Flow, LogIn, Notification, Operation, Problem, Reading, Request,
    Response, Standing, Status, Stop, Value, Wanted, export_adapter, json,
};

/// The adapter.
pub struct Hlr;

impl Adapter for Hlr {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Switches lines in a register that wants a log-in.".to_owned(),
            queries: Vec::new(),
            config_schema: json!({ "type": "object" }),
            secrets: vec!["password".to_owned()],
            secret_fields: Vec::new(),
        }
    }

    fn check_config(_config: &Value) -> Vec<Problem> {
        Vec::new()
    }

    fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
        let on = operation.wanted == Wanted::Running;
        let line = Request::put("/lines").segment(&operation.i_account).json(&json!({ "on": on }));
        let line =
            line.header("x-session", "@@session@@").fill("@@session@@", "session.id", Escape::Verbatim);
        flow.applied(json!({ "on": on }));
        let answer = flow.ask("switch", line)?;
        match answer.json().unwrap_or_default()["error"].as_str() {
            None if answer.is_success() => flow.report(Status::Ok, None),
            Some("session-ended") => return Err(flow.renew("session-ended", "the session has ended")),
            other => {
                let why = format!("answered {}: {}", answer.status, other.unwrap_or("without a word"));
                return Err(flow.again("busy", why));
            }
        }
        Ok(())
    }

    fn read_notification(_config: &Value, _notification: &Notification) -> Reading {
        Reading { reply: Response::empty(204), signals: Vec::new(), unread: None }
    }
}

impl LogIn for Hlr {
    fn log_in(errand: &mut Errand, _config: &Value) -> Result<Standing, Stop> {
        let credential = json!({ "user": "punchdown", "password": "@@password@@" });
        let request = Request::post("/session").json(&credential);
        let request = request.fill("@@password@@", "secret.password", Escape::Json);
        let answer = errand.ask("log-in", request)?;
        let granted = answer.json().unwrap_or_default();
        match (answer.status, granted["session"].as_str()) {
            (200, Some(session)) => {
                let seconds = granted["seconds"].as_u64().and_then(|seconds| seconds.try_into().ok());
                Ok(Standing { value: json!({ "id": session }), seconds })
            }
            (403, _) => Err(errand.fail("refused", "the register does not know us")),
            (status, _) => Err(errand.again("busy", format!("answered {status}"))),
        }
    }
}

export_adapter!(Hlr, with log_in);

#[cfg(test)]
mod tests {
    #[test]
    fn the_golden_cases_hold() {
        punchdown_adapter::run_cases_with_log_in::<super::Hlr>("cases");
    }
}
