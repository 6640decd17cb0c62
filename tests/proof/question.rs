//! A question as the engine puts one to an adapter, for those who ask without an engine.

use punchdown::domain::{
    AccountId, Event, EventIdentity, Group, IAccount, Json, LaidDown, OperationId, Service, Subscriber,
    Timestamp, Wanted,
};
use punchdown::ports::Question;

const I_ACCOUNT: IAccount = IAccount(189);
/// 31 January 2026, 8 o'clock: where an operation of a question began.
pub const BEGAN: Timestamp = Timestamp::from_millis(1_769_846_400_000);

/// About an account that is closed: nothing is known of its subscriber.
///
/// # Panics
/// When the configuration is no JSON.
pub fn about_closed_account(group: &str, config: &str) -> Question {
    let json = |text: &str| Json::parse(text.to_owned()).expect("JSON");
    Question {
        operation: OperationId("01KG8E5S00QUEST10N00000001".to_owned()),
        group: Group(group.to_owned()),
        service: Service(group.to_owned()),
        i_account: I_ACCOUNT,
        event: Event {
            identity: EventIdentity("0-1".to_owned()),
            id: "1".to_owned(),
            i_env: None,
            i_customer: None,
            name: "Account/Terminated".to_owned(),
            i_account: Some(I_ACCOUNT),
            received_at: BEGAN,
            variables: json("{\"i_account\":189}"),
            enclosed: Json::empty_object(),
            trace: None,
        },
        laid_down: LaidDown {
            began: BEGAN,
            wanted: Wanted::Gone,
            subscriber: None,
            applied: None,
            config: json(config),
            notify_at: None,
        },
        history: Vec::new(),
    }
}

/// About one that is new, with what PortaBilling says of its subscriber.
///
/// # Panics
/// When the configuration or the documents are no JSON.
pub fn about_new_account(group: &str, config: &str, documents: &str) -> Question {
    let closed = about_closed_account(group, config);
    let subscriber = Subscriber {
        account_id: AccountId("15550001111@msisdn".to_owned()),
        msisdn: Some("15550001111".to_owned()),
        imsi: None,
        iccid: None,
        documents: Json::parse(documents.to_owned()).expect("JSON"),
    };
    Question {
        event: Event { name: "Account/New".to_owned(), ..closed.event },
        laid_down: LaidDown { wanted: Wanted::Running, subscriber: Some(subscriber), ..closed.laid_down },
        ..closed
    }
}
