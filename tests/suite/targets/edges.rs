//! What a target may do to whoever asks it, at the port itself: real sockets, no host around.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use punchdown::domain::{Body, Delivery, Group, OperationId, Request, Trace};
use punchdown::outbound::{Auth, Settings, Target, Targets};
use punchdown::ports::{Marks, Outbound as _, SendError, SessionValues, World};
use punchdown::secret::Vault;
use punchdown::world::SystemWorld;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness;

/// A target whose only answer is what `answer` writes.
async fn target<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, Targets)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    harness::tls();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = client.read(&mut head).await;
            tokio::spawn(answer(client));
        }
    });
    (address, targets(address, Duration::from_secs(3)))
}

fn targets(address: SocketAddr, timeout: Duration) -> Targets {
    let settings = Settings {
        url: format!("http://{address}"),
        auth: Auth::None,
        timeout,
        answer_max: 1024,
        key_header: "Idempotency-Key".to_owned(),
        traceparent: false,
        secrets: BTreeMap::new(),
        allow_loopback: false,
        roots: None,
        identity: None,
        rate: None,
    };
    let world: Arc<dyn World> = Arc::new(SystemWorld);
    let target = Target::new(settings, &world, &Vault::default()).expect("a target");
    let targets = Targets::default();
    targets.replace([(Group("HSS".to_owned()), target)]);
    targets
}

async fn ask(targets: &Targets) -> Result<u16, SendError> {
    let request = Request {
        label: "look".to_owned(),
        method: "GET".to_owned(),
        path: "/".to_owned(),
        headers: Vec::new(),
        body: Body::Empty,
        delivery: Delivery::Repeatable,
        fills: Vec::new(),
        extras: None,
    };
    let trace = Trace::of_operation(&OperationId("01J".to_owned()));
    let marks = Marks { key: "key".to_owned(), trace };
    let (group, no_session) = (Group("HSS".to_owned()), SessionValues::new());
    let answer = targets.send(&group, &request, &marks, &no_session);
    // Longer than any of its limits: whoever gets here waits for ever.
    let answer = tokio::time::timeout(Duration::from_secs(20), answer).await.expect("it ends");
    answer.map(|response| response.status)
}

#[tokio::test]
async fn an_answer_that_dribbles_ends_with_the_time() {
    for head in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"] {
        let (_, targets) = target(move |mut client: TcpStream| async move {
            client.write_all(head.as_bytes()).await?;
            loop {
                let next = if head.ends_with("\r\n\r\n") { "x" } else { "x-a: b\r\n" };
                client.write_all(if head.is_empty() { b"" } else { next.as_bytes() }).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        match ask(&targets).await {
            Err(SendError::Unanswered(why)) => assert!(why.contains("in time"), "{head:?}: {why}"),
            other => panic!("{head:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_answer_has_its_limit_whatever_it_says_of_itself() {
    for head in ["content-length: 5000\r\n\r\n", "connection: close\r\n\r\n"] {
        let (_, targets) = target(move |mut client: TcpStream| async move {
            client.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            client.write_all(head.as_bytes()).await?;
            client.write_all(&[b'x'; 5000]).await
        })
        .await;
        let answer = ask(&targets).await;
        assert!(matches!(&answer, Err(SendError::TooLarge(why)) if why.contains("answer-max")), "{answer:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (elsewhere, _targets) = target(|_: TcpStream| async { panic!("it was followed") }).await;
    let (_, targets) = target(move |mut client: TcpStream| async move {
        let answer =
            format!("HTTP/1.1 307 Elsewhere\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
        client.write_all(answer.as_bytes()).await
    })
    .await;
    assert_eq!(ask(&targets).await.expect("an answer"), 307);
}

#[tokio::test]
async fn what_ends_before_its_end_is_no_answer() {
    let (_, targets) = target(|mut client: TcpStream| async move {
        client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await
    })
    .await;
    let answer = ask(&targets).await;
    assert!(matches!(answer, Err(SendError::Unanswered(_))), "{answer:?}");
}

/// Somebody listens and takes no connections: the system's queue for them is full.
#[tokio::test]
async fn what_finds_no_connection_in_time_surely_was_not_sent() {
    harness::tls();
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("an address");
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("an address");
    let mut queue = Vec::new();
    while let Ok(Ok(caller)) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        queue.push(caller);
        assert!(queue.len() < 100, "the queue is never full");
    }
    let answer = ask(&targets(address, Duration::from_secs(2))).await;
    assert!(matches!(answer, Err(SendError::NotSent(_))), "{answer:?}");
}
