//! Keeps a customer for each account in an IPTV system that wants a log-in first and takes forms.
//!
//! A customer is found by its login name, so that name is all that is remembered. Change the paths and the
//! fields to those of your system.

use std::collections::BTreeMap;

use punchdown_adapter::settings::{Settings, text};
use punchdown_adapter::{
    Acted, Adapter, Applied, Description, Errand, Escape, Flow, LogIn, Notification, Operation, Problem,
    Reading, Request, Response, Standing, Status, Stop, Subscriber, Value, Wanted, export_adapter, json,
};
use serde::{Deserialize, Serialize};

/// How often a customer is asked for while nobody can say whether it was made.
const TRIES_MAX: usize = 4;

/// The adapter.
pub struct Iptv;

/// A group's configuration.
#[derive(Default)]
struct Config {
    /// The system's packages, by the names of PortaBilling's products.
    packages: BTreeMap<String, String>,
    /// The custom field that holds a customer's password.
    password_field: String,
}

/// What stands in the system for the account, as `applied` remembers it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Customer {
    login: Option<String>,
}

/// The inner `Err`: it is refused, and why.
type Done = Result<Result<(), String>, Stop>;

impl Adapter for Iptv {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Keeps a customer for each account in an IPTV system.".to_owned(),
            queries: vec!["account_info".to_owned(), "custom_fields".to_owned()],
            config_schema: json!({
                "type": "object", "additionalProperties": false, "required": ["packages"],
                "properties": {
                    "packages": {
                        "type": "object", "minProperties": 1, "additionalProperties": {"type": "string"},
                        "description": "The system's packages, by the names of PortaBilling's products.",
                    },
                    "password_field": {
                        "type": "string", "minLength": 1, "default": "iptv_password",
                        "description": "The custom field that holds a customer's password.",
                    },
                },
            }),
            secrets: vec!["user".to_owned(), "password".to_owned()],
            // What custom fields hold: one of them is the password.
            secret_fields: vec!["db_value".to_owned(), "text_value".to_owned()],
        }
    }

    fn check_config(config: &Value) -> Vec<Problem> {
        Config::read(config).err().unwrap_or_default()
    }

    fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
        let Ok(stands) = operation.applied.as_ref().map_or(Ok(Customer::default()), Customer::deserialize)
        else {
            return Err(flow.park("applied", "what stands was not written by this adapter"));
        };
        let mut standing = Applied::new(stands);
        let done = match (operation.wanted, &operation.subscriber) {
            (Wanted::Running, Some(subscriber)) => keep(flow, operation, subscriber, &mut standing)?,
            (Wanted::Running, None) => return Err(flow.park("subscriber", "nothing is known of the account")),
            (Wanted::Suspended, _) => suspend(flow, &mut standing)?,
            (Wanted::Gone, _) => remove(flow, &mut standing)?,
        };
        standing.say(flow);
        match done {
            Ok(()) => flow.report(Status::Ok, None),
            Err(reason) => flow.report(Status::Failed, reason),
        }
        Ok(())
    }

    /// This system never notifies: it has done what it answers.
    fn read_notification(_config: &Value, _notification: &Notification) -> Reading {
        Reading { reply: Response::empty(204), signals: Vec::new(), unread: None }
    }
}

impl LogIn for Iptv {
    fn log_in(errand: &mut Errand, _config: &Value) -> Result<Standing, Stop> {
        // The host puts the secrets in as the request leaves.
        let request = form(Request::post("/login"), "user=@@user@@&password=@@password@@".to_owned())
            .fill("@@user@@", "secret.user", Escape::Url)
            .fill("@@password@@", "secret.password", Escape::Url);
        let response = errand.ask("log-in", request)?;
        let said = response.json().unwrap_or_default();
        match (response.status, said["token"].as_str()) {
            (200..300, Some(token)) => {
                let seconds = said["expires_in"].as_u64().and_then(|seconds| u32::try_from(seconds).ok());
                Ok(Standing { value: json!({"token": token}), seconds })
            }
            (400 | 401 | 403, _) => Err(errand.fail("refused", reason("log-in", &response))),
            (status, _) => Err(errand.again("busy", format!("log-in: {status}"))),
        }
    }
}

impl Config {
    /// Reads a configuration, or says all that is wrong with it.
    fn read(config: &Value) -> Result<Self, Vec<Problem>> {
        Settings::read(config, |settings| Self {
            packages: settings.required("packages", "which package has which product?", packages),
            password_field: settings.or("password_field", "iptv_password".to_owned(), text),
        })
    }

    fn password<'a>(&self, subscriber: &'a Subscriber) -> Option<&'a str> {
        let fields = subscriber.documents["custom_fields"].as_array()?;
        let field = fields.iter().find(|field| field["name"] == *self.password_field)?;
        field["db_value"].as_str().filter(|password| !password.is_empty())
    }
}

fn packages(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let packages = BTreeMap::deserialize(value).ok().filter(|packages| !packages.is_empty());
    packages.ok_or_else(|| "must be an object of texts, and not empty".to_owned())
}

fn keep(
    flow: &mut Flow,
    operation: &Operation,
    subscriber: &Subscriber,
    standing: &mut Applied<Customer>,
) -> Done {
    let config = Config::read(&operation.config).unwrap_or_default();
    let product = subscriber.document("/account_info/product_name").and_then(Value::as_str);
    let product = product.unwrap_or_default();
    let Some(package) = config.packages.get(product) else {
        return Err(flow.park("package-unknown", format!("no package for the product `{product}`")));
    };
    // An account may be renamed: its customer keeps the name that it has.
    let login = standing.login.clone();
    let login =
        login.unwrap_or_else(|| subscriber.account_id.split('@').next().unwrap_or_default().to_owned());
    if let Some(found) = look(flow, &login)? {
        standing.login = Some(login);
        return change(flow, standing, &found, &[("package", package), ("state", "active")]);
    }
    let Some(password) = config.password(subscriber) else {
        let why = format!("the account has no custom field `{}`", config.password_field);
        return Err(flow.park("password-unknown", why));
    };
    let fields =
        [("login", login.as_str()), ("password", password), ("package", package), ("state", "active")];
    for _ in 0..TRIES_MAX {
        standing.login = Some(login.clone());
        standing.say(flow); // Before it is made: the answer may be lost.
        let mut refused = None;
        let request = with_session(form(Request::post("/customers"), encoded(&fields)));
        if let Acted::Answered(response) = flow.act("create", request)? {
            match response.status {
                200..300 => return Ok(Ok(())),
                401 | 403 | 408 | 429 | 503 => return Err(later(flow, "create", &response)),
                400..500 => refused = Some(reason("create", &response)),
                _ => {} // It may be a proxy's answer, which is as good as none.
            }
        }
        // Its answer was lost, or one that was lost before has made it after all.
        if let Some(found) = look(flow, &login)? {
            return change(flow, standing, &found, &[("package", package), ("state", "active")]);
        }
        if let Some(reason) = refused {
            standing.login = None;
            return Ok(Err(reason));
        }
    }
    Err(flow.park("in-doubt", "nobody can say whether the customer was made"))
}

/// Who must not watch is switched off, and the record kept.
fn suspend(flow: &mut Flow, standing: &mut Applied<Customer>) -> Done {
    let Some(login) = standing.login.clone() else { return Ok(Ok(())) };
    if let Some(found) = look(flow, &login)? {
        return change(flow, standing, &found, &[("state", "suspended")]);
    }
    standing.login = None;
    Ok(Ok(()))
}

fn remove(flow: &mut Flow, standing: &mut Applied<Customer>) -> Done {
    let Some(login) = standing.login.clone() else { return Ok(Ok(())) };
    if let Some(found) = look(flow, &login)? {
        let response = flow.ask("delete", with_session(at(&found, "DELETE")))?;
        if response.status != 404
            && let Err(reason) = judged(flow, "delete", &response)?
        {
            return Ok(Err(reason));
        }
    }
    standing.login = None;
    Ok(Ok(()))
}

/// Changes what was found, where it is not yet as it is wanted.
fn change(flow: &mut Flow, standing: &mut Applied<Customer>, found: &Value, wanted: &[(&str, &str)]) -> Done {
    standing.say(flow);
    let other: Vec<_> = wanted.iter().filter(|(name, value)| found[*name] != **value).copied().collect();
    if other.is_empty() {
        return Ok(Ok(()));
    }
    let response = flow.ask("change", with_session(form(at(found, "PUT"), encoded(&other))))?;
    judged(flow, "change", &response)
}

/// The customer of that login name. An answer that is not 2xx never means that there is none.
fn look(flow: &mut Flow, login: &str) -> Result<Option<Value>, Stop> {
    let response = flow.ask("look", with_session(Request::get("/customers").query("login", login)))?;
    let Some(Value::Array(found)) = response.json().filter(|_| response.is_success()) else {
        return Err(later(flow, "look", &response));
    };
    match found.into_iter().find(|one| one["login"] == *login) {
        Some(one) if !one["id"].is_string() => {
            Err(flow.park("not-understood", "the customer has no id that is a text"))
        }
        found => Ok(found),
    }
}

/// A request to the customer that was found.
fn at(found: &Value, method: &str) -> Request {
    Request::new(method, "/customers").segment(found["id"].as_str().unwrap_or_default())
}

/// Puts the token in as the request leaves. A system that wants it in `x-token` has no `Bearer` before it.
fn with_session(request: Request) -> Request {
    request.header("authorization", "Bearer @@token@@").fill("@@token@@", "session.token", Escape::Verbatim)
}

fn form(request: Request, fields: String) -> Request {
    request.text("application/x-www-form-urlencoded", fields)
}

/// The fields of a form. A query is written in the same way.
fn encoded(fields: &[(&str, &str)]) -> String {
    let add = |request: Request, (name, value): &(&str, &str)| request.query(name, value);
    fields.iter().fold(Request::get(""), add).path.trim_start_matches('?').to_owned()
}

/// What the answer to a request that may be repeated means.
fn judged(flow: &mut Flow, label: &str, response: &Response) -> Done {
    match response.status {
        200..300 => Ok(Ok(())),
        401 | 403 | 408 | 429 | 500.. => Err(later(flow, label, response)),
        _ => Ok(Err(reason(label, response))),
    }
}

/// It is the trouble of the session or of the group, and not of the account.
fn later(flow: &mut Flow, label: &str, response: &Response) -> Stop {
    match response.status {
        401 => flow.renew("session-ended", format!("{label}: 401")),
        status => flow.again("busy", format!("{label}: {status}")),
    }
}

/// Why it is refused, in the system's own words where it has some.
fn reason(label: &str, response: &Response) -> String {
    let said = response.json().unwrap_or_default();
    said["reason"].as_str().map_or_else(|| format!("{label}: {}", response.status), str::to_owned)
}

export_adapter!(Iptv, with log_in);

#[cfg(test)]
mod tests {
    #[test]
    fn the_golden_cases_hold() {
        punchdown_adapter::run_cases_with_log_in::<super::Iptv>("cases");
    }
}
