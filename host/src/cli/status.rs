//! `status`: what a running host has to do, from its operators' door.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::Value;

use super::door::{Door, word};
use super::operation;

#[derive(clap::Args)]
pub struct Arguments {
    /// Only what needs a person or is held back, and the operations that are stuck.
    #[arg(long)]
    problems: bool,
    #[command(flatten)]
    door: Door,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    if !arguments.problems {
        return arguments.door.show("status", text).await;
    }
    let stuck = "operations?problems=true&limit=20";
    arguments.door.show_both("status", stuck, problems).await
}

/// States in which nothing is wrong.
const WELL: [&str; 9] = [
    "received",
    "querying",
    "sending",
    "awaiting-notification",
    "done",
    "failed",
    "ignored",
    "superseded",
    "skipped",
];

/// What is not as it should be; a sentence when all is well.
fn problems(status: &Value, stuck: &Value) -> String {
    let mut text = String::new();
    for (name, label) in [
        ("dead_letters", "dead letters: punchdown event list --dead-letters"),
        (
            "notifications_unread",
            "notifications that no adapter could read: punchdown notification list --unread",
        ),
        ("signals_parked", "signals that nobody claimed in three days"),
        ("statuses_given_up", "statuses given up: PortaBilling has no such account"),
    ] {
        if let Some(count) = status[name].as_u64().filter(|count| *count > 0) {
            let _ = writeln!(text, "{count} {label}");
        }
    }
    for (group, of_group) in status["groups"].as_object().into_iter().flatten() {
        text += &problems_of(group, of_group);
    }
    if stuck["operations"].as_array().is_some_and(|operations| !operations.is_empty()) {
        text.push('\n');
        text += &operation::lines(stuck);
    }
    if text.is_empty() { "nothing is held back, and nothing needs a person\n".to_owned() } else { text }
}

/// The same of a group.
fn problems_of(group: &str, of_group: &Value) -> String {
    let mut text = String::new();
    if of_group["paused"] == true {
        let _ = writeln!(text, "group {group} is paused");
    }
    if of_group["served"] == false {
        let _ = writeln!(text, "group {group} has no adapter: `punchdown reload --last` says why");
    }
    if let Some(pinned) = pinned(of_group) {
        let _ = writeln!(text, "group {group} is pinned to {pinned}");
    }
    if let Some(breaker) = of_group["breaker"].as_object() {
        let word = |name: &str| breaker[name].as_str().unwrap_or_default();
        let (since, why, probe_at) = (word("open_since"), word("why"), word("probe_at"));
        let _ = writeln!(
            text,
            "group {group}: its target does not answer since {since}, next probe {probe_at}: {why}"
        );
    }
    if let Some(breaker) = of_group["adapter_breaker"].as_object() {
        let word = |name: &str| breaker[name].as_str().unwrap_or_default();
        let (since, why, probe_at) = (word("open_since"), word("why"), word("probe_at"));
        let _ =
            writeln!(text, "group {group}: its adapter stops since {since}, next probe {probe_at}: {why}");
    }
    if of_group["registration"]["wanted"] == false {
        let _ = writeln!(text, "group {group} is registered no more for notifications: a person ended that");
    } else if of_group["registration"]["good"] == false {
        let why = of_group["registration"]["why"].as_str().unwrap_or("it is being asked for");
        let _ = writeln!(text, "group {group} is not registered for notifications: {why}");
    }
    if let Some(shut) = quarantine(of_group) {
        let _ = writeln!(text, "group {group}: its adapter is in quarantine: {shut}");
    }
    for (state, count) in of_group["operations"].as_object().into_iter().flatten() {
        if !WELL.contains(&state.as_str()) {
            let _ = writeln!(text, "group {group}: {count} {state}");
        }
    }
    text
}

fn text(status: &Value) -> String {
    let last = status["last_event_at"].as_str().unwrap_or("never");
    let mut text = format!("events stored        {} (the last one: {last})\n", word(&status["events"]));
    if let Some(instances) = status["instances"].as_object() {
        let leads = if instances["leads"] == true { ", and this one leads" } else { "" };
        let _ = writeln!(text, "hosts on the journal {}{leads}", word(&instances["live"]));
    }
    for (name, label) in [
        ("fan_outs", "customers under way"),
        ("dead_letters", "dead letters"),
        ("notifications_unread", "notifications unread"),
        ("signals_unmatched", "signals unmatched"),
        ("signals_parked", "signals parked"),
        ("statuses_waiting", "statuses waiting"),
        ("statuses_given_up", "statuses given up"),
    ] {
        let _ = writeln!(text, "{label:<20} {}", word(&status[name]));
    }
    for (group, of_group) in status["groups"].as_object().into_iter().flatten() {
        text += &text_of(group, of_group);
    }
    text
}

fn text_of(group: &str, of_group: &Value) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "\ngroup {group}{}", rests(of_group));
    match of_group["breaker"].as_object() {
        Some(breaker) => {
            let word = |name: &str| breaker[name].as_str().unwrap_or_default();
            let (since, code, why) = (word("open_since"), word("code"), word("why"));
            let _ = writeln!(text, "  breaker open       since {since}, next probe {}", word("probe_at"));
            let _ = writeln!(text, "                     {code}: {why}");
        }
        None => text += "  breaker            closed\n",
    }
    if let Some(breaker) = of_group["adapter_breaker"].as_object() {
        let word = |name: &str| breaker[name].as_str().unwrap_or_default();
        let (since, code, why) = (word("open_since"), word("code"), word("why"));
        let _ = writeln!(text, "  adapter stops      since {since}, next probe {}", word("probe_at"));
        let _ = writeln!(text, "                     {code}: {why}");
    }
    if let Some(registration) = of_group["registration"].as_object() {
        let word = |name: &str| registration[name].as_str().unwrap_or("none");
        let _ = match registration["good"].as_bool() {
            Some(true) => writeln!(text, "  registered         since {}", word("since")),
            _ => writeln!(text, "  not registered     {}: {}", word("code"), word("why")),
        };
    }
    if let Some(shut) = quarantine(of_group) {
        let _ = writeln!(text, "  in quarantine      {shut}");
    }
    if let Some(pinned) = pinned(of_group) {
        let _ = writeln!(text, "  pinned             to {pinned}");
    }
    for (stage, count) in of_group["operations"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "  {stage:<18} {count}");
    }
    if let Some(within) = of_group["done_within_ms"].as_object() {
        let seconds = |name: &str| within[name].as_f64().unwrap_or_default() / 1000.0;
        let _ = writeln!(
            text,
            "  done within        {:.1} s (p50), {:.1} s (p95)",
            seconds("p50"),
            seconds("p95")
        );
    }
    let oldest = &of_group["oldest_open"];
    if oldest.is_object() {
        let (id, state) = (word(&oldest["id"]), word(&oldest["state"]));
        let age = span(oldest["age_s"].as_u64().unwrap_or_default());
        let _ = writeln!(text, "  oldest open        {id}, {state}, {age} old; {}", left(oldest));
    }
    if let Some(last) = of_group["last_event_at"].as_str() {
        let _ = writeln!(text, "  last event         {last}");
    }
    text
}

/// Why nothing of a group moves, behind its name.
fn rests(of_group: &Value) -> &'static str {
    match (of_group["served"] == false, of_group["paused"] == true) {
        (true, _) => " (no adapter)",
        (false, true) => " (paused)",
        (false, false) => "",
    }
}

/// To which component a person has pinned a group, and what that holds off.
fn pinned(of_group: &Value) -> Option<String> {
    let pin = of_group["pin"].as_object()?;
    let to = word(&pin["to"]);
    Some(match pin["passes_over"].as_str() {
        Some(other) => format!("{to}; {other} lies in its place, and does not serve"),
        None => to,
    })
}

/// Why the adapter of a group is asked nothing.
fn quarantine(of_group: &Value) -> Option<String> {
    let shut = of_group["quarantine"].as_object()?;
    let word = |name: &str| shut[name].as_str().unwrap_or_default();
    let because_of: Vec<_> =
        shut["because_of"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Some(format!(
        "since {}, the process died again and again while {} was asked about {}",
        word("since"),
        word("adapter"),
        because_of.join(", ")
    ))
}

/// How it stands against its deadline.
fn left(oldest: &Value) -> String {
    match oldest["left_s"].as_i64() {
        Some(left) if left >= 0 => format!("{} left", span(left.unsigned_abs())),
        Some(over) => format!("{} over its deadline", span(over.unsigned_abs())),
        None => "no deadline runs".to_owned(),
    }
}

/// As a person says it: the two largest units.
fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min {:02} s", seconds % 60),
        3600..86_400 => format!("{hours} h {:02} min", minutes % 60),
        _ => format!("{days} d {:02} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_by_its_two_largest_units() {
        for (seconds, said) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 00 s"),
            (3599, "59 min 59 s"),
            (7380, "2 h 03 min"),
            (86_400, "1 d 00 h"),
            (180_000, "2 d 02 h"),
        ] {
            assert_eq!(span(seconds), said, "{seconds}");
        }
    }

    #[test]
    fn the_oldest_one_stands_against_its_deadline() {
        let said = |left_s: Value| left(&serde_json::json!({ "left_s": left_s }));
        assert_eq!(said(90.into()), "1 min 30 s left");
        assert_eq!(said((-90).into()), "1 min 30 s over its deadline");
        assert_eq!(said(Value::Null), "no deadline runs");
    }
}
