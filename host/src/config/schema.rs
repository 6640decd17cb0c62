//! The JSON Schema of the configuration, for editors. It is what the walker itself asks for when it
//! walks through all that can be written; the words beside the keys are the comments there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::reader::{self, Known};
use super::shapes::Shape;
use super::{groups, sections};

/// All that can be written: the example, and what cannot stand beside it.
const DOCUMENTS: [&str; 2] = [include_str!("../../config.example.toml"), include_str!("alternatives.toml")];

/// Ways to name a secret stand wherever there is one.
const OF_SECRETS: [(&str, &str); 4] = [
    ("file", "A file; the secret is its text, without the line break at its end."),
    ("env", "A variable of the environment."),
    ("credential", "A systemd credential (LoadCredential= in the unit)."),
    ("sha256", "The digest of a token, 64 hexadecimal digits; no secret."),
];

/// What is known of one setting, over all places where it stands.
#[derive(Default)]
struct Node {
    shapes: BTreeSet<Shape>,
    defaults: BTreeSet<Option<String>>,
    /// How often it was read as a table.
    walks: usize,
    /// How often it had to be there.
    required: usize,
    children: BTreeMap<String, Node>,
}

/// The schema of a `punchdown.toml`.
pub fn schema() -> Value {
    let (mut root, mut words) = (Node::default(), BTreeMap::new());
    for source in DOCUMENTS {
        let read = reader::read(source, |root| {
            sections::root(root, Path::new("/nonexistent"), &mut groups::Read::default())
        });
        let names: BTreeSet<&str> = read
            .shapes
            .iter()
            .filter(|(_, shape)| *shape == Shape::Names)
            .map(|(key, _)| key.as_str())
            .collect();
        for Known { key, default, required, .. } in &read.known {
            let node = root.at(&path(key, &names));
            node.defaults.insert(default.clone());
            node.required += usize::from(*required);
        }
        for (key, shape) in &read.shapes {
            let node = root.at(&path(key, &names));
            node.walks += usize::from(*shape == Shape::Table);
            node.shapes.insert(shape.clone());
        }
        for (key, text) in comments(source) {
            words.entry(path(&key, &names)).or_insert(text);
        }
    }
    let mut schema = root.schema(&mut Vec::new(), &words);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("punchdown.toml");
    schema
}

/// The key part by part. `*` stands for names of the operator's and for places in a list.
fn path(key: &str, names: &BTreeSet<&str>) -> Vec<String> {
    let (mut path, mut full) = (Vec::new(), String::new());
    for part in key.split('.').filter(|part| !part.is_empty()) {
        let (name, place) = part.split_once('[').map_or((part, None), |(name, place)| (name, Some(place)));
        path.push(if names.contains(full.as_str()) { "*" } else { name }.to_owned());
        path.extend(place.map(|_| "*".to_owned()));
        full = if full.is_empty() { part.to_owned() } else { format!("{full}.{part}") };
    }
    path
}

impl Node {
    fn at(&mut self, path: &[String]) -> &mut Self {
        path.iter().fold(self, |node, part| node.children.entry(part.clone()).or_default())
    }

    fn schema(&self, path: &mut Vec<String>, words: &BTreeMap<Vec<String>, String>) -> Value {
        let has_words = self.shapes.iter().any(|shape| matches!(shape, Shape::Words(_)));
        let is_named = self.shapes.contains(&Shape::Names) || self.shapes.contains(&Shape::Any);
        let shapes = self.shapes.iter().filter(|shape| match shape {
            Shape::Text => !has_words,
            Shape::Table => !is_named,
            _ => true,
        });
        let mut ways: Vec<Value> = shapes.map(|shape| self.way(shape, path, words)).collect();
        let mut schema = if ways.len() == 1 { ways.remove(0) } else { json!({ "anyOf": ways }) };
        let own = OF_SECRETS.iter().find(|(name, _)| path.last().is_some_and(|last| last == name));
        let text = words.get(path).map(String::as_str).or(own.map(|(_, text)| *text));
        if let Some(text) = text.filter(|_| path.last().is_some_and(|last| last != "*")) {
            schema["description"] = json!(text);
        }
        // A default that depends on where it stands is none that could be shown.
        if let (1, Some(Some(default))) = (self.defaults.len(), self.defaults.first()) {
            schema["default"] = value(default);
        }
        schema
    }

    fn way(&self, shape: &Shape, path: &mut Vec<String>, words: &BTreeMap<Vec<String>, String>) -> Value {
        let mut schema = shape.schema();
        let mut below = |name: &str, node: &Self| {
            path.push(name.to_owned());
            let schema = node.schema(path, words);
            path.pop();
            schema
        };
        let any = self.children.get("*");
        match (shape, any) {
            (Shape::List, Some(item)) => schema["items"] = below("*", item),
            (Shape::Names, Some(item)) => schema["additionalProperties"] = below("*", item),
            (Shape::Table, _) => {
                let settings = || self.children.iter().filter(|(name, _)| *name != "*");
                let properties: Map<String, Value> =
                    settings().map(|(name, node)| (name.clone(), below(name, node))).collect();
                let required: Vec<&String> = settings()
                    .filter(|(_, node)| node.required >= self.walks)
                    .map(|(name, _)| name)
                    .collect();
                schema["properties"] = properties.into();
                if !required.is_empty() {
                    schema["required"] = json!(required);
                }
            }
            _ => {}
        }
        schema
    }
}

fn value(written: &str) -> Value {
    let document: toml::Table = toml::from_str(&format!("it = {written}")).unwrap_or_default();
    document.get("it").and_then(|value| serde_json::to_value(value).ok()).unwrap_or_default()
}

/// What stands above each setting, by its key. One that has no comment shares the one before it.
fn comments(source: &str) -> Vec<(String, String)> {
    let (mut found, mut lists) = (Vec::new(), BTreeSet::new());
    let (mut table, mut comment, mut is_over) = (String::new(), Vec::new(), true);
    for line in source.lines() {
        if let Some(text) = line.strip_prefix('#') {
            if std::mem::take(&mut is_over) {
                comment.clear();
            }
            comment.push(text.strip_prefix(' ').unwrap_or(text).trim_end());
            continue;
        }
        is_over = true;
        let text = comment.join("\n");
        if let Some(name) = line.strip_prefix("[[").and_then(|line| line.split(']').next()) {
            lists.insert(name.to_owned());
            table = format!("{name}[]");
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            let list = lists.iter().find(|list| name.starts_with(&format!("{list}.")));
            table =
                list.map_or(name.to_owned(), |list| name.replacen(list.as_str(), &format!("{list}[]"), 1));
            found.push((table.clone(), text));
        } else if let Some((name, _)) = line.split_once(" = ") {
            found.push((format!("{table}.{name}"), text));
        }
    }
    found
}
