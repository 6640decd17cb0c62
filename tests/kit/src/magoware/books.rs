//! Customers, logins, products and what is sold.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::ToSpan as _;
use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::moment::billing_time;

#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    pub id: u64,
    pub customer: u64,
    pub username: String,
    pub email: String,
    pub password: String,
    pub locked: bool,
}

/// A package that a login may watch until its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    pub package: u64,
    pub end: String,
}

/// How a sale went.
pub(super) enum Sold {
    Until,
    Extended,
    NoProduct,
    NoUser,
}

#[derive(Default)]
pub(super) struct Books {
    customers: BTreeMap<u64, String>,
    logins: BTreeMap<u64, Login>,
    products: BTreeMap<String, Vec<u64>>,
    /// By login and package.
    sold: BTreeMap<(u64, u64), String>,
    last_id: u64,
}

/// So many days a product runs longer, each time that it is sold and nobody says until when.
const DAYS: i32 = 30;
const TIME: &str = "%Y-%m-%d %H:%M:%S";

impl Books {
    pub(super) fn put_product(&mut self, id: &str, packages: &[u64]) {
        self.products.insert(id.to_owned(), packages.to_vec());
    }

    pub(super) fn add_login(&mut self, username: &str, email: &str, password: &str) -> u64 {
        self.last_id += 2;
        let (customer, id) = (self.last_id - 1, self.last_id);
        self.customers.insert(customer, email.to_owned());
        let (username, email, password) = (username.to_owned(), email.to_owned(), password.to_owned());
        self.logins.insert(id, Login { id, customer, username, email, password, locked: false });
        id
    }

    pub(super) fn has_email(&self, email: &str) -> bool {
        self.customers.values().any(|known| known == email)
    }

    pub(super) fn logins(&self) -> impl Iterator<Item = &Login> {
        self.logins.values()
    }

    pub(super) fn customers(&self) -> usize {
        self.customers.len()
    }

    pub(super) fn products(&self) -> impl Iterator<Item = &String> {
        self.products.keys()
    }

    /// By its id or its name, whichever is met first.
    pub(super) fn login(&self, key: &str) -> Option<&Login> {
        self.logins().find(|login| login.id.to_string() == key || login.username == key)
    }

    pub(super) fn change(&mut self, id: u64, members: &Value) {
        let Some(login) = self.logins.get_mut(&id) else { return };
        if let Some(locked) = members["account_lock"].as_bool() {
            login.locked = locked;
        }
        if let Some(username) = members["username"].as_str() {
            username.clone_into(&mut login.username);
        }
    }

    pub(super) fn remove_login(&mut self, id: u64) {
        self.logins.remove(&id);
        self.sold.retain(|(login, _), _| *login != id);
    }

    /// With `cascades` his logins go, too; without, he stays while he has any. `false`: he stays, or was never here.
    pub(super) fn remove_customer(&mut self, id: u64, cascades: bool) -> bool {
        let his: Vec<u64> =
            self.logins().filter(|login| login.customer == id).map(|login| login.id).collect();
        if !his.is_empty() && !cascades {
            return false;
        }
        his.into_iter().for_each(|login| self.remove_login(login));
        self.customers.remove(&id).is_some()
    }

    pub(super) fn sell(&mut self, username: &str, product: &str, end: Option<&str>) -> Sold {
        let Some(packages) = self.products.get(product).cloned() else { return Sold::NoProduct };
        let Some(login) = self.logins().find(|login| login.username == username).map(|login| login.id) else {
            return Sold::NoUser;
        };
        for package in packages {
            let until = self.sold.entry((login, package)).or_insert_with(|| billing_time(SystemTime::now()));
            *until = end.map_or_else(|| later(until), str::to_owned);
        }
        if end.is_some() { Sold::Until } else { Sold::Extended }
    }

    pub(super) fn subscriptions(&self, username: &str) -> Vec<Subscription> {
        let login = self.logins().find(|login| login.username == username).map(|login| login.id);
        let of_login = self.sold.iter().filter(|((id, _), _)| Some(*id) == login);
        of_login.map(|((_, package), end)| Subscription { package: *package, end: end.clone() }).collect()
    }
}

fn later(end: &str) -> String {
    let end = DateTime::strptime(TIME, end).expect("an end as it was written here");
    (end + DAYS.days()).strftime(TIME).to_string()
}

impl Login {
    /// As look-ups show it, with what nobody should see.
    pub(super) fn document(&self) -> Value {
        json!({
            "id": self.id,
            "customer_id": self.customer,
            "username": self.username,
            "password": format!("hash of {}", self.password),
            "salt": "salt-of-magoware",
            "pin": "1234",
            "account_lock": self.locked,
            "customer_datum": { "id": self.customer, "email": self.email, "firstname": null },
        })
    }
}
