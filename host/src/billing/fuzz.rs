//! What must hold of PortaBilling's answers, whatever is in them.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::api::Fault;
use super::{Window, session, wire};
use crate::domain::{IAccount, ICustomer, Timestamp};
use crate::ports::Account;

const OURS: IAccount = IAccount(189);

/// An answer: a document is taken from it as it stands there, and never another account's.
pub fn billing_answer(input: &[u8]) {
    if let Ok(fault) = serde_json::from_slice::<Fault>(input) {
        assert!(fault.meaning("SIMCard/get_card_list").to_string().contains(&fault.faultcode));
        assert!(!fault.says_there_is_none("SIMCard/get_card_list") || fault.faultcode.contains("SIMCard"));
    }
    let Ok(answer) = serde_json::from_slice::<Box<RawValue>>(input) else { return };
    if let Ok(rows) = wire::rows(&answer, "card_list") {
        let window = Window { from: "from".to_owned(), to: "to".to_owned() };
        let list = wire::list(rows, Some(&window), OURS, Timestamp::default()).expect("rows are JSON");
        assert!(list.get().starts_with('['));
    }
    let _ = wire::listed(&answer, ICustomer(9));
    let mut documents = BTreeMap::new();
    for (name, member) in [(wire::ACCOUNT, "account_info"), (wire::SIM_CARD, "card_list")] {
        let Ok(document) = wire::member(&answer, member, OURS) else { return };
        if let Some(document) = &document {
            assert!(answer.get().contains(document.get()));
            let tree: serde_json::Value = serde_json::from_str(document.get()).unwrap_or_default();
            assert!(
                tree.get("i_account").and_then(serde_json::Value::as_u64).is_none_or(|found| found == OURS.0)
            );
        }
        documents.insert(name.to_owned(), document);
    }
    if let Ok(Account::Found { subscriber, .. }) = wire::account(&documents) {
        assert!(!subscriber.account_id.0.is_empty());
        let kept: BTreeMap<String, Option<Box<RawValue>>> =
            serde_json::from_str(subscriber.documents.text()).expect("documents are JSON");
        let text = |documents: &BTreeMap<String, Option<Box<RawValue>>>| format!("{documents:?}");
        assert_eq!(text(&kept), text(&documents), "they keep their digits");
    }
}

pub use session::fuzz::session_token;
