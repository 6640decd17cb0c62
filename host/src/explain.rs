//! What can be wrong, by a stable code, and what there is to say about it.
//!
//! The words stand once, in the documents for operators, which are part of the program: of the
//! codes in `docs/errors.md`, of reasons, troubles and states in `docs/operating.md`.

use std::fmt::{self, Display};

const ERRORS: &str = include_str!("../../docs/errors.md");
const OPERATING: &str = include_str!("../../docs/operating.md");
/// The sections of `operating.md` whose tables explain one word in each row.
const TABLES: [&str; 3] = ["Reasons for parking", "Other troubles", "States"];
const COLUMNS: usize = 96;

macro_rules! codes {
    ($($name:ident = $number:literal),+ $(,)?) => {
        /// What is wrong. A code keeps its meaning for ever; what falls away is not given again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($name),+ }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub const fn number(self) -> &'static str {
                match self { $(Self::$name => $number),+ }
            }
        }
    };
}

codes! {
    FileUnreadable = "E0101",
    Syntax = "E0102",
    UnknownKey = "E0103",
    MissingKey = "E0104",
    WrongKind = "E0105",
    WrongValue = "E0106",
    Contradiction = "E0107",
    Unguarded = "E0108",
    NeverContacted = "E0109",
    SecretInPlace = "E0201",
    SecretUnreadable = "E0202",
    CertificateFile = "E0203",
    AdapterUnreadable = "E0301",
    NoComponent = "E0302",
    OtherContract = "E0303",
    AdapterStopped = "E0304",
    AdapterConfig = "E0305",
    AdapterSecret = "E0306",
    CaseFails = "E0307",
    BuildFails = "E0308",
    ToolMissing = "E0309",
    ThereAlready = "E0310",
    CaseDiffers = "E0311",
    TooMuchToCompile = "E0312",
    AdapterQuery = "E0313",
    TargetUnusable = "E0401",
    JournalLocked = "E0501",
    JournalKey = "E0502",
    JournalNewer = "E0503",
    JournalUnusable = "E0504",
    JournalDamaged = "E0505",
    JournalThere = "E0506",
    JournalUnreachable = "E0507",
    JournalUnsafe = "E0508",
    JournalElsewhere = "E0509",
    Listen = "E0601",
    Machine = "E0602",
    Tls = "E0603",
    Unreachable = "E0701",
    NotAdmitted = "E0702",
    HostRefuses = "E0703",
    FileOfCommand = "E0704",
    Play = "E0705",
    NoPage = "E0706",
    NoAnswer = "E0707",
    NoSession = "E0801",
    ServiceUnknown = "E0802",
    TargetUnreached = "E0803",
    NoToken = "E0804",
    CertificateEnded = "E0805",
    InTheClear = "W0101",
    CertificateEnds = "W0102",
    OpenKey = "W0103",
    ClocksApart = "W0201",
    ServicesUnchecked = "W0202",
    CasesMovedOn = "W0203",
}

impl Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}

impl Code {
    /// `warning` for what a host runs with, else `error`.
    pub fn kind(self) -> &'static str {
        if self.number().starts_with('W') { "warning" } else { "error" }
    }

    /// What a person is told: what is wrong, what stands below it (where, help), and where more is said.
    pub fn tell(self, message: impl Display, below: &[String]) -> String {
        let mut told = format!("{}[{self}]: {message}\n", self.kind());
        for line in below {
            told.push_str(&format!("  {line}\n"));
        }
        told + &format!("  = more: punchdown explain {self}\n")
    }

    /// The same with how to go on, where that is known.
    pub fn advise(self, message: impl Display, help: Option<&str>) -> String {
        let help = help.map(|help| format!("= help: {help}"));
        self.tell(message, help.as_slice())
    }

    /// In a few words.
    pub fn title(self) -> &'static str {
        self.page().lines().next().unwrap_or_default()
    }

    /// Its section of the document: the title, and what there is to say.
    fn page(self) -> &'static str {
        let head = format!("\n## {self} ");
        let Some((_, page)) = ERRORS.split_once(&head) else { return "" };
        page.split("\n## ").next().unwrap_or_default().trim()
    }
}

/// All that is known of a code, of a reason for parking, a trouble or a state.
pub fn explain(word: &str) -> Option<String> {
    if let Some(code) = Code::ALL.iter().find(|code| code.number().eq_ignore_ascii_case(word)) {
        return Some(format!("{code}: {}\n", code.page()));
    }
    let (_, head, row) = rows().find(|(found, ..)| *found == word)?;
    let told = head.iter().zip(&row).skip(1).map(|(head, cell)| format!("{head}:\n{}", wrapped(cell)));
    Some(format!("{word}\n\n{}", told.collect::<Vec<_>>().join("\n")))
}

/// Every word that can be explained beside the codes.
pub fn words() -> impl Iterator<Item = &'static str> {
    rows().map(|(word, ..)| word)
}

type Row = (&'static str, Vec<String>, Vec<String>);

/// Each row of the tables: its word, the table's head, its cells.
fn rows() -> impl Iterator<Item = Row> {
    TABLES.into_iter().flat_map(|title| {
        let section = OPERATING.split("\n## ").find(|section| section.lines().next() == Some(title));
        let mut lines = section.unwrap_or_default().lines().filter(|line| line.starts_with("| "));
        let head = lines.next().map(cells).unwrap_or_default();
        lines.filter_map(move |line| {
            let word = line.strip_prefix("| `")?.split('`').next()?;
            Some((word, head.clone(), cells(line)))
        })
    })
}

fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split(" | ").map(|cell| plain(cell.trim())).collect()
}

/// Without what Markdown needs for links and for what is bold.
fn plain(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut rest = cell;
    while let Some((before, link)) = rest.split_once('[') {
        text.push_str(before);
        match link.split_once("](").and_then(|(name, address)| Some((name, address.split_once(')')?.1))) {
            Some((name, after)) => {
                text.push_str(name);
                rest = after;
            }
            None => {
                text.push('[');
                rest = link;
            }
        }
    }
    text.push_str(rest);
    text.replace("**", "")
}

fn wrapped(text: &str) -> String {
    let mut lines = vec![String::from(" ")];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a line");
        if line.chars().count() + word.chars().count() >= COLUMNS {
            lines.push(format!("  {word}"));
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Reason, State};

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let pages: Vec<&str> =
            ERRORS.lines().filter_map(|line| line.strip_prefix("## ")?.split(' ').next()).collect();
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(pages, codes, "in the same order");
        for code in Code::ALL {
            assert!(!code.title().is_empty(), "{code} has no title");
            assert!(code.page().lines().count() >= 3, "{code} is not explained");
        }
    }

    #[test]
    fn every_reason_and_every_state_is_explained() {
        let reasons = Reason::ALL.into_iter().map(Reason::code);
        for word in reasons.chain(State::ALL.into_iter().map(State::word)).chain(["target-silent"]) {
            assert!(explain(word).is_some_and(|page| page.lines().count() > 3), "{word}");
        }
        let page = explain("billing-refused").expect("a page");
        assert!(page.contains("what to do:\n  the sentence has its fault code"), "{page}");
        assert!(explain("parked").is_some_and(|page| page.contains("FAILED")), "a state");
        assert!(explain("code").is_none() && explain("").is_none());
    }

    #[test]
    fn links_are_words() {
        for (cell, text) in [
            ("a [person](#by-hand) **must** look", "a person must look"),
            ("[a] b", "[a] b"),
            ("no link", "no link"),
        ] {
            assert_eq!(plain(cell), text);
        }
    }
}
