//! Which adapter serves which group.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{Adapter, Limits};
use crate::domain::{Digest, Errand, Group, Json, Notification, Progress, Reading};
use crate::ports::{AdapterError, Adapters, Needs, Question, Register, Run};

/// Questions that a group may ask at the same time: computing is all they do.
const QUESTIONS_PER_GROUP: usize = 4;

/// An adapter in the service of a group.
#[derive(Clone)]
pub struct Serving {
    pub adapter: Adapter,
    pub config: Json,
    pub notify_at: Option<String>,
    pub limits: Limits,
}

#[derive(Default)]
pub struct Catalog {
    groups: BTreeMap<Group, (Serving, Arc<Semaphore>)>,
}

impl Catalog {
    pub fn new(groups: impl IntoIterator<Item = (Group, Serving)>) -> Self {
        let of_group = |(group, serving)| (group, (serving, Arc::new(Semaphore::new(QUESTIONS_PER_GROUP))));
        Self { groups: groups.into_iter().map(of_group).collect() }
    }

    /// Every group with what serves it.
    pub fn served(&self) -> impl Iterator<Item = (&Group, &Adapter)> {
        self.groups.iter().map(|(group, (serving, _))| (group, &serving.adapter))
    }

    fn serving(&self, group: &Group) -> Result<&(Serving, Arc<Semaphore>), AdapterError> {
        self.groups.get(group).ok_or_else(|| AdapterError::NotLoaded(group.clone()))
    }
}

#[async_trait]
impl Adapters for Catalog {
    fn needs(&self, group: &Group) -> Option<Needs> {
        let (serving, _) = self.groups.get(group)?;
        Some(Needs {
            digest: serving.adapter.digest().clone(),
            queries: serving.adapter.description().queries.clone(),
            config: serving.config.clone(),
            notify_at: serving.notify_at.clone(),
            logs_in: serving.adapter.logs_in(),
            registers: serving.adapter.registers(),
        })
    }

    fn secret_fields(&self, group: &Group) -> Vec<String> {
        let serving = self.groups.get(group);
        serving.map(|(serving, _)| serving.adapter.description().secret_fields.clone()).unwrap_or_default()
    }

    async fn provision(&self, question: Question) -> Result<(Progress, Digest), AdapterError> {
        let (serving, slots) = self.serving(&question.group)?;
        let _slot = slots.acquire().await;
        let progress = serving.adapter.provision(&question, serving.limits).await;
        Ok((progress.map_err(AdapterError::Fault)?, serving.adapter.digest().clone()))
    }

    async fn read_notification(&self, group: &Group, raw: &Notification) -> Result<Reading, AdapterError> {
        let (serving, slots) = self.serving(group)?;
        let _slot = slots.acquire().await;
        let reading = serving.adapter.read_notification(&serving.config, raw, serving.limits).await;
        reading.map_err(AdapterError::Fault)
    }

    async fn log_in(&self, run: Run) -> Result<Errand, AdapterError> {
        let (serving, slots) = self.serving(&run.group)?;
        let _slot = slots.acquire().await;
        let errand = serving.adapter.log_in(&serving.config, &run, serving.limits).await;
        errand.map_err(AdapterError::Fault)
    }

    async fn register(&self, run: Run, how: Register) -> Result<Errand, AdapterError> {
        let (serving, slots) = self.serving(&run.group)?;
        let _slot = slots.acquire().await;
        let errand = serving.adapter.register(&serving.config, &run, how, serving.limits).await;
        errand.map_err(AdapterError::Fault)
    }
}
