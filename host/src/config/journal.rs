//! The `journal` section: a directory, or a database of PostgreSQL with a directory beside it.

use std::net::IpAddr;
use std::path::Path;

use tokio_postgres::config::{Config, Host, SslMode};

use super::reader::{Section, Value};
use super::secrets::secret;
use super::values::file;
use crate::explain::Code;
use crate::store;
use crate::store::postgres::{self, Authorities, SealingKey, Server};

pub fn journal(section: &mut Section<'_>, directory: &Path) -> Option<store::Settings> {
    let path = section.or("directory", "\"data\"", |value| value.text());
    let postgres = match section.optional("postgres") {
        Some(value) => value.section(|section| postgres(section, directory)).map(Some),
        None => Some(None),
    };
    Some(store::Settings { directory: directory.join(path?), postgres: postgres? })
}

fn postgres(section: &mut Section<'_>, directory: &Path) -> Option<postgres::Settings> {
    let at = section.required("url", "\"postgres://punchdown@db.example.net/punchdown\"");
    let client = at.as_ref().and_then(client);
    let password = match section.optional("password") {
        Some(value) => secret(&value, directory).map(Some),
        None => Some(None),
    };
    let key = section.required("key", "{ file = \"secrets/journal\" }");
    let key = key.and_then(|value| sealing_key(&value, directory));
    let near = client.as_ref().is_some_and(is_near);
    let tls = section.or("tls", "true", |value| value.truth());
    let ca = match section.optional("ca") {
        Some(value) => authorities(&value, directory).map(Some),
        None => Some(None),
    };
    let connections = section
        .or("connections", "16", |value| value.number(2..=500).and_then(|it| usize::try_from(it).ok()));
    let stands_by = section.or("standby", "false", |value| value.truth());
    let several = section.or("several", "false", |value| value.truth());
    let (client, tls, ca) = (client?, tls?, ca?);
    if let Some(at) = &at
        && matches!((client.get_ssl_mode(), tls), (SslMode::Disable, true) | (SslMode::Require, false))
    {
        at.complain(Code::WrongValue, "it says otherwise of TLS than `tls`", Some(OF_TLS));
        return None;
    }
    // A socket in the file system knows no TLS.
    let tls = (tls && !client.get_hosts().iter().any(is_socket)).then(|| ca.unwrap_or_default());
    if tls.is_none()
        && !near
        && let Some(at) = &at
    {
        let warning = "`journal.postgres` speaks no TLS: whoever hears it on the way can read and change it";
        at.warn(Code::InTheClear, warning, Some("say `tls = true`"));
    }
    let name = name(&client);
    let server = Server { client: Box::new(client), password: password?, tls, connections: connections? };
    Some(postgres::Settings { server, name, key: key?, stands_by: stands_by?, several: several? })
}

const OF_TLS: &str =
    "say it with `tls` and `ca`: the name in the certificate is checked wherever there is TLS";

/// Where the database is. What else can be said in such a URL is said by settings.
fn client(value: &Value<'_>) -> Option<Config> {
    let text = value.text()?;
    let wrong = |why: String| {
        let example = Some("such as \"postgres://punchdown@db.example.net:5432/punchdown\"");
        value.complain(Code::WrongValue, why, example);
    };
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        wrong("it is no URL of a database of PostgreSQL".to_owned());
        return None;
    }
    // What stands there is not quoted: it may hold a credential.
    let Ok(client) = text.parse::<Config>() else {
        match text.contains("sslmode=verify") {
            true => value.complain(Code::WrongValue, "it says how TLS is checked", Some(OF_TLS)),
            false => wrong("it is no URL of a database of PostgreSQL".to_owned()),
        }
        return None;
    };
    if client.get_password().is_some() {
        value.is_of_a_secret();
        let help = Some("name it in `password`, from a file that only Punchdown may read");
        value.complain(Code::SecretInPlace, "a password must not stand in the configuration itself", help);
        return None;
    }
    for (what, is_there) in
        [("user", client.get_user().is_some()), ("database", client.get_dbname().is_some())]
    {
        if !is_there {
            wrong(format!("it names no {what}"));
            return None;
        }
    }
    if client.get_hosts().is_empty() {
        wrong("it names no host".to_owned());
        return None;
    }
    Some(client)
}

fn sealing_key(value: &Value<'_>, directory: &Path) -> Option<SealingKey> {
    let key = SealingKey(secret(value, directory)?);
    if !key.is_one() {
        let help = Some("make one with `openssl rand -base64 32`, and keep a copy in another place");
        value.complain(Code::WrongValue, "a sealing key is 32 bytes in base64", help);
        return None;
    }
    Some(key)
}

fn authorities(value: &Value<'_>, directory: &Path) -> Option<Authorities> {
    let pem = file(value, directory)?;
    match Authorities::of_pem(&pem) {
        Ok(authorities) => Some(authorities),
        Err(why) => {
            value.complain(Code::CertificateFile, format!("it holds no certificates as PEM: {why}"), None);
            None
        }
    }
}

fn is_socket(host: &Host) -> bool {
    matches!(host, Host::Unix(_))
}

/// What is said does not leave this machine.
fn is_near(client: &Config) -> bool {
    let is_near = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|it| it.is_loopback()),
    };
    client.get_hosts().iter().all(is_near)
}

/// `postgres://host:port/database`
fn name(client: &Config) -> String {
    let ports = client.get_ports();
    let at = |(number, host): (usize, &Host)| {
        let port = ports.get(number).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    };
    let hosts: Vec<String> = client.get_hosts().iter().enumerate().map(at).collect();
    format!("postgres://{}/{}", hosts.join(","), client.get_dbname().unwrap_or_default())
}
