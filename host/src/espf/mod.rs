//! Answers the port `StatusApi`: tells PortaBilling one status.

mod groups;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;

use crate::ports::{BillingError, StatusApi, StatusError, StatusUpdate, Tokens};
use crate::web::{self, Way};

pub use groups::Groups;

/// PortaBilling takes no longer message.
const MESSAGE_CHARS_MAX: usize = 4000;

#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://billing.example.net`, without a path.
    pub url: String,
    pub content_type: ContentType,
    pub timeout: Duration,
    pub way: Way,
}

/// The manual shows JSON and names it a form; which one a PortaBilling wants is a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    Json,
    Form,
}

impl ContentType {
    const fn other(self) -> Self {
        match self {
            Self::Json => Self::Form,
            Self::Form => Self::Json,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }
}

pub struct Espf {
    http: reqwest::Client,
    settings: Settings,
    /// The setting was refused once, and the other type was taken.
    takes_the_other: AtomicBool,
    tokens: Arc<dyn Tokens>,
}

#[derive(serde::Serialize)]
struct StatusBody<'a> {
    status: &'static str,
    group: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Espf {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(settings: Settings, tokens: Arc<dyn Tokens>) -> reqwest::Result<Self> {
        let http = web::client_by(&settings.way, &settings.url, settings.timeout)?;
        Ok(Self { http, settings, takes_the_other: AtomicBool::new(false), tokens })
    }

    /// Posts with a session that is good; one that is not is renewed once.
    async fn post_as(
        &self,
        update: &StatusUpdate,
        content_type: ContentType,
        with_message: bool,
    ) -> Result<StatusCode, StatusError> {
        let status = self.post_once(update, content_type, with_message).await?;
        if status == StatusCode::UNAUTHORIZED {
            return self.post_once(update, content_type, with_message).await;
        }
        Ok(status)
    }

    async fn post_once(
        &self,
        update: &StatusUpdate,
        content_type: ContentType,
        with_message: bool,
    ) -> Result<StatusCode, StatusError> {
        let message = update.said.message.as_ref().filter(|_| with_message);
        let body = StatusBody {
            status: update.said.status.word(),
            group: &update.service.0,
            message: message.map(|text| text.chars().take(MESSAGE_CHARS_MAX).collect()),
        };
        let body = serde_json::to_vec(&body).map_err(|error| StatusError::Later(error.to_string()))?;
        let token = self.tokens.bearer().await;
        let token = token.map_err(|error: BillingError| StatusError::NoSession(error.to_string()))?;
        let url = format!("{}/espf/v1/account/i/{}/status", self.settings.url, update.i_account);
        let request = self.http.post(url).bearer_auth(token.expose());
        let answer = request.header(CONTENT_TYPE, content_type.name()).body(body).send().await;
        let status = answer.map_err(|error| StatusError::Later(web::reason(&error)))?.status();
        if status == StatusCode::UNAUTHORIZED {
            self.tokens.doubted(&token).await;
        }
        Ok(status)
    }

    /// The same in the other content type, then without its message: documents differ in what
    /// PortaBilling takes, and a status must not be lost over that.
    async fn post_otherwise(
        &self,
        update: &StatusUpdate,
        content_type: ContentType,
    ) -> Result<StatusCode, StatusError> {
        let other = content_type.other();
        let status = self.post_as(update, other, true).await?;
        if status.is_success() {
            let flipped = other != self.settings.content_type;
            self.takes_the_other.store(flipped, Ordering::Relaxed);
            return Ok(status);
        }
        if update.said.message.is_some() {
            return self.post_as(update, content_type, false).await;
        }
        Ok(status)
    }
}

#[async_trait]
impl StatusApi for Espf {
    async fn post(&self, update: &StatusUpdate) -> Result<(), StatusError> {
        let content_type = match self.takes_the_other.load(Ordering::Relaxed) {
            true => self.settings.content_type.other(),
            false => self.settings.content_type,
        };
        let mut status = self.post_as(update, content_type, true).await?;
        if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE) {
            status = self.post_otherwise(update, content_type).await?;
        }
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => Err(StatusError::AccountGone),
            // Whatever else is wrong may be mended, and then it must be told.
            status => Err(StatusError::Later(format!("HTTP {status}"))),
        }
    }
}
