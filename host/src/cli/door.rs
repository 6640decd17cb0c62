//! The operators' door of a running host, as commands reach it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Certificate, Identity, Method, StatusCode};
use serde_json::Value;

use super::output::Format;
use crate::config;
use crate::explain::Code;
use crate::http::AdminToken;
use crate::lifecycle::refuse;
use crate::secret::Secret;
use crate::web;

/// The host cannot be reached.
const EXIT_UNREACHABLE: u8 = 69;
/// The host does not admit us.
const EXIT_NOT_PERMITTED: u8 = 77;

/// The host has it at hand.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// Each component that is new may be compiled for five minutes.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(15 * 60);

#[derive(clap::Args)]
pub struct Door {
    /// The configuration file of the running host: it says where its door is, and the token.
    #[arg(long, value_name = "FILE", default_value = "punchdown.toml")]
    config: PathBuf,
    /// A file with the token, where the configuration does not name one: it may know only digests.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Where the operators' listener is reached, when that is not where it listens: by the name in
    /// its certificate, or through a proxy.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Certificates in PEM, one of which must stand behind that of the host. Without it those of
    /// the system are believed.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our own certificate and its key, in PEM, where the listener asks for one.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

impl Door {
    /// The configuration file of the running host.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Asks, and prints the answer as text of its own or as it is.
    pub async fn show(&self, path: &str, text: impl Fn(&Value) -> String) -> ExitCode {
        self.print(self.ask(Method::GET, path, None).await, text)
    }

    /// Asks twice, and prints both as one.
    pub async fn show_both(
        &self,
        one: &str,
        other: &str,
        text: impl Fn(&Value, &Value) -> String,
    ) -> ExitCode {
        let both = async {
            let one = self.ask(Method::GET, one, None).await?;
            Ok(serde_json::json!({ "status": one, "stuck": self.ask(Method::GET, other, None).await? }))
        };
        self.print(both.await, |both| text(&both["status"], &both["stuck"]))
    }

    /// Lets something be done.
    pub async fn act(&self, path: &str, body: &Value, text: impl Fn(&Value) -> String) -> ExitCode {
        self.print(self.ask(Method::POST, path, Some(body)).await, text)
    }

    pub fn print(&self, answer: Result<Value, ExitCode>, text: impl Fn(&Value) -> String) -> ExitCode {
        match answer {
            Ok(answer) => self.format.print(&answer, text),
            Err(code) => return code,
        }
        ExitCode::SUCCESS
    }

    /// What is wrong was said already when this is an error.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ExitCode> {
        self.ask_within(ANSWERED_WITHIN, method, path, body).await
    }

    /// Has something taken over, which may have to wait for its turn and for a compiler.
    pub async fn take_over(&self, path: &str, body: Option<&Value>) -> Result<Value, ExitCode> {
        self.ask_within(TAKEN_OVER_WITHIN, Method::POST, path, body).await
    }

    async fn ask_within(
        &self,
        within: Duration,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ExitCode> {
        let door = config::door(&self.config).map_err(|problems| refuse(&problems.into()))?;
        let say = |code: Code| move |why: String| refused(code, why);
        let token = self.token(&door).map_err(say(Code::NotAdmitted))?;
        let url = self.place(&door, path);
        let client = self.client().map_err(say(Code::FileOfCommand))?;
        let mut request = client.request(method, &url).bearer_auth(token.expose()).timeout(within);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| say(Code::Unreachable)(unreached(&url, &error)))?;
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            let whose = self.token_file.as_ref().unwrap_or(&self.config);
            return Err(say(Code::NotAdmitted)(format!(
                "{url} does not take the token of {}",
                whose.display()
            )));
        }
        let said: Value =
            answer.json().await.map_err(|error| say(Code::Unreachable)(unreached(&url, &error)))?;
        match status.is_success() {
            true => Ok(said),
            false if status.is_server_error() => Err(say(Code::Unreachable)(message(&said, status))),
            false => Err(say(Code::HostRefuses)(message(&said, status))),
        }
    }

    /// Asks a host that need not be there, or need not admit us; nothing is said then.
    pub async fn hear(&self, path: &str) -> Option<Value> {
        let door = config::door(&self.config).ok()?;
        let token = self.token(&door).ok()?;
        let request = self.client().ok()?.get(self.place(&door, path)).bearer_auth(token.expose());
        request.send().await.ok()?.error_for_status().ok()?.json().await.ok()
    }

    fn place(&self, door: &config::Door, path: &str) -> String {
        let base = self.url.clone().unwrap_or_else(|| door.listener.url());
        format!("{}/admin/v1/{path}", base.trim_end_matches('/'))
    }

    fn client(&self) -> Result<reqwest::Client, String> {
        let mut client = web::builder(ANSWERED_WITHIN);
        if let Some(file) = &self.ca {
            client = client.tls_certs_only(from_pem(file, Certificate::from_pem_bundle)?);
        }
        if let Some(file) = &self.identity {
            client = client.identity(from_pem(file, Identity::from_pem)?);
        }
        client.build().map_err(|error| format!("cannot set up TLS: {}", web::reason(&error)))
    }

    /// The token to show: the one that was given, or else the first whose text the configuration knows.
    fn token(&self, door: &config::Door) -> Result<Secret, String> {
        if let Some(file) = &self.token_file {
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|error| format!("cannot read the token {}: {error}", file.display()))?;
            return Ok(Secret::new(text.trim_end_matches(['\r', '\n'])));
        }
        let known = door.tokens.iter().find_map(AdminToken::known);
        known.cloned().ok_or_else(|| {
            "the configuration names no token that can be read here and shown: say --token-file FILE, \
             or add `{ file = \"secrets/admin\" }` to admin.tokens"
                .to_owned()
        })
    }
}

/// Says what is wrong. The exit code tells programs what kind of thing it is.
fn refused(code: Code, why: String) -> ExitCode {
    eprint!("{}", code.tell(why, &[]));
    match code {
        Code::Unreachable => ExitCode::from(EXIT_UNREACHABLE),
        Code::NotAdmitted => ExitCode::from(EXIT_NOT_PERMITTED),
        _ => ExitCode::FAILURE,
    }
}

fn unreached(url: &str, error: &reqwest::Error) -> String {
    let tls =
        if url.starts_with("https:") { " Does --ca name who stands behind its certificate?" } else { "" };
    format!("cannot ask {url}: {}; is the host running?{tls}", web::reason(error))
}

fn message(said: &Value, status: StatusCode) -> String {
    said["message"].as_str().map_or_else(|| format!("the host answers {status}"), str::to_owned)
}

fn from_pem<T>(file: &Path, read: fn(&[u8]) -> reqwest::Result<T>) -> Result<T, String> {
    let pem = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    read(&pem).map_err(|error| format!("cannot use {}: {}", file.display(), web::reason(&error)))
}

/// As a part of a path, or of a query.
pub fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A value in a line of text.
pub fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
