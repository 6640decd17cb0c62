use super::*;
use serde_json::json;

#[test]
fn what_is_secret_is_hidden_wherever_it_stands() {
    let veil = Veil::new(&["subscriber-pin".to_owned()]);
    for (given, shown) in [
        (
            json!({ "Ki": "0011", "OPc": null, "amf": "8000" }),
            json!({ "Ki": HIDDEN, "OPc": HIDDEN, "amf": "8000" }),
        ),
        (json!({ "a": [{ "apiKey": 7 }] }), json!({ "a": [{ "apiKey": HIDDEN }] })),
        (json!({ "subscriberPin": "1" }), json!({ "subscriberPin": HIDDEN })),
        (json!({ "name": "X-Api-Key", "value": "s3cret" }), json!({ "name": "X-Api-Key", "value": HIDDEN })),
        (json!({ "name": "accept", "value": "x" }), json!({ "name": "accept", "value": "x" })),
        (json!("{\"password\":\"p\",\"x\":1}"), json!({ "password": HIDDEN, "x": 1 })),
        (json!("/a?key=s3cret&x=1"), json!("/a?key=(hidden)&x=1")),
        (json!("token=s3cret"), json!("token=(hidden)")),
        (json!({ "field": "ki", "value": "0011" }), json!({ "field": "ki", "value": HIDDEN })),
        (json!({ "key": "ki", "value": "0011" }), json!({ "key": HIDDEN, "value": HIDDEN })),
        (json!("a=1&pwd='my s3cret'&b=2"), json!("a=1&pwd='(hidden)'&b=2")),
        (json!(vec![1; 20]), json!("(20 bytes)")),
        (json!([1, 2, 3]), json!([1, 2, 3])),
        (json!("<a><x:Ki>00</x:Ki><b>1</b></a>"), json!("<a><x:Ki>(hidden)</x:Ki><b>1</b></a>")),
        (json!("<user password=\"p\" id=\"1\"/>"), json!("<user password=\"(hidden)\" id=\"1\"/>")),
        (json!("<broken <ki>"), json!("<broken <ki>")),
        (json!("a < b <ki>00</ki> <ki>"), json!("a < b <ki>(hidden)</ki> <ki>")),
    ] {
        assert_eq!(veil.over(given.clone()), shown, "{given}");
    }
}

#[test]
fn lines_and_messages_say_no_secret_wherever_it_stands_in_them() {
    let veil = Veil::new(&["subscriber-pin".to_owned()]);
    let ki = "465b5ce8b199b49faa5f0a2ee238a6bc";
    for (given, line, message) in [
        ("refused: ki=00ff, x=1", "refused: ki=(hidden), x=1", "refused: ki=(hidden), x=1"),
        (
            "the answer {\"Ki\":\"00\"} is odd",
            "the answer {\"Ki\":\"(hidden)\"} is odd",
            "the answer {\"Ki\":\"(hidden)\"} is odd",
        ),
        ("cut off {\"opc\": \"00ff", "cut off {\"opc\": \"(hidden)", "cut off {\"opc\": \"(hidden)"),
        (
            "Authorization: Bearer abc.def is no good",
            "Authorization: (hidden) is no good",
            "Authorization: (hidden) is no good",
        ),
        (
            "subscriber_pin: '12 34', and on",
            "subscriber_pin: '(hidden)', and on",
            "subscriber_pin: '(hidden)', and on",
        ),
        ("IMSI 001010123456789 is unknown", "IMSI 00101…89 is unknown", "IMSI 001010123456789 is unknown"),
        (&format!("no card with {ki}"), "no card with (hidden)", "no card with (hidden)"),
        ("ORA-1: INSERT INTO subs VALUES (7)", "ORA-1: INSERT INTO subs VALUES (7)", "ORA-1: (SQL)"),
        ("near select * from subs", "near select * from subs", "near (SQL)"),
        ("UPDATE of the order at 12:30", "UPDATE of the order at 12:30", "UPDATE of the order at 12:30"),
        ("Schlüssel=ß: password=ß", "Schlüssel=ß: password=(hidden)", "Schlüssel=ß: password=(hidden)"),
        ("[[[{ key=", "[[[{ key=", "[[[{ key="),
    ] {
        assert_eq!(veil.line(given), line);
        assert_eq!(veil.message(given), message);
    }
}

#[test]
fn what_a_document_holds_under_the_names_of_secrets_is_known() {
    let veil = Veil::new(&["adm".to_owned()]);
    let document = json!({
        "sim": { "ki": "465b5ce8b199b49f", "adm": 12_345_678, "imsi": "001010123456789" },
        "list": [{ "password": { "old": "hunter22" } }, { "pin": "1234" }, { "key": "colour" }],
    });
    let found: Vec<String> = veil.secrets_in(&document).into_iter().collect();
    assert_eq!(found, ["12345678", "465b5ce8b199b49f", "hunter22"]);
}

/// Whoever armed it had a megabyte: it must not take the stack of whoever looks.
#[test]
fn what_is_nested_without_end_is_cut() {
    let mut text = "1".to_owned();
    for _ in 0..12 {
        text = format!("{}{}{}", "[".repeat(120), Value::String(text), "]".repeat(120));
    }
    let looks =
        std::thread::Builder::new().stack_size(1 << 20).spawn(move || Veil::default().over(text.into()));
    let shown = looks.expect("a thread").join().expect("it does not overflow").to_string();
    assert!(shown.contains(TOO_DEEP), "{shown}");
}

#[test]
fn of_what_names_a_subscriber_the_ends_are_shown() {
    let veil = Veil::default();
    for (given, shown) in [
        (json!("001010123456789"), json!("00101…89")),
        (json!("15550001111@msisdn"), json!("155…11@msisdn")),
        (json!({ "msisdn": 15_550_001_111_u64 }), json!({ "msisdn": "155…11" })),
        (json!({ "firstname": "Ada", "email": "" }), json!({ "firstname": "A…", "email": null })),
        (json!("2026-01-31T08:00:00.000Z"), json!("2026-01-31T08:00:00.000Z")),
        (json!(189), json!(189)),
    ] {
        assert_eq!(veil.over(given.clone()), shown, "{given}");
    }
}
