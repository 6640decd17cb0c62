use std::fmt;

use serde::{Deserialize, Serialize};

/// PortaBilling's internal number of an account: the `i_account` of every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IAccount(pub u64);

impl fmt::Display for IAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// PortaBilling's internal number of a customer, to whom accounts belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ICustomer(pub u64);

impl fmt::Display for ICustomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The account's own name, with its realm: `15550001111@msisdn`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub String);

impl AccountId {
    /// The MSISDN of a mobile account: what stands before `@msisdn`.
    /// A closed account is renamed (`…@msisdn-old000`) and has none.
    pub fn msisdn(&self) -> Option<&str> {
        self.0.strip_suffix("@msisdn").filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_msisdn_realm_names_an_msisdn() {
        for (id, msisdn) in [
            ("15550001111@msisdn", Some("15550001111")),
            ("15550001111@msisdn-old000", None),
            ("15550001111", None),
            ("@msisdn", None),
        ] {
            assert_eq!(AccountId(id.to_owned()).msisdn(), msisdn, "{id}");
        }
    }
}
