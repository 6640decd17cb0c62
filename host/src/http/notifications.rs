//! The external systems' doors: authenticated over the raw bytes, stored as it came, read by
//! the group's adapter, answered with what the adapter replies.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;

use super::notify_auth::Caller;
use super::tls::ClientCertificate;
use super::{AtRegistration, NotifyAuth, NotifySettings, Peer, Unread, come_again, read_body, too_much};
use crate::domain::{self, Group, Notification, Timestamp};
use crate::engine::{Intake, IntakeError, REGISTRATION_MARK};
use crate::telemetry::Limit;
use crate::web;

pub struct Door {
    intake: Intake,
    settings: NotifySettings,
    under_way: Semaphore,
}

pub async fn receive(State(door): State<Arc<Door>>, request: Request) -> Response {
    let Some((group, rest)) = below_group(request.uri()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(auth) = door.settings.doors.all().notify.get(&group).cloned() else {
        tracing::warn!(
            group = door.settings.doors.shown(&group.0),
            "a notification for a group that takes none"
        );
        return StatusCode::NOT_FOUND.into_response();
    };
    door.answer(&group, &auth, rest, request).await.unwrap_or_else(|refusal| refusal)
}

impl Door {
    pub fn new(intake: &Intake, settings: NotifySettings) -> Self {
        let under_way = Semaphore::new(settings.concurrency);
        Self { intake: intake.clone(), settings, under_way }
    }

    /// Whoever cannot be the group's system costs no more than his head; who could be has a place
    /// while his body is read and what it says is stored.
    async fn answer(
        &self,
        group: &Group,
        auth: &NotifyAuth,
        path: String,
        request: Request,
    ) -> Result<Response, Response> {
        let (parts, body) = request.into_parts();
        let (secret, path) = match auth.path_secrets() {
            [] => (None, path),
            _ => {
                let (secret, rest) = first_part(&path);
                (Some(secret), rest)
            }
        };
        let address = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let certificate = parts.extensions.get::<ClientCertificate>();
        let caller = Caller { address, headers: &parts.headers, path_secret: secret.as_deref(), certificate };
        if !(auth.admits(&caller) && auth.may_be_signed(&parts.headers, self.intake.now())) {
            return Err(self.refuse(group, &caller));
        }
        let path = self.below_registration(group, auth.at_registration, path).await;
        let path =
            path.map_err(|closed| if closed { self.gone(group) } else { self.refuse(group, &caller) })?;
        let Ok(_place) = self.under_way.try_acquire() else {
            self.limited(Limit::Concurrency);
            return Err(too_much());
        };
        let bytes = read_body(body, self.settings.body_max, self.settings.body_timeout).await;
        let bytes = bytes.map_err(|unread| self.cut_off(&unread).into_response())?;
        let received_at = self.intake.now();
        if !auth.is_signed(&parts.headers, &bytes, received_at) {
            return Err(self.refuse(group, &caller));
        }
        let id = auth.message_id(&parts.headers).map(str::to_owned);
        Ok(self.take(group, id, notification(&parts, path, bytes, received_at)).await)
    }

    /// The path below the address of a registration. An error says whether it was sent to one that does
    /// not stand.
    async fn below_registration(
        &self,
        group: &Group,
        at: AtRegistration,
        path: String,
    ) -> Result<String, bool> {
        let (first, rest) = first_part(&path);
        match first.strip_prefix(REGISTRATION_MARK.as_bytes()).filter(|_| at != AtRegistration::Never) {
            Some(token) => {
                let token = String::from_utf8_lossy(token);
                if self.intake.takes_at(group, &token).await { Ok(rest) } else { Err(true) }
            }
            None if at == AtRegistration::Must => Err(false),
            None => Ok(path),
        }
    }

    /// Whoever sends there was registered by nobody who knows of it: it can end.
    fn gone(&self, group: &Group) -> Response {
        self.intake.metrics().notification(group, "gone");
        tracing::warn!(%group, "a notification came to the address of a registration that does not stand");
        StatusCode::GONE.into_response()
    }

    fn cut_off(&self, unread: &Unread) -> StatusCode {
        if let Some(limit) = unread.limit() {
            self.limited(limit);
        }
        match unread {
            Unread::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Unread::TooSlow | Unread::Broken => StatusCode::REQUEST_TIMEOUT,
        }
    }

    fn limited(&self, limit: Limit) {
        self.intake.metrics().listeners.limited(self.settings.listener, limit);
    }

    fn refuse(&self, group: &Group, caller: &Caller<'_>) -> Response {
        self.intake.metrics().notification(group, "unauthorised");
        let from = caller.address.map(|address| address.to_string());
        let certificate = caller.certificate.map(ToString::to_string);
        tracing::warn!(%group, from, certificate, "a notification with a wrong credential was refused");
        StatusCode::UNAUTHORIZED.into_response()
    }

    async fn take(&self, group: &Group, id: Option<String>, raw: Notification) -> Response {
        match self.intake.notification(group, id, raw).await {
            Ok(reply) => answer(reply),
            Err(IntakeError::NoSuchGroup(_)) => StatusCode::NOT_FOUND.into_response(),
            Err(IntakeError::Journal(error)) => {
                tracing::error!(%group, %error, "a notification could not be stored");
                come_again(StatusCode::SERVICE_UNAVAILABLE.into_response())
            }
        }
    }
}

/// As the adapter may see it: whole, but for what only says who sent it.
fn notification(parts: &Parts, path: String, bytes: Vec<u8>, received_at: Timestamp) -> Notification {
    let mut headers = web::headers(&parts.headers);
    headers.retain(|header| header.name != AUTHORIZATION.as_str());
    let body = web::body(&parts.headers, bytes);
    Notification { method: parts.method.as_str().to_owned(), path, headers, body, received_at }
}

/// `/notify/HSS/a?b` → `HSS`, `/a?b`.
pub fn below_group(uri: &Uri) -> Option<(Group, String)> {
    let below = uri.path().strip_prefix("/notify/")?;
    let (name, rest) = below.split_once('/').unwrap_or((below, ""));
    let name = percent_decode_str(name).decode_utf8().ok()?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some((Group(name.into_owned()), format!("/{rest}{query}")))
}

/// `/s3cret/a?b` → `s3cret`, `/a?b`.
pub fn first_part(path: &str) -> (Vec<u8>, String) {
    let below = path.strip_prefix('/').unwrap_or(path);
    let (secret, rest) = below.split_at(below.find(['/', '?']).unwrap_or(below.len()));
    let slash = if rest.starts_with('/') { "" } else { "/" };
    (percent_decode_str(secret).collect(), format!("{slash}{rest}"))
}

const FRAMING: [&str; 4] = ["connection", "content-length", "transfer-encoding", "upgrade"];

fn answer(reply: domain::Response) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::ACCEPTED);
    let body = match reply.body {
        domain::Body::Empty => Body::empty(),
        domain::Body::Text(text) => Body::from(text),
        domain::Body::Bytes(bytes) => Body::from(bytes),
    };
    let mut response = (status, body).into_response();
    for header in reply.headers {
        // An adapter's reply is data: a header that is none, or that would break the framing of the
        // answer, is left out.
        if FRAMING.iter().any(|own| header.name.eq_ignore_ascii_case(own)) {
            continue;
        }
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(&header.name), HeaderValue::try_from(&header.value))
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_path_is_taken_out_of_it() {
        for (path, secret, rest) in [
            ("/s3cret", "s3cret", "/"),
            ("/s3cret/", "s3cret", "/"),
            ("/s3%2Fcret/a/b?c=d", "s3/cret", "/a/b?c=d"),
            ("/s3cret?c=/d", "s3cret", "/?c=/d"),
            ("/", "", "/"),
        ] {
            let found = first_part(path);
            assert_eq!(found, (secret.as_bytes().to_vec(), rest.to_owned()), "{path}");
        }
    }

    #[test]
    fn the_group_is_the_first_part_and_the_rest_is_the_adapters() {
        for (uri, group, path) in [
            ("/notify/HSS", "HSS", "/"),
            ("/notify/HSS/", "HSS", "/"),
            ("/notify/HSS/a/b?c=d", "HSS", "/a/b?c=d"),
            ("/notify/My%20HSS?x", "My HSS", "/?x"),
        ] {
            let found = below_group(&uri.parse().expect("a URI"));
            assert_eq!(found, Some((Group(group.to_owned()), path.to_owned())), "{uri}");
        }
    }
}
