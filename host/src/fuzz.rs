//! What the fuzz targets ask (`tests/fuzz`): each of these takes any bytes at all, hands them to
//! the parsers that the doors hand them to, and panics when what comes of it is not as it must be.
//!
//! Here they are tried on their corpora; for how long and on what else is the fuzzer's affair.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

pub use crate::billing::fuzz::{billing_answer, session_token};
pub use crate::config::fuzz::configuration;
use crate::domain::{Body, Event, EventSource, Timestamp};
pub use crate::http::fuzz::{
    certificate, credential, event_credential, forwarded, notification_path, rewording, signature, trace,
};
pub use crate::store::fuzz::sealed;
use crate::web;

/// A delivery of the ESPF: an event is the same after it was written down, and however often it comes.
pub fn event(input: &[u8]) {
    let at = Timestamp::from_millis(1_769_846_400_000);
    let Ok(event) = Event::parse(input, at) else { return };
    let written = serde_json::to_string(&event).expect("an event can be written");
    assert_eq!(serde_json::from_str::<Event>(&written).expect("and read"), event);
    let (name, variables) = (serde_json::json!(event.name), event.variables.text());
    let again = format!("{{\"variables\":{variables},\"event_type\":{name},\"more\":[]}}");
    assert_eq!(Event::parse(again.as_bytes(), at).as_ref(), Ok(&event));
    assert_eq!(event.identity.0, format!("{}-{}", event.i_env.unwrap_or(0), event.id));
    assert!(event.other_identity().0.starts_with(&format!("{}~", event.identity)));
}

/// A delivery of NSPS: the event in it is one, and what is none is the same letter every time.
pub fn nsps(input: &[u8]) {
    let at = Timestamp::from_millis(1_769_846_400_000);
    let source = EventSource::Nsps;
    let letter = source.letter_id(input).expect("NSPS repeats what is refused");
    assert!(letter.starts_with("nsps-") && letter.len() == 37, "{letter}");
    assert_eq!(source.letter_id(input).as_ref(), Some(&letter));
    let Ok(event) = source.read(input, at) else { return };
    let written = serde_json::to_string(&event).expect("an event can be written");
    assert_eq!(serde_json::from_str::<Event>(&written).expect("and read"), event);
    let of_espf = format!("{}-{}", event.i_env.unwrap_or(0), event.id);
    assert!(
        event.identity.0 == of_espf || event.identity.0 == format!("nsps-{}", event.id),
        "{}",
        event.identity
    );
    let queries = ["account_info".to_owned(), "sim_card".to_owned()];
    if let Some(enriched) = event.enriched(&queries) {
        assert!(!enriched.subscriber.account_id.0.is_empty());
        assert!(enriched.is_fresh(enriched.read_at, None));
    }
}

/// A content type and a body: text is what was written, and what is no text stays as it came.
pub fn body(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (content_type, bytes) = (&input[..end], &input[end + 1..]);
    let Ok(value) = HeaderValue::from_bytes(content_type) else { return };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
    assert_eq!(web::headers(&headers).len(), 1);
    match web::body(&headers, bytes.to_vec()) {
        Body::Empty => assert!(bytes.is_empty()),
        Body::Bytes(same) => assert_eq!(same, bytes),
        Body::Text(text) if text.as_bytes() == bytes => {}
        Body::Text(_) => {
            let declared = String::from_utf8_lossy(content_type).to_ascii_lowercase();
            assert!(declared.contains("charset"), "it was read as something that nobody declared");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    type Target = fn(&[u8]);

    const TARGETS: [(&str, Target); 15] = [
        ("billing_answer", super::billing_answer),
        ("body", super::body),
        ("certificate", super::certificate),
        ("configuration", super::configuration),
        ("credential", super::credential),
        ("event", super::event),
        ("event_credential", super::event_credential),
        ("forwarded", super::forwarded),
        ("notification_path", super::notification_path),
        ("nsps", super::nsps),
        ("rewording", super::rewording),
        ("sealed", super::sealed),
        ("session_token", super::session_token),
        ("signature", super::signature),
        ("trace", super::trace),
    ];

    fn found(folder: &Path) -> Vec<PathBuf> {
        let entries =
            std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    fn names(paths: &[PathBuf]) -> BTreeSet<&str> {
        paths.iter().filter_map(|path| path.file_stem()?.to_str()).collect()
    }

    #[test]
    fn what_holds_of_anything_holds_of_the_corpora() {
        let home = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz"));
        for (name, target) in TARGETS {
            let inputs = found(&home.join("corpus").join(name));
            assert!(inputs.len() >= 3, "{name} has a corpus of {}", inputs.len());
            for input in inputs {
                eprintln!("{}", input.display());
                target(&std::fs::read(&input).expect("an input"));
            }
        }
        let known: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names(&found(&home.join("fuzz_targets"))), known);
        assert_eq!(names(&found(&home.join("corpus"))), known);
    }
}
