//! The `notify` table of a group: who may notify, and how that is known.

use std::path::Path;

use super::Notify;
use super::listeners::SPEAK_TLS;
use super::reader::{Section, Value};
use super::secrets::one_or_two;
use super::values::{DAY, SECOND, base_url, header_name, range};
use crate::domain::{Body, Header, Response};
use crate::explain::Code;
use crate::http::{
    Algorithm, AtRegistration, CallerRule, CertificateName, Encoding, Key, ListenerSettings, NotifyAuth,
    Signature, SignedTime, Template, TimeFrom, Tls,
};
use crate::secret::Secret;

const SCHEMES: &str =
    "standard-webhooks, hmac, basic, bearer, path-secret, client-certificate, addresses and registered";

/// The listener of the doors; absent when that is wrong itself.
type Listen<'a> = Option<&'a ListenerSettings>;

/// The door, and what it answers while no adapter has read a notification.
pub fn notify(section: &mut Section<'_>, directory: &Path, listen: Listen<'_>) -> Option<(Notify, Response)> {
    let at = match section.optional("at") {
        Some(value) => base_url(&value).map(|at| Some((at, value))),
        None => Some(None),
    };
    let register = section.or("register", "false", |value| registers(value, at.as_ref()?.is_some()));
    let example = "{ standard-webhooks = { secret = { file = \"secrets/hook\" } } }";
    // What is wrong with it is said there alone.
    let door = Door { listen, registers: register.unwrap_or(true) };
    let auth = section.required("auth", example).and_then(|value| auth(&value, directory, door));
    let default_reply = section.section("default-reply", default_reply);
    let (at, register, auth) = (at?, register?, auth?);
    if let Some((at, value)) = &at
        && auth.path_secrets().iter().any(|secret| at.contains(secret.expose()))
    {
        value.complain(
            Code::Unguarded,
            "it holds the secret of `path-secret`, and is handed to the adapter as it stands here",
            Some("leave the secret out; the system is told the whole address by whoever configures it"),
        );
        return None;
    }
    Some((Notify { at: at.map(|(at, _)| at), register, auth }, default_reply?))
}

fn registers(value: &Value<'_>, has_address: bool) -> Option<bool> {
    let register = value.truth()?;
    if register && !has_address {
        value.complain(
            Code::Contradiction,
            "whoever is to notify must be told where, and there is no `at`",
            Some("at = \"https://punchdown.example.net/notify/HSS\""),
        );
        return None;
    }
    Some(register)
}

/// It is stored, so it must not come again: a success.
fn default_reply(section: &mut Section<'_>) -> Option<Response> {
    let status = section.or("status", "202", |value| value.number(200..=299));
    let text = |value: Value<'_>| value.text();
    let (kind, body) = (section.optional("content-type").map(text), section.optional("body").map(text));
    let kind = kind.map(|value| Header { name: "content-type".to_owned(), value: value.unwrap_or_default() });
    Some(Response {
        status: u16::try_from(status?).ok()?,
        headers: kind.into_iter().collect(),
        body: body.map_or(Some(Body::Empty), |text| text.map(Body::Text))?,
    })
}

/// What a door is besides its schemes.
#[derive(Clone, Copy)]
struct Door<'a> {
    listen: Listen<'a>,
    /// Its group is registered at addresses of its own.
    registers: bool,
}

fn auth(value: &Value<'_>, directory: &Path, door: Door<'_>) -> Option<NotifyAuth> {
    let at_registration = if door.registers { AtRegistration::May } else { AtRegistration::Never };
    let auth = match value.is_text() {
        true => words(value, door),
        false => value.section(|section| schemes(section, directory, door)),
    }?;
    if door.registers && !auth.path_secrets().is_empty() {
        value.complain(
            Code::Contradiction,
            "`register` makes addresses of its own, and the adapter must not know the secret of `path-secret`",
            Some("auth = \"registered\": the address of a registration is as good as a secret"),
        );
        return None;
    }
    Some(match auth.at_registration {
        AtRegistration::Must => auth,
        AtRegistration::Never | AtRegistration::May => NotifyAuth { at_registration, ..auth },
    })
}

/// One word instead of a table.
fn words(value: &Value<'_>, door: Door<'_>) -> Option<NotifyAuth> {
    if value.text()? == "registered" {
        let at_registration = at_registration(value, door)?;
        return Some(NotifyAuth { at_registration, ..NotifyAuth::default() });
    }
    nobody_is_asked(value, door.listen)
}

/// Only at the address of a registration.
fn at_registration(value: &Value<'_>, door: Door<'_>) -> Option<AtRegistration> {
    if !door.registers {
        value.complain(
            Code::Contradiction,
            "nobody is registered: `register` is not true",
            Some("register = true"),
        );
        return None;
    }
    in_the_clear(value, door.listen);
    Some(AtRegistration::Must)
}

fn nobody_is_asked(value: &Value<'_>, listen: Listen<'_>) -> Option<NotifyAuth> {
    match value.text()?.as_str() {
        "none" if is_loopback(listen) => Some(NotifyAuth::default()),
        "none-off-loopback" => Some(NotifyAuth::default()),
        "none" => {
            value.complain(
                Code::Unguarded,
                "without a credential anybody who reaches this door could report any outcome",
                Some("give the external system a secret, or say \"none-off-loopback\" to accept that"),
            );
            None
        }
        other => {
            let help = format!("a table that names some of {SCHEMES}, or \"registered\", or \"none\"");
            value.complain(Code::WrongValue, format!("`{other}` is no way to authenticate"), Some(&help));
            None
        }
    }
}

fn is_loopback(listen: Listen<'_>) -> bool {
    listen.is_none_or(|listener| listener.address.ip().is_loopback() && listener.proxies.is_empty())
}

/// All that are named must hold, so all of them are read.
fn schemes(section: &mut Section<'_>, directory: &Path, door: Door<'_>) -> Option<NotifyAuth> {
    let listen = door.listen;
    let registered = section.optional("registered").map(|value| match value.truth()? {
        true => at_registration(&value, door),
        false => Some(AtRegistration::Never),
    });
    let webhooks = section.optional("standard-webhooks");
    let webhooks = webhooks.map(|value| value.section(|section| standard_webhooks(section, directory)));
    let hmac = section.optional("hmac").map(|value| value.section(|section| hmac(section, directory)));
    let basic = section.optional("basic").map(|value| {
        in_the_clear(&value, listen);
        value.section(|section| basic(section, directory))
    });
    let mut words = |name: &str, rule: fn(Vec<Secret>) -> CallerRule| {
        section.optional(name).map(|value| {
            in_the_clear(&value, listen);
            one_or_two(&value, directory).map(rule)
        })
    };
    let (bearer, path) = (words("bearer", CallerRule::Bearer), words("path-secret", CallerRule::PathSecret));
    let addresses = section.optional("addresses").map(|value| addresses(&value));
    let certificate = section.optional("client-certificate");
    let certificate = certificate.map(|value| client_certificate(&value, listen));
    let caller: Vec<_> = [addresses, certificate, basic, bearer, path].into_iter().flatten().collect();
    let signatures: Vec<_> = [webhooks, hmac].into_iter().flatten().collect();
    let registered = registered.unwrap_or(Some(AtRegistration::Never))?;
    if caller.is_empty() && signatures.is_empty() && registered != AtRegistration::Must {
        section.complain(Code::Unguarded, format!("it must name at least one of {SCHEMES}"), None);
        return None;
    }
    Some(NotifyAuth {
        caller: caller.into_iter().collect::<Option<_>>()?,
        signatures: signatures.into_iter().collect::<Option<_>>()?,
        at_registration: registered,
    })
}

/// What whoever listens on the way can use himself.
fn in_the_clear(value: &Value<'_>, listen: Listen<'_>) {
    if listen.is_some_and(ListenerSettings::is_in_the_clear) {
        value.warn(
            Code::InTheClear,
            "this door speaks no TLS: whoever hears this on the way can report any outcome",
            Some(&format!("{SPEAK_TLS}; or let the system sign")),
        );
    }
}

fn basic(section: &mut Section<'_>, directory: &Path) -> Option<CallerRule> {
    let user = section.required("user", "\"oms\"").and_then(|value| value.text());
    let passwords = section.required("password", "{ file = \"secrets/oms-notify\" }");
    let passwords = passwords.and_then(|value| one_or_two(&value, directory));
    let (user, passwords) = (user?, passwords?);
    let login = |password: Secret| Secret::new(format!("{user}:{}", password.expose()));
    Some(CallerRule::Basic(passwords.into_iter().map(login).collect()))
}

fn addresses(value: &Value<'_>) -> Option<CallerRule> {
    let ranges = value.list(range)?;
    if ranges.is_empty() {
        value.complain(Code::WrongValue, "nobody calls from nowhere: name a range, or leave it out", None);
        return None;
    }
    Some(CallerRule::Addresses(ranges))
}

/// One name, or a list of them while one takes another's place.
fn client_certificate(value: &Value<'_>, listen: Listen<'_>) -> Option<CallerRule> {
    let name = |value: &Value<'_>| {
        value.parsed(
            "a name of a certificate: dns:…, uri:…, cn:… or sha256: and 64 digits",
            CertificateName::parse,
        )
    };
    let names = if value.is_list() { value.list(name)? } else { vec![name(value)?] };
    if names.is_empty() {
        value.complain(Code::WrongValue, "without a name nobody is let in", None);
        return None;
    }
    let knows_clients = |tls: &Tls| tls.knows_clients();
    if listen.is_some_and(|listener| !listener.tls.as_ref().is_some_and(knows_clients)) {
        value.complain(
            Code::Contradiction,
            "the listener of this door asks nobody for a certificate",
            Some("name the CA of the callers in its `tls.client-ca`: of [notifications], or where there is none, of [events]"),
        );
        return None;
    }
    Some(CallerRule::ClientCertificate(names))
}

fn standard_webhooks(section: &mut Section<'_>, directory: &Path) -> Option<Signature> {
    let value = section.required("secret", "{ file = \"secrets/hook\" }")?;
    let secrets = one_or_two(&value, directory)?;
    let keys: Option<Vec<Key>> = secrets.iter().map(Key::of_webhook).collect();
    if keys.is_none() {
        value.complain(
            Code::WrongValue,
            "a Standard Webhooks secret is `whsec_` and the base64 of its bytes",
            None,
        );
    }
    keys.map(Signature::standard_webhooks)
}

fn hmac(section: &mut Section<'_>, directory: &Path) -> Option<Signature> {
    let secrets = section.required("secret", "{ file = \"secrets/hook\" }");
    let secrets = secrets.and_then(|value| one_or_two(&value, directory));
    let header = section.required("header", "\"X-Hub-Signature-256\"").and_then(|value| header_name(&value));
    let algorithm = section.or("algorithm", "\"sha256\"", |value| {
        value.parsed("one of sha256, sha512, sha1", |text| match text {
            "sha256" => Some(Algorithm::Sha256),
            "sha512" => Some(Algorithm::Sha512),
            "sha1" => Some(Algorithm::Sha1),
            _ => None,
        })
    });
    let encoding = section.or("encoding", "\"hex\"", |value| {
        value.parsed("`hex` or `base64`", |text| match text {
            "hex" => Some(Encoding::Hex),
            "base64" => Some(Encoding::Base64),
            _ => None,
        })
    });
    let prefix = section.optional("prefix").map_or(Some(String::new()), |value| value.text());
    let time = match section.optional("timestamp") {
        Some(value) => value.section(timestamp).map(Some),
        None => Some(None),
    };
    let has_time = time.as_ref().is_none_or(Option::is_some);
    let signed = section.or("signed", "\"{body}\"", |value| template(value, has_time));
    Some(Signature {
        keys: secrets?.iter().map(Key::of_text).collect(),
        algorithm: algorithm?,
        header: header?,
        between: ',',
        prefix: prefix?,
        encoding: encoding?,
        signed: signed?,
        time: time?,
    })
}

fn timestamp(section: &mut Section<'_>) -> Option<SignedTime> {
    let (header, field) = (section.optional("header"), section.optional("field"));
    let window = section.or("window", "\"5m\"", |value| value.duration(SECOND..=DAY));
    let from = match (header, field) {
        (Some(header), None) => header_name(&header).map(TimeFrom::Header),
        (None, Some(field)) => field.text().map(TimeFrom::Field),
        _ => {
            section.complain(
                Code::Contradiction,
                "it stands either in a `header` or in a `field` of the signature's header",
                None,
            );
            None
        }
    };
    Some(SignedTime { from: from?, window: window? })
}

fn template(value: &Value<'_>, has_time: bool) -> Option<Template> {
    let complain = |code, why: &str, help| {
        value.complain(code, why, help);
        None
    };
    match Template::parse(&value.text()?) {
        Err(why) => complain(Code::WrongValue, &why, None),
        Ok(signed) if !signed.has_body() => {
            complain(Code::Unguarded, "it must hold {body}: what is not signed anybody can change", None)
        }
        Ok(signed) if signed.has_timestamp() && !has_time => complain(
            Code::Contradiction,
            "it holds {timestamp}, and nothing says where that stands",
            Some("add `timestamp = { header = \"X-Timestamp\" }`, or { field = \"t\" }"),
        ),
        Ok(signed) if !signed.has_timestamp() && has_time => complain(
            Code::Unguarded,
            "there is a `timestamp`, and {timestamp} is not in what is signed: anybody could write another",
            Some("signed = \"{timestamp}.{body}\""),
        ),
        Ok(signed) => Some(signed),
    }
}
