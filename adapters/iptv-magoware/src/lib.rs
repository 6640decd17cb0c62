//! IPTV on Magoware's back office: a login for each account, what is sold to it from its product and add-ons, a lock
//! while it must not watch, removal when it is gone.
//!
//! Begin at `flow`, the life of an operation; `plan` is what an account is entitled to, `work` sends and sees what
//! came of it, `answer` says what an answer means: its status alone does not. `standing` is what we remember,
//! `config` what a group says. Calls of third parties bear a key that the target's `auth` puts into the query; those that lock and remove
//! want a log-in, which is below.

mod answer;
mod config;
mod flow;
mod plan;
mod standing;
mod work;

use punchdown_adapter::{
    Adapter, Description, Errand, Escape, Flow, LogIn, Notification, Operation, Problem, Reading, Request,
    Response, Standing, Stop, Trouble, Value, export_adapter, json,
};

use config::Config;

/// Tokens live for four hours, and do not say so.
const TOKEN_SECONDS: u32 = 4 * 3_600;
/// What look-ups show of logins and nobody is to see, beside the host's own list.
const SECRET_FIELDS: [&str; 2] = ["salt", "resetpasswordtoken"];

/// The adapter.
pub struct IptvMagoware;

impl Adapter for IptvMagoware {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Provisions IPTV by the API of Magoware's back office.".to_owned(),
            queries: config::QUERIES.map(str::to_owned).into(),
            config_schema: config::schema(),
            secrets: vec!["password".to_owned()],
            secret_fields: SECRET_FIELDS.map(str::to_owned).into(),
        }
    }

    fn check_config(config: &Value) -> Vec<Problem> {
        Config::read(config).err().unwrap_or_default()
    }

    fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
        flow::provision(flow, operation)
    }

    /// Magoware tells nobody anything.
    fn read_notification(_config: &Value, _notification: &Notification) -> Reading {
        let message = "Magoware sends no notifications".to_owned();
        let unread = Some(Trouble { code: "not-understood".to_owned(), message });
        Reading { reply: Response::empty(202), signals: Vec::new(), unread }
    }
}

impl LogIn for IptvMagoware {
    fn log_in(errand: &mut Errand, config: &Value) -> Result<Standing, Stop> {
        let Ok(config) = Config::read(config) else {
            return Err(errand.fail("configuration", "it is not as it was checked"));
        };
        let credential = json!({"username": config.admin, "password": "@@password@@"});
        let request = Request::post("/api/auth/login").json(&credential);
        let response = errand.ask("log-in", request.fill("@@password@@", "secret.password", Escape::Json))?;
        let said = response.json().unwrap_or_default();
        match (response.status, said["token"].as_str()) {
            (200, Some(token)) => {
                Ok(Standing { value: json!({"token": token}), seconds: Some(TOKEN_SECONDS) })
            }
            (401 | 403 | 404, _) => {
                Err(errand
                    .fail("refused", format!("Magoware does not know `{}`, or its password", config.admin)))
            }
            (status, _) => Err(errand.again("busy", format!("answered {status}"))),
        }
    }
}

export_adapter!(IptvMagoware, with log_in);

#[cfg(test)]
mod tests {
    #[test]
    fn the_golden_cases_hold() {
        punchdown_adapter::run_cases_with_log_in::<super::IptvMagoware>("cases");
    }
}
