//! What PortaBilling says of an account, in the HSS's words.

use punchdown_adapter::{Subscriber, Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::{Config, Keys, Profile};

/// A line as it has to stand.
pub struct Line<'a> {
    pub imsi: String,
    pub msisdn: Option<String>,
    iccid: Option<String>,
    /// Only where the group maps them, and PortaBilling has them.
    pub sim: Option<Sim>,
    pub profile: &'a Profile,
}

/// The keys of a SIM card.
pub struct Sim {
    ki: String,
    opc: String,
    amf: String,
}

/// An account that cannot be a line: a word for it, and why.
pub type Lacking = (&'static str, String);

impl<'a> Line<'a> {
    pub fn of(config: &'a Config, subscriber: &Subscriber) -> Result<Self, Lacking> {
        let known = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let imsi = known(&subscriber.imsi);
        let imsi =
            imsi.ok_or_else(|| ("imsi-unknown", "the account has no IMSI: give it a SIM card".to_owned()))?;
        let profile = config.profile_of(subscriber).map_err(|name| {
            ("profile-unknown", format!("the group's configuration has no profile `{name}`"))
        })?;
        let msisdn = known(&subscriber.msisdn).map(|msisdn| msisdn.trim_start_matches('+').to_owned());
        if msisdn.is_none() && config.ims.is_some() {
            return Err((
                "msisdn-unknown",
                "an IMS subscriber needs a number, and the account has none".to_owned(),
            ));
        }
        let sim = config.keys.as_ref().and_then(|keys| Sim::of(keys, subscriber));
        Ok(Self { imsi, msisdn, iccid: known(&subscriber.iccid), sim, profile })
    }

    /// What its AuC shows to whoever looks.
    pub fn card(&self) -> Vec<(&'static str, Value)> {
        let iccid = self.iccid.as_ref().map(|iccid| ("iccid", json!(iccid)));
        [("imsi", json!(self.imsi))].into_iter().chain(iccid).collect()
    }

    /// Its subscriber record.
    pub fn members(&self, auc_id: u64, default_apn: u64, apns: &[u64]) -> Vec<(&'static str, Value)> {
        let apns: Vec<String> = apns.iter().map(u64::to_string).collect();
        let mut members = vec![
            ("imsi", json!(self.imsi)),
            ("enabled", json!(true)),
            ("auc_id", json!(auc_id)),
            ("default_apn", json!(default_apn)),
            ("apn_list", json!(apns.join(","))),
        ];
        members.extend(self.msisdn.as_ref().map(|msisdn| ("msisdn", json!(msisdn))));
        members.extend(self.profile.members());
        members
    }
}

impl Sim {
    fn of(keys: &Keys, subscriber: &Subscriber) -> Option<Self> {
        let at =
            |pointer| Some(subscriber.document(pointer)?.as_str()?.to_owned()).filter(|key| !key.is_empty());
        Some(Self { ki: at(&keys.ki)?, opc: at(&keys.opc)?, amf: keys.amf.clone() })
    }

    pub fn members(&self) -> Vec<(&'static str, Value)> {
        vec![("ki", json!(self.ki)), ("opc", json!(self.opc)), ("amf", json!(self.amf))]
    }

    /// Tells these keys from others without being them.
    pub fn digest(&self) -> String {
        let mut digest = format!("{:x}", Sha256::digest(format!("{} {} {}", self.ki, self.opc, self.amf)));
        digest.truncate(16);
        digest
    }
}
