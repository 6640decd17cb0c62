//! The `[events]` section: the ESPF's door, and what the names of events say.

use std::collections::BTreeMap;
use std::path::Path;

use axum::http::StatusCode;

use super::listeners::{SPEAK_TLS, listener};
use super::reader::{Section, Value};
use super::secrets::secret;
use super::values::{SECOND, header_name, patterns, user_and_password};
use crate::domain::{Aliases, Patterns};
use crate::explain::Code;
use crate::http::{EventAuth, EventSettings, ListenerSettings};

/// Events that say that an account was closed.
const CLOSING: &str = r#"["Account/Status/Closed", "Customer/Status/Closed", "Subscriber/Deleted"]"#;

/// Events of which each has its own operation.
const NEVER_COLLAPSE: &str = r#"["**/New", "**/Created", "**/Closed", "**/Deleted", "**/Imported", "**/Exported", "**/SIMCardAssignment", "SIM/Replaced", "Account/Id/Changed", "Account/ID/Changed"]"#;

/// Read apart, so that what is wrong with one does not hide what is wrong with the groups.
#[derive(Default)]
pub struct Events {
    pub settings: Option<EventSettings>,
    pub listener: Option<ListenerSettings>,
    pub kinds: Option<EventKinds>,
}

/// What the names of events say of them.
pub struct EventKinds {
    pub aliases: Aliases,
    pub closing: Patterns,
    pub never_collapse: Patterns,
}

pub fn events(section: &mut Section<'_>, directory: &Path) -> Option<Events> {
    let listener = listener(section, directory, "\"0.0.0.0:8700\"");
    let example = "[{ basic = { user = \"espf\", password = { file = \"secrets/espf\" } } }]";
    let auth = section.required("auth", example).and_then(|value| {
        let auth = value.list(|value| event_auth(value, directory))?;
        if auth.is_empty() {
            value.complain(Code::Unguarded, "without a credential anybody could send events", Some(example));
            return None;
        }
        let is_said = |auth: &EventAuth| matches!(auth, EventAuth::Basic { .. } | EventAuth::Custom { .. });
        if auth.iter().any(is_said) && listener.as_ref().is_some_and(ListenerSettings::is_in_the_clear) {
            value.warn(
                Code::InTheClear,
                "`events.listen` speaks no TLS: whoever hears this credential on the way can send events",
                Some(SPEAK_TLS),
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
                Code::WrongValue,
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
        section.complain(Code::Contradiction, format!("`{new}` is an alias itself"), Some(help));
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
                let kind = section.required("type", "\"Bearer\"").and_then(|value| {
                    let word = |text: &str| (!text.contains(char::is_whitespace)).then(|| text.to_owned());
                    value.parsed("one word, such as \"Bearer\"", word)
                });
                let credential = section.required("credential", "{ file = \"secrets/espf\" }");
                let credential = credential.and_then(|value| secret(&value, directory));
                Some(EventAuth::Custom { kind: kind?, credential: credential? })
            }),
            _ => {
                section.complain(
                    Code::Contradiction,
                    "it must be one of `basic`, `custom` and `signature`",
                    None,
                );
                None
            }
        }
    })
}
