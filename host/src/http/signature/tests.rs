//! The vectors of GitHub, Slack and Standard Webhooks are published ones; the keys and codes of
//! SHA-1 and SHA-512 are those of RFC 2202 and RFC 4231.

use super::*;

/// As GitHub signs: hexadecimal, over the body alone.
fn signature(keys: &[&str]) -> Signature {
    Signature {
        keys: keys.iter().map(|key| Key::of_text(&Secret::new(*key))).collect(),
        algorithm: Algorithm::Sha256,
        header: "X-Hub-Signature-256".to_owned(),
        between: ',',
        prefix: "sha256=".to_owned(),
        encoding: Encoding::Hex,
        signed: template("{body}"),
        time: None,
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).expect(text)
}

fn within_five_minutes(from: TimeFrom) -> Option<SignedTime> {
    Some(SignedTime { from, window: Duration::from_secs(300) })
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (axum::http::HeaderName::try_from(*name).expect("a name"), value.parse().expect("a value"))
    };
    pairs.iter().map(pair).collect()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

const GITHUB: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[test]
fn one_like_githubs() {
    let signature = signature(&["another", "It's a Secret to Everybody"]);
    let holds =
        |code: &str, body: &[u8]| signature.holds(&headers(&[("X-Hub-Signature-256", code)]), body, at(0));
    let body = b"Hello, World!";
    assert!(holds(GITHUB, body));
    assert!(holds(&GITHUB.to_uppercase().replace("SHA256", "sha256"), body));
    assert!(!holds(GITHUB, b"Hello, World."), "another body");
    assert!(!holds(&GITHUB.replace("757", "758"), body), "another code");
    assert!(!holds(&GITHUB[..GITHUB.len() - 2], body), "not the whole code");
    assert!(!holds(&GITHUB.replace("sha256=", ""), body), "no prefix");
    assert!(!holds("sha256=", body));
    assert!(!holds("sha256=xyz", body));
    assert!(!signature.holds(&HeaderMap::new(), body, at(0)), "not signed");
}

#[test]
fn a_head_alone_may_say_that_no_body_is_worth_being_read() {
    let with_time = Signature {
        signed: template("{header:X-Id}.{timestamp}.{body}"),
        time: within_five_minutes(TimeFrom::Header("X-Time".to_owned())),
        ..signature(&["a key"])
    };
    let code = ("X-Hub-Signature-256", GITHUB);
    let (id, time) = (("X-Id", "1"), ("X-Time", "1000"));
    for (what, head, seconds, could) in [
        ("all that it needs", &[code, id, time][..], 1300, true),
        ("an old time", &[code, id, time], 1301, false),
        ("a time from the future", &[code, id, time], 699, false),
        ("no time", &[code, id], 1000, false),
        ("a time that is none", &[code, id, ("X-Time", "now")], 1000, false),
        ("nothing that else is signed", &[code, time], 1000, false),
        ("no code", &[id, time], 1000, false),
        ("no prefix", &[(code.0, &GITHUB[7..]), id, time], 1000, false),
        ("half a code", &[(code.0, &GITHUB[..39]), id, time], 1000, false),
        ("no hexadecimal", &[(code.0, "sha256=xyz"), id, time], 1000, false),
        ("one code of two", &[(code.0, "sha256=00"), code, id, time], 1000, true),
    ] {
        assert_eq!(with_time.could_hold(&headers(head), at(seconds)), could, "{what}");
    }
}

#[test]
fn one_like_stripes() {
    let signature = Signature {
        header: "Stripe-Signature".to_owned(),
        prefix: "v1=".to_owned(),
        signed: template("{timestamp}.{body}"),
        time: within_five_minutes(TimeFrom::Field("t".to_owned())),
        ..signature(&["whsec_test_secret"])
    };
    let good = "799c4ba7bb339f3c8601adfd112f0e477c930a268be1243d341abb8286501c2f";
    let holds = |value: &str, now: i64| {
        signature.holds(&headers(&[("stripe-signature", value)]), br#"{"id":"evt_1"}"#, at(now))
    };
    let sent = 1_492_774_577;
    assert!(holds(&format!("t={sent},v1={good},v0=6ffb"), sent + 300));
    assert!(holds(&format!("t={sent}, v1=00ff, v1={good}"), sent - 300), "one of several");
    assert!(!holds(&format!("t={sent},v1={good}"), sent + 301), "too old");
    assert!(!holds(&format!("t={sent},v1={good}"), sent - 301), "from the future");
    assert!(!holds(&format!("t={},v1={good}", sent + 1), sent), "another time");
    assert!(!holds(&format!("v1={good}"), sent), "no time");
    assert!(!holds(&format!("t={sent},v0={good}"), sent), "another version");
    assert!(!holds(&format!("t={}, v1={good}", i64::MAX), sent));
}

#[test]
fn one_like_shopifys() {
    let signature = Signature {
        header: "X-Shopify-Hmac-SHA256".to_owned(),
        prefix: String::new(),
        encoding: Encoding::Base64,
        ..signature(&["hush"])
    };
    let holds =
        |code: &str| signature.holds(&headers(&[("x-shopify-hmac-sha256", code)]), br#"{"id":1}"#, at(0));
    assert!(holds("VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="));
    assert!(!holds("VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeZ="));
    assert!(!holds("?"));
}

#[test]
fn one_like_slacks() {
    let signature = Signature {
        header: "X-Slack-Signature".to_owned(),
        prefix: "v0=".to_owned(),
        signed: template("v0:{timestamp}:{body}"),
        time: within_five_minutes(TimeFrom::Header("X-Slack-Request-Timestamp".to_owned())),
        ..signature(&["8f742231b10e8888abcd99yyyzzz85a5"])
    };
    let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&\
channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&\
command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F\
397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let code = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    let sent = "1531420618";
    let holds = |pairs: &[(&str, &str)], now| signature.holds(&headers(pairs), body, at(now));
    let good = [("X-Slack-Signature", code), ("X-Slack-Request-Timestamp", sent)];
    assert!(holds(&good, 1_531_420_618));
    assert!(!holds(&good, 1_531_421_618), "too old");
    assert!(!holds(&good[..1], 1_531_420_618), "no time");
}

#[test]
fn standard_webhooks() {
    let key = Key::of_webhook(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).expect("a key");
    let other = Key::of_webhook(&Secret::new("whsec_c2VjcmV0")).expect("a key");
    let signature = Signature::standard_webhooks(vec![other, key]);
    let body = br#"{"test": 2432232314}"#;
    let code = "v1a,AAAA v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let signed = |id, time, code| {
        headers(&[("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", code)])
    };
    let (id, time) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
    let now = at(1_614_265_330);
    let good = signed(id, time, code);
    assert!(signature.holds(&good, body, now));
    assert_eq!(signature.message_id(&good), Some(id));
    assert!(!signature.holds(&good, b"{}", now), "another body");
    assert!(!signature.holds(&signed("msg_2", time, code), body, now), "another id");
    assert!(!signature.holds(&signed(id, "1614265331", code), body, now), "another time");
    assert!(!signature.holds(&good, body, at(1_614_265_631)), "too old");
    assert!(!signature.holds(&headers(&[("webhook-signature", code)]), body, now));
    for no_key in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_?"] {
        assert!(Key::of_webhook(&Secret::new(no_key)).is_none(), "{no_key}");
    }
}

#[test]
fn other_algorithms_and_signed_headers() {
    for (algorithm, signed, code) in [
        (Algorithm::Sha1, "{body}", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (
            Algorithm::Sha512,
            "what {header:X-Do} want for nothing?",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
    ] {
        let signature = Signature {
            algorithm,
            header: "X-Code".to_owned(),
            prefix: String::new(),
            signed: template(signed),
            ..signature(&["Jefe"])
        };
        let body = b"what do ya want for nothing?";
        assert!(signature.holds(&headers(&[("x-code", code), ("x-do", "do ya")]), body, at(0)));
        assert!(!signature.holds(&headers(&[("x-code", code), ("x-do", "do I")]), b"", at(0)));
        assert!(!signature.holds(&headers(&[("x-code", code)]), b"", at(0)), "a signed header is not there");
        assert_eq!(signature.message_id(&headers(&[("webhook-id", "1")])), None, "no signature covers it");
    }
}

#[test]
fn a_template_says_what_it_does_not_know() {
    for wrong in ["{bodi}", "{body", "{header:}", "{}", "{header}"] {
        assert!(Template::parse(wrong).is_err(), "{wrong}");
    }
    assert!(template("v0:{timestamp}:{body}").has_timestamp());
    assert!(!template("timestamp body").has_body());
}
