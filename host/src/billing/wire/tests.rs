use serde_json::json;

use super::*;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("JSON")
}

/// An account that runs, changed.
fn changed(change: &Value) -> Value {
    let mut info = json!({
        "bill_status": "O", "blocked": "N", "is_active": 1,
        "customer_bill_status": "O", "customer_blocked": "N", "customer_bill_suspended": 0,
    });
    for (name, value) in change.as_object().expect("an object") {
        info[name] = value.clone();
    }
    info
}

#[test]
fn what_portabilling_wants() {
    use Wanted::{Gone, Running, Suspended};
    for (change, want) in [
        (json!({}), Running),
        // The account's own state.
        (json!({"bill_status": "S"}), Suspended),
        (json!({"bill_status": "I"}), Suspended),
        (json!({"bill_status": "C"}), Gone),
        (json!({"bill_status": "?"}), Suspended),
        (json!({"blocked": "Y"}), Suspended),
        (json!({"blocked": 1}), Suspended),
        (json!({"blocked": true}), Suspended),
        (json!({"blocked": "perhaps"}), Suspended),
        (json!({"blocked": "0"}), Running),
        (json!({"is_active": 0}), Suspended),
        (json!({"is_active": null}), Running),
        // Its customer's.
        (json!({"customer_bill_status": "S"}), Suspended),
        (json!({"customer_bill_status": "C"}), Gone),
        (json!({"customer_blocked": "Y"}), Suspended),
        (json!({"customer_bill_suspended": 1}), Suspended),
        (
            json!({"customer_bill_status": null, "customer_blocked": [null], "customer_bill_suspended": []}),
            Running,
        ),
        // Closed is closed, whatever else is the matter.
        (json!({"bill_status": "C", "blocked": "Y"}), Gone),
        (json!({"status": "closed", "blocked": null}), Gone),
        (json!({"status": null}), Running),
        (json!({"status": ""}), Running),
        (json!({"status": "of another release"}), Suspended),
    ] {
        assert_eq!(wanted(&changed(&change)), Ok(want), "{change}");
    }
}

#[test]
fn every_word_of_status_has_its_meaning() {
    for (words, want) in [
        ("active ok customer_suspension_delayed customer_limiting_delayed", Wanted::Running),
        (
            "blocked customer_blocked inactive expired not_yet_active quarantine screening suspended \
             customer_suspended customer_limited customer_provisionally_terminated customer_exported \
             overdraft credit_exceeded zero_balance customer_has_no_available_funds \
             customer_credit_exceed frozen",
            Wanted::Suspended,
        ),
        ("closed", Wanted::Gone),
    ] {
        for word in words.split_whitespace() {
            assert_eq!(wanted(&changed(&json!({ "status": word }))), Ok(want), "{word}");
        }
    }
}

#[test]
fn an_account_whose_state_is_not_told_is_no_answer() {
    for (name, value) in [("bill_status", json!(null)), ("blocked", json!(null)), ("blocked", json!([null]))]
    {
        let why = wanted(&changed(&json!({ name: value }))).expect_err(name);
        assert!(why.contains(name), "{why}");
    }
    let documents = BTreeMap::from([(ACCOUNT.to_owned(), Some(raw(r#"{"bill_status":"O","blocked":"N"}"#)))]);
    assert!(account(&documents).expect_err("no id").contains("`id`"));
}

#[test]
fn documents_keep_their_digits_and_lists_give_their_first() {
    let answer = raw(
        r#"{"account_info": {"id":"1@msisdn","balance":1.10},"card_list":[null,{"imsi":"000","i_account":8},{"imsi":"001"},{"imsi":"002"}],"other":{"i_account":"8"},"none":[],"null":[null],"empty":{}}"#,
    );
    let get = |name: &str| member(&answer, name, IAccount(7)).expect(name).map(|raw| raw.get().to_owned());
    assert_eq!(get("account_info").as_deref(), Some(r#"{"id":"1@msisdn","balance":1.10}"#));
    assert_eq!(get("account_info.balance").as_deref(), Some("1.10"));
    assert_eq!(get("card_list").as_deref(), Some(r#"{"imsi":"001"}"#));
    for absent in ["none", "null", "empty", "missing", "missing.deeper", "none.deeper"] {
        assert_eq!(get(absent), None, "{absent}");
    }
    assert!(member(&answer, "other", IAccount(7)).is_err(), "another account's");
    assert!(member(&raw("[]"), "account_info", IAccount(7)).expect("an empty answer").is_none());
}

#[test]
fn a_document_that_names_two_owners_is_the_last_ones() {
    let answer = |owners: &str| raw(&format!(r#"{{"card_list":[{{"imsi":"001",{owners}}}]}}"#));
    let found = |owners: &str| member(&answer(owners), "card_list", IAccount(189)).unwrap().is_some();
    assert!(!found(r#""i_account":189,"i_account":8"#));
    assert!(!found(r#""i_account":"00","i_account":8"#));
    assert!(found(r#""i_account":8,"i_account":189"#));
}

#[test]
fn that_there_is_no_account_is_said_by_nothing_else() {
    let of_account = &Query::defaults()[ACCOUNT];
    let found = |answer: &str| document(&raw(answer), of_account, IAccount(7), Timestamp::default());
    for absent in
        ["{}", "[]", "null", r#"{"account_info":null}"#, r#"{"account_info":[]}"#, r#"{"account_info":{}}"#]
    {
        assert!(found(absent).expect(absent).is_none(), "{absent}");
    }
    for other in [r#"{"error":"no route"}"#, r#"{"success":1}"#, r#"{"message":"try later","account":{}}"#] {
        assert!(found(other).is_err(), "{other}");
    }
}

#[test]
fn a_list_as_a_whole_leaves_out_what_is_not_ours_or_not_valid_now() {
    let now = utc("2026-11-24 12:00:00").expect("a time");
    let window = Window { from: "from".to_owned(), to: "to".to_owned() };
    let all = |rows: &str| {
        let answer = raw(&format!(r#"{{"list":{rows}}}"#));
        let query = Query {
            list: List::All { page: None, window: Some(window.clone()) },
            answer: "list".to_owned(),
            ..Query::defaults()[SIM_CARD].clone()
        };
        document(&answer, &query, IAccount(7), now).expect(rows).expect("a list").get().to_owned()
    };
    for (rows, kept) in [
        ("[]", "[]"),
        ("null", "[]"),
        ("[null]", "[]"),
        (r#"{"n":1.0}"#, r#"[{"n":1.0}]"#),
        // Whose it is.
        (r#"[{"i_account":8},{"i_account":"7"}]"#, r#"[{"i_account":"7"}]"#),
        (r#"[{"i_account":8,"i_master_account":7}]"#, r#"[{"i_account":8,"i_master_account":7}]"#),
        (r#"[{"i_account":8,"i_master_account":9}]"#, "[]"),
        // When it is valid: from its beginning, and not at its end any more.
        (r#"[{"from":"2026-11-24 12:00:00"}]"#, r#"[{"from":"2026-11-24 12:00:00"}]"#),
        (r#"[{"from":"2026-11-24 12:00:01"}]"#, "[]"),
        (r#"[{"from":"2026-11-01","to":null}]"#, r#"[{"from":"2026-11-01","to":null}]"#),
        (r#"[{"to":"2026-11-24 12:00:00"}]"#, "[]"),
        (r#"[{"to":"2026-11-24 12:00:01"}]"#, r#"[{"to":"2026-11-24 12:00:01"}]"#),
        (r#"[{"to":"0000-00-00 00:00:00"}]"#, r#"[{"to":"0000-00-00 00:00:00"}]"#),
    ] {
        assert_eq!(all(rows), kept, "{rows}");
    }
    assert!(super::rows(&raw(r#"{"list":5}"#), "list").is_err());
}

#[test]
fn a_list_tells_who_is_closed() {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    let list = raw(
        r#"{"account_list":[{"i_account":1},null,{"i_account":"2","bill_status":"C"},{"i_account":3,"status":"closed","i_customer":9}],"total":3}"#,
    );
    let of = |answer: &RawValue| listed(answer, ICustomer(9));
    let list = of(&list).expect("a list").into_iter().map(|one| (one.i_account.0, one.closed));
    assert_eq!(list.collect::<Vec<_>>(), [(1, false), (2, true), (3, true)]);
    for nobody in ["[]", "null", "{}", r#"{"account_list":[]}"#, r#"{"account_list":null}"#] {
        assert_eq!(of(&raw(nobody)), Ok(Vec::new()), "{nobody}");
    }
    for wrong in [
        r#"{"account_list":7}"#,
        r#"{"account_list":[{"id":"1@msisdn"}]}"#,
        r#"{"account_list":[{"i_account":1,"i_customer":8}]}"#,
        "7",
    ] {
        assert!(of(&raw(wrong)).is_err(), "{wrong}");
    }
}
