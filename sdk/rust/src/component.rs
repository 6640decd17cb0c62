//! An [`Adapter`] as the component that the host loads.

use std::marker::PhantomData;

use crate::bindings::exports::punchdown::adapter::external_system as contract;
use crate::bindings::registration::exports::punchdown::adapter::registration;
use crate::bindings::session::exports::punchdown::adapter::session;
use crate::convert::parsed;
use crate::types::{Entry, Operation};
use crate::{Adapter, LogIn, Register, log, log_in, provision, register_at, unregister};

/// Answers the host's questions by `A`. Only [`export_adapter!`](crate::export_adapter) names it.
pub struct Component<A>(PhantomData<A>);

impl<A: Adapter> contract::Guest for Component<A> {
    fn describe() -> contract::Description {
        log::leave_last_words();
        A::describe().into()
    }

    fn check_config(config: String) -> Vec<contract::Problem> {
        log::leave_last_words();
        A::check_config(&parsed(&config)).into_iter().map(contract::Problem::from).collect()
    }

    fn provision(operation: contract::Operation, history: Vec<contract::Entry>) -> contract::Progress {
        log::leave_last_words();
        let history: Vec<Entry> = history.into_iter().map(Entry::from).collect();
        provision::<A>(&Operation::from(operation), &history).into()
    }

    fn read_notification(config: String, notification: contract::Notification) -> contract::Reading {
        log::leave_last_words();
        A::read_notification(&parsed(&config), &notification.into()).into()
    }
}

impl<A: LogIn> session::Guest for Component<A> {
    fn log_in(config: String, history: Vec<contract::Entry>) -> session::Errand {
        log::leave_last_words();
        let history: Vec<Entry> = history.into_iter().map(Entry::from).collect();
        log_in::<A>(&parsed(&config), &history).into()
    }
}

impl<A: Register> registration::Guest for Component<A> {
    fn register_at(
        config: String,
        address: String,
        standing: Option<String>,
        history: Vec<contract::Entry>,
    ) -> registration::Errand {
        log::leave_last_words();
        let history: Vec<Entry> = history.into_iter().map(Entry::from).collect();
        let standing = standing.as_deref().map(parsed);
        register_at::<A>(&parsed(&config), &address, standing.as_ref(), &history).into()
    }

    fn unregister(config: String, standing: String, history: Vec<contract::Entry>) -> registration::Errand {
        log::leave_last_words();
        let history: Vec<Entry> = history.into_iter().map(Entry::from).collect();
        unregister::<A>(&parsed(&config), &parsed(&standing), &history).into()
    }
}
