//! The sections of a configuration, and those of them that are short.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::events::{Events, events};
use super::journal::journal;
use super::listeners::{SPEAK_TLS, listener};
use super::nsps::nsps;
use super::portabilling::portabilling;
use super::reader::Section;
use super::secrets::admin_token;
use super::values::{DAY, rate};
use super::{InEffect, Settings, groups};
use crate::engine;
use crate::explain::Code;
use crate::http::{AdminToken, ListenerSettings};
use crate::secret::Vault;

/// All that is meant, or `None` when something of it is wrong that is of no group alone. What was made of the groups
/// is in `read` even so: the adapters of those that are good in themselves can be asked.
pub fn root(root: &mut Section<'_>, directory: &Path, read: &mut groups::Read) -> Option<Settings> {
    let billing = root.needed("portabilling", |section| portabilling(section, directory));
    let events = root.needed("events", |section| events(section, directory));
    let notifications = match root.optional("notifications") {
        Some(value) => value.section(|section| listener(section, directory, "\"0.0.0.0:8702\"")).map(Some),
        None => Some(None),
    };
    let admin = root.section("admin", |section| admin(section, directory));
    let store = root.section("journal", |section| journal(section, directory));
    let retention = root.section("retention", retention);
    let resync = root.section("resync", |section| section.or("rate", "\"10/s\"", rate));
    let log_filter = root.section("log", |section| section.or("filter", "\"info\"", |value| value.text()));
    let Events { settings: events, listener: public, kinds } = events.unwrap_or_default();
    let nsps = match root.optional("nsps") {
        Some(value) => value.section(|section| nsps(section, directory, public.as_ref())).map(Some),
        None => Some(None),
    };
    let listen = notifications.as_ref().and_then(|own| own.as_ref().or(public.as_ref()));
    let complete =
        root.needed("groups", |section| groups::all(section, directory, listen, kinds.as_ref(), read));
    let queries = billing.as_ref().map(|(billing, _)| Arc::new(billing.queries.keys().cloned().collect()));
    read.whole.iter_mut().for_each(|group| group.queries.clone_from(&queries));
    let ((billing, espf), (admin, admin_tokens)) = (billing?, admin?);
    Some(Settings {
        billing,
        espf,
        events: events?,
        nsps: nsps?,
        public: public?,
        notifications: notifications?,
        admin,
        admin_tokens,
        store: store?,
        retention: retention?,
        resync: resync?,
        log_filter: log_filter?,
        groups: complete.map(|()| read.whole.clone())?,
        unserved: read.unserved.clone(),
        secrets: Vault::default(),
        files: Vec::new(),
        in_effect: InEffect::new(),
        warnings: Vec::new(),
    })
}

fn admin(section: &mut Section<'_>, directory: &Path) -> Option<(ListenerSettings, Vec<AdminToken>)> {
    let listener = listener(section, directory, "\"127.0.0.1:8701\"");
    let tokens = section.or("tokens", "[]", |value| {
        let tokens = value.list(|value| admin_token(value, directory))?;
        if !tokens.is_empty() && listener.as_ref().is_some_and(ListenerSettings::is_in_the_clear) {
            let warning = "`admin.listen` speaks no TLS: whoever hears a token on the way can use it";
            value.warn(Code::InTheClear, warning, Some(SPEAK_TLS));
        }
        Some(tokens)
    });
    Some((listener?, tokens?))
}

/// News are given to operations that ended up to thirty days ago, and NSPS repeats an event as long.
const FINISHED_MIN: Duration = Duration::from_secs(30 * 86_400);
const RETENTION_MAX: Duration = Duration::from_secs(3650 * 86_400);

fn retention(section: &mut Section<'_>) -> Option<engine::Retention> {
    let finished = section.or("finished", "\"30d\"", |value| value.duration(FINISHED_MIN..=RETENTION_MAX));
    let bodies = section.or("bodies", "\"7d\"", |value| value.duration(DAY..=RETENTION_MAX));
    Some(engine::Retention { finished: finished?, bodies: bodies? })
}
