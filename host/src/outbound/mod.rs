//! Answers the port `Outbound`: sends one stored request to its group's target.
//!
//! An adapter names a path, never an address: nothing but the target can be reached from here.
//! Nothing is repeated here; whether a request may be sent again is decided in `domain`.

mod fills;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;

use crate::domain::{Body, Group, Request, Response};
use crate::ports::{Outbound, SendError};
use crate::secret::Secret;
use crate::web;

/// A target of one group.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the adapter's paths are below of, without a slash at its end.
    pub url: String,
    pub auth: Auth,
    /// Of one exchange, its answer included.
    pub timeout: Duration,
    /// Bytes that an answer may have.
    pub answer_max: u64,
    /// The header that carries the idempotency key.
    pub key_header: String,
    /// What the adapter's fills may name.
    pub secrets: BTreeMap<String, Secret>,
}

impl Settings {
    /// Whether a header is this target's own to set.
    fn sets(&self, name: &str) -> bool {
        let credential = match &self.auth {
            Auth::Header { name, .. } => Some(name),
            Auth::None | Auth::Basic { .. } | Auth::Bearer(_) => None,
        };
        std::iter::once(&self.key_header).chain(credential).any(|own| own.eq_ignore_ascii_case(name))
    }
}

#[derive(Clone, Debug)]
pub enum Auth {
    None,
    Basic { user: String, password: Secret },
    Bearer(Secret),
    Header { name: String, value: Secret },
}

struct Target {
    http: reqwest::Client,
    settings: Settings,
}

/// All targets. Each has connections of its own, so that a dead one slows nobody else.
pub struct Targets(BTreeMap<Group, Target>);

impl Targets {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(targets: impl IntoIterator<Item = (Group, Settings)>) -> reqwest::Result<Self> {
        let target = |(group, settings): (Group, Settings)| {
            Ok((group, Target { http: web::client(settings.timeout)?, settings }))
        };
        targets.into_iter().map(target).collect::<reqwest::Result<_>>().map(Self)
    }
}

#[async_trait]
impl Outbound for Targets {
    async fn send(&self, group: &Group, request: &Request, key: &str) -> Result<Response, SendError> {
        let target =
            self.0.get(group).ok_or_else(|| SendError::Refused(format!("group {group} has no target")))?;
        let wire = target.build(request, key)?;
        let answer = target.http.execute(wire).await.map_err(|error| unsent(&error))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes_max = usize::try_from(target.settings.answer_max).unwrap_or(usize::MAX);
        let body = web::read_bounded(answer, bytes_max).await.map_err(|unread| match unread {
            web::Unread::TooLarge { bytes_max } => SendError::TooLarge(format!(
                "the answer to `{}` has more than {bytes_max} bytes (`target.answer-max` of group {group})",
                request.label
            )),
            web::Unread::Broken(why) => SendError::Unanswered(why),
        })?;
        let mut response =
            Response { status, headers: web::headers(&headers), body: web::body(&headers, body) };
        fills::strike(&mut response, &target.told(request));
        Ok(response)
    }
}

/// Only what failed before a connection stood surely did not arrive.
fn unsent(error: &reqwest::Error) -> SendError {
    let why = web::reason(error);
    if error.is_builder() {
        SendError::Refused(why)
    } else if error.is_connect() {
        SendError::NotSent(why)
    } else {
        SendError::Unanswered(why)
    }
}

impl Target {
    /// The secrets that leave with a request, and what stands for each wherever it comes back.
    fn told(&self, request: &Request) -> Vec<(Secret, String)> {
        let credential = match &self.settings.auth {
            Auth::None => None,
            Auth::Basic { password: secret, .. }
            | Auth::Bearer(secret)
            | Auth::Header { value: secret, .. } => Some((secret.clone(), "(secret)".to_owned())),
        };
        fills::told(request, &self.settings.secrets).chain(credential).collect()
    }

    fn build(&self, request: &Request, key: &str) -> Result<reqwest::Request, SendError> {
        let refused = |why: String| SendError::Refused(format!("request `{}`: {why}", request.label));
        let filled = fills::fill(request, &self.settings.secrets).map_err(refused)?;
        let method = Method::from_bytes(filled.method.as_bytes())
            .map_err(|_| refused(format!("`{}` is not a method", filled.method)))?;
        let mut wire = self.http.request(method, format!("{}{}", self.settings.url, filled.path));
        for header in &filled.headers {
            if self.settings.sets(&header.name) {
                return Err(refused(format!("the header `{}` is the host's to set", header.name)));
            }
            wire = wire.header(&header.name, &header.value);
        }
        wire = wire.header(&self.settings.key_header, key);
        wire = match &self.settings.auth {
            Auth::None => wire,
            Auth::Basic { user, password } => wire.basic_auth(user, Some(password.expose())),
            Auth::Bearer(token) => wire.bearer_auth(token.expose()),
            Auth::Header { name, value } => wire.header(name, value.expose()),
        };
        wire = match filled.body {
            Body::Empty => wire,
            Body::Text(text) => wire.body(text),
            Body::Bytes(bytes) => wire.body(bytes),
        };
        wire.build().map_err(|error| refused(web::reason(&error)))
    }
}
