//! The PCRF's part: charging rules that are pushed to a live session.
//!
//! A new session gets the rules of its APN by itself. So where nobody is online there is nothing to push, and that is
//! no failure. What a session has got it keeps: the system cannot take a rule back.

use std::collections::BTreeMap;

use punchdown_adapter::{Request, Status, Stop, Value, json};

use crate::answer::{self, Answer};
use crate::config::Config;
use crate::line::Line;
use crate::record::{Work, text};

pub fn push(
    work: &mut Work<'_, '_>,
    config: &Config,
    line: &Line<'_>,
    apns: &[(&str, u64)],
) -> Result<(), Stop> {
    let Some(group) = &config.policy_group else {
        work.say();
        return Ok(());
    };
    let wanted = &line.profile.rules;
    work.standing.rules.retain(|apn, _| wanted.contains_key(apn));
    for (apn, rules) in &mut work.standing.rules {
        rules.retain(|rule| wanted[apn].contains(rule));
    }
    let mut reasons = Vec::new();
    if apns.iter().any(|(apn, _)| !missing(work, wanted, apn).is_empty()) {
        let known = rule_ids(work)?;
        for (apn, id) in apns {
            let missing = missing(work, wanted, apn);
            reasons.extend(push_at(work, line, (apn, *id), &missing, &known)?);
        }
    }
    work.say();
    match reasons.into_iter().next() {
        None => work.flow.report_for(group, Status::Ok, None),
        Some(reason) => work.flow.report_for(group, Status::Failed, reason),
    }
    Ok(())
}

/// Says that all is well, in both groups.
pub fn report_ok(work: &mut Work<'_, '_>, config: &Config) {
    work.flow.report(Status::Ok, None);
    if let Some(group) = &config.policy_group {
        work.flow.report_for(group, Status::Ok, None);
    }
}

fn rule_ids(work: &mut Work<'_, '_>) -> Result<BTreeMap<String, u64>, Stop> {
    let rules = work.list("list-rules", "/charging_rule/list")?;
    let named = |rule: &Value| Some((text(&rule["rule_name"])?, rule["charging_rule_id"].as_u64()?));
    Ok(rules.iter().filter_map(named).collect())
}

fn missing(work: &Work<'_, '_>, wanted: &BTreeMap<String, Vec<String>>, apn: &str) -> Vec<String> {
    let settled = work.standing.rules.get(apn).map(Vec::as_slice).unwrap_or_default();
    let rules = wanted.get(apn).into_iter().flatten();
    rules.filter(|rule| !settled.contains(rule)).cloned().collect()
}

/// Pushes rules at one APN, and says what went wrong.
fn push_at(
    work: &mut Work<'_, '_>,
    line: &Line<'_>,
    (apn, apn_id): (&str, u64),
    rules: &[String],
    known: &BTreeMap<String, u64>,
) -> Result<Vec<String>, Stop> {
    let mut wrong = Vec::new();
    if rules.is_empty() {
        return Ok(wrong);
    }
    let session = session(work, &line.imsi, apn_id)?;
    for rule in rules {
        let reason = match known.get(rule) {
            None => Some(format!("the PCRF has no charging rule `{rule}`")),
            Some(_) if session == Session::None => None,
            Some(id) => refused(work, line, (apn, apn_id), (rule, *id), session)?,
        };
        match reason {
            Some(reason) => wrong.push(reason),
            None => work.standing.rules.entry(apn.to_owned()).or_default().push(rule.clone()),
        }
    }
    Ok(wrong)
}

#[derive(Clone, Copy, PartialEq)]
enum Session {
    Live,
    None,
    /// This system does not show its sessions.
    Hidden,
}

fn session(work: &mut Work<'_, '_>, imsi: &str, apn_id: u64) -> Result<Session, Stop> {
    const LABEL: &str = "find-session";
    work.say();
    let path = Request::get("/pcrf/pcrf_subscriber_imsi").segment(imsi).segment(&apn_id.to_string());
    let response = work.flow.ask(LABEL, path)?;
    match answer::read(&response) {
        Answer::Shown(shown) if text(&shown["pcrf_session_id"]).is_some() => Ok(Session::Live),
        Answer::Later("no-such-path") => Ok(Session::Hidden),
        Answer::Later(code) if code != "broken" => {
            Err(work.flow.again(code, format!("{LABEL}: {}", response.status)))
        }
        _ => Ok(Session::None),
    }
}

/// Why a rule was not pushed; `None`: it was, or there is no session any more. Of a session that is not there the
/// system says only that something broke.
fn refused(
    work: &mut Work<'_, '_>,
    line: &Line<'_>,
    (apn, apn_id): (&str, u64),
    (rule, rule_id): (&str, u64),
    session: Session,
) -> Result<Option<String>, Stop> {
    const LABEL: &str = "push-rule";
    let body = json!({"imsi": line.imsi, "apn_id": apn_id, "charging_rule_id": rule_id});
    work.say();
    let response = work.flow.ask(LABEL, Request::put("/pcrf/").json(&body))?;
    let why = match answer::read(&response) {
        Answer::Shown(_) => return Ok(None),
        Answer::Later("broken") if session == Session::Hidden => return Ok(None),
        Answer::Later("broken") if self::session(work, &line.imsi, apn_id)? != Session::Live => {
            return Ok(None);
        }
        Answer::Later("broken") => format!("answered {}, and the session is live", response.status),
        Answer::Later(code) => return Err(work.flow.again(code, format!("{LABEL}: {}", response.status))),
        Answer::Refused(reason) => reason,
        Answer::Nothing => "it was passed over without a word".to_owned(),
    };
    Ok(Some(format!("rule `{rule}` was not pushed at `{apn}`: {why}")))
}
