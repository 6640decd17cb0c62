//! Every fault and every odd answer of PortaBilling's, one account each, through the real program.

use punchdown_kit::oms::Settings;
use punchdown_kit::portabilling::{Fault, When};
use serde_json::json;
use std::time::Duration;

use crate::harness::{folder, oms_adapter, stage, told, until, with_settings};

const SOON: Duration = Duration::from_secs(90);
const INFO: &str = "Account/get_account_info";

/// What becomes of an account.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// It is provisioned, after so many calls.
    Ok(u64),
    /// It is parked for this reason, after so many calls.
    Parked(&'static str, u64),
    /// It waits for a person to mend the user, after one call.
    Held,
    /// It is closed, after one call, and nothing is to be removed.
    Gone,
}

struct Row {
    fault: Fault,
    when: When,
    event: &'static str,
    end: End,
}

/// A fault that strikes once.
fn once(fault: Fault) -> Row {
    Row { fault, when: When::Next(1), event: "Account/New", end: End::Ok(2) }
}

/// One that strikes without end.
fn always(fault: Fault, end: End) -> Row {
    Row { fault, when: When::Share(1.0), event: "Account/New", end }
}

fn code(code: &str) -> Fault {
    Fault::FaultCode(code.to_owned())
}

fn answer(status: u16, body: &str) -> Fault {
    Fault::Answer(status, body.to_owned())
}

/// Faults that a new session mends.
fn dead_sessions() -> Vec<Row> {
    [
        "Server.Session.check_auth.auth_failed",
        "Client.Session.check_auth.failed_to_process_access_token",
        "Client.Session.check_auth.failed_to_process_jwt",
        "Client.check_auth.envelope_missed",
        "Server.Session.refresh_access_token.refresh_failed",
    ]
    .map(|faultcode| once(code(faultcode)))
    .into()
}

/// What passes, whoever said it.
fn passing() -> Vec<Row> {
    let faults = [
        code("Server.General.internal"),
        code("Server.Account.unified_messaging_disabled"),
        answer(200, r#"{"faultcode":"Server.General.internal","faultstring":"as a success"}"#),
        Fault::HtmlPage,
        answer(500, ""),
        answer(500, r#"{"error":"no fault document"}"#),
        answer(502, "<html>Bad Gateway</html>"),
        Fault::Busy,
        answer(504, "<html>Gateway Timeout</html>"),
        answer(502, r#"{"faultcode":"Client.Account.bad_parameter","faultstring":"of a gateway"}"#),
        answer(401, ""),
        answer(302, ""),
        Fault::EmptyAnswer,
        answer(200, "<html>Sign in</html>"),
        answer(200, r#"{"account_info":"#),
        answer(200, r#"{"account_info":{"i_account":4711,"id":"another","bill_status":"O","blocked":"N"}}"#),
        answer(200, r#"{"account_info":{"bill_status":"O","blocked":"N"}}"#),
        answer(200, r#"{"account_info":{"id":"a","blocked":"N"}}"#),
        answer(200, r#"{"account_info":{"id":"a","bill_status":"O","blocked":[null]}}"#),
        Fault::CutAnswer,
        Fault::HangUp,
        // Longer than anybody waits.
        Fault::Delay(Duration::from_secs(3600)),
    ];
    faults.map(once).into()
}

/// An account that is not there: read again before that is believed, and then not without a closing.
fn absent() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        answer(200, "{}"),
        answer(200, "[]"),
        answer(200, r#"{"account_info":null}"#),
        answer(200, r#"{"account_info":[]}"#),
        answer(200, r#"{"account_info":{}}"#),
        code("Server.Account.account_not_found"),
    ]
    .map(once)
    .into();
    rows.push(always(answer(200, "{}"), End::Parked("account-absent", 4)));
    rows.push(always(code("Server.Account.account_not_found"), End::Parked("account-absent", 4)));
    rows.push(Row { event: "Account/Status/Closed", ..always(answer(200, "{}"), End::Gone) });
    rows
}

/// What a person must mend.
fn refused() -> Vec<Row> {
    vec![
        always(code("Client.Account.bad_parameter"), End::Parked("billing-refused", 1)),
        always(code("Server.Session.access_denied"), End::Held),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_and_every_odd_answer_leads_to_its_next_step() {
    let Some(adapter) = oms_adapter() else { return };
    let folder = folder();
    let mut stage = stage(folder.path(), &adapter, Settings::default()).await;
    // One row waits it out; no other is to come to it, however slow the machine is.
    with_settings(&stage, "portabilling", "timeout = \"15s\"");
    let sessions = dead_sessions();
    let dead = sessions.len();
    let rows: Vec<Row> = [sessions, passing(), absent(), refused()].into_iter().flatten().collect();
    let accounts = || (1..).zip(&rows);
    stage.open_accounts(rows.len() as u64);
    let faults = stage.billing.faults();
    for (i_account, row) in accounts() {
        faults.strike_account(i_account, INFO, row.fault.clone(), row.when);
    }
    stage.start_host().await.expect("the host starts");
    let espf = stage.espf(0.0);
    let emit = |(i_account, row): (u64, &Row)| {
        espf.emit(row.event, json!({ "i_account": i_account }));
    };
    // All of the first meet the same session's end.
    stage.billing.faults().hold(&[INFO]);
    accounts().take(dead).for_each(emit);
    until("all ask with the session that is dead", SOON, async || {
        stage.billing.ledger().calls_of.len() == dead
    })
    .await;
    stage.billing.faults().hold(&[]);
    accounts().skip(dead).for_each(emit);

    let log = || std::fs::read_to_string(stage.log()).expect("a log");
    for (i_account, row) in accounts() {
        let what = format!("{:?} ends as {:?}", row.fault, row.end);
        let said = |words: &[&str]| {
            let named = format!("\"i_account\":\"{i_account}\"");
            log().lines().any(|line| line.contains(&named) && words.iter().all(|word| line.contains(word)))
        };
        until(&what, SOON, async || match row.end {
            End::Ok(_) => told(&stage, i_account).last().is_some_and(|word| word == "OK"),
            End::Parked(reason, _) => said(&["\"parked\"", reason]) && !told(&stage, i_account).is_empty(),
            End::Held => stage.billing.ledger().calls_of.contains_key(&(INFO.to_owned(), i_account)),
            End::Gone => said(&["\"finished\""]) || said(&["\"ignored\""]),
        })
        .await;
    }
    let ledger = stage.billing.ledger();
    for (i_account, row) in accounts() {
        let expected = match row.end {
            End::Ok(calls) | End::Parked(_, calls) => calls,
            End::Held | End::Gone => 1,
        };
        assert_eq!(ledger.calls_of[&(INFO.to_owned(), i_account)], expected, "{:?}", row.fault);
        let told = told(&stage, i_account);
        match row.end {
            End::Parked(..) => assert_eq!(told, ["FAILED"], "{:?}", row.fault),
            End::Held => assert!(told.is_empty(), "{:?}: it fails no operation: {told:?}", row.fault),
            End::Ok(_) | End::Gone => assert!(!told.contains(&"FAILED".to_owned()), "{:?}", row.fault),
        }
    }
    assert_eq!(ledger.logins, 2, "five faults of one session cost one log-in");
    assert!(stage.oms.ledger().requests.keys().all(|request| !request.starts_with("DELETE")));
}
