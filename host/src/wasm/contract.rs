//! What differs between a component and the contract, in words: wasmtime only says that
//! something does.

use wit_component::DecodedWasm;
use wit_parser::{Function, InterfaceId, Resolve, WorldId, WorldItem, WorldKey};

mod shape;

/// Why a component cannot be an adapter.
pub enum Mismatch {
    NoComponent(String),
    Differs(String),
}

/// The contract that this host speaks.
const CONTRACT: &str = include_str!("../../../wit/adapter.wit");
/// The world of every adapter.
const WORLD: &str = "adapter";

/// Its name and version.
pub fn contract_spoken() -> &'static str {
    let package = CONTRACT.lines().find_map(|line| line.strip_prefix("package ")?.strip_suffix(';'));
    package.unwrap_or_default()
}

/// Finds what differs, from the outside in: no component, another interface, another version,
/// another function, another type.
pub fn check(bytes: &[u8]) -> Result<(), Mismatch> {
    let (theirs, their_world) = decode(bytes).map_err(Mismatch::NoComponent)?;
    let (ours, our_world) = contract().map_err(Mismatch::Differs)?;
    exports_all(&ours, our_world, &theirs, their_world).map_err(Mismatch::Differs)?;
    imports_no_more(&ours, our_world, &theirs, their_world).map_err(Mismatch::Differs)
}

fn contract() -> Result<(Resolve, WorldId), String> {
    let mut resolve = Resolve::new();
    let unreadable = |why: String| format!("the host's own contract cannot be read: {why}");
    let package = resolve.push_str("adapter.wit", CONTRACT).map_err(|error| unreadable(error.to_string()))?;
    let world = resolve.packages[package].worlds.get(WORLD).copied();
    world.map(|world| (resolve, world)).ok_or_else(|| unreadable(format!("it has no world `{WORLD}`")))
}

fn decode(bytes: &[u8]) -> Result<(Resolve, WorldId), String> {
    const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    if bytes.starts_with(CORE_MODULE) {
        return Err("it is a core module; make a component of it, for example with \
                    `wasm-tools component new`"
            .to_owned());
    }
    if !bytes.starts_with(&CORE_MODULE[..4]) {
        let what =
            if std::str::from_utf8(bytes).is_ok() { "it is text" } else { "it is another kind of file" };
        return Err(format!("{what}; a component begins with the bytes `\\0asm`"));
    }
    match wit_component::decode(bytes) {
        Ok(DecodedWasm::Component(resolve, world)) => Ok((resolve, world)),
        Ok(DecodedWasm::WitPackage(..)) => {
            Err("it holds a contract and nothing that keeps it: it was made of WIT alone".to_owned())
        }
        Err(error) => Err(format!("{error:#}")),
    }
}

/// Those that this host runs where they are there.
const OPTIONAL: [&str; 2] = ["session", "registration"];

/// An interface that a world imports or exports.
struct Named {
    /// Without its version.
    name: String,
    version: String,
    id: InterfaceId,
}

impl Named {
    fn is(&self, other: &Self) -> bool {
        self.name == other.name && self.version == other.version
    }

    fn full(&self) -> String {
        if self.version.is_empty() { self.name.clone() } else { format!("{}@{}", self.name, self.version) }
    }
}

fn interfaces<'a>(
    resolve: &Resolve,
    items: impl IntoIterator<Item = (&'a WorldKey, &'a WorldItem)>,
) -> Vec<Named> {
    let named = |(key, item): (&WorldKey, &WorldItem)| {
        let WorldItem::Interface { id, .. } = item else { return None };
        let full = resolve.name_world_key(key);
        let (name, version) = full.split_once('@').unwrap_or((&full, ""));
        Some(Named { name: name.to_owned(), version: version.to_owned(), id: *id })
    };
    items.into_iter().filter_map(named).collect()
}

fn list(interfaces: &[Named]) -> String {
    let names: Vec<_> = interfaces.iter().map(Named::full).collect();
    if names.is_empty() { "no interface".to_owned() } else { names.join(", ") }
}

/// What the host asks for is there, and is what the host takes it for.
fn exports_all(
    ours: &Resolve,
    our_world: WorldId,
    theirs: &Resolve,
    their_world: WorldId,
) -> Result<(), String> {
    let exported = interfaces(theirs, &theirs.worlds[their_world].exports);
    let required = interfaces(ours, &ours.worlds[our_world].exports);
    let optional = optional(ours, our_world);
    let offered = required.iter().map(|known| (known, true));
    for (known, is_required) in offered.chain(optional.iter().map(|known| (known, false))) {
        let full = known.full();
        let Some(found) = exported.iter().find(|found| found.is(known)) else {
            let other_version = exported.iter().find(|found| found.name == known.name);
            return match other_version {
                Some(other) => Err(format!("it exports {}; this host speaks {full}", other.full())),
                None if is_required => {
                    Err(format!("it exports {}; an adapter exports {full}", list(&exported)))
                }
                None => continue,
            };
        };
        for (name, function) in &ours.interfaces[known.id].functions {
            let Some(other) = theirs.interfaces[found.id].functions.get(name) else {
                return Err(format!("its {full} has no function `{name}`"));
            };
            same(name, (ours, function), (theirs, other))?;
        }
    }
    Ok(())
}

/// The optional interfaces of the contract's package.
fn optional(ours: &Resolve, our_world: WorldId) -> Vec<Named> {
    let package = ours.worlds[our_world].package.map(|package| &ours.packages[package]);
    let named = |name: &&str| {
        let (package, id) = package.and_then(|package| Some((package, *package.interfaces.get(*name)?)))?;
        let version = package.name.version.as_ref().map(ToString::to_string).unwrap_or_default();
        let name = format!("{}:{}/{name}", package.name.namespace, package.name.name);
        Some(Named { name, version, id })
    };
    OPTIONAL.iter().filter_map(named).collect()
}

/// What the component asks for is offered, and is what the component takes it for. Which of WASI
/// is there the linker knows.
fn imports_no_more(
    ours: &Resolve,
    our_world: WorldId,
    theirs: &Resolve,
    their_world: WorldId,
) -> Result<(), String> {
    let offered = interfaces(ours, &ours.worlds[our_world].imports);
    let imports = &theirs.worlds[their_world].imports;
    let refused = |what: &str| {
        Err(format!("it imports {what}; this host offers {} and WASI 0.2, and nothing else", list(&offered)))
    };
    for (key, item) in imports {
        if matches!(item, WorldItem::Function(_)) {
            return refused(&format!("the function `{}`", theirs.name_world_key(key)));
        }
    }
    for wanted in interfaces(theirs, imports).iter().filter(|wanted| !wanted.name.starts_with("wasi:")) {
        let Some(found) = offered.iter().find(|found| found.is(wanted)) else {
            return refused(&wanted.full());
        };
        for (name, function) in &theirs.interfaces[wanted.id].functions {
            let Some(our_function) = ours.interfaces[found.id].functions.get(name) else {
                return refused(&format!("the function `{name}` of {}", wanted.full()));
            };
            same(name, (ours, our_function), (theirs, function))?;
        }
    }
    Ok(())
}

fn same(name: &str, ours: (&Resolve, &Function), theirs: (&Resolve, &Function)) -> Result<(), String> {
    let (ours, theirs) = (shape::function(ours.0, ours.1), shape::function(theirs.0, theirs.1));
    match shape::difference(&ours, &theirs) {
        None => Ok(()),
        Some(difference) => Err(format!("`{name}` differs: {difference}")),
    }
}
