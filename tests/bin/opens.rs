//! As little of a host as uses the journal: `DIRECTORY open` opens it and takes event 1, `DIRECTORY rotate` changes its
//! key, `DIRECTORY tell` says which operations can be read in it.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use punchdown::domain::{
    Event, EventIdentity, Group, IAccount, Json, Operation, OperationId, Service, Timestamp,
};
use punchdown::ports::{Claim, Journal as _, Work};
use punchdown::store::{Settings, open, rotate_key};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, what] = arguments.as_slice() else { return Err("of which directory, and what?".into()) };
    let settings = Settings::in_directory(Path::new(directory));
    match what.as_str() {
        "open" => {
            let event = event();
            open(&settings)?.accept(event.clone(), Work::Operations(vec![operation(event)])).await?;
            println!("stored");
        }
        "rotate" => {
            rotate_key(&settings, None)?;
            println!("changed");
        }
        _ => {
            let now = Timestamp::default() + Duration::from_secs(1);
            let (group, owner) = (group(), "opens".to_owned());
            let until = now + Duration::from_secs(1);
            let claim = Claim { group, owner, most: 9, senders: true, looks_first: false, now, until };
            for (_, held) in open(&settings)?.lease(claim).await?.lanes {
                println!("{}", held.operation.id);
            }
        }
    }
    Ok(())
}

fn group() -> Group {
    Group("HSS".to_owned())
}

fn event() -> Event {
    Event {
        identity: EventIdentity("1-1".to_owned()),
        id: "1".to_owned(),
        i_env: None,
        i_customer: None,
        name: "Account/New".to_owned(),
        i_account: Some(IAccount(189)),
        received_at: Timestamp::default(),
        variables: Json::empty_object(),
        enclosed: Json::empty_object(),
        trace: None,
    }
}

fn operation(event: Event) -> Operation {
    let id = OperationId("operation-1".to_owned());
    let deadline = Duration::from_secs(600);
    Operation::received(id, group(), Service("HSS".to_owned()), event, IAccount(189), deadline)
}
