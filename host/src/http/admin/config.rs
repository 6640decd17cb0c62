//! By which settings the host runs, and what lies on disk instead.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{Door, reload};
use crate::ports::{Difference, RunsBy, ShownSetting};

pub async fn show(State(door): State<Arc<Door>>) -> Json<Value> {
    let RunsBy { file, settings, differs, refused } = door.reloads.runs_by().await;
    Json(json!({
        "file": file.display().to_string(),
        "settings": settings.iter().map(setting).collect::<Vec<_>>(),
        "differs": differs.iter().map(difference).collect::<Vec<_>>(),
        "problems": refused.iter().map(reload::problem).collect::<Vec<_>>(),
    }))
}

/// As whoever asks for settings is told each of them.
pub fn setting(setting: &ShownSetting) -> Value {
    let mut told = meant(setting);
    told["key"] = setting.key.as_str().into();
    told
}

fn meant(ShownSetting { value, secret, place, .. }: &ShownSetting) -> Value {
    let secret = secret.as_ref().map(|secret| json!({ "from": secret.from, "name": secret.name }));
    json!({
        "value": value,
        "secret": secret,
        "origin": if place.is_some() { "file" } else { "default" },
        "line": place.map(|(line, _)| line),
        "column": place.map(|(_, column)| column),
    })
}

fn difference(difference: &Difference) -> Value {
    json!({
        "key": difference.key,
        "running": difference.running.as_ref().map(meant),
        "on_disk": difference.on_disk.as_ref().map(meant),
        "waits_for_restart": !difference.is_taken_over,
    })
}
