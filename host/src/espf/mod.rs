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

pub use groups::{Groups, NotChecked};

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
    async fn post_as(&self, update: &StatusUpdate, form: Form) -> Result<Heard, StatusError> {
        let heard = self.post_once(update, form).await?;
        if heard.status == StatusCode::UNAUTHORIZED {
            return self.post_once(update, form).await;
        }
        Ok(heard)
    }

    async fn post_once(&self, update: &StatusUpdate, form: Form) -> Result<Heard, StatusError> {
        let message = update.said.message.as_ref().filter(|_| form.with_message);
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
        let answer = request.header(CONTENT_TYPE, form.content_type.name()).body(body).send().await;
        let answer = answer.map_err(|error| StatusError::Later(web::reason(&error)))?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.tokens.doubted(&token).await;
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_page =
            kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
        Ok(Heard { status: answer.status(), is_page })
    }

    /// In the type that was taken last, then in the other; and then in both without its message.
    fn forms(&self, update: &StatusUpdate) -> impl Iterator<Item = Form> {
        let first = match self.takes_the_other.load(Ordering::Relaxed) {
            true => self.settings.content_type.other(),
            false => self.settings.content_type,
        };
        let has_message = update.said.message.is_some();
        let of = move |with_message| {
            [first, first.other()].map(|content_type| Form { content_type, with_message })
        };
        of(has_message).into_iter().chain(of(false).into_iter().filter(move |_| has_message))
    }
}

/// How a status is written: documents differ in what PortaBilling takes, and none must be lost over that.
#[derive(Clone, Copy)]
struct Form {
    content_type: ContentType,
    with_message: bool,
}

struct Heard {
    status: StatusCode,
    /// PortaBilling's API answers with none: something in front of it speaks.
    is_page: bool,
}

#[async_trait]
impl StatusApi for Espf {
    async fn post(&self, update: &StatusUpdate) -> Result<(), StatusError> {
        let mut refused = StatusCode::BAD_REQUEST;
        for form in self.forms(update) {
            let Heard { status, is_page } = self.post_as(update, form).await?;
            match status {
                _ if is_page => return Err(StatusError::Later(format!("HTTP {status} with a page in HTML"))),
                status if status.is_success() => {
                    let flipped = form.content_type != self.settings.content_type;
                    self.takes_the_other.store(flipped, Ordering::Relaxed);
                    return Ok(());
                }
                StatusCode::NOT_FOUND => return Err(StatusError::AccountGone),
                StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE => refused = status,
                // Whatever else is wrong may be mended, and then it must be told.
                status => return Err(StatusError::Later(format!("HTTP {status}"))),
            }
        }
        Err(StatusError::Later(format!("HTTP {refused}, however it is written")))
    }
}
