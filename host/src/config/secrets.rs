//! Secrets stand in the configuration by reference only.

use std::path::Path;

use super::reader::Value;
use crate::domain::digest_of_hex;
use crate::explain::Code;
use crate::http::AdminToken;
use crate::secret::Secret;

/// `{ file = "…" }`, `{ env = "…" }` or `{ credential = "…" }`.
pub fn secret(value: &Value<'_>, directory: &Path) -> Option<Secret> {
    value.is_of_a_secret();
    if value.is_text() {
        value.complain(
            Code::SecretInPlace,
            "a secret must not stand in the configuration itself",
            Some("write it to a file that only Punchdown may read, and say { file = \"…\" }"),
        );
        return None;
    }
    value.section(|section| {
        let (file, env, credential) = (
            section.optional_text("file"),
            section.optional_text("env"),
            section.optional_text("credential"),
        );
        match (file, env, credential) {
            (Some(file), None, None) => from_file(&file, &directory.join(file.text()?)),
            (None, Some(env), None) => from_environment(&env),
            (None, None, Some(name)) => from_credential(&name),
            _ => {
                section.complain(
                    Code::Contradiction,
                    "a secret is named by exactly one of `file`, `env` and `credential`",
                    None,
                );
                None
            }
        }
    })
}

/// One secret, or a list of them while one takes another's place.
pub fn one_or_two(value: &Value<'_>, directory: &Path) -> Option<Vec<Secret>> {
    if !value.is_list() {
        return Some(vec![secret(value, directory)?]);
    }
    let secrets = value.list(|value| secret(value, directory))?;
    if secrets.is_empty() {
        value.complain(Code::Unguarded, "without a secret nobody is let in", None);
        return None;
    }
    Some(secrets)
}

/// A token of operators: a secret, or what is none, `{ sha256 = "…" }` of it.
pub fn admin_token(value: &Value<'_>, directory: &Path) -> Option<AdminToken> {
    if !value.has("sha256") {
        return secret(value, directory).map(AdminToken::Known);
    }
    // Of a short one it would tell whoever guesses.
    value.is_of_a_secret();
    value.section(|section| {
        let value = section.required("sha256", "\"…\"")?;
        let digest = digest_of_hex(&value.text()?);
        if digest.is_none() {
            // What stands there may be the token itself.
            value.complain(Code::WrongValue, "it is not 64 hexadecimal digits", None);
        }
        digest.map(AdminToken::Digest)
    })
}

/// What is no file might never answer, and it is read again while the host runs.
pub fn read_file(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.is_file() {
        return std::fs::read_to_string(path);
    }
    Err(std::io::Error::other("it is no file"))
}

fn from_file(value: &Value<'_>, path: &Path) -> Option<Secret> {
    value.reads(path);
    match read_file(path) {
        Ok(text) => not_empty(value, text.trim_end_matches(['\r', '\n'])),
        Err(error) => {
            value.complain(
                Code::SecretUnreadable,
                format!("cannot read the secret {}: {error}", path.display()),
                None,
            );
            None
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "secrets alone may come from the environment")]
fn from_environment(value: &Value<'_>) -> Option<Secret> {
    let name = value.text()?;
    match std::env::var(&name) {
        Ok(text) => not_empty(value, text.trim_end_matches(['\r', '\n'])),
        Err(_) => {
            value.complain(Code::SecretUnreadable, format!("the environment has no variable `{name}`"), None);
            None
        }
    }
}

/// What systemd hands over by `LoadCredential=`.
#[expect(clippy::disallowed_methods, reason = "systemd says there where its credentials are")]
fn from_credential(value: &Value<'_>) -> Option<Secret> {
    let name = value.text()?;
    match std::env::var("CREDENTIALS_DIRECTORY") {
        Ok(directory) => from_file(value, &Path::new(&directory).join(name)),
        Err(_) => {
            value.complain(
                Code::SecretUnreadable,
                "there are no systemd credentials here",
                Some("add LoadCredential= to the unit, or use { file = \"…\" }"),
            );
            None
        }
    }
}

fn not_empty(value: &Value<'_>, text: &str) -> Option<Secret> {
    if text.is_empty() {
        value.complain(Code::SecretUnreadable, "the secret is empty", None);
        return None;
    }
    let secret = Secret::new(text);
    value.remember(&secret);
    Some(secret)
}
