//! Compiles components in a process of its own: what a component makes of the compiler, memory above all, is nobody
//! else's trouble.
//!
//! The process is this program again, with nothing in its environment and limits that it sets itself. It reads the
//! component from its standard input, writes what came of it to its standard output, and ends. That its input ends
//! tells it that nobody waits for it any more.

use std::io::{self, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rlimit::Resource;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use wasmtime::Engine;

use super::engine;

/// By this word the program is asked to compile.
pub const COMPILES: &str = "compile-component";
/// Two compile faster than one, and leave the other cores to who answers.
const THREADS: &str = "2";
/// Whoever answers goes first.
const NICER_BY: i32 = 10;
/// The component is no good, and the output says why.
const REFUSED: u8 = 65;
/// Of its last words.
const WORDS_BYTES_MAX: u64 = 2048;
/// Numbers of signals, the same on every Linux.
const ABORTED: i32 = 6;
/// Hang-up, interrupt, kill, terminate: no fault of a process is any of these.
const BY_SOMEBODY: [i32; 4] = [1, 2, 9, 15];
const OVER_ITS_TIME: i32 = 24;

/// What compiling one component may cost. The largest one that is loaded, 64 MiB, needs a third of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompilerLimits {
    /// Bytes of address space.
    pub memory: u64,
    /// Of computing, over all threads, in whole seconds.
    pub computing: Duration,
    /// By the clock, when the machine has other things to do.
    pub time: Duration,
}

impl Default for CompilerLimits {
    fn default() -> Self {
        Self { memory: 2 << 30, computing: Duration::from_secs(60), time: Duration::from_secs(300) }
    }
}

/// Why a component was not compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCompiled {
    /// By wasmtime, in its words.
    #[error("the host cannot run it: {0}")]
    Refused(String),
    #[error(
        "compiling it takes more than {limit} bytes of memory, the most that it may: {asked} more were asked for"
    )]
    Memory { limit: u64, asked: u64 },
    #[error("compiling it takes more than {} s of computing, the most that it may", .0.as_secs())]
    Computing(Duration),
    #[error("compiling it takes more than {} s by the clock, the most that it may", .0.as_secs_f64())]
    Time(Duration),
    #[error("the compiler ended of it: {0}")]
    Ended(String),
    #[error(
        "the compiler was ended by somebody else (signal {0}); if that was 9, the system may have been short of memory"
    )]
    Killed(i32),
    #[error("a process that compiles cannot be had: {0}")]
    NotStarted(String),
}

impl NotCompiled {
    /// Whether the same component will do the same the next time.
    pub const fn lasts(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Memory { .. } | Self::Computing(_) | Self::Ended(_) => true,
            Self::Time(_) | Self::Killed(_) | Self::NotStarted(_) => false,
        }
    }
}

/// The program that compiles.
#[derive(Clone, Debug)]
pub struct Compiler {
    program: PathBuf,
    limits: CompilerLimits,
}

impl Compiler {
    pub fn new(program: &Path, limits: CompilerLimits) -> Self {
        Self { program: program.to_owned(), limits }
    }

    /// This very program, though another one may lie in its place by now.
    pub fn of_this_program() -> Self {
        Self::new(Path::new("/proc/self/exe"), CompilerLimits::default())
    }

    /// What wasmtime makes of a component. Who does not wait for it ends it.
    ///
    /// # Errors
    /// When it is no good, or takes too much.
    pub async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, NotCompiled> {
        let ran = tokio::time::timeout(self.limits.time, self.run(component)).await;
        let ran = ran.map_err(|_| NotCompiled::Time(self.limits.time))?;
        let (status, code, words) = ran.map_err(|error| NotCompiled::NotStarted(error.to_string()))?;
        match status.code() {
            Some(0) => Ok(code),
            _ => Err(why(status, &code, &String::from_utf8_lossy(&words), self.limits)),
        }
    }

    async fn run(&self, component: &[u8]) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let CompilerLimits { memory, computing, .. } = self.limits;
        let numbers = [component.len() as u64, memory, computing.as_secs()].map(|it| it.to_string());
        let mut child = Command::new(&self.program)
            .arg(COMPILES)
            .args(numbers)
            .env_clear()
            .env("RAYON_NUM_THREADS", THREADS)
            .current_dir("/")
            // A terminal's Ctrl-C is for the host, which finishes what it has begun.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let gone = || io::Error::other("it has no streams");
        let mut input = child.stdin.take().ok_or_else(gone)?;
        let mut output = child.stdout.take().ok_or_else(gone)?;
        let mut words = child.stderr.take().ok_or_else(gone)?;
        let (mut code, mut said) = (Vec::new(), Vec::new());
        let heard = async {
            (&mut words).take(WORDS_BYTES_MAX).read_to_end(&mut said).await?;
            // Whoever says more waits for nobody.
            tokio::io::copy(&mut words, &mut tokio::io::sink()).await
        };
        let (fed, read, heard) =
            tokio::join!(input.write_all(component), output.read_to_end(&mut code), heard);
        let status = child.wait().await?;
        // One that ended before it had read all says by its status why.
        if status.success() {
            fed?;
        }
        read?;
        heard?;
        drop(input);
        Ok((status, code, said))
    }
}

/// Why it ended as it did.
fn why(status: ExitStatus, output: &[u8], words: &str, limits: CompilerLimits) -> NotCompiled {
    let asked = words.split_once("memory allocation of ").and_then(|(_, rest)| rest.split(' ').next());
    match (status.code(), status.signal(), asked.and_then(|asked| asked.parse().ok())) {
        (Some(code), ..) if code == i32::from(REFUSED) => {
            NotCompiled::Refused(String::from_utf8_lossy(output).into_owned())
        }
        (_, Some(OVER_ITS_TIME), _) => NotCompiled::Computing(limits.computing),
        (_, Some(signal), _) if BY_SOMEBODY.contains(&signal) => NotCompiled::Killed(signal),
        (_, Some(ABORTED), Some(asked)) => NotCompiled::Memory { limit: limits.memory, asked },
        _ => {
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            NotCompiled::Ended(format!("{status}. {words}").trim_end().to_owned())
        }
    }
}

/// The other side: compiles the component of so many bytes that stands at the standard input.
pub fn compile_as_told(bytes: usize, memory: u64, computing: u64) -> ExitCode {
    let code = limit_oneself(memory, computing)
        .and_then(|()| component(bytes))
        .map(|component| compiled(&component));
    let written = code.and_then(|code| match code {
        Ok(code) => io::stdout().write_all(&code).map(|()| ExitCode::SUCCESS),
        Err(why) => io::stdout().write_all(why.as_bytes()).map(|()| ExitCode::from(REFUSED)),
    });
    written.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

/// Before anything is read that others wrote.
fn limit_oneself(memory: u64, computing: u64) -> io::Result<()> {
    for (resource, limit) in [(Resource::AS, memory), (Resource::CPU, computing), (Resource::FSIZE, 0)] {
        let (_, most) = resource.get()?;
        let limit = limit.min(most);
        // Beyond a soft limit of computing a signal says which one it was.
        let hard = if resource == Resource::CPU { most.min(limit + 1) } else { limit };
        resource.set(limit, hard)?;
    }
    rustix::process::nice(NICER_BY)?;
    Ok(())
}

fn component(bytes: usize) -> io::Result<Vec<u8>> {
    let mut component = vec![0; bytes];
    io::stdin().read_exact(&mut component)?;
    std::thread::Builder::new().name("nobody-waits".to_owned()).spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(1);
    })?;
    Ok(component)
}

fn compiled(component: &[u8]) -> Result<Vec<u8>, String> {
    let compiled = Engine::new(&engine::config()).and_then(|engine| engine.precompile_component(component));
    compiled.map_err(|error| super::load::chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_it_ended_says_why() {
        let limits = CompilerLimits::default();
        let (exited, by_signal) = (|code: i32| ExitStatus::from_raw(code << 8), ExitStatus::from_raw);
        let oom = "memory allocation of 4096 bytes failed\n";
        for (status, output, words, expected) in [
            (exited(65), "unknown import", "", NotCompiled::Refused("unknown import".to_owned())),
            (by_signal(6), "", oom, NotCompiled::Memory { limit: limits.memory, asked: 4096 }),
            (by_signal(24), "", "", NotCompiled::Computing(limits.computing)),
            (by_signal(9), "", "", NotCompiled::Killed(9)),
            (by_signal(15), "", "", NotCompiled::Killed(15)),
        ] {
            assert_eq!(why(status, output.as_bytes(), words, limits), expected);
        }
        for (status, words, part) in [
            (by_signal(11), "", "signal: 11"),
            (exited(101), "Punchdown panicked at a.rs:1:1. \n", "panicked at a.rs:1:1."),
            (by_signal(6), "memory allocation of some bytes failed", "some bytes"),
            (exited(1), "Broken pipe", "exit status: 1. Broken pipe"),
        ] {
            let NotCompiled::Ended(said) = why(status, b"", words, limits) else { panic!("{status}") };
            assert!(said.contains(part), "{said}");
        }
    }
}
