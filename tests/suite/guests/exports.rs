//! Whatever a guest misuses, and wherever it does: it is stopped at a limit, and the message names that, its setting and
//! the figure.

use std::time::{Duration, Instant};

use punchdown::domain::{Body, Json, Notification, OperationId, Reason, Timestamp, Trouble};
use punchdown::ports::{AdapterError, Adapters as _, Register, Run};
use punchdown::wasm::{Catalog, Sandbox};

use super::{LIMITS, bent, component, contract, file, folder, loaded, module, question, serving};

const TOO_SLOW: &str = "the adapter did not answer within 1000 ms (`limits.time`)";
/// Nothing that stops at `limits.time` takes longer, whatever else this machine does.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
const FOR_EVER: &str = "(loop $for_ever (br $for_ever)) (unreachable))";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    CheckConfig,
    Provision,
    ReadNotification,
    LogIn,
    Register,
    Unregister,
}

/// Why a component does not answer that question.
async fn fault(bytes: Vec<u8>, asked: Asked) -> Trouble {
    let folder = folder();
    let path = file(folder.path(), "guest.wasm", bytes);
    let sandbox = Sandbox::new().expect("a sandbox");
    let adapter = sandbox.load_within(&path, LIMITS).await.unwrap_or_else(|error| panic!("{error}"));
    let (group, config) = ("HOSTILE", Json::empty_object());
    let (name, of) = serving(group, adapter.clone(), "{}");
    let catalog = Catalog::new([(name.clone(), of)]);
    let run = Run {
        group: name.clone(),
        id: OperationId("01KG8E5S00ERRAND0000000001".to_owned()),
        began: Timestamp::default(),
        history: Vec::new(),
    };
    let said = match asked {
        Asked::CheckConfig => adapter.check_config(&config).await.map(drop).map_err(AdapterError::Fault),
        Asked::Provision => catalog.provision(question(group)).await.map(drop),
        Asked::ReadNotification => catalog.read_notification(&name, &notification()).await.map(drop),
        Asked::LogIn => catalog.log_in(run).await.map(drop),
        Asked::Register => {
            let at = Register::At { address: "https://host.example".to_owned(), standing: None };
            catalog.register(run, at).await.map(drop)
        }
        Asked::Unregister => catalog.register(run, Register::NoMore { standing: config }).await.map(drop),
    };
    match said {
        Err(AdapterError::Fault(trouble)) => trouble,
        other => panic!("{asked:?}: {other:?}"),
    }
}

fn notification() -> Notification {
    Notification {
        received_at: Timestamp::default(),
        method: "POST".to_owned(),
        path: "/notify/HOSTILE".to_owned(),
        headers: Vec::new(),
        body: Body::Empty,
    }
}

/// The module of the decent guest, with one part of it changed.
fn with(name: &str, from: &str, to: &str) -> String {
    let text = module(name);
    assert!(text.contains(from), "{name} has no `{from}`");
    text.replacen(from, to, 1)
}

/// That one with both optional interfaces, whose functions never come to an end.
fn with_optional_loops() -> Vec<u8> {
    let contract = contract().replace(
        "export external-system;",
        "export external-system;\n    export session;\n    export registration;",
    );
    let functions =
        [("session", "log-in", 4), ("registration", "register-at", 9), ("registration", "unregister", 6)];
    let function = |(interface, name, params): (&str, &str, usize)| {
        let params = "i32 ".repeat(params);
        format!(
            "(func (export \"punchdown:adapter/{interface}@0.9.0#{name}\") (param {params}) (result i32) {FOR_EVER}"
        )
    };
    component(&(module("ignores") + &functions.map(function).concat()), &contract)
}

/// In each of its exports, in what the host calls before and after one, and at its start.
#[tokio::test]
async fn a_loop_is_stopped_wherever_it_is() {
    let provision_returns = "(func (export \"cabi_post_punchdown:adapter/external-system@0.9.0#provision\") (param i32) (loop $for_ever (br $for_ever)))";
    let decent = |text: String| component(&text, &contract());
    for (asked, bytes) in [
        (Asked::CheckConfig, decent(with("ignores", "(i32.const 1152))", FOR_EVER))),
        (Asked::Provision, decent(module("spins"))),
        (Asked::ReadNotification, decent(with("ignores", "(unreachable))", FOR_EVER))),
        (Asked::Provision, decent(module("ignores") + provision_returns)),
        (Asked::Provision, decent(with("ignores", "(local.get $at))", FOR_EVER))),
        (Asked::LogIn, with_optional_loops()),
        (Asked::Register, with_optional_loops()),
        (Asked::Unregister, with_optional_loops()),
    ] {
        let began = Instant::now();
        let Trouble { code, message } = fault(bytes, asked).await;
        assert_eq!(code, Reason::AdapterLimit.code(), "{asked:?}: {message}");
        assert!(message.contains(TOO_SLOW), "{asked:?}: {message}");
        assert!(began.elapsed() < STOPPED_WITHIN, "{asked:?} took {:?}", began.elapsed());
    }
    // Before it could say who it is: it is not even loaded.
    let start = "(func $start (loop $for_ever (br $for_ever))) (start $start)";
    let folder = folder();
    let path = file(folder.path(), "starts.wasm", component(&(module("ignores") + start), &contract()));
    let sandbox = Sandbox::new().expect("a sandbox");
    let Err(error) = sandbox.load_within(&path, LIMITS).await else { panic!("it is loaded") };
    assert!(error.to_string().contains(TOO_SLOW), "{error}");
}

/// Each at its own limit: by the page, by the table, by the call, by the answer, by the line.
#[tokio::test]
async fn whatever_else_has_no_end_meets_a_limit_with_a_figure() {
    const ENDLESS_LOG: &str =
        "(loop $again (call $log (i32.const 3) (i32.const 4096) (i32.const 26)) (br $again)) (unreachable))";
    let pages = with("hoards", "(memory.grow (i32.const 16))", "(memory.grow (i32.const 1))");
    let tables =
        with("hoards", "(memory.grow (i32.const 16))", "(table.grow $many (ref.null func) (i32.const 1000))")
            + "(table $many 1 funcref)";
    let traps = module("traps");
    let (before, _) = traps.rsplit_once("(unreachable))").expect("a trap");
    let log = format!("{before}{ENDLESS_LOG}");
    for (text, parts) in [
        (pages, &["16777216", "`limits.memory`", "16842752"][..]),
        (tables, &["elements in its tables, an instance has 100000 at most"][..]),
        (module("recurses"), &["its stack has 524288 bytes"][..]),
        (log, &[TOO_SLOW, "the profile table is empty"][..]),
    ] {
        let Trouble { code, message } = fault(component(&text, &contract()), Asked::Provision).await;
        assert_eq!(code, Reason::AdapterLimit.code(), "{message}");
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in `{message}`");
        }
    }
}

/// What it says of itself stands in logs, on pages and in metrics.
#[tokio::test]
async fn a_lie_about_its_name_or_version_is_not_taken() {
    let folder = folder();
    let sandbox = Sandbox::new().expect("a sandbox");
    for (from, to, is_taken) in [
        ("\"1.0.0\"", "\"9.9.9\"", true),
        ("\"1.0.0\"", "\"1\\0a0.0\"", false),
        ("\"1.0.0\"", "\"1\\1b[2J\"", false),
        ("\"\\08\\08\\00\\00\" \"\\05\\00\\00\\00\"", "\"\\08\\08\\00\\00\" \"\\00\\00\\00\\00\"", false),
        ("\"\\00\\08\\00\\00\" \"\\05\\00\\00\\00\"", "\"\\00\\04\\00\\00\" \"\\41\\00\\00\\00\"", false),
    ] {
        let path = bent(folder.path(), "ignores", "liar.wasm", |text| {
            assert!(text.contains(from), "no {from}");
            text.replacen(from, to, 1)
        });
        match sandbox.load(&path).await {
            Ok(adapter) => assert!(is_taken, "{to}: {}", adapter.description().version),
            Err(error) => {
                assert!(!is_taken, "{to}: {error}");
                let why = error.to_string();
                assert!(why.contains("of 1 to 64 characters in one line"), "{to}: {why}");
            }
        }
    }
    // What it lies about else is found by its bytes: a digest is nobody's word.
    let honest = loaded(&sandbox, &bent(folder.path(), "ignores", "honest.wasm", |text| text)).await;
    let liar = bent(folder.path(), "ignores", "liar.wasm", |text| text.replacen("\"1.0.0\"", "\"1.0.1\"", 1));
    assert_ne!(loaded(&sandbox, &liar).await.digest(), honest.digest());
}
