//! Two surfaces side by side: what only one of them has, and what both have and is not the same.

use std::collections::BTreeSet;
use std::fmt;

use super::shape::{self, Cause, Shape};
use super::surface::{Interface, Surface};

/// One thing that differs. What stands on one side alone is `None` on the other.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// `import`, `export` or, in a contract, `optional`.
    pub side: &'static str,
    /// With its version.
    pub interface: String,
    /// The function or the type of it; without one it is the interface as a whole.
    pub part: Option<String>,
    /// The way from there to what differs.
    pub place: Vec<String>,
    pub a: Option<String>,
    pub b: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.side, self.interface)?;
        for part in self.part.iter().chain(&self.place) {
            write!(f, ", {part}")?;
        }
        let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, ": {} became {}", side(&self.a), side(&self.b))
    }
}

impl Surface {
    /// Two components. Only what their functions carry counts of the types: a tool leaves out what nothing uses.
    pub fn compare(mut self, mut other: Self) -> Vec<Difference> {
        for interface in [&mut self, &mut other].into_iter().flat_map(Surface::interfaces) {
            interface.types.clear();
        }
        compare(&self, &other)
    }

    /// A component and a contract. It need not import what is offered nor export what is optional. Of WASI, and of
    /// what the component exports under other names (Python's tools do), the contract says nothing.
    pub fn compare_with_contract(mut self, mut contract: Self) -> Vec<Difference> {
        self.imports.retain(|wanted| !wanted.name.starts_with("wasi:"));
        self.exports.retain(|exported| contract.has_package_of(exported));
        contract.imports.retain(|offered| self.imports.iter().any(|wanted| wanted.is(offered)));
        for offered in &mut contract.imports {
            let wanted = self.imports.iter().find(|wanted| wanted.is(offered));
            offered.functions.retain(|(name, _)| wanted.is_some_and(|it| it.function(name).is_some()));
        }
        let exported = |known: &Interface| self.exports.iter().any(|own| own.is(known));
        let optional = std::mem::take(&mut contract.optional);
        contract.exports.extend(optional.into_iter().filter(exported));
        self.compare(contract)
    }

    /// This contract as it was laid down, and as it is now. What may be added within a version is no
    /// difference: optional interfaces, and types that have a name of their own.
    pub fn compare_with_later(self, mut later: Self) -> Vec<Difference> {
        later.optional.retain(|interface| self.optional.iter().any(|known| known.is(interface)));
        for interface in later.interfaces() {
            let known = [&self.imports, &self.exports, &self.optional].into_iter().flatten();
            let known: Vec<_> = known.filter(|known| known.is(interface)).collect();
            interface
                .types
                .retain(|(name, _)| known.iter().any(|known| known.types.iter().any(|(own, _)| own == name)));
        }
        compare(&self, &later)
    }

    fn interfaces(&mut self) -> impl Iterator<Item = &mut Interface> {
        [&mut self.imports, &mut self.exports, &mut self.optional].into_iter().flatten()
    }
}

fn compare(a: &Surface, b: &Surface) -> Vec<Difference> {
    let mut comparison = Comparison::default();
    for (side, a, b) in [
        ("import", &a.imports, &b.imports),
        ("export", &a.exports, &b.exports),
        ("optional", &a.optional, &b.optional),
    ] {
        comparison.interfaces(side, a, b);
    }
    comparison.found
}

#[derive(Default)]
struct Comparison {
    found: Vec<Difference>,
    /// A type is told of once, however many functions carry it.
    told: BTreeSet<Cause>,
}

impl Comparison {
    fn interfaces(&mut self, side: &'static str, a: &[Interface], b: &[Interface]) {
        let alone = |one: &Interface, a: Option<&str>, b: Option<&str>| Difference {
            side,
            interface: one.full(),
            part: None,
            place: Vec::new(),
            a: a.map(str::to_owned),
            b: b.map(str::to_owned),
        };
        for one in a {
            match b.iter().find(|other| other.is(one)) {
                Some(other) => {
                    self.parts(side, one, "type", [&one.types, &other.types]);
                    self.parts(side, one, "function", [&one.functions, &other.functions]);
                }
                None => self.found.push(alone(one, Some(one.kind()), None)),
            }
        }
        let only_theirs = b.iter().filter(|other| !a.iter().any(|one| one.is(other)));
        self.found.extend(only_theirs.map(|other| alone(other, None, Some(other.kind()))));
    }

    fn parts(&mut self, side: &'static str, of: &Interface, kind: &str, [a, b]: [&[(String, Shape)]; 2]) {
        let found = |name: &str, place: Vec<String>, a: Option<String>, b: Option<String>| Difference {
            side,
            interface: of.full(),
            part: Some(format!("{kind} `{name}`")),
            place,
            a,
            b,
        };
        for (name, shape) in a {
            let Some((_, other)) = b.iter().find(|(other, _)| other == name) else {
                self.found.push(found(name, Vec::new(), Some(shape.to_string()), None));
                continue;
            };
            for difference in shape::differences(shape, other) {
                if self.told.insert(difference.cause(&format!("{side} {} {name}", of.full()))) {
                    let (ours, theirs) = (difference.ours, difference.theirs);
                    self.found.push(found(name, difference.way, Some(ours), Some(theirs)));
                }
            }
        }
        for (name, shape) in b.iter().filter(|(name, _)| !a.iter().any(|(own, _)| own == name)) {
            self.found.push(found(name, Vec::new(), None, Some(shape.to_string())));
        }
    }
}
