//! A subscriber as PortaBilling shows it.

use serde_json::{Map, Value, json};

use super::features;

/// The state of one account, from which all answers about it are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    pub i_account: u64,
    /// The account ID with its realm, such as `15550001111@msisdn`.
    pub id: String,
    pub i_customer: u64,
    pub i_product: u64,
    pub product_name: String,
    /// `O` open, `S` suspended, `I` inactive, `C` closed.
    pub bill_status: char,
    pub blocked: bool,
    pub customer_bill_status: char,
    pub customer_blocked: bool,
    pub imsi: Option<String>,
    pub iccid: Option<String>,
    /// The keys of the card.
    pub ki: String,
    pub opc: String,
    /// What the effective value of the feature `netaccess_policy` names.
    pub i_access_policy: u64,
    /// Account IDs of its aliases.
    pub aliases: Vec<String>,
    /// Laid over `account_info` last, so a test can add or bend any field.
    pub extra: Map<String, Value>,
}

impl Account {
    /// A mobile subscriber with a SIM card. The same number gives the same subscriber.
    pub fn mobile(i_account: u64) -> Self {
        let (i_product, product_name) = match i_account % 3 {
            0 => (31, "Mobile Small"),
            1 => (32, "Mobile Medium"),
            _ => (33, "Mobile Large"),
        };
        Self {
            i_account,
            id: format!("1555{:07}@msisdn", i_account % 10_000_000),
            i_customer: 1000 + i_account / 4,
            i_product,
            product_name: product_name.to_owned(),
            bill_status: 'O',
            blocked: false,
            customer_bill_status: 'O',
            customer_blocked: false,
            imsi: Some(format!("00101{:010}", i_account % 10_000_000_000)),
            iccid: Some(format!("8900101{:012}", i_account % 1_000_000_000_000)),
            ki: format!("{:032x}", 0x5eed_0000_0000 + u128::from(i_account)),
            opc: format!("{:032x}", 0xc0de_0000_0000 + u128::from(i_account)),
            i_access_policy: 30,
            aliases: Vec::new(),
            extra: Map::new(),
        }
    }

    /// The number of the line: the account ID without its realm.
    pub fn msisdn(&self) -> &str {
        self.id.split_once('@').map_or(&self.id, |(number, _)| number)
    }

    /// Why the account may not be used. PortaBilling leaves the field out when it may.
    fn status(&self) -> Option<&'static str> {
        match (self.bill_status, self.customer_bill_status) {
            ('C', _) => Some("closed"),
            _ if self.blocked => Some("blocked"),
            _ if self.customer_blocked => Some("customer_blocked"),
            ('S', _) => Some("suspended"),
            (_, 'S') => Some("customer_suspended"),
            ('I', _) => Some("inactive"),
            _ => None,
        }
    }

    /// The document `account_info`.
    pub(super) fn info(&self, with_features: bool) -> Value {
        let mut info = json!({
            "i_account": self.i_account,
            "id": self.id,
            "i_customer": self.i_customer,
            "i_product": self.i_product,
            "product_name": self.product_name,
            "product_visible_name": self.product_name,
            "billing_model": 1,
            "bill_status": self.bill_status,
            "blocked": yes_no(self.blocked),
            "customer_blocked": yes_no(self.customer_blocked),
            "customer_bill_status": self.customer_bill_status,
            "customer_bill_suspended": u8::from(self.customer_bill_status == 'S'),
            "is_active": u8::from(self.status().is_none()),
            "i_account_role": 8,
            "i_batch": 12,
            "i_master_account": null,
            "balance": 12.5,
            "credit_limit": 100,
            "iso_4217": "EUR",
            "activation_date": "2024-03-01",
            "expiration_date": null,
            "issue_date": "2024-03-01",
            "time_zone_name": "Europe/Vienna",
            "i_lang": "en",
            "h323_password": format!("service-password-{}", self.i_account),
            "has_custom_fields": 0,
            "included_services": [],
            "assigned_addons": self.addons(),
        });
        let fields = info.as_object_mut().expect("it was written as an object");
        if let Some(status) = self.status() {
            fields.insert("status".to_owned(), status.into());
        }
        if with_features {
            let features = features::all(self.i_access_policy);
            fields.insert("service_features".to_owned(), features);
        }
        fields.extend(self.extra.clone());
        info
    }

    /// One that is valid, one that was, and one that will be: PortaBilling shows all of them.
    fn addons(&self) -> Value {
        let addon = |kind: u64, name: &str, from: &str, to: Option<&str>| {
            json!({
                "i_product": self.i_product + 100 + kind,
                "name": format!("{} {name}", self.product_name),
                "end_user_name": name,
                "addon_priority": 10,
                "addon_effective_from": from,
                "addon_effective_to": to,
                "i_vd_plan": 7,
                "volume_discount_plan_name": "10 GB a month",
                "i_product_group": null,
            })
        };
        json!([
            addon(0, "data pack", "2024-03-01 00:00:00", None),
            addon(1, "welcome pack", "2024-03-01 00:00:00", Some("2024-04-01 00:00:00")),
            addon(2, "pack of a later year", "2999-01-01 00:00:00", None),
        ])
    }

    /// An alias is an account of its own, which names its master.
    pub(super) fn alias_rows(&self) -> Vec<Value> {
        let row = |(place, id): (u64, &String)| json!({ "i_account": self.i_account * 1000 + place, "id": id, "i_master_account": self.i_account });
        (1..).zip(&self.aliases).map(row).collect()
    }

    pub(super) fn custom_fields(&self) -> Value {
        json!([{ "name": "region", "db_value": "AT-9", "text_value": "Vienna" }])
    }

    /// The policy that the effective value of `netaccess_policy` names.
    pub(super) fn access_policy(&self) -> Value {
        json!({
            "i_access_policy": self.i_access_policy,
            "name": format!("Policy {}", self.i_access_policy),
            "attributes": [
                { "group_name": "lte.wtl", "name": "cs_profile", "value": "cs-default" },
                { "group_name": "lte.wtl", "name": "eps_profile", "value": "eps-default" },
            ],
        })
    }

    /// The SIM card of the account, for an account that has one.
    pub(super) fn card(&self) -> Value {
        json!({
            "i_sim_card": self.i_account + 500_000,
            "imsi": self.imsi,
            "iccid": self.iccid,
            "ki": self.ki,
            "opc": self.opc,
            "msisdn": self.msisdn(),
            "status": "used",
            "i_account": self.i_account,
        })
    }

    /// The customer that the account belongs to.
    pub(super) fn customer(&self) -> Value {
        json!({
            "i_customer": self.i_customer,
            "name": format!("Customer {}", self.i_customer),
            "bill_status": self.customer_bill_status,
            "blocked": yes_no(self.customer_blocked),
            "iso_4217": "EUR",
            "i_time_zone": 1,
        })
    }

    pub(super) fn closed(&self) -> bool {
        self.bill_status == 'C'
    }
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "Y" } else { "N" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_a_realistic_size_and_its_extras_win() {
        let mut account = Account::mobile(189);
        account.extra.insert("balance".to_owned(), json!(0));

        let info = account.info(true);

        assert!(info["service_features"].as_array().map_or(0, Vec::len) >= 40);
        assert!(info.to_string().len() > 5_000);
        assert_eq!(info["balance"], 0);
        assert_eq!(info["status"], Value::Null);
    }
}
