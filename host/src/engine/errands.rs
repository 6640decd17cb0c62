//! Runs the errands of a group, from the beginning to the end. Nothing of what is said on the way is
//! written down: it may hold a session, or an address by which anybody may notify.

use std::time::{Duration, Instant};

use super::Core;
use super::suspects::Marked;
use crate::domain::{
    Delivery, Entry, Errand, Exchange, Group, Happening, OperationId, Reason, Received, Request, Response,
    Standing, Subject, Trace, Trouble,
};
use crate::ports::{AdapterError, Denial, Lack, Marks, Run, SendError, SessionValues};
use crate::telemetry::AdapterQuestion;

/// Whoever waits for it has a lease that ends.
const ERRAND_MAX: Duration = Duration::from_secs(30);
/// An errand that wants more goes round in a circle.
const REQUESTS_MAX: usize = 16;

/// Which errand it is, in the words of its troubles.
pub(super) struct Name {
    pub what: &'static str,
    pub refused: &'static str,
    pub unavailable: &'static str,
    pub question: AdapterQuestion,
}

/// Why an errand came to nothing: whether anybody said no, and what is known of it.
pub(super) type Failed = (Denial, Trouble);

impl Core {
    /// Asks the adapter for each move, `ask` being how; `session` fills what it sends.
    pub(super) async fn errand<F>(
        &self,
        group: &Group,
        name: &Name,
        session: &SessionValues,
        ask: impl Fn(Run) -> F,
    ) -> Result<Standing, Failed>
    where
        F: Future<Output = Result<Errand, AdapterError>>,
    {
        let silent = |_| Err((Denial::Unavailable, name.unavailable("it takes longer than 30 seconds")));
        let done = tokio::time::timeout(ERRAND_MAX, self.moves(group, name, session, ask)).await;
        // Not before its end: what it dies of may come after what it survives.
        self.acquit(&name.subject(group)).await;
        done.unwrap_or_else(silent)
    }

    async fn moves<F>(
        &self,
        group: &Group,
        name: &Name,
        session: &SessionValues,
        ask: impl Fn(Run) -> F,
    ) -> Result<Standing, Failed>
    where
        F: Future<Output = Result<Errand, AdapterError>>,
    {
        let (world, subject) = (&self.ports.world, name.subject(group));
        let (id, began) = (OperationId(world.new_id()), world.now());
        let mut run = Run { group: group.clone(), id, began, history: Vec::new() };
        loop {
            let (marked, answer) = (Marked::default(), ask(run.clone()));
            let errand = self.asked_on_the_way(&subject, name.question, &marked, answer).await;
            match errand.map_err(|error| (Denial::Refused, name.fault(&error)))? {
                Errand::Send(_) if run.history.len() >= REQUESTS_MAX => {
                    let why = format!("it sends more than {REQUESTS_MAX} requests and comes to no end");
                    return Err((Denial::Refused, Reason::HistoryLimit.trouble(why)));
                }
                Errand::Send(request) => {
                    let outcome = self.send_for(name, &run, &request, session).await?;
                    let what = Happening::Exchanged(Exchange { label: request.label, outcome });
                    run.history.push(Entry { at: world.now(), what });
                }
                Errand::Again(trouble) => {
                    return Err((Denial::Unavailable, name.unavailable(&said(&trouble))));
                }
                Errand::Fail(trouble) => {
                    return Err((Denial::Refused, Trouble::new(name.refused, said(&trouble))));
                }
                Errand::Ready(standing) => return Ok(standing),
            }
        }
    }

    /// One request of an errand. Whoever is not answered begins anew.
    async fn send_for(
        &self,
        name: &Name,
        run: &Run,
        request: &Request,
        session: &SessionValues,
    ) -> Result<Received, Failed> {
        let lacking = |lack: Lack| (Denial::Unavailable, lack.trouble);
        self.ports.outbound.make_ready(&run.group, false).await.map_err(lacking)?;
        let marks = Marks { key: request.idempotency_key(&run.id), trace: Trace::of_operation(&run.id) };
        match self.sent(&run.group, request, &marks, session).await {
            Ok(response) => Ok(Received::Answered(response)),
            Err(SendError::Unanswered(why)) if request.delivery == Delivery::AtMostOnce => {
                Ok(Received::Unknown(why))
            }
            Err(SendError::Lacking(lack)) => Err(lacking(lack)),
            Err(error @ (SendError::NotSent(_) | SendError::Unanswered(_))) => {
                Err((Denial::Unavailable, name.unavailable(&error.to_string())))
            }
            Err(SendError::TooLarge(why)) => Err((Denial::Refused, Reason::AnswerTooLarge.trouble(why))),
            Err(SendError::Refused(why)) => Err((Denial::Refused, Reason::RequestRefused.trouble(why))),
        }
    }
}

impl Core {
    /// Sends a request once, timed and counted.
    pub(super) async fn sent(
        &self,
        group: &Group,
        request: &Request,
        marks: &Marks,
        session: &SessionValues,
    ) -> Result<Response, SendError> {
        let began = Instant::now();
        let answer = self.ports.outbound.send(group, request, marks, session).await;
        self.metrics.request(group, &answer, began.elapsed());
        answer
    }
}

impl Name {
    fn subject(&self, group: &Group) -> Subject {
        Subject::Errand { group: group.clone(), what: self.question.word().to_owned() }
    }

    pub(super) fn unavailable(&self, why: &str) -> Trouble {
        Trouble::new(self.unavailable, format!("{}: {why}", self.what))
    }

    fn fault(&self, error: &AdapterError) -> Trouble {
        Trouble::new(error.code(), format!("{}: {error}", self.what))
    }
}

/// The adapter's own trouble, in our sentence.
fn said(trouble: &Trouble) -> String {
    format!("{} ({})", trouble.message, trouble.code)
}
