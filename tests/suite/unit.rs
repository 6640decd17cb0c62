//! The unit for systemd. A stand-in does to the host what the unit says and what can be done without systemd: its own
//! line, its credentials, limits, the word when the doors are open. What it restricts is compared with what the host does.

mod calls;

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use punchdown_kit::oms::Settings;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use crate::harness::{PROGRAM, folder, oms_adapter, stage, told, until, workspace};
use crate::journey::Desk;
use crate::pages::blocks;

const SOON: Duration = Duration::from_secs(60);
const PAGE: &str = "docs/operating.md";

/// The settings of the unit, in their order.
struct Unit(Vec<(String, String)>);

impl Unit {
    fn read() -> Self {
        let text =
            std::fs::read_to_string(workspace().join("host/deploy/punchdown.service")).expect("the unit");
        let settings = text.lines().filter(|line| !line.starts_with(['#', '[']));
        let settings = settings.filter_map(|line| line.split_once('='));
        Self(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    fn one(&self, name: &str) -> &str {
        let [one] = self.all(name)[..] else {
            panic!("{name}= stands once in the unit: {:?}", self.all(name))
        };
        one
    }

    /// Whether systemd starts it again after such an end.
    fn restarts(&self, end: ExitStatus) -> bool {
        assert_eq!(self.one("Restart"), "on-failure");
        let prevents = self.one("RestartPreventExitStatus");
        !end.success() && end.code().is_none_or(|code| code.to_string() != prevents)
    }
}

#[test]
fn the_unit_restarts_what_a_person_need_not_mend() {
    let unit = Unit::read();
    for (name, value) in [
        ("Type", "notify"),
        ("User", "punchdown"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("LimitCORE", "0"),
    ] {
        assert_eq!(unit.one(name), value, "{name}");
    }
    assert!(unit.restarts(ExitStatus::from_raw(1 << 8)) && unit.restarts(ExitStatus::from_raw(9)));
    let mended = i32::from(punchdown::lifecycle::EXIT_CONFIGURATION);
    assert!(!unit.restarts(ExitStatus::from_raw(mended << 8)) && !unit.restarts(ExitStatus::from_raw(0)));
    assert!(unit.all("ExecStartPre").is_empty(), "its exit code prevents no restart");
    assert!(unit.all("MemoryDenyWriteExecute").is_empty(), "adapters are compiled in memory");
}

/// A systemd without systemd. What the unit and the page name by absolute paths stands below `root`.
struct Manager {
    unit: Unit,
    root: PathBuf,
    socket: UnixDatagram,
}

impl Manager {
    fn new(root: &Path) -> Self {
        let socket = UnixDatagram::bind(root.join("notify")).expect("a socket");
        Self { unit: Unit::read(), root: root.to_owned(), socket }
    }

    /// Text of the unit or of the page, with its places on this machine.
    fn here(&self, text: &str) -> String {
        let places = ["/etc/punchdown", "/var/lib/punchdown"];
        let text = text.replace("/usr/local/bin/punchdown", PROGRAM);
        places
            .iter()
            .fold(text, |text, place| text.replace(place, &format!("{}{place}", self.root.display())))
    }

    /// Hands the secrets over, as files that only the service reads. Nobody reads them where they were.
    fn load_credentials(&self) -> PathBuf {
        let directory = self.root.join("credentials");
        std::fs::create_dir_all(&directory).expect("a folder");
        chmod(&directory, 0o700);
        for credential in self.unit.all("LoadCredential") {
            let (name, source) = credential.split_once(':').expect("a name and a file");
            let handed = directory.join(name);
            let _ = std::fs::remove_file(&handed);
            std::fs::copy(self.here(source), &handed).expect(source);
            chmod(&handed, 0o400);
        }
        chmod(&directory, 0o500);
        directory
    }

    /// What a shell can do of it, and `setpriv` where it is there.
    fn command(&self) -> Command {
        let unit = &self.unit;
        let (umask, core, files) = (unit.one("UMask"), unit.one("LimitCORE"), unit.one("LimitNOFILE"));
        let privileges = match std::process::Command::new("setpriv")
            .args(["--bounding-set=-all", "true"])
            .status()
        {
            Ok(status) if status.success() => "setpriv --no-new-privs --bounding-set=-all --inh-caps=-all",
            // Not root, and without what the unit takes away.
            Ok(_) => "setpriv --no-new-privs",
            Err(_) => "",
        };
        let line = self.here(unit.one("ExecStart"));
        let limits = format!("umask {umask}; ulimit -c {core}; ulimit -n {files} 2> /dev/null");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{limits}; exec {privileges} {line}")]).env_clear().current_dir("/");
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
            .env("NOTIFY_SOCKET", self.root.join("notify"))
            .env("CREDENTIALS_DIRECTORY", self.load_credentials());
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command
    }

    /// `systemctl start`: it returns when the host has said that it is ready.
    async fn start(&self) -> Child {
        let state = self.root.join("var/lib").join(self.unit.one("StateDirectory"));
        std::fs::create_dir_all(&state).expect("a folder");
        let mode = u32::from_str_radix(self.unit.one("StateDirectoryMode"), 8).expect("a mode");
        chmod(&state, mode);
        let log = std::fs::File::options().create(true).append(true).open(self.log()).expect("a log");
        let mut host = self.command().stderr(log).spawn().expect("it starts");
        tokio::select! {
            word = self.heard() => assert_eq!(word, "READY=1"),
            end = host.wait() => panic!("{end:?}\n{}", std::fs::read_to_string(self.log()).unwrap_or_default()),
        }
        host
    }

    /// `systemctl stop`.
    async fn stop(&self, mut host: Child) -> ExitStatus {
        let id = host.id().expect("it runs").to_string();
        Command::new("kill").args(["-TERM", &id]).status().await.expect("told");
        assert_eq!(self.heard().await, "STOPPING=1");
        host.wait().await.expect("it ends")
    }

    async fn heard(&self) -> String {
        let mut told = [0; 256];
        let seconds = self.unit.one("TimeoutStartSec").trim_end_matches('s').parse().expect("seconds");
        let word = tokio::time::timeout(Duration::from_secs(seconds), self.socket.recv(&mut told)).await;
        let in_vain = |_| {
            panic!("in vain for {seconds} s:\n{}", std::fs::read_to_string(self.log()).unwrap_or_default())
        };
        let length = word.unwrap_or_else(in_vain).expect("a word");
        String::from_utf8_lossy(&told[..length]).into_owned()
    }

    fn log(&self) -> PathBuf {
        self.root.join("service.log")
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

/// Every file below a folder, with what could show that it was written to.
fn inventory(folder: &Path) -> Vec<(PathBuf, u64, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let (path, data) = entry.map(|it| (it.path(), it.metadata().expect("its data"))).expect("an entry");
        found.push((path.clone(), data.len(), data.modified().expect("a time")));
        if data.is_dir() {
            found.extend(inventory(&path));
        }
    }
    found.sort();
    found
}

/// The block that begins so, in the section of that name.
fn block(section: &str, begins: &str) -> String {
    let of_section =
        blocks(PAGE).into_iter().filter(|block| block.section == section && block.not_run.is_none());
    let mut found = of_section.filter(|block| block.text.starts_with(begins));
    found.next().unwrap_or_else(|| panic!("no `{begins}` in {section}")).text
}

#[tokio::test(flavor = "multi_thread")]
async fn set_up_as_the_page_says_it_starts_under_its_unit_and_has_its_first_hour() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let (root, neighbours) = (folder.path().join("root"), folder.path().join("neighbours"));
    for folder in [&root, &neighbours] {
        std::fs::create_dir(folder).expect("a folder");
    }
    let stage = stage(&neighbours, &adapter, Settings::default()).await;
    stage.open_accounts(189);
    let (manager, mut desk) = (Manager::new(&root), Desk::set(folder.path(), &stage, &adapter));
    std::fs::create_dir_all(&desk.folder).expect("a folder");
    std::fs::create_dir_all(root.join("etc")).expect("a folder");
    let said = desk.run(&format!("set -e\n{}", manager.here(&block("As a service", "punchdown init")))).await;
    assert!(said.contains("The configuration is good.") && said.contains("service group HSS"), "{said}");

    let (etc, secrets) = (root.join("etc/punchdown"), root.join("etc/punchdown/secrets"));
    for (path, mode) in [(&etc, 0o755), (&etc.join("punchdown.toml"), 0o644), (&secrets, 0o700)] {
        let found = std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
    let config = std::fs::read_to_string(etc.join("punchdown.toml")).expect("a configuration");
    assert!(!config.contains("{ file = "), "every secret is a credential: {config}");

    // Whoever serves has no use for the files of the secrets, nor for writing where the configuration is.
    let before = inventory(&etc);
    let host = manager.start().await;
    chmod(&secrets, 0o000);
    chmod(&etc, 0o555);
    let mode = |path: &str| std::fs::metadata(root.join(path)).expect(path).permissions().mode() & 0o777;
    assert_eq!(mode("var/lib/punchdown"), 0o700);
    for file in ["journal.db", "journal.key", "punchdown.lock"] {
        assert_eq!(mode(&format!("var/lib/punchdown/{file}")), 0o600, "{file}");
    }
    chmod(&secrets, 0o700);
    desk.folder = etc.clone();
    let hour = manager.here(&block("The first hour", "cd /etc/punchdown")).replace("\\\n", " ");
    let hour = hour.replace("127.0.0.1:8700", &stage.public.to_string());
    let (first, rest) = hour.split_once('\n').expect("a place, and what is done there");
    let mut seen = String::new();
    for line in rest.lines().map(|line| line.split("  #").next().unwrap_or_default().trim()) {
        if line.starts_with("curl ") {
            desk.post(line).await;
            until("it is provisioned", SOON, async || {
                told(&stage, 189).last().is_some_and(|word| word == "OK")
            })
            .await;
        } else {
            seen += &desk.run(&format!("{first}\n{line}")).await;
        }
    }
    for words in ["events stored        1", "done", "nothing is held back"] {
        assert!(seen.contains(words), "no `{words}` in\n{seen}");
    }
    let end = manager.stop(host).await;
    assert!(end.success() && !manager.unit.restarts(end), "{end}");
    chmod(&etc, 0o755);
    assert_eq!(inventory(&etc), before, "nothing was written there");

    // Another start finds what was there; one that a person must mend is not begun again.
    let host = manager.start().await;
    assert!(manager.stop(host).await.success());
    std::fs::write(etc.join("punchdown.toml"), config.replace("[events]", "[evens]")).expect("written");
    let end = manager.command().stderr(Stdio::null()).status().await.expect("it ends");
    assert!(!manager.unit.restarts(end), "{end}");
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    if std::process::Command::new("systemd-analyze").arg("--version").output().is_err() {
        // Nothing of ours installs it, in CI neither.
        eprintln!("skipped: systemd-analyze");
        return;
    }
    let folder = folder();
    let unit = std::fs::read_to_string(workspace().join("host/deploy/punchdown.service")).expect("the unit");
    let here = folder.path().join("punchdown.service");
    let verify = |text: &str| {
        std::fs::write(&here, text.replace("/usr/local/bin/punchdown", PROGRAM)).expect("written");
        let verify = std::process::Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(&here)
            .output();
        let verify = verify.expect("it runs");
        let said = String::from_utf8_lossy(&verify.stderr).into_owned();
        let of_ours = said.lines().filter(|line| line.contains("punchdown"));
        (verify.status.success(), of_ours.map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(verify(&unit), (true, Vec::new()));
    let (_, said) = verify(&unit.replace("ProtectSystem=strict", "ProtectSystm=strict"));
    assert!(said.iter().any(|line| line.contains("ProtectSystm")), "it would say so: {said:?}");
}
