//! What is done to the doors, what must be answered, and which series must count it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngCore as _};
use sha1::Sha1;
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::limited;
use crate::listeners::caller;

/// The credential that the stage gives to its ESPF.
pub const BASIC: &str = "Authorization: Basic ZXNwZjpzdGFnZS1lc3BmLXBhc3N3b3Jk\r\n";
const HOOK_KEY: &[u8] = b"stage-webhook-secret-of-punchdown";
const BODY_MAX: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(30);

/// What is said on one connection. A caller waits then until the host hangs up.
pub struct Attack {
    pub what: &'static str,
    said: Vec<u8>,
    /// The status of each answer.
    pub answered: Vec<u16>,
    /// Each of these moves by one.
    pub counted: Vec<String>,
}

impl Attack {
    fn new(what: &'static str, said: impl Into<Vec<u8>>, answered: &[u16], counted: &[String]) -> Self {
        Self { what, said: said.into(), answered: answered.to_vec(), counted: counted.to_vec() }
    }

    /// The statuses that are heard.
    pub async fn carry_out(&self, from: u8, at: SocketAddr) -> Vec<u16> {
        let mut caller = caller(from, at).await;
        // A host that has heard enough may hang up before all is said.
        let _ = caller.write_all(&self.said).await;
        let mut heard = Vec::new();
        let end = tokio::time::timeout(PATIENCE, caller.read_to_end(&mut heard)).await;
        assert!(end.is_ok(), "{}: the host never hangs up", self.what);
        let heard = String::from_utf8_lossy(&heard);
        heard.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok()).collect()
    }
}

/// Who sends events, and what his door says to him.
struct Sender {
    door: &'static str,
    first: &'static str,
    credential: &'static str,
    stored: u16,
    letter: u16,
}

const ESPF: Sender =
    Sender { door: "espf", first: "POST /espf/events", credential: BASIC, stored: 200, letter: 400 };

const NSPS: Sender = Sender {
    door: "nsps",
    first: "POST /nsps/events",
    credential: "Authorization: Bearer stage-nsps-token\r\n",
    stored: 202,
    letter: 422,
};

impl Sender {
    fn counts(&self, result: &str) -> String {
        event(self.door, result)
    }

    fn posts(&self, body: &[u8]) -> Vec<u8> {
        request(self.first, self.credential, body)
    }

    fn begins(&self, headers: &str) -> String {
        format!("{} HTTP/1.1\r\nConnection: close\r\n{}{headers}\r\n\r\n", self.first, self.credential)
    }

    /// In an envelope, where he has one.
    fn wraps(&self, chance: &mut StdRng, event: String) -> String {
        let id = chance.random::<u64>();
        if self.door == "espf" { event } else { format!("{{\"event_id\":\"{id}\",\"data\":{event}}}") }
    }

    /// What NSPS sends again and again is one letter; each of ours is to be one of its own.
    fn mark(&self, chance: &mut StdRng) -> String {
        if self.door == "espf" { String::new() } else { format!("{} ", chance.random::<u64>()) }
    }
}

pub fn event(door: &str, result: &str) -> String {
    format!("punchdown_events_total{{door=\"{door}\",result=\"{result}\"}}")
}

fn notification(result: &str) -> String {
    format!("punchdown_notifications_total{{group=\"HSS\",result=\"{result}\"}}")
}

/// A request with a body, after which the host hangs up.
fn request(first: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{first} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn word(chance: &mut StdRng) -> String {
    let length = chance.random_range(1..20);
    (0..length).map(|_| char::from(chance.random_range(b'a'..=b'z'))).collect()
}

/// Bytes that are neither UTF-8 nor JSON.
fn noise(chance: &mut StdRng) -> Vec<u8> {
    let mut noise = vec![0xff; chance.random_range(2..500)];
    chance.fill_bytes(&mut noise[1..]);
    noise
}

/// An attack on the listener, which no door sees. `refused` is what is said to a broken head and
/// to one that is too large.
fn head(chance: &mut StdRng, listener: &str, first: &str, refused: [u16; 2]) -> Attack {
    let [broken, large] = refused;
    let malformed = [limited(listener, "malformed")];
    let too_large = [limited(listener, "header-size")];
    let start = format!("{first} HTTP/1.1\r\nHost: x\r\n");
    let bad = |what, rest: String| Attack::new(what, rest, &[broken], &malformed);
    let word = word(chance);
    match chance.random_range(0..12) {
        0 => bad("no HTTP", format!("{word} no http\r\n\r\n")),
        1 => bad("another version", format!("{first} HTTP/7.{}\r\n\r\n", word.len() % 10)),
        2 => bad("a length that is none", format!("{start}Content-Length: {word}\r\n\r\n")),
        3 => bad("two lengths", format!("{start}Content-Length: 1\r\nContent-Length: 2\r\n\r\n")),
        4 => bad("a coding that is none", format!("{start}Transfer-Encoding: {word}\r\n\r\n")),
        5 => bad("a header that is none", format!("{start}{word} {word}\r\n\r\n")),
        6 => bad("a length beyond all", format!("{start}Content-Length: 99999999999999999999\r\n\r\n")),
        7 => {
            let hello = [&b"\x16\x03\x01\x02\x00"[..], &noise(chance)].concat();
            Attack::new("TLS", hello, &[broken], &malformed)
        }
        8 => {
            let headers: String =
                (0..chance.random_range(101..150)).map(|n| format!("x-{n}: {word}\r\n")).collect();
            Attack::new("too many headers", format!("{start}{headers}\r\n"), &[large], &too_large)
        }
        9 => {
            let value = "x".repeat(chance.random_range(33..70) << 10);
            Attack::new(
                "a header that is too large",
                format!("{start}X-Large: {value}\r\n\r\n"),
                &[large],
                &too_large,
            )
        }
        10 => {
            let path = "x".repeat(66 << 10);
            Attack::new("a long address", format!("POST /{path} HTTP/1.1\r\n\r\n"), &[large], &too_large)
        }
        _ => {
            let cut = chance.random_range(0..start.len());
            Attack::new("half a head", &start.as_bytes()[..cut], &[], &[super::cut_off(listener)])
        }
    }
}

pub fn on_events(chance: &mut StdRng) -> Attack {
    from_a_sender(chance, &ESPF)
}

pub fn on_nsps(chance: &mut StdRng) -> Attack {
    from_a_sender(chance, &NSPS)
}

fn from_a_sender(chance: &mut StdRng, sender: &Sender) -> Attack {
    let refused = sender.counts("refused");
    let path = sender.first.trim_start_matches("POST ");
    match chance.random_range(0..100) {
        0..25 => head(chance, "events", sender.first, [503; 2]),
        25..50 => stranger(chance, sender),
        50..80 => no_event(chance, sender),
        80..83 => {
            let half = sender.begins("Content-Length: 100") + "{";
            Attack::new("half a body", half, &[503], &[refused, limited("events", "body-time")])
        }
        83..86 => {
            let broken = sender.begins("Transfer-Encoding: chunked") + "x\r\n";
            Attack::new("a chunk that is none", broken, &[503], &[refused])
        }
        86..90 => {
            let method = ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"].choose(chance).expect("one");
            let said = request(&format!("{method} {path}"), sender.credential, b"");
            Attack::new("another method", said, &[503], &[refused])
        }
        90..94 => {
            let first = format!("{}/{}", sender.first, word(chance));
            Attack::new("another path", request(&first, sender.credential, b"{}"), &[503], &[])
        }
        _ => {
            let i_event = chance.random_range(1_u64 << 40..1 << 60);
            let event =
                format!("{{\"event_type\":\"What/Ever\",\"variables\":{{\"i_event\":\"{i_event}\"}}}}");
            let last = sender.posts(sender.wraps(chance, event).as_bytes());
            let kept = String::from_utf8_lossy(&last).replace("Connection: close\r\n", "");
            let said = [kept.as_bytes(), kept.as_bytes(), &last].concat();
            let repeated = sender.counts("repeated");
            let counted = [sender.counts("unwanted"), repeated.clone(), repeated];
            Attack::new("one event three times", said, &[sender.stored; 3], &counted)
        }
    }
}

/// Who is not let in.
fn stranger(chance: &mut StdRng, sender: &Sender) -> Attack {
    let hour = Duration::from_secs(3600);
    let now = SystemTime::now();
    let word = word(chance);
    let basic = STANDARD.encode(format!("espf:{word}"));
    let (what, headers) = match chance.random_range(0..9) {
        0 => ("no credential", String::new()),
        1 => ("a wrong password", format!("Authorization: Basic {basic}\r\n")),
        2 => ("no base64", format!("Authorization: Basic ?{word}\r\n")),
        3 => ("another scheme", format!("Authorization: Bearer {word}\r\n")),
        4 => ("a date of yesterday", signed(now - 24 * hour, "stage-espf-password")),
        5 => ("a date of tomorrow", signed(now + 24 * hour, "stage-espf-password")),
        6 => ("signed by another key", signed(now, &word)),
        7 => {
            let credential = signed(now, "stage-espf-password");
            ("signed without a date", credential.split_inclusive("\r\n").skip(1).collect())
        }
        _ => ("a credential that is no text", "Authorization: Basic \u{e9}\u{20ac}\r\n".to_owned()),
    };
    let expects = if chance.random_bool(0.1) { "Expect: 100-continue\r\n" } else { "" };
    let said = request(
        sender.first,
        &format!(
            "{headers}{expects}X-Forwarded-For: 192.0.2.{}\r\nTraceparent: 00-{word}-\u{e9}-01\r\nB3: {word}-1\r\n",
            word.len()
        ),
        b"{}",
    );
    Attack::new(what, said, &[401], &[sender.counts("unauthorised")])
}

pub fn signed(date: SystemTime, key: &str) -> String {
    let date = httpdate::fmt_http_date(date);
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("any key");
    mac.update(date.as_bytes());
    let code = STANDARD.encode(mac.finalize().into_bytes());
    format!(
        "Date: {date}\r\nAuthorization: Signature keyId=\"test\",algorithm=\"hmac-sha1\",signature=\"{code}\"\r\n"
    )
}

/// What comes from the right sender and can never be an event.
fn no_event(chance: &mut StdRng, sender: &Sender) -> Attack {
    let word = word(chance);
    let good = format!(
        "{{\"event_type\":\"Account/New\",\"variables\":{{\"i_account\":1,\"i_event\":1,\"x\":\"{word}\"}}}}"
    );
    let good = sender.wraps(chance, good);
    let kept = [sender.counts("dead-letter"), "punchdown_dead_letters".to_owned()];
    let mark = sender.mark(chance);
    let posts = |body: &[u8]| sender.posts(&[mark.as_bytes(), body].concat());
    let letter = |what, body: &[u8]| Attack::new(what, posts(body), &[sender.letter], &kept);
    match chance.random_range(0..9) {
        0 => letter("noise", &noise(chance)),
        1 => letter("broken off", &good.as_bytes()[..chance.random_range(0..good.len())]),
        2 => letter("XML", format!("<event>{word}</event>").as_bytes()),
        3 => letter("UTF-16", &good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        4 => letter(
            "Latin-1",
            &good.bytes().map(|byte| if byte == b'A' { 0xe9 } else { byte }).collect::<Vec<_>>(),
        ),
        5 => {
            let body = good.replace("\"i_event\":1", "\"i_event\":-1");
            let said = sender.posts(body.as_bytes());
            Attack::new("an id that is none", said, &[sender.letter], &kept)
        }
        6 => {
            let said = sender.posts(format!("[{good}]").as_bytes());
            Attack::new("a list", said, &[sender.letter], &kept)
        }
        7 => letter("too deep", "[".repeat(chance.random_range(200..BODY_MAX)).as_bytes()),
        _ => {
            let more = chance.random_range(1..BODY_MAX);
            let body = "x".repeat(BODY_MAX + more);
            let counted = [&kept[..], &[limited("events", "body-size")]].concat();
            Attack::new("a body that is too large", posts(body.as_bytes()), &[sender.letter], &counted)
        }
    }
}

const POST: &str = "POST /notify/HSS/tmf";

/// Headers of which only the body could say that they are forged.
fn promising(chance: &mut StdRng) -> String {
    hook(&word(chance), SystemTime::now(), b"", b"a key of somebody else")
}

/// The head of a notification whose body must be waited for.
pub fn slow_notification() -> String {
    let headers = hook("slow", SystemTime::now(), b"", b"a key of somebody else");
    format!("{POST} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: 100\r\n\r\n")
}

pub fn on_notifications(chance: &mut StdRng) -> Attack {
    let begins = |headers: &str, framing: &str, body: &str| {
        format!("{POST} HTTP/1.1\r\nConnection: close\r\n{headers}{framing}\r\n\r\n{body}")
    };
    match chance.random_range(0..100) {
        0..25 => head(chance, "events", POST, [503; 2]),
        25..65 => forged(chance, POST),
        65..70 => {
            let body = "x".repeat(BODY_MAX + chance.random_range(1..BODY_MAX));
            let counted = [limited("events", "body-size")];
            let said = request(POST, &promising(chance), body.as_bytes());
            Attack::new("a body that is too large", said, &[413], &counted)
        }
        70..72 => {
            let half = begins(&promising(chance), "Content-Length: 100", "{");
            Attack::new("half a body", half, &[408], &[limited("events", "body-time")])
        }
        72..74 => {
            let half = begins("", "Content-Length: 100", "{");
            Attack::new("half an unsigned body", half, &[401], &[notification("unauthorised")])
        }
        74..76 => {
            let broken = begins(&promising(chance), "Transfer-Encoding: chunked", "x\r\n");
            Attack::new("a chunk that is none", broken, &[408], &[])
        }
        76..84 => {
            let group = ["NONE", "%48%53", "HSS%2F", "%F0%9F%98%80"].choose(chance).expect("one");
            Attack::new("another group", request(&format!("POST /notify/{group}/x"), "", b"{}"), &[404], &[])
        }
        84..87 => Attack::new("a group that is no text", request("POST /notify/%FF", "", b"{}"), &[404], &[]),
        _ => {
            let id = format!("n-{}", chance.random::<u64>());
            let body = noise(chance);
            let said = request(POST, &hook(&id, SystemTime::now(), &body, HOOK_KEY), &body);
            let unread = [notification("unread"), "punchdown_notifications_unread".to_owned()];
            Attack::new("noise that is rightly signed", said, &[202], &unread)
        }
    }
}

/// What the group's system did not sign.
fn forged(chance: &mut StdRng, first: &str) -> Attack {
    let (id, body) = (word(chance), format!("{{\"eventId\":\"{}\"}}", word(chance)));
    let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
    let right = |at| hook(&id, at, body.as_bytes(), HOOK_KEY);
    let (what, headers) = match chance.random_range(0..8) {
        0 => ("unsigned", String::new()),
        1 => ("signed by another key", hook(&id, now, body.as_bytes(), id.as_bytes())),
        2 => ("signed an hour ago", right(now - hour)),
        3 => ("signed in an hour", right(now + hour)),
        4 => ("another id than the signed one", right(now).replace(&format!("id: {id}"), "id: other")),
        5 => ("a signature of another make", right(now).replace("v1,", "v2,")),
        6 => ("no base64", right(now).replace("v1,", "v1,?")),
        _ => ("another body than the signed one", hook(&id, now, b"{}", HOOK_KEY)),
    };
    Attack::new(what, request(first, &headers, body.as_bytes()), &[401], &[notification("unauthorised")])
}

pub fn hook(id: &str, at: SystemTime, body: &[u8], key: &[u8]) -> String {
    let at = at.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body);
    let code = STANDARD.encode(mac.finalize().into_bytes());
    format!("webhook-id: {id}\r\nwebhook-timestamp: {at}\r\nwebhook-signature: v1,{code}\r\n")
}

pub fn on_operators(chance: &mut StdRng) -> Attack {
    const GET: &str = "GET /admin/v1/status";
    let (word, other) = (word(chance), word(chance));
    let asks = |what, first: &str, headers: &str, status| {
        Attack::new(what, request(first, headers, b""), &[status], &[])
    };
    match chance.random_range(0..10) {
        0..4 => head(chance, "admin", GET, [400, 431]),
        4 => asks("no token", GET, "", 401),
        5 => asks("a wrong token", GET, &format!("Authorization: Bearer {word}{other}\r\n"), 401),
        6 => asks("a token that is no text", GET, "Authorization: Bearer \u{e9}\r\n", 401),
        7 => asks("the ESPF's credential", GET, BASIC, 401),
        8 => asks("another path", &format!("GET /admin/{word}"), "", 404),
        _ => asks("another method", "DELETE /admin/v1/status", "", 401),
    }
}
