//! What an account is entitled to, in Magoware's words.

use std::collections::BTreeMap;

use punchdown_adapter::{Operation, Subscriber, Value};

use crate::config::Config;

/// A login, and what is sold to it.
pub struct Plan {
    pub username: String,
    /// Magoware's products, and until when each one runs. There is always an end: a call without one would move it
    /// by the product's length, each time that it is repeated.
    pub products: BTreeMap<String, String>,
}

impl Plan {
    /// `None`: the account has nothing that could be its login's name.
    pub fn of(config: &Config, operation: &Operation, subscriber: &Subscriber) -> Option<Self> {
        let username = config.username(&operation.i_account, subscriber)?;
        let account_ends = date(subscriber.document("/account_info/expiration_date"));
        let until = account_ends.unwrap_or_else(|| config.until.clone()).min(config.until.clone());
        let mut products = BTreeMap::new();
        let mut sell = |ids: &[String], end: &str| {
            for id in ids {
                // What two of them give lasts as long as the longer one.
                let known = products.entry(id.clone()).or_insert_with(|| end.to_owned());
                *known = known.clone().max(end.to_owned());
            }
        };
        if let Some(ids) =
            name(subscriber.document("/account_info/product_name")).and_then(|name| config.products.get(name))
        {
            sell(ids, &until);
        }
        for addon in subscriber.document("/addons").and_then(Value::as_array).into_iter().flatten() {
            if let Some(ids) = name(addon.get("name")).and_then(|name| config.addons.get(name)) {
                let ends = date(addon.get("addon_effective_to")).unwrap_or_else(|| until.clone());
                sell(ids, &ends.min(until.clone()));
            }
        }
        Some(Self { username, products })
    }
}

fn name(value: Option<&Value>) -> Option<&str> {
    value?.as_str()
}

/// A time of PortaBilling as Magoware writes it; of a day, its last second.
fn date(value: Option<&Value>) -> Option<String> {
    match value?.as_str()? {
        day if day.len() == 10 => Some(format!("{day} 23:59:59")),
        time if time.len() == 19 => Some(time.replace('T', " ")),
        _ => None,
    }
}

/// An instant of the contract as Magoware's database writes it.
pub fn written(instant: &str) -> String {
    instant.replace('T', " ").chars().take(19).collect()
}
