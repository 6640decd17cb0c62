//! What is done for a whole group, as straight-line code that is re-run: logging in, registering for
//! notifications.

use std::slice::Iter;

use crate::flow::{Acted, Stop, answer, diverged, exchanged, trouble};
use crate::http::{Delivery, Request, Response};
use crate::types::{Entry, Move, Outcome, Standing};

/// One run of an errand's code over all that has happened on its way. As a [`Flow`](crate::Flow), but
/// there is no account, nothing to report and nothing to wait for.
pub struct Errand<'a> {
    ahead: Iter<'a, Entry>,
    stopped: Option<Move>,
}

impl<'a> Errand<'a> {
    pub(crate) fn new(history: &'a [Entry]) -> Self {
        Self { ahead: history.iter(), stopped: None }
    }

    /// Sends a request that does twice what it does once. When it is not answered the host begins
    /// the errand anew.
    ///
    /// # Errors
    ///
    /// [`Stop`] while there is no answer yet.
    ///
    /// # Panics
    ///
    /// When the history has something else in this place: the adapter has diverged.
    #[track_caller]
    pub fn ask(&mut self, label: &str, request: Request) -> Result<Response, Stop> {
        Ok(answer(label, self.exchange(label, Delivery::Repeatable, request)?))
    }

    /// Sends a request that must not arrive twice.
    ///
    /// # Errors
    ///
    /// [`Stop`] while nothing is known of it.
    ///
    /// # Panics
    ///
    /// When the history has something else in this place: the adapter has diverged.
    #[track_caller]
    pub fn act(&mut self, label: &str, request: Request) -> Result<Acted, Stop> {
        Ok(Acted::from(self.exchange(label, Delivery::AtMostOnce, request)?))
    }

    /// Not now, and maybe later: the host begins the errand anew after a pause.
    #[track_caller]
    pub fn again(&mut self, code: &str, message: impl Into<String>) -> Stop {
        self.stop(Move::Again(trouble(code, message)))
    }

    /// It cannot be done without a person. The group's operations are held back, and none fails.
    #[track_caller]
    pub fn fail(&mut self, code: &str, message: impl Into<String>) -> Stop {
        self.stop(Move::Fail(trouble(code, message)))
    }

    /// What the run came to, by what it returned or by what had stopped it before.
    #[track_caller]
    pub(crate) fn into_move(mut self, ended: Result<Standing, Stop>) -> Move {
        match (self.stopped.take(), ended) {
            (Some(stopped), _) => stopped,
            (None, Ok(standing)) => self.last(Move::Ready(standing)),
            (None, Err(_)) => panic!("diverged: a stop of another errand was handed up"),
        }
    }

    #[track_caller]
    fn exchange(&mut self, label: &str, delivery: Delivery, request: Request) -> Result<&'a Outcome, Stop> {
        if self.stopped.is_some() {
            return Err(Stop(()));
        }
        let Some(entry) = self.ahead.next() else {
            let label = label.to_owned();
            return Err(self.stop(Move::Send(Request { label, delivery, ..request })));
        };
        Ok(exchanged(entry, label))
    }

    /// Takes the first move; any later one comes from code that did not hear it.
    #[track_caller]
    fn stop(&mut self, next: Move) -> Stop {
        if self.stopped.is_none() {
            self.stopped = Some(self.last(next));
        }
        Stop(())
    }

    #[track_caller]
    fn last(&mut self, next: Move) -> Move {
        if let Some(entry) = self.ahead.next() {
            diverged(entry, "comes to an end");
        }
        next
    }
}
