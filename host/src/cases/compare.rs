//! What of an answer is not as it was expected, by its place.

use serde_json::{Value, json};

use super::Failure;

/// Of something in what is not shown.
const HIDDEN: &str = "(hidden)";

/// How a whole answer is shown to whoever reads what differs: a part alone does not say what it is a part of.
pub type Shown<'a> = dyn Fn(Value) -> Value + Send + Sync + 'a;

/// # Errors
/// All that differs, as it may be shown, or that the same question was answered in two ways.
pub fn compare(expected: &Value, answer: &Value, same_twice: bool, shown: &Shown<'_>) -> Result<(), Failure> {
    if !same_twice {
        return Err("asked a second time, it answers otherwise".into());
    }
    let (expected, answer) = (unfolded(expected), unfolded(answer));
    let mut differing = Vec::new();
    note_differences(String::new(), &expected, &answer, &mut differing);
    if differing.is_empty() {
        return Ok(());
    }
    let (expected, answer) = (shown(expected), shown(answer));
    let part =
        |whole: &Value, at: &str| whole.pointer(at).map_or_else(|| HIDDEN.to_owned(), Value::to_string);
    let told = differing
        .iter()
        .map(|at| format!("{at}: expected {}, answered {}", part(&expected, at), part(&answer, at)));
    Err(told.collect::<Vec<_>>().join("\n    ").into())
}

/// Texts that hold JSON become what they hold: the order of members and the space between them
/// are nobody's business.
fn unfolded(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let alone = value.get("text").and_then(Value::as_str).filter(|_| members.len() == 1);
            match alone.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
                Some(held) => json!({ "json": held }),
                None => members.iter().map(|(name, member)| (name.clone(), unfolded(member))).collect(),
            }
        }
        Value::Array(values) => values.iter().map(unfolded).collect(),
        plain => plain.clone(),
    }
}

/// Names the smallest parts that differ, each by its JSON pointer.
fn note_differences(at: String, expected: &Value, answer: &Value, into: &mut Vec<String>) {
    match (expected, answer) {
        _ if expected == answer => {}
        (Value::Object(left), Value::Object(right)) if left.keys().eq(right.keys()) => {
            for (name, member) in left {
                let name_in_pointer = name.replace('~', "~0").replace('/', "~1");
                note_differences(format!("{at}/{name_in_pointer}"), member, &right[name], into);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (place, (left, right)) in left.iter().zip(right).enumerate() {
                note_differences(format!("{at}/{place}"), left, right, into);
            }
        }
        _ => into.push(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Screen, Vault};

    fn differences(expected: &Value, answer: &Value) -> String {
        compare(expected, answer, true, &|whole| whole).err().map(|why| why.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_smallest_part_that_differs_is_named() {
        let expected = json!({ "decision": { "send": { "path": "/a", "headers": [1, 2] } }, "reports": [] });
        let answer = json!({ "decision": { "send": { "path": "/b", "headers": [1, 3] } }, "reports": [] });
        let told = differences(&expected, &answer);
        assert!(told.contains("/decision/send/path: expected \"/a\", answered \"/b\""), "{told}");
        assert!(told.contains("/decision/send/headers/1: expected 2, answered 3"), "{told}");
        assert!(!told.contains("reports"), "{told}");
        assert!(differences(&json!({ "a": 1 }), &json!({ "b": 1 })).starts_with(": expected"));
    }

    #[test]
    fn the_order_of_members_in_a_text_of_json_is_nobodys_business() {
        let texts =
            ["{\"a\": 1, \"b\": 2}", "{\"b\":2,\"a\":1}"].map(|text| json!({ "body": { "text": text } }));
        assert_eq!(differences(&texts[0], &texts[1]), "");
        assert_ne!(differences(&json!({ "text": "x y" }), &json!({ "text": "x  y" })), "");
    }

    #[test]
    fn what_is_hidden_differs_and_is_not_shown() {
        let answer = |key: &str, to: &str| {
            let body = json!({ "ki": { "value": key } }).to_string();
            json!({ "send": { "body": { "text": body }, "headers": [{ "name": "X-Api-Key", "value": key }],
                              "path/to": to } })
        };
        let screen = Screen::new(Vault::default(), &["ki".to_owned()]);
        let shown = |whole| screen.over(whole);
        let why = compare(&answer("0123456789abcdef", "/a"), &answer("fedcba9876543210", "/b"), true, &shown);
        let told = why.expect_err("all of it differs").to_string();
        assert!(!told.contains("0123456789abcdef") && !told.contains("fedcba9876543210"), "{told}");
        for part in
            ["/send/body/json/ki/value: expected (hidden), answered (hidden)", "/send/headers/0/value: "]
        {
            assert!(told.contains(part), "`{part}` is not in {told}");
        }
        assert!(told.contains("/send/path~1to: expected \"/a\", answered \"/b\""), "{told}");
    }

    #[test]
    fn who_answers_otherwise_the_second_time_is_told_so() {
        let told = compare(&json!(1), &json!(1), false, &|whole| whole).expect_err("it does");
        assert!(told.to_string().contains("second time"));
    }
}
