//! The commands of the pages for operators, as they stand there. A block is run on a staged host; one that cannot be
//! says why, and what it says to this program is understood all the same.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use punchdown::cli::stage::Stage;
use punchdown_kit::oms::{Odd, Settings};
use serde_json::json;
use tokio::process::{Child, Command};

use crate::harness::{PROGRAM, folder, oms_adapter, rewrite, stage, told, until, workspace};
use crate::operators::{asked, operations};
use crate::reload::edition;

const SOON: Duration = Duration::from_secs(30);
const PAGES: [&str; 2] = ["docs/operating.md", "docs/incidents.md"];
/// Sections whose blocks are one story, which `unit.rs` plays.
const OF_THE_UNIT: [&str; 2] = ["As a service", "The first hour"];
const PARKED: u64 = 12;
/// What stands for an operation's id, and for an event's.
const AN_OPERATION: &str = "01KG8E5S00";
const AN_EVENT: &str = "1-42";
/// Where the page has the backups.
const BACKUPS: &str = "/var/backups/punchdown";

/// Commands for a shell.
pub struct Block {
    pub section: String,
    /// Why nobody runs it here.
    pub not_run: Option<String>,
    pub text: String,
}

impl Block {
    /// One command each, without what is said of it.
    fn lines(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        let lines = joined.lines().map(|line| line.split("  #").next().unwrap_or_default().trim().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// What it says to this program, wherever that stands in a line, without what the shell does with it.
    fn of_ours(&self) -> Vec<String> {
        let lines = self.lines();
        let parts = lines.iter().flat_map(|line| line.split("; "));
        parts.filter_map(ours).collect()
    }
}

fn ours(part: &str) -> Option<String> {
    const NAME: &str = "punchdown ";
    let is_word = |word: &str| word != "punchdown" && word.starts_with(|it: char| it.is_ascii_lowercase());
    let begins = |at: &usize| {
        part[..*at].chars().last().is_none_or(|before| " /".contains(before))
            && part[*at + NAME.len()..].split(' ').next().is_some_and(is_word)
    };
    let at = part.match_indices(NAME).map(|(at, _)| at).find(begins)?;
    Some(part[at..].split(['>', '<']).next().unwrap_or_default().trim().to_owned())
}

/// The shell's blocks of a page: ```` ```sh ````, and ```` ```sh not run by the tests: WHY ````.
pub fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(workspace().join(page)).expect("a page");
    let (mut blocks, mut section) = (Vec::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((_, title)) = line.split_once("# ").filter(|(head, _)| head.chars().all(|it| it == '#')) {
            section = title.to_owned();
        }
        let Some(info) = line.strip_prefix("```") else { continue };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let Some(info) = info.strip_prefix("sh") else { continue };
        let why = info.strip_prefix(" not run by the tests: ").map(str::to_owned);
        assert!(info.is_empty() || why.is_some(), "{page}: `sh{info}` is no kind of block");
        blocks.push(Block { section: section.clone(), not_run: why, text: text.join("\n") + "\n" });
    }
    blocks
}

#[test]
fn every_block_is_of_a_shell_and_says_to_us_what_we_understand() {
    let (mut checked, nowhere) = (0, "/nonexistent/punchdown.toml");
    for block in PAGES.into_iter().flat_map(blocks) {
        let shell =
            std::process::Command::new("sh").args(["-n", "-c", &block.text]).output().expect("a shell");
        assert!(shell.status.success(), "{}\n{}", block.text, String::from_utf8_lossy(&shell.stderr));
        for command in block.of_ours() {
            // What is understood comes to the missing configuration; what is not says how it is used.
            let named = match command.split_once(" --config ") {
                Some((before, _)) => format!("{before} --config {nowhere}"),
                None => format!("{command} --config {nowhere}"),
            };
            if command.starts_with("punchdown init") {
                continue;
            }
            let words: Vec<String> = words(&named).into_iter().skip(1).collect();
            let said = std::process::Command::new(PROGRAM).args(words).output().expect("it runs");
            assert_eq!(said.status.code(), Some(78), "{command}: {}", String::from_utf8_lossy(&said.stderr));
            checked += 1;
        }
    }
    assert!(checked >= 30, "{checked} commands");
}

/// As a shell takes them apart.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for char in line.chars() {
        match char {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            char => words.last_mut().expect("there is one").push(char),
        }
    }
    words
}

/// Who has the host's folder before him, does what stands on the page, and starts and stops the host where that
/// must be.
struct Reader {
    stage: Stage,
    path: String,
    /// A host that the page started.
    host: Option<Child>,
    /// Operations that are parked, and that nobody has seen to.
    parked: Vec<String>,
    event: String,
    done: usize,
}

impl Reader {
    fn command(&self, line: &str, folder: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(folder).env("PATH", &self.path).stdin(Stdio::null());
        command.kill_on_drop(true);
        command
    }

    async fn does(&mut self, line: &str) {
        self.done += 1;
        let folder = self.stage.directory.clone();
        match line.split(' ').nth(1).expect("a command") {
            "init" => {
                let empty = crate::harness::folder();
                return self.runs(line, empty.path()).await;
            }
            "serve" => return self.begins(line).await,
            "journal" if line.contains("rotate-key") => self.stops().await,
            "check" | "schema" | "explain" => {}
            _ if self.is_running() => {}
            _ => self.stage.start_host().await.expect("the host starts"),
        }
        let line = self.filled(line);
        self.runs(&line, &folder).await;
    }

    fn is_running(&self) -> bool {
        self.host.is_some() || self.stage.host_pid().is_some()
    }

    async fn runs(&self, line: &str, folder: &Path) {
        let Output { status, stdout, stderr } = self.command(line, folder).output().await.expect("it runs");
        let said = [String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)].concat();
        assert!(status.success(), "{line}\n{said}");
    }

    async fn begins(&mut self, line: &str) {
        self.stops().await;
        let log = std::fs::File::create(self.stage.directory.join("page.log")).expect("a log");
        let mut command = self.command(&format!("exec {line}"), &self.stage.directory);
        self.host = Some(command.stdout(Stdio::null()).stderr(log).spawn().expect("it begins"));
        let ready = format!("http://{}/readyz", self.stage.admin);
        until("the host is ready", SOON, async || {
            reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    async fn stops(&mut self) {
        if self.stage.host_pid().is_some() {
            self.stage.stop_host().await.expect("it stops");
        }
        if let Some(mut host) = self.host.take() {
            let id = host.id().expect("it runs").to_string();
            Command::new("kill").args(["-TERM", &id]).status().await.expect("told");
            assert!(host.wait().await.expect("it ends").success());
        }
    }

    /// With places, an operation and an event that there are. Whoever is released was not released before.
    fn filled(&mut self, line: &str) -> String {
        let id = match line.split(' ').nth(2) {
            Some("retry" | "restart" | "skip") => self.parked.pop().expect("one more is parked"),
            _ => self.parked.last().expect("one is parked").clone(),
        };
        let word = |word: &str| match word {
            word if word.starts_with(AN_OPERATION) => id.clone(),
            word => word.replace(AN_EVENT, &self.event),
        };
        let line = line.split(' ').map(word).collect::<Vec<_>>().join(" ");
        let backups = self.stage.directory.join("backups");
        let line = line.replace(BACKUPS, &backups.display().to_string());
        let elsewhere =
            line.split(' ').filter(|word| word.starts_with('/') && !Path::new(word).starts_with(&backups));
        assert_eq!(elsewhere.count(), 0, "`{line}` would be done to this machine");
        line
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_pages_do_what_they_say() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    std::fs::create_dir(folder.path().join("backups")).expect("a folder");
    std::fs::write(folder.path().join("questions.sql"), "SELECT 1;\n").expect("written");
    // What is put in an adapter's place must not be in that of all stories.
    let own = folder.path().join("own.wasm");
    std::fs::copy(&adapter, &own).expect("copied");
    rewrite(&stage, &adapter.display().to_string(), &own.display().to_string());
    std::fs::write(folder.path().join("hss-2.wasm"), edition(&adapter, 2)).expect("written");
    std::fs::create_dir_all(folder.path().join("hss-2/cases")).expect("a folder");
    let case = "accepted-with-a-monitor.json";
    let theirs = workspace().join("adapters/oms-tmf641/cases").join(case);
    std::fs::copy(theirs, folder.path().join("hss-2/cases").join(case)).expect("copied");
    symlink(PROGRAM, bin.join("punchdown")).expect("a link");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    // A group of which everything can be asked: it is registered for its notifications, too.
    let signed = "auth = { standard-webhooks = { secret = { file = \"secrets/oms-hook\" } } }";
    rewrite(&stage, signed, "register = true\nauth = \"registered\"");
    stage.oms.set_notify(None);
    stage.open_accounts(189);
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    for (i_account, word) in (1..=PARKED).map(|one| (one, "FAILED")).chain([(189, "OK")]) {
        if word == "FAILED" {
            stage.oms.answer_next(Odd::ErrorInSuccess);
        }
        espf.emit("Account/New", json!({ "i_account": i_account }));
        until(word, SOON, async || told(&stage, i_account).last().is_some_and(|last| last == word)).await;
    }
    let parked = operations(&stage, &["--state", "parked"]).await;
    let parked = parked.iter().filter_map(|it| it["id"].as_str().map(str::to_owned)).collect();
    let events = asked(&stage, &["event", "list"]).await;
    let event = events["events"][0]["id"].as_str().expect("an id").to_owned();
    let mut reader = Reader { stage, path, host: None, parked, event, done: 0 };
    for block in PAGES.into_iter().flat_map(blocks) {
        if block.not_run.is_some() || OF_THE_UNIT.contains(&&*block.section) {
            continue;
        }
        for line in block.lines() {
            assert!(line.starts_with("punchdown "), "{}: who runs `{line}`?", block.section);
            reader.does(&line).await;
        }
    }
    reader.stops().await;
    assert!(reader.done >= 25, "{} commands", reader.done);
}
