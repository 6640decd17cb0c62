//! The sections of a configuration, but for the groups.

use std::collections::BTreeMap;
use std::path::Path;

use axum::http::StatusCode;

use super::listeners::listener;
use super::reader::{Section, Value};
use super::secrets::{admin_token, secret};
use super::values::{SECOND, base_url, header_name, patterns, user_and_password};
use super::{Settings, groups};
use crate::billing::{self, Credential, Query};
use crate::domain::{Aliases, Patterns};
use crate::espf::{self, ContentType};
use crate::http::{AdminToken, EventAuth, EventSettings, ListenerSettings};
use crate::store;

/// Events that say that an account was closed.
const CLOSING: &str = r#"["Account/Status/Closed", "Customer/Status/Closed", "Subscriber/Deleted"]"#;

/// Events of which each has its own operation.
const NEVER_COLLAPSE: &str = r#"["**/New", "**/Created", "**/Closed", "**/Deleted", "**/Imported", "**/Exported", "**/SIMCardAssignment", "SIM/Replaced", "Account/Id/Changed", "Account/ID/Changed"]"#;

pub fn root(root: &mut Section<'_>, directory: &Path) -> Option<Settings> {
    let billing = root.section("portabilling", |section| portabilling(section, directory));
    let events = root.section("events", |section| events(section, directory));
    let notifications = match root.optional("notifications") {
        Some(value) => value.section(|section| listener(section, "\"0.0.0.0:8702\"")).map(Some),
        None => Some(None),
    };
    let admin = root.section("admin", |section| admin(section, directory));
    let store = root.section("journal", |section| journal(section, directory));
    let log_filter = root.section("log", |section| section.or("filter", "\"info\"", |value| value.text()));
    let Events { settings: events, listener: public, kinds } = events?;
    let listen = notifications.as_ref().and_then(|own| own.as_ref().or(public.as_ref()));
    let groups = root.section("groups", |section| groups::all(section, directory, listen, kinds.as_ref()));
    let ((billing, espf), (admin, admin_tokens)) = (billing?, admin?);
    Some(Settings {
        billing,
        espf,
        events: events?,
        public: public?,
        notifications: notifications?,
        admin,
        admin_tokens,
        store: store?,
        log_filter: log_filter?,
        groups: groups?,
        warnings: Vec::new(),
    })
}

fn portabilling(section: &mut Section<'_>, directory: &Path) -> Option<(billing::Settings, espf::Settings)> {
    let url = section.required("url", "\"https://billing.example.net\"").and_then(|value| base_url(&value));
    let login = section.required("login", "\"punchdown\"").and_then(|value| value.text());
    let credential = credential(section, directory);
    // A reading is of several calls, and must come to its end within the lease of its lane.
    let timeout = section.or("timeout", "\"10s\"", |value| value.duration(SECOND..=15 * SECOND));
    let concurrency = section.or("concurrency", "16", |value| value.number(1..=256));
    let content_type = section.or("status-content-type", "\"json\"", |value| {
        value.parsed("`json` or `form`", |text| match text {
            "json" => Some(ContentType::Json),
            "form" => Some(ContentType::Form),
            _ => None,
        })
    });
    let queries = section.section("queries", queries);
    let (url, timeout) = (url?, timeout?);
    let espf = espf::Settings { url: url.clone(), content_type: content_type?, timeout };
    let billing = billing::Settings {
        url,
        login: login?,
        credential: credential?,
        timeout,
        concurrency: usize::try_from(concurrency?).ok()?,
        queries: queries?,
    };
    Some((billing, espf))
}

fn credential(section: &mut Section<'_>, directory: &Path) -> Option<Credential> {
    if let Some(password) = section.optional("password") {
        if section.optional("token").is_some() {
            password.complain("`token` and `password` cannot both be meant", None);
        }
        return secret(&password, directory).map(Credential::Password);
    }
    let token = section.required("token", "{ file = \"secrets/portabilling\" }")?;
    secret(&token, directory).map(Credential::Token)
}

/// The queries that are known without being written, changed and added to by what is.
fn queries(section: &mut Section<'_>) -> Option<BTreeMap<String, Query>> {
    let mut queries = Query::defaults();
    section.each(|name, value| {
        let known = queries.get(name).cloned();
        let query = value.section(|section| {
            let method = match &known {
                Some(query) => section.or("method", &format!("{:?}", query.method), |value| value.text()),
                None => section.required("method", "\"Service/method\"").and_then(|value| value.text()),
            };
            let answer = match &known {
                Some(query) => section.or("answer", &format!("{:?}", query.answer), |value| value.text()),
                None => section.required("answer", "\"member_of_the_answer\"").and_then(|value| value.text()),
            };
            let params = section.optional("params").and_then(|value| match value.json() {
                serde_json::Value::Object(params) => Some(params),
                _ => {
                    value.complain("it must be a table of parameters", None);
                    None
                }
            });
            let params = params.or(known.map(|query| query.params)).unwrap_or_default();
            Some(Query { method: method?, params, answer: answer? })
        });
        queries.extend(query.map(|query| (name.to_owned(), query)));
    });
    Some(queries)
}

/// Read apart, so that what is wrong with one does not hide what is wrong with the groups.
struct Events {
    settings: Option<EventSettings>,
    listener: Option<ListenerSettings>,
    kinds: Option<EventKinds>,
}

/// What the names of events say of them.
pub struct EventKinds {
    pub aliases: Aliases,
    pub closing: Patterns,
    pub never_collapse: Patterns,
}

fn events(section: &mut Section<'_>, directory: &Path) -> Option<Events> {
    let listener = listener(section, "\"0.0.0.0:8700\"");
    let example = "[{ basic = { user = \"espf\", password = { file = \"secrets/espf\" } } }]";
    let auth = section.required("auth", example).and_then(|value| {
        let auth = value.list(|value| event_auth(value, directory))?;
        if auth.is_empty() {
            value.complain("without a credential anybody could send events", Some(example));
            return None;
        }
        let is_said = |auth: &EventAuth| matches!(auth, EventAuth::Basic { .. } | EventAuth::Custom { .. });
        if auth.iter().any(is_said) && listener.as_ref().is_some_and(ListenerSettings::is_in_the_clear) {
            value.warn(
                "`events.listen` speaks no TLS: whoever hears this credential on the way can send events",
                Some("put a proxy that speaks TLS in front and name it in `trusted-proxies`"),
            );
        }
        Some(auth)
    });
    let auth_header = section.or("auth-header", "\"Authorization\"", header_name);
    let auth_failure = section.or("auth-failure", "401", |value| match value.number(401..=503)? {
        401 => Some(StatusCode::UNAUTHORIZED),
        503 => Some(StatusCode::SERVICE_UNAVAILABLE),
        other => {
            value.complain(
                format!("{other} is neither 401 nor 503"),
                Some("the ESPF deletes an event on 401, and sends it again on 503"),
            );
            None
        }
    });
    let body_max = section.or("body-max", "\"1MiB\"", |value| value.bytes(1 << 10..=16 << 20));
    let body_timeout = section.or("body-timeout", "\"10s\"", |value| value.duration(SECOND..=60 * SECOND));
    let closing = section.or("closing", CLOSING, patterns);
    let never_collapse = section.or("never-collapse", NEVER_COLLAPSE, patterns);
    let settings = || {
        Some(EventSettings {
            auth: auth?,
            auth_header: auth_header?,
            auth_failure: auth_failure?,
            body_max: body_max?,
            body_timeout: body_timeout?,
        })
    };
    let kinds = section.section("aliases", aliases).and_then(|aliases| {
        let (closing, never_collapse) = (closing?, never_collapse?);
        Some(EventKinds {
            closing: closing.with_aliases(&aliases),
            never_collapse: never_collapse.with_aliases(&aliases),
            aliases,
        })
    });
    Some(Events { settings: settings(), listener, kinds })
}

/// Old names of events, by the names that are meant.
fn aliases(section: &mut Section<'_>) -> Option<Aliases> {
    let mut aliases = BTreeMap::new();
    let mut complete = true;
    section.each(|old, value| match value.text() {
        Some(new) => drop(aliases.insert(old.to_owned(), new)),
        None => complete = false,
    });
    if let Some(new) = aliases.values().find(|new| aliases.contains_key(*new)) {
        let help = "name the last name; an alias is not followed further".to_owned();
        section.complain(format!("`{new}` is an alias itself"), Some(help));
        return None;
    }
    complete.then(|| Aliases::new(aliases))
}

fn event_auth(value: &Value<'_>, directory: &Path) -> Option<EventAuth> {
    value.section(|section| {
        let (basic, custom) = (section.optional("basic"), section.optional("custom"));
        match (basic, custom, section.optional("signature")) {
            (None, None, Some(signature)) => signature.section(|section| {
                let key_id = section.required("key-id", "\"punchdown\"").and_then(|value| value.text());
                let key = section.required("key", "{ file = \"secrets/espf\" }");
                let key = key.and_then(|value| secret(&value, directory));
                Some(EventAuth::Signature { key_id: key_id?, key: key? })
            }),
            (Some(basic), None, None) => basic.section(|section| {
                let (user, password) = user_and_password(section, directory);
                Some(EventAuth::Basic { user: user?, password: password? })
            }),
            (None, Some(custom), None) => custom.section(|section| {
                let kind = section.required("type", "\"Bearer\"").and_then(|value| value.text());
                let credential = section.required("credential", "{ file = \"secrets/espf\" }");
                let credential = credential.and_then(|value| secret(&value, directory));
                Some(EventAuth::Custom { kind: kind?, credential: credential? })
            }),
            _ => {
                section.complain("it must be one of `basic`, `custom` and `signature`", None);
                None
            }
        }
    })
}

fn admin(section: &mut Section<'_>, directory: &Path) -> Option<(ListenerSettings, Vec<AdminToken>)> {
    let listener = listener(section, "\"127.0.0.1:8701\"");
    let tokens = section.or("tokens", "[]", |value| value.list(|value| admin_token(value, directory)));
    Some((listener?, tokens?))
}

fn journal(section: &mut Section<'_>, directory: &Path) -> Option<store::Settings> {
    let path = section.or("directory", "\"data\"", |value| value.text())?;
    Some(store::Settings { directory: directory.join(path) })
}
