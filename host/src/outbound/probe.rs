//! Whether a target can be reached: a connection like that of a request, with its addresses, its
//! roots and its certificate, and no request on it.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::http::Extensions;
use hyper_util::client::legacy::connect::Connection;
use reqwest::tls::TlsInfo;
use tower_layer::Layer;
use tower_service::Service;

use super::Targets;
use super::target::Target;
use crate::domain::{Group, Trouble};
use crate::web::{self, Validity};

impl Targets {
    /// Connects, and says for how long the certificate that it saw is good; `None` where it saw none.
    ///
    /// # Errors
    /// Why that cannot be done, in a sentence.
    pub async fn reach(&self, group: &Group) -> Result<Option<Validity>, String> {
        let target = self.of(group).ok_or_else(|| format!("group {group} has no target"))?;
        reach(&target).await
    }

    /// Asks for the token of a target that wants one; whether it does.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ask_for_token(&self, group: &Group) -> Result<bool, Trouble> {
        let Some(target) = self.of(group) else { return Ok(false) };
        target.token().await.map(|token| token.is_some()).map_err(|lack| lack.trouble)
    }
}

async fn reach(target: &Target) -> Result<Option<Validity>, String> {
    let client = target.settings.builder(&target.base, target.settings.timeout);
    let client = client.and_then(|client| client.tls_info(true).connector_layer(Stop).build());
    let client = client.map_err(|error| web::reason(&error))?;
    match client.get(target.base.clone()).send().await {
        Err(error) => match reached(&error) {
            Some(Reached(validity)) => Ok(*validity),
            None => Err(web::reason(&error)),
        },
        Ok(_) => Err("a request was sent that should not have been".to_owned()),
    }
}

fn reached(error: &reqwest::Error) -> Option<&Reached> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(reached) = error.downcast_ref() {
            return Some(reached);
        }
        cause = error.source();
    }
    None
}

/// The connection stands, and nothing is to be sent on it.
#[derive(Debug, thiserror::Error)]
#[error("connected")]
struct Reached(Option<Validity>);

impl Reached {
    fn by(connection: &impl Connection) -> Self {
        let mut seen = Extensions::new();
        connection.connected().get_extras(&mut seen);
        Self(seen.get().and_then(|seen: &TlsInfo| Validity::seen(seen)))
    }
}

#[derive(Clone)]
struct Stop;

/// Connects as it would without us, and ends there.
#[derive(Clone)]
struct Stopping<S>(S);

impl<S> Layer<S> for Stop {
    type Service = Stopping<S>;

    fn layer(&self, connector: S) -> Self::Service {
        Stopping(connector)
    }
}

impl<S, R> Service<R> for Stopping<S>
where
    S: Service<R>,
    S::Error: From<Reached>,
    S::Response: Connection + Send,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.0.call(request);
        Box::pin(async move { Err(Reached::by(&connecting.await?).into()) })
    }
}
