//! Whom the doors let in. Others may be let in from now on, while the doors are open: a credential that is changed costs
//! no caller a refusal.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{EventSettings, NotifyAuth, NspsSettings};
use crate::domain::{Group, shortened};
use crate::engine::REGISTRATION_MARK;
use crate::secret::Vault;

/// Of a path so much is logged.
const SHOWN_LENGTH_MAX: usize = 256;

/// All who have it see the same.
#[derive(Clone, Debug)]
pub struct Doors {
    now: Arc<ArcSwap<LetIn>>,
    /// What was named before, or is still to be taken over, may stand in an address, too.
    secrets: Vault,
}

/// Who is let in at each door.
#[derive(Clone, Debug)]
pub struct LetIn {
    pub events: Arc<EventSettings>,
    /// Of the door for NSPS, where there is one.
    pub nsps: Option<Arc<NspsSettings>>,
    /// The groups that take notifications.
    pub notify: BTreeMap<Group, Arc<NotifyAuth>>,
}

impl Doors {
    pub fn new(
        events: EventSettings,
        nsps: Option<NspsSettings>,
        notify: impl IntoIterator<Item = (Group, NotifyAuth)>,
        secrets: Vault,
    ) -> Self {
        let notify = notify.into_iter().map(|(group, auth)| (group, Arc::new(auth))).collect();
        let (events, nsps) = (Arc::new(events), nsps.map(Arc::new));
        Self { now: Arc::new(ArcSwap::from_pointee(LetIn { events, nsps, notify })), secrets }
    }

    pub fn all(&self) -> Arc<LetIn> {
        self.now.load_full()
    }

    /// A path for the log: a secret may stand in it, for others address this door wrongly, too. And
    /// it may be as long as a head may be.
    pub fn shown(&self, path: &str) -> String {
        let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
        let let_in = self.all();
        let secrets = let_in.notify.values().flat_map(|auth| auth.path_secrets());
        let path = secrets.fold(path, |path, secret| path.replace(secret.expose(), "(secret)"));
        let path = without_registration(&self.secrets.strike(&path));
        let path: String = path.chars().take(SHOWN_LENGTH_MAX).collect();
        shortened(&path).unwrap_or(path)
    }

    /// Whoever brings one of these is let in from now on, and nobody else. A door that was not there when the host began
    /// is not opened, and none is closed.
    pub fn take_credentials(&self, events: &EventSettings, nsps: Option<NspsSettings>) {
        let nsps = nsps.map(Arc::new);
        self.now.rcu(|now| {
            let (body_max, body_timeout) = (now.events.body_max, now.events.body_timeout);
            let events = Arc::new(EventSettings { body_max, body_timeout, ..events.clone() });
            let nsps = now.nsps.as_ref().map(|now| Arc::clone(nsps.as_ref().unwrap_or(now)));
            LetIn { events, nsps, notify: now.notify.clone() }
        });
    }

    /// The notification door of each of these groups is as it says; `None`: it has none.
    pub fn take_notify(&self, groups: impl IntoIterator<Item = (Group, Option<NotifyAuth>)>) {
        let (open, shut): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .map(|(group, auth)| (group, auth.map(Arc::new)))
            .partition(|(_, auth)| auth.is_some());
        self.now.rcu(|now| {
            let mut to = LetIn::clone(now);
            to.notify.retain(|group, _| !shut.iter().any(|(it, _)| it == group));
            to.notify.extend(open.iter().filter_map(|(group, auth)| Some((group.clone(), auth.clone()?))));
            to
        });
    }
}

/// What makes the address of a registration its own is as good as a secret, wherever it stands.
fn without_registration(path: &str) -> String {
    let shown = |part: &str| match part.starts_with(REGISTRATION_MARK) {
        true => "~(secret)".to_owned(),
        false => part.to_owned(),
    };
    path.split('/').map(shown).collect::<Vec<_>>().join("/")
}
