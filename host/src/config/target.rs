//! The `target` table of a group: where its requests go, as whom, and how patiently.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::{Identity, Url};

use super::reader::{Section, Value};
use super::secrets::secret;
use super::values::{DAY, SECOND, base_url, file, header_name, rate, roots, url, user_and_password};
use crate::domain::{BreakerPolicy, RetrySchedule};
use crate::engine::LEASE;
use crate::explain::Code;
use crate::outbound::{self, Auth, Grant};
use crate::ports::World as _;
use crate::secret::Secret;
use crate::web::Validity;
use crate::world::SystemWorld;

/// The target, how many operations move at a time, and the pauses between attempts.
pub struct Target {
    pub settings: outbound::Settings,
    pub slots: usize,
    pub retry: RetrySchedule,
    pub breaker: BreakerPolicy,
}

pub fn target(section: &mut Section<'_>, directory: &Path) -> Option<Target> {
    let url = section.required("url", "\"https://oms.example.net\"").and_then(|value| {
        let url = base_url(&value)?;
        may_be_contacted(&value).then_some(url)
    });
    let allow_loopback = section.or("allow-loopback", "false", |value| value.truth());
    let roots = read(section, "ca", |value| roots(value, directory));
    let identity =
        read(section, "client-certificate", |value| value.section(|section| identity(section, directory)));
    let auth = read(section, "auth", |value| value.section(|section| auth(section, directory)));
    let timeout = section.or("timeout", "\"10s\"", |value| {
        let timeout = value.duration(Duration::from_millis(100)..=LEASE - 15 * SECOND);
        if timeout.is_none() {
            value.complain(
                Code::WrongValue,
                "a longer one would outlive the lease of its lane, and the request could be sent twice",
                None,
            );
        }
        timeout
    });
    let rate = read(section, "rate", rate);
    let concurrency = section.or("concurrency", "8", |value| value.number(1..=1024));
    let retry = section.or("retry", r#"["1s", "10s", "1m", "10m"]"#, |value| {
        let pauses = value.list(|value| value.duration(Duration::from_millis(100)..=DAY))?;
        let schedule = RetrySchedule::new(pauses);
        if schedule.is_none() {
            value.complain(
                Code::WrongValue,
                "there must be one pause at least; the last one repeats until the deadline",
                None,
            );
        }
        schedule
    });
    let breaker = section.section("breaker", breaker);
    let answer_max = section.or("answer-max", "\"1MiB\"", |value| value.bytes(1 << 10..=64 << 20));
    let key_header = section.or("key-header", "\"Idempotency-Key\"", header_name);
    let traceparent = section.or("traceparent", "false", |value| value.truth());
    let settings = outbound::Settings {
        url: url?,
        auth: auth?.unwrap_or(Auth::None),
        timeout: timeout?,
        answer_max: answer_max?,
        key_header: key_header?,
        traceparent: traceparent?,
        secrets: BTreeMap::new(),
        allow_loopback: allow_loopback?,
        roots: roots?,
        identity: identity?,
        rate: rate?,
    };
    Some(Target { settings, slots: usize::try_from(concurrency?).ok()?, retry: retry?, breaker: breaker? })
}

fn breaker(section: &mut Section<'_>) -> Option<BreakerPolicy> {
    let failures = section.or("failures", "10", |value| value.number(1..=1000));
    let pause = section.or("pause", "\"10s\"", |value| value.duration(Duration::from_millis(100)..=DAY));
    let pause_max =
        section.or("pause-max", "\"5m\"", |value| value.duration(Duration::from_millis(100)..=DAY));
    let (pause, pause_max) = (pause?, pause_max?);
    if pause_max < pause {
        section.complain(
            Code::Contradiction,
            "`pause` is the first pause and `pause-max` the longest: it must not be shorter",
            None,
        );
        return None;
    }
    Some(BreakerPolicy { failures: u32::try_from(failures?).ok()?, pause, pause_max })
}

/// What may be left out; `None` when it is there and wrong.
fn read<T>(
    section: &mut Section<'_>,
    name: &str,
    read: impl FnOnce(&Value<'_>) -> Option<T>,
) -> Option<Option<T>> {
    match section.optional(name) {
        Some(value) => read(&value).map(Some),
        None => Some(None),
    }
}

/// Whether a URL names no address that is never contacted. Names are looked at as they are used.
fn may_be_contacted(value: &Value<'_>) -> bool {
    let Some(url) = url(value) else { return false };
    let Some(what) = literal(&url).and_then(outbound::forbidden) else { return true };
    value.complain(
        Code::NeverContacted,
        format!("`{}` is at {what}, and those are never contacted", url.host_str().unwrap_or_default()),
        None,
    );
    false
}

fn is_this_machine(url: &Url) -> bool {
    url.host_str() == Some("localhost") || literal(url).is_some_and(|address| address.is_loopback())
}

fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// The certificate with its key, as one text.
fn identity(section: &mut Section<'_>, directory: &Path) -> Option<Secret> {
    let certificate = section.required("cert", "\"tls/punchdown.pem\"");
    let text = certificate.as_ref().and_then(|value| file(value, directory));
    let key = section.required("key", "{ file = \"secrets/punchdown.key\" }");
    let key = key.and_then(|value| secret(&value, directory));
    let (certificate, identity) = (certificate?, format!("{}\n{}\n", text?, key?.expose()));
    if let Err(error) = Identity::from_pem(identity.as_bytes()) {
        let why = crate::web::reason(&error);
        section.complain(
            Code::CertificateFile,
            format!("it is no certificate with its key, both as PEM: {why}"),
            None,
        );
        return None;
    }
    let validity = Validity::of_pem(&identity);
    if let Some(warning) = validity.and_then(|validity| validity.warning(SystemWorld.now(), "the target")) {
        certificate.warn(
            Code::CertificateEnds,
            warning,
            Some("put a new one there: it is taken without a restart"),
        );
    }
    Some(Secret::new(identity))
}

/// One way of saying who we are.
type Way = fn(&Value<'_>, &Path) -> Option<Auth>;

const WAYS: [(&str, Way); 5] =
    [("basic", basic), ("bearer", bearer), ("header", in_header), ("query", in_query), ("oauth2", oauth2)];

fn auth(section: &mut Section<'_>, directory: &Path) -> Option<Auth> {
    let written = WAYS.map(|(name, read)| section.optional(name).map(|value| (value, read)));
    let mut written = written.into_iter().flatten();
    match (written.next(), written.next()) {
        (Some((value, read)), None) => read(&value, directory),
        _ => {
            let names = WAYS.map(|(name, _)| format!("`{name}`")).join(", ");
            section.complain(Code::Contradiction, format!("it must be exactly one of {names}"), None);
            None
        }
    }
}

fn basic(value: &Value<'_>, directory: &Path) -> Option<Auth> {
    value.section(|section| {
        let (user, password) = user_and_password(section, directory);
        Some(Auth::Basic { user: user?, password: password? })
    })
}

fn bearer(value: &Value<'_>, directory: &Path) -> Option<Auth> {
    secret(value, directory).map(Auth::Bearer)
}

fn in_header(value: &Value<'_>, directory: &Path) -> Option<Auth> {
    value.section(|section| {
        let name = section.required("name", "\"X-Api-Key\"").and_then(|value| header_name(&value));
        let value = section.required("value", "{ file = \"secrets/key\" }");
        Some(Auth::Header { value: value.and_then(|value| secret(&value, directory))?, name: name? })
    })
}

fn in_query(value: &Value<'_>, directory: &Path) -> Option<Auth> {
    value.section(|section| {
        let name = section.required("name", "\"key\"").and_then(|value| {
            value.parsed("the name of a parameter: letters, digits, - and _", |text| {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                text.bytes().all(is_plain).then(|| text.to_owned())
            })
        });
        let value = section.required("value", "{ file = \"secrets/key\" }");
        Some(Auth::Query { value: value.and_then(|value| secret(&value, directory))?, name: name? })
    })
}

fn oauth2(value: &Value<'_>, directory: &Path) -> Option<Auth> {
    value.section(|section| {
        let token_url = section.required("token-url", "\"https://login.example.net/oauth2/token\"");
        let token_url = token_url.and_then(|value| {
            let url = url(&value).filter(|_| may_be_contacted(&value))?;
            if url.scheme() == "http" && !is_this_machine(&url) {
                value.warn(
                    Code::InTheClear,
                    "the client's secret would go over the wire as it is",
                    Some("use https://"),
                );
            }
            Some(url)
        });
        let client_id = section.required("client-id", "\"punchdown\"").and_then(|value| value.text());
        let client_secret = section.required("client-secret", "{ file = \"secrets/oms-client\" }");
        let client_secret = client_secret.and_then(|value| secret(&value, directory));
        let scope = read(section, "scope", |value| value.text());
        let audience = read(section, "audience", |value| value.text());
        Some(Auth::OAuth2(Grant {
            token_url: token_url?,
            client_id: client_id?,
            client_secret: client_secret?,
            scope: scope?,
            audience: audience?,
        }))
    })
}
