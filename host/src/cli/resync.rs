//! `resync`: PortaBilling's accounts, one by one, held against what was last done for them.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::door::{Door, word};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Of what differs so many lines are printed as text; JSON has all that is listed.
const LINES_MAX: usize = 50;

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["account", "customer", "all", "group", "status", "stop"]))]
pub struct Arguments {
    /// This account, by its i_account.
    #[arg(long, value_name = "I_ACCOUNT", conflicts_with_all = ["customer", "all"])]
    account: Option<u64>,
    /// All accounts of this customer, by its i_customer.
    #[arg(long, value_name = "I_CUSTOMER", conflicts_with = "all")]
    customer: Option<u64>,
    /// All accounts, and what stands of those that PortaBilling has no more.
    #[arg(long)]
    all: bool,
    /// In this group alone; by itself: all accounts.
    #[arg(long)]
    group: Option<String>,
    /// Say what differs, and begin nothing.
    #[arg(long, conflicts_with = "adopt")]
    dry_run: bool,
    /// Have adapters find what stands of accounts of whom nothing is known here; nothing is changed outside.
    #[arg(long)]
    adopt: bool,
    /// Do not wait for its end.
    #[arg(long)]
    detach: bool,
    /// How the last one stands, or came out.
    #[arg(long, conflicts_with_all = ["account", "customer", "all", "group", "stop"])]
    status: bool,
    /// End the one that is under way. What it has begun goes on.
    #[arg(long, conflicts_with_all = ["account", "customer", "all", "group"])]
    stop: bool,
    /// Why you do it.
    #[arg(long, required_unless_present = "status")]
    why: Option<String>,
    /// Who you are.
    #[arg(long, required_unless_present = "status")]
    who: Option<String>,
    #[command(flatten)]
    door: Door,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { door, who, why, .. } = arguments;
    if arguments.status {
        return door.print(shown(door).await, text);
    }
    if arguments.stop {
        return door.act("resync/stop", &json!({ "who": who, "why": why }), text).await;
    }
    let mode = match (arguments.dry_run, arguments.adopt) {
        (true, _) => "dry-run",
        (false, true) => "adopt",
        (false, false) => "drive",
    };
    let wanted = json!({
        "i_account": arguments.account,
        "i_customer": arguments.customer,
        "all": arguments.all,
        "group": arguments.group,
        "mode": mode,
        "who": who,
        "why": why,
    });
    let begun = door.ask(Method::POST, "resync", Some(&wanted)).await;
    let Ok(begun) = begun.as_ref() else { return door.print(begun, text) };
    if arguments.detach {
        return door.print(Ok(begun.clone()), text);
    }
    let id = begun["resync"]["id"].clone();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match door.ask(Method::GET, "resync", None).await {
            Ok(last) if last["resync"]["id"] == id && last["resync"]["state"] == "under-way" => {}
            Ok(_) => return door.print(shown(door).await, text),
            Err(code) => return code,
        }
    }
}

/// The last one, with all that is listed of what differs.
async fn shown(door: &Door) -> Result<Value, ExitCode> {
    let mut shown = door.ask(Method::GET, "resync", None).await?;
    let (mut differing, mut behind) = (Vec::new(), Some(0));
    while let Some(place) = behind {
        let page =
            door.ask(Method::GET, &format!("resync/differing?limit=1000&behind={place}"), None).await?;
        differing.extend(page["differing"].as_array().cloned().unwrap_or_default());
        behind = page["behind"].as_u64();
    }
    shown["differing"] = differing.into();
    Ok(shown)
}

fn text(shown: &Value) -> String {
    let resync = &shown["resync"];
    if resync.is_null() {
        return "there was no resync yet\n".to_owned();
    }
    let mut text = String::new();
    for (label, name) in [
        ("resync", "id"),
        ("of", "whom"),
        ("in group", "group"),
        ("mode", "mode"),
        ("state", "state"),
        ("because", "failed_because"),
        ("began at", "began_at"),
        ("ended at", "ended_at"),
        ("accounts read", "accounts"),
        ("as wanted", "same"),
        ("differ", "differ"),
        ("driven", "driven"),
        ("adopted", "adopted"),
        ("open", "open"),
        ("unread", "unread"),
    ] {
        if !resync[name].is_null() {
            let _ = writeln!(text, "{label:<14} {}", word(&resync[name]));
        }
    }
    let differing = shown["differing"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !differing.is_empty() {
        let _ = writeln!(text, "\n{:>12}  {:<12} HOW", "I_ACCOUNT", "GROUP");
    }
    for line in differing.iter().take(LINES_MAX) {
        let (account, group, how) = (word(&line["i_account"]), word(&line["group"]), word(&line["how"]));
        let _ = writeln!(text, "{account:>12}  {group:<12} {how}");
    }
    if differing.len() > LINES_MAX {
        let _ = writeln!(text, "and {} more: -o json", differing.len() - LINES_MAX);
    }
    text
}
