//! Resyncs: goes through PortaBilling's accounts, and holds each against what was last done for it. The ESPF
//! forgets events that were once refused; this finds what they would have told of.
//!
//! Only the way is kept here. What is done with a lane stands in [`lane`], what is known of a run in
//! `domain/resync.rs`.

mod lane;

use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, RateLimiter};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Core;
use super::operators::Refused;
use crate::domain::fan_out::{Turn, turn};
use crate::domain::resync::{Counts, End, Ending, Found, Mode, Place, Whom};
use crate::domain::{
    Differing, Event, EventIdentity, Group, IAccount, ICustomer, Json, Lane, Listed, Person, Reached, Resync,
    RetrySchedule,
};
use crate::ports::{BillingError, JournalError, Work};
use crate::web::Rate;

/// The name by which an adapter knows such an operation.
const EVENT: &str = "Resync/Account";
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What a person said to another instance.
const HEAR_EVERY: Duration = Duration::from_secs(1);
const LANES_AT_A_TIME: usize = 100;

/// Before PortaBilling is asked again. It is not given up: what could not be read is still to be compared.
static PAUSES: LazyLock<RetrySchedule> = LazyLock::new(|| {
    let pauses = [1, 5, 30, 60].map(Duration::from_secs);
    RetrySchedule::new(pauses.to_vec()).expect("there are pauses")
});

#[derive(Default)]
pub struct Resyncs {
    /// One was begun, or ended by a person.
    changed: Notify,
}

pub async fn keep(core: &Core, rate: Rate, stop: CancellationToken) {
    let pace = rate.quota(NonZeroU32::MIN).map(RateLimiter::direct);
    while !stop.is_cancelled() {
        let under_way = core.ports.journal.resync().await.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot look for a resync");
            None
        });
        let under_way = under_way.filter(|resync| resync.end.is_none());
        let id = under_way.as_ref().map(|resync| resync.id.clone());
        let further = async {
            match under_way {
                Some(resync) => Walk::new(core, pace.as_ref(), resync).walk().await,
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        // Whatever it was at is done again, or is nobody's wish any more.
        tokio::select! {
            () = stop.cancelled() => {}
            () = core.resyncs.changed.notified() => {}
            () = core.until_said_elsewhere(id.as_deref()) => {}
            () = further => {}
        }
    }
}

/// Why a walk does not go on.
enum Halt {
    Journal(JournalError),
    /// PortaBilling will never answer that.
    Refused(String),
    /// Somebody ended it.
    Ended,
}

impl From<JournalError> for Halt {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// One run, from where it stands.
struct Walk<'a> {
    core: &'a Core,
    pace: Option<&'a DefaultDirectRateLimiter>,
    resync: Resync,
    /// Those that were there when it began; what their sections say is looked up when their turn comes.
    groups: Vec<Group>,
    /// Since the last word in the journal.
    seen: Vec<Lane>,
    differing: Vec<Differing>,
}

impl<'a> Walk<'a> {
    fn new(core: &'a Core, pace: Option<&'a DefaultDirectRateLimiter>, resync: Resync) -> Self {
        let is_wanted = |of: &&Group| resync.group.as_ref().is_none_or(|it| it == *of);
        let groups = core.groups.all().keys().filter(is_wanted).cloned().collect();
        Self { core, pace, groups, resync, seen: Vec::new(), differing: Vec::new() }
    }

    async fn walk(mut self) {
        let (resync, whom) = (self.resync.id.clone(), self.resync.whom);
        let how = match self.go_through(whom).await {
            Ok(()) => Ending::Done,
            Err(Halt::Refused(why)) => Ending::Failed(self.core.of_billing(&why)),
            Err(Halt::Ended) => return,
            Err(Halt::Journal(error)) => {
                tracing::error!(resync, %error, "a resync is not written down; it goes on where it was");
                return tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let Counts { accounts, same, differ, open, unread, adopted } = self.resync.counts;
        tracing::warn!(resync, ?how, accounts, same, differ, open, unread, adopted, "a resync has ended");
        self.resync.end = Some(End { at: self.core.ports.world.now(), how });
        if let Err(Halt::Journal(error)) = self.write_down().await {
            tracing::error!(resync, %error, "the end of a resync is not written down");
        }
    }

    async fn go_through(&mut self, whom: Whom) -> Result<(), Halt> {
        match whom {
            Whom::Account(i_account) => self.account(Listed { i_account, closed: false }).await,
            Whom::Customer(i_customer) => self.customer(i_customer).await,
            Whom::All => {
                while self.resync.place.lanes.is_none() {
                    self.customers().await?;
                }
                self.unlisted().await
            }
        }
    }

    /// The next page of customers, one after the other.
    async fn customers(&mut self) -> Result<(), Halt> {
        let Place { customers, last, .. } = self.resync.place;
        // From the last one that is done, so that it is seen whether the list has moved.
        let from = customers - u64::from(last.is_some());
        let page = self.until_answered(|| self.core.ports.billing.customers(from)).await?;
        if last.is_some() && page.first().copied() != last {
            self.resync.place.back();
            return self.write_down().await;
        }
        let next: Vec<ICustomer> = page.into_iter().skip(usize::from(last.is_some())).collect();
        if next.is_empty() {
            self.resync.place.lanes = Some(0);
            return self.write_down().await;
        }
        for i_customer in next {
            self.customer(i_customer).await?;
            self.resync.place.behind(i_customer);
            self.write_down().await?;
        }
        Ok(())
    }

    /// The accounts of a customer, page by page.
    async fn customer(&mut self, i_customer: ICustomer) -> Result<(), Halt> {
        loop {
            let reached = self.resync.place.accounts;
            let billing = &self.core.ports.billing;
            let accounts = || billing.accounts_of(i_customer, reached.position);
            match turn(reached, self.until_answered(accounts).await?) {
                Turn::Done => return Ok(()),
                Turn::Moved => self.resync.place.accounts = Reached::default(),
                Turn::On { accounts, reached } => {
                    for listed in accounts {
                        self.account(listed).await?;
                    }
                    self.resync.place.accounts = reached;
                    self.write_down().await?;
                }
            }
        }
    }

    /// Lanes of which something stands, and whose accounts are in none of PortaBilling's lists.
    async fn unlisted(&mut self) -> Result<(), Halt> {
        let groups = self.groups.clone();
        while let Some(behind) = self.resync.place.lanes {
            let journal = &self.core.ports.journal;
            let lanes = journal.unseen(&self.resync, &groups, behind, LANES_AT_A_TIME).await?;
            let Some((last, _)) = lanes.last() else { break };
            self.resync.place.lanes = Some(*last);
            for (_, Lane { i_account, group }) in lanes {
                self.turn_of_one().await;
                self.compare(Listed { i_account, closed: false }, &[group]).await?;
            }
            self.write_down().await?;
        }
        Ok(())
    }

    async fn account(&mut self, listed: Listed) -> Result<(), Halt> {
        self.turn_of_one().await;
        let groups = self.groups.clone();
        self.compare(listed, &groups).await
    }

    async fn turn_of_one(&mut self) {
        if let Some(pace) = self.pace {
            pace.until_ready().await;
        }
        self.resync.counts.accounts += 1;
    }

    /// Its lanes, one after the other; and begins an operation where one differs, if that is wanted.
    async fn compare(&mut self, listed: Listed, groups: &[Group]) -> Result<(), Halt> {
        let i_account = listed.i_account;
        let event = self.event(i_account);
        let mut operations = Vec::new();
        for settings in groups.iter().filter_map(|group| self.core.groups.of(group)) {
            let lane = Lane { i_account, group: settings.group.clone() };
            let Some(found) = self.lane(&settings, &event, &lane, listed.closed).await? else { continue };
            self.resync.counts.add(found);
            self.core.metrics.resynced(found);
            if let Found::Differs(how) = found {
                tracing::info!(resync = self.resync.id, group = %lane.group, %i_account, how = how.word(), "an account differs");
                self.differing.push(Differing { lane: lane.clone(), how });
                operations.push(self.core.operation(&settings, &event, i_account));
            }
            self.seen.push(lane);
        }
        if self.resync.mode == Mode::Drive && !operations.is_empty() {
            self.core.ports.journal.accept(event, Work::Operations(operations)).await?;
            groups.iter().for_each(|group| self.core.hints.lane(group));
        }
        Ok(())
    }

    /// The same for the same account of a run, so that one that was stored before a crash is known.
    fn event(&self, i_account: IAccount) -> Event {
        let id = format!("resync-{}-{i_account}", self.resync.id);
        Event {
            identity: EventIdentity(id.clone()),
            id,
            i_env: None,
            name: EVENT.to_owned(),
            i_account: Some(i_account),
            i_customer: None,
            received_at: self.core.ports.world.now(),
            variables: Json::empty_object(),
            enclosed: Json::empty_object(),
            trace: None,
        }
    }

    async fn write_down(&mut self) -> Result<(), Halt> {
        let (seen, differing) = (std::mem::take(&mut self.seen), std::mem::take(&mut self.differing));
        match self.core.ports.journal.resync_on(&self.resync, seen, differing).await? {
            true => Ok(()),
            false => Err(Halt::Ended),
        }
    }

    /// Asks PortaBilling until it answers.
    async fn until_answered<T, F>(&self, ask: impl Fn() -> F) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, BillingError>>,
    {
        let mut attempts = 0;
        loop {
            let why = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(BillingError::Refused(why)) => return Err(Halt::Refused(why)),
                Err(error) => self.core.of_billing(&error.to_string()),
            };
            attempts += 1;
            let pause = PAUSES.pause(attempts, None, self.core.ports.world.chance());
            tracing::warn!(resync = self.resync.id, attempts, why, "a resync waits for PortaBilling");
            tokio::time::sleep(pause).await;
        }
    }
}

impl Core {
    /// Another instance was told to end it. Where there is none nothing comes of this.
    async fn until_said_elsewhere(&self, id: Option<&str>) {
        let (true, Some(id)) = (self.ports.instances.among().several, id) else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(HEAR_EVERY).await;
            match self.ports.journal.resync().await {
                Ok(Some(resync)) if resync.id == id && resync.end.is_none() => {}
                Ok(_) => return,
                Err(error) => tracing::error!(%error, "cannot look for a resync"),
            }
        }
    }

    /// Begins a resync for a person.
    pub(super) async fn begin_resync(
        &self,
        whom: Whom,
        group: Option<Group>,
        mode: Mode,
        person: Person,
    ) -> Result<Resync, Refused> {
        if let Some(group) = group.as_ref().filter(|group| self.groups.of(group).is_none()) {
            return Err(Refused::Unknown(format!("group {group}")));
        }
        let resync = Resync {
            id: self.ports.world.new_id(),
            whom,
            group,
            mode,
            person: person.clone(),
            began_at: self.ports.world.now(),
            place: Place::default(),
            counts: Counts::default(),
            end: None,
        };
        if !self.ports.journal.begin_resync(&resync).await? {
            let why = "a resync is under way: wait for its end, or `punchdown resync --stop`";
            return Err(Refused::NotNow(why.to_owned()));
        }
        self.audit(&format!("resync {}", mode.word()), &resync.id, person).await?;
        self.resyncs.changed.notify_one();
        Ok(resync)
    }

    /// Ends the one that is under way.
    pub(super) async fn stop_resync(&self, person: Person) -> Result<Resync, Refused> {
        let under_way = self.ports.journal.resync().await?.filter(|resync| resync.end.is_none());
        let none = || Refused::NotNow("no resync is under way".to_owned());
        let mut resync = under_way.ok_or_else(none)?;
        resync.end = Some(End { at: self.ports.world.now(), how: Ending::Stopped });
        if !self.ports.journal.resync_on(&resync, Vec::new(), Vec::new()).await? {
            return Err(none());
        }
        self.resyncs.changed.notify_one();
        self.audit("resync stop", &resync.id, person).await?;
        Ok(resync)
    }
}
