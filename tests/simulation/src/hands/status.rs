//! The status door of the ESPF.

use async_trait::async_trait;
use punchdown::ports::{StatusApi, StatusError, StatusUpdate};

use crate::promise::Promise;
use crate::universe::Host;

pub struct Hand(pub Host);

#[async_trait]
impl StatusApi for Hand {
    async fn post(&self, update: &StatusUpdate) -> Result<(), StatusError> {
        let host = &self.0;
        host.gate().await;
        host.takes(600).await;
        host.may_die("status").await;
        let taken = {
            let mut state = host.state();
            // One that stood still has an outbox that another one has emptied since; only the lanes have epochs.
            if state.stood_still.contains(&host.number) {
                return Err(StatusError::Later("this host stood still".to_owned()));
            }
            if state.fails(|weather| weather.no_status_session) {
                return Err(StatusError::NoSession("no session".to_owned()));
            }
            if state.fails(|weather| weather.status_refused) {
                return Err(StatusError::Later("503".to_owned()));
            }
            let place = (update.i_account, update.service.clone());
            if state.outside.accounts.get(&update.i_account).is_none_or(|account| account.gone) {
                return Err(StatusError::AccountGone);
            }
            let (said, version) = (update.said.clone(), update.version);
            state.note(format!(
                "status {} of account {} {} v{version}",
                said.status.word(),
                place.0,
                place.1
            ));
            let last = state.ledger.heard.insert(place.clone(), version);
            state.hold(Promise::StatusesInOrder, last.is_none_or(|last| last <= version), || {
                format!("account {} {} hears word {version} after word {last:?}", place.0, place.1)
            });
            state.outside.told.insert(place, said);
            !state.fails(|weather| weather.status_answer_lost)
        };
        host.may_die("status answer").await;
        host.takes(300).await;
        if taken { Ok(()) } else { Err(StatusError::Later("no answer in time".to_owned())) }
    }
}
