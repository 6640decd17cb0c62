//! The table `portabilling.queries`: where documents come from.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::reader::{Section, Value};
use super::values::written;
use crate::billing::{List, Params, Query, Window};
use crate::explain::Code;

/// The queries that are known without being written, changed and added to by what is.
pub fn queries(section: &mut Section<'_>) -> Option<BTreeMap<String, Query>> {
    let mut queries = Query::defaults();
    let (mut unwritten, mut all_good) = (queries.clone(), true);
    section.each(|name, value| {
        let known = unwritten.remove(name);
        match value.section(|section| query(name, section, known)) {
            Some(query) => drop(queries.insert(name.to_owned(), query)),
            None => all_good = false,
        }
    });
    // They are in effect all the same.
    for (name, known) in unwritten {
        section.unwritten(&name, |section| query(&name, section, Some(known)));
    }
    all_good.then_some(queries)
}

fn query(name: &str, section: &mut Section<'_>, known: Option<Query>) -> Option<Query> {
    let (method, answer) = match &known {
        Some(query) => (
            section.or("method", &written(&query.method), |value| value.text()),
            section.or("answer", &written(&query.answer), |value| value.text()),
        ),
        None => (
            section.required("method", "\"Service/method\"").and_then(|value| value.text()),
            section.required("answer", "\"member_of_the_answer\"").and_then(|value| value.text()),
        ),
    };
    let list = list(section, known.as_ref().map(|query| &query.list));
    let params = known.map(|query| query.params).unwrap_or_default();
    let params = section.or("params", &inline(&params), |value| match value.json() {
        Json::Object(params) => Some(params),
        _ => {
            value.complain(Code::WrongKind, "it must be a table of parameters", None);
            None
        }
    });
    let query = Query { method: method?, params: params?, answer: answer?, list: list? };
    if let Some(unknown) = query.unknown_placeholder() {
        let help = "known are {i_account}, and what stands in account_info: {account_info.i_customer}";
        section.complain(
            Code::WrongValue,
            format!("nothing stands for {{{unknown}}}"),
            Some(help.to_owned()),
        );
        return None;
    }
    if name == "account_info" && (query.needs_info() || query.list != List::First) {
        let message = "account_info is one document, and is read before any other";
        section.complain(Code::Contradiction, message, None);
        return None;
    }
    Some(query)
}

/// The three settings of a list. Pages and a window are of one that is read as a whole.
fn list(section: &mut Section<'_>, known: Option<&List>) -> Option<List> {
    let (all, page, window) = match known {
        Some(List::All { page, window }) => (true, page.unwrap_or_default(), window.as_ref()),
        Some(List::First) | None => (false, 0, None),
    };
    let all = section.or("list", if all { "\"all\"" } else { "\"first\"" }, |value| {
        value.parsed("`first` or `all`", |text| match text {
            "first" => Some(false),
            "all" => Some(true),
            _ => None,
        })
    });
    let page = section.or("page", &page.to_string(), |value| value.number(0..=1000));
    let default = window.map(|window| format!("[{}, {}]", written(&window.from), written(&window.to)));
    let window = section.or("window", &default.unwrap_or_else(|| "[]".to_owned()), self::window);
    let (page, window) = (Some(page?).filter(|page| *page > 0), window?);
    if all? {
        return Some(List::All { page, window });
    }
    if page.is_some() || window.is_some() {
        let help = Some("say list = \"all\"".to_owned());
        section.complain(
            Code::Contradiction,
            "`page` and `window` are of a list that is read as a whole",
            help,
        );
        return None;
    }
    Some(List::First)
}

fn window(value: &Value<'_>) -> Option<Option<Window>> {
    match value.list(|value| value.text())?.as_slice() {
        [] => Some(None),
        [from, to] => Some(Some(Window { from: from.clone(), to: to.clone() })),
        _ => {
            value.complain(Code::WrongValue, "it must be two names of members: valid from, valid to", None);
            None
        }
    }
}

/// As it would be written in the file. Names and values of known parameters are plain.
fn inline(params: &Params) -> String {
    let members: Vec<String> = params.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{{ {} }}", members.join(", "))
}
