//! Answers the port `Outbound`: sends one stored request to its group's target.
//!
//! An adapter names a path, never an address: nothing but the target can be reached from here.
//! Nothing is repeated here; whether a request may be sent again is decided in `domain`.

mod addresses;
mod fills;
mod oauth2;
mod probe;
mod target;
mod turns;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;

use self::target::Leaving;
use crate::domain::{Digest, Group, Request, Response};
use crate::ports::{Lack, Marks, Outbound, SendError, SessionValues, Shared};
use crate::secret::Secret;
use crate::web;

pub use addresses::forbidden;
pub use oauth2::Grant;
pub use target::{Auth, Settings, Target};

/// All targets. Each has connections of its own, so that a dead one slows nobody else. All who have them see the same.
#[derive(Clone, Default)]
pub struct Targets(Arc<ArcSwap<BTreeMap<Group, Arc<Target>>>>);

impl Targets {
    /// From now on requests of these groups leave for these targets. What has left already is answered where it went.
    pub fn replace(&self, targets: impl IntoIterator<Item = (Group, Target)>) {
        let mut all = BTreeMap::clone(&self.0.load());
        for (group, target) in targets {
            let target = match all.get(&group) {
                Some(before) => target.after(before),
                None => target,
            };
            all.insert(group, Arc::new(target));
        }
        self.0.store(Arc::new(all));
    }

    fn of(&self, group: &Group) -> Option<Arc<Target>> {
        self.0.load().get(group).map(Arc::clone)
    }
}

impl Shared for Targets {
    fn share(&self, among: NonZeroU32) {
        self.0.load().values().for_each(|target| target.share(among));
    }
}

#[async_trait]
impl Outbound for Targets {
    fn identity(&self, group: &Group) -> Option<Digest> {
        self.of(group).map(|target| target.identity.clone())
    }

    fn address(&self, group: &Group) -> Option<String> {
        self.of(group).map(|target| target.settings.url.clone())
    }

    async fn make_ready(&self, group: &Group, looks: bool) -> Result<(), Lack> {
        match self.of(group) {
            Some(target) => target.make_ready(looks).await,
            // `send` will say so.
            None => Ok(()),
        }
    }

    async fn send(
        &self,
        group: &Group,
        request: &Request,
        marks: &Marks,
        session: &SessionValues,
    ) -> Result<Response, SendError> {
        let target = self.of(group);
        let target = target.ok_or_else(|| SendError::Refused(format!("group {group} has no target")))?;
        let began = Instant::now();
        let token = target.token().await.map_err(SendError::Lacking)?;
        let leaving = Leaving { request, marks, session };
        let response = exchange(group, &target, &leaving, token.as_ref(), target.settings.timeout).await?;
        let Some((tokens, refused)) =
            target.tokens.as_ref().zip(token).filter(|_| response.status == UNAUTHORIZED)
        else {
            return Ok(response);
        };
        // That answer is definitive: nothing was done, so sending it once more does no harm.
        let Some(renewed) = tokens.instead_of(&refused).await.map_err(SendError::Lacking)? else {
            return Ok(response);
        };
        let left = target.settings.timeout.saturating_sub(began.elapsed()).max(TIME_MIN);
        exchange(group, &target, &leaving, Some(&renewed), left).await
    }
}

const UNAUTHORIZED: u16 = 401;
/// A request that is sent once more has so much time at least.
const TIME_MIN: Duration = Duration::from_millis(100);

async fn exchange(
    group: &Group,
    target: &Target,
    leaving: &Leaving<'_>,
    token: Option<&Secret>,
    within: Duration,
) -> Result<Response, SendError> {
    let mut wire = target.build(leaving, token)?;
    *wire.timeout_mut() = Some(within);
    let answer = target.http.execute(wire).await.map_err(|error| unsent(&error))?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let bytes_max = usize::try_from(target.settings.answer_max).unwrap_or(usize::MAX);
    let body = web::read_bounded(answer, bytes_max).await.map_err(|unread| match unread {
        web::Unread::TooLarge { bytes_max } => SendError::TooLarge(format!(
            "the answer to `{}` has more than {bytes_max} bytes (`target.answer-max` of group {group})",
            leaving.request.label
        )),
        web::Unread::Broken(why) => SendError::Unanswered(why),
    })?;
    let mut response = Response { status, headers: web::headers(&headers), body: web::body(&headers, body) };
    fills::strike(&mut response, &target.told(leaving, token));
    Ok(response)
}

/// Only what failed before a connection stood surely did not arrive.
fn unsent(error: &reqwest::Error) -> SendError {
    let why = web::reason(error);
    if error.is_builder() {
        SendError::Refused(why)
    } else if error.is_connect() {
        SendError::NotSent(why)
    } else {
        SendError::Unanswered(why)
    }
}
