//! `status`: what a running host has to do, from its operators' door.

use std::process::ExitCode;

use serde_json::Value;

use super::door::Door;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    door: Door,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    arguments.door.show("status", text).await
}

fn text(status: &Value) -> String {
    use std::fmt::Write as _;
    let word = |name: &str| match &status[name] {
        Value::Null => "never".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut text =
        format!("events stored        {} (the last one: {})\n", word("events"), word("last_event_at"));
    for (name, label) in [
        ("fan_outs", "customers under way"),
        ("dead_letters", "dead letters"),
        ("notifications_unread", "notifications unread"),
        ("signals_unmatched", "signals unmatched"),
        ("signals_parked", "signals parked"),
        ("statuses_waiting", "statuses waiting"),
        ("statuses_given_up", "statuses given up"),
    ] {
        let _ = writeln!(text, "{label:<20} {}", word(name));
    }
    for (group, of_group) in status["groups"].as_object().into_iter().flatten() {
        let paused = if of_group["paused"] == true { " (paused)" } else { "" };
        let _ = writeln!(text, "\ngroup {group}{paused}");
        if let Some(breaker) = of_group["breaker"].as_object() {
            let word = |name: &str| breaker[name].as_str().unwrap_or_default();
            let (since, code, why) = (word("open_since"), word("code"), word("why"));
            let _ = writeln!(text, "  breaker open       since {since}, next probe {}", word("probe_at"));
            let _ = writeln!(text, "                     {code}: {why}");
        }
        for (stage, count) in of_group["operations"].as_object().into_iter().flatten() {
            let _ = writeln!(text, "  {stage:<18} {count}");
        }
        if let Some(oldest) = of_group["oldest_open_at"].as_str() {
            let _ = writeln!(text, "  the oldest open    since {oldest}");
        }
    }
    text
}
