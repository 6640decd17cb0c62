//! The words of this project, and its decisions.
//!
//! | word | what it is |
//! |---|---|
//! | account | one PortaBilling account, by its `i_account` |
//! | event | what the ESPF told us: a name, an account, an id |
//! | fan-out | an event of a customer, on its way to be an operation for each of its accounts |
//! | group | a section of the configuration: one external system and its adapter |
//! | service | what the ESPF calls a service group: `HSS`; a group reports for one or more |
//! | subscriber | what PortaBilling knew of the account when an operation began |
//! | operation | one account, in one group, for one event; the unit of work |
//! | resync | PortaBilling's accounts, one by one, held against what was last done for them |
//! | lane | one account in one group; its oldest operation alone may move |
//! | stage | where an operation stands |
//! | state | the same in the words of a person: what is waited for |
//! | step | the one thing to do next |
//! | outcome | what a step brought |
//! | move | a decision that was acted on, with the entry that ended it |
//! | history | the entries, as the adapter sees them |
//! | notification | a message of the external system, stored as it came |
//! | signal | what the adapter read in a notification: whom it concerns, what it says |
//! | report | what an adapter says of a service; a status is what PortaBilling is told |
//! | trouble | a stable code and a sentence for a person; its kind says where to look first |
//! | trace | by what an operation is found in the logs of other systems |
//! | person | who did something to an operation or a group by hand, and why |
//! | errand | what is done for a whole group, and not for one account: logging in, registering for notifications |
//! | registration | what stands of being registered, and at which address |
//! | session | what a log-in brought: values that fill in requests, kept in memory alone |
//! | breaker | what holds a group's requests back while its target answers nobody, or all of it while its adapter stops |
//! | suspect | what an adapter was asked about when the process died |
//! | quarantine | what shuts an adapter out that was the end of the process for several accounts |
//! | lease | the right to move a lane, for a time; its epoch makes an old one worthless |
//!
//! Nothing here is async, touches the outside or reads a clock: time and chance are
//! arguments. Start with [`step::next`] and [`outcome::apply`].

mod account;
mod adapter;
pub mod breaker;
mod change;
mod decision;
mod errand;
mod event;
mod exchange;
pub mod fan_out;
mod group;
mod json;
mod lane;
mod notification;
mod operation;
pub mod outcome;
mod person;
mod registration;
pub mod resync;
mod retry;
mod shown;
mod state;
mod status;
pub mod step;
pub mod stops;
mod subscriber;
pub mod suspect;
mod time;
mod trace;
mod trouble;

pub use account::{AccountId, IAccount, ICustomer};
pub use adapter::{Description, Digest, Problem, digest_of_hex, hex};
pub use breaker::{Breaker, BreakerPolicy};
pub use change::{Change, Note};
pub use decision::{Decision, Entry, Exchange, Happening, Progress, Received, Report, Waiting};
pub use errand::{Errand, Standing};
pub use event::{Enriched, Event, EventIdentity, EventSource, NotAnEvent};
pub use exchange::{Body, Delivery, Escape, Fill, Header, Request, Response, retry_after};
pub use fan_out::{FanOut, Listed, Reached};
pub use group::{Aliases, Group, Patterns, Policy, Service};
pub use json::Json;
pub use lane::{Behind, GivesWay, Lane, collapses, gives_way};
pub use notification::{Correlation, Notification, Otherwise, QUIET, Reading, Signal, SystemChange};
pub use operation::{Asked, LaidDown, Move, Operation, OperationId, Stage};
pub use person::{Act, Person, may_act_on};
pub use registration::{Duty, Registered, Registration, Token};
pub use resync::{Difference, Differing, Resync};
pub use retry::{Chance, RETRY_AFTER_MAX, RetrySchedule, growing, renewed_after};
pub use shown::{Veil, shortened};
pub use state::State;
pub use status::{Said, Status, statuses};
pub use subscriber::{Subscriber, Wanted};
pub use suspect::{Quarantine, Subject, Suspect};
pub use time::Timestamp;
pub use trace::Trace;
pub use trouble::{Kind, Reason, Trouble};
