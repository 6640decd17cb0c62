//! The adapters, which stop at times, are not there, or are another version.

use std::time::Duration;

use async_trait::async_trait;
use punchdown::domain::{
    Correlation, Delivery, Digest, Errand, Group, Happening, IAccount, Json, Notification, Otherwise,
    Progress, Reading, Received, Response, Signal, Standing, Trouble,
};
use punchdown::ports::{AdapterError, Adapters, Needs, Question, Register, Run, Slot};
use serde_json::{Value, json};

use crate::flow::{self, request};
use crate::plan::Manner;
use crate::universe::Host;

pub struct Hand(pub Host);

impl Hand {
    fn digest(&self, group: &Group) -> Option<Digest> {
        let state = self.0.state();
        let version = state.versions.get(group).copied().unwrap_or_default();
        let is_there = !state.adapters_gone.contains(group);
        is_there.then(|| self.0.universe.group(group).digest(version))
    }

    /// Its digest, unless it stops at this question.
    fn asked(&self, group: &Group) -> Result<Digest, AdapterError> {
        let digest = self.digest(group).ok_or_else(|| AdapterError::NotLoaded(group.clone()))?;
        let mut state = self.0.state();
        if state.fails(|weather| weather.adapter_stops) {
            state.note(format!("adapter of {group} stops"));
            return Err(AdapterError::Fault(Trouble::new("adapter-limit", "it ran out of fuel")));
        }
        Ok(digest)
    }
}

#[async_trait]
impl Adapters for Hand {
    fn needs(&self, group: &Group) -> Option<Needs> {
        let plan = self.0.universe.group(group);
        Some(Needs {
            digest: self.digest(group)?,
            queries: Vec::new(),
            config: Json::empty_object(),
            notify_at: None,
            registers: false,
            logs_in: plan.manner == Manner::Put { session: true },
        })
    }

    fn serves(&self, _group: &Group) -> bool {
        true
    }

    fn secret_fields(&self, _group: &Group) -> Vec<String> {
        Vec::new()
    }

    async fn keeps(&self, _group: &Group, _digest: &Digest) -> bool {
        false
    }

    async fn have_at_hand(&self, _group: &Group, _digest: &Digest) {}

    async fn slot(&self, _group: &Group) -> Slot {
        Box::new(())
    }

    async fn provision_by(
        &self,
        digest: &Digest,
        question: Question,
    ) -> Result<(Progress, Digest), AdapterError> {
        self.0.gate().await;
        tokio::task::yield_now().await;
        self.0.gate().await;
        // Those that served before are gone.
        match self.asked(&question.group)? {
            serving if serving == *digest => {
                Ok((flow::provision(self.0.universe.group(&question.group), &question), serving))
            }
            _ => Err(AdapterError::NotLoaded(question.group)),
        }
    }

    async fn read_notification(&self, group: &Group, raw: &Notification) -> Result<Reading, AdapterError> {
        self.0.gate().await;
        tokio::task::yield_now().await;
        self.0.gate().await;
        self.asked(group)?;
        let body: Value = serde_json::from_slice(raw.body.bytes()).unwrap_or(Value::Null);
        let id = body["id"].as_str().map(str::to_owned);
        let (correlation, otherwise) = match (&body["external"], &body["account"]) {
            (Value::String(external), _) => (Correlation::Key(external.clone()), Otherwise::Keep),
            (_, Value::Number(account)) => {
                (Correlation::IAccount(IAccount(account.as_u64().unwrap_or_default())), Otherwise::Begin)
            }
            _ => (Correlation::Key(format!("order-{}", body["order"])), Otherwise::Keep),
        };
        let payload = Json::parse(body.to_string()).unwrap_or_else(|_| Json::null());
        let signals = vec![Signal { id, correlation, payload, otherwise }];
        Ok(Reading { reply: Response::ACCEPTED, signals, unread: None })
    }

    async fn log_in(&self, run: Run) -> Result<Errand, AdapterError> {
        self.0.gate().await;
        self.asked(&run.group)?;
        let Some(entry) = run.history.last() else {
            let ask = request("log-in", "POST", "/log-in".to_owned(), None, Delivery::Repeatable);
            return Ok(Errand::Send(ask));
        };
        let answer = match &entry.what {
            Happening::Exchanged(exchange) => match &exchange.outcome {
                Received::Answered(answer) if answer.status == 200 => answer,
                _ => return Ok(Errand::Again(Trouble::new("away", "no session now"))),
            },
            Happening::Notified(_) | Happening::Elapsed => {
                return Ok(Errand::Fail(Trouble::new("odd", "odd")));
            }
        };
        let body: Value = serde_json::from_slice(answer.body.bytes()).unwrap_or(Value::Null);
        let value = Json::parse(json!({"token": body["token"]}).to_string());
        let value = value.unwrap_or_else(|_| Json::empty_object());
        Ok(Errand::Ready(Standing { value, life: Some(Duration::from_secs(90)) }))
    }

    async fn register(&self, _run: Run, _how: Register) -> Result<Errand, AdapterError> {
        Ok(Errand::Fail(Trouble::new("odd", "no group registers")))
    }
}
