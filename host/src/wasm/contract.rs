//! What differs between a component and the contract, in words: wasmtime only says that
//! something does.

use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldId, WorldItem, WorldKey};

/// Why a component cannot be an adapter.
pub enum Mismatch {
    NoComponent(String),
    Differs(String),
}

/// The contract that this host speaks.
const CONTRACT: &str = include_str!("../../../wit/adapter.wit");
/// The interface that every adapter exports.
const REQUIRED: &str = "external-system";

/// Finds what differs, from the outside in: no component, another interface, another version,
/// another function, another type.
pub fn check(bytes: &[u8]) -> Result<(), Mismatch> {
    let (theirs, world) = match wit_component::decode(bytes) {
        Ok(DecodedWasm::Component(resolve, world)) => (resolve, world),
        Ok(DecodedWasm::WitPackage(..)) => {
            return Err(Mismatch::NoComponent("it holds only interface definitions".to_owned()));
        }
        Err(error) => {
            let core = bytes.get(..8).is_some_and(|head| head == b"\0asm\x01\0\0\0");
            let why = if core {
                "it is a core module; make a component of it, for example with `wasm-tools component new`"
                    .to_owned()
            } else {
                format!("{error:#}")
            };
            return Err(Mismatch::NoComponent(why));
        }
    };
    let mut ours = Resolve::new();
    let package = ours
        .push_str("adapter.wit", CONTRACT)
        .map_err(|error| Mismatch::Differs(format!("the host's own contract cannot be read: {error}")))?;
    let our_name = ours.packages[package].name.clone();
    let wanted = format!("{}:{}/{REQUIRED}", our_name.namespace, our_name.name);
    let version = our_name.version.map(|version| version.to_string()).unwrap_or_default();
    let exports = exported_interfaces(&theirs, world);
    let Some((_, their_version)) = exports.iter().find(|(name, _)| *name == wanted) else {
        let found =
            exports.iter().map(|(name, version)| format!("{name}@{version}")).collect::<Vec<_>>().join(", ");
        let found = if found.is_empty() { "no interface".to_owned() } else { found };
        return Err(Mismatch::Differs(format!("it exports {found}; an adapter exports {wanted}@{version}")));
    };
    if *their_version != version {
        return Err(Mismatch::Differs(format!(
            "it exports {wanted}@{their_version}; this host speaks {wanted}@{version}"
        )));
    }
    same_functions(&ours, package, &theirs, world, &wanted).map_err(Mismatch::Differs)
}

fn exported_interfaces(resolve: &Resolve, world: WorldId) -> Vec<(String, String)> {
    let name = |key: &WorldKey| match key {
        WorldKey::Interface(id) => resolve.id_of(*id),
        WorldKey::Name(_) => None,
    };
    let exports = resolve.worlds[world].exports.iter();
    let interfaces = exports.filter(|(_, item)| matches!(item, WorldItem::Interface { .. }));
    interfaces
        .filter_map(|(key, _)| name(key))
        .map(|full| match full.split_once('@') {
            Some((name, version)) => (name.to_owned(), version.to_owned()),
            None => (full, "none".to_owned()),
        })
        .collect()
}

/// Compares functions and the types behind them, as text: what is printed is what is meant.
fn same_functions(
    ours: &Resolve,
    package: wit_parser::PackageId,
    theirs: &Resolve,
    world: WorldId,
    wanted: &str,
) -> Result<(), String> {
    let our_interface = ours.packages[package].interfaces.get(REQUIRED).copied();
    let their_interface = theirs.worlds[world].exports.iter().find_map(|(key, item)| match (key, item) {
        (WorldKey::Interface(id), WorldItem::Interface { .. })
            if theirs.id_of(*id).is_some_and(|name| name.starts_with(wanted)) =>
        {
            Some(*id)
        }
        _ => None,
    });
    let (Some(our_interface), Some(their_interface)) = (our_interface, their_interface) else {
        return Err(format!("{wanted} is not to be found"));
    };
    for (name, function) in &ours.interfaces[our_interface].functions {
        let Some(other) = theirs.interfaces[their_interface].functions.get(name) else {
            return Err(format!("{wanted} has no function `{name}`"));
        };
        let (mine, other) = (shape::function(ours, function), shape::function(theirs, other));
        if let Some(difference) = shape::difference(&mine, &other) {
            return Err(format!("`{name}` differs: {difference}"));
        }
    }
    Ok(())
}

mod shape;
