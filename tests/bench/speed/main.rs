//! How fast a host is, beside what the machine and the same work without it can do. The host is a process of its
//! own; its neighbours and whoever calls it run in this one, on the same cores.
//!
//! ```sh
//! cargo bench -p punchdown-tests --bench speed -- answers
//! cargo bench -p punchdown-tests --bench speed -- operations --accounts 4000
//! cargo bench -p punchdown-tests --bench speed -- several --instances 1,2,3
//! cargo bench -p punchdown-tests --bench speed -- adapter
//! cargo bench -p punchdown-tests --bench speed -- reload --seconds 30 --rate 50
//! cargo bench -p punchdown-tests --bench speed -- waiting --most 1000000
//! cargo bench -p punchdown-tests --bench speed -- soak --minutes 30 --rate 100
//! ```
//!
//! Each prints the machine first. Journals lie in the folder for temporary files (`TMPDIR`): let that be on the disk that
//! is meant, and no `tmpfs`.

mod adapter;
mod answers;
mod measure;
mod operations;
mod reload;
mod scene;
mod several;
mod soak;
mod waiting;

use measure::{Arguments, Failed};

const KNOWN: &str = "say one of: answers, operations, several, adapter, reload, waiting, soak";

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let (what, mut arguments) = Arguments::read()?;
    let folder = tempfile::Builder::new().prefix("punchdown-bench-").tempdir()?;
    let at = folder.path();
    match what.as_str() {
        "answers" => answers::run(at, arguments.take("--seconds", 5.0)?, arguments.end(at)?).await,
        "operations" => operations::run(at, arguments.take("--accounts", 4000)?, arguments.end(at)?).await,
        "several" => {
            let instances = arguments.take("--instances", "1,2,3".to_owned())?;
            let (seconds, accounts) =
                (arguments.take("--seconds", 5.0)?, arguments.take("--accounts", 4000)?);
            several::run(at, &instances, seconds, accounts, arguments.end(at)?).await
        }
        "adapter" => adapter::run(arguments.take("--questions", 2000)?, arguments.end(at)?).await,
        "reload" => {
            let (seconds, rate) = (arguments.take("--seconds", 30.0)?, arguments.take("--rate", 50.0)?);
            reload::run(at, seconds, rate, arguments.end(at)?).await
        }
        "waiting" => waiting::run(at, arguments.take("--most", 1_000_000)?, arguments.end(at)?).await,
        "soak" => {
            let (minutes, rate) = (arguments.take("--minutes", 30)?, arguments.take("--rate", 100.0)?);
            soak::run(at, minutes, rate, arguments.end(at)?).await
        }
        _ => Err(KNOWN.into()),
    }
}
