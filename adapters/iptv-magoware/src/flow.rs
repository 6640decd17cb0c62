//! The life of an operation. Who must not watch is locked, and his record kept; who is gone is removed.

use std::collections::BTreeMap;

use punchdown_adapter::{Flow, Operation, Status, Stop, Subscriber, Value, Wanted, json};
use serde_json::Map;

use crate::config::Config;
use crate::plan::{self, Plan};
use crate::standing::Standing;
use crate::work::{Login, Work};

pub fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
    let Ok(config) = Config::read(&operation.config) else {
        return Err(flow.park("configuration", "it is not as it was checked"));
    };
    let Ok(standing) = Standing::read(operation.applied.as_ref()) else {
        return Err(flow.park("applied", "what stands was not written by this adapter"));
    };
    let mut work = Work::new(flow, &config, operation, standing);
    let subscriber = operation.subscriber.as_ref();
    let plan = subscriber.and_then(|subscriber| Plan::of(&config, operation, subscriber));
    match (operation.wanted, subscriber, plan) {
        (Wanted::Gone, _, plan) => gone(&mut work, plan.as_ref()),
        (Wanted::Running, Some(subscriber), Some(plan)) if !plan.products.is_empty() => {
            running(&mut work, subscriber, &plan)
        }
        // A product without television is the same to Magoware as a block.
        (Wanted::Running | Wanted::Suspended, _, Some(plan)) => locked(&mut work, Some(&plan)),
        (Wanted::Suspended, _, None) => locked(&mut work, None),
        (Wanted::Running, ..) => {
            Err(work.park("username-unknown", "the account has nothing that could be its login's name"))
        }
    }?;
    work.say();
    work.flow.report(Status::Ok, None);
    Ok(())
}

fn running(work: &mut Work<'_, '_>, subscriber: &Subscriber, plan: &Plan) -> Result<(), Stop> {
    let login = match known(work, Some(plan))? {
        Some(login) => login,
        None => {
            let body = new_login(work, subscriber, plan)?;
            *work.standing = Standing { username: plan.username.clone(), ..Standing::default() };
            work.create(&body, &plan.username)?
        }
    };
    if work.is_anothers(&login) {
        let why = format!("`{}` is the login of another account still", login.username);
        return Err(work.flow.again("taken", why));
    }
    remember(work, &login);
    if login.username != plan.username {
        if work.find(&plan.username)?.is_some() {
            let why = format!("another login is called `{}`", plan.username);
            return Err(work.flow.again("taken", why));
        }
        work.set(&login, &json!({"username": plan.username}))?;
        work.standing.username = plan.username.clone();
    }
    packages(work, plan)?;
    if login.is_locked {
        work.set(&login, &json!({"account_lock": false}))?;
    }
    Ok(())
}

/// The login of the account: by the name that is remembered, else by the one that it should have.
fn known(work: &mut Work<'_, '_>, plan: Option<&Plan>) -> Result<Option<Login>, Stop> {
    let remembered = work.standing.username.clone();
    let mut found = None;
    if !remembered.is_empty() {
        found = work.find(&remembered)?;
        // Somebody removed it, and another one has its name: that one is not ours.
        let id = work.standing.login;
        found = found.filter(|login| id.is_none_or(|id| id == login.id));
    }
    match plan.map(|plan| &plan.username).filter(|name| **name != remembered) {
        Some(name) if found.is_none() => work.find(name),
        _ => Ok(found),
    }
}

fn remember(work: &mut Work<'_, '_>, login: &Login) {
    let customer = login.customer.filter(|_| work.is_marked(login));
    let standing = &mut *work.standing;
    if standing.login.is_some_and(|id| id != login.id) {
        // What was sold went with the login to which it was sold.
        *standing = Standing::default();
    }
    standing.username = login.username.clone();
    (standing.login, standing.customer) = (Some(login.id), customer);
}

fn new_login(work: &mut Work<'_, '_>, subscriber: &Subscriber, plan: &Plan) -> Result<Value, Stop> {
    let Some(password) = work.config.password(subscriber) else {
        let why =
            "the account has no password for its login, and Magoware would give it one that everybody knows";
        return Err(work.park("password-unknown", why));
    };
    let mut body: Map<String, Value> = work.config.customer(subscriber).collect();
    body.extend(work.config.group_id.map(|id| ("group_id".to_owned(), json!(id))));
    body.insert("username".to_owned(), json!(plan.username));
    body.insert("password".to_owned(), json!(password));
    body.insert("email".to_owned(), json!(work.email()));
    Ok(Value::Object(body))
}

/// Ends what is not entitled to any more, then sells the rest. Products share packages, so after an end all that is
/// left is sold anew.
fn packages(work: &mut Work<'_, '_>, plan: &Plan) -> Result<(), Stop> {
    let username = plan.username.clone();
    let now = plan::written(&work.operation.began);
    let over: Vec<String> =
        work.standing.products.keys().filter(|id| !plan.products.contains_key(*id)).cloned().collect();
    if !over.is_empty() {
        let unknown = plan.products.keys().map(|id| (id.clone(), None));
        let ending = over.iter().map(|id| (id.clone(), None));
        work.standing.products = ending.chain(unknown).collect::<BTreeMap<_, _>>();
    }
    for product in over {
        work.sell("end-product", &username, &product, &now)?;
        work.standing.products.remove(&product);
    }
    for (product, end) in &plan.products {
        if work.standing.products.get(product) == Some(&Some(end.clone())) {
            continue;
        }
        work.standing.products.insert(product.clone(), None);
        work.sell("sell-product", &username, product, end)?;
        work.standing.products.insert(product.clone(), Some(end.clone()));
    }
    Ok(())
}

fn locked(work: &mut Work<'_, '_>, plan: Option<&Plan>) -> Result<(), Stop> {
    let found = known(work, plan)?;
    let Some(login) = found.filter(|login| !work.is_anothers(login)) else { return Ok(()) };
    remember(work, &login);
    match login.is_locked {
        true => Ok(()),
        false => work.set(&login, &json!({"account_lock": true})),
    }
}

fn gone(work: &mut Work<'_, '_>, plan: Option<&Plan>) -> Result<(), Stop> {
    let remembered = *work.standing != Standing::default();
    let found = known(work, plan)?;
    // An account that is closed may have given its name to another one: then only what bears its number goes.
    let found = found.filter(|login| work.is_marked(login) || remembered && !work.is_anothers(login));
    if let Some(login) = &found {
        remember(work, login);
        if !login.is_locked {
            // Whatever becomes of the rest, nobody watches any more.
            work.set(login, &json!({"account_lock": true}))?;
        }
        work.remove_login(login)?;
    }
    if let Some(customer) = work.standing.customer {
        work.remove_customer(customer, found.as_ref().map(|login| login.id))?;
    }
    if let Some(login) = found
        && work.find(&login.username)?.is_some_and(|left| left.id == login.id)
    {
        let why = "the login is locked, and this Magoware does not remove it: remove it by hand";
        return Err(work.park("not-removed", why));
    }
    *work.standing = Standing::default();
    Ok(())
}
