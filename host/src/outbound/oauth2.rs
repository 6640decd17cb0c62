//! The token of one target by OAuth2's client credentials (RFC 6749, 4.4). It is renewed before it
//! ends, and only once however many requests wait for it. An endpoint that refuses us is asked
//! again after pauses that grow.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::domain::{Timestamp, Trouble, renewed_after};
use crate::ports::{Denial, Lack, Withheld, World};
use crate::secret::{Kept, Secret, Vault};
use crate::web;

/// A request waits at most so long for a token: it has time of its own.
pub const TOKEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A token that does not say how long it lives is taken to live so long.
const LIFE_UNKNOWN: Duration = Duration::from_secs(900);
/// A target that refuses one token after the other does so for another reason.
const RENEWED_ONCE_IN: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where a target's tokens come from, and who asks for them.
#[derive(Clone, Debug)]
pub struct Grant {
    pub token_url: Url,
    pub client_id: String,
    pub client_secret: Secret,
    pub scope: Option<String>,
    pub audience: Option<String>,
}

impl Grant {
    /// All of it, its secret too.
    pub fn told(&self) -> Vec<&str> {
        let Self { token_url, client_id, client_secret, scope, audience } = self;
        let [scope, audience] = [scope, audience].map(|it| it.as_deref().unwrap_or_default());
        vec![token_url.as_str(), client_id, client_secret.expose(), scope, audience]
    }
}

pub struct Tokens {
    http: Client,
    grant: Grant,
    world: Arc<dyn World>,
    /// Where its tokens are struck by, as long as they are good.
    vault: Vault,
    /// Locked while somebody asks for a token: the others wait for the same one.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Token>,
    withheld: Withheld,
    /// When a token was last renewed because the target refused it.
    renewed_at: Option<Timestamp>,
}

struct Token {
    kept: Kept,
    renew_at: Timestamp,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<serde_json::Value>,
}

/// Why there is no token, and when the endpoint wants to be asked again.
struct Denied {
    denial: Denial,
    why: String,
    retry_after: Option<Duration>,
}

impl Tokens {
    pub fn new(http: Client, grant: Grant, world: Arc<dyn World>, vault: Vault) -> Self {
        Self { http, grant, world, vault, state: Mutex::default() }
    }

    /// A token that is good for a while yet.
    pub async fn bearer(&self) -> Result<Secret, Lack> {
        let mut state = self.state.lock().await;
        self.current(&mut state).await
    }

    /// The one that takes the place of a token that the target refused; `None` when another one
    /// was refused just before.
    pub async fn instead_of(&self, refused: &Secret) -> Result<Option<Secret>, Lack> {
        let mut state = self.state.lock().await;
        let now = self.world.now();
        let is_current = |token: &Token| token.kept.secret().is(refused.expose().as_bytes());
        if state.current.as_ref().is_some_and(is_current) {
            if state.renewed_at.is_some_and(|at| now.since(at) < RENEWED_ONCE_IN) {
                return Ok(None);
            }
            state.current = None;
            state.renewed_at = Some(now);
        }
        self.current(&mut state).await.map(Some)
    }

    async fn current(&self, state: &mut State) -> Result<Secret, Lack> {
        let now = self.world.now();
        if let Some(token) = state.current.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.kept.secret().clone());
        }
        if let Some(lack) = state.withheld.lack(now) {
            return Err(lack);
        }
        match self.ask().await {
            Ok(granted) => {
                let secret = Secret::new(granted.access_token);
                let renew_at = renew_at(granted.expires_in.as_ref(), now);
                tracing::info!(endpoint = self.endpoint(), %renew_at, "a target's token was granted");
                let current = Some(Token { kept: self.vault.keep(secret.clone()), renew_at });
                *state = State { current, renewed_at: state.renewed_at, ..State::default() };
                Ok(secret)
            }
            Err(Denied { denial, why, retry_after }) => {
                let code = match denial {
                    Denial::Refused => "token-refused",
                    Denial::Unavailable => "token-unavailable",
                };
                let trouble = Trouble::new(code, format!("{}: {why}", self.endpoint()));
                let lack = state.withheld.denied(denial, trouble, retry_after, now);
                let pause_s = lack.pause.as_secs();
                tracing::warn!(code, endpoint = self.endpoint(), why, pause_s, "no token for a target");
                Err(lack)
            }
        }
    }

    fn endpoint(&self) -> &str {
        self.grant.token_url.host_str().unwrap_or_default()
    }

    async fn ask(&self) -> Result<Granted, Denied> {
        let unavailable = |why: String| Denied { denial: Denial::Unavailable, why, retry_after: None };
        let Grant { token_url, client_id, client_secret, scope, audience } = &self.grant;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(scope.as_deref().map(|scope| ("scope", scope)));
        form.extend(audience.as_deref().map(|audience| ("audience", audience)));
        let request = self.http.post(token_url.clone()).header("accept", "application/json").form(&form);
        let request = request.basic_auth(form_encoded(client_id), Some(form_encoded(client_secret.expose())));
        let answer = request.send().await.map_err(|error| unavailable(web::reason(&error)))?;
        let (status, retry_after) = (answer.status(), web::retry_after(answer.headers(), self.world.now()));
        let body = web::read_bounded(answer, ANSWER_BYTES_MAX).await.map_err(|unread| match unread {
            web::Unread::TooLarge { bytes_max } => {
                unavailable(format!("its answer has more than {bytes_max} bytes"))
            }
            web::Unread::Broken(why) => unavailable(why),
        })?;
        if status.is_success() {
            // Not with the parser's words: they could quote the answer.
            return serde_json::from_slice(&body)
                .map_err(|_| unavailable("its answer holds no access_token".to_owned()));
        }
        let said = refusal(&body).map(|word| format!(", {word}")).unwrap_or_default();
        let why = format!("it answered {}{said}", status.as_u16());
        let comes_back = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        let is_refused = status.is_client_error() && !comes_back;
        Err(Denied {
            denial: if is_refused { Denial::Refused } else { Denial::Unavailable },
            why,
            retry_after,
        })
    }
}

/// As RFC 6749, 2.3.1 wants it before the two go into a Basic credential.
fn form_encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        // What no server must decode stays readable for those that do not.
        .replace("%2D", "-")
        .replace("%2E", ".")
        .replace("%5F", "_")
        .replace("%7E", "~")
}

/// The error's word; its description may say back what it was told.
fn refusal(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let word = answer["error"].as_str()?;
    let is_word = word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then(|| word.to_owned())
}

/// `expires_in` may be a number or text.
fn renew_at(expires_in: Option<&serde_json::Value>, now: Timestamp) -> Timestamp {
    let seconds = expires_in.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
    let life = seconds.map_or(LIFE_UNKNOWN, Duration::from_secs);
    now + renewed_after(life)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_before_its_end() {
        for (expires_in, seconds) in [
            ("3600", 3540),
            ("\"3600\"", 3540),
            ("600", 540),
            ("100", 90),
            ("0", 0),
            ("null", 840),
            ("\"soon\"", 840),
        ] {
            let expires_in = serde_json::from_str(expires_in).expect("JSON");
            let at = renew_at(Some(&expires_in), Timestamp::default());
            assert_eq!(at.since(Timestamp::default()), Duration::from_secs(seconds), "{expires_in}");
        }
        assert_eq!(renew_at(None, Timestamp::default()).millis(), 840_000);
    }

    #[test]
    fn what_an_endpoint_says_is_told_only_where_it_is_a_word() {
        for (body, word) in [
            (r#"{"error":"invalid_client","error_description":"no good: s3cret"}"#, Some("invalid_client")),
            (r#"{"error":"s3cret is no good"}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(refusal(body.as_bytes()).as_deref(), word, "{body}");
        }
    }

    #[test]
    fn the_client_is_encoded_as_a_form_would_be() {
        assert_eq!(form_encoded("punch-down_1.2~"), "punch-down_1.2~");
        assert_eq!(form_encoded("a:b c%"), "a%3Ab%20c%25");
    }
}
