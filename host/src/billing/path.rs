//! The way to a value in a document of PortaBilling's: `service_features.netaccess_policy.flag_value`.
//!
//! A part names a member; in a list, the element that has this `name`. Where PortaBilling shows a
//! value as it was set beside the one in effect (`effective_…`), the latter is what counts: the
//! former may be null, or a mark that says from where it is inherited.

use serde_json::Value;

/// The value at the end of the path. A list stands for its first element; null, which PortaBilling
/// also writes as `[null]`, is nothing.
pub fn find<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    let found = path.split('.').try_fold(document, step)?;
    let one = match found {
        Value::Array(items) => items.iter().find(|item| !item.is_null())?,
        one => one,
    };
    Some(one).filter(|one| !one.is_null())
}

fn step<'a>(at: &'a Value, part: &str) -> Option<&'a Value> {
    match at {
        Value::Object(members) => members.get(&format!("effective_{part}")).or_else(|| members.get(part)),
        Value::Array(items) => items.iter().find(|item| item["name"] == part),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_in_effect_is_found() {
        let info = json!({
            "i_customer": 7, "i_vd_plan": null, "tags": [null, "a", "b"],
            "service_features": [
                {"name": "clip", "flag_value": "Y"},
                {"name": "netaccess_policy", "flag_value": "~", "effective_flag_value": "Y", "attributes": [
                    {"name": "access_policy", "values": [null], "effective_values": ["30"]},
                    {"name": "own", "values": ["1"], "effective_values": [null]},
                    {"name": "none", "values": [], "effective_values": []},
                ]},
            ],
        });
        let policy = "service_features.netaccess_policy";
        for (path, value) in [
            ("i_customer".to_owned(), json!(7)),
            ("tags".to_owned(), json!("a")),
            ("service_features.clip.flag_value".to_owned(), json!("Y")),
            (format!("{policy}.flag_value"), json!("Y")),
            (format!("{policy}.attributes.access_policy.values"), json!("30")),
        ] {
            assert_eq!(find(&info, &path), Some(&value), "{path}");
        }
        for path in [
            "i_vd_plan".to_owned(),
            "missing".to_owned(),
            "i_customer.deeper".to_owned(),
            "service_features.clir.flag_value".to_owned(),
            // Set, but not in effect.
            format!("{policy}.attributes.own.values"),
            format!("{policy}.attributes.none.values"),
        ] {
            assert_eq!(find(&info, &path), None, "{path}");
        }
    }
}
