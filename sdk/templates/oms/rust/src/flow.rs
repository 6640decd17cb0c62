//! The life of an operation: settle what an earlier one left open, order, wait for the end.

use punchdown_adapter::{
    Acted, Applied, Flow, Operation, Request, Response, Status, Stop, Value, Wait, Wanted, Woken, json,
};
use serde::{Deserialize, Serialize};

use crate::Config;

/// How often an order is sent while nobody can say whether it arrived.
const TRIES_MAX: usize = 4;

/// What stands in the system for the account, as `applied` remembers it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Standing {
    service: Option<Service>,
    /// An order whose end is not known.
    order: Option<Asked>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Service {
    profile: String,
    state: String,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    external_id: String,
    /// Absent until the system said so.
    id: Option<String>,
    /// What stands when it is done.
    leaves: Option<Service>,
}

/// An order as the system shows it.
struct Order {
    id: String,
    state: String,
    reason: Option<String>,
}

impl Order {
    fn read(shown: &Value) -> Option<Self> {
        let text = |name: &str| shown[name].as_str().map(str::to_owned);
        let id = text("id").or_else(|| text("orderId"))?; // As a notification calls it.
        Some(Self { id, state: text("state")?, reason: text("reason") })
    }

    /// How it ended. `None`: it goes on, and so does a state that nobody knows.
    fn ended(&self) -> Option<Result<(), String>> {
        match self.state.as_str() {
            "done" => Some(Ok(())),
            "failed" | "cancelled" => Some(Err(self.reason.clone().unwrap_or_else(|| self.state.clone()))),
            _ => None,
        }
    }
}

pub fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
    let Ok(config) = Config::read(&operation.config) else {
        return Err(flow.park("configuration", "it is not as it was checked"));
    };
    let Ok(stands) = operation.applied.as_ref().map_or(Ok(Standing::default()), Standing::deserialize) else {
        return Err(flow.park("applied", "what stands was not written by this adapter"));
    };
    let mut standing = Applied::new(stands);
    settle_earlier(flow, &config, &mut standing)?;
    let Some((action, service)) = next_order(flow, &config, operation, &mut standing)? else {
        standing.say(flow);
        flow.report(Status::Ok, None);
        return Ok(());
    };
    let body = json!({
        "externalId": operation.id, "account": operation.i_account, "action": action,
        "profile": service.profile, "state": service.state,
    });
    let leaves = (action != "delete").then_some(service);
    let mut asked = Asked { external_id: operation.id.clone(), id: None, leaves: leaves.clone() };
    standing.order = Some(asked.clone());
    standing.say(flow); // Before it is ordered: the answer may be lost.
    let ended = match place(flow, &config, &operation.id, &body)? {
        Ok(order) => {
            flow.key(&order.id);
            asked.id = Some(order.id.clone());
            standing.order = Some(asked);
            standing.say(flow);
            follow(flow, &config, &order)?
        }
        Err(refused) => Err(refused),
    };
    standing.order = None;
    if ended.is_ok() {
        standing.service = leaves;
    }
    standing.say(flow);
    match ended {
        Ok(()) => flow.report(Status::Ok, None),
        Err(reason) => flow.report(Status::Failed, reason),
    }
    Ok(())
}

/// What to order so that the system agrees with PortaBilling. `None`: it does.
fn next_order(
    flow: &mut Flow,
    config: &Config,
    operation: &Operation,
    standing: &mut Applied<Standing>,
) -> Result<Option<(&'static str, Service)>, Stop> {
    Ok(match (operation.wanted, standing.service.clone()) {
        (Wanted::Running, stands) => {
            let subscriber = operation.subscriber.as_ref();
            let product = subscriber.and_then(|it| it.document("/account_info/product_name")?.as_str());
            let product = product.unwrap_or_default();
            let Some(profile) = config.profiles.get(product).cloned() else {
                standing.say(flow);
                return Err(flow.park("profile-unknown", format!("no profile for the product `{product}`")));
            };
            let action = if stands.is_none() { "add" } else { "change" };
            Some((action, Service { profile, state: "active".to_owned() }))
        }
        (Wanted::Suspended, Some(stands)) => {
            Some(("change", Service { state: "suspended".to_owned(), ..stands }))
        }
        (Wanted::Gone, Some(stands)) => Some(("delete", stands)),
        (Wanted::Suspended | Wanted::Gone, None) => None,
    })
}

/// An earlier operation may have left an order open. It is cancelled; what counts is how it ended.
fn settle_earlier(flow: &mut Flow, config: &Config, standing: &mut Applied<Standing>) -> Result<(), Stop> {
    let Some(mut asked) = standing.order.clone() else { return Ok(()) };
    if asked.id.is_none() {
        asked.id = find(flow, &asked.external_id)?.map(|order| order.id);
    }
    if let Some(id) = asked.id.clone() {
        flow.key(&id); // News of it is ours from now on.
        standing.order = Some(asked.clone());
        standing.say(flow);
        let response = flow.ask("cancel", Request::post("/orders").segment(&id).segment("cancel"))?;
        if is_trouble_of_the_group(&response) || response.status >= 500 {
            return Err(flow.again("busy", format!("cancel: {}", response.status)));
        }
        // A refusal is as good an answer as any: a look says what came of it.
        if let Some(order) = look(flow, &id)?
            && follow(flow, config, &order)?.is_ok()
        {
            standing.service = asked.leaves;
        }
    }
    standing.order = None;
    Ok(())
}

/// Orders once. When nobody knows whether the order arrived, it is looked for, and sent again only when it is
/// not there. The inner `Err`: it is refused.
fn place(
    flow: &mut Flow,
    config: &Config,
    external_id: &str,
    body: &Value,
) -> Result<Result<Order, String>, Stop> {
    for _ in 0..TRIES_MAX {
        if let Acted::Answered(response) = flow.act("order", Request::post("/orders").json(body))? {
            let shown = response.json().unwrap_or_default();
            if is_trouble_of_the_group(&response) {
                return Err(flow.again("busy", format!("order: {}", response.status)));
            }
            if (400..500).contains(&response.status) {
                let reason = shown["reason"].as_str().map(str::to_owned);
                return Ok(Err(reason.unwrap_or_else(|| format!("order: {}", response.status))));
            }
            if let Some(order) = Order::read(&shown).filter(|_| response.is_success()) {
                return Ok(Ok(order));
            }
            // Any other answer may be a proxy's, which is as good as none.
        }
        if let Some(order) = find(flow, external_id)? {
            return Ok(Ok(order));
        }
        // What is not there at once may be under way still.
        let (Woken::Elapsed | Woken::Notified(_)) = flow.wait(Wait::seconds(config.poll_seconds))?;
        if let Some(order) = find(flow, external_id)? {
            return Ok(Ok(order));
        }
    }
    Err(flow.park("in-doubt", "nobody can say whether the order was taken"))
}

/// Sleeps until the order has come to its end.
fn follow(flow: &mut Flow, config: &Config, order: &Order) -> Result<Result<(), String>, Stop> {
    if let Some(ended) = order.ended() {
        return Ok(ended);
    }
    let wait = Wait::seconds(config.poll_seconds).gives_way();
    let news = match flow.wait(wait)? {
        Woken::Notified(notice) => Order::read(&notice).filter(|told| told.id == order.id),
        Woken::Elapsed => match look(flow, &order.id)? {
            None => return Err(flow.park("order-lost", "the order was taken, and is not there any more")),
            seen => seen,
        },
    };
    // What is no news, such as a notice of another order, does not end the wait.
    news.and_then(|order| order.ended()).ok_or_else(|| flow.wait_on(wait))
}

/// The order of that id. `None`: it is not there.
fn look(flow: &mut Flow, id: &str) -> Result<Option<Order>, Stop> {
    let response = flow.ask("look", Request::get("/orders").segment(id))?;
    if response.status == 404 {
        return Ok(None);
    }
    let order = response.json().filter(|_| response.is_success()).and_then(|shown| Order::read(&shown));
    order.map(Some).ok_or_else(|| flow.again("look-failed", format!("look: {}", response.status)))
}

/// The order that has our name. An answer that is not 2xx never means that it is not there.
fn find(flow: &mut Flow, external_id: &str) -> Result<Option<Order>, Stop> {
    let response = flow.ask("find", Request::get("/orders").query("externalId", external_id))?;
    let Some(Value::Array(orders)) = response.json().filter(|_| response.is_success()) else {
        return Err(flow.again("look-failed", format!("find: {}", response.status)));
    };
    let Some(found) = orders.iter().find(|order| order["externalId"] == *external_id) else {
        return Ok(None);
    };
    // It is there: what cannot be read must not be ordered once more.
    let order = Order::read(found);
    order.map(Some).ok_or_else(|| flow.park("not-understood", "the order has no id and state that are texts"))
}

/// Nothing was done, and it is not the account's fault.
fn is_trouble_of_the_group(response: &Response) -> bool {
    matches!(response.status, 401 | 403 | 408 | 429 | 503)
}
