//! Puts the values that only the host knows where an adapter left a mark.

use std::collections::BTreeMap;

use crate::domain::{Body, Fill, Request, Response};
use crate::ports::SessionValues;
use crate::secret::{self, Secret};

/// What can be filled in, by the two kinds of source that a fill may name.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    pub secrets: &'a BTreeMap<String, Secret>,
    pub session: &'a SessionValues,
}

impl<'a> Known<'a> {
    fn value(self, source: &str) -> Result<&'a Secret, String> {
        if let Some(name) = source.strip_prefix("secret.") {
            return self.secrets.get(name).ok_or_else(|| format!("the group has no secret `{name}`"));
        }
        if let Some(name) = source.strip_prefix("session.") {
            return self.session.get(name).ok_or_else(|| format!("the session has no value `{name}`"));
        }
        Err(format!("`{source}` is nothing that this host can fill in"))
    }
}

/// The request with every mark replaced: in its path, its headers and its text body.
pub fn fill(request: &Request, known: &Known<'_>) -> Result<Request, String> {
    let mut filled = request.clone();
    for fill in &request.fills {
        let value = secret::escaped(known.value(&fill.source)?.expose(), fill.escape);
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

/// What a request's fills told the target, and the mark of each.
pub fn told(request: &Request, known: &Known<'_>) -> Vec<(Secret, String)> {
    let value = |fill: &Fill| known.value(&fill.source).ok().cloned();
    request.fills.iter().filter_map(|fill| Some((value(fill)?, fill.mark.clone()))).collect()
}

/// A target may say back what it was told. Adapters and journals never see it.
pub fn strike(response: &mut Response, told: &[(Secret, String)]) {
    // Where one begins with another, nothing of the longer one is to stay.
    let mut told: Vec<&(Secret, String)> = told.iter().collect();
    told.sort_by_key(|(value, _)| std::cmp::Reverse(value.expose().len()));
    for (value, mark) in told {
        let struck = |text: &mut String| {
            if let Some(without) = secret::strike(text, value.expose(), mark) {
                *text = without;
            }
        };
        response.headers.iter_mut().for_each(|header| struck(&mut header.value));
        if let Body::Text(text) = &mut response.body {
            struck(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Delivery, Escape, Header};

    #[test]
    fn what_a_target_says_back_is_struck() {
        let header = |value: &str| Header { name: "www-authenticate".to_owned(), value: value.to_owned() };
        let mut response = Response {
            status: 401,
            headers: vec![header("no good: S3cr&t")],
            body: Body::Text("<error>S3cr&amp;t is wrong, and so is tok</error>".to_owned()),
        };
        let told =
            [(Secret::new("S3cr&t"), "@@pw@@".to_owned()), (Secret::new("tok"), "(secret)".to_owned())];
        strike(&mut response, &told);
        assert_eq!(response.headers, [header("no good: @@pw@@")]);
        assert_eq!(response.body, Body::Text("<error>@@pw@@ is wrong, and so is tok</error>".to_owned()));
    }

    fn request(source: &str, escape: Escape) -> Request {
        Request {
            label: "log-in".to_owned(),
            method: "POST".to_owned(),
            path: "/x?key=@@pw@@".to_owned(),
            headers: vec![Header { name: "x-key".to_owned(), value: "@@pw@@".to_owned() }],
            body: Body::Text("<pw>@@pw@@</pw>".to_owned()),
            delivery: Delivery::Repeatable,
            fills: vec![Fill { mark: "@@pw@@".to_owned(), source: source.to_owned(), escape }],
            extras: None,
        }
    }

    #[test]
    fn marks_are_filled_as_their_place_needs_it() {
        let values = BTreeMap::from([("pw".to_owned(), Secret::new("a&\"b"))]);
        let none = BTreeMap::new();
        let (secret, session) =
            (Known { secrets: &values, session: &none }, Known { secrets: &none, session: &values });
        for (how, written) in [
            (Escape::Verbatim, "a&\"b"),
            (Escape::Json, "a&\\\"b"),
            (Escape::Xml, "a&amp;&quot;b"),
            (Escape::Url, "a%26%22b"),
        ] {
            for (source, known) in [("secret.pw", secret), ("session.pw", session)] {
                let filled = fill(&request(source, how), &known).expect("fills");
                assert_eq!(filled.path, format!("/x?key={written}"));
                assert_eq!(filled.headers[0].value, written);
                assert_eq!(filled.body, Body::Text(format!("<pw>{written}</pw>")));
                assert_eq!(told(&request(source, how), &known).len(), 1, "it is struck from the answer");
            }
        }
    }

    #[test]
    fn what_is_not_there_cannot_be_filled_in() {
        let none = BTreeMap::new();
        let known = Known { secrets: &none, session: &none };
        for (source, words) in [
            ("secret.pw", "the group has no secret `pw`"),
            ("session.pw", "the session has no value `pw`"),
            ("env.HOME", "`env.HOME` is nothing that this host can fill in"),
        ] {
            let refused = fill(&request(source, Escape::Verbatim), &known).expect_err("nothing there");
            assert_eq!(refused, words);
        }
    }
}
