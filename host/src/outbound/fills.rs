//! Puts the values that only the host knows where an adapter left a mark.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::{Body, Escape, Fill, Request};
use crate::secret::Secret;

/// The request with every mark replaced: in its path, its headers and its text body.
pub fn fill(request: &Request, secrets: &BTreeMap<String, Secret>) -> Result<Request, String> {
    let mut filled = request.clone();
    for fill in &request.fills {
        let value = value(fill, secrets)?;
        if fill.mark.is_empty() {
            return Err(format!("the mark of `{}` is empty", fill.source));
        }
        filled.path = filled.path.replace(&fill.mark, &value);
        for header in &mut filled.headers {
            header.value = header.value.replace(&fill.mark, &value);
        }
        if let Body::Text(text) = &filled.body {
            filled.body = Body::Text(text.replace(&fill.mark, &value));
        }
    }
    Ok(filled)
}

fn value(fill: &Fill, secrets: &BTreeMap<String, Secret>) -> Result<String, String> {
    let name = fill
        .source
        .strip_prefix("secret.")
        .ok_or_else(|| format!("`{}` is nothing that this host can fill in", fill.source))?;
    let secret = secrets.get(name).ok_or_else(|| format!("the group has no secret `{name}`"))?;
    Ok(escape(secret.expose(), fill.escape))
}

fn escape(value: &str, how: Escape) -> String {
    match how {
        Escape::Verbatim => value.to_owned(),
        Escape::Url => utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
        Escape::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        Escape::Xml => value.chars().fold(String::with_capacity(value.len()), |mut text, char| {
            let _ = match char {
                '&' => text.write_str("&amp;"),
                '<' => text.write_str("&lt;"),
                '>' => text.write_str("&gt;"),
                '"' => text.write_str("&quot;"),
                '\'' => text.write_str("&apos;"),
                other => text.write_char(other),
            };
            text
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Delivery, Header};

    #[test]
    fn marks_are_filled_as_their_place_needs_it() {
        let secrets = BTreeMap::from([("pw".to_owned(), Secret::new("a&\"b"))]);
        for (how, written) in [
            (Escape::Verbatim, "a&\"b"),
            (Escape::Json, "a&\\\"b"),
            (Escape::Xml, "a&amp;&quot;b"),
            (Escape::Url, "a%26%22b"),
        ] {
            let request = Request {
                label: "log-in".to_owned(),
                method: "POST".to_owned(),
                path: "/x?key=@@pw@@".to_owned(),
                headers: vec![Header { name: "x-key".to_owned(), value: "@@pw@@".to_owned() }],
                body: Body::Text("<pw>@@pw@@</pw>".to_owned()),
                delivery: Delivery::Repeatable,
                fills: vec![Fill { mark: "@@pw@@".to_owned(), source: "secret.pw".to_owned(), escape: how }],
                extras: None,
            };
            let filled = fill(&request, &secrets).expect("fills");
            assert_eq!(filled.path, format!("/x?key={written}"));
            assert_eq!(filled.headers[0].value, written);
            assert_eq!(filled.body, Body::Text(format!("<pw>{written}</pw>")));
            let unknown = fill(&request, &BTreeMap::new()).expect_err("no such secret");
            assert!(unknown.contains("pw"), "{unknown}");
        }
    }
}
