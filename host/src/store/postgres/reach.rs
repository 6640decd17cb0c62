//! How the database is reached: at whichever of its addresses it can be written to, and with what each connection begins.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Connect;
use futures_util::future::{BoxFuture, select_ok};
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Config, Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Error, NoTls, Notification, Socket};
use tokio_util::task::AbortOnDropHandle;

use super::connection::told;
use super::database::{SILENT_MAX, STATEMENT_MAX, Server};
use super::tls::Tls;

/// How long a connection may take to be made, at whichever address, and to be free.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);
/// One address of a name may take so much of it.
const ADDRESS_MAX: Duration = Duration::from_secs(2);
/// An address that does not answer keeps nobody from the next one: that is tried beside it by then.
const HEAD_START: Duration = Duration::from_millis(500);

/// What a connection is told of, until it ends.
pub type Hears = mpsc::UnboundedSender<Notification>;

/// Makes connections.
#[derive(Clone)]
pub struct Reach(Arc<Places>);

struct Places {
    /// Of one address each.
    at: Vec<Config>,
    /// `None`: in the clear.
    tls: Option<Tls>,
    /// Where it was reached last: there it is looked for first.
    last: AtomicUsize,
}

impl Reach {
    pub fn of(server: &Server) -> Result<Self, String> {
        let tls = server.tls.as_ref().map(|authorities| Tls::new(authorities.pem())).transpose()?;
        let mut at = each_by_itself(&server.client);
        for client in &mut at {
            client
                .connect_timeout(ADDRESS_MAX)
                .keepalives_idle(Duration::from_secs(10))
                .keepalives_interval(Duration::from_secs(5))
                .keepalives_retries(3)
                .tcp_user_timeout(Duration::from_secs(20))
                .target_session_attrs(TargetSessionAttrs::ReadWrite)
                .ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
            if let Some(password) = &server.password {
                client.password(password.expose());
            }
        }
        Ok(Self(Arc::new(Places { at, tls, last: AtomicUsize::new(0) })))
    }

    /// Where several would do the first that says so counts: who is at the others then is for whoever has set them up.
    pub async fn connect(
        &self,
        as_whom: &str,
        hears: Option<&Hears>,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        let Places { at, last, .. } = &*self.0;
        let first = last.load(Ordering::Relaxed);
        let tried = (0_u32..).zip(0..at.len()).map(|(turn, number)| {
            let place = (first + number) % at.len();
            Box::pin(async move {
                tokio::time::sleep(HEAD_START * turn).await;
                self.connect_at(place, as_whom, hears).await.map(|made| (place, made))
            })
        });
        let ((place, made), _) = select_ok(tried).await?;
        last.store(place, Ordering::Relaxed);
        Ok(made)
    }

    async fn connect_at(
        &self,
        place: usize,
        as_whom: &str,
        hears: Option<&Hears>,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        let mut client = self.0.at[place].clone();
        client.application_name(as_whom);
        match &self.0.tls {
            Some(tls) => begun(&client, tls.clone(), hears.cloned()).await,
            None => begun(&client, NoTls, hears.cloned()).await,
        }
    }
}

impl Connect for Reach {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        Box::pin(self.connect("punchdown", None))
    }
}

async fn begun<T>(client: &Config, tls: T, hears: Option<Hears>) -> Result<(Client, JoinHandle<()>), Error>
where
    T: MakeTlsConnect<Socket, Stream: Send + 'static>,
{
    let (client, mut connection) = client.connect(tls).await?;
    let mut messages = stream::poll_fn(move |polled| connection.poll_message(polled));
    let speaks = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            match (message, &hears) {
                (Ok(AsyncMessage::Notification(told)), Some(hears)) => drop(hears.send(told)),
                (Ok(_), _) => {}
                (Err(error), _) => {
                    tracing::warn!(error = told(&error), "a connection to the journal's database has ended");
                    return;
                }
            }
        }
    }));
    client.batch_execute(&settings()).await?;
    Ok((client, speaks.detach()))
}

/// Each connection is as it must be, whatever the server's settings are, and become. A machine that was cut off is
/// noticed there as it would be here, and lets go of what it held.
fn settings() -> String {
    format!(
        "SELECT set_config('synchronous_commit', 'on', false)
         WHERE current_setting('synchronous_commit') <> 'remote_apply';
         SET default_transaction_isolation = 'read committed';
         SET idle_in_transaction_session_timeout = {};
         SET statement_timeout = {};
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
         SET tcp_user_timeout = 20000;
         SELECT set_config('punchdown.slot', gen_random_uuid()::text, false);
         SET client_min_messages = warning",
        SILENT_MAX.as_millis(),
        STATEMENT_MAX.as_millis()
    )
}

/// The client library tries one address after the other, and one that is dead takes the time of all.
fn each_by_itself(client: &Config) -> Vec<Config> {
    let (hosts, addresses, ports) = (client.get_hosts(), client.get_hostaddrs(), client.get_ports());
    let port = |number: usize| ports.get(number).or(ports.first()).copied();
    let one = |number| of_one(client, hosts.get(number), addresses.get(number), port(number));
    (0..hosts.len().max(addresses.len())).map(one).collect()
}

fn of_one(from: &Config, host: Option<&Host>, address: Option<&IpAddr>, port: Option<u16>) -> Config {
    let mut one = Config::new();
    one.ssl_negotiation(from.get_ssl_negotiation()).channel_binding(from.get_channel_binding());
    if let Some(user) = from.get_user() {
        one.user(user);
    }
    if let Some(database) = from.get_dbname() {
        one.dbname(database);
    }
    if let Some(options) = from.get_options() {
        one.options(options);
    }
    match host {
        Some(Host::Tcp(name)) => _ = one.host(name),
        Some(Host::Unix(path)) => _ = one.host_path(path),
        None => {}
    }
    if let Some(address) = address {
        one.hostaddr(*address);
    }
    if let Some(port) = port {
        one.port(port);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_of_a_url_stands_by_itself_with_its_port_and_all_else() {
        let url = "postgres://me@one.example.net:5433,two.example.net:5434/there?options=-c%20a%3D1";
        let each = each_by_itself(&url.parse().expect("a URL"));
        let told: Vec<_> = each.iter().map(|one| (one.get_hosts(), one.get_ports())).collect();
        let host = |name: &str| [Host::Tcp(name.to_owned())];
        let (first, second) = (host("one.example.net"), host("two.example.net"));
        assert_eq!(told, [(&first[..], &[5433][..]), (&second[..], &[5434][..])]);
        for one in &each {
            let rest = (one.get_user(), one.get_dbname(), one.get_options());
            assert_eq!(rest, (Some("me"), Some("there"), Some("-c a=1")));
        }
        let one_port = each_by_itself(&"postgres://me@one,two:5433/there".parse().expect("a URL"));
        assert_eq!(one_port.len(), 2);
    }
}
