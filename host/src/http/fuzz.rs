//! What must hold of the parsers at the doors, whatever a caller writes.
//!
//! An input is lines and a rest, so that a corpus can be written and read by hand.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rustls::pki_types::CertificateDer;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::auth::Offered;
use super::notifications::{below_group, first_part};
use super::notify_auth::Caller;
use super::rewording::{COME_AGAIN, Reworded};
use super::tls::{CertificateName, ClientCertificate};
use super::{
    AdminToken, Algorithm, CallerRule, Doors, Encoding, EventAuth, EventSettings, Key, NotifyAuth, Signature,
    SignedTime, Template, TimeFrom, TrustedProxies, admin,
};
use crate::domain::{Group, Timestamp, Trace, hex};
use crate::secret::{Secret, Vault};
use crate::web::Validity;

/// Our clock, in the time of ESPF's published samples: 2018-04-12T15:24:00Z.
const NOW: u64 = 1_523_546_640;
const WINDOW: Duration = Duration::from_secs(300);

/// What hyper says by itself.
pub const HYPERS: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: Mon, 23 Nov 2026 12:00:00 GMT\r\n\r\n";

fn now() -> Timestamp {
    Timestamp::default() + Duration::from_secs(NOW)
}

/// The first lines, and what is behind them.
fn lines<const N: usize>(input: &[u8]) -> Option<([&[u8]; N], &[u8])> {
    let (mut lines, mut rest) = ([&[][..]; N], input);
    for line in &mut lines {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        (*line, rest) = (&rest[..end], &rest[end + 1..]);
    }
    Some((lines, rest))
}

/// `None` when a value cannot be one: hyper has refused such a head before.
fn headers(pairs: &[(&'static str, &[u8])]) -> Option<HeaderMap> {
    let pair = |(name, value): &(&'static str, &[u8])| {
        Some((HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?))
    };
    pairs.iter().map(pair).collect()
}

/// The headers `traceparent`, `b3`, `x-b3-traceid` and `x-b3-sampled`: a trace that is read can be handed on and
/// is the same there, and it breaks no line of the log.
pub fn trace(input: &[u8]) {
    let Some(([parent, b3, id], sampled)) = lines(input) else { return };
    let pairs = [("traceparent", parent), ("b3", b3), ("x-b3-traceid", id), ("x-b3-sampled", sampled)];
    let Some(headers) = headers(&pairs) else { return };
    let Some(trace) = super::events::trace(&headers) else { return };
    let name = trace.to_string();
    assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    assert_eq!(Trace::of_traceparent(&trace.parent_of("key")), Some(trace));
}

/// A certificate, or the name of one: what is shown can be told by its digest, and a name that can be
/// written in the configuration is read as it is shown.
pub fn certificate(input: &[u8]) {
    let shown = CertificateDer::from(input);
    let digest = CertificateName::Sha256(Sha256::digest(input).into());
    let certificate = ClientCertificate::new(&shown);
    assert!(certificate.is_one_of(&[digest]));
    assert!(!certificate.is_one_of(&[]));
    if let Some(validity) = Validity::of(&[shown]) {
        let _ = validity.warning(now(), "callers");
    }
    let Some(name) = str::from_utf8(input).ok().and_then(CertificateName::parse) else { return };
    assert_eq!(CertificateName::parse(&name.to_string()), Some(name));
}

/// The ESPF's credential, and its `Date`: whoever is let in has said the secret, or has signed a
/// date that is near.
pub fn event_credential(input: &[u8]) {
    let Some(([credential, date], _)) = lines(input) else { return };
    let (Ok(credential), Ok(date)) = (str::from_utf8(credential), str::from_utf8(date)) else { return };
    let admits = |auth: &EventAuth, credential: &str| {
        auth.admits(&Offered { credential, date: Some(date), now: now() })
    };
    let word = credential.trim().split_once(' ').map(|(_, word)| word.trim());

    let basic = EventAuth::Basic { user: "espf".to_owned(), password: Secret::new("secret") };
    if admits(&basic, credential) {
        assert_eq!(word.map(|word| STANDARD.decode(word)), Some(Ok(b"espf:secret".to_vec())));
    }
    let custom = EventAuth::Custom { kind: "Bearer".to_owned(), credential: Secret::new("secret") };
    assert_eq!(admits(&custom, credential), word == Some("secret") && is_kind(credential, "Bearer"));

    let signature = EventAuth::Signature { key_id: "test".to_owned(), key: Secret::new("signature_key") };
    let code = |key: &str| {
        let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("any key");
        mac.update(date.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    };
    let (ours, theirs) = (code("signature_key"), code("another key"));
    let signed = |code: &str| format!("Signature keyId=\"test\", signature=\"{code}\"");
    let near = is_near(date);
    assert_eq!(admits(&signature, &signed(&ours)), near, "{date}");
    assert!(!admits(&signature, &signed(&theirs)));
    if admits(&signature, credential) {
        assert!(near && credential.contains(&ours));
    }
}

fn is_kind(credential: &str, kind: &str) -> bool {
    credential.trim().split(' ').next().is_some_and(|found| found.eq_ignore_ascii_case(kind))
}

fn is_near(date: &str) -> bool {
    let ours = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    let Ok(theirs) = httpdate::parse_http_date(date.trim()) else { return false };
    let apart = ours.duration_since(theirs).or_else(|_| theirs.duration_since(ours));
    apart.is_ok_and(|apart| apart <= WINDOW)
}

/// A template, the header with the codes, the time, and the body: what is rightly signed holds, and
/// nothing else does.
pub fn signature(input: &[u8]) {
    let Some(([template, offered, time], body)) = lines(input) else { return };
    let Ok(Ok(template)) = str::from_utf8(template).map(Template::parse) else { return };
    let Some(offered) = headers(&[(CODES, offered), (TIME, time)]) else { return };
    for (algorithm, encoding) in [
        (Algorithm::Sha1, Encoding::Hex),
        (Algorithm::Sha256, Encoding::Base64),
        (Algorithm::Sha512, Encoding::Hex),
    ] {
        let [key, old, stranger] = ["key", "old key", "another"].map(|key| Key::of_text(&Secret::new(key)));
        let signature = Signature {
            keys: vec![old, key.clone()],
            algorithm,
            header: CODES.to_owned(),
            between: ',',
            prefix: "v1=".to_owned(),
            encoding,
            signed: template.clone(),
            time: Some(SignedTime { from: TimeFrom::Header(TIME.to_owned()), window: WINDOW }),
        };
        let code = |key: &Key| {
            let text = offered.get(TIME)?.to_str().ok()?;
            let mut unsigned = offered.clone();
            unsigned.remove(CODES);
            let code = algorithm.code(key, &template.fill(&unsigned, text, body)?);
            Some(match encoding {
                Encoding::Hex => hex(&code),
                Encoding::Base64 => STANDARD.encode(code),
            })
        };
        let Some((ours, theirs)) = code(&key).zip(code(&stranger)) else { continue };
        let with = |code: &str| {
            let mut headers = offered.clone();
            let codes = format!("v0=none, v1={code}");
            headers.insert(CODES, HeaderValue::try_from(codes).expect("a code is ASCII"));
            headers
        };
        let near = is_within(offered.get(TIME));
        assert_eq!(signature.holds(&with(&ours), body, now()), near);
        assert_eq!(signature.could_hold(&with(&ours), now()), near, "the head alone");
        assert!(!signature.holds(&with(&theirs), body, now()), "another key");
        if let Some(changed) = changed(body).filter(|_| template.has_body()) {
            assert!(!signature.holds(&with(&ours), &changed, now()), "another body");
        }
    }
}

const CODES: &str = "x-signature";
const TIME: &str = "x-time";

fn is_within(time: Option<&HeaderValue>) -> bool {
    let seconds = time.and_then(|time| time.to_str().ok()?.parse::<i64>().ok());
    seconds.is_some_and(|seconds| seconds.abs_diff(NOW.cast_signed()) <= WINDOW.as_secs())
}

/// The same with one bit turned.
fn changed(body: &[u8]) -> Option<Vec<u8>> {
    let mut body = body.to_vec();
    let middle = body.len() / 2;
    *body.get_mut(middle)? ^= 1;
    Some(body)
}

/// `X-Forwarded-For` and `Forwarded`: a stranger is not believed, and whatever a caller wrote
/// before it, what the proxy wrote last counts.
pub fn forwarded(input: &[u8]) {
    let Some(([list, chain], _)) = lines(input) else { return };
    let proxies = TrustedProxies(["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a net")).to_vec());
    let [stranger, proxy, caller, other] = ["192.0.2.9", "10.0.0.1", "198.51.100.7", "198.51.100.8"]
        .map(|text| text.parse::<IpAddr>().expect("one"));
    let origin = |from: IpAddr, more: [String; 2]| {
        let [list, chain] =
            [(list, &more[0]), (chain, &more[1])].map(|(said, more)| [said, more.as_bytes()].concat());
        let headers = headers(&[("x-forwarded-for", &list), ("forwarded", &chain)]);
        headers.map(|headers| proxies.origin(from, &headers))
    };
    let wrote = |list: IpAddr, chain: IpAddr| [format!(", {list}"), format!(", for={chain}")];
    let Some(found) = origin(proxy, [String::new(), String::new()]) else { return };
    assert_eq!(found, found.map(|found| found.to_canonical()));
    assert_eq!(origin(stranger, [String::new(), String::new()]), Some(Some(stranger)));
    assert_eq!(origin(proxy, wrote(caller, caller)), Some(Some(caller)));
    assert_eq!(origin(proxy, wrote(caller, other)), Some(None), "they do not agree");
}

/// How wide the stream is, whether hyper refuses at last, and the bodies of our own answers before
/// that: what is heard is our own to the byte, and then the other words.
pub fn rewording(input: &[u8]) {
    let Some(([width, refused], bodies)) = input.split_first_chunk() else { return };
    let ours: Vec<u8> = bodies.split(|byte| *byte == 0).flat_map(answer).collect();
    let (said, expected) = match refused % 2 {
        0 => (ours.clone(), ours),
        _ => ([&ours, HYPERS.as_bytes()].concat(), [&ours, COME_AGAIN].concat()),
    };
    let heard = through(usize::from(*width).max(1), &said);
    assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(&expected));
}

fn answer(body: &[u8]) -> Vec<u8> {
    let status = if body.len().is_multiple_of(2) { "200 OK" } else { "400 Bad Request" };
    let length = body.len();
    let head = "cache-control: no-store\r\nx: HTTP/1.1 400 x";
    [format!("HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {length}\r\n\r\n").as_bytes(), body].concat()
}

fn through(width: usize, said: &[u8]) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (narrow, mut other_side) = tokio::io::duplex(width);
        let saying = async {
            Reworded::new(narrow, true).write_all(said).await.expect("said");
        };
        let mut heard = Vec::new();
        let ((), end) = tokio::join!(saying, other_side.read_to_end(&mut heard));
        end.expect("heard");
        heard
    })
}

/// The address of a notification: the group and the rest are found, the secret is taken out, and
/// no log shows it.
pub fn notification_path(input: &[u8]) {
    let Some(uri) = str::from_utf8(input).ok().and_then(|text| text.trim_end().parse::<Uri>().ok()) else {
        return;
    };
    let auth = NotifyAuth {
        caller: vec![CallerRule::PathSecret(vec![Secret::new("s3cret")])],
        ..NotifyAuth::default()
    };
    let events = EventSettings {
        auth: Vec::new(),
        auth_header: String::new(),
        auth_failure: StatusCode::UNAUTHORIZED,
        body_max: 0,
        body_timeout: WINDOW,
    };
    let doors = Doors::new(events, None, [(Group("HSS".to_owned()), auth)], Vault::default());
    assert!(!doors.shown(uri.path()).contains("s3cret"));
    let Some((_, rest)) = below_group(&uri) else { return };
    assert!(rest.starts_with('/'), "{rest}");
    let (secret, path) = first_part(&rest);
    assert!(path.starts_with('/'), "{path}");
    let written = percent_encode(&secret, NON_ALPHANUMERIC);
    assert_eq!(first_part(&format!("/{written}{path}")), (secret, path));
}

/// `Authorization` of notifications and operators: whoever is let in has said a secret whole.
pub fn credential(input: &[u8]) {
    let Some(([authorization], _)) = lines(input) else { return };
    let Some(headers) = headers(&[("authorization", authorization)]) else { return };
    let text = headers["authorization"].to_str().unwrap_or_default();
    let word = text.trim().split_once(' ').map(|(_, word)| word.trim());
    let secrets = |words: [&str; 2]| words.map(Secret::new).to_vec();
    let admits = |rule: CallerRule| {
        let auth = NotifyAuth { caller: vec![rule], ..NotifyAuth::default() };
        auth.admits(&Caller { address: None, headers: &headers, path_secret: None, certificate: None })
    };
    if admits(CallerRule::Basic(secrets(["oms:old", "oms:new"]))) {
        let said = word.and_then(|word| STANDARD.decode(word).ok()).unwrap_or_default();
        assert!(is_kind(text, "Basic") && [&b"oms:old"[..], b"oms:new"].contains(&said.as_slice()));
    }
    let bearer = is_kind(text, "Bearer") && matches!(word, Some("old" | "new"));
    assert_eq!(admits(CallerRule::Bearer(secrets(["old", "new"]))), bearer);
    assert!(!admits(CallerRule::PathSecret(secrets(["old", "new"]))));

    let known = admin::admits(&[AdminToken::Known(Secret::new("token"))], &headers);
    let by_digest = admin::admits(&[AdminToken::Digest(Sha256::digest("token").into())], &headers);
    assert_eq!(known, by_digest);
    assert!(!known || word == Some("token") && text.starts_with("Bearer "));
}
