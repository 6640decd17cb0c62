//! What an adapter in a scripting language leaves when its author's code fails: the message, and where it happened.

use std::path::Path;

use crate::harness::folder;

use super::{adapter, begun, built, said};

fn spoilt(project: &Path, source: &str, before: &str, spoiled: &str) -> Option<String> {
    let path = project.join(source);
    let text = std::fs::read_to_string(&path).expect("a source");
    let at = text.find(before).unwrap_or_else(|| panic!("{source} has no `{before}`")) + before.len();
    let line = text[..at].lines().count() + 1;
    std::fs::write(&path, format!("{}\n{spoiled}{}", &text[..at], &text[at..])).expect("written");
    let component = built(project)?;
    let told = said(&adapter(&[&"test", &component, &project.join("cases")]));
    let place = format!("{}:{line}", path.file_name().expect("a name").display());
    assert!(told.contains(&place), "`{place}` is not in\n{told}");
    Some(told)
}

#[test]
fn an_exception_in_python_says_what_and_where() {
    let home = folder();
    let project = begun(home.path(), "fails", "hss", "python");
    let before = "def provision(self, flow: Flow, operation: Operation) -> None:";
    let Some(told) =
        spoilt(&project, "adapter.py", before, "        raise ValueError(\"no good will come of it\")")
    else {
        return;
    };
    assert!(told.contains("ValueError") && told.contains("no good will come of it"), "{told}");
}

#[test]
fn an_exception_in_typescript_says_what_and_where() {
    let home = folder();
    let project = begun(home.path(), "fails", "hss", "typescript");
    let before = "provision(flow: Flow, operation: Operation) {";
    let spoiled = "    if (operation.id !== \"\") { throw new Error(\"no good will come of it\"); }";
    let Some(told) = spoilt(&project, "src/adapter.ts", before, spoiled) else { return };
    assert!(told.contains("no good will come of it"), "{told}");
}
