//! The rules, as functions from a tree to its violations.

use std::path::{Path, PathBuf};

/// Lowest first. A module may use only modules on lower floors.
const FLOORS: &[&[&str]] = &[
    &["domain"],
    &["ports", "secret", "telemetry", "web", "explain", "crash"],
    &["store", "billing", "espf", "world", "outbound", "wasm", "engine", "toolchain"],
    &["http", "cases"],
    &["config"],
    &["app", "lifecycle", "ready", "reload"],
    &["cli", "fuzz"],
];

/// Those on floor 1 that the others of floor 1 may use: the questions are asked in these words.
const BELOW_ITS_FLOOR: &[(&str, &str)] = &[
    ("ports", "secret"),
    ("telemetry", "ports"),
    ("app", "ready"),
    ("app", "reload"),
    ("reload", "ready"),
    ("lifecycle", "app"),
    ("lifecycle", "reload"),
];

pub fn files_of(tree: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(tree).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_of(&path, ending));
        } else if path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The source without its tests, which may be as long as they must.
fn source(file: &Path) -> String {
    if file.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
        && !file.components().any(|part| part.as_os_str() == "kit")
    {
        return String::new();
    }
    let text = read(file);
    text.split("\n#[cfg(test)]\n").next().unwrap_or_default().to_owned()
}

pub fn lines_of(file: &Path) -> usize {
    source(file).lines().count()
}

pub fn long_files(files: &[PathBuf], most: usize) -> Vec<String> {
    let long = files.iter().map(|file| (file, lines_of(file))).filter(|(_, lines)| *lines > most);
    long.map(|(file, lines)| format!("{} has {lines} lines, at most {most}", file.display())).collect()
}

/// Counts on the formatter: a function ends at the first `}` that stands where it began.
pub fn long_functions(files: &[PathBuf], most: usize) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let text = source(file);
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            if !begins_function(line.trim_start()) {
                continue;
            }
            let end = format!("{indent}}}");
            let length = lines[at..].iter().position(|line| **line == end).map_or(1, |lines| lines + 1);
            let signature = lines[at..].iter().find(|line| line.ends_with(['{', '}', ';']));
            let has_body = signature.is_some_and(|line| line.ends_with('{'));
            if has_body && length > most {
                found.push(format!("{}:{} has {length} lines, at most {most}", file.display(), at + 1));
            }
        }
    }
    found
}

fn begins_function(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().take(5).collect();
    let before = words.iter().position(|word| *word == "fn").unwrap_or(usize::MAX);
    before < words.len()
        && words[..before]
            .iter()
            .all(|word| word.starts_with("pub") || matches!(*word, "const" | "async" | "unsafe"))
}

/// Uses of modules on the same or a higher floor.
pub fn floors(src: &Path) -> Vec<String> {
    let floor = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module));
    let mut found = Vec::new();
    for file in files_of(src, "rs") {
        let Some(user) = module_of(src, &file) else { continue };
        for used in modules_used(&source(&file)) {
            let (Some(ours), Some(theirs)) = (floor(&user), floor(&used)) else {
                found.push(format!("{}: `{user}` or `{used}` stands on no floor", file.display()));
                continue;
            };
            let beside = BELOW_ITS_FLOOR.contains(&(user.as_str(), used.as_str()));
            if used != user && theirs >= ours && !beside {
                found.push(format!("{}: `{user}` may not use `{used}`", file.display()));
            }
        }
    }
    found
}

/// The module at the top of the tree that a file belongs to; `lib.rs` and `main.rs` are above all.
fn module_of(src: &Path, file: &Path) -> Option<String> {
    let first = file.strip_prefix(src).ok()?.components().next()?;
    let name = first.as_os_str().to_str()?.trim_end_matches(".rs").to_owned();
    (!matches!(name.as_str(), "lib" | "main")).then_some(name)
}

/// The names right behind each `crate::`, also in a list.
fn modules_used(text: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, found) in text.match_indices("crate::") {
        let rest = &text[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(list) => used.extend(heads(list)),
            None => used.push(identifier(rest)),
        }
    }
    used.retain(|name| name.starts_with(char::is_lowercase));
    used
}

/// The first name of each item of a list in braces.
fn heads(list: &str) -> Vec<String> {
    let (mut depth, mut heads, mut item) = (0_usize, Vec::new(), String::new());
    for char in list.chars() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(identifier(std::mem::take(&mut item).trim())),
            other => item.push(other),
        }
    }
    heads.push(identifier(item.trim()));
    heads
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect()
}

/// Files outside the given rooms that name a library.
pub fn names_apart(src: &Path, library: &str, rooms: &[&str]) -> Vec<String> {
    let outside = |file: &PathBuf| {
        let room = file.strip_prefix(src).ok().and_then(|path| path.components().next());
        !room.is_some_and(|room| rooms.iter().any(|name| room.as_os_str() == *name))
    };
    let files = files_of(src, "rs").into_iter().filter(outside).filter(|file| names(file, library));
    files.map(|file| format!("{} names {library}; only {} may", file.display(), rooms.join(", "))).collect()
}

pub fn names(file: &Path, library: &str) -> bool {
    let used = format!("{library}::");
    let code = |line: &&str| !line.trim_start().starts_with("//");
    source(file).lines().filter(code).any(|line| {
        line.match_indices(&used)
            .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
    })
}
