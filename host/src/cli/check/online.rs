//! `check --online`: what a host will meet, asked by the code that the host asks with. One log-in,
//! one list of service groups, one connection to each target and, where it wants one, its token.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::app::Outside;
use crate::config::{GroupSettings, Settings};
use crate::domain::Timestamp;
use crate::espf::NotChecked;
use crate::explain::Code;
use crate::ports::{Billing as _, Tokens as _, World};

/// More is warned of. A `Signature` of the ESPF may be five minutes old.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(30);
const DAY_S: u64 = 86_400;

/// What was found of one thing.
struct Line {
    what: String,
    said: String,
    /// What is wrong, if anything is.
    code: Option<Code>,
}

impl Line {
    fn ok(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { what: what.into(), said: said.into(), code: None }
    }

    fn wrong(code: Code, what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { what: what.into(), said: said.into(), code: Some(code) }
    }

    fn is_error(&self) -> bool {
        self.code.is_some_and(|code| code.kind() == "error")
    }

    fn print(&self) {
        let Self { what, said, code } = self;
        match code {
            None => println!("ok       {what:<20} {said}"),
            Some(code) => println!("{:<8} {what:<20} {said} (punchdown explain {code})", code.kind()),
        }
    }
}

/// Says what it finds, line by line; whether all of it will do.
pub async fn check(settings: &Settings, outside: &Outside, world: &Arc<dyn World>) -> bool {
    let mut good = true;
    let mut tell = |lines: Vec<Line>| {
        good &= !lines.iter().any(Line::is_error);
        lines.iter().for_each(Line::print);
    };
    tell(settings.groups.iter().map(adapter).collect());
    tell(certificates(settings, world.now()));
    let session = session(outside).await;
    let is_logged_in = !session.is_error();
    tell(vec![session]);
    tell(outside.billing.dated().map(|theirs| clock(theirs, world.now())).into_iter().collect());
    if is_logged_in {
        tell(services(outside).await);
    }
    let targets = join_all(settings.groups.iter().map(|group| target(group, outside))).await;
    tell(targets.into_iter().flatten().collect());
    good
}

fn adapter(group: &GroupSettings) -> Line {
    let said = format!("{} is loaded, and takes its configuration", group.adapter.display());
    Line::ok(format!("adapter {}", group.group()), said)
}

fn certificates(settings: &Settings, now: Timestamp) -> Vec<Line> {
    let own = settings.notifications.as_ref().map(|own| ("notifications.tls", own));
    let listeners = [("events.tls", &settings.public), ("admin.tls", &settings.admin)];
    let with_tls = listeners.into_iter().chain(own).filter_map(|(name, own)| Some((name, own.tls.as_ref()?)));
    let line = |(name, tls): (&str, &crate::http::Tls)| {
        let validity = tls.validity();
        let what = format!("certificate {name}");
        let days = validity.until.since(now).as_secs() / DAY_S;
        match validity.warning(now) {
            Some(warning) => {
                Line::wrong(Code::CertificateEnds, what, format!("{warning}; put a new one there"))
            }
            None => Line::ok(what, format!("{days} days left")),
        }
    };
    with_tls.map(line).collect()
}

async fn session(outside: &Outside) -> Line {
    let (what, began) = ("PortaBilling", Instant::now());
    match outside.billing.session().bearer().await {
        Ok(_) => {
            let took = began.elapsed().as_millis();
            let environment = outside.billing.environment().map_or_else(
                || "its token names no environment".to_owned(),
                |i_env| format!("i_env {i_env}"),
            );
            Line::ok(what, format!("logged in within {took} ms; {environment}"))
        }
        Err(error) => Line::wrong(Code::NoSession, what, error.to_string()),
    }
}

fn clock(theirs: Timestamp, ours: Timestamp) -> Line {
    let (ahead, behind) = (theirs.since(ours), ours.since(theirs));
    let apart = ahead.max(behind);
    let seconds = apart.as_secs();
    let side = if ahead > behind { "ahead of" } else { "behind" };
    if apart > CLOCKS_APART_MAX {
        let said = format!("PortaBilling's is {seconds} s {side} ours: let both be set by NTP");
        return Line::wrong(Code::ClocksApart, "clock", said);
    }
    Line::ok("clock", format!("{seconds} s apart from PortaBilling's"))
}

async fn services(outside: &Outside) -> Vec<Line> {
    let name = |service: &dyn std::fmt::Display| format!("service group {service}");
    match outside.services.unknown().await {
        Ok(unknown) => {
            let line = |service| match unknown.contains(&service) {
                true => Line::wrong(
                    Code::ServiceUnknown,
                    name(service),
                    "PortaBilling does not know it, and will refuse its statuses: register it there, or name \
                     another one in `service` or `reports`",
                ),
                false => Line::ok(name(service), "PortaBilling knows it"),
            };
            outside.services.reported().iter().map(line).collect()
        }
        Err(NotChecked::Never(why) | NotChecked::Later(why)) => {
            let said = format!("PortaBilling does not say which ones it knows: {why}");
            vec![Line::wrong(Code::ServicesUnchecked, "service groups", said)]
        }
    }
}

async fn target(group: &GroupSettings, outside: &Outside) -> Vec<Line> {
    let (group, url) = (group.group(), &group.target.url);
    let what = format!("target {group}");
    let connection = match outside.outbound.reach(group).await {
        Ok(()) => Line::ok(what.clone(), format!("{url} can be reached; nothing was sent")),
        Err(why) => {
            Line::wrong(Code::TargetUnreached, what.clone(), format!("no connection to {url}: {why}"))
        }
    };
    let token = match outside.outbound.ask_for_token(group).await {
        Ok(false) => None,
        Ok(true) => Some(Line::ok(format!("token {group}"), "was granted")),
        Err(trouble) => Some(Line::wrong(Code::NoToken, format!("token {group}"), trouble.message)),
    };
    [Some(connection), token].into_iter().flatten().collect()
}
