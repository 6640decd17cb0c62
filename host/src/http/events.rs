//! The doors for events. What becomes of a delivery is decided once, for all of them; each has
//! its own way to hear who calls and to say what became of it, its [`Dialect`].
//!
//! The ESPF deletes an event on any 4xx and repeats it on anything but 200. NSPS is content with
//! any 2xx and repeats the rest. So what can come again is told so at both doors, by 503; a 4xx is
//! said of what is kept as a dead letter, and of a caller who is not let in.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::Instrument as _;

use super::auth::{EventAuth, Offered};
use super::doors::LetIn;
use super::{Doors, EventSettings, Peer, Unread, come_again, header, nothing_here, read_body};
use crate::domain::{EventSource, NotAnEvent, Trace};
use crate::engine::{Accepted, Intake};
use crate::telemetry::ListenerName;

/// Of an id that a caller gives to his request, so much is logged.
const TRACE_LENGTH_MAX: usize = 128;

pub struct Door {
    intake: Intake,
    doors: Doors,
    dialect: Dialect,
}

/// How the two that send events are spoken with.
#[derive(Clone, Copy)]
enum Dialect {
    Espf,
    Nsps,
}

/// What became of a delivery.
enum Fate {
    Stored,
    Known,
    DeadLetter(NotAnEvent),
    Unauthorised,
    /// Nothing is wrong with it that another time could not mend.
    ComeAgain(&'static str),
}

pub async fn receive(State(door): State<Arc<Door>>, request: Request) -> Response {
    let span = door.span(request.headers());
    door.answer(request).instrument(span).await
}

/// Whether an event could be stored now.
pub async fn health(State(door): State<Arc<Door>>, method: Method) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        tracing::warn!(%method, "health is asked by GET");
        return nothing_here();
    }
    match door.intake.ready().await {
        Ok(()) => Json(json!({ "message": "ready" })).into_response(),
        Err(error) => {
            tracing::error!(%error, "an event could not be stored");
            door.say(&Fate::ComeAgain("an event could not be stored now"))
        }
    }
}

impl Door {
    pub fn espf(intake: &Intake, doors: &Doors) -> Self {
        Self { intake: intake.clone(), doors: doors.clone(), dialect: Dialect::Espf }
    }

    /// With the limits of the ESPF's door, beside which it stands. `None`: there is none.
    pub fn nsps(intake: &Intake, doors: &Doors) -> Option<Self> {
        doors.all().nsps.as_ref()?;
        Some(Self { intake: intake.clone(), doors: doors.clone(), dialect: Dialect::Nsps })
    }

    /// All log lines of a request say at which door it came, and by what the caller would find it.
    fn span(&self, headers: &HeaderMap) -> tracing::Span {
        let door = self.dialect.source().word();
        let named = trace(headers).map(|trace| trace.to_string());
        let trace = named.as_deref().or_else(|| mark(headers, "x-b3-traceid"));
        let request = mark(headers, "x-request-id");
        // Of the highest level, or a filter that wants less would take it from what is still logged.
        tracing::error_span!("delivery", door, trace, request)
    }

    async fn answer(&self, request: Request) -> Response {
        let from = request.extensions().get::<Peer>().map(|peer| peer.0.to_string());
        let fate = self.take(request).await;
        let answer = self.say(&fate);
        match fate {
            Fate::Unauthorised => {
                self.intake.metrics().event(self.dialect.source(), "unauthorised");
                let status = answer.status().as_u16();
                tracing::warn!(status, from, "an event with a wrong credential was refused");
            }
            Fate::ComeAgain(why) => {
                self.intake.metrics().event(self.dialect.source(), "refused");
                tracing::warn!(why, from, "an event was told to come again");
            }
            // Counted as they were stored.
            Fate::Stored | Fate::Known | Fate::DeadLetter(_) => {}
        }
        answer
    }

    /// The credentials of which any one is enough, and the header in which it comes.
    fn asks<'a>(&self, let_in: &'a LetIn) -> (&'a [EventAuth], &'a str) {
        match (self.dialect, &let_in.nsps) {
            (Dialect::Espf, _) => (&let_in.events.auth, &let_in.events.auth_header),
            (Dialect::Nsps, Some(nsps)) => (&nsps.auth, AUTHORIZATION.as_str()),
            (Dialect::Nsps, None) => (&[], AUTHORIZATION.as_str()),
        }
    }

    fn say(&self, fate: &Fate) -> Response {
        come_again(match self.dialect {
            Dialect::Espf => {
                let (status, words) = fate.to_espf(self.doors.all().events.auth_failure);
                (status, format!("{words}\n")).into_response()
            }
            Dialect::Nsps => fate.to_nsps(),
        })
    }

    async fn take(&self, request: Request) -> Fate {
        let (parts, body) = request.into_parts();
        let let_in = self.doors.all();
        let EventSettings { body_max, body_timeout, .. } = *let_in.events;
        let (auth, auth_header) = self.asks(&let_in);
        let offered = Offered {
            credential: header(&parts.headers, auth_header).unwrap_or_default(),
            date: header(&parts.headers, "date"),
            now: self.intake.now(),
        };
        // All are tried, so that the time does not tell which one was near.
        if !auth.iter().fold(false, |admitted, auth| auth.admits(&offered) | admitted) {
            return Fate::Unauthorised;
        }
        if parts.method != Method::POST {
            return Fate::ComeAgain("events are posted");
        }
        let read = read_body(body, body_max, body_timeout).await;
        if let Some(limit) = read.as_ref().err().and_then(Unread::limit) {
            self.intake.metrics().listeners.limited(ListenerName::Events, limit);
        }
        let source = self.dialect.source();
        let accepted = match read {
            Ok(bytes) => self.intake.event(source, trace(&parts.headers), &bytes).await,
            // It would be too large again.
            Err(Unread::TooLarge(beginning)) => {
                let why = NotAnEvent::TooLarge { bytes_max: body_max };
                self.intake.bury(source, &beginning, why).await
            }
            Err(Unread::TooSlow) => return Fate::ComeAgain("the body came too slowly"),
            Err(Unread::Broken) => return Fate::ComeAgain("the body broke off"),
        };
        match accepted {
            Ok(Accepted::New) => Fate::Stored,
            Ok(Accepted::Repeated) => Fate::Known,
            Ok(Accepted::DeadLetter(why)) => Fate::DeadLetter(why),
            Err(error) => {
                tracing::error!(%error, "an event could not be stored");
                Fate::ComeAgain("not stored")
            }
        }
    }
}

impl Dialect {
    const fn source(self) -> EventSource {
        match self {
            Self::Espf => EventSource::Espf,
            Self::Nsps => EventSource::Nsps,
        }
    }
}

impl Fate {
    const fn to_espf(&self, auth_failure: StatusCode) -> (StatusCode, &'static str) {
        match self {
            Self::Stored => (StatusCode::OK, "stored"),
            Self::Known => (StatusCode::OK, "known"),
            Self::DeadLetter(_) => {
                (StatusCode::BAD_REQUEST, "this can never be an event; it is kept for a person")
            }
            Self::Unauthorised => (auth_failure, "wrong credential"),
            Self::ComeAgain(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }

    /// NSPS shows these words to its operators.
    fn to_nsps(&self) -> Response {
        let refused = |status: StatusCode, message: &str, error: String, kind: &str| {
            (status, Json(json!({ "message": message, "error": error, "type": kind }))).into_response()
        };
        match self {
            Self::Stored => (StatusCode::ACCEPTED, Json(json!({ "message": "stored" }))).into_response(),
            Self::Known => (StatusCode::ACCEPTED, Json(json!({ "message": "known" }))).into_response(),
            Self::DeadLetter(why) => refused(
                StatusCode::UNPROCESSABLE_ENTITY,
                "this can never be an event; it is kept for a person",
                why.to_string(),
                "validation_error",
            ),
            Self::Unauthorised => refused(
                StatusCode::UNAUTHORIZED,
                "wrong credential",
                "the bearer token is none that this door knows".to_owned(),
                "authentication_error",
            ),
            Self::ComeAgain(why) => refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "nothing was stored; send it again",
                (*why).to_owned(),
                "service_unavailable",
            ),
        }
    }
}

/// By what the caller, or whoever asked him, finds what became of it.
pub fn trace(headers: &HeaderMap) -> Option<Trace> {
    let b3 = || {
        let id = header(headers, "x-b3-traceid")?;
        Trace::of_b3_headers(id, header(headers, "x-b3-sampled"))
    };
    let of = |name: &str, read: fn(&str) -> Option<Trace>| header(headers, name).and_then(read);
    of("traceparent", Trace::of_traceparent).or_else(|| of("b3", Trace::of_b3)).or_else(b3)
}

/// The beginning of an id, if it is one: what could break a log line is left out.
fn mark<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let id = header(headers, name)?;
    let id = id.get(..TRACE_LENGTH_MAX).unwrap_or(id);
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic())).then_some(id)
}
