use super::super::{
    Asked, Decision, Delivery, Fill, Happening, Header, Json, Progress, Reason, Received, Request, Trouble,
};
use super::Applying;

/// Header names that are the host's alone.
const HOSTS_OWN: [&str; 11] = [
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const AUTHORIZATION: &str = HOSTS_OWN[0];

/// Methods that ask for something else than an answer.
const NO_METHODS: [&str; 2] = ["CONNECT", "TRACE"];

impl Applying<'_> {
    pub(super) fn check(&self, progress: &Progress) -> Result<(), Trouble> {
        no_unknown_words(progress.extras.as_ref(), "progress")?;
        for report in &progress.reports {
            if let Some(service) = &report.group
                && !self.policy.reports.contains(service)
            {
                return Err(Reason::ServiceNotAllowed.trouble(format!(
                    "the adapter reports for `{service}`, which `reports` of group {} does not name",
                    self.operation.lane.group
                )));
            }
        }
        match &progress.decision {
            Decision::Send(request) => {
                self.room_for_more()?;
                sendable(request)
            }
            Decision::Again(_) | Decision::Renew(_) => self.can_repeat(),
            Decision::Wait(waiting) if waiting.forget => self.can_forget(),
            Decision::Wait(_) => self.room_for_more(),
            Decision::Ignore(_) if !self.operation.moves.is_empty() => {
                Err(broken("it ignores an event for which it has already acted"))
            }
            Decision::Ignore(_) | Decision::Finish | Decision::Park(_) => Ok(()),
        }
    }

    fn can_repeat(&self) -> Result<(), Trouble> {
        match self.operation.moves.last().map(|done| &done.entry.what) {
            None => Ok(()),
            Some(Happening::Exchanged(exchange)) => match &exchange.outcome {
                Received::Answered(_) => Ok(()),
                Received::Unknown(why) => Err(Reason::InDoubt.trouble(format!(
                    "`{}` may have arrived ({why}); the adapter would repeat it without having looked",
                    exchange.label
                ))),
            },
            Some(Happening::Notified(_) | Happening::Elapsed) => {
                Err(broken("it asks for a repetition where nothing was sent"))
            }
        }
    }

    fn can_forget(&self) -> Result<(), Trouble> {
        let struck = self.last_wait().map_or(&[][..], |cut| &self.operation.moves[cut..]);
        let once = struck.iter().find_map(|done| match &done.asked {
            Asked::Send { request, .. } if request.delivery == Delivery::AtMostOnce => Some(&request.label),
            Asked::Send { .. } | Asked::Wait(_) => None,
        });
        match once {
            Some(label) => Err(broken(&format!("it forgets `{label}`, which may be sent only once"))),
            None => Ok(()),
        }
    }

    fn room_for_more(&self) -> Result<(), Trouble> {
        let (entries, max) = (self.operation.moves.len(), self.policy.history_entries_max);
        if entries < max {
            return Ok(());
        }
        Err(Reason::HistoryLimit.trouble(format!(
            "the history has {entries} entries, and `limits.history` of group {} allows {max}: the adapter may be going round in a circle",
            self.operation.lane.group
        )))
    }
}

fn sendable(request: &Request) -> Result<(), Trouble> {
    no_unknown_words(request.extras.as_ref(), "request")?;
    let refused =
        |why: String| Err(Reason::RequestRefused.trouble(format!("request `{}`: {why}", request.label)));
    if NO_METHODS.contains(&request.method.to_ascii_uppercase().as_str()) {
        return refused(format!("the method {} is never sent", request.method));
    }
    if !request.stays_below_target() {
        return refused(format!("`{}` is not a path below the target, or may lead out of it", request.path));
    }
    match request.headers.iter().find(|header| is_hosts_own(request, header)) {
        Some(header) => refused(format!("the header `{}` is the host's to set", header.name)),
        None => Ok(()),
    }
}

/// A credential is the host's to set, and so it is where the host alone knows what stands for the mark in it.
fn is_hosts_own(request: &Request, header: &Header) -> bool {
    let name = header.name.to_ascii_lowercase();
    let is_filled = |fill: &Fill| !fill.mark.is_empty() && header.value.contains(&fill.mark);
    match name == AUTHORIZATION && request.fills.iter().any(is_filled) {
        true => false,
        false => HOSTS_OWN.contains(&name.as_str()),
    }
}

/// A word that this host does not know may change what a request means, so it is not skipped.
fn no_unknown_words(extras: Option<&Json>, whose: &str) -> Result<(), Trouble> {
    match extras.map(Json::value) {
        None | Some(serde_json::Value::Null) => Ok(()),
        Some(serde_json::Value::Object(words)) => {
            match words.keys().next() {
                None => Ok(()),
                Some(word) => Err(Reason::AdapterRefused
                    .trouble(format!("this host does not know `{word}` in {whose}.extras"))),
            }
        }
        Some(_) => Err(Reason::AdapterRefused.trouble(format!("{whose}.extras is not an object"))),
    }
}

fn broken(why: &str) -> Trouble {
    Reason::AdapterBroken.trouble(format!("the adapter broke the contract: {why}"))
}
