//! Components are compiled in a process of their own, and what came of it is kept: one that takes too much is refused
//! while everybody else is served, no start compiles what an earlier one did, and whatever is wrong with what is kept
//! costs a compile.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use punchdown::cli::stage::Stage;
use punchdown::wasm::{Compiled, Compiler, CompilerLimits, Sandbox};
use punchdown_kit::oms::Settings;
use serde_json::json;

use crate::guests::{bent, guest};
use crate::harness::{PROGRAM, folder, log, oms_adapter, stage_of, told, until};
use crate::operators::said;
use crate::reload::{edition, reloaded};

const SOON: Duration = Duration::from_secs(30);

/// A guest with a function that nobody calls: each of its loops may begin with another value of each of its locals. The
/// compiler makes a note of each of these.
fn bomb(folder: &Path, loops: usize, locals: usize) -> PathBuf {
    let mut text = format!("\n(func{}\n", " (local i32)".repeat(locals));
    text.push_str(&"(loop ".repeat(loops));
    for local in 0..locals {
        text.push_str(&format!("(local.set {local} (i32.add (local.get {local}) (i32.const 1)))\n"));
    }
    for outer in 0..loops {
        text.push_str(&format!("(br_if {outer} (local.get 0))\n"));
    }
    text.push_str(&")".repeat(loops + 1));
    bent(folder, "ignores", &format!("bomb-{loops}-{locals}.wasm"), |module| module + &text)
}

async fn running(folder: &Path) -> Option<(Stage, PathBuf)> {
    let adapter = folder.join("oms.wasm");
    fs::copy(oms_adapter()?, &adapter).expect("copied");
    let mut stage = stage_of(PROGRAM, folder, &adapter, Settings::default(), "", "").await;
    stage.open_accounts(999);
    stage.start_host().await.expect("the host starts");
    Some((stage, adapter))
}

/// The processes that this one has begun and that have not ended.
fn children(of: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split(' ').filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}

fn runs(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// What was compiled and is kept: each file with what tells it from one that was put there anew.
fn kept(stage: &Stage) -> Vec<(PathBuf, u64)> {
    let files = fs::read_dir(stage.directory.join("data/compiled")).into_iter().flatten().flatten();
    files.map(|file| (file.path(), file.metadata().expect("a file").ino())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_takes_too_much_is_refused_and_everybody_else_is_answered() {
    let folder = folder();
    let Some((stage, adapter)) = running(folder.path()).await else { return };
    let espf = stage.espf(0.0);
    let bomb = bomb(folder.path(), 1_000, 40_000);
    let bytes = fs::metadata(&bomb).expect("a file").len();
    assert!(bytes < 1 << 20, "it is small, and has {bytes} bytes");
    fs::rename(bomb, adapter).expect("in its place");

    let (mut served, mut under_way, began) = (0, false, Instant::now());
    let mut reload = std::pin::pin!(said(&stage, &["reload"]));
    let output = loop {
        espf.emit("Account/New", json!({ "i_account": served + 1 }));
        let is_ok = async || told(&stage, served + 1).last().is_some_and(|word| word == "OK");
        tokio::select! {
            output = &mut reload => break output,
            () = until("OK while it is compiled", SOON, is_ok) => served += 1,
        }
        // Who only asks does not wait for it.
        under_way |= reloaded(&stage).await["under_way"] == true;
    };
    let took = began.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["error[E0312]", "more than 2147483648 bytes of memory", "what served goes on"] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    assert!(served > 0 && under_way, "{served} were served meanwhile, and one is under way: {under_way}");
    // The file's move was seen, too.
    until("there is no other one", SOON, async || reloaded(&stage).await["under_way"] == false).await;
    // What it was refused for is remembered.
    let began = Instant::now();
    let again = said(&stage, &["reload"]).await;
    assert!(String::from_utf8_lossy(&again.stdout).contains("error[E0312]"), "{again:?}");
    let again = began.elapsed();
    assert!(again < took / 4, "it took {again:?} where it was compiled anew, and {took:?} at first");
    assert_eq!(reloaded(&stage).await["generation"], 1);
}

#[tokio::test]
async fn each_limit_is_met_and_named() {
    let folder = folder();
    let bomb = bomb(folder.path(), 1_000, 40_000);
    let usual = CompilerLimits::default();
    let (second, moment) = (Duration::from_secs(1), Duration::from_millis(1_500));
    for (limits, part) in [
        (CompilerLimits { memory: 1 << 29, ..usual }, "more than 536870912 bytes of memory"),
        (CompilerLimits { memory: 1 << 40, computing: second, ..usual }, "more than 1 s of computing"),
        (CompilerLimits { memory: 1 << 40, time: moment, ..usual }, "more than 1.5 s by the clock"),
    ] {
        let sandbox = Sandbox::new().expect("a sandbox");
        let sandbox = sandbox.compiling_by(Compiler::new(Path::new(PROGRAM), limits), None);
        let Err(error) = sandbox.load(&bomb).await else { panic!("it is loaded") };
        let message = error.to_string();
        assert!(message.contains(part), "`{part}` is not in `{message}`");
        assert_eq!(error.code().number(), "E0312");
    }
}

/// What the compiler makes is what this process would have made: the same refusals, and an adapter that answers.
#[tokio::test]
async fn a_process_of_its_own_makes_no_difference() {
    let folder = folder();
    let compiler = || Compiler::new(Path::new(PROGRAM), CompilerLimits::default());
    let kept = Compiled::beside(folder.path());
    let here = Sandbox::new().expect("a sandbox");
    let apart = Sandbox::new().expect("a sandbox").compiling_by(compiler(), Some(kept));
    let good = guest(folder.path(), "ignores");
    for _ in 0..2 {
        let adapter = apart.load(&good).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(adapter.description().name, "guest");
    }
    let tables = |module: String| module + &"(table 1 funcref)".repeat(17);
    let tables = bent(folder.path(), "ignores", "tables.wasm", tables);
    let why = async |sandbox: &Sandbox| match sandbox.load(&tables).await {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it is loaded"),
    };
    assert_eq!(why(&apart).await, why(&here).await);
    let nowhere = Compiler::new(&folder.path().join("nowhere"), CompilerLimits::default());
    let error = Sandbox::new().expect("a sandbox").compiling_by(nowhere, None).load(&good).await.err();
    assert_eq!(error.map(|error| error.code().number()), Some("E0602"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_start_compiles_what_an_earlier_one_did() {
    let folder = folder();
    let Some((mut stage, adapter)) = running(folder.path()).await else { return };
    let first = kept(&stage);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((first.len(), mode(&stage.directory.join("data/compiled"))), (1, 0o700));
    assert_eq!(mode(&first[0].0), 0o600);
    fs::write(&adapter, edition(&adapter, 2)).expect("written");
    assert!(said(&stage, &["reload"]).await.status.success());
    let both = kept(&stage);
    assert_eq!(both.len(), 2);
    stage.stop_host().await.expect("it stops");
    stage.start_host().await.expect("the host starts");
    assert!(said(&stage, &["adapter", "rollback", "--group", "HSS"]).await.status.success());
    let sorted = |mut files: Vec<(PathBuf, u64)>| {
        files.sort();
        files
    };
    assert_eq!(sorted(kept(&stage)), sorted(both), "each is the file that it was");
    assert!(!log(&stage).contains("compiled anew"), "{}", log(&stage));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_what_is_kept_costs_a_compile() {
    let folder = folder();
    let Some((mut stage, _)) = running(folder.path()).await else { return };
    let place = stage.directory.join("data/compiled");
    let file = kept(&stage)[0].0.clone();
    let whole = fs::read(&file).expect("code");
    let write = |bytes: &[u8]| {
        fs::write(&file, bytes).expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("a mode");
    };
    let espf = stage.espf(0.0);
    let (mut said, mut account) = (0, 0);
    let damage: [(&str, &dyn Fn()); 6] = [
        ("it is damaged", &|| write(&whole[..whole.len() / 2])),
        ("it is damaged", &|| {
            let mut other = whole.clone();
            other[whole.len() / 2] ^= 1;
            write(&other);
        }),
        ("others may use it", &|| {
            fs::set_permissions(&place, Permissions::from_mode(0o777)).expect("a mode");
        }),
        ("it is a link", &|| {
            fs::rename(&place, folder.path().join("aside")).expect("moved");
            symlink(folder.path().join("aside"), &place).expect("a link");
        }),
        ("of another kind", &|| {
            fs::remove_file(&place).expect("removed");
            fs::write(&place, "no folder").expect("a file");
        }),
        ("", &|| fs::remove_file(&place).expect("removed")),
    ];
    for (part, harm) in damage {
        stage.stop_host().await.expect("it stops");
        harm();
        stage.start_host().await.unwrap_or_else(|error| panic!("{part}: {error}"));
        account += 1;
        espf.emit("Account/New", json!({ "i_account": account }));
        until("OK", SOON, async || told(&stage, account).last().is_some_and(|word| word == "OK")).await;
        let log = log(&stage);
        let warned =
            log.lines().filter(|line| line.contains("compiled anew") || line.contains("compiles them anew"));
        let warned: Vec<&str> = warned.collect();
        said += usize::from(!part.is_empty());
        assert_eq!(warned.len(), said, "once each: {warned:#?}");
        assert!(warned.last().is_some_and(|line| line.contains(part)), "{part}: {warned:#?}");
    }
    assert_eq!(fs::read(&file).expect("it is kept again"), whole, "compiling it again makes the same");
}

/// It is told nothing, and is gone as soon as nobody waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn who_compiles_knows_nothing_and_ends_with_its_host() {
    let folder = folder();
    let Some((mut stage, adapter)) = running(folder.path()).await else { return };
    stage.kill_host().await.expect("it dies");
    stage.set_environment("PUNCHDOWN_TEST_SECRET", "s3cret");
    stage.start_host().await.expect("the host starts");
    let host = stage.host_pid().expect("a process");
    assert!(children(host).is_empty());
    fs::rename(bomb(folder.path(), 1_000, 40_000), adapter).expect("in its place");
    until("it is compiled", SOON, async || !children(host).is_empty()).await;
    let compiler = children(host)[0];
    let read = |name: &str| fs::read(format!("/proc/{compiler}/{name}")).unwrap_or_default();
    until("it is another program's image", SOON, async || {
        String::from_utf8_lossy(&read("cmdline")).contains("compile-component")
    })
    .await;
    let environment = String::from_utf8_lossy(&read("environ")).into_owned();
    let known = ["", "RAYON_NUM_THREADS=2\0"];
    assert!(known.contains(&environment.as_str()), "{environment}");
    stage.kill_host().await.expect("it dies");
    until("it is gone", Duration::from_secs(10), async || !runs(compiler)).await;
}

#[test]
fn who_compiles_ends_when_its_input_does() {
    let folder = folder();
    let component = fs::read(bomb(folder.path(), 1_000, 40_000)).expect("a component");
    let memory = (1_u64 << 40).to_string();
    let started = |length: usize| {
        let mut command = std::process::Command::new(PROGRAM);
        command.args(["compile-component", &length.to_string(), &memory, "60"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("it begins")
    };
    for length in [component.len(), component.len() + 1] {
        let mut child = started(length);
        let mut input = child.stdin.take().expect("an input");
        input.write_all(&component).expect("read");
        std::thread::sleep(Duration::from_millis(500));
        drop(input);
        let began = Instant::now();
        let status = child.wait().expect("it ends");
        assert!(status.signal().is_none() && !status.success(), "{status}");
        assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
    }
}
