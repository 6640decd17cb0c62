//! The fifteen minutes of the README, as they stand there, with a PortaBilling and an OMS of this machine.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use punchdown::cli::stage::{OMS_TOKEN, Stage};
use punchdown_kit::oms::Settings;
use tokio::process::{Child, Command};

use crate::harness::{PROGRAM, folder, oms_adapter, stage, told, until, workspace};

const SOON: Duration = Duration::from_secs(30);

/// The commands of the README's journey, one a line.
fn commands() -> Vec<String> {
    let page = std::fs::read_to_string(workspace().join("README.md")).expect("README.md");
    let section =
        page.split("\n## ").find(|section| section.starts_with("Fifteen minutes")).expect("a section");
    let blocks = section.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let journey = blocks.into_iter().find(|block| block.starts_with("punchdown init")).expect("a journey");
    journey.replace("\\\n", " ").lines().map(str::to_owned).collect()
}

/// A folder of an operator, with what is on the PATH and in the environment.
pub struct Desk {
    pub folder: PathBuf,
    path: String,
    adapter: PathBuf,
    billing_token: String,
}

impl Desk {
    /// The editor is a person who fills in what is empty, and moves the doors to where nobody else is.
    pub fn set(folder: &Path, stage: &Stage, adapter: &Path) -> Self {
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin).expect("a folder");
        symlink(PROGRAM, bin.join("punchdown")).expect("a link");
        let (billing, oms, public, admin) = (stage.billing.url(), stage.oms.url(), stage.public, stage.admin);
        let editor = format!(
            "#!/bin/sh\nexec sed -i -e '/^\\[portabilling\\]/,/^\\[events\\]/s|^url = \"\"|url = \"{billing}\"|' \
             -e 's|^url = \"\"|url = \"{oms}\"|' -e 's|^login = \"\"|login = \"punchdown\"|' \
             -e 's|^adapter = \"\"|adapter = \"oms-tmf641.wasm\"|' \
             -e 's|^specification = \"\"|specification = \"mobile-line\"\\npoll-seconds = 1|' \
             -e 's|0.0.0.0:8700|{public}|' -e 's|127.0.0.1:8701|{admin}|' \"$1\"\n"
        );
        std::fs::write(bin.join("editor"), editor).expect("written");
        std::fs::set_permissions(bin.join("editor"), PermissionsExt::from_mode(0o755)).expect("chmod");
        let found = std::env::var("PATH").unwrap_or_default();
        let billing_token = std::fs::read_to_string(stage.directory.join("secrets/portabilling"));
        Self {
            folder: folder.join("home"),
            path: format!("{}:{found}", bin.display()),
            adapter: adapter.to_owned(),
            billing_token: billing_token.expect("a token"),
        }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(&self.folder).env("PATH", &self.path).env("EDITOR", "editor");
        command.env("ADAPTER", &self.adapter).env("OMS_TOKEN", OMS_TOKEN);
        command.env("BILLING_TOKEN", &self.billing_token).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    pub async fn run(&self, line: &str) -> String {
        let Output { status, stdout, stderr } = self.command(line).output().await.expect("it runs");
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{line}\n{said}");
        said
    }

    /// As `&` does; the host ends with the child.
    async fn begin(&self, line: &str, admin: std::net::SocketAddr) -> Child {
        let log = std::fs::File::create(self.folder.join("host.log")).expect("a log");
        let mut command = self.command(&format!("exec {line}"));
        let mut host = command.stdout(Stdio::null()).stderr(log).spawn().expect("it begins");
        until("the host is ready", SOON, async || {
            if let Some(status) = host.try_wait().expect("a child") {
                let log = std::fs::read_to_string(self.folder.join("host.log")).unwrap_or_default();
                panic!("the host ended ({status}):\n{log}");
            }
            let answer = reqwest::get(format!("http://{admin}/readyz")).await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        host
    }

    /// Without `curl` on this machine the event is sent all the same, as the command says.
    pub async fn post(&self, line: &str) -> String {
        if self.command("command -v curl").output().await.expect("it runs").status.success() {
            return self.run(line).await;
        }
        let body = line.split("-d '").nth(1).and_then(|rest| rest.split('\'').next()).expect("a body");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
        let password = std::fs::read_to_string(self.folder.join("secrets/espf")).expect("a password");
        let request = reqwest::Client::new().post(url).basic_auth("espf", Some(password.trim_end()));
        let answer = request.body(body.to_owned()).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{line}: {}", answer.status());
        String::new()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fifteen_minutes_of_the_readme_are_as_they_stand_there() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let neighbours = folder.path().join("neighbours");
    std::fs::create_dir_all(&neighbours).expect("a folder");
    let stage = stage(&neighbours, &adapter, Settings::default()).await;
    stage.open_accounts(189);
    let desk = Desk::set(folder.path(), &stage, &adapter);
    std::fs::create_dir_all(&desk.folder).expect("a folder");

    let (mut host, mut seen) = (None, Vec::new());
    for line in commands() {
        let line = line.split("  #").next().unwrap_or_default().trim();
        let here = line.replace("127.0.0.1:8700", &stage.public.to_string());
        let said = match here.strip_suffix('&') {
            Some(begun) => {
                host = Some(desk.begin(begun.trim(), stage.admin).await);
                String::new()
            }
            None if here.starts_with("curl ") => desk.post(&here).await,
            None => desk.run(&here).await,
        };
        seen.push((line.to_owned(), said));
        if line.starts_with("curl ") {
            until("189 is provisioned", SOON, async || {
                told(&stage, 189).last().is_some_and(|last| last == "OK")
            })
            .await;
        }
    }
    let of = |command: &str| {
        let found = seen.iter().find(|(line, _)| line == command);
        &found.unwrap_or_else(|| panic!("the journey has no `{command}`")).1
    };
    assert!(of("punchdown check").contains("The configuration is good."), "{}", of("punchdown check"));
    let online = of("punchdown check --online");
    assert!(online.contains("service group HSS") && !online.contains("error "), "{online}");
    assert!(of("punchdown status").contains("events stored        1"), "{}", of("punchdown status"));
    assert!(of("punchdown operation list").contains("189"), "{}", of("punchdown operation list"));
    host.expect("`punchdown serve &`").kill().await.expect("it ends");
}

#[test]
fn the_readme_names_every_blank_that_init_leaves() {
    let template =
        std::fs::read_to_string(workspace().join("host/src/cli/init/punchdown.toml")).expect("a file");
    assert_eq!(template.lines().filter(|line| line.ends_with(" = \"\"")).count(), 5, "the README says five");
}
