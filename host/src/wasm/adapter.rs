//! A loaded component, and the questions that it answers.

use std::sync::Arc;

use wasmtime::Store;

use super::bindings::{Adapter as World, AdapterPre};
use super::guest::{Guest, Seed, ask};
use super::{Limits, Sandbox, convert};
use crate::domain::{
    Description, Digest, Json, Notification, Problem, Progress, Reading, Reason, Timestamp, Trouble,
};
use crate::ports::Question;

/// Of a name and a version: they stand in logs and on pages.
const NAME_CHARS_MAX: usize = 64;

/// A component that fits the contract and has said who it is.
#[derive(Clone)]
pub struct Adapter {
    pre: AdapterPre<Guest>,
    digest: Digest,
    description: Arc<Description>,
    /// Of questions outside any operation.
    limits: Limits,
    /// Counts its time.
    _sandbox: Sandbox,
}

impl Adapter {
    /// Asks a component who it is.
    pub(super) async fn introduce(
        sandbox: Sandbox,
        pre: AdapterPre<Guest>,
        digest: Digest,
        limits: Limits,
    ) -> Result<Self, Trouble> {
        let said =
            ask(&pre, digest.short(), limits, &AT_REST, async |world: &World, store: &mut Store<Guest>| {
                world.punchdown_adapter_external_system().call_describe(store).await
            });
        let description = convert::description(said.await?)?;
        for word in [&description.name, &description.version] {
            if word.is_empty() || word.chars().count() > NAME_CHARS_MAX || word.chars().any(char::is_control)
            {
                return Err(Reason::AdapterRefused.trouble(format!(
                    "its name and its version must be of 1 to {NAME_CHARS_MAX} characters in one line"
                )));
            }
        }
        Ok(Self { pre, digest, description: Arc::new(description), limits, _sandbox: sandbox })
    }

    pub fn description(&self) -> &Description {
        &self.description
    }

    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// All that is wrong with a group's configuration, as the adapter sees it.
    ///
    /// # Errors
    /// When it stops, or is stopped, instead of answering.
    pub async fn check_config(&self, config: &Json) -> Result<Vec<Problem>, Trouble> {
        let config = config.text().to_owned();
        let said = self.ask(self.limits, &AT_REST, async move |world, store| {
            world.punchdown_adapter_external_system().call_check_config(store, &config).await
        });
        Ok(convert::problems(said.await?))
    }

    pub(super) async fn provision(&self, question: &Question, limits: Limits) -> Result<Progress, Trouble> {
        let (operation, history) = (convert::operation(question), convert::history(&question.history));
        let seed = Seed { began: question.laid_down.began, name: &question.operation.0 };
        let said = self.ask(limits, &seed, async move |world, store| {
            world.punchdown_adapter_external_system().call_provision(store, &operation, &history).await
        });
        said.await.and_then(convert::progress)
    }

    pub(super) async fn read_notification(
        &self,
        config: &Json,
        raw: &Notification,
        limits: Limits,
    ) -> Result<Reading, Trouble> {
        let (config, notification) = (config.text().to_owned(), convert::notification(raw));
        let seed = Seed { began: raw.received_at, name: "notification" };
        let said = self.ask(limits, &seed, async move |world, store| {
            world
                .punchdown_adapter_external_system()
                .call_read_notification(store, &config, &notification)
                .await
        });
        said.await.and_then(convert::reading)
    }

    async fn ask<T, Q>(&self, limits: Limits, seed: &Seed<'_>, question: Q) -> Result<T, Trouble>
    where
        T: Send + 'static,
        Q: AsyncFnOnce(&World, &mut Store<Guest>) -> wasmtime::Result<T> + Send + 'static,
    {
        ask(&self.pre, &self.description.name, limits, seed, question).await
    }
}

/// Outside any operation the clock stands at the beginning of time.
const AT_REST: Seed<'static> = Seed { began: Timestamp::from_millis(0), name: "" };
