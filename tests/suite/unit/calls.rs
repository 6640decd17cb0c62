//! What the unit forbids the host never does: the calls that it makes in a run are compared with the lists that
//! systemd makes of the names in the unit.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use punchdown_kit::oms::Settings;

use super::{SOON, Unit};
use crate::harness::{PROGRAM, folder, new_accounts, oms_adapter, stage, told, until};

/// What every list of allowed calls lets through besides.
const ALWAYS: [&str; 7] =
    ["execve", "exit", "exit_group", "getrlimit", "rt_sigreturn", "sigreturn", "restart_syscall"];

/// Nothing of ours installs them, in CI neither.
fn is_there(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("skipped: {program}");
    }
    found
}

/// The calls of a list of systemd's, with those of the lists in it.
fn calls_of(list: &str) -> BTreeSet<String> {
    let said =
        Command::new("systemd-analyze").args(["--no-pager", "syscall-filter"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let (mut lists, mut current) = (BTreeMap::<&str, Vec<&str>>::new(), "");
    for line in said.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')) {
        if line.starts_with('@') {
            current = line;
        } else {
            lists.entry(current).or_default().push(line.trim());
        }
    }
    assert!(lists.contains_key(list), "no {list} in\n{said}");
    let (mut calls, mut open) = (BTreeSet::new(), vec![list]);
    while let Some(list) = open.pop() {
        for name in lists.get(list).into_iter().flatten() {
            match name.starts_with('@') {
                true => open.push(name),
                false => drop(calls.insert((*name).to_owned())),
            }
        }
    }
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_does_nothing_that_its_unit_forbids() {
    if !is_there("systemd-analyze", &["syscall-filter", "@default"])
        || !is_there("strace", &["-o", "/dev/null", "true"])
    {
        return;
    }
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let stage = stage(folder.path(), &adapter, Settings::default()).await;
    stage.open_accounts(5);
    // Not where the host watches: each call that reads of a change would be one.
    let beside = crate::harness::folder();
    let trace = beside.path().join("calls");
    let mut traced = tokio::process::Command::new("strace");
    traced
        .args(["-f", "-qq", "-s", "0", "-o"])
        .arg(&trace)
        .args([PROGRAM, "serve", "--config"])
        .arg(&stage.config);
    let mut traced =
        traced.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().expect("it begins");
    let espf = stage.espf(0.0);
    new_accounts(&espf, 5);
    until("all are provisioned", SOON, async || {
        (1..=5).all(|account| told(&stage, account).last().is_some_and(|last| last == "OK"))
    })
    .await;
    // The first line is the host's own; strace passes on what it is told.
    let calls = std::fs::read_to_string(&trace).expect("calls");
    let host = calls.split_whitespace().next().expect("a process").to_owned();
    assert!(Command::new("kill").args(["-TERM", &host]).status().expect("told").success());
    assert!(traced.wait().await.expect("it ends").success());

    let unit = Unit::read();
    let mut allowed: BTreeSet<String> = unit.all("SystemCallFilter").into_iter().flat_map(calls_of).collect();
    allowed.extend(calls_of("@default"));
    allowed.extend(ALWAYS.map(str::to_owned));
    let calls = std::fs::read_to_string(&trace).expect("calls");
    let name = |line: &str| {
        let call = line.split_once(' ')?.1.trim_start();
        let name = call.strip_prefix("<... ").unwrap_or(call).split(['(', ' ']).next()?;
        name.chars().next()?.is_ascii_lowercase().then(|| name.to_owned())
    };
    let made: BTreeSet<String> = calls.lines().filter_map(name).collect();
    assert!(
        made.len() > 30 && made.contains("accept4") && made.contains("fdatasync") | made.contains("fsync"),
        "{made:?}"
    );
    let forbidden: Vec<_> = made.difference(&allowed).collect();
    assert!(forbidden.is_empty(), "the unit forbids {forbidden:?}");
    let families: BTreeSet<&str> =
        calls.split("socket(").skip(1).filter_map(|rest| rest.split([',', ')']).next()).collect();
    let known: BTreeSet<&str> = unit.one("RestrictAddressFamilies").split(' ').collect();
    assert!(families.contains("AF_INET") && families.is_subset(&known), "{families:?}");
}
