//! Over which engine the stories are told is nobody's oversight: each file of them stands in `over-postgres`, or here
//! with the reason why it does not.

use std::collections::BTreeSet;

use super::none;
use crate::harness::workspace;
use crate::tidy::rules::files_of;

/// What is no story.
const BENEATH: [&str; 3] = ["database", "either", "harness"];

const NO_HOST: &str = "no host runs in it, or none of which the journal matters";
const DIRECTORY: &str =
    "of the files of a journal in a directory, and of what is said where they are not good";
const BOTH: &str = "it is told over both already";
const POSTGRES: &str = "of PostgreSQL alone, whatever else is chosen";
const DOORS: &str = "what comes in, or is refused, before anything is stored";
const SYSTEMS: &str = "of what is asked of a system and how; what is kept of it others tell";

const OVER_ONE: [(&str, &str); 41] = [
    ("adapters", NO_HOST),
    ("admin_api", "its journal moves to another directory; what it shows is the same, and `looks` sees it"),
    ("care", DIRECTORY),
    ("cases", NO_HOST),
    ("compiling", NO_HOST),
    ("components", POSTGRES),
    ("config_show", NO_HOST),
    ("configuration", NO_HOST),
    ("contract", NO_HOST),
    ("crash", BOTH),
    ("demo", BOTH),
    ("disk", DIRECTORY),
    ("doors", DOORS),
    ("faults", DIRECTORY),
    ("guests", NO_HOST),
    ("hints", POSTGRES),
    ("hostile", DOORS),
    ("hss", SYSTEMS),
    ("init", NO_HOST),
    ("iptv", SYSTEMS),
    ("journal_contract", BOTH),
    ("journey", "the page's own steps, and they begin with a directory"),
    ("listeners", DOORS),
    ("moving", BOTH),
    ("online", NO_HOST),
    ("pages", NO_HOST),
    ("pins", "of components that lie beside a journal, and of who looks at them while no host runs"),
    ("portabilling", SYSTEMS),
    ("postgres", POSTGRES),
    ("rotation", DIRECTORY),
    ("schema", NO_HOST),
    ("secrecy", DIRECTORY),
    ("service", NO_HOST),
    ("several", POSTGRES),
    ("simulation", "its journal is in memory, and held to the same contract"),
    ("soap", SYSTEMS),
    ("targets", SYSTEMS),
    ("tidy", NO_HOST),
    ("tls", DOORS),
    ("unit", NO_HOST),
    ("workbench", NO_HOST),
];

/// How many stories of the files that are told over both say that they need a directory.
const NEED_A_DIRECTORY: usize = 2;

fn names(text: &'static str) -> BTreeSet<&'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn each_file_of_stories_is_told_over_both_engines_or_says_why_not() {
    let files =
        include_str!("../main.rs").lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let files: BTreeSet<&str> = files.filter(|file| !BENEATH.contains(file)).collect();
    let (over_both, over_one) = (names(include_str!("../over-postgres")), OVER_ONE.map(|(file, _)| file));
    let over_one = BTreeSet::from(over_one);
    let mut violations = Vec::new();
    for file in &files {
        let told = [over_both.contains(file), over_one.contains(file)];
        if told[0] == told[1] {
            let how = if told[0] { "in both" } else { "in neither" };
            violations.push(format!("`{file}` stands {how}: `over-postgres`, OVER_ONE"));
        }
    }
    let gone = over_both.union(&over_one).filter(|file| !files.contains(*file));
    violations.extend(gone.map(|file| format!("there is no `{file}` among the stories")));
    none(&violations);
    let stories = files_of(&workspace().join("tests/suite"), "rs");
    let texts = stories.iter().map(|file| std::fs::read_to_string(file).expect("a file"));
    let says = concat!("if needs_", "directory(\"");
    let needed: usize = texts.map(|text| text.matches(says).count()).sum();
    assert_eq!(needed, NEED_A_DIRECTORY, "stories that are told over a directory alone");
}
