//! An operation as a golden case: what its adapter was asked and what happened then, without secrets, and with
//! somebody else's name and numbers. What the adapter answers is for whoever records it to ask.

mod persons;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Door, Problem};
use crate::domain::{LaidDown, Operation, OperationId, Subscriber};

use persons::Persons;

pub async fn case(State(door): State<Arc<Door>>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let told = door.operators.journal().operation(&OperationId(id.clone())).await?;
    let told = told.ok_or_else(|| Problem(StatusCode::NOT_FOUND, format!("there is no operation {id}")))?;
    let operation = &told.operation;
    let Some(laid_down) = &operation.laid_down else {
        let why = format!("operation {id} has no subscriber yet, so its adapter was asked nothing");
        return Err(Problem(StatusCode::CONFLICT, why));
    };
    let screen = door.operators.screen(&operation.lane.group);
    let case = screen.without_ours(recorded(operation, laid_down));
    Ok(Json(Persons::of(&case, screen.veil()).replaced(case)))
}

fn recorded(operation: &Operation, laid_down: &LaidDown) -> Value {
    let event = &operation.event;
    let asked = json!({
        "id": operation.id.0,
        "group": operation.service.0,
        "i-account": operation.lane.i_account.0.to_string(),
        "began": laid_down.began.to_string(),
        "event": {
            "id": event.id,
            "name": event.name,
            "received-at": event.received_at.to_string(),
            "variables": event.variables.value(),
            "enclosed": event.enclosed.value(),
        },
        "wanted": laid_down.wanted,
        "subscriber": laid_down.subscriber.as_ref().map(subscriber),
        "applied": laid_down.applied.as_ref().map(|applied| applied.value()),
        "config": laid_down.config.value(),
        "notify-at": laid_down.notify_at,
    });
    let thens = operation.history().into_iter().map(|entry| json!({ "then": entry }));
    let steps: Vec<_> = thens.chain([json!({})]).collect();
    json!({
        "about": format!("Recorded: {} of {}.", event.name, operation.lane.group),
        "ask": "provision",
        "operation": asked,
        "steps": steps,
    })
}

fn subscriber(subscriber: &Subscriber) -> Value {
    json!({
        "account-id": subscriber.account_id.0,
        "msisdn": subscriber.msisdn,
        "imsi": subscriber.imsi,
        "iccid": subscriber.iccid,
        "documents": subscriber.documents.value(),
    })
}
