//! What differs between a component and the contract, in words: wasmtime only says that
//! something does.

mod compared;
mod shape;
mod surface;

pub use compared::Difference;
use shape::Shape;
use surface::Interface;
pub use surface::Surface;

/// Why a component cannot be an adapter.
pub enum Mismatch {
    NoComponent(String),
    Differs(String),
}

/// The contract that this host speaks.
const CONTRACT: &str = include_str!("../../../wit/adapter.wit");

/// Its name and version.
pub fn contract_spoken() -> &'static str {
    let package = CONTRACT.lines().find_map(|line| line.strip_prefix("package ")?.strip_suffix(';'));
    package.unwrap_or_default()
}

impl Surface {
    /// Of the contract that this host speaks.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_contract_spoken() -> Result<Self, String> {
        Self::of_contract(CONTRACT)
    }
}

/// Finds what differs, from the outside in: no component, another interface, another version,
/// another function, another type. Gives the names of the interfaces of the contract's package that this host does not know:
/// it asks them nothing, and the adapter is taken all the same.
pub fn check(bytes: &[u8]) -> Result<Vec<String>, Mismatch> {
    let theirs = Surface::of_component(bytes).map_err(Mismatch::NoComponent)?;
    let ours = Surface::of_contract_spoken().map_err(Mismatch::Differs)?;
    exports_all(&ours, &theirs).map_err(Mismatch::Differs)?;
    imports_no_more(&ours, &theirs).map_err(Mismatch::Differs)?;
    Ok(unknown(&ours, &theirs))
}

fn list(interfaces: &[Interface]) -> String {
    let names: Vec<_> = interfaces.iter().filter(|it| !it.is_function).map(Interface::full).collect();
    if names.is_empty() { "no interface".to_owned() } else { names.join(", ") }
}

/// What the host asks for is there, and is what the host takes it for.
fn exports_all(ours: &Surface, theirs: &Surface) -> Result<(), String> {
    let exported = &theirs.exports;
    let required = ours.exports.iter().map(|known| (known, true));
    for (known, is_required) in required.chain(ours.optional.iter().map(|known| (known, false))) {
        let full = known.full();
        let Some(found) = exported.iter().find(|found| found.is(known)) else {
            let other_version = exported.iter().find(|found| found.name == known.name);
            return match other_version {
                // A half for a later contract may have what ours does without.
                Some(other) if !is_required && is_of_another_half(ours, exported, other) => continue,
                Some(other) => Err(format!("it exports {}; this host speaks {full}", other.full())),
                None if is_required => {
                    Err(format!("it exports {}; an adapter exports {full}", list(exported)))
                }
                None => continue,
            };
        };
        for (name, function) in &known.functions {
            let Some(other) = found.function(name) else {
                return Err(format!("its {full} has no function `{name}`"));
            };
            same(name, function, other)?;
        }
    }
    Ok(())
}

/// Whether it belongs to what the component exports for another version as a whole.
fn is_of_another_half(ours: &Surface, exported: &[Interface], other: &Interface) -> bool {
    let is_its =
        |it: &Interface| it.version == other.version && ours.exports.iter().any(|own| own.name == it.name);
    exported.iter().any(is_its)
}

/// What the component asks for is offered, and is what the component takes it for. Which of WASI
/// is there the linker knows.
fn imports_no_more(ours: &Surface, theirs: &Surface) -> Result<(), String> {
    let offered = &ours.imports;
    let refused = |what: &str| {
        Err(format!("it imports {what}; this host offers {} and WASI 0.2, and nothing else", list(offered)))
    };
    if let Some(alone) = theirs.imports.iter().find(|wanted| wanted.is_function) {
        return refused(&format!("the function `{}`", alone.full()));
    }
    for wanted in theirs.imports.iter().filter(|wanted| !wanted.name.starts_with("wasi:")) {
        let Some(found) = offered.iter().find(|found| found.is(wanted)) else {
            return refused(&wanted.full());
        };
        for (name, function) in &wanted.functions {
            let Some(our_function) = found.function(name) else {
                return refused(&format!("the function `{name}` of {}", wanted.full()));
            };
            same(name, our_function, function)?;
        }
    }
    Ok(())
}

fn same(name: &str, ours: &Shape, theirs: &Shape) -> Result<(), String> {
    let Some(first) = shape::differences(ours, theirs).into_iter().next() else { return Ok(()) };
    let way = if first.way.is_empty() { String::new() } else { format!(" ({})", first.way.join(", ")) };
    let (ours, theirs) = (first.ours, first.theirs);
    Err(format!("`{name}` differs: the host has {ours}, the component {theirs}{way}"))
}

/// What else it exports, under names of its own or of others, is nobody's business.
fn unknown(ours: &Surface, theirs: &Surface) -> Vec<String> {
    let ours_all = || ours.exports.iter().chain(&ours.optional).chain(&ours.imports);
    let known = |it: &Interface| ours_all().any(|known| known.is(it));
    let beside = theirs.exports.iter().filter(|it| ours.has_package_of(it) && !known(it));
    beside.map(Interface::full).collect()
}
