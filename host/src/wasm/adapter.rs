//! A loaded component, and the questions that it answers.

use std::sync::Arc;

use wasmtime::Store;

use super::bindings::registration::RegistrationPre;
use super::bindings::session::SessionPre;
use super::bindings::{Adapter as World, AdapterPre};
use super::guest::{Asking, Guest, Seed, ask};
use super::{Limits, Sandbox, convert};
use crate::domain::{
    Description, Digest, Errand, Json, Notification, Problem, Progress, Reading, Reason, Timestamp, Trouble,
};
use crate::ports::{Question, Register, Run};
use crate::secret::Screen;

/// Of a name and a version: they stand in logs and on pages.
const NAME_CHARS_MAX: usize = 64;

/// A component that fits the contract and has said who it is.
#[derive(Clone)]
pub struct Adapter {
    pre: AdapterPre<Guest>,
    /// The optional interfaces, where it has them.
    session: Option<SessionPre<Guest>>,
    registration: Option<RegistrationPre<Guest>>,
    not_asked: Arc<[String]>,
    digest: Digest,
    description: Arc<Description>,
    /// Of questions outside any operation.
    limits: Limits,
    /// Counts its time.
    sandbox: Sandbox,
}

impl Adapter {
    /// Asks a component who it is.
    pub(super) async fn introduce(
        sandbox: Sandbox,
        pre: AdapterPre<Guest>,
        not_asked: Vec<String>,
        digest: Digest,
        limits: Limits,
    ) -> Result<Self, Trouble> {
        let screen = Screen::new(sandbox.vault.clone(), &[]);
        let asking = Asking { adapter: digest.short(), limits, seed: AT_REST, confidential: false, screen };
        let said = ask_one(&sandbox, &pre, &asking, async |world, store| {
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
        let session = SessionPre::new(pre.instance_pre().clone()).ok();
        let registration = RegistrationPre::new(pre.instance_pre().clone()).ok();
        let (not_asked, description) = (not_asked.into(), Arc::new(description));
        Ok(Self { pre, session, registration, not_asked, digest, description, limits, sandbox })
    }

    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Interfaces of the contract's package that it exports and this host does not know: a later one asks there.
    pub fn not_asked(&self) -> &[String] {
        &self.not_asked
    }

    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Within which it was loaded.
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// All that is wrong with a group's configuration, as the adapter sees it.
    ///
    /// # Errors
    /// When it stops, or is stopped, instead of answering.
    pub async fn check_config(&self, config: &Json) -> Result<Vec<Problem>, Trouble> {
        let config = config.text().to_owned();
        let said = self.ask(self.limits, AT_REST, None, async move |world, store| {
            world.punchdown_adapter_external_system().call_check_config(store, &config).await
        });
        Ok(convert::problems(said.await?))
    }

    pub(super) async fn provision(&self, question: &Question, limits: Limits) -> Result<Progress, Trouble> {
        let (operation, history) = (convert::operation(question), convert::history(&question.history));
        let seed = Seed { began: question.laid_down.began, name: &question.operation.0 };
        let subscriber = question.laid_down.subscriber.as_ref();
        let documents = subscriber.map(|subscriber| subscriber.documents.clone());
        let said = self.ask(limits, seed, documents, async move |world, store| {
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
        let said = self.ask(limits, seed, None, async move |world, store| {
            world
                .punchdown_adapter_external_system()
                .call_read_notification(store, &config, &notification)
                .await
        });
        said.await.and_then(convert::reading)
    }

    pub fn logs_in(&self) -> bool {
        self.session.is_some()
    }

    /// What it is given holds a session, so nothing that it says on the side is kept.
    pub(super) async fn log_in(&self, config: &Json, run: &Run, limits: Limits) -> Result<Errand, Trouble> {
        let Some(session) = self.session.clone() else {
            return Err(Reason::AdapterBroken.trouble("the adapter has no interface `session`"));
        };
        let (config, history) = (config.text().to_owned(), convert::history(&run.history));
        let asking = self.in_confidence(limits, run);
        let said = ask(&self.sandbox, &asking, async move |store| {
            let world = session.instantiate_async(&mut *store).await?;
            world.punchdown_adapter_session().call_log_in(store, &config, &history).await
        });
        said.await.and_then(convert::errand)
    }

    pub fn registers(&self) -> bool {
        self.registration.is_some()
    }

    /// Whoever knows the address may notify, so nothing that it says on the side is kept.
    pub(super) async fn register(
        &self,
        config: &Json,
        run: &Run,
        how: Register,
        limits: Limits,
    ) -> Result<Errand, Trouble> {
        let Some(registration) = self.registration.clone() else {
            return Err(Reason::AdapterBroken.trouble("the adapter has no interface `registration`"));
        };
        let (config, history) = (config.text().to_owned(), convert::history(&run.history));
        let asking = self.in_confidence(limits, run);
        let said = ask(&self.sandbox, &asking, async move |store| {
            let world = registration.instantiate_async(&mut *store).await?;
            let world = world.punchdown_adapter_registration();
            match how {
                Register::At { address, standing } => {
                    let standing = standing.map(|standing| standing.text().to_owned());
                    world.call_register_at(store, &config, &address, standing.as_ref(), &history).await
                }
                Register::NoMore { standing } => {
                    world.call_unregister(store, &config, &standing.text().to_owned(), &history).await
                }
            }
        });
        said.await.and_then(convert::errand)
    }

    fn in_confidence<'a>(&'a self, limits: Limits, run: &'a Run) -> Asking<'a> {
        let (seed, screen) = (Seed { began: run.began, name: &run.id.0 }, Screen::default());
        Asking { adapter: &self.description.name, limits, seed, confidential: true, screen }
    }

    async fn ask<T, Q>(
        &self,
        limits: Limits,
        seed: Seed<'_>,
        documents: Option<Json>,
        question: Q,
    ) -> Result<T, Trouble>
    where
        T: Send + 'static,
        Q: AsyncFnOnce(&World, &mut Store<Guest>) -> wasmtime::Result<T> + Send + 'static,
    {
        let screen = Screen::new(self.sandbox.vault.clone(), &self.description.secret_fields);
        let screen = screen.speaking_of(documents);
        let asking = Asking { adapter: &self.description.name, limits, seed, confidential: false, screen };
        ask_one(&self.sandbox, &self.pre, &asking, question).await
    }
}

/// Asks one question of the contract in a fresh instance.
async fn ask_one<T, Q>(
    sandbox: &Sandbox,
    pre: &AdapterPre<Guest>,
    asking: &Asking<'_>,
    question: Q,
) -> Result<T, Trouble>
where
    T: Send + 'static,
    Q: AsyncFnOnce(&World, &mut Store<Guest>) -> wasmtime::Result<T> + Send + 'static,
{
    let pre = pre.clone();
    ask(sandbox, asking, async move |store| {
        let world = pre.instantiate_async(&mut *store).await?;
        question(&world, store).await
    })
    .await
}

/// Outside any operation the clock stands at the beginning of time.
const AT_REST: Seed<'static> = Seed { began: Timestamp::from_millis(0), name: "" };
