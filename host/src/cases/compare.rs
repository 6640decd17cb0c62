//! What of an answer is not as it was expected, by its place.

use serde_json::{Value, json};

use super::Failure;

/// # Errors
/// All that differs, or that the same question was answered in two ways.
pub fn compare(expected: &Value, answer: &Value, same_twice: bool) -> Result<(), Failure> {
    if !same_twice {
        return Err("asked a second time, it answers otherwise".into());
    }
    let mut differences = Vec::new();
    note_differences("", &unfolded(expected), &unfolded(answer), &mut differences);
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n    ").into()) }
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
fn note_differences(at: &str, expected: &Value, answer: &Value, into: &mut Vec<String>) {
    match (expected, answer) {
        _ if expected == answer => {}
        (Value::Object(left), Value::Object(right)) if left.keys().eq(right.keys()) => {
            for (name, member) in left {
                note_differences(&format!("{at}/{name}"), member, &right[name], into);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (place, (left, right)) in left.iter().zip(right).enumerate() {
                note_differences(&format!("{at}/{place}"), left, right, into);
            }
        }
        _ => into.push(format!("{at}: expected {expected}, answered {answer}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(expected: &Value, answer: &Value) -> String {
        compare(expected, answer, true).err().map(|why| why.to_string()).unwrap_or_default()
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
    fn who_answers_otherwise_the_second_time_is_told_so() {
        let told = compare(&json!(1), &json!(1), false).expect_err("it does");
        assert!(told.to_string().contains("second time"));
    }
}
