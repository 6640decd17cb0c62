//! The schema for editors knows every setting that the program knows, and nothing else.

use std::collections::BTreeSet;
use std::process::Command;

use punchdown::config;
use serde_json::Value;

use crate::harness::{PROGRAM, folder, workspace};

fn source(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path)).expect("a file")
}

/// TOML as editors hand it to a schema.
fn document(text: &str) -> Value {
    let table: toml::Table = toml::from_str(text).expect("TOML");
    serde_json::to_value(table).expect("JSON")
}

/// All that a schema may mean.
fn ways(schema: &Value) -> Vec<&Value> {
    schema["anyOf"].as_array().map_or_else(|| vec![schema], |ways| ways.iter().collect())
}

/// What is wrong with a value by a schema; of several ways, by the one that comes nearest.
fn wrong(value: &Value, schema: &Value, at: &str) -> Vec<String> {
    let by_way = ways(schema).into_iter().map(|way| wrong_by(value, way, at));
    by_way.min_by_key(Vec::len).expect("there is a way")
}

fn wrong_by(value: &Value, schema: &Value, at: &str) -> Vec<String> {
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.as_u64().is_some_and(|number| {
            (schema["minimum"].as_u64().expect("a limit")..=schema["maximum"].as_u64().expect("a limit"))
                .contains(&number)
        }),
        Some("string") => value.as_str().is_some_and(|text| !text.is_empty()),
        Some(other) => panic!("{at}: {other}"),
        None => true,
    };
    let is_word = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    if !fits || !is_word {
        return vec![format!("{at} does not fit"), format!("{at}: {value}")];
    }
    let mut found = Vec::new();
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{at}.{name} is missing"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => found.push(format!("{at} is unknown")),
            (Value::Null, Value::Null) => {}
            (Value::Null, any) => found.extend(wrong(member, any, &at)),
            (setting, _) => found.extend(wrong(member, setting, &at)),
        }
    }
    for item in value.as_array().into_iter().flatten().filter(|_| !schema["items"].is_null()) {
        found.extend(wrong(item, &schema["items"], &format!("{at}[]")));
    }
    found
}

/// The setting that a key names, and where in the schema it stands.
fn find<'a>(schema: &'a Value, parts: &[&str], at: String) -> Option<(&'a Value, String)> {
    let Some((part, rest)) = parts.split_first() else { return Some((schema, at)) };
    ways(schema).into_iter().find_map(|way| match *part {
        "[]" => find(way.get("items")?, rest, format!("{at}[]")),
        name => match way["properties"].get(name) {
            Some(setting) => find(setting, rest, format!("{at}.{name}")),
            None => {
                find(way.get("additionalProperties").filter(|any| any.is_object())?, rest, format!("{at}.*"))
            }
        },
    })
}

/// Every setting of a schema.
fn settings(schema: &Value, at: &str, visit: &mut impl FnMut(&str, &Value)) {
    for way in ways(schema) {
        for (name, setting) in way["properties"].as_object().into_iter().flatten() {
            let at = format!("{at}.{name}");
            visit(&at, setting);
            settings(setting, &at, visit);
        }
        if way["additionalProperties"].is_object() {
            settings(&way["additionalProperties"], &format!("{at}.*"), visit);
        }
        if way["items"].is_object() {
            settings(&way["items"], &format!("{at}[]"), visit);
        }
    }
}

#[test]
fn every_setting_that_is_known_is_in_the_schema_and_nothing_else() {
    let schema = config::schema();
    let mut known = BTreeSet::new();
    for file in ["host/config.example.toml", "host/src/config/alternatives.toml"] {
        for key in config::known_keys(&workspace().join(file)) {
            let key = key.key.replace('[', ".[");
            let is_place = |part: &str| part.starts_with('[');
            let parts: Vec<&str> =
                key.split('.').map(|part| if is_place(part) { "[]" } else { part }).collect();
            let found = find(&schema, &parts, String::new());
            known.insert(found.unwrap_or_else(|| panic!("{key} is not in the schema")).1);
        }
    }
    let mut all = BTreeSet::new();
    settings(&schema, "", &mut |at, setting| {
        all.insert(at.to_owned());
        let is_a_kind = setting.get("type").is_some() || setting.get("anyOf").is_some();
        let is_free = [".groups.*.config", ".portabilling.queries.*.params"].contains(&at);
        assert!(is_a_kind || is_free, "{at} has no type: show it in alternatives.toml");
        let ways = ways(setting);
        assert!(!ways.is_empty(), "{at} is never read: show it in alternatives.toml");
        let is_said = setting["description"].as_str().is_some_and(|text| !text.trim().is_empty());
        assert!(is_said, "{at} has no description: say it above the key");
        for way in ways.into_iter().filter(|way| way["type"] == "object") {
            assert!(way.get("additionalProperties").is_some(), "{at} lets in what nobody knows");
        }
    });
    assert!(all.len() > 100, "{}", all.len());
    assert_eq!(all, known);
}

#[test]
fn what_is_good_fits_the_schema_and_what_is_unknown_or_missing_does_not() {
    let schema = config::schema();
    let none: [String; 0] = [];
    for file in ["host/config.example.toml", "host/src/config/alternatives.toml"] {
        let wrong = wrong(&document(&source(file)), &schema, "");
        let wrong: Vec<&String> = wrong.iter().filter(|it| !it.ends_with("is missing")).collect();
        assert_eq!(wrong, none.iter().collect::<Vec<_>>(), "{file}");
    }
    assert_eq!(wrong(&document(&source("host/config.example.toml")), &schema, ""), none);
    let filled = source("host/src/cli/init/punchdown.toml").replace("= \"\"", "= \"filled in\"");
    assert_eq!(wrong(&document(&filled), &schema, ""), none);

    let missing = wrong(&document(""), &schema, "");
    assert_eq!(missing, [".events is missing", ".groups is missing", ".portabilling is missing"]);
    let bad = wrong(&document(&source("tests/suite/faults/text.toml")), &schema, "");
    for fault in [
        ".lgo is unknown",
        ".events.lisen is unknown",
        ".portabilling.login is missing",
        ".portabilling.token does not fit",
        ".portabilling.rate does not fit",
        ".groups.A.adapter does not fit",
        ".groups.A.paused does not fit",
    ] {
        assert!(bad.iter().any(|found| found == fault), "no `{fault}` in {bad:#?}");
    }
}

#[test]
fn a_default_is_the_one_that_the_program_takes() {
    let schema = config::schema();
    for (key, default) in [
        ("portabilling.timeout", Value::from("10s")),
        ("portabilling.concurrency", 16.into()),
        ("groups.*.target.retry", serde_json::json!(["1s", "10s", "1m", "10m"])),
        ("groups.*.service", Value::Null),
    ] {
        let parts: Vec<&str> = key.split('.').collect();
        let (setting, _) = find(&schema, &parts, String::new()).expect(key);
        assert_eq!(setting["default"], default, "{key}");
    }
}

#[test]
fn the_program_prints_it_and_init_puts_it_beside_the_configuration() {
    let folder = folder();
    let run = |arguments: &[&str]| {
        let output =
            Command::new(PROGRAM).args(arguments).current_dir(folder.path()).output().expect("it runs");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let printed = run(&["schema"]);
    assert_eq!(serde_json::from_str::<Value>(&printed).expect("JSON"), config::schema());
    run(&["init"]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a file");
    assert_eq!(read("punchdown.schema.json"), printed);
    assert_eq!(read("punchdown.toml").lines().next(), Some("#:schema ./punchdown.schema.json"));
}
