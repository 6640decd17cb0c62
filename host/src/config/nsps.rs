//! The `[nsps]` section: the door for NSPS. It is at the events listener, with its limits.

use std::path::Path;

use super::listeners::SPEAK_TLS;
use super::reader::{Section, Value};
use super::secrets::secret;
use crate::explain::Code;
use crate::http::{EventAuth, ListenerSettings, NspsSettings};

const EXAMPLE: &str = "[{ bearer = { file = \"secrets/nsps\" } }]";

pub fn nsps(
    section: &mut Section<'_>,
    directory: &Path,
    listener: Option<&ListenerSettings>,
) -> Option<NspsSettings> {
    let value = section.required("auth", EXAMPLE)?;
    let auth = value.list(|value| bearer(value, directory))?;
    if auth.is_empty() {
        value.complain(Code::Unguarded, "without a token anybody could send events", Some(EXAMPLE));
        return None;
    }
    if listener.is_some_and(ListenerSettings::is_in_the_clear) {
        value.warn(
            Code::InTheClear,
            "`events.listen` speaks no TLS: whoever hears this token on the way can send events",
            Some(SPEAK_TLS),
        );
    }
    Some(NspsSettings { auth })
}

fn bearer(value: &Value<'_>, directory: &Path) -> Option<EventAuth> {
    value.section(|section| {
        let token = section.required("bearer", "{ file = \"secrets/nsps\" }")?;
        Some(EventAuth::Custom { kind: "Bearer".to_owned(), credential: secret(&token, directory)? })
    })
}
