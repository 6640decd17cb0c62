//! Tells PortaBilling what became different: the latest value of each account and service,
//! again and again until it is taken.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Core, LOOK_EVERY};
use crate::crash::how_it_ended;
use crate::domain::RetrySchedule;
use crate::ports::{JournalError, StatusError, StatusUpdate};

/// Posts under way at a time.
const AT_A_TIME: usize = 16;
/// Without a session nothing can be told, and none of it is to blame.
const SESSION_PAUSE: Duration = Duration::from_secs(2);
/// The pauses after a post that was not taken. The last repeats without end.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];

pub async fn tell(core: &Arc<Core>, stop: CancellationToken) {
    let mut lacking = false;
    while !stop.is_cancelled() {
        let batch = tell_due(core).await.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot tell statuses");
            Batch { due: 0, lacks: None }
        });
        if let Some(why) = &batch.lacks
            && !lacking
        {
            let why = core.of_billing(why);
            tracing::warn!(why, "statuses wait for a session with PortaBilling");
        }
        lacking = batch.lacks.is_some();
        if lacking {
            stop.run_until_cancelled(tokio::time::sleep(SESSION_PAUSE)).await;
            continue;
        }
        // A full batch may have left some behind.
        if batch.due == AT_A_TIME {
            continue;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = core.hints.statuses.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// How many were due, and why there was no session to tell them in.
struct Batch {
    due: usize,
    lacks: Option<String>,
}

/// A batch is told to its end before the next is read, so that no account hears an older word last.
async fn tell_due(core: &Arc<Core>) -> Result<Batch, JournalError> {
    let due = core.ports.journal.statuses_due(core.ports.world.now(), AT_A_TIME).await?;
    let mut batch = Batch { due: due.len(), lacks: None };
    let mut posts = JoinSet::new();
    for update in due {
        let core = Arc::clone(core);
        posts.spawn(async move { tell_one(&core, &update).await });
    }
    let mut failed = None;
    while let Some(done) = posts.join_next().await {
        // One that fails does not cut off those beside it.
        match done.unwrap_or_else(|error| Err(JournalError::Failed(how_it_ended(&error).to_owned()))) {
            Ok(lacks) => batch.lacks = batch.lacks.or(lacks),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(batch), Err)
}

/// Why there was no session to tell it in, if that was so: then it stands as it stood. Who leads no more tells nothing:
/// a newer word may be told by another instance.
async fn tell_one(core: &Core, update: &StatusUpdate) -> Result<Option<String>, JournalError> {
    let journal = &core.ports.journal;
    if update.told.as_ref() == Some(&update.said) {
        return journal.status_settled(update, true).await.map(|()| None);
    }
    let (i_account, service, status) = (update.i_account, &update.service, update.said.status);
    let among = core.ports.instances.among();
    // It may lead once more by now, and another one did in between.
    if !among.leads() || among.term != update.term {
        return Ok(None);
    }
    let posted = core.while_it_leads(core.ports.status_api.post(update)).await;
    match posted.unwrap_or_else(|| Err(StatusError::Later("this instance leads no more".to_owned()))) {
        Ok(()) => {
            core.metrics.status_post(status, "taken");
            tracing::info!(%i_account, %service, status = status.word(), "status told");
            journal.status_settled(update, true).await.map(|()| None)
        }
        Err(StatusError::NoSession(why)) => Ok(Some(why)),
        Err(StatusError::Later(why)) => {
            core.metrics.status_post(status, "later");
            let now = core.ports.world.now();
            let schedule = RetrySchedule::new(PAUSES.to_vec()).expect("there are pauses");
            let at = now + schedule.pause(update.attempts + 1, None, core.ports.world.chance());
            tracing::warn!(%i_account, %service, status = status.word(), why, %at, "status not taken");
            journal.status_later(update, at).await.map(|()| None)
        }
        Err(error @ StatusError::AccountGone) => {
            core.metrics.status_post(status, "refused");
            tracing::warn!(%i_account, %service, status = status.word(), %error, "status given up");
            journal.status_settled(update, false).await.map(|()| None)
        }
    }
}
