//! Resyncs: begun and ended by persons, seen while they are under way.

use std::sync::Arc;

use axum::Json;
use axum::extract::{self, Query};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::operations::{Body, Signed, most, signed};
use super::{Door, Problem};
use crate::domain::resync::{Counts, Ending, Mode, Whom};
use crate::domain::{Group, IAccount, ICustomer, Resync};

type Shared = extract::State<Arc<Door>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    i_account: Option<u64>,
    i_customer: Option<u64>,
    #[serde(default)]
    all: bool,
    group: Option<String>,
    mode: Mode,
    who: String,
    why: String,
}

impl Wanted {
    /// Whoever is meant is said: nobody means all by saying nothing.
    fn whom(&self) -> Result<Whom, Problem> {
        match (self.i_account, self.i_customer, self.all) {
            (Some(number), None, false) => Ok(Whom::Account(IAccount(number))),
            (None, Some(number), false) => Ok(Whom::Customer(ICustomer(number))),
            (None, None, true) => Ok(Whom::All),
            (None, None, false) if self.group.is_some() => Ok(Whom::All),
            _ => {
                let why = "one of `i_account`, `i_customer` and `all` is wanted, or a `group` alone";
                Err(Problem(StatusCode::BAD_REQUEST, why.to_owned()))
            }
        }
    }
}

pub async fn begin(extract::State(door): Shared, body: Body<Wanted>) -> Result<Json<Value>, Problem> {
    let Json(wanted) = body.map_err(|why| Problem(StatusCode::BAD_REQUEST, why.body_text()))?;
    let whom = wanted.whom()?;
    let person = Signed { who: wanted.who, why: wanted.why }.person()?;
    let begun = door.operators.resync(whom, wanted.group.map(Group), wanted.mode, person).await?;
    Ok(Json(json!({ "resync": told(&begun) })))
}

pub async fn stop(extract::State(door): Shared, body: Body<Signed>) -> Result<Json<Value>, Problem> {
    let ended = door.operators.stop_resync(signed(body)?).await?;
    Ok(Json(json!({ "resync": told(&ended) })))
}

/// The last one that was begun.
pub async fn show(extract::State(door): Shared) -> Result<Json<Value>, Problem> {
    let last = door.operators.journal().resync().await?;
    Ok(Json(json!({ "resync": last.as_ref().map(told) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    #[serde(default)]
    behind: u64,
    limit: Option<usize>,
}

/// What the last one found to differ; `behind` continues where the last answer ended.
pub async fn differing(
    extract::State(door): Shared,
    page: Result<Query<Page>, extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(page) = page.map_err(|why| Problem(StatusCode::BAD_REQUEST, why.body_text()))?;
    let most = most(page.limit);
    let found = door.operators.journal().differing(page.behind, most).await?;
    let behind = found.last().filter(|_| found.len() == most).map(|(place, _)| *place);
    let lines: Vec<Value> = found
        .iter()
        .map(|(_, it)| {
            json!({ "i_account": it.lane.i_account.0, "group": it.lane.group.0, "how": it.how.word() })
        })
        .collect();
    Ok(Json(json!({ "differing": lines, "behind": behind })))
}

pub fn told(resync: &Resync) -> Value {
    let whom = match resync.whom {
        Whom::Account(i_account) => format!("account {i_account}"),
        Whom::Customer(i_customer) => format!("customer {i_customer}"),
        Whom::All => "all".to_owned(),
    };
    let (state, why) = match resync.end.as_ref().map(|end| &end.how) {
        None => ("under-way", None),
        Some(Ending::Done) => ("done", None),
        Some(Ending::Stopped) => ("stopped", None),
        Some(Ending::Failed(why)) => ("failed", Some(why)),
    };
    let Counts { accounts, same, differ, open, unread, adopted } = resync.counts;
    json!({
        "id": resync.id,
        "whom": whom,
        "group": resync.group.as_ref().map(|group| &group.0),
        "mode": resync.mode.word(),
        "who": resync.person.who,
        "why": resync.person.why,
        "state": state,
        "failed_because": why,
        "began_at": resync.began_at.to_string(),
        "ended_at": resync.end.as_ref().map(|end| end.at.to_string()),
        "accounts": accounts,
        "same": same,
        "differ": differ,
        "driven": if resync.mode == Mode::Drive { differ } else { 0 },
        "open": open,
        "unread": unread,
        "adopted": adopted,
    })
}
