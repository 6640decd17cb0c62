//! What is said to the system, and what its answers mean: SOAP 1.1, whose faults come in a `200` as often
//! as in a `500`.

use punchdown_adapter::{Escape, Request, Response, xml};

use crate::config::Config;

/// Stands for the session in what is recorded; the host puts it in as the request leaves.
const SESSION: &str = "@@session@@";

/// A call, as the members of its element.
pub struct Call {
    name: &'static str,
    members: Vec<(&'static str, String)>,
    fills: Vec<(&'static str, &'static str)>,
}

/// What an answer says.
pub enum Answer {
    Done(Done),
    Fault {
        code: String,
        why: String,
    },
    /// Nothing that this system says.
    Unclear(String),
}

/// An answer's text.
pub struct Done(String);

impl Done {
    pub fn text(&self, name: &str) -> Option<String> {
        xml::find(&self.0, name)
    }
}

impl Call {
    pub fn log_in() -> Self {
        let (user, password) = ("@@user@@", "@@password@@");
        let members = vec![("user", user.to_owned()), ("password", password.to_owned())];
        Self { name: "Login", members, fills: vec![(user, "secret.user"), (password, "secret.password")] }
    }

    pub fn new(name: &'static str) -> Self {
        Self { name, members: Vec::new(), fills: vec![(SESSION, "session.id")] }.with("session", SESSION)
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.members.push((name, value.to_owned()));
        self
    }

    pub fn request(&self, config: &Config) -> Request {
        let name = self.name;
        let members: String = self
            .members
            .iter()
            .map(|(member, value)| format!("<{member}>{}</{member}>", xml::escape(value)))
            .collect();
        let envelope = format!(
            "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
             <{name} xmlns=\"urn:example:services\">{members}</{name}></soap:Body></soap:Envelope>"
        );
        let request = Request::post(&config.path).text("text/xml; charset=utf-8", envelope);
        let request = request.header("soapaction", format!("\"urn:example:services#{name}\""));
        let fill =
            |request: Request, (mark, source): &(&str, &str)| request.fill(*mark, *source, Escape::Xml);
        self.fills.iter().fold(request, fill)
    }
}

pub fn read(response: &Response) -> Answer {
    let unclear = || Answer::Unclear(format!("answered {} without a SOAP envelope", response.status));
    let Some(text) = response.body.text() else { return unclear() };
    if let Some(code) = xml::find(text, "Fault/faultcode") {
        let code = code.rsplit_once(':').map_or(code.as_str(), |(_, code)| code).to_owned();
        let why = xml::find(text, "Fault/faultstring").unwrap_or_else(|| code.clone());
        return Answer::Fault { code, why };
    }
    match xml::find(text, "Envelope/Body") {
        Some(_) if response.is_success() => Answer::Done(Done(text.to_owned())),
        _ => unclear(),
    }
}
