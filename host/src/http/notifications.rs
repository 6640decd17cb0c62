//! The external systems' doors: authenticated over the raw bytes, stored as it came, read by
//! the group's adapter, answered with what the adapter replies.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::{NotifySettings, Unread, read_body};
use crate::domain::{self, Group, Notification};
use crate::engine::{Intake, IntakeError};
use crate::web;

pub struct Door {
    pub intake: Intake,
    pub settings: NotifySettings,
}

pub async fn receive(State(door): State<Arc<Door>>, request: Request) -> Response {
    let Some((group, path)) = below_group(request.uri()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(auth) = door.settings.groups.get(&group) else {
        tracing::warn!(%group, "a notification for a group that takes none");
        return StatusCode::NOT_FOUND.into_response();
    };
    let (parts, body) = request.into_parts();
    let bytes = match read_body(body, door.settings.body_max, door.settings.body_timeout).await {
        Ok(bytes) => bytes,
        Err(Unread::TooLarge(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(Unread::TooSlow | Unread::Broken) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let received_at = door.intake.now();
    if !auth.admits(&parts.headers, &bytes, received_at) {
        door.intake.metrics().notification(&group, "unauthorised");
        tracing::warn!(%group, "a notification with a wrong credential was refused");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let raw = Notification {
        method: parts.method.as_str().to_owned(),
        path,
        headers: web::headers(&parts.headers),
        body: web::body(&parts.headers, bytes),
        received_at,
    };
    match door.intake.notification(&group, raw).await {
        Ok(Some(reply)) => answer(reply),
        // It is stored; nobody could read it yet.
        Ok(None) => StatusCode::ACCEPTED.into_response(),
        Err(IntakeError::NoSuchGroup(_)) => StatusCode::NOT_FOUND.into_response(),
        Err(IntakeError::Journal(error)) => {
            tracing::error!(%group, %error, "a notification could not be stored");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// `/notify/HSS/a?b` → `HSS`, `/a?b`.
fn below_group(uri: &Uri) -> Option<(Group, String)> {
    let below = uri.path().strip_prefix("/notify/")?;
    let (name, rest) = below.split_once('/').unwrap_or((below, ""));
    let name = percent_encoding::percent_decode_str(name).decode_utf8().ok()?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some((Group(name.into_owned()), format!("/{rest}{query}")))
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
