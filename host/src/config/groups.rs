//! The `[groups.<name>]` sections: one external system each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::events::EventKinds;
use super::reader::{Section, Value};
use super::secrets::secret;
use super::values::{DAY, SECOND, patterns, written};
use super::{GroupSettings, Notify, Unserved, notify, target};
use crate::cases::folder_beside;
use crate::domain::{BreakerPolicy, Group, Json, Policy, Response, RetrySchedule, Service, Status};
use crate::engine::PbData;
use crate::explain::Code;
use crate::http::ListenerSettings;
use crate::secret::Secret;
use crate::{engine, wasm};

const HOUR: Duration = Duration::from_secs(3600);

/// What was made of the sections.
#[derive(Default)]
pub struct Read {
    /// Groups that are good in themselves.
    pub whole: Vec<GroupSettings>,
    /// Those of which enough is known to take their events.
    pub unserved: Vec<Unserved>,
}

pub fn all(
    section: &mut Section<'_>,
    directory: &Path,
    listen: Option<&ListenerSettings>,
    kinds: Option<&EventKinds>,
    read: &mut Read,
) -> Option<()> {
    let mut complete = true;
    section.each(|name, value| {
        if name.contains(['.', '[', ']', '"']) {
            value.complain(
                Code::WrongValue,
                "a group's name has no dot, bracket or quote: settings are named by them",
                None,
            );
        }
        match value.section(|section| Some(group(name, section, directory, listen, kinds))) {
            Some((_, Some(group))) => read.whole.push(group),
            Some((Some(unserved), None)) => read.unserved.push(unserved),
            Some((None, None)) | None => complete = false,
        }
    });
    if read.whole.is_empty() && read.unserved.is_empty() && complete {
        section.complain(
            Code::MissingKey,
            "there is no group: no event would be provisioned",
            Some("add a [groups.<name>] section".to_owned()),
        );
    }
    complete.then_some(())
}

/// What takes a group's events, and what provisions them; each unless something of it is wrong.
fn group(
    name: &str,
    section: &mut Section<'_>,
    directory: &Path,
    listen: Option<&ListenerSettings>,
    kinds: Option<&EventKinds>,
) -> (Option<Unserved>, Option<GroupSettings>) {
    let engine = taking(name, section, kinds);
    let notify = match section.optional("notify") {
        Some(value) => value
            .section(|section| notify::notify(section, directory, listen))
            .map(|(notify, default_reply)| (Some(notify), default_reply)),
        None => Some((None, Response::ACCEPTED)),
    };
    let engine = engine.map(|engine| match &notify {
        Some((notify, default_reply)) => engine::GroupSettings {
            default_reply: default_reply.clone(),
            registers: notify.as_ref().is_some_and(|notify| notify.register),
            ..engine
        },
        None => engine,
    });
    let notify = notify.map(|(notify, _)| notify);
    let whole = serving(section, directory, engine.clone(), notify.clone());
    (engine.map(|engine| Unserved { engine, notify: notify.flatten() }), whole)
}

/// What an event is laid down with. As long as nothing moves, all else is never asked for.
fn taking(
    name: &str,
    section: &mut Section<'_>,
    kinds: Option<&EventKinds>,
) -> Option<engine::GroupSettings> {
    let events = section.required("events", "[\"Account/**\"]").and_then(|value| patterns(&value));
    let events = events.zip(kinds).map(|(events, kinds)| events.with_aliases(&kinds.aliases));
    let policy = policy(name, section, kinds);
    let pb_data = section.or("pb-data", "\"beside\"", |value| {
        value.parsed("one of beside, instead", |word| match word {
            "beside" => Some(PbData::Beside),
            "instead" => Some(PbData::Instead),
            _ => None,
        })
    });
    // Whoever wrote something else there wanted it to rest.
    let paused = section.or("paused", "false", |value| value.truth()).unwrap_or(true);
    Some(engine::GroupSettings {
        group: Group(name.to_owned()),
        events: events?,
        policy: policy?,
        pb_data: pb_data?,
        slots: 1,
        default_reply: Response::ACCEPTED,
        breaker: BreakerPolicy { failures: 1, pause: HOUR, pause_max: HOUR },
        paused,
        registers: false,
    })
}

fn serving(
    section: &mut Section<'_>,
    directory: &Path,
    engine: Option<engine::GroupSettings>,
    notify: Option<Option<Notify>>,
) -> Option<GroupSettings> {
    let adapter = section.required("adapter", "\"adapters/oms-tmf641.wasm\"").and_then(|value| value.text());
    let secrets = section.section("secrets", |section| named_secrets(section, directory));
    let target = section.required("target", "{ url = \"https://oms.example.net\" }");
    let target = target.and_then(|value| value.section(|section| target::target(section, directory)));
    let limits = section.section("limits", limits);
    let place = section.place();
    let (config, place) = match section.optional("config") {
        Some(value) => (config(&value), value.place()),
        None => (Some(Json::empty_object()), place),
    };
    let target::Target { settings: mut target, slots, retry, breaker } = target?;
    let (notify, engine) = (notify?, engine?);
    target.secrets = secrets?;
    let (limits, history_entries_max) = limits?;
    let policy = Policy { retry, history_entries_max, ..engine.policy };
    let adapter = directory.join(adapter?);
    Some(GroupSettings {
        engine: engine::GroupSettings { policy, slots, breaker, ..engine },
        cases: folder_beside(&adapter),
        adapter,
        limits,
        target,
        notify,
        config: config?,
        place,
        queries: None,
    })
}

/// What the decisions need; the retry schedule and the history's limit stand elsewhere in the section.
fn policy(name: &str, section: &mut Section<'_>, kinds: Option<&EventKinds>) -> Option<Policy> {
    let service = section.or("service", &written(name), |value| value.text()).map(Service);
    let own = service.as_ref().map(|service| written(&service.0)).unwrap_or_default();
    let reports = section.or("reports", &format!("[{own}]"), |value| value.list(|value| value.text()));
    let deadline = section.or("deadline", "\"24h\"", |value| value.duration(SECOND..=90 * DAY));
    let on_deadline = section.or("on-deadline", "\"FAILED\"", |value| {
        value.parsed("one of OK, IN_PROGRESS, RETRY, FAILED", Status::from_word)
    });
    let service = service?;
    let mut reports: BTreeSet<Service> = reports?.into_iter().map(Service).collect();
    reports.insert(service.clone());
    Some(Policy {
        service,
        reports,
        deadline: deadline?,
        closing: kinds?.closing.clone(),
        never_collapse: kinds?.never_collapse.clone(),
        on_deadline: on_deadline?,
        retry: RetrySchedule::new(vec![HOUR])?,
        history_entries_max: 0,
    })
}

fn named_secrets(section: &mut Section<'_>, directory: &Path) -> Option<BTreeMap<String, Secret>> {
    let mut secrets = BTreeMap::new();
    section.each(|name, value| {
        secrets.extend(secret(&value, directory).map(|secret| (name.to_owned(), secret)));
    });
    Some(secrets)
}

fn limits(section: &mut Section<'_>) -> Option<(wasm::Limits, usize)> {
    let memory = section.or("memory", "\"64MiB\"", |value| value.bytes(1 << 20..=512 << 20));
    let time = section.or("time", "\"1s\"", |value| value.duration(Duration::from_millis(10)..=10 * SECOND));
    let answer = section.or("answer", "\"4MiB\"", |value| value.bytes(1 << 10..=64 << 20));
    let log_lines = section.or("log-lines", "100", |value| value.number(0..=10_000));
    let history = section.or("history", "64", |value| value.number(4..=1024));
    let limits = wasm::Limits {
        memory: memory?,
        time: time?,
        answer: answer?,
        log_lines: u32::try_from(log_lines?).ok()?,
    };
    Some((limits, usize::try_from(history?).ok()?))
}

fn config(value: &Value<'_>) -> Option<Json> {
    let config = value.json();
    if !config.is_object() {
        value.complain(Code::WrongKind, "an adapter's configuration is a table", None);
        return None;
    }
    Json::of(&config).ok()
}
