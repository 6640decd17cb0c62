//! Adapters for Punchdown, in Rust.
//!
//! An adapter decides, the host acts: [`Adapter`] is four pure functions, and [`export_adapter!`]
//! makes a component of them. [`Flow`] lets `provision` be written as straight-line code;
//! [`run_cases`] tests all of it natively, from files of given and expected.
//!
//! There is no network here, no clock and no randomness, and nothing to initialise.
//!
//! ```
//! use punchdown_adapter::{Acted, Flow, Operation, Request, Status, Stop, json};
//!
//! fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop> {
//!     let line = json!({"reference": operation.id, "account": operation.i_account});
//!     flow.applied(line.clone()); // Before it is made: its answer may be lost.
//!     match flow.act("create-line", Request::post("/lines").json(&line))? {
//!         Acted::Answered(response) if response.is_success() => flow.report(Status::Ok, None),
//!         Acted::Answered(response) => {
//!             return Err(flow.park("refused", format!("answered {}", response.status)));
//!         }
//!         Acted::Unknown(why) => return Err(flow.park("in-doubt", why)),
//!     }
//!     Ok(())
//! }
//! ```

#![deny(missing_docs)]

mod applied;
#[doc(hidden)]
pub mod bindings;
#[cfg(not(target_arch = "wasm32"))]
mod cases;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod component;
mod convert;
mod errand;
mod flow;
mod http;
mod instant;
mod log;
pub mod settings;
mod types;
pub mod xml;

pub use applied::Applied;
#[cfg(not(target_arch = "wasm32"))]
pub use cases::{run_cases, run_cases_with_log_in, run_cases_with_register};
pub use errand::Errand;
pub use flow::{Acted, Flow, Stop, Wait, Woken};
pub use http::{Body, Delivery, Escape, Fill, Header, Request, Response};
pub use log::{Level, log};
pub use serde_json::{Value, json};
pub use types::{
    Correlation, Decision, Description, Entry, Event, Exchange, Happening, Move, Notification, Operation,
    Otherwise, Outcome, Problem, Progress, Reading, Report, Signal, Standing, Status, Subscriber, Trouble,
    Waiting, Wanted,
};

/// The questions that an adapter answers. Every answer depends on the arguments alone.
pub trait Adapter {
    /// What it is, and what it needs.
    fn describe() -> Description;

    /// All that is wrong with a group's configuration; empty when it will do.
    fn check_config(config: &Value) -> Vec<Problem>;

    /// Subscriber data to requests, from the first to the last. `Ok` is finished, well or badly.
    ///
    /// # Errors
    ///
    /// [`Stop`] is not one: it comes from the flow and says that the run ends here for now.
    fn provision(flow: &mut Flow, operation: &Operation) -> Result<(), Stop>;

    /// A notification to the operations it speaks of.
    fn read_notification(config: &Value, notification: &Notification) -> Reading;
}

/// What comes next for `operation` after all that has happened: the contract's `provision`.
///
/// # Panics
///
/// When the adapter would now take another way than the history shows.
pub fn provision<A: Adapter>(operation: &Operation, history: &[Entry]) -> Progress {
    let mut flow = Flow::new(operation, history);
    // Nothing is lost with it: the flow knows whether, and by what, it was stopped.
    let _ended = A::provision(&mut flow, operation);
    flow.into_progress()
}

/// For a system that wants a log-in first. The host does it once for all operations of a group, keeps
/// what it brought in memory alone, and fills it in where a request says
/// [`fill("session.<name>")`](Request::fill). An answer that says that the session has ended is for
/// [`Flow::renew`].
pub trait LogIn: Adapter {
    /// Logs in, and says what the session has.
    ///
    /// # Errors
    ///
    /// [`Stop`] is not one: it comes from the errand and says that the run ends here for now.
    fn log_in(errand: &mut Errand, config: &Value) -> Result<Standing, Stop>;
}

/// The next move of a log-in after all that has happened on its way: the contract's `log-in`.
///
/// # Panics
///
/// When the adapter would now take another way than the history shows.
pub fn log_in<A: LogIn>(config: &Value, history: &[Entry]) -> Move {
    let mut errand = Errand::new(history);
    let ended = A::log_in(&mut errand, config);
    errand.into_move(ended)
}

/// For a system that notifies only who has registered. The host does it once for a group, remembers what
/// stands, and does it again when its time is up.
pub trait Register: Adapter {
    /// Be registered at `address`. Every registration has one of its own; whatever comes to one that came
    /// to nothing is answered 410. `standing` is what the last registration left, to be removed or
    /// replaced: its address is closed soon after this one is granted.
    ///
    /// # Errors
    ///
    /// [`Stop`] is not one: it comes from the errand and says that the run ends here for now.
    fn register_at(
        errand: &mut Errand,
        config: &Value,
        address: &str,
        standing: Option<&Value>,
    ) -> Result<Standing, Stop>;

    /// Be registered no more.
    ///
    /// # Errors
    ///
    /// As [`register_at`](Self::register_at).
    fn unregister(errand: &mut Errand, config: &Value, standing: &Value) -> Result<(), Stop>;
}

/// The next move of a registration after all that has happened on its way: the contract's `register-at`.
///
/// # Panics
///
/// When the adapter would now take another way than the history shows.
pub fn register_at<A: Register>(
    config: &Value,
    address: &str,
    standing: Option<&Value>,
    history: &[Entry],
) -> Move {
    let mut errand = Errand::new(history);
    let ended = A::register_at(&mut errand, config, address, standing);
    errand.into_move(ended)
}

/// The next move of the end of a registration: the contract's `unregister`.
///
/// # Panics
///
/// When the adapter would now take another way than the history shows.
pub fn unregister<A: Register>(config: &Value, standing: &Value, history: &[Entry]) -> Move {
    let mut errand = Errand::new(history);
    let ended = A::unregister(&mut errand, config, standing);
    errand.into_move(ended.map(|()| Standing { value: Value::Null, seconds: None }))
}

/// Exports an [`Adapter`] as the component's own, `with log_in` its [`LogIn`], too, and `with register`
/// its [`Register`]. Does nothing in a native build.
#[macro_export]
macro_rules! export_adapter {
    ($adapter:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::component::Component<$adapter>;
    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
    ($adapter:ty, with log_in) => {
        $crate::export_adapter!($adapter);
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::component::Component<$adapter>;
    $crate::bindings::session::export_session!(Component with_types_in $crate::bindings::session);
        };
    };
    ($adapter:ty, with register) => {
        $crate::export_adapter!($adapter);
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::component::Component<$adapter>;
    $crate::bindings::registration::export_registration!(Component with_types_in $crate::bindings::registration);
        };
    };
}
