//! Asks PortaBilling, once after the start, whether it knows the service groups that this host
//! reports for. A status for one that it does not know is refused, again and again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use super::Settings;
use crate::domain::Service;
use crate::ports::Tokens;
use crate::web;

const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Between attempts; doubled each time, up to the second.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

#[derive(Clone)]
pub struct Groups {
    http: reqwest::Client,
    url: String,
    tokens: Arc<dyn Tokens>,
    /// Those that this host reports for.
    reported: BTreeSet<Service>,
}

#[derive(Deserialize)]
struct Answer {
    group_list: Vec<Row>,
}

/// Its other members are text in one document and numbers in the next; nobody needs them.
#[derive(Deserialize)]
struct Row {
    name: String,
}

/// Why it is not known which service groups there are.
#[derive(Debug, thiserror::Error)]
pub enum NotChecked {
    /// It may be answered another time.
    #[error("{0}")]
    Later(String),
    /// PortaBilling has no such list for us.
    #[error("{0}")]
    Never(String),
}

impl Groups {
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        settings: &Settings,
        tokens: Arc<dyn Tokens>,
        reported: BTreeSet<Service>,
    ) -> reqwest::Result<Self> {
        let http = web::client_by(&settings.way, &settings.url, settings.timeout)?;
        Ok(Self { http, url: format!("{}/espf/v1/groups", settings.url), tokens, reported })
    }

    /// The same for what is reported from now on.
    pub fn reporting(&self, reported: BTreeSet<Service>) -> Self {
        Self { reported, ..self.clone() }
    }

    /// Warns of each service that PortaBilling does not know. Nothing waits for this.
    pub async fn check(&self) {
        let (mut pause, longest) = PAUSE;
        loop {
            match self.unknown().await {
                Ok(unknown) => return self.tell(&unknown),
                Err(NotChecked::Never(why)) => {
                    return tracing::warn!(why, "service groups cannot be checked");
                }
                Err(NotChecked::Later(why)) => {
                    tracing::info!(why, pause_s = pause.as_secs(), "service groups are not checked yet");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Those that this host reports for.
    pub fn reported(&self) -> &BTreeSet<Service> {
        &self.reported
    }

    fn tell(&self, unknown: &[&Service]) {
        for service in unknown {
            tracing::warn!(
                %service,
                help = "register it there, or name another one in `service` or `reports` of the group",
                "PortaBilling knows no such service group, and will refuse its statuses"
            );
        }
        if unknown.is_empty() {
            tracing::info!(services = self.reported.len(), "PortaBilling knows the service groups");
        }
    }

    /// The services that PortaBilling does not know.
    ///
    /// # Errors
    /// When it does not say which ones it knows.
    pub async fn unknown(&self) -> Result<Vec<&Service>, NotChecked> {
        let mut answer = self.ask().await?;
        if answer.0 == StatusCode::UNAUTHORIZED {
            answer = self.ask().await?;
        }
        unknown(&self.reported, answer.0, &answer.1)
    }

    async fn ask(&self) -> Result<(StatusCode, Vec<u8>), NotChecked> {
        let token = self.tokens.bearer().await.map_err(|error| NotChecked::Later(error.to_string()))?;
        let request = self.http.get(&self.url).bearer_auth(token.expose());
        let answer = request.send().await.map_err(|error| NotChecked::Later(web::reason(&error)))?;
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            self.tokens.doubted(&token).await;
        }
        match web::read_bounded(answer, ANSWER_BYTES_MAX).await {
            Ok(body) => Ok((status, body)),
            Err(web::Unread::Broken(why)) => Err(NotChecked::Later(why)),
            Err(web::Unread::TooLarge { bytes_max }) => {
                Err(NotChecked::Never(format!("the list has more than {bytes_max} bytes")))
            }
        }
    }
}

fn unknown<'a>(
    reported: &'a BTreeSet<Service>,
    status: StatusCode,
    body: &[u8],
) -> Result<Vec<&'a Service>, NotChecked> {
    if matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
        return Err(NotChecked::Never(format!("HTTP {status}")));
    }
    if !status.is_success() {
        return Err(NotChecked::Later(format!("HTTP {status}")));
    }
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| NotChecked::Later(format!("the answer is not as it should be: {error}")))?;
    let known: BTreeSet<&str> = answer.group_list.iter().map(|row| row.name.trim()).collect();
    Ok(reported.iter().filter(|service| !known.contains(service.0.as_str())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_says_of_the_service_groups() {
        let reported = BTreeSet::from(["HSS", "OMS"].map(|name| Service(name.to_owned())));
        let read = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            match unknown(&reported, status, body.as_bytes()) {
                Ok(unknown) => unknown.iter().map(|service| service.0.as_str()).collect::<Vec<_>>().join(" "),
                Err(NotChecked::Later(_)) => "later".to_owned(),
                Err(NotChecked::Never(_)) => "never".to_owned(),
            }
        };
        let both = r#"{"group_list":[{"i_group":"2","name":"HSS","is_custom":false},{"i_group":1001,"name":"OMS","is_custom":"1"}]}"#;
        for (status, body, told) in [
            (200, both, ""),
            (200, r#"{"group_list":[{"i_group":"2","name":" HSS "}]}"#, "OMS"),
            (200, r#"{"group_list":[]}"#, "HSS OMS"),
            (200, "<html>", "later"),
            (200, "{}", "later"),
            (401, "", "later"),
            (503, "", "later"),
            (500, both, "later"),
            (403, "", "never"),
            (404, "", "never"),
        ] {
            assert_eq!(read(status, body), told, "{status} {body}");
        }
    }
}
