//! Records of the HSS: found, made, put right and taken away, whatever their kind.

use punchdown_adapter::{Applied, Flow, Request, Stop, Value};
use serde_json::Map;

use crate::answer::{self, Answer};
use crate::standing::Standing;

/// How often what was refused without a word is asked for again, before it counts as refused.
const SILENT_TRIES: u32 = 3;

/// Members that a system may keep to itself.
const HIDDEN: [&str; 2] = ["ki", "opc"];

/// A kind of record: a name for it, its path and the member that holds its id.
pub struct Kind {
    name: &'static str,
    path: &'static str,
    id: &'static str,
}

pub const AUC: Kind = Kind { name: "auc", path: "/auc", id: "auc_id" };
pub const SUBSCRIBER: Kind = Kind { name: "subscriber", path: "/subscriber", id: "subscriber_id" };
pub const IMS: Kind = Kind { name: "ims", path: "/ims_subscriber", id: "ims_subscriber_id" };

/// Members and what they have to be.
pub type Members = Vec<(&'static str, Value)>;

impl Kind {
    pub fn id_of(&self, record: &Value) -> Option<u64> {
        let id = &record[self.id];
        id.as_u64().or_else(|| id.as_str()?.parse().ok())
    }

    fn at(&self, id: u64) -> String {
        format!("{}/{id}", self.path)
    }

    fn label(&self, verb: &str) -> String {
        format!("{verb}-{}", self.name)
    }
}

/// An operation at work: its flow, and what stands.
pub struct Work<'w, 'f> {
    pub flow: &'w mut Flow<'f>,
    pub standing: Applied<Standing>,
}

impl<'w, 'f> Work<'w, 'f> {
    pub fn new(flow: &'w mut Flow<'f>, standing: Standing) -> Self {
        Self { flow, standing: Applied::new(standing) }
    }

    /// Says what stands, when that is news.
    pub fn say(&mut self) {
        self.standing.say(self.flow);
    }

    pub fn park(&mut self, code: &str, message: impl Into<String>) -> Stop {
        self.say();
        self.flow.park(code, message)
    }

    /// Asks; what may be another answer later is waited for.
    pub fn ask(&mut self, label: &str, request: Request) -> Result<Answer, Stop> {
        self.say();
        let response = self.flow.ask(label, request)?;
        match answer::read(&response) {
            Answer::Later(code) => Err(self.flow.again(code, format!("{label}: {}", response.status))),
            answer => Ok(answer),
        }
    }

    /// The record of that id, if there is one.
    pub fn by_id(&mut self, kind: &Kind, id: u64) -> Result<Option<Value>, Stop> {
        self.look(&kind.label("read"), Request::get(kind.at(id)))
    }

    /// The one record whose member is this, by the way in which the system looks it up.
    pub fn by(&mut self, kind: &Kind, way: &str, value: &str) -> Result<Option<Value>, Stop> {
        self.look(&kind.label("find"), Request::get(format!("{}/{way}", kind.path)).segment(value))
    }

    fn look(&mut self, label: &str, request: Request) -> Result<Option<Value>, Stop> {
        match self.ask(label, request)? {
            Answer::Shown(record) if record.is_object() => Ok(Some(record)),
            Answer::Refused(reason) => Err(self.park("refused", format!("{label}: {reason}"))),
            _ => Ok(None),
        }
    }

    /// Elements of a list, all of its pages together.
    pub fn list(&mut self, label: &str, path: &str) -> Result<Vec<Value>, Stop> {
        const PAGE: usize = 200;
        let mut all = Vec::new();
        for page in 0_usize.. {
            let request = Request::get(path).query("page", &page.to_string());
            let request = request.query("page_size", &PAGE.to_string());
            let elements = match self.ask(label, request)? {
                Answer::Shown(Value::Array(elements)) => elements,
                Answer::Refused(reason) => return Err(self.park("refused", format!("{label}: {reason}"))),
                _ => return Err(self.flow.again("not-understood", format!("{label}: no list"))),
            };
            let is_last = elements.len() != PAGE;
            all.extend(elements);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// Makes a record, or finds the one that is there already: ours, when an answer was lost. Says which.
    pub fn create(
        &mut self,
        kind: &Kind,
        members: Members,
        (way, value): (&str, &str),
    ) -> Result<(Value, bool), Stop> {
        let label = kind.label("create");
        let request = Request::put(format!("{}/", kind.path)).json(&object(members));
        let why = match self.ask(&label, request)? {
            Answer::Shown(record) if kind.id_of(&record).is_some() => return Ok((record, true)),
            Answer::Refused(reason) => reason,
            _ => "it was not made, and nothing says why".to_owned(),
        };
        match self.by(kind, way, value)? {
            Some(record) => Ok((record, false)),
            None => Err(self.park("refused", format!("{label}: {why}"))),
        }
    }

    /// Puts a record right. `also` goes with a change, and makes none. An answer that does not show the change is
    /// read back: the system passes over what it does not like.
    pub fn set(&mut self, kind: &Kind, record: Value, wanted: Members, also: Members) -> Result<Value, Stop> {
        let Some(id) = kind.id_of(&record) else {
            return Err(self.park("not-understood", format!("a record without {}", kind.id)));
        };
        let differs = |(name, value): &(&str, Value)| !is(&record[*name], value);
        let (differing, _): (Members, Members) = wanted.into_iter().partition(differs);
        if differing.is_empty() {
            return Ok(record);
        }
        let label = kind.label("set");
        let body = object(differing.iter().cloned().chain(also).collect());
        let mut passed_over = None;
        for _ in 0..SILENT_TRIES {
            let shown = match self.ask(&label, Request::patch(kind.at(id)).json(&body))? {
                Answer::Shown(record) => Some(record),
                Answer::Refused(reason) if is_taken(&reason) => {
                    return Err(self
                        .flow
                        .again("taken", format!("{label}: another record has it: {reason}")));
                }
                Answer::Refused(reason) => return Err(self.park("refused", format!("{label}: {reason}"))),
                _ => None,
            };
            let was_taken = shown.is_some();
            if let Some(shown) = shown
                && first_other(&shown, &differing, was_taken).is_none()
            {
                return Ok(shown);
            }
            let Some(record) = self.by_id(kind, id)? else {
                return Err(self.park("vanished", format!("{label}: the record is not there any more")));
            };
            passed_over = first_other(&record, &differing, was_taken);
            if passed_over.is_none() {
                return Ok(record);
            }
        }
        let member = passed_over.unwrap_or_default();
        Err(self.park("refused", format!("{label}: `{member}` was passed over without a word")))
    }

    /// Takes a record away. That it is not there is as good.
    pub fn remove(&mut self, kind: &Kind, record: &Value) -> Result<(), Stop> {
        let Some(id) = kind.id_of(record) else { return Ok(()) };
        let label = kind.label("delete");
        for _ in 0..SILENT_TRIES {
            match self.ask(&label, Request::delete(kind.at(id)))? {
                Answer::Shown(_) => return Ok(()),
                Answer::Refused(reason) => return Err(self.park("refused", format!("{label}: {reason}"))),
                _ if self.by_id(kind, id)?.is_none() => return Ok(()),
                _ => {}
            }
        }
        Err(self.park("refused", format!("{label}: it is passed over without a word")))
    }
}

fn object(members: Members) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

/// The first member that is something else. Keys are not shown everywhere: then it counts whether the change was
/// taken.
fn first_other(record: &Value, wanted: &Members, was_taken: bool) -> Option<&'static str> {
    let is_other = |(name, value): &&(&'static str, Value)| match record.get(name) {
        Some(shown) => !is(shown, value),
        None => !(was_taken && HIDDEN.contains(name)),
    };
    wanted.iter().find(is_other).map(|(name, _)| *name)
}

/// A database that another one's unique value stands in the way of, in the words of three of them.
fn is_taken(reason: &str) -> bool {
    ["UNIQUE", "uplicate key", "Duplicate entry"].iter().any(|word| reason.contains(word))
}

/// Whether two values are the same to the system, which writes numbers as text, and truth as a number.
fn is(shown: &Value, wanted: &Value) -> bool {
    plain(shown) == plain(wanted)
}

fn plain(value: &Value) -> Vec<String> {
    match value {
        Value::Bool(truth) => vec![u8::from(*truth).to_string()],
        Value::Null => Vec::new(),
        Value::String(list) => {
            list.split(',').map(|element| element.trim().trim_start_matches('+').to_owned()).collect()
        }
        other => vec![other.to_string()],
    }
}

/// A text, also where it is written as a number.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
