//! What is left when this process dies of a fault of its own: a line that says where, and nothing of what it held.
//!
//! An image of its memory holds every key, token and subscriber that it knew. A panic's message may quote any of
//! them: text that is cut in the wrong place is quoted by the standard library.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic::{self, PanicHookInfo};

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::task::JoinError;

/// From now on no image of this process is written, and a panic says its place alone. To be called before
/// anything secret is read.
///
/// # Errors
/// When the system does not let it.
pub fn leave_nothing() -> io::Result<()> {
    panic::set_hook(Box::new(tell));
    rlimit::Resource::CORE.set(0, 0)?;
    // Where the system hands images to a program, it does not ask for that limit. Of a process that is not
    // dumpable there is none, and nobody of the same user reads its memory.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// How a task ended that did not come to its end. The error's own words would quote those of the panic.
pub fn how_it_ended(error: &JoinError) -> &'static str {
    if error.is_panic() { "it panicked, and the log says where" } else { "it was ended with the host" }
}

fn tell(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let words = own_words(panic.payload());
    // Names of functions and files, where the environment wants them.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!(place, words, backtrace, "a part of the host panicked");
    } else {
        let (words, backtrace) = (words.unwrap_or_default(), backtrace.unwrap_or_default());
        eprintln!("Punchdown panicked at {place}. {words}\n{backtrace}");
    }
}

/// Words that stand in the program quote nothing; what was made at run time may.
fn own_words(payload: &(dyn Any + Send)) -> Option<&'static str> {
    payload.downcast_ref::<&'static str>().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_without_what_it_quotes() {
        let secret = String::from("s3cret");
        let ended = tokio::spawn(async move { panic!("no good: {secret}") }).await.expect_err("it panics");
        assert!(ended.to_string().contains("s3cret"), "or there would be nothing to keep back");
        assert_eq!(how_it_ended(&ended), "it panicked, and the log says where");
        assert_eq!(own_words(&*ended.into_panic()), None);
        let ended = tokio::spawn(async { panic!("it is not there") }).await.expect_err("it panics");
        assert_eq!(own_words(&*ended.into_panic()), Some("it is not there"));
        let never = tokio::spawn(std::future::pending::<()>());
        never.abort();
        assert_eq!(how_it_ended(&never.await.expect_err("aborted")), "it was ended with the host");
    }
}
