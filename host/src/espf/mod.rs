//! Answers the port `StatusApi`: tells PortaBilling one status.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;

use crate::ports::{BillingError, StatusApi, StatusError, StatusUpdate, Tokens};
use crate::web;

/// PortaBilling takes no longer message.
const MESSAGE_CHARS_MAX: usize = 4000;

#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://billing.example.net`, without a path.
    pub url: String,
    pub content_type: ContentType,
    pub timeout: Duration,
}

/// The manual shows JSON and names it a form; which one a PortaBilling wants is a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    Json,
    Form,
}

impl ContentType {
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
        Ok(Self { http: web::client(settings.timeout)?, settings, tokens })
    }

    async fn post_once(&self, update: &StatusUpdate) -> Result<StatusCode, StatusError> {
        let body = StatusBody {
            status: update.said.status.word(),
            group: &update.service.0,
            message: update.said.message.as_ref().map(|text| text.chars().take(MESSAGE_CHARS_MAX).collect()),
        };
        let body = serde_json::to_vec(&body).map_err(|error| StatusError::Refused(error.to_string()))?;
        let token = self
            .tokens
            .bearer()
            .await
            .map_err(|error: BillingError| StatusError::Later(error.to_string()))?;
        let url = format!("{}/espf/v1/account/i/{}/status", self.settings.url, update.i_account);
        let request = self.http.post(url).bearer_auth(token.expose());
        let answer = request.header(CONTENT_TYPE, self.settings.content_type.name()).body(body).send().await;
        let status = answer.map_err(|error| StatusError::Later(web::reason(&error)))?.status();
        if status == StatusCode::UNAUTHORIZED {
            self.tokens.refused(&token).await;
        }
        Ok(status)
    }
}

#[async_trait]
impl StatusApi for Espf {
    async fn post(&self, update: &StatusUpdate) -> Result<(), StatusError> {
        let mut status = self.post_once(update).await?;
        if status == StatusCode::UNAUTHORIZED {
            status = self.post_once(update).await?;
        }
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => Err(StatusError::AccountGone),
            StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Err(StatusError::Later(format!("HTTP {status}")))
            }
            status if status.is_client_error() => Err(StatusError::Refused(format!("HTTP {status}"))),
            status => Err(StatusError::Later(format!("HTTP {status}"))),
        }
    }
}
