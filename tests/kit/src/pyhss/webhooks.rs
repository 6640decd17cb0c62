//! Webhooks: one request for each write. The method says what was done, a change is told with the values from before
//! it, a deletion without any, and nothing says who asked for it.

use std::sync::Arc;

use axum::http::Method;

use super::Shared;
use super::tables::Row;
use crate::lock::lock;

/// So often it is tried, without a pause. Then it is lost.
const TRIES: u32 = 3;

pub(super) fn tell(shared: &Arc<Shared>, method: &str, record: Option<&Row>) {
    let Some(url) = lock(&shared.knobs).webhook.clone() else { return };
    let body = record.map(|row| serde_json::to_string(row).expect("a row is JSON")).unwrap_or_default();
    let (shared, method) = (Arc::clone(shared), method.to_owned());
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        let tries = send(&shared, &url, &method, &body).await;
        lock(&shared.ledger).webhooks.push((method, body, tries));
    });
}

async fn send(shared: &Shared, url: &str, method: &str, body: &str) -> u32 {
    let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
    for tried in 1..=TRIES {
        let request = shared.client.request(method.clone(), url).header("content-type", "application/json");
        let request = request.header("referer", "hss01").header("user-agent", "PyHSS");
        if let Ok(answer) = request.body(body.to_owned()).send().await
            && answer.status().is_success()
        {
            return tried;
        }
    }
    TRIES
}
