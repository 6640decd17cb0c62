//! The `[portabilling]` section: where subscribers are read and statuses are told.

use std::path::Path;
use std::time::Duration;

use super::queries::queries;
use super::reader::Section;
use super::secrets::secret;
use super::values::{SECOND, base_url, rate, roots};
use crate::billing::{self, Credential, Lists};
use crate::espf::{self, ContentType};
use crate::explain::Code;
use crate::secret::Vault;
use crate::web::Way;

pub fn portabilling(
    section: &mut Section<'_>,
    directory: &Path,
) -> Option<(billing::Settings, espf::Settings)> {
    let url = section.required("url", "\"https://billing.example.net\"").and_then(|value| base_url(&value));
    let login = section.required("login", "\"punchdown\"").and_then(|value| value.text());
    let credential = credential(section, directory);
    // A reading is of several calls, and must come to its end within the lease of its lane.
    let timeout = section.or("timeout", "\"10s\"", |value| value.duration(SECOND..=15 * SECOND));
    let way = way(section, directory);
    let concurrency = section.or("concurrency", "16", |value| value.number(1..=256));
    let rate = section.or("rate", "\"50/s\"", rate);
    let lock_out = section.or("lock-out-pause", "\"15m\"", |value| value.duration(SECOND..=3600 * SECOND));
    let share = section.or("share", "\"5s\"", |value| value.duration(Duration::ZERO..=60 * SECOND));
    let content_type = section.or("status-content-type", "\"json\"", |value| {
        value.parsed("`json` or `form`", |text| match text {
            "json" => Some(ContentType::Json),
            "form" => Some(ContentType::Form),
            _ => None,
        })
    });
    let accounts = section.or("account-list", "\"Account/get_account_list\"", |value| value.text());
    let customers = section.or("customer-list", "\"Customer/get_customer_list\"", |value| value.text());
    let queries = section.section("queries", queries);
    let (url, timeout, way) = (url?, timeout?, way?);
    let espf = espf::Settings { url: url.clone(), content_type: content_type?, timeout, way: way.clone() };
    let billing = billing::Settings {
        secrets: Vault::default(),
        url,
        login: login?,
        credential: credential?,
        lock_out: lock_out?,
        timeout,
        way,
        concurrency: usize::try_from(concurrency?).ok()?,
        rate: rate?,
        share: share?,
        lists: Lists { accounts: accounts?, customers: customers? },
        queries: queries?,
    };
    Some((billing, espf))
}

fn way(section: &mut Section<'_>, directory: &Path) -> Option<Way> {
    let roots = match section.optional("ca") {
        Some(value) => roots(&value, directory).map(Some),
        None => Some(None),
    };
    let proxy = match section.optional("proxy") {
        Some(value) => base_url(&value).and_then(|url| url.parse().ok()).map(Some),
        None => Some(None),
    };
    Some(Way { roots: roots?, proxy: proxy? })
}

fn credential(section: &mut Section<'_>, directory: &Path) -> Option<Credential> {
    let Some(password) = section.optional("password") else {
        let token = section.required("token", "{ file = \"secrets/portabilling\" }")?;
        return secret(&token, directory).map(Credential::Token);
    };
    let token = section.optional("token").map(|token| secret(&token, directory));
    let secret = secret(&password, directory);
    if token.is_some() {
        password.complain(Code::Contradiction, "`token` and `password` cannot both be meant", None);
        return None;
    }
    secret.map(Credential::Password)
}
