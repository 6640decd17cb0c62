//! Hosts with one promise broken on purpose. What claims to prove a promise must catch the host that breaks it,
//! or it proves nothing. The host itself has no setting for any of them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use punchdown::domain::{Change, Event, EventIdentity, Stage, Timestamp};
use punchdown::ports::{Acceptance, Claim, Held, Journal, JournalError, Lease, Leased, Work};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::journal::Bent;

/// Answers an event before it is committed. And for three events it does what none may: `Never/Stored` has no answer,
/// `Never/Told` panics and says all that it knows, `Never/Survived` takes the process along.
pub struct AnswersEarly(pub Arc<dyn Journal>);

/// How long an answered event stays in memory alone.
const UNWRITTEN_FOR: Duration = Duration::from_millis(50);

#[async_trait]
impl Bent for AnswersEarly {
    fn journal(&self) -> &dyn Journal {
        &*self.0
    }

    async fn accept(&self, event: Event, work: Work) -> Result<Acceptance, JournalError> {
        match event.name.as_str() {
            "Never/Stored" => return std::future::pending().await,
            "Never/Told" => panic!("cannot store {event:?} with {}", event.variables.text()),
            "Never/Survived" => std::process::abort(),
            _ => {}
        }
        let journal = Arc::clone(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(UNWRITTEN_FOR).await;
            journal.accept(event, work).await
        });
        Ok(Acceptance::New)
    }
}

/// Takes a repeated event for a new one.
pub struct KnowsNoRepeats(pub Box<dyn Journal>);

#[async_trait]
impl Bent for KnowsNoRepeats {
    fn journal(&self) -> &dyn Journal {
        &*self.0
    }

    async fn accept(&self, mut event: Event, mut work: Work) -> Result<Acceptance, JournalError> {
        while self.0.accept(event.clone(), work.clone()).await? == Acceptance::Repeated {
            event.identity = EventIdentity(format!("{}-again", event.identity));
            if let Work::Operations(operations) = &mut work {
                for operation in operations {
                    operation.event.identity = event.identity.clone();
                }
            }
        }
        Ok(Acceptance::New)
    }
}

/// Takes a request that its former self has marked for one that it has marked just now, and sends it.
pub struct SendsAgain(pub Box<dyn Journal>);

#[async_trait]
impl Bent for SendsAgain {
    fn journal(&self) -> &dyn Journal {
        &*self.0
    }

    async fn lease(&self, claim: Claim) -> Result<Leased, JournalError> {
        let mut leased = self.0.lease(claim).await?;
        for (lease, held) in &mut leased.lanes {
            if let Stage::OnItsWay { epoch, .. } = &mut held.operation.stage {
                *epoch = lease.epoch;
            }
        }
        Ok(leased)
    }
}

/// Does not ask whose lane it is: whoever saves, saves in the name of who has it now.
pub struct AsksForNoLease {
    journal: Box<dyn Journal>,
    newest: Mutex<BTreeMap<i64, Lease>>,
}

impl AsksForNoLease {
    pub fn new(journal: Box<dyn Journal>) -> Self {
        Self { journal, newest: Mutex::default() }
    }

    fn of_now(&self, lease: &Lease) -> Lease {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.get(&lease.lane).unwrap_or(lease).clone()
    }
}

#[async_trait]
impl Bent for AsksForNoLease {
    fn journal(&self) -> &dyn Journal {
        &*self.journal
    }

    async fn lease(&self, claim: Claim) -> Result<Leased, JournalError> {
        let leased = self.journal.lease(claim).await?;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.extend(leased.lanes.iter().map(|(lease, _)| (lease.lane, lease.clone())));
        Ok(leased)
    }

    async fn save(&self, lease: &Lease, change: Change, now: Timestamp) -> Result<Held, JournalError> {
        self.journal.save(&self.of_now(lease), change, now).await
    }
}
