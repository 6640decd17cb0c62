//! The adapters of a run: pure functions of the question, written as real ones are.

use punchdown::domain::{
    Body, Decision, Delivery, Escape, Fill, Happening, Json, Progress, Received, Report, Request, Response,
    Status, Trouble, Waiting, Wanted,
};
use punchdown::ports::Question;
use serde_json::{Value, json};

use crate::plan::{GroupPlan, Manner};

/// How long a poll waits between two looks.
const LOOK_EVERY: u32 = 20;

pub fn request(label: &str, method: &str, path: String, body: Option<Value>, delivery: Delivery) -> Request {
    Request {
        label: label.to_owned(),
        method: method.to_owned(),
        path,
        headers: Vec::new(),
        body: body.map_or(Body::Empty, |body| Body::Text(body.to_string())),
        delivery,
        fills: Vec::new(),
        extras: None,
    }
}

fn body_of(response: &Response) -> Value {
    serde_json::from_slice(response.body.bytes()).unwrap_or(Value::Null)
}

/// The straight line: each call takes the next entry of the history, or ends the question with a decision.
struct Script<'a> {
    question: &'a Question,
    at: usize,
    keys: Vec<String>,
    applied: Option<Json>,
    /// What is said with the decision.
    reports: Vec<Report>,
}

impl<'a> Script<'a> {
    fn next(&mut self) -> Option<&'a Happening> {
        let entry = self.question.history.get(self.at)?;
        self.at += 1;
        Some(&entry.what)
    }

    fn is_last(&self) -> bool {
        self.at == self.question.history.len()
    }

    fn exchange(&mut self, request: Request) -> Result<&'a Received, Box<Decision>> {
        let label = request.label.clone();
        match self.next() {
            None => Err(Box::new(Decision::Send(request))),
            Some(Happening::Exchanged(exchange)) if exchange.label == label => Ok(&exchange.outcome),
            Some(_) => {
                Err(Box::new(Decision::Park(Trouble::new("diverged", format!("not `{label}` comes next")))))
            }
        }
    }

    /// Repeatable: gives an answer that is one.
    fn ask(&mut self, request: Request) -> Result<&'a Response, Box<Decision>> {
        let looks = request.method == "GET";
        match self.exchange(request)? {
            Received::Answered(response) => self.judged(response, looks),
            Received::Unknown(why) => {
                Err(Box::new(Decision::Park(Trouble::new("not-repeated", why.clone()))))
            }
        }
    }

    fn judged(&self, response: &'a Response, looks: bool) -> Result<&'a Response, Box<Decision>> {
        let trouble = || Trouble::new("away", format!("the system answers {}", response.status));
        match response.status {
            401 if self.is_last() => Err(Box::new(Decision::Renew(trouble()))),
            // A look that is not answered has not seen anything.
            _ if looks && response.status != 200 && self.is_last() => {
                Err(Box::new(Decision::Again(trouble())))
            }
            429 | 500..=599 if self.is_last() => Err(Box::new(Decision::Again(trouble()))),
            _ => Ok(response),
        }
    }

    fn wait(&mut self, waiting: Waiting) -> Result<&'a Happening, Box<Decision>> {
        self.next().ok_or_else(|| Box::new(Decision::Wait(waiting)))
    }

    fn refused(&mut self, response: &Response) -> Decision {
        let message = Some(format!("the system answers {}", response.status));
        self.reports.push(Report { group: None, status: Status::Failed, message });
        Decision::Finish
    }
}

/// The next move.
pub fn provision(plan: &GroupPlan, question: &Question) -> Progress {
    let mut script = Script { question, at: 0, keys: Vec::new(), applied: None, reports: Vec::new() };
    let decision = match plan.manner {
        Manner::Put { session } => put(&mut script, session),
        Manner::Order => order(&mut script, plan.repeats_blindly),
        Manner::Poll => poll(&mut script),
        Manner::Once => once(&mut script),
    };
    let decision = decision.unwrap_or_else(|ends| *ends);
    if decision == Decision::Finish && script.reports.is_empty() && plan.reports {
        script.reports.push(Report { group: None, status: Status::Ok, message: None });
    }
    Progress { decision, reports: script.reports, applied: script.applied, keys: script.keys, extras: None }
}

/// What is to stand, as it is written to a system.
fn wants(question: &Question) -> Value {
    let version = question.laid_down.subscriber.as_ref().map(|subscriber| subscriber.documents.value());
    let version = version.map_or(Value::Null, |documents| documents["account_info"]["version"].clone());
    match question.laid_down.wanted {
        Wanted::Gone => json!({"gone": true}),
        wanted => json!({"suspended": wanted == Wanted::Suspended, "version": version}),
    }
}

fn stands(value: &Value) -> Option<Json> {
    Json::parse(value.to_string()).ok()
}

fn put(script: &mut Script<'_>, session: bool) -> Result<Decision, Box<Decision>> {
    let wants = wants(script.question);
    let path = format!("/sub/{}", script.question.i_account);
    let is_gone = wants["gone"] == true;
    let mut request = match is_gone {
        true => request("remove", "DELETE", path, None, Delivery::Repeatable),
        false => request("put", "PUT", path, Some(wants.clone()), Delivery::Repeatable),
    };
    if session {
        let (mark, source) = ("@@session@@".to_owned(), "session.token".to_owned());
        request.fills.push(Fill { mark, source, escape: Escape::Verbatim });
    }
    script.applied = stands(&wants);
    let answer = script.ask(request)?;
    if !(200..300).contains(&answer.status) && answer.status != 404 {
        return Ok(script.refused(answer));
    }
    script.applied = if is_gone { Some(Json::null()) } else { stands(&wants) };
    Ok(Decision::Finish)
}

/// Settles the order that an earlier operation left, if one may be open.
fn settle_earlier(script: &mut Script<'_>) -> Result<(), Box<Decision>> {
    let applied = script.question.laid_down.applied.as_ref().map(Json::value);
    let Some(earlier) = applied.and_then(|applied| applied["external"].as_str().map(str::to_owned)) else {
        return Ok(());
    };
    script.keys.push(earlier.clone());
    let look =
        request("look-earlier", "GET", format!("/order?external={earlier}"), None, Delivery::Repeatable);
    let found = body_of(script.ask(look)?);
    let orders = found.as_array().cloned().unwrap_or_default();
    for order in orders.iter().filter(|order| order["state"] == "open") {
        let path = format!("/order/{}/cancel", order["id"]);
        let label = format!("cancel-{}", order["id"]);
        script.ask(request(&label, "POST", path, None, Delivery::Repeatable))?;
    }
    Ok(())
}

fn order(script: &mut Script<'_>, repeats_blindly: bool) -> Result<Decision, Box<Decision>> {
    settle_earlier(script)?;
    let external = script.question.operation.0.clone();
    let wants = wants(script.question);
    let look = || request("look", "GET", format!("/order?external={external}"), None, Delivery::Repeatable);
    let mut number = 0;
    let id = loop {
        number += 1;
        let body = json!({"external": external, "account": script.question.i_account, "wants": wants});
        let label = format!("order-{number}");
        let request = request(&label, "POST", "/order".to_owned(), Some(body), Delivery::AtMostOnce);
        script.applied = Json::parse(json!({"external": external}).to_string()).ok();
        match script.exchange(request)? {
            Received::Answered(response) => {
                let answer = script.judged(response, false)?;
                if answer.status != 201 {
                    return Ok(script.refused(answer));
                }
                break body_of(answer)["id"].clone();
            }
            Received::Unknown(_) if repeats_blindly => {}
            Received::Unknown(_) => {
                let found = body_of(script.ask(look())?);
                if !found[0].is_null() {
                    break found[0]["id"].clone();
                }
            }
        }
    };
    await_order(script, &id)?;
    script.applied = match wants["gone"] == true {
        true => Some(Json::null()),
        false => Json::parse(wants.to_string()).ok(),
    };
    Ok(Decision::Finish)
}

/// Until a notification says how it ended, or a look at the deadline.
fn await_order(script: &mut Script<'_>, id: &Value) -> Result<(), Box<Decision>> {
    script.keys.push(format!("order-{id}"));
    let mut forget = false;
    loop {
        let waiting = Waiting { seconds: None, forget, gives_way: true };
        let news = script.wait(waiting)?;
        // What an earlier operation left may be heard of late, for its keys are taken over.
        if let Happening::Notified(payload) = news
            && payload.value()["of"] == script.question.operation.0.as_str()
            && payload.value()["state"] == "done"
        {
            return Ok(());
        }
        let look = request("look-at-it", "GET", format!("/order/{id}"), None, Delivery::Repeatable);
        if body_of(script.ask(look)?)["state"] != "open" {
            return Ok(());
        }
        forget = matches!(news, Happening::Elapsed);
    }
}

fn poll(script: &mut Script<'_>) -> Result<Decision, Box<Decision>> {
    let wants = wants(script.question);
    let body = json!({"external": script.question.operation.0, "account": script.question.i_account, "wants": wants});
    script.applied = Json::parse(wants.to_string()).ok();
    let job = script.ask(request("job", "POST", "/job".to_owned(), Some(body), Delivery::Repeatable))?;
    if job.status != 201 {
        return Ok(script.refused(job));
    }
    let id = body_of(job)["id"].clone();
    let mut forget = false;
    loop {
        let waiting = Waiting { seconds: Some(LOOK_EVERY), forget, gives_way: false };
        let news = script.wait(waiting)?;
        let look = request("look", "GET", format!("/order/{id}"), None, Delivery::Repeatable);
        if body_of(script.ask(look)?)["state"] != "open" {
            break;
        }
        forget = matches!(news, Happening::Elapsed);
    }
    if wants["gone"] == true {
        script.applied = Some(Json::null());
    }
    Ok(Decision::Finish)
}

fn once(script: &mut Script<'_>) -> Result<Decision, Box<Decision>> {
    let wants = wants(script.question);
    let path = format!("/sub/{}/once", script.question.i_account);
    script.applied = Json::parse(wants.to_string()).ok();
    let request = request("once", "POST", path, Some(wants.clone()), Delivery::AtMostOnce);
    let answer = match script.exchange(request)? {
        Received::Answered(response) => script.judged(response, false)?,
        Received::Unknown(why) => {
            let why = format!("nobody can say whether it is done: {why}");
            return Ok(Decision::Park(Trouble::new("cannot-look", why)));
        }
    };
    if !(200..300).contains(&answer.status) {
        return Ok(script.refused(answer));
    }
    if wants["gone"] == true {
        script.applied = Some(Json::null());
    }
    Ok(Decision::Finish)
}
