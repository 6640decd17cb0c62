//! What every listener's section has: an address, limits, whom it believes, and TLS.

use std::path::Path;

use super::reader::Section;
use super::tls::tls;
use super::values::{SECOND, address, range};
use crate::http::{Limits, ListenerSettings, TrustedProxies};

/// How a credential is kept from whoever listens on the way.
pub const SPEAK_TLS: &str =
    "give the listener `tls`, or put a proxy that speaks TLS in front and name it in `trusted-proxies`";

/// The settings of the listener whose section this is; `at` is where it stands unless it says.
pub fn listener(section: &mut Section<'_>, directory: &Path, at: &str) -> Option<ListenerSettings> {
    let address = section.or("listen", at, address);
    let limits = limits(section);
    let proxies = section.or("trusted-proxies", "[]", |value| value.list(range));
    let tls = match section.optional("tls") {
        Some(value) => tls(&value, directory).map(Some),
        None => Some(None),
    };
    Some(ListenerSettings {
        address: address?,
        limits: limits?,
        proxies: TrustedProxies(proxies?),
        tls: tls?,
    })
}

fn limits(section: &mut Section<'_>) -> Option<Limits> {
    let header_timeout =
        section.or("header-timeout", "\"10s\"", |value| value.duration(SECOND..=60 * SECOND));
    let headers = count(section, "headers", "100", 1000);
    let header_max = section.or("header-max", "\"32KiB\"", |value| value.bytes(1 << 10..=256 << 10));
    let connections = count(section, "connections", "1024", 100_000);
    let per_address = count(section, "connections-per-address", "256", 100_000);
    let concurrency = count(section, "concurrency", "512", 100_000);
    Some(Limits {
        header_timeout: header_timeout?,
        headers: headers?,
        header_bytes: usize::try_from(header_max?).ok()?,
        connections: connections?,
        connections_per_address: per_address?,
        concurrency: concurrency?,
    })
}

/// A number of things, one at least.
fn count(section: &mut Section<'_>, name: &str, default: &str, most: u64) -> Option<usize> {
    usize::try_from(section.or(name, default, |value| value.number(1..=most))?).ok()
}
