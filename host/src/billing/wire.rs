//! JSON as PortaBilling writes it, and its quirks.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::{AccountId, IAccount, Json, Subscriber, Wanted};
use crate::ports::Account;

pub const ACCOUNT: &str = "account_info";
pub const SIM_CARD: &str = "sim_card";

/// An answer in which there is nothing.
pub fn nothing() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// One member of an answer as PortaBilling wrote it; of a list, its first element that is not
/// another account's. `[]` where an object should be is PortaBilling's way to say that there is none.
pub fn member(answer: &RawValue, name: &str, i_account: IAccount) -> Result<Option<Box<RawValue>>, String> {
    if answer.get().trim_start().starts_with('[') || answer.get() == "null" {
        return Ok(None);
    }
    let members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(answer.get()).map_err(|error| error.to_string())?;
    let Some(found) = members.get(name) else { return Ok(None) };
    if found.get().trim_start().starts_with('[') {
        let list: Vec<Box<RawValue>> =
            serde_json::from_str(found.get()).map_err(|error| error.to_string())?;
        return Ok(list.into_iter().find(|document| !is_anothers(document, i_account)));
    }
    if is_anothers(found, i_account) {
        return Err(format!("`{name}` is another account's"));
    }
    Ok(Some(found.clone()).filter(|document| !matches!(document.get().trim(), "null" | "{}" | "\"\"")))
}

/// A method that does not know `i_account` as a parameter answers with whatever comes first.
fn is_anothers(document: &RawValue, i_account: IAccount) -> bool {
    let tree: Value = serde_json::from_str(document.get()).unwrap_or_default();
    text(&tree, "i_account").is_some_and(|named| named != i_account.to_string())
}

pub fn account(documents: &BTreeMap<String, Option<Box<RawValue>>>) -> Result<Account, String> {
    let tree = |name: &str| {
        let document = documents.get(name).and_then(Option::as_ref);
        document.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok()).unwrap_or(Value::Null)
    };
    let (info, sim) = (tree(ACCOUNT), tree(SIM_CARD));
    let account_id = text(&info, "id").ok_or("account_info has no `id`")?;
    let account_id = AccountId(account_id);
    let subscriber = Subscriber {
        msisdn: account_id.msisdn().map(str::to_owned),
        account_id,
        imsi: text(&sim, "imsi"),
        iccid: text(&sim, "iccid"),
        documents: Json::of(documents).map_err(|error| error.to_string())?,
    };
    Ok(Account::Found { subscriber, wanted: wanted(&info) })
}

/// Open and unhindered, the account and its customer both; all else is suspended, and a closed
/// account is gone. `status` is absent when the account is fine.
fn wanted(info: &Value) -> Wanted {
    let status = text(info, "status").unwrap_or_default();
    let bill_status = text(info, "bill_status").unwrap_or_default();
    if matches!(bill_status.as_str(), "C" | "T") || status == "closed" {
        return Wanted::Gone;
    }
    let open = |name: &str| text(info, name).is_none_or(|letter| letter == "O");
    let no = |name: &str| !truth(info, name);
    let fine = matches!(status.as_str(), "" | "ok" | "active");
    let runs = open("bill_status")
        && open("customer_bill_status")
        && no("blocked")
        && no("customer_blocked")
        && no("customer_bill_suspended")
        && fine;
    if runs { Wanted::Running } else { Wanted::Suspended }
}

fn text(object: &Value, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// PortaBilling writes truth as `"Y"`, `1`, `"1"` or, in newer places, `true`.
fn truth(object: &Value, name: &str) -> bool {
    match object.get(name) {
        Some(Value::Bool(truth)) => *truth,
        Some(Value::Number(number)) => number.as_i64() != Some(0),
        Some(Value::String(text)) => matches!(text.as_str(), "Y" | "y" | "1"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_portabilling_wants() {
        let base = json!({"bill_status": "O", "blocked": "N", "customer_blocked": "N", "customer_bill_status": "O", "customer_bill_suspended": 0});
        for (change, want) in [
            (json!({}), Wanted::Running),
            (json!({"status": "active"}), Wanted::Running),
            (json!({"blocked": "Y"}), Wanted::Suspended),
            (json!({"customer_blocked": "Y"}), Wanted::Suspended),
            (json!({"bill_status": "S"}), Wanted::Suspended),
            (json!({"customer_bill_status": "S"}), Wanted::Suspended),
            (json!({"customer_bill_suspended": 1}), Wanted::Suspended),
            (json!({"status": "credit_exceeded"}), Wanted::Suspended),
            (json!({"status": "closed"}), Wanted::Gone),
            (json!({"bill_status": "C"}), Wanted::Gone),
        ] {
            let mut info = base.clone();
            for (name, value) in change.as_object().expect("an object") {
                info[name] = value.clone();
            }
            assert_eq!(wanted(&info), want, "{change}");
        }
    }

    #[test]
    fn documents_keep_their_digits_and_lists_give_their_first() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
        let answer = raw(
            r#"{"account_info":{"id":"1@msisdn","balance":1.10},"card_list":[{"imsi":"000","i_account":8},{"imsi":"001"},{"imsi":"002"}],"other":{"i_account":"8"},"none":[],"empty":{}}"#,
        );
        let get =
            |name: &str| member(&answer, name, IAccount(7)).expect(name).map(|raw| raw.get().to_owned());
        assert_eq!(get("account_info").as_deref(), Some(r#"{"id":"1@msisdn","balance":1.10}"#));
        assert_eq!(get("card_list").as_deref(), Some(r#"{"imsi":"001"}"#));
        for absent in ["none", "empty", "missing"] {
            assert_eq!(get(absent), None, "{absent}");
        }
        assert!(member(&answer, "other", IAccount(7)).is_err(), "another account's");
        assert!(member(&raw("[]"), "account_info", IAccount(7)).expect("an empty answer").is_none());
    }
}
