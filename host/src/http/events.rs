//! The ESPF's door. It deletes an event on any 4xx and repeats it on anything but 200, so these
//! words are chosen with care: what can come again must not be refused for good.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::auth::Offered;
use super::{EventSettings, Peer, Unread, header, read_body};
use crate::engine::{Accepted, Intake};
use crate::telemetry::ListenerName;

pub struct Door {
    pub intake: Intake,
    pub settings: EventSettings,
}

pub async fn receive(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (status, words) = door.answer(request).await;
    (status, format!("{words}\n")).into_response()
}

impl Door {
    async fn answer(&self, request: Request) -> (StatusCode, &'static str) {
        let (parts, body) = request.into_parts();
        let offered = Offered {
            credential: header(&parts.headers, &self.settings.auth_header).unwrap_or_default(),
            date: header(&parts.headers, "date"),
            now: self.intake.now(),
        };
        // All are tried, so that the time does not tell which one was near.
        let admitted =
            self.settings.auth.iter().fold(false, |admitted, auth| auth.admits(&offered) | admitted);
        if !admitted {
            self.intake.metrics().event("unauthorised");
            let status = self.settings.auth_failure;
            let from = parts.extensions.get::<Peer>().map(|peer| peer.0.to_string());
            tracing::warn!(status = status.as_u16(), from, "an event with a wrong credential was refused");
            return (status, "wrong credential");
        }
        if parts.method != Method::POST {
            return self.come_again("events are posted");
        }
        let read = read_body(body, self.settings.body_max, self.settings.body_timeout).await;
        if let Some(limit) = read.as_ref().err().and_then(Unread::limit) {
            self.intake.metrics().listeners.limited(ListenerName::Events, limit);
        }
        match read {
            Ok(bytes) => self.take(&bytes).await,
            // It would be too large again. What is kept of it cannot be read as an event.
            Err(Unread::TooLarge(beginning)) => self.take(&beginning).await,
            Err(Unread::TooSlow) => self.come_again("the body came too slowly"),
            Err(Unread::Broken) => self.come_again("the body broke off"),
        }
    }

    async fn take(&self, body: &[u8]) -> (StatusCode, &'static str) {
        match self.intake.event(body).await {
            Ok(Accepted::New { .. }) => (StatusCode::OK, "stored"),
            Ok(Accepted::Repeated) => (StatusCode::OK, "known"),
            Ok(Accepted::DeadLetter) => {
                (StatusCode::BAD_REQUEST, "this can never be an event; it is kept for a person")
            }
            Err(error) => {
                tracing::error!(%error, "an event could not be stored");
                self.come_again("not stored")
            }
        }
    }

    fn come_again(&self, why: &'static str) -> (StatusCode, &'static str) {
        self.intake.metrics().event("refused");
        (StatusCode::SERVICE_UNAVAILABLE, why)
    }
}
