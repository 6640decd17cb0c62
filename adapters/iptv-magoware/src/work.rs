//! An operation at work: its requests, and what stands.

use punchdown_adapter::{Acted, Applied, Escape, Flow, Operation, Request, Stop, Value, Wait, json};

use crate::answer::{self, Answer};
use crate::config::Config;
use crate::standing::Standing;

const TOKEN: &str = "@@token@@";
/// How often what was passed over in silence is asked for again, before it counts as refused.
const SILENT_TRIES: u32 = 3;
/// How often a login is asked for while nobody can say whether it was made: for ten minutes.
const CREATE_TRIES: u32 = 6;
const CREATE_PAUSE: u32 = 10;

pub struct Work<'w, 'f> {
    pub flow: &'w mut Flow<'f>,
    pub config: &'w Config,
    pub operation: &'w Operation,
    pub standing: Applied<Standing>,
}

/// A login as Magoware shows it.
pub struct Login {
    pub id: u64,
    pub username: String,
    pub customer: Option<u64>,
    pub email: Option<String>,
    pub is_locked: bool,
}

impl Login {
    fn read(row: &Value) -> Option<Self> {
        let customer = row.get("customer_datum").unwrap_or(&row["customer_data"]);
        Some(Self {
            id: row["id"].as_u64()?,
            username: row["username"].as_str()?.to_lowercase(),
            customer: row["customer_id"].as_u64().or_else(|| customer["id"].as_u64()),
            email: customer["email"].as_str().map(str::to_lowercase),
            is_locked: row["account_lock"] == true || row["account_lock"] == 1,
        })
    }
}

impl<'w, 'f> Work<'w, 'f> {
    pub fn new(
        flow: &'w mut Flow<'f>,
        config: &'w Config,
        operation: &'w Operation,
        standing: Standing,
    ) -> Self {
        Self { flow, config, operation, standing: Applied::new(standing) }
    }

    /// Says what stands, when that is news.
    pub fn say(&mut self) {
        self.standing.say(self.flow);
    }

    pub fn park(&mut self, code: &str, message: impl Into<String>) -> Stop {
        self.say();
        self.flow.park(code, message)
    }

    /// Asks for what may be repeated. What is unclear is asked again, since twice does what once does.
    fn ask(&mut self, label: &str, request: Request) -> Result<Answer, Stop> {
        self.say();
        let response = self.flow.ask(label, request)?;
        let again = match answer::read(&response) {
            Answer::Later(code) => code,
            Answer::Unclear => "broken",
            answer => return Ok(answer),
        };
        Err(self.flow.again(again, format!("{label}: {}", response.status)))
    }

    /// The same, by a call that wants a log-in.
    fn ask_as_admin(&mut self, label: &str, request: Request) -> Result<Answer, Stop> {
        let request = request.header("authorization", TOKEN).fill(TOKEN, "session.token", Escape::Verbatim);
        match self.ask(label, request)? {
            Answer::Denied => Err(self.flow.renew("session-ended", format!("{label}: 403"))),
            answer => Ok(answer),
        }
    }

    /// The address of the account's login: it says whose it is, as no name does that goes from one to another.
    pub fn email(&self) -> String {
        format!("{}@{}", self.operation.i_account, self.config.email_domain).to_lowercase()
    }

    pub fn is_marked(&self, login: &Login) -> bool {
        login.email == Some(self.email())
    }

    /// Whether it was made for another account. What bears no such address nobody here made.
    pub fn is_anothers(&self, login: &Login) -> bool {
        let domain = format!("@{}", self.config.email_domain).to_lowercase();
        login.email.as_ref().is_some_and(|email| email.ends_with(&domain)) && !self.is_marked(login)
    }

    /// The login of that name. Look-ups may show others, too.
    pub fn find(&mut self, username: &str) -> Result<Option<Login>, Stop> {
        let logins = self.logins("find-login", "username", username)?;
        Ok(logins.into_iter().find(|login| login.username == username))
    }

    fn logins(&mut self, label: &str, by: &str, value: &str) -> Result<Vec<Login>, Stop> {
        let mut request = Request::get("/api/logindata").query(by, value);
        if by == "username" {
            // What older versions search by.
            request = request.query("q", value);
        }
        match self.ask(label, request)? {
            Answer::Shown(Value::Array(rows)) => Ok(rows.iter().filter_map(Login::read).collect()),
            Answer::Denied => Err(self.flow.again("unauthorised", format!("{label}: 403"))),
            _ => Err(self.flow.again("look-failed", format!("{label}: no list"))),
        }
    }

    /// Makes a login with its customer. Nothing tells a second one from a repeat but its name, so it is looked for
    /// before it is asked for again.
    pub fn create(&mut self, body: &Value, username: &str) -> Result<Login, Stop> {
        const LABEL: &str = "create-login";
        for attempt in 0..CREATE_TRIES {
            self.say();
            let request = Request::post("/api/createcustomerlogin").json(body);
            let mut refused = None;
            if let Acted::Answered(response) = self.flow.act(LABEL, request)? {
                match answer::read(&response) {
                    Answer::Later(code) => {
                        return Err(self.flow.again(code, format!("{LABEL}: {}", response.status)));
                    }
                    Answer::Denied => return Err(self.flow.again("unauthorised", format!("{LABEL}: 403"))),
                    Answer::NotThere => return Err(self.flow.again("no-such-path", format!("{LABEL}: 404"))),
                    Answer::Refused(reason) => refused = Some(reason),
                    Answer::Shown(_) | Answer::Said | Answer::Unclear => {}
                }
            }
            if let Some(login) = self.find(username)? {
                return Ok(login);
            }
            if let Some(reason) = refused {
                return Err(self.park("refused", format!("{LABEL}: {reason}")));
            }
            // It may be on its way.
            self.flow.wait(Wait::seconds(CREATE_PAUSE << attempt))?;
            if let Some(login) = self.find(username)? {
                return Ok(login);
            }
        }
        Err(self.park("in-doubt", format!("{LABEL}: asked for {CREATE_TRIES} times, and not to be found")))
    }

    /// Changes members of a login, and sees that it is so: an id may be taken for a name there.
    pub fn set(&mut self, login: &Login, members: &Value) -> Result<(), Stop> {
        let (label, at) = ("set-login", format!("/api/logindata/{}", login.id));
        match self.ask_as_admin("read-login", Request::get(&at))? {
            Answer::Shown(row) if Login::read(&row).is_some_and(|it| it.id == login.id) => {}
            Answer::Shown(_) => {
                let why = format!("the name of another login is the id of this one, {}", login.id);
                return Err(self.park("ambiguous", why));
            }
            Answer::Refused(reason) => return Err(self.park("refused", format!("read-login: {reason}"))),
            _ => return Err(self.park("vanished", "the login is not there any more")),
        }
        for _ in 0..SILENT_TRIES {
            let row = match self.ask_as_admin(label, Request::put(&at).json(members))? {
                Answer::Shown(row) => row,
                Answer::Refused(reason) => return Err(self.park("refused", format!("{label}: {reason}"))),
                _ => Value::Null,
            };
            if has(&row, members) {
                return Ok(());
            }
            if let Answer::Shown(row) = self.ask_as_admin("read-login", Request::get(&at))?
                && has(&row, members)
            {
                return Ok(());
            }
        }
        Err(self.park("refused", format!("{label}: it was passed over without a word")))
    }

    /// Sells a product until a time that is always said: then it does no harm to say it twice.
    pub fn sell(&mut self, label: &str, username: &str, product: &str, end: &str) -> Result<(), Stop> {
        let body = json!({
            "username": username,
            "product_id": product,
            "transaction_id": format!("{}-{product}", self.operation.id),
            "start_date": crate::plan::written(&self.operation.began),
            "end_date": end,
            "sale_or_refund": 1,
        });
        match self.ask(label, Request::post("/api/upsertsubscription").json(&body))? {
            Answer::Shown(said) if said["status"] == true => Ok(()),
            Answer::Refused(reason) if reason.contains("no combo") => {
                Err(self.park("product-unknown", format!("Magoware has no product `{product}`: {reason}")))
            }
            Answer::Refused(reason) => Err(self.park("refused", format!("{label}: {reason}"))),
            Answer::Denied => Err(self.flow.again("unauthorised", format!("{label}: 403"))),
            Answer::NotThere => Err(self.flow.again("no-such-path", format!("{label}: 404"))),
            _ => Err(self.flow.again("not-understood", format!("{label}: neither done nor refused"))),
        }
    }

    /// Asks for a login's removal; whether it goes is for a look to say: not every version has such a call.
    pub fn remove_login(&mut self, login: &Login) -> Result<(), Stop> {
        self.ask_as_admin("delete-login", Request::delete(format!("/api/logindata/{}", login.id))).map(drop)
    }

    /// Removes a customer whom no other login belongs to.
    pub fn remove_customer(&mut self, customer: u64, login: Option<u64>) -> Result<(), Stop> {
        let logins = self.logins("find-others", "customer_id", &customer.to_string())?;
        if logins.iter().any(|other| other.customer == Some(customer) && Some(other.id) != login) {
            return Ok(());
        }
        let at = format!("/api/customerdata/{customer}");
        self.ask_as_admin("delete-customer", Request::delete(at)).map(drop)
    }
}

/// Whether a record shows these members as they are wanted. Truth may be a number there.
fn has(row: &Value, members: &Value) -> bool {
    members.as_object().into_iter().flatten().all(|(name, wanted)| match wanted.as_bool() {
        Some(truth) => row[name] == truth || row[name] == u8::from(truth),
        None => row[name] == *wanted,
    })
}
