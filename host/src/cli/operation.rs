//! `operation` and `target`: what a person sees of operations, and does to them and to groups.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::door::{Door, encoded, word};

#[derive(Subcommand)]
pub enum Command {
    /// The newest first.
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        door: Door,
    },
    /// All that is known of one: where it stands, and line by line how it came there.
    Show {
        id: String,
        #[command(flatten)]
        door: Door,
    },
    /// Ask it again, now: the same history, the adapter that serves now.
    Retry(Signed),
    /// Begin anew with fresh data and what stands outside; that one takes its place.
    Restart(Signed),
    /// Leave it: whatever is to be done was done by hand. PortaBilling is told nothing more of it.
    Skip(Signed),
}

#[derive(Args)]
pub struct Filter {
    /// Of this group.
    #[arg(long)]
    group: Option<String>,
    /// In this state: `awaiting-notification`, `parked`, …
    #[arg(long)]
    state: Option<String>,
    /// Of this account, by its i_account.
    #[arg(long, value_name = "I_ACCOUNT")]
    account: Option<u64>,
    /// Only what is parked, in doubt or overdue.
    #[arg(long)]
    problems: bool,
    /// Continue a list: what its last line says.
    #[arg(long, value_name = "PLACE")]
    before: Option<u64>,
    /// 1 to 1000.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

/// What is kept with whatever a person does.
#[derive(Args)]
pub struct Signed {
    /// The operation, or the group.
    id: String,
    /// Why you do it.
    #[arg(long)]
    why: String,
    /// Who you are.
    #[arg(long)]
    who: String,
    #[command(flatten)]
    door: Door,
}

#[derive(Subcommand)]
pub enum TargetCommand {
    /// Let a group rest: its events and notifications are taken, and nothing else of it moves.
    Pause(Signed),
    /// Let it work again.
    Resume(Signed),
    /// Have it registered for notifications again.
    Register(Signed),
    /// Have it registered for notifications no more; its requests leave all the same.
    Unregister(Signed),
}

pub async fn run(command: &Command) -> ExitCode {
    match command {
        Command::List { filter, door } => door.show(&filter.path(), lines).await,
        Command::Show { id, door } => door.show(&format!("operations/{}", encoded(id)), told).await,
        Command::Retry(signed) => signed.post("operations", "retry").await,
        Command::Restart(signed) => signed.post("operations", "restart").await,
        Command::Skip(signed) => signed.post("operations", "skip").await,
    }
}

pub async fn target(command: &TargetCommand) -> ExitCode {
    match command {
        TargetCommand::Pause(signed) => signed.post("groups", "pause").await,
        TargetCommand::Resume(signed) => signed.post("groups", "resume").await,
        TargetCommand::Register(signed) => signed.post("groups", "register").await,
        TargetCommand::Unregister(signed) => signed.post("groups", "unregister").await,
    }
}

impl Filter {
    fn path(&self) -> String {
        let mut path = format!("operations?limit={}&problems={}", self.limit, self.problems);
        for (name, value) in [
            ("group", self.group.as_deref().map(encoded)),
            ("state", self.state.as_deref().map(encoded)),
            ("i_account", self.account.map(|account| account.to_string())),
            ("before", self.before.map(|place| place.to_string())),
        ] {
            if let Some(value) = value {
                let _ = write!(path, "&{name}={value}");
            }
        }
        path
    }
}

impl Signed {
    pub async fn post(&self, what: &str, wish: &str) -> ExitCode {
        let path = format!("{what}/{}/{wish}", encoded(&self.id));
        let done = |answer: &Value| match answer["successor"].as_str() {
            Some(successor) => format!("{}: {successor} takes its place\n", self.id),
            None => format!("{}: {wish}\n", self.id),
        };
        self.door.act(&path, &json!({ "who": self.who, "why": self.why }), done).await
    }
}

/// Operations, a line each.
pub fn lines(answer: &Value) -> String {
    let row = |cells: [&str; 6]| {
        let [id, group, account, state, changed, event] = cells;
        format!("{id:<26}  {group:<12} {account:>12}  {state:<21}  {changed:<24}  {event}\n")
    };
    let mut text = row(["OPERATION", "GROUP", "I_ACCOUNT", "STATE", "CHANGED AT", "EVENT"]);
    for line in answer["operations"].as_array().into_iter().flatten() {
        let cell = |name: &str| word(&line[name]);
        let (id, group, account) = (cell("id"), cell("group"), cell("i_account"));
        let (state, changed, event) = (cell("state"), cell("changed_at"), cell("event"));
        text += &row([&id, &group, &account, &state, &changed, &event]);
    }
    if let Some(before) = answer["before"].as_u64() {
        let _ = writeln!(text, "there may be more: --before {before}");
    }
    text
}

fn told(answer: &Value) -> String {
    let mut text = String::new();
    let mut say = |label: &str, value: String| {
        let _ = writeln!(text, "{label:<14} {value}");
    };
    for (label, name) in [
        ("operation", "id"),
        ("group", "group"),
        ("i_account", "i_account"),
        ("state", "state"),
        ("due", "due"),
        ("deadline", "deadline"),
        ("adapter", "adapter"),
        ("trace", "trace"),
        ("keys", "keys"),
        ("stands behind", "stands_behind"),
    ] {
        say(label, word(&answer[name]));
    }
    let event = &answer["event"];
    say(
        "event",
        format!("{} {} at {}", word(&event["name"]), word(&event["id"]), word(&event["received_at"])),
    );
    if let Some(trouble) = answer["trouble"].as_object() {
        say("trouble", format!("{}: {}", word(&trouble["code"]), word(&trouble["message"])));
    }
    for (flag, label) in [("in_doubt", "in doubt"), ("overdue", "overdue")] {
        if answer[flag] == true {
            say(label, "yes".to_owned());
        }
    }
    for (service, said) in answer["said"].as_object().into_iter().flatten() {
        say(&format!("said of {service}"), format!("{} {}", word(&said["status"]), word(&said["message"])));
    }
    text.push('\n');
    for line in answer["timeline"].as_array().into_iter().flatten() {
        let what = word(&line["what"]);
        let note = match &line["note"] {
            Value::Object(members) => members.values().next().map(Value::to_string).unwrap_or_default(),
            _ => String::new(),
        };
        let _ = writeln!(text, "{}  {what:<11} {note}", word(&line["at"]));
    }
    text
}
