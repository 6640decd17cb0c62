//! From the component's own types to the pleasant ones, and back.
//!
//! Arguments come in, answers go out. JSON text is parsed and printed here and nowhere else.

use serde_json::Value;

use crate::bindings::punchdown::adapter::types as words;
use crate::http::{Body, Delivery, Escape, Fill, Header, Request, Response};
use crate::types::{
    Correlation, Decision, Description, Entry, Event, Exchange, Happening, Move, Notification, Operation,
    Otherwise, Outcome, Problem, Progress, Reading, Report, Signal, Status, Subscriber, Trouble, Waiting,
    Wanted,
};

/// What the host hands over as JSON.
///
/// # Panics
///
/// When it is not JSON: the host breaks the contract, and there is nobody else to tell.
pub(crate) fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("the host hands over what is not JSON: {error}"))
}

fn each<From, To: std::convert::From<From>>(list: Vec<From>) -> Vec<To> {
    list.into_iter().map(To::from).collect()
}

impl From<words::Operation> for Operation {
    fn from(operation: words::Operation) -> Self {
        Self {
            id: operation.id,
            group: operation.group,
            i_account: operation.i_account,
            began: operation.began,
            event: operation.event.into(),
            wanted: match operation.wanted {
                words::Wanted::Running => Wanted::Running,
                words::Wanted::Suspended => Wanted::Suspended,
                words::Wanted::Gone => Wanted::Gone,
            },
            subscriber: operation.subscriber.map(Subscriber::from),
            // `null` says that nothing stands, and so does silence: one word for it is enough.
            applied: operation.applied.as_deref().map(parsed).filter(|applied| !applied.is_null()),
            config: parsed(&operation.config),
            notify_at: operation.notify_at,
            extras: parsed(&operation.extras),
        }
    }
}

impl From<words::Event> for Event {
    fn from(event: words::Event) -> Self {
        Self {
            id: event.id,
            name: event.name,
            received_at: event.received_at,
            variables: parsed(&event.variables),
            enclosed: parsed(&event.enclosed),
        }
    }
}

impl From<words::Subscriber> for Subscriber {
    fn from(subscriber: words::Subscriber) -> Self {
        Self {
            account_id: subscriber.account_id,
            msisdn: subscriber.msisdn,
            imsi: subscriber.imsi,
            iccid: subscriber.iccid,
            documents: parsed(&subscriber.documents),
        }
    }
}

impl From<words::Entry> for Entry {
    fn from(entry: words::Entry) -> Self {
        let what = match entry.what {
            words::Happening::Exchanged(exchange) => Happening::Exchanged(exchange.into()),
            words::Happening::Notified(payload) => Happening::Notified(parsed(&payload)),
            words::Happening::Elapsed => Happening::Elapsed,
        };
        Self { at: entry.at, what }
    }
}

impl From<words::Exchange> for Exchange {
    fn from(exchange: words::Exchange) -> Self {
        let outcome = match exchange.outcome {
            words::Outcome::Answered(response) => Outcome::Answered(response.into()),
            words::Outcome::Unknown(why) => Outcome::Unknown(why),
        };
        Self { label: exchange.label, outcome }
    }
}

impl From<words::Response> for Response {
    fn from(response: words::Response) -> Self {
        Self { status: response.status, headers: each(response.headers), body: response.body.into() }
    }
}

impl From<Response> for words::Response {
    fn from(response: Response) -> Self {
        Self { status: response.status, headers: each(response.headers), body: response.body.into() }
    }
}

impl From<words::Header> for Header {
    fn from(header: words::Header) -> Self {
        Self { name: header.name, value: header.value }
    }
}

impl From<Header> for words::Header {
    fn from(header: Header) -> Self {
        Self { name: header.name, value: header.value }
    }
}

impl From<words::Body> for Body {
    fn from(body: words::Body) -> Self {
        match body {
            words::Body::Empty => Self::Empty,
            words::Body::Text(text) => Self::Text(text),
            words::Body::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl From<Body> for words::Body {
    fn from(body: Body) -> Self {
        match body {
            Body::Empty => Self::Empty,
            Body::Text(text) => Self::Text(text),
            Body::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl From<words::Notification> for Notification {
    fn from(notification: words::Notification) -> Self {
        Self {
            method: notification.method,
            path: notification.path,
            headers: each(notification.headers),
            body: notification.body.into(),
            received_at: notification.received_at,
        }
    }
}

impl From<Progress> for words::Progress {
    fn from(progress: Progress) -> Self {
        Self {
            decision: progress.decision.into(),
            reports: each(progress.reports),
            applied: progress.applied.map(|applied| applied.to_string()),
            keys: progress.keys,
            extras: progress.extras.map(|extras| extras.to_string()),
        }
    }
}

impl From<Decision> for words::Decision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Send(request) => Self::Send(request.into()),
            Decision::Again(trouble) => Self::Again(trouble.into()),
            Decision::Renew(trouble) => Self::Renew(trouble.into()),
            Decision::Wait(waiting) => Self::Wait(waiting.into()),
            Decision::Finish => Self::Finish,
            Decision::Ignore(why) => Self::Ignore(why),
            Decision::Park(trouble) => Self::Park(trouble.into()),
        }
    }
}

impl From<Move> for words::Errand {
    fn from(next: Move) -> Self {
        match next {
            Move::Send(request) => Self::Send(request.into()),
            Move::Again(trouble) => Self::Again(trouble.into()),
            Move::Ready(standing) => {
                Self::Ready(words::Standing { value: standing.value.to_string(), seconds: standing.seconds })
            }
            Move::Fail(trouble) => Self::Fail(trouble.into()),
        }
    }
}

impl From<Request> for words::Request {
    fn from(request: Request) -> Self {
        Self {
            label: request.label,
            method: request.method,
            path: request.path,
            headers: each(request.headers),
            body: request.body.into(),
            delivery: match request.delivery {
                Delivery::Repeatable => words::Delivery::Repeatable,
                Delivery::AtMostOnce => words::Delivery::AtMostOnce,
            },
            fills: each(request.fills),
            extras: request.extras.map(|extras| extras.to_string()),
        }
    }
}

impl From<Fill> for words::Fill {
    fn from(fill: Fill) -> Self {
        let escape = match fill.escape {
            Escape::Verbatim => words::Escape::Verbatim,
            Escape::Json => words::Escape::Json,
            Escape::Xml => words::Escape::Xml,
            Escape::Url => words::Escape::Url,
        };
        Self { mark: fill.mark, source: fill.source, escape }
    }
}

impl From<Waiting> for words::Waiting {
    fn from(waiting: Waiting) -> Self {
        Self { seconds: waiting.seconds, forget: waiting.forget, gives_way: waiting.gives_way }
    }
}

impl From<Trouble> for words::Trouble {
    fn from(trouble: Trouble) -> Self {
        Self { code: trouble.code, message: trouble.message }
    }
}

impl From<Report> for words::Report {
    fn from(report: Report) -> Self {
        let status = match report.status {
            Status::Ok => words::Status::Ok,
            Status::InProgress => words::Status::InProgress,
            Status::Retry => words::Status::Retry,
            Status::Failed => words::Status::Failed,
        };
        Self { group: report.group, status, message: report.message }
    }
}

impl From<Reading> for words::Reading {
    fn from(reading: Reading) -> Self {
        Self {
            reply: reading.reply.into(),
            signals: each(reading.signals),
            unread: reading.unread.map(words::Trouble::from),
        }
    }
}

impl From<Signal> for words::Signal {
    fn from(signal: Signal) -> Self {
        Self {
            id: signal.id,
            correlation: match signal.correlation {
                Correlation::Key(key) => words::Correlation::Key(key),
                Correlation::IAccount(number) => words::Correlation::IAccount(number),
                Correlation::AccountId(id) => words::Correlation::AccountId(id),
            },
            payload: signal.payload.to_string(),
            otherwise: match signal.otherwise {
                Otherwise::Keep => words::Otherwise::Keep,
                Otherwise::Begin => words::Otherwise::Begin,
                Otherwise::Drop => words::Otherwise::Drop,
            },
        }
    }
}

impl From<Problem> for words::Problem {
    fn from(problem: Problem) -> Self {
        Self { at: problem.at, message: problem.message }
    }
}

impl From<Description> for words::Description {
    fn from(description: Description) -> Self {
        Self {
            name: description.name,
            version: description.version,
            summary: description.summary,
            queries: description.queries,
            config_schema: description.config_schema.to_string(),
            secrets: description.secrets,
            secret_fields: description.secret_fields,
        }
    }
}
