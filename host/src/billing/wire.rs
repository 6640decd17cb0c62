//! JSON as PortaBilling writes it, and its quirks.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::query::{List, Query, Window};
use crate::domain::{AccountId, IAccount, ICustomer, Json, Listed, Subscriber, Timestamp, Wanted};
use crate::ports::Account;

pub const ACCOUNT: &str = "account_info";
pub const SIM_CARD: &str = "sim_card";

/// An answer in which there is nothing.
pub fn nothing() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// The document that a query finds in the answer.
///
/// # Errors
/// When the answer is not made as PortaBilling makes them.
pub fn document(
    answer: &RawValue,
    query: &Query,
    i_account: IAccount,
    now: Timestamp,
) -> Result<Option<Box<RawValue>>, String> {
    match &query.list {
        List::First if query.answer == ACCOUNT && says_something_else(answer) => {
            Err(format!("it holds other things, and no `{ACCOUNT}`"))
        }
        List::First => member(answer, &query.answer, i_account),
        List::All { window, .. } => {
            list(rows(answer, &query.answer)?, window.as_ref(), i_account, now).map(Some)
        }
    }
}

/// PortaBilling says that it has no such account by an answer in which there is nothing else. What
/// stands in front of it says other things.
fn says_something_else(answer: &RawValue) -> bool {
    let members: BTreeMap<String, IgnoredAny> = serde_json::from_str(answer.get()).unwrap_or_default();
    !members.is_empty() && !members.contains_key(ACCOUNT)
}

/// One member of an answer as PortaBilling wrote it; of a list, its first element that is not
/// another account's.
pub fn member(answer: &RawValue, path: &str, i_account: IAccount) -> Result<Option<Box<RawValue>>, String> {
    let Some(found) = at(answer, path)? else { return Ok(None) };
    if found.get().starts_with('[') {
        return Ok(elements(&found)?.into_iter().find(|document| !is_anothers(&owner(document), i_account)));
    }
    if is_anothers(&owner(&found), i_account) {
        return Err(format!("`{path}` is another account's"));
    }
    Ok(Some(found))
}

/// The elements of a list in an answer; none where it is missing.
pub fn rows(answer: &RawValue, path: &str) -> Result<Vec<Box<RawValue>>, String> {
    match at(answer, path)? {
        Some(found) if found.get().starts_with('[') => elements(&found),
        Some(found) if found.get().starts_with('{') => Ok(vec![found]),
        Some(_) => Err(format!("`{path}` is no list")),
        None => Ok(Vec::new()),
    }
}

/// The list of those rows that are valid now and not another account's.
pub fn list(
    rows: Vec<Box<RawValue>>,
    window: Option<&Window>,
    i_account: IAccount,
    now: Timestamp,
) -> Result<Box<RawValue>, String> {
    let ours = rows.into_iter().filter(|row| {
        let row = tree(row);
        // An alias is an account of its own, and names ours as its master.
        let is_alias = text(&row, "i_master_account").is_some_and(|master| master == i_account.to_string());
        (is_alias || !is_anothers(&row, i_account)) && window.is_none_or(|window| is_valid(&row, window, now))
    });
    serde_json::value::to_raw_value(&ours.collect::<Vec<_>>()).map_err(|error| error.to_string())
}

/// What stands at the end of the path, as it is written there; `null`, `{}` and `""` are
/// nothing. `[]` where an object should be is PortaBilling's way to say that there is none.
fn at(answer: &RawValue, path: &str) -> Result<Option<Box<RawValue>>, String> {
    let mut found = answer;
    for part in path.split('.') {
        if found.get().starts_with('[') || found.get() == "null" {
            return Ok(None);
        }
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_str(found.get()).map_err(|error| error.to_string())?;
        let Some(member) = members.get(part) else { return Ok(None) };
        found = member;
    }
    Ok(Some(found).filter(|found| !matches!(found.get(), "null" | "{}" | "\"\"")).map(ToOwned::to_owned))
}

/// PortaBilling writes an empty list as `[null]`, too.
fn elements(list: &RawValue) -> Result<Vec<Box<RawValue>>, String> {
    let elements: Vec<Box<RawValue>> = serde_json::from_str(list.get()).map_err(|error| error.to_string())?;
    Ok(elements.into_iter().filter(|element| element.get() != "null").collect())
}

fn tree(document: &RawValue) -> Value {
    serde_json::from_str(document.get()).unwrap_or_default()
}

/// What says of a document whose it is, and nothing else of it. A name that comes twice is read as
/// everywhere else: the last one counts.
fn owner(document: &RawValue) -> Value {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(document.get()).unwrap_or_default();
    members.get("i_account").map(|named| json!({ "i_account": tree(named) })).unwrap_or_default()
}

/// A method that does not know `i_account` as a parameter answers with whatever comes first.
fn is_anothers(document: &Value, i_account: IAccount) -> bool {
    text(document, "i_account").is_some_and(|named| named != i_account.to_string())
}

/// An end that is missing or cannot be read is none.
fn is_valid(element: &Value, window: &Window, now: Timestamp) -> bool {
    let at = |name: &str| text(element, name).as_deref().and_then(utc);
    at(&window.from).is_none_or(|from| from <= now) && at(&window.to).is_none_or(|to| now < to)
}

/// `YYYY-MM-DD HH:MM:SS`, which PortaBilling means in UTC.
pub fn utc(text: &str) -> Option<Timestamp> {
    let civil: jiff::civil::DateTime = text.trim().parse().ok()?;
    let at = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_millis(at.timestamp().as_millisecond()))
}

pub fn account(documents: &BTreeMap<String, Option<Box<RawValue>>>) -> Result<Account, String> {
    let of = |name: &str| documents.get(name).and_then(Option::as_deref).map(tree).unwrap_or_default();
    let (info, sim) = (of(ACCOUNT), of(SIM_CARD));
    let account_id = AccountId(text(&info, "id").ok_or("account_info has no `id`")?);
    let wanted = wanted(&info)?;
    let subscriber = Subscriber {
        msisdn: account_id.msisdn().map(str::to_owned),
        account_id,
        imsi: text(&sim, "imsi"),
        iccid: text(&sim, "iccid"),
        documents: Json::of(documents).map_err(|error| error.to_string())?,
    };
    Ok(Account::Found { subscriber, wanted })
}

/// The accounts of an answer of `Account/get_account_list`. One of another customer means that the
/// question was not understood, and everybody would be provisioned.
pub fn listed(answer: &RawValue, i_customer: ICustomer) -> Result<Vec<Listed>, String> {
    let read = |row: Box<RawValue>| {
        let account = tree(&row);
        let number = text(&account, "i_account").and_then(|number| number.parse().ok());
        let i_account = IAccount(number.ok_or("an account in the list has no `i_account`")?);
        if text(&account, "i_customer").is_some_and(|named| named != i_customer.to_string()) {
            return Err(format!("account {i_account} in the list is another customer's"));
        }
        Ok(Listed { i_account, closed: is_closed(&account) })
    };
    rows(answer, "account_list")?.into_iter().map(read).collect()
}

/// The customers of an answer of `Customer/get_customer_list`.
pub fn customers(answer: &RawValue) -> Result<Vec<ICustomer>, String> {
    let read = |row: Box<RawValue>| {
        let number = text(&tree(&row), "i_customer").and_then(|number| number.parse().ok());
        number.map(ICustomer).ok_or_else(|| "a customer in the list has no `i_customer`".to_owned())
    };
    rows(answer, "customer_list")?.into_iter().map(read).collect()
}

fn is_closed(account: &Value) -> bool {
    text(account, "bill_status").as_deref() == Some("C")
        || text(account, "status").as_deref() == Some("closed")
}

/// Words of `status` with which the service runs. It is absent when all is well; the delayed ones
/// announce what has not come yet.
const RUNNING: [&str; 4] = ["active", "ok", "customer_suspension_delayed", "customer_limiting_delayed"];

/// Gone is what is closed, the account or its customer. Of all else, what is open and unhindered
/// runs, the account and its customer both; and what cannot be understood does not.
fn wanted(info: &Value) -> Result<Wanted, String> {
    let missing = |name: &str| format!("account_info has no `{name}`");
    let bill_status = text(info, "bill_status").ok_or_else(|| missing("bill_status"))?;
    let customer = text(info, "customer_bill_status");
    let status = text(info, "status");
    if is_closed(info) || customer.as_deref() == Some("C") {
        return Ok(Wanted::Gone);
    }
    if is_nothing(info, "blocked") {
        return Err(missing("blocked"));
    }
    let hindered = ["blocked", "customer_blocked", "customer_bill_suspended"]
        .iter()
        .any(|name| !is_nothing(info, name) && truth(info, name) != Some(false));
    let inactive = !is_nothing(info, "is_active") && truth(info, "is_active") != Some(true);
    let runs = bill_status == "O"
        && customer.is_none_or(|letter| letter == "O")
        && status.is_none_or(|word| RUNNING.contains(&word.as_str()))
        && !hindered
        && !inactive;
    Ok(if runs { Wanted::Running } else { Wanted::Suspended })
}

/// Missing, or one of the ways to write that there is no value.
fn is_nothing(object: &Value, name: &str) -> bool {
    match value(object, name) {
        None => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(_) => false,
    }
}

/// A member; `null`, `[]` and `[null]` are none.
fn value<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    match object.get(name)? {
        Value::Null => None,
        Value::Array(items) => items.iter().find(|item| !item.is_null()),
        value => Some(value),
    }
}

fn text(object: &Value, name: &str) -> Option<String> {
    match value(object, name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// PortaBilling writes truth as `"Y"`, `1`, `"1"` or, in newer places, `true`.
fn truth(object: &Value, name: &str) -> Option<bool> {
    match value(object, name)? {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => number.as_i64().map(|number| number != 0),
        Value::String(text) => match text.trim() {
            "Y" | "y" | "1" => Some(true),
            "N" | "n" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
