//! Domain ⇄ contract, both ways and exhaustive: a new word on either side does not compile
//! until it is decided here what it means.

use std::time::Duration;

use super::bindings::punchdown::adapter::types as wit;
use crate::domain::{
    AccountId, Body, Correlation, Decision, Delivery, Description, Entry, Errand, Escape, Event, Fill,
    Happening, Header, IAccount, Json, LaidDown, Notification, Otherwise, Problem, Progress, Reading, Reason,
    Received, Report, Request, Response, Service, Signal, Standing, Status, Subscriber, Trouble, Waiting,
    Wanted,
};
use crate::ports::Question;

/// A sentence about what cannot be taken.
type Taken<T> = Result<T, Trouble>;

fn refused(why: String) -> Trouble {
    Reason::AdapterRefused.trouble(why)
}

fn json(text: String, whose: &str) -> Taken<Json> {
    Json::parse(text).map_err(|error| refused(format!("{whose} is not JSON: {error}")))
}

fn json_option(text: Option<String>, whose: &str) -> Taken<Option<Json>> {
    text.map(|text| json(text, whose)).transpose()
}

// Into the contract.

pub fn operation(question: &Question) -> wit::Operation {
    let laid_down: &LaidDown = &question.laid_down;
    wit::Operation {
        id: question.operation.0.clone(),
        group: question.service.0.clone(),
        i_account: question.i_account.to_string(),
        began: laid_down.began.to_string(),
        event: event(&question.event),
        wanted: match laid_down.wanted {
            Wanted::Running => wit::Wanted::Running,
            Wanted::Suspended => wit::Wanted::Suspended,
            Wanted::Gone => wit::Wanted::Gone,
        },
        subscriber: laid_down.subscriber.as_ref().map(subscriber),
        applied: laid_down.applied.as_ref().map(|applied| applied.text().to_owned()),
        config: laid_down.config.text().to_owned(),
        notify_at: laid_down.notify_at.clone(),
        extras: "{}".to_owned(),
    }
}

fn event(event: &Event) -> wit::Event {
    wit::Event {
        id: event.id.clone(),
        name: event.name.clone(),
        received_at: event.received_at.to_string(),
        variables: event.variables.text().to_owned(),
        enclosed: event.enclosed.text().to_owned(),
    }
}

fn subscriber(subscriber: &Subscriber) -> wit::Subscriber {
    wit::Subscriber {
        account_id: subscriber.account_id.0.clone(),
        msisdn: subscriber.msisdn.clone(),
        imsi: subscriber.imsi.clone(),
        iccid: subscriber.iccid.clone(),
        documents: subscriber.documents.text().to_owned(),
    }
}

pub fn history(entries: &[Entry]) -> Vec<wit::Entry> {
    entries
        .iter()
        .map(|entry| wit::Entry { at: entry.at.to_string(), what: happening(&entry.what) })
        .collect()
}

fn happening(what: &Happening) -> wit::Happening {
    match what {
        Happening::Exchanged(exchange) => wit::Happening::Exchanged(wit::Exchange {
            label: exchange.label.clone(),
            outcome: match &exchange.outcome {
                Received::Answered(answer) => wit::Outcome::Answered(into_response(answer)),
                Received::Unknown(why) => wit::Outcome::Unknown(why.clone()),
            },
        }),
        Happening::Notified(payload) => wit::Happening::Notified(payload.text().to_owned()),
        Happening::Elapsed => wit::Happening::Elapsed,
    }
}

fn into_response(response: &Response) -> wit::Response {
    wit::Response {
        status: response.status,
        headers: into_headers(&response.headers),
        body: into_body(&response.body),
    }
}

fn into_headers(headers: &[Header]) -> Vec<wit::Header> {
    headers
        .iter()
        .map(|header| wit::Header { name: header.name.clone(), value: header.value.clone() })
        .collect()
}

fn into_body(body: &Body) -> wit::Body {
    match body {
        Body::Empty => wit::Body::Empty,
        Body::Text(text) => wit::Body::Text(text.clone()),
        Body::Bytes(bytes) => wit::Body::Bytes(bytes.clone()),
    }
}

pub fn notification(raw: &Notification) -> wit::Notification {
    wit::Notification {
        method: raw.method.clone(),
        path: raw.path.clone(),
        headers: into_headers(&raw.headers),
        body: into_body(&raw.body),
        received_at: raw.received_at.to_string(),
    }
}

// Out of it.

pub fn progress(said: wit::Progress) -> Taken<Progress> {
    Ok(Progress {
        decision: decision(said.decision)?,
        reports: said.reports.into_iter().map(report).collect(),
        applied: json_option(said.applied, "`applied`")?,
        keys: said.keys,
        extras: json_option(said.extras, "`progress.extras`")?,
    })
}

fn decision(said: wit::Decision) -> Taken<Decision> {
    Ok(match said {
        wit::Decision::Send(wanted) => Decision::Send(request(wanted)?),
        wit::Decision::Again(why) => Decision::Again(trouble(why)),
        wit::Decision::Renew(why) => Decision::Renew(trouble(why)),
        wit::Decision::Wait(wait) => {
            Decision::Wait(Waiting { seconds: wait.seconds, forget: wait.forget, gives_way: wait.gives_way })
        }
        wit::Decision::Finish => Decision::Finish,
        wit::Decision::Ignore(why) => Decision::Ignore(why),
        wit::Decision::Park(why) => Decision::Park(trouble(why)),
    })
}

pub fn errand(said: wit::Errand) -> Taken<Errand> {
    Ok(match said {
        wit::Errand::Send(wanted) => Errand::Send(request(wanted)?),
        wit::Errand::Again(why) => Errand::Again(trouble(why)),
        wit::Errand::Ready(standing) => Errand::Ready(Standing {
            value: json(standing.value, "a standing's `value`")?,
            life: standing.seconds.map(|seconds| Duration::from_secs(seconds.into())),
        }),
        wit::Errand::Fail(why) => Errand::Fail(trouble(why)),
    })
}

fn request(wanted: wit::Request) -> Taken<Request> {
    Ok(Request {
        extras: json_option(wanted.extras, "`request.extras`")?,
        label: wanted.label,
        method: wanted.method,
        path: wanted.path,
        headers: headers(wanted.headers),
        body: body(wanted.body),
        delivery: match wanted.delivery {
            wit::Delivery::Repeatable => Delivery::Repeatable,
            wit::Delivery::AtMostOnce => Delivery::AtMostOnce,
        },
        fills: wanted.fills.into_iter().map(fill).collect(),
    })
}

fn fill(fill: wit::Fill) -> Fill {
    Fill {
        mark: fill.mark,
        source: fill.source,
        escape: match fill.escape {
            wit::Escape::Verbatim => Escape::Verbatim,
            wit::Escape::Json => Escape::Json,
            wit::Escape::Xml => Escape::Xml,
            wit::Escape::Url => Escape::Url,
        },
    }
}

fn report(said: wit::Report) -> Report {
    Report {
        group: said.group.map(Service),
        status: match said.status {
            wit::Status::Ok => Status::Ok,
            wit::Status::InProgress => Status::InProgress,
            wit::Status::Retry => Status::Retry,
            wit::Status::Failed => Status::Failed,
        },
        message: said.message,
    }
}

fn trouble(said: wit::Trouble) -> Trouble {
    Trouble { code: said.code, message: said.message }
}

fn headers(said: Vec<wit::Header>) -> Vec<Header> {
    said.into_iter().map(|header| Header { name: header.name, value: header.value }).collect()
}

fn body(said: wit::Body) -> Body {
    match said {
        wit::Body::Empty => Body::Empty,
        wit::Body::Text(text) => Body::Text(text),
        wit::Body::Bytes(bytes) => Body::Bytes(bytes),
    }
}

pub fn reading(said: wit::Reading) -> Taken<Reading> {
    Ok(Reading {
        reply: reply(said.reply)?,
        signals: said.signals.into_iter().map(signal).collect::<Taken<_>>()?,
        unread: said.unread.map(trouble),
    })
}

/// What the sender is answered: to the end, so nothing that only announces an answer.
fn reply(said: wit::Response) -> Taken<Response> {
    let status = said.status;
    if !(200..=599).contains(&status) {
        return Err(refused(format!("a reply has the status {status}, and must have one from 200 to 599")));
    }
    Ok(Response { status, headers: headers(said.headers), body: body(said.body) })
}

fn signal(said: wit::Signal) -> Taken<Signal> {
    Ok(Signal {
        id: said.id,
        correlation: match said.correlation {
            wit::Correlation::Key(key) => Correlation::Key(key),
            wit::Correlation::IAccount(text) => match text.parse() {
                Ok(number) => Correlation::IAccount(IAccount(number)),
                Err(_) => return Err(refused(format!("`{text}` is not an i_account"))),
            },
            wit::Correlation::AccountId(id) => Correlation::AccountId(AccountId(id)),
        },
        payload: json(said.payload, "a signal's payload")?,
        otherwise: match said.otherwise {
            wit::Otherwise::Keep => Otherwise::Keep,
            wit::Otherwise::Begin => Otherwise::Begin,
            wit::Otherwise::Drop => Otherwise::Drop,
        },
    })
}

pub fn description(said: wit::Description) -> Taken<Description> {
    let config_schema = json(said.config_schema, "`config-schema`")?;
    if !config_schema.value().is_object() {
        return Err(refused("its `config-schema` is no JSON Schema: it must be an object".to_owned()));
    }
    Ok(Description {
        name: said.name,
        version: said.version,
        summary: said.summary,
        queries: said.queries,
        config_schema,
        secrets: said.secrets,
        secret_fields: said.secret_fields,
    })
}

pub fn problems(said: Vec<wit::Problem>) -> Vec<Problem> {
    said.into_iter().map(|problem| Problem { at: problem.at, message: problem.message }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_an_answer_to_the_end() {
        let with = |status| {
            let reply = wit::Response { status, headers: Vec::new(), body: wit::Body::Empty };
            reading(wit::Reading { reply, signals: Vec::new(), unread: None })
        };
        for status in [200, 204, 302, 404, 599] {
            assert_eq!(with(status).expect("taken").reply.status, status);
        }
        for status in [0, 42, 100, 101, 199, 600, 999, u16::MAX] {
            let trouble = with(status).expect_err("refused");
            assert!(trouble.message.contains(&format!("status {status},")), "{trouble:?}");
            assert_eq!(trouble.code, Reason::AdapterRefused.code());
        }
    }
}
