//! Another try at taking over what lies on disk, and what came of the last one.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Door;
use crate::domain::Group;
use crate::ports::{Pin, Refusal, Reloaded};

pub async fn last(State(door): State<Arc<Door>>) -> Json<Value> {
    let under_way = door.reloads.is_under_way();
    Json(told(&door.reloads.last().await, under_way))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Groups for which a component was put into its place just now.
    installed: BTreeSet<Group>,
}

pub async fn now(State(door): State<Arc<Door>>, wish: Option<Json<Wish>>) -> Result<Json<Value>, StatusCode> {
    let installed = wish.map(|Json(wish)| wish.installed).unwrap_or_default();
    // Whoever asked may hang up, and what is begun is finished all the same.
    let reloaded = tokio::spawn(async move { door.reloads.reload("an operator", &installed).await }).await;
    reloaded.map(|reloaded| Json(told(&reloaded, false))).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

fn told(reloaded: &Reloaded, under_way: bool) -> Value {
    let groups = reloaded.groups.iter().map(|(group, taken)| {
        let retired = taken.retired.iter().map(ToString::to_string);
        json!({
            "group": group.0,
            "outcome": taken.outcome.word(),
            "adapter": taken.adapter,
            "version": taken.version,
            "digest": taken.digest.to_string(),
            "retired": retired.collect::<Vec<_>>(),
            "passes_over": taken.passes_over.as_ref().map(ToString::to_string),
            "pin": reloaded.pins.iter().find(|pin| pin.group == *group).map(pin_shown),
        })
    });
    json!({
        "generation": reloaded.generation,
        "at": reloaded.at.to_string(),
        "because": reloaded.because,
        "under_way": under_way,
        "groups": groups.collect::<Vec<_>>(),
        "problems": reloaded.refused.iter().map(problem).collect::<Vec<_>>(),
        "waits_for_restart": reloaded.waits,
    })
}

pub fn pin_shown(pin: &Pin) -> Value {
    let passes_over = pin.passes_over.as_ref().map(ToString::to_string);
    json!({ "to": pin.to.to_string(), "passes_over": passes_over })
}

pub fn problem(refusal: &Refusal) -> Value {
    json!({
        "code": refusal.code,
        "key": refusal.key,
        "file": refusal.file.display().to_string(),
        "line": refusal.line,
        "column": refusal.column,
        "message": refusal.message,
        "help": refusal.help,
    })
}
