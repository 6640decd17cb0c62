//! `check --online`: what a host will meet, asked by the code that the host asks with. One log-in,
//! one list of service groups, one connection to each target and, where it wants one, its token.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::Outside;
use crate::billing::Seen;
use crate::config::{GroupSettings, Settings};
use crate::domain::Timestamp;
use crate::espf::NotChecked;
use crate::explain::Code;
use crate::outbound::Targets;
use crate::ports::{Billing as _, Tokens as _, World};
use crate::web::Validity;

/// More is warned of. A `Signature` of the ESPF may be five minutes old.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(30);

/// What was found of one thing.
pub struct Line {
    what: String,
    said: String,
    /// What is wrong, if anything is.
    code: Option<Code>,
    /// Of a certificate: until its end.
    days_left: Option<u64>,
}

/// Whose a certificate is.
struct Whose {
    looked_at_by: &'static str,
    /// What it means that it has ended.
    ended: Code,
    help: &'static str,
}

/// A host with an old one starts all the same.
const LISTENERS: Whose =
    Whose { looked_at_by: "callers", ended: Code::CertificateEnds, help: "put a new one there" };
/// By which a target knows us.
const OURS: Whose =
    Whose { looked_at_by: "the target", ended: Code::CertificateEnded, help: "put a new one there" };
/// Without a good one there would have been no connection.
const THEIRS: Whose =
    Whose { looked_at_by: "we", ended: Code::CertificateEnds, help: "tell whoever runs that system" };

impl Line {
    fn ok(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { what: what.into(), said: said.into(), code: None, days_left: None }
    }

    fn wrong(code: Code, what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { code: Some(code), ..Self::ok(what, said) }
    }

    fn certificate(what: String, validity: Validity, now: Timestamp, whose: &Whose) -> Self {
        let days_left = validity.days_left(now);
        let line = match validity.warning(now, whose.looked_at_by) {
            Some(warning) => {
                let code = if validity.is_now(now) { Code::CertificateEnds } else { whose.ended };
                Self::wrong(code, what, format!("{warning}; {}", whose.help))
            }
            None => Self::ok(what, format!("{days_left} days left")),
        };
        Self { days_left: Some(days_left), ..line }
    }

    pub fn is_error(&self) -> bool {
        self.code.is_some_and(|code| code.kind() == "error")
    }

    /// For programs.
    pub fn answer(&self) -> Value {
        let Self { what, said, code, days_left } = self;
        json!({
            "kind": code.map_or("ok", Code::kind),
            "code": code.map(Code::number),
            "what": what,
            "message": said,
            "days_left": days_left,
        })
    }

    pub fn print(&self) {
        let Self { what, said, code, .. } = self;
        match code {
            None => println!("ok       {what:<20} {said}"),
            Some(code) => println!("{:<8} {what:<20} {said} (punchdown explain {code})", code.kind()),
        }
    }
}

/// All that it finds, told line by line as it goes.
pub async fn check(
    settings: &Settings,
    outside: &Outside,
    targets: &Targets,
    world: &Arc<dyn World>,
    tell: impl Fn(&Line),
) -> Vec<Line> {
    let mut found = Vec::new();
    let mut tell = |lines: Vec<Line>| {
        lines.iter().for_each(&tell);
        found.extend(lines);
    };
    tell(settings.groups.iter().map(adapter).collect());
    tell(certificates(settings, world.now()));
    tell(journal(settings, world).await.into_iter().collect());
    let session = session(outside).await;
    let is_logged_in = !session.is_error();
    tell(vec![session]);
    tell(seen(outside.billing.seen(), world.now()));
    if is_logged_in {
        tell(services(outside).await);
    }
    let lines = join_all(settings.groups.iter().map(|group| target(group, targets, world.now()))).await;
    tell(lines.into_iter().flatten().collect());
    found
}

fn adapter(group: &GroupSettings) -> Line {
    let said = format!("{} is loaded, and takes its configuration", group.adapter.display());
    Line::ok(format!("adapter {}", group.group()), said)
}

fn certificates(settings: &Settings, now: Timestamp) -> Vec<Line> {
    let own = settings.notifications.as_ref().map(|own| ("notifications.tls", own));
    let listeners = [("events.tls", &settings.public), ("admin.tls", &settings.admin)];
    let with_tls = listeners.into_iter().chain(own).filter_map(|(name, own)| Some((name, own.tls.as_ref()?)));
    let own = with_tls.map(|(name, tls)| {
        let what = format!("certificate {name}");
        Line::certificate(what, tls.validity(), now, &LISTENERS)
    });
    let shown = settings.groups.iter().filter_map(|group| {
        let what = format!("certificate for {}", group.group());
        let validity = group.target.certificate()?;
        Some(Line::certificate(what, validity, now, &OURS))
    });
    own.chain(shown).collect()
}

/// Of a journal in a directory nothing is known before it is opened.
async fn journal(settings: &Settings, world: &Arc<dyn World>) -> Option<Line> {
    let postgres = settings.store.postgres.as_ref()?;
    let what = "journal";
    Some(match postgres.check(Arc::clone(world)).await {
        Ok(()) => Line::ok(what, format!("{} can be used; nothing was changed", postgres.name)),
        Err(refusal) => Line::wrong(refusal.code(), what, refusal.to_string()),
    })
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

/// What PortaBilling showed of itself.
fn seen(seen: Seen, now: Timestamp) -> Vec<Line> {
    let clock = seen.at.map(|theirs| clock(theirs, now));
    let what = || "certificate PortaBilling".to_owned();
    let certificate = seen.validity.map(|validity| Line::certificate(what(), validity, now, &THEIRS));
    clock.into_iter().chain(certificate).collect()
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

async fn target(group: &GroupSettings, targets: &Targets, now: Timestamp) -> Vec<Line> {
    let (group, url) = (group.group(), &group.target.url);
    let what = format!("target {group}");
    let (connection, certificate) = match targets.reach(group).await {
        Ok(validity) => {
            let what_of = format!("certificate of {group}");
            let certificate = validity.map(|validity| Line::certificate(what_of, validity, now, &THEIRS));
            (Line::ok(what, format!("{url} can be reached; nothing was sent")), certificate)
        }
        Err(why) => {
            (Line::wrong(Code::TargetUnreached, what, format!("no connection to {url}: {why}")), None)
        }
    };
    let token = match targets.ask_for_token(group).await {
        Ok(false) => None,
        Ok(true) => Some(Line::ok(format!("token {group}"), "was granted")),
        Err(trouble) => Some(Line::wrong(Code::NoToken, format!("token {group}"), trouble.message)),
    };
    [Some(connection), certificate, token].into_iter().flatten().collect()
}
