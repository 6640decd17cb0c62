use serde::{Deserialize, Serialize};

use super::{AccountId, Json};

/// What PortaBilling wants of the service, the account and its customer taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    Running,
    Suspended,
    Gone,
}

/// What PortaBilling knew of an account when an operation began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Subscriber {
    pub account_id: AccountId,
    pub msisdn: Option<String>,
    pub imsi: Option<String>,
    pub iccid: Option<String>,
    /// Every document that was read, by query name.
    pub documents: Json,
}
