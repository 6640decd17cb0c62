//! The tables, and what a SQLite takes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub type Row = Map<String, Value>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Apn,
    Auc,
    Subscriber,
    ImsSubscriber,
    ChargingRule,
}

/// Why a record is not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    Absent,
    Mistyped,
    NotUnique(&'static str),
    Missing(&'static str),
    UnknownMember(String),
}

/// A column: its name, what it is when nothing is said, and what it must be.
struct Column(&'static str, Value, Must);

#[derive(Clone, Copy, PartialEq)]
enum Must {
    Anything,
    BeThere,
    BeUnique,
    BeTruth,
}

impl Table {
    pub const ALL: [Self; 5] =
        [Self::Apn, Self::Auc, Self::Subscriber, Self::ImsSubscriber, Self::ChargingRule];

    pub fn name(self) -> &'static str {
        match self {
            Self::Apn => "apn",
            Self::Auc => "auc",
            Self::Subscriber => "subscriber",
            Self::ImsSubscriber => "ims_subscriber",
            Self::ChargingRule => "charging_rule",
        }
    }

    pub fn id(self) -> &'static str {
        match self {
            Self::Apn => "apn_id",
            Self::Auc => "auc_id",
            Self::Subscriber => "subscriber_id",
            Self::ImsSubscriber => "ims_subscriber_id",
            Self::ChargingRule => "charging_rule_id",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Columns that may hold anything, or nothing.
    fn plain_columns(self) -> &'static [&'static str] {
        match self {
            Self::Apn => &["charging_rule_list", "pgw_address", "sgw_address"],
            Self::Auc => &["sqn", "batch_name", "sim_vendor", "pin1", "puk1", "kid", "psk", "des", "adm1"],
            Self::Subscriber => {
                &["msisdn", "roaming_rule_list", "serving_mme", "serving_mme_realm", "serving_mme_peer"]
            }
            Self::ImsSubscriber => {
                &["msisdn_list", "imsi", "ifc_path", "sh_template_path", "pcscf", "scscf", "xcap_profile"]
            }
            Self::ChargingRule => &["rule_name", "tft_group_id", "precedence", "rating_group"],
        }
    }

    fn columns(self) -> Vec<Column> {
        use Must::{Anything, BeThere, BeTruth, BeUnique};
        let none = Value::Null;
        let more = match self {
            Self::Apn => vec![
                Column("apn", none.clone(), BeThere),
                Column("apn_ambr_dl", none.clone(), BeThere),
                Column("apn_ambr_ul", none, BeThere),
                Column("qci", json!(9), Anything),
            ],
            Self::Auc => vec![
                Column("ki", none.clone(), BeThere),
                Column("opc", none.clone(), BeThere),
                Column("amf", none.clone(), BeThere),
                Column("imsi", none.clone(), BeUnique),
                Column("iccid", none, BeUnique),
                Column("esim", json!(false), BeTruth),
            ],
            Self::Subscriber => vec![
                Column("imsi", none.clone(), BeUnique),
                Column("enabled", json!(true), BeTruth),
                Column("auc_id", none.clone(), BeThere),
                Column("default_apn", none.clone(), BeThere),
                Column("apn_list", none, BeThere),
                Column("ue_ambr_dl", json!(999_999), Anything),
                Column("ue_ambr_ul", json!(999_999), Anything),
                Column("nam", json!(0), Anything),
                Column("roaming_enabled", json!(true), BeTruth),
            ],
            Self::ImsSubscriber => vec![Column("msisdn", none, BeUnique)],
            Self::ChargingRule => ["mbr_dl", "mbr_ul", "gbr_dl", "gbr_ul"]
                .map(|name| Column(name, none.clone(), BeThere))
                .into(),
        };
        let plain = self.plain_columns().iter().map(|name| Column(name, Value::Null, Anything));
        plain.chain(more).collect()
    }
}

#[derive(Default)]
pub(super) struct Tables(BTreeMap<Table, BTreeMap<u64, Row>>);

impl Tables {
    /// Makes a record. The id that was the highest and is free again is given anew.
    pub(super) fn create(&mut self, table: Table, members: &Value) -> Result<Row, Refusal> {
        let columns = table.columns();
        let mut row: Row =
            columns.iter().map(|Column(name, value, _)| ((*name).to_owned(), value.clone())).collect();
        for (name, value) in members.as_object().into_iter().flatten() {
            if !row.contains_key(name) {
                return Err(Refusal::UnknownMember(name.clone()));
            }
            row.insert(name.clone(), as_stored(name, value));
        }
        self.judge(table, 0, &row, &columns)?;
        let rows = self.0.entry(table).or_default();
        let id = rows.last_key_value().map_or(1, |(id, _)| id + 1);
        row.insert(table.id().to_owned(), id.into());
        rows.insert(id, row.clone());
        Ok(row)
    }

    /// Changes a record, and tells what it was before. What has no column is passed over.
    pub(super) fn patch(&mut self, table: Table, id: u64, members: &Value) -> Result<Row, Refusal> {
        let before = self.get(table, id).cloned().ok_or(Refusal::Absent)?;
        let columns = table.columns();
        let mut row = before.clone();
        for (name, value) in members.as_object().into_iter().flatten() {
            if columns.iter().any(|Column(known, ..)| known == name) {
                row.insert(name.clone(), as_stored(name, value));
            }
        }
        self.judge(table, id, &row, &columns)?;
        self.0.entry(table).or_default().insert(id, row);
        Ok(before)
    }

    pub(super) fn delete(&mut self, table: Table, id: u64) -> bool {
        self.0.get_mut(&table).is_some_and(|rows| rows.remove(&id).is_some())
    }

    pub(super) fn get(&self, table: Table, id: u64) -> Option<&Row> {
        self.0.get(&table)?.get(&id)
    }

    pub(super) fn rows(&self, table: Table) -> impl Iterator<Item = &Row> {
        self.0.get(&table).into_iter().flat_map(BTreeMap::values)
    }

    /// The one record with this value; of several, none.
    pub(super) fn one(&self, table: Table, column: &str, value: &str) -> Option<&Row> {
        let mut found = self.rows(table).filter(|row| row[column] == value);
        found.next().filter(|_| found.next().is_none())
    }

    fn judge(&self, table: Table, id: u64, row: &Row, columns: &[Column]) -> Result<(), Refusal> {
        for Column(name, _, must) in columns {
            let value = &row[*name];
            match must {
                Must::BeTruth if !(value.is_boolean() || *value == 0 || *value == 1) => {
                    return Err(Refusal::Mistyped);
                }
                Must::BeThere if value.is_null() => return Err(Refusal::Missing(name)),
                Must::BeUnique if self.is_taken(table, id, name, value) => {
                    return Err(Refusal::NotUnique(name));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn is_taken(&self, table: Table, id: u64, column: &str, value: &Value) -> bool {
        !value.is_null() && self.rows(table).any(|row| row[column] == *value && row[table.id()] != id)
    }
}

fn as_stored(name: &str, value: &Value) -> Value {
    match value.as_str() {
        Some(text) if name == "msisdn" => text.trim_start_matches('+').into(),
        _ => value.clone(),
    }
}
