//! A request as a line for `curl`, to be tried by hand.

use std::fmt::Write as _;

use crate::domain::{Body, Request};

/// Marks stand for what the host fills in; a comment says what that is.
pub fn curl(request: &Request, target: &str) -> String {
    let mut line = format!(
        "curl -X {} {}",
        plain_or_quoted(&request.method),
        quoted(&format!("{}{}", target.trim_end_matches('/'), request.path))
    );
    for header in &request.headers {
        let _ = write!(line, " -H {}", quoted(&format!("{}: {}", header.name, header.value)));
    }
    match &request.body {
        Body::Empty => {}
        Body::Text(text) => {
            let _ = write!(line, " --data-raw {}", quoted(text));
        }
        Body::Bytes(bytes) => {
            let _ = write!(line, " --data-binary @-   # {} bytes", bytes.len());
        }
    }
    for fill in &request.fills {
        // In quotes of its own: a line break would end the comment.
        let _ = write!(line, "\n# {:?} stands for {:?}", fill.mark, fill.source);
    }
    line
}

fn plain_or_quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { word.to_owned() } else { quoted(word) }
}

/// As a shell takes it to the letter.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Delivery, Escape, Fill, Header};

    #[test]
    fn a_shell_takes_it_to_the_letter() {
        let request = Request {
            label: "make".to_owned(),
            method: "POST".to_owned(),
            path: "/lines?of=O'Neil".to_owned(),
            headers: vec![Header { name: "content-type".to_owned(), value: "application/json".to_owned() }],
            body: Body::Text("{\"key\":\"@@key@@\"}".to_owned()),
            delivery: Delivery::AtMostOnce,
            fills: vec![Fill {
                mark: "@@key@@".to_owned(),
                source: "secret.key".to_owned(),
                escape: Escape::Json,
            }],
            extras: None,
        };
        assert_eq!(
            curl(&request, "https://target.example/"),
            "curl -X POST 'https://target.example/lines?of=O'\\''Neil' -H 'content-type: application/json' \
             --data-raw '{\"key\":\"@@key@@\"}'\n# \"@@key@@\" stands for \"secret.key\""
        );
    }
}
