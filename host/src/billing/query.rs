//! Where a document comes from: a method of PortaBilling's API, what it is sent, and which part of
//! its answer is the document.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ACCOUNT, Params, SIM_CARD, path};
use crate::domain::IAccount;

/// Methods that no public document confirms are settings, and so are all the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// `Account/get_account_info`
    pub method: String,
    /// What it is sent. Text that is a placeholder stands for a value.
    pub params: Params,
    /// The way to the document in the answer, member by member: `account_info.assigned_addons`.
    pub answer: String,
    pub list: List,
}

/// What the document is where the answer holds a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// Its first element that is not another account's.
    First,
    /// All of it, except what is another account's.
    All {
        /// Rows that are asked for at a time, where the method knows pages.
        page: Option<u64>,
        /// Elements that are not valid at the time of the reading are left out.
        window: Option<Window>,
    },
}

/// The members that say from when on an element is valid, and until when. Without the second it is
/// without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: String,
    pub to: String,
}

/// A value that is known only when an account is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder<'a> {
    /// `{i_account}`
    IAccount,
    /// `{account_info.i_customer}`: what stands there in that document.
    Info(&'a str),
}

/// What placeholders are filled from.
pub struct Known<'a> {
    pub i_account: IAccount,
    /// Nothing, while it is itself to be read.
    pub info: Option<&'a Value>,
}

impl Query {
    /// The queries that are known without being written.
    pub fn defaults() -> BTreeMap<String, Self> {
        let info: &[(&str, Value)] = &[("detailed_info", 1.into()), ("get_service_features", 1.into())];
        let policy = "{account_info.service_features.netaccess_policy.attributes.access_policy.values}";
        let all = List::All { page: None, window: None };
        let window = Window { from: "addon_effective_from".to_owned(), to: "addon_effective_to".to_owned() };
        let query = |method: &str, params: &[(&str, Value)], answer: &str, list: List| Self {
            method: method.to_owned(),
            params: params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            answer: answer.to_owned(),
            list,
        };
        // What has the same method and parameters is one call.
        let of_info = |answer: &str, list: List| query("Account/get_account_info", info, answer, list);
        let known = [
            (ACCOUNT, of_info("account_info", List::First)),
            ("service_features", of_info("account_info.service_features", all.clone())),
            (
                "addons",
                of_info("account_info.assigned_addons", List::All { page: None, window: Some(window) }),
            ),
            ("custom_fields", query("Account/get_custom_fields_values", &[], "custom_fields_values", all)),
            (
                "aliases",
                query(
                    "Account/get_alias_list",
                    &[("i_master_account", "{i_account}".into())],
                    "alias_list",
                    List::All { page: Some(100), window: None },
                ),
            ),
            (
                "customer",
                query(
                    "Customer/get_customer_info",
                    &[("i_customer", "{account_info.i_customer}".into())],
                    "customer_info",
                    List::First,
                ),
            ),
            (SIM_CARD, query("SIMCard/get_card_list", &[], "card_list", List::First)),
            (
                "access_policy",
                query(
                    "AccessPolicy/get_access_policy_info",
                    &[("i_access_policy", policy.into())],
                    "access_policy_info",
                    List::First,
                ),
            ),
        ];
        known.into_iter().map(|(name, query)| (name.to_owned(), query)).collect()
    }

    /// The parameters of one call. None when a placeholder stands for nothing: then there is
    /// nothing to ask for. `i_account` is sent where no placeholder says otherwise.
    pub fn fill(&self, known: &Known<'_>) -> Option<Params> {
        let mut params = Params::new();
        let mut placeholders = 0;
        for (name, value) in &self.params {
            let filled = match placeholder(value) {
                Some(placeholder) => {
                    placeholders += 1;
                    placeholder.ok()?.fill(known)?
                }
                None => value.clone(),
            };
            params.insert(name.clone(), filled);
        }
        if placeholders == 0 {
            params.insert("i_account".to_owned(), known.i_account.0.into());
        }
        Some(params)
    }

    /// Whether `account_info` must be read first.
    pub fn needs_info(&self) -> bool {
        self.params.values().any(|value| matches!(placeholder(value), Some(Ok(Placeholder::Info(_)))))
    }

    /// The first placeholder that stands for nothing that is known.
    pub fn unknown_placeholder(&self) -> Option<&str> {
        self.params.values().find_map(|value| placeholder(value)?.err())
    }
}

/// Text in braces is a placeholder; an error is one that nobody knows.
fn placeholder(value: &Value) -> Option<Result<Placeholder<'_>, &str>> {
    let inside = value.as_str()?.strip_prefix('{')?.strip_suffix('}')?;
    Some(match inside.strip_prefix("account_info.") {
        Some(way) if !way.split('.').any(str::is_empty) => Ok(Placeholder::Info(way)),
        None if inside == "i_account" => Ok(Placeholder::IAccount),
        _ => Err(inside),
    })
}

impl Placeholder<'_> {
    fn fill(self, known: &Known<'_>) -> Option<Value> {
        match self {
            Self::IAccount => Some(known.i_account.0.into()),
            Self::Info(way) => path::find(known.info?, way).filter(|value| !value.is_object()).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_query_is_sent() {
        let info = json!({"i_customer": 7, "none": null, "a": {"b": "30"}});
        let known = Known { i_account: IAccount(189), info: Some(&info) };
        for (written, sent) in [
            (json!({}), Some(json!({"i_account": 189}))),
            (json!({"detailed_info": 1}), Some(json!({"detailed_info": 1, "i_account": 189}))),
            (json!({"i_master_account": "{i_account}"}), Some(json!({"i_master_account": 189}))),
            (json!({"i_customer": "{account_info.i_customer}"}), Some(json!({"i_customer": 7}))),
            (
                json!({"p": "{account_info.a.b}", "i_account": "{i_account}"}),
                Some(json!({"p": "30", "i_account": 189})),
            ),
            (json!({"id": "%{x}%"}), Some(json!({"id": "%{x}%", "i_account": 189}))),
            (json!({"i_customer": "{account_info.none}"}), None),
            (json!({"i_customer": "{account_info.a}"}), None),
        ] {
            let Value::Object(params) = written.clone() else { panic!("{written}") };
            let query = Query { params, ..Query::defaults()[SIM_CARD].clone() };
            assert_eq!(query.fill(&known).map(Value::Object), sent, "{written}");
            assert_eq!(query.unknown_placeholder(), None);
        }
        for unknown in ["{i_customer}", "{account_info.}", "{account_info.a..b}", "{customer.name}", "{}"] {
            let params = Params::from_iter([("x".to_owned(), unknown.into())]);
            let query = Query { params, ..Query::defaults()[SIM_CARD].clone() };
            assert_eq!(query.unknown_placeholder(), Some(&unknown[1..unknown.len() - 1]));
            assert_eq!(query.fill(&known), None, "{unknown}");
        }
    }
}
