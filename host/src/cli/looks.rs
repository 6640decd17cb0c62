//! `event`, `notification`, `account` and `audit`: what a person looks at.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::columns::columns as aligned;
use super::door::{Door, encoded, word};
use super::operation;

#[derive(Args)]
pub struct Page {
    /// Continue a list: what its last line says.
    #[arg(long, value_name = "PLACE")]
    before: Option<String>,
    /// 1 to 1000.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    door: Door,
}

impl Page {
    fn query(&self) -> String {
        let before = self.before.as_deref().map(|place| format!("&before={}", encoded(place)));
        format!("limit={}{}", self.limit, before.unwrap_or_default())
    }
}

#[derive(Subcommand)]
pub enum EventCommand {
    /// The newest first.
    List {
        /// What came to the doors for events and could never become one.
        #[arg(long)]
        dead_letters: bool,
        #[command(flatten)]
        page: Page,
    },
    /// An event with what it made.
    Show {
        id: String,
        /// It is a dead letter.
        #[arg(long)]
        dead_letter: bool,
        #[command(flatten)]
        door: Door,
    },
}

#[derive(Subcommand)]
pub enum NotificationCommand {
    /// The newest first.
    List {
        /// Only those that no adapter could read.
        #[arg(long)]
        unread: bool,
        #[command(flatten)]
        page: Page,
    },
    /// A notification as it came, and what became of what it says.
    Show {
        id: String,
        #[command(flatten)]
        door: Door,
    },
}

#[derive(Subcommand)]
pub enum AccountCommand {
    /// What stands for an account, what PortaBilling was told of it, and its operations.
    Show {
        /// PortaBilling's number of it.
        i_account: u64,
        #[command(flatten)]
        door: Door,
    },
}

#[derive(Args)]
pub struct Audit {
    /// Of this group and its operations.
    #[arg(long)]
    group: Option<String>,
    /// Of this operation.
    #[arg(long, value_name = "ID")]
    operation: Option<String>,
    #[command(flatten)]
    page: Page,
}

pub async fn audit(audit: &Audit) -> ExitCode {
    let Audit { group, operation, page } = audit;
    let mut path = format!("audit?{}", page.query());
    for (name, value) in [("group", group), ("operation", operation)] {
        if let Some(value) = value {
            let _ = write!(path, "&{name}={}", encoded(value));
        }
    }
    page.door.show(&path, |it| table(it, "audit", &["at", "what", "about", "who", "why"])).await
}

pub async fn event(command: &EventCommand) -> ExitCode {
    match command {
        EventCommand::List { dead_letters: false, page } => {
            let columns = ["id", "name", "i_account", "i_customer", "received_at"];
            page.door.show(&format!("events?{}", page.query()), |it| table(it, "events", &columns)).await
        }
        EventCommand::List { dead_letters: true, page } => {
            let path = format!("dead-letters?{}", page.query());
            page.door.show(&path, |it| table(it, "dead_letters", &["id", "at", "why"])).await
        }
        EventCommand::Show { id, dead_letter, door } => {
            let what = if *dead_letter { "dead-letters" } else { "events" };
            door.show(&format!("{what}/{}", encoded(id)), page_of).await
        }
    }
}

pub async fn notification(command: &NotificationCommand) -> ExitCode {
    match command {
        NotificationCommand::List { unread, page } => {
            let path = format!("notifications?unread={unread}&{}", page.query());
            let columns = ["id", "group", "received_at", "read"];
            page.door.show(&path, |it| table(it, "notifications", &columns)).await
        }
        NotificationCommand::Show { id, door } => {
            door.show(&format!("notifications/{}", encoded(id)), page_of).await
        }
    }
}

pub async fn account(command: &AccountCommand) -> ExitCode {
    let AccountCommand::Show { i_account, door } = command;
    door.show(&format!("accounts/{i_account}"), page_of).await
}

/// The rows of a list.
fn table(answer: &Value, of: &str, columns: &[&str]) -> String {
    let rows = answer[of].as_array().map(Vec::as_slice).unwrap_or_default();
    let head = columns.iter().map(|column| column.to_uppercase()).collect::<Vec<_>>();
    let cells = |row: &Value| columns.iter().map(|column| word(&row[*column])).collect::<Vec<_>>();
    let all: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let mut text = aligned(&all);
    if !answer["before"].is_null() {
        let _ = writeln!(text, "there may be more: --before {}", word(&answer["before"]));
    }
    text
}

/// Everything of one thing, a line each; its operations as a list.
fn page_of(answer: &Value) -> String {
    let mut text = String::new();
    for (name, value) in answer.as_object().into_iter().flatten().filter(|(name, _)| *name != "operations") {
        let _ = writeln!(text, "{name:<14} {}", word(value));
    }
    if answer["operations"].as_array().is_some_and(|operations| !operations.is_empty()) {
        text.push('\n');
        text += &operation::lines(answer);
    }
    text
}
