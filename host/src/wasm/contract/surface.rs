//! What a component or a contract shows on its outside: imports and exports, with the shapes of all of it.

use wit_component::DecodedWasm;
use wit_parser::{InterfaceId, PackageId, Resolve, WorldId, WorldItem, WorldKey};

use super::shape::{self, Look, Shape};

/// The world of every adapter.
const WORLD: &str = "adapter";

pub struct Surface {
    pub imports: Vec<Interface>,
    pub exports: Vec<Interface>,
    /// What an adapter may export beside: the interfaces of a contract that its world does not name. A component has none.
    pub optional: Vec<Interface>,
}

pub struct Interface {
    /// Without its version.
    pub name: String,
    pub version: String,
    /// A function that a world has by itself is an interface of one.
    pub is_function: bool,
    pub functions: Vec<(String, Shape)>,
    pub types: Vec<(String, Shape)>,
}

impl Surface {
    /// # Errors
    /// Why it is no component.
    pub fn of_component(bytes: &[u8]) -> Result<Self, String> {
        let (resolve, world) = decode(bytes)?;
        let look = Look::at(&resolve);
        let surface = Self::of_world(&look, world);
        match look.is_over() {
            false => Ok(surface),
            true => Err("its types are too large to be looked at".to_owned()),
        }
    }

    /// # Errors
    /// Why it cannot be read.
    pub fn of_contract(text: &str) -> Result<Self, String> {
        let mut resolve = Resolve::new();
        let unreadable = |why: String| format!("the contract cannot be read: {why}");
        let package = resolve.push_str("adapter.wit", text).map_err(|error| unreadable(error.to_string()))?;
        let world = resolve.packages[package].worlds.get(WORLD).copied();
        let world = world.ok_or_else(|| unreadable(format!("it has no world `{WORLD}`")))?;
        let look = Look::at(&resolve);
        let mut surface = Self::of_world(&look, world);
        surface.optional = optional(&look, package, world);
        Ok(surface)
    }

    /// Whether this, which is a contract, could know the interface, in whatever version.
    pub fn has_package_of(&self, interface: &Interface) -> bool {
        self.exports.iter().any(|own| own.package().is_some() && own.package() == interface.package())
    }

    fn of_world(look: &Look<'_>, world: WorldId) -> Self {
        let world = &look.resolve.worlds[world];
        let imports = world.imports.iter().filter_map(|item| Interface::of_item(look, item)).collect();
        let exports = world.exports.iter().filter_map(|item| Interface::of_item(look, item)).collect();
        Self { imports, exports, optional: Vec::new() }
    }
}

impl Interface {
    fn of_item(look: &Look<'_>, (key, item): (&WorldKey, &WorldItem)) -> Option<Self> {
        let full = look.resolve.name_world_key(key);
        match item {
            WorldItem::Interface { id, .. } => Some(Self::of(look, &full, *id)),
            WorldItem::Function(function) => Some(Self {
                functions: vec![(function.name.clone(), shape::function(look, function))],
                is_function: true,
                ..Self::empty(&full)
            }),
            // Of a component's own types there is nothing to say but what its functions do.
            WorldItem::Type { .. } => None,
        }
    }

    fn of(look: &Look<'_>, full: &str, id: InterfaceId) -> Self {
        let interface = &look.resolve.interfaces[id];
        let functions = interface.functions.iter();
        let types = interface.types.iter();
        Self {
            functions: functions
                .map(|(name, function)| (name.clone(), shape::function(look, function)))
                .collect(),
            types: types.map(|(name, id)| (name.clone(), shape::named_type(look, *id))).collect(),
            ..Self::empty(full)
        }
    }

    fn empty(full: &str) -> Self {
        let (name, version) = full.split_once('@').unwrap_or((full, ""));
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            is_function: false,
            functions: Vec::new(),
            types: Vec::new(),
        }
    }

    fn package(&self) -> Option<&str> {
        self.name.split_once('/').map(|(package, _)| package)
    }

    pub fn is(&self, other: &Self) -> bool {
        self.name == other.name && self.version == other.version
    }

    pub fn kind(&self) -> &'static str {
        if self.is_function { "function" } else { "interface" }
    }

    pub fn full(&self) -> String {
        if self.version.is_empty() { self.name.clone() } else { format!("{}@{}", self.name, self.version) }
    }

    pub fn function(&self, name: &str) -> Option<&Shape> {
        self.functions.iter().find(|(own, _)| own == name).map(|(_, shape)| shape)
    }
}

fn optional(look: &Look<'_>, package: PackageId, world: WorldId) -> Vec<Interface> {
    let resolve = look.resolve;
    let world = &resolve.worlds[world];
    let package = &resolve.packages[package];
    let is_named = |id: InterfaceId| {
        let key = WorldKey::Interface(id);
        world.imports.contains_key(&key) || world.exports.contains_key(&key)
    };
    let beside = package.interfaces.values().filter(|id| !is_named(**id));
    beside.filter_map(|id| Some(Interface::of(look, &resolve.id_of(*id)?, *id))).collect()
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
