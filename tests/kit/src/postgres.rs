//! A real PostgreSQL, made for whoever asks and gone with him: the programs of this machine, a folder of its own, a
//! free port of the loopback. It refuses to run as root, so root has it run by somebody else.

mod standby;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::free_address;

/// Its user.
pub const USER: &str = "punchdown";

/// Those that root has it run by.
const OTHERS: [&str; 2] = ["postgres", "nobody"];

/// Nobody is asked for it but those who have it.
const PASSWORD: &str = "p0stgres-s3cret";

/// A cluster of databases, with its server.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    runs_as: Option<(u32, u32)>,
    made: AtomicU32,
    /// Ends the server and removes the folder once its input has ended: with this value, or with this process, however
    /// that ends.
    keeper: Child,
}

/// How a server ends.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// What is under way is rolled back, and all connections are closed.
    Fast,
    /// As if the machine had gone.
    Immediate,
}

const KEEPER: &str = r#"cat > /dev/null
server=$(head -n 1 "$1/data/postmaster.pid" 2> /dev/null) && kill -QUIT "$server" && while kill -0 "$server" 2> /dev/null; do sleep 0.05; done
rm -rf -- "$1""#;

/// Where the programs of PostgreSQL are, if they are anywhere: Debian has a folder for each version, others have them
/// where all programs are.
pub fn programs() -> Option<PathBuf> {
    let of_versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<PathBuf> = of_versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|bin| has_all(bin))
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.pop().or_else(|| std::env::split_paths(&path).find(|folder| has_all(folder)))
}

fn has_all(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl", "psql", "pg_basebackup"]
        .iter()
        .all(|program| folder.join(program).exists())
}

impl Cluster {
    /// Makes one and starts it.
    ///
    /// # Errors
    /// What could not be done, as its program said it.
    pub fn start(settings: &[(&str, &str)]) -> io::Result<Arc<Self>> {
        let cluster = Self::empty()?;
        cluster.make(settings)?;
        cluster.begin()?;
        Ok(Arc::new(cluster))
    }

    /// A place for one.
    fn empty() -> io::Result<Self> {
        let programs = programs().ok_or_else(|| io::Error::other("there is no PostgreSQL here"))?;
        let runs_as = runs_as()?;
        let folder = folder(runs_as)?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What is said to our group at its end is not for it.
            .process_group(0)
            .spawn()?;
        let port = free_address()?.port();
        Ok(Self { programs, folder, port, runs_as, made: AtomicU32::new(0), keeper })
    }

    fn make(&self, settings: &[(&str, &str)]) -> io::Result<()> {
        let password = self.folder.join("password");
        fs::write(&password, PASSWORD)?;
        if let Some((user, group)) = self.runs_as {
            chown(&password, Some(user), Some(group))?;
        }
        let mut initdb = self.command("initdb");
        initdb.arg("--pgdata").arg(self.data()).arg("--pwfile").arg(&password);
        initdb.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8"]);
        initdb.args(["--locale", "C", "--no-sync"]);
        well(&initdb.output()?)?;
        self.set(&[
            ("listen_addresses", "127.0.0.1"),
            ("max_connections", "400"),
            ("shared_buffers", "32MB"),
        ])?;
        self.set(settings)?;
        self.set_place()
    }

    fn set_place(&self) -> io::Result<()> {
        let (port, folder) = (self.port.to_string(), self.folder.display().to_string());
        self.set(&[("port", &port), ("unix_socket_directories", &folder)])
    }

    /// From its next start on; what is said last counts.
    fn set(&self, settings: &[(&str, &str)]) -> io::Result<()> {
        let file = self.data().join("postgresql.conf");
        let mut text = fs::read_to_string(&file)?;
        for (name, value) in settings {
            let _ = writeln!(text, "{name} = '{value}'");
        }
        fs::write(&file, text)
    }

    /// Gives an order that its configuration is to keep, and has it read.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn tell(&self, order: &str) -> io::Result<()> {
        [order, "SELECT pg_reload_conf()"].iter().try_for_each(|sql| self.ask("postgres", sql).map(drop))
    }

    /// Puts a file where the server finds it and nobody else reads it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, name: &str, text: &str) -> io::Result<()> {
        let file = self.data().join(name);
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        match self.runs_as {
            Some((user, group)) => chown(&file, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    /// Starts the server, and waits until it lets people in.
    ///
    /// # Errors
    /// What its log says.
    pub fn begin(&self) -> io::Result<()> {
        let log = self.folder.join("log");
        let mut start = self.command("pg_ctl");
        start.args(["start", "--wait", "--timeout", "60", "--pgdata"]).arg(self.data());
        start.arg("--log").arg(&log);
        let started = start.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        if started.success() { Ok(()) } else { Err(io::Error::other(fs::read_to_string(log)?)) }
    }

    /// Ends the server. What was committed stays.
    ///
    /// # Errors
    /// When it would not.
    pub fn end(&self, how: Ending) -> io::Result<()> {
        let mode = match how {
            Ending::Fast => "fast",
            Ending::Immediate => "immediate",
        };
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "--wait", "--mode", mode, "--pgdata"]).arg(self.data());
        well(&stop.output()?)
    }

    /// Makes a new database.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn database(self: &Arc<Self>) -> io::Result<Database> {
        let name = format!("t{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.ask("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(Database { cluster: Arc::clone(self), name })
    }

    /// A question or an order in SQL; gives the rows as text, a line each.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn ask(&self, database: &str, sql: &str) -> io::Result<String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]);
        psql.args(["--host", "127.0.0.1", "--username", USER, "--dbname", database, "--command", sql]);
        let said = psql.arg("--port").arg(self.port.to_string()).env("PGPASSWORD", PASSWORD).output()?;
        well(&said)?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.folder).stdin(Stdio::null());
        if let Some((user, group)) = self.runs_as {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.keeper.stdin.take();
        let _ = self.keeper.wait();
    }
}

/// One of its databases.
#[derive(Clone, Debug)]
pub struct Database {
    pub cluster: Arc<Cluster>,
    name: String,
}

impl Database {
    /// Without the password.
    pub fn url(&self) -> String {
        self.url_at(&[self.cluster.address()])
    }

    /// The same, by other addresses.
    pub fn url_at(&self, addresses: &[SocketAddr]) -> String {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        format!("postgres://{USER}@{}/{}", addresses.join(","), self.name)
    }

    /// The one of the same name in another cluster.
    #[must_use]
    pub fn on(&self, cluster: &Arc<Cluster>) -> Self {
        Self { cluster: Arc::clone(cluster), name: self.name.clone() }
    }

    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// As [`Cluster::ask`], in this one.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn ask(&self, sql: &str) -> io::Result<String> {
        self.cluster.ask(&self.name, sql)
    }

    /// Cuts all connections to it; whoever wants can make new ones.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn cut(&self) -> io::Result<()> {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        self.ask(cut).map(drop)
    }
}

/// Who runs it, where we may not.
fn runs_as() -> io::Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let id_of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = OTHERS.iter().find_map(|name| id_of(name));
    found.map(Some).ok_or_else(|| io::Error::other("PostgreSQL refuses root, and there is nobody else"))
}

fn folder(owner: Option<(u32, u32)>) -> io::Result<PathBuf> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("punchdown-postgres-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    remove(&folder)?;
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    if let Some((user, group)) = owner {
        chown(&folder, Some(user), Some(group))?;
    }
    Ok(folder)
}

/// A process of the same number left it.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn well(output: &Output) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    Err(io::Error::other(said.trim().to_owned()))
}
