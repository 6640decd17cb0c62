//! The way to the external systems. Each request is held against what the journal says at that moment.

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use punchdown::domain::{
    Body, Delivery, Digest, Group, Happening, Header, IAccount, Operation, Received, Request, Response,
    Stage, Trouble,
};
use punchdown::ports::{Lack, Marks, Outbound, SendError, SessionValues, Shared};

use crate::ledger::Once;
use crate::promise::Promise;
use crate::system;
use crate::universe::{Host, State};

pub struct Hand(pub Host);

const LOG_IN: &str = "log-in";

/// Whether that request is written down as leaving, under the lease that holds.
fn is_marked(operation: &Operation, epoch: u64, key: &str) -> bool {
    matches!(&operation.stage, Stage::OnItsWay { request, epoch: under, .. }
        if request.idempotency_key(&operation.id) == key && *under == epoch)
}

/// How one request fares on its way.
enum Way {
    NotSent,
    /// Nobody ever gets it.
    Lost,
    /// It arrives, and its answer does not.
    AnswerLost,
    /// It arrives, and the answer is none.
    Away {
        retry_after: Option<u64>,
    },
    TooMuch,
    RefusedForGood,
    Whole,
}

impl Way {
    fn of(state: &mut State) -> Self {
        if state.fails(|weather| weather.not_sent) {
            Self::NotSent
        } else if state.fails(|weather| weather.lost_on_the_way) {
            Self::Lost
        } else if state.fails(|weather| weather.lost_on_the_way_back) {
            Self::AnswerLost
        } else if state.fails(|weather| weather.unavailable) {
            let retry_after = state.dice.permille(300).then(|| state.dice.within(0..90));
            Self::Away { retry_after }
        } else if state.fails(|weather| weather.answers_too_much) {
            Self::TooMuch
        } else if state.fails(|weather| weather.refuses_for_good) {
            Self::RefusedForGood
        } else {
            Self::Whole
        }
    }
}

fn answer(status: u16, retry_after: Option<u64>) -> Response {
    let header = |seconds: u64| Header { name: "retry-after".to_owned(), value: seconds.to_string() };
    Response { status, headers: retry_after.map(header).into_iter().collect(), body: Body::Empty }
}

/// While it lives its host has a request under way for that lane.
struct Sending<'a> {
    host: &'a Host,
    place: (u32, Group, IAccount),
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.host.state().ledger.under_way.remove(&self.place);
    }
}

impl Hand {
    /// Whether it may leave, as the journal has it; whose it is.
    fn leaves(&self, group: &Group, request: &Request, key: &str) -> Option<Sending<'_>> {
        let host = &self.0;
        let mut state = host.state();
        let Some((operation, epoch, is_head)) = self.stands(key) else {
            state.break_promise(Promise::WrittenBeforeSent, format!("{key} is of no operation"));
            return None;
        };
        let is_marked = is_marked(&operation, epoch, key);
        state.hold(Promise::WrittenBeforeSent, is_marked && is_head, || {
            let stage = operation.stage.word();
            format!("{key} leaves, and its operation is {stage}, head: {is_head}, the lane's epoch {epoch}")
        });
        let place = (host.number, group.clone(), operation.lane.i_account);
        let is_alone = state.ledger.under_way.insert(place.clone());
        state.hold(Promise::OneSender, is_alone, || {
            format!("{key} leaves while another request is under way for account {} in {group}", place.2)
        });
        if request.delivery == Delivery::AtMostOnce {
            once(&mut state, &operation, key);
        }
        drop(state);
        Some(Sending { host, place })
    }

    /// Whose request it is as the journal has it, its lane's epoch, and whether it is the head of that.
    fn stands(&self, key: &str) -> Option<(Operation, u64, bool)> {
        let tables = self.0.universe.journal.tables();
        let id = punchdown::domain::OperationId(key.split('.').next().unwrap_or_default().to_owned());
        let seq = tables.by_id.get(&id)?;
        let row = tables.operations.get(seq)?;
        let lane = &tables.lanes[&row.lane];
        Some((row.operation.clone(), lane.epoch, lane.open.first() == Some(seq)))
    }

    fn settle(&self, request: &Request, key: &str, settled: bool) {
        if request.delivery == Delivery::AtMostOnce {
            let mut state = self.0.state();
            let moment = state.moment();
            let fate = if settled { Once::Settled } else { Once::MayHaveArrived(moment) };
            state.ledger.once.insert(key.to_owned(), fate);
        }
    }

    /// It arrives, and does what it says.
    fn arrives(&self, group: &Group, request: &Request, key: &str, session: &SessionValues) -> Response {
        let mut state = self.0.state();
        if let Some((operation, epoch, _)) = self.stands(key).filter(|_| request.label != LOG_IN) {
            let lane = (group.clone(), operation.lane.i_account);
            // What arrives under the lease that holds is the newest word.
            match is_marked(&operation, epoch, key) {
                true => drop(state.ledger.late.remove(&lane)),
                false => drop(state.ledger.late.insert(lane)),
            }
        }
        let answer = system::take(&mut state, &self.0.universe, group, request, key, session);
        state.note(format!("{group} takes {} {} of {key}: {}", request.method, request.path, answer.status));
        answer
    }

    async fn fares(
        &self,
        group: &Group,
        request: &Request,
        key: &str,
        session: &SessionValues,
    ) -> Result<Response, SendError> {
        let host = &self.0;
        let (way, hangs) = {
            let mut state = host.state();
            let way = Way::of(&mut state);
            (way, state.fails(|weather| weather.hangs))
        };
        host.takes(400).await;
        host.may_die("send").await;
        let patience = host.state().dice.within(1000..8000);
        match way {
            Way::NotSent => Err(SendError::NotSent("the connection was refused".to_owned())),
            Way::Lost => {
                host.takes_exactly(if hangs { 90_000 } else { patience }).await;
                Err(SendError::Unanswered("no answer in time".to_owned()))
            }
            Way::Away { retry_after } => Ok(answer(503, retry_after)),
            Way::RefusedForGood => Ok(answer(422, None)),
            Way::AnswerLost | Way::TooMuch | Way::Whole => {
                let response = self.arrives(group, request, key, session);
                host.may_die("answer").await;
                match way {
                    Way::AnswerLost => {
                        host.takes_exactly(if hangs { 90_000 } else { patience }).await;
                        Err(SendError::Unanswered("no answer in time".to_owned()))
                    }
                    Way::TooMuch => Err(SendError::TooLarge("the answer has more than 1 MiB".to_owned())),
                    _ => {
                        host.takes(400).await;
                        Ok(response)
                    }
                }
            }
        }
    }
}

/// What may have arrived leaves no more; another one like it only after a look.
fn once(state: &mut State, operation: &Operation, key: &str) {
    let may_have = |fate: Option<&Once>| matches!(fate, Some(Once::MayHaveArrived(_)));
    let is_repeated = may_have(state.ledger.once.get(key));
    state
        .hold(Promise::NoRepeatInDoubt, !is_repeated, || format!("{key} may have arrived, and leaves again"));
    let of_operation = format!("{}.", operation.id);
    let doubted = state.ledger.once.range(of_operation.clone()..).find(|(other, fate)| {
        other.starts_with(&of_operation) && other.as_str() != key && may_have(Some(fate))
    });
    let doubted = doubted.map(|(other, _)| other.clone());
    if let Some(doubted) = doubted {
        let has_looked = operation.moves.last().is_some_and(|last| {
            matches!(&last.entry.what, Happening::Exchanged(exchange)
                if matches!(exchange.outcome, Received::Answered(_)) && exchange.label.starts_with("look"))
        });
        state.hold(Promise::NoRepeatInDoubt, has_looked, || {
            format!("{doubted} may have arrived, and {key} leaves though nobody has looked")
        });
        if has_looked {
            state.ledger.once.insert(doubted, Once::Settled);
        }
    }
    let moment = state.moment();
    state.ledger.once.insert(key.to_owned(), Once::MayHaveArrived(moment));
}

impl Shared for Hand {
    fn share(&self, _: NonZeroU32) {}
}

#[async_trait]
impl Outbound for Hand {
    fn identity(&self, _group: &Group) -> Option<Digest> {
        None
    }

    fn address(&self, group: &Group) -> Option<String> {
        Some(group.0.clone())
    }

    async fn make_ready(&self, group: &Group, _looks: bool) -> Result<(), Lack> {
        let host = &self.0;
        host.gate().await;
        host.takes(200).await;
        let mut state = host.state();
        if state.fails(|weather| weather.lacks) {
            let pause = Duration::from_secs(state.dice.within(1..30));
            state.note(format!("{group} lacks a token"));
            return Err(Lack { trouble: Trouble::new("token-unavailable", "no token"), pause });
        }
        Ok(())
    }

    async fn send(
        &self,
        group: &Group,
        request: &Request,
        marks: &Marks,
        session: &SessionValues,
    ) -> Result<Response, SendError> {
        let (host, key) = (&self.0, marks.key.as_str());
        host.gate().await;
        if request.label == LOG_IN {
            return self.fares(group, request, key, session).await;
        }
        host.state().note(format!("host {} sends {key}", host.number));
        let sending = self.leaves(group, request, key);
        let fared = self.fares(group, request, key, session).await;
        let is_settled = !matches!(fared, Err(SendError::Unanswered(_) | SendError::TooLarge(_)));
        self.settle(request, key, is_settled);
        if let Err(error) = &fared {
            host.state().note(format!("host {} hears of {key}: {error}", host.number));
        }
        drop(sending);
        fared
    }
}
