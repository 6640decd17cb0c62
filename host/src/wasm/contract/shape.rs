//! The shape of a function or a type, with the names of all that it is made of. Two that have the same shape are
//! the same to the component model: it knows a type by its parts and not by its name.

use std::cell::Cell;
use std::fmt;

use wit_parser::{Function, Handle, Resolve, Type, TypeDef, TypeDefKind, TypeId, TypeOwner};

/// The only part of an option or a list.
const INSIDE: &str = "inside";

/// A named part and what it is, recursively.
pub struct Shape {
    /// What it is in itself: `record`, `string`, `option`.
    kind: String,
    /// The name of the type, for people.
    name: Option<String>,
    /// The interface that defines it.
    home: Option<String>,
    parts: Vec<(String, Shape)>,
}

/// Types may name each other many times over, and a component could name so many that they fill the memory.
const BYTES_MAX: usize = 16 << 20;
/// What a part costs beside its name.
const PART_BYTES: usize = 128;

/// A look at types, that sees no more than so much.
pub struct Look<'a> {
    pub resolve: &'a Resolve,
    left: Cell<Option<usize>>,
}

impl<'a> Look<'a> {
    pub fn at(resolve: &'a Resolve) -> Self {
        Self { resolve, left: Cell::new(Some(BYTES_MAX)) }
    }

    /// Whether something was not seen.
    pub fn is_over(&self) -> bool {
        self.left.get().is_none()
    }

    fn has_room_for(&self, def: &TypeDef) -> bool {
        let names: usize = match &def.kind {
            TypeDefKind::Record(record) => record.fields.iter().map(|it| it.name.len() + PART_BYTES).sum(),
            TypeDefKind::Variant(variant) => variant.cases.iter().map(|it| it.name.len() + PART_BYTES).sum(),
            TypeDefKind::Enum(words) => words.cases.iter().map(|it| it.name.len() + PART_BYTES).sum(),
            TypeDefKind::Flags(flags) => flags.flags.iter().map(|it| it.name.len() + PART_BYTES).sum(),
            TypeDefKind::Tuple(tuple) => tuple.types.len() * PART_BYTES,
            _ => PART_BYTES,
        };
        let own = def.name.as_ref().map_or(0, String::len);
        let left = self.left.get().and_then(|left| left.checked_sub(names + own + PART_BYTES));
        self.left.set(left);
        left.is_some()
    }
}

pub fn function(look: &Look<'_>, function: &Function) -> Shape {
    let mut parts: Vec<_> = function
        .params
        .iter()
        .map(|param| (format!("parameter `{}`", param.name), of(look, &param.ty)))
        .collect();
    if let Some(result) = &function.result {
        parts.push(("result".to_owned(), of(look, result)));
    }
    let kind = if function.kind.is_async() { "async function" } else { "function" };
    Shape { parts, ..plain(kind) }
}

pub fn named_type(look: &Look<'_>, id: TypeId) -> Shape {
    of(look, &Type::Id(id))
}

fn plain(kind: impl Into<String>) -> Shape {
    Shape { kind: kind.into(), name: None, home: None, parts: Vec::new() }
}

fn of(look: &Look<'_>, ty: &Type) -> Shape {
    let Type::Id(id) = ty else { return plain(format!("{ty:?}").to_lowercase()) };
    let def = &look.resolve.types[*id];
    if !look.has_room_for(def) {
        return plain("too large");
    }
    let optional = |ty: &Option<Type>| ty.as_ref().map_or_else(|| plain("nothing"), |ty| of(look, ty));
    let inside = |shape: Shape| vec![(INSIDE.to_owned(), shape)];
    let named = |part: &str, name: &str, shape: Shape| (format!("{part} `{name}`"), shape);
    let parts = match &def.kind {
        TypeDefKind::Type(inner) => {
            let mut shape = of(look, inner);
            shape.name = shape.name.or_else(|| def.name.clone());
            return shape;
        }
        // The one kind that is known by its name, and by where it has it.
        TypeDefKind::Resource => {
            let (name, home) = (def.name.clone().unwrap_or_default(), home(look.resolve, def));
            return plain(format!("resource `{}.{name}`", home.unwrap_or_default()));
        }
        TypeDefKind::Record(record) => {
            record.fields.iter().map(|field| named("field", &field.name, of(look, &field.ty))).collect()
        }
        TypeDefKind::Variant(variant) => {
            variant.cases.iter().map(|case| named("case", &case.name, optional(&case.ty))).collect()
        }
        TypeDefKind::Enum(words) => {
            words.cases.iter().map(|case| named("case", &case.name, plain("nothing"))).collect()
        }
        TypeDefKind::Flags(flags) => {
            flags.flags.iter().map(|flag| named("flag", &flag.name, plain("nothing"))).collect()
        }
        TypeDefKind::Tuple(tuple) => {
            let parts = tuple.types.iter().enumerate();
            parts.map(|(at, ty)| (format!("part {}", at + 1), of(look, ty))).collect()
        }
        TypeDefKind::Result(result) => {
            vec![("`ok`".to_owned(), optional(&result.ok)), ("`err`".to_owned(), optional(&result.err))]
        }
        TypeDefKind::Map(key, value) => {
            vec![("key".to_owned(), of(look, key)), ("value".to_owned(), of(look, value))]
        }
        TypeDefKind::Option(inner) | TypeDefKind::List(inner) => inside(of(look, inner)),
        TypeDefKind::FixedLengthList(inner, length) => {
            let kind = format!("list of {length}");
            return Shape { name: def.name.clone(), parts: inside(of(look, inner)), ..plain(kind) };
        }
        TypeDefKind::Future(inner) | TypeDefKind::Stream(inner) => inside(optional(inner)),
        TypeDefKind::Handle(Handle::Own(resource) | Handle::Borrow(resource)) => {
            inside(named_type(look, *resource))
        }
        TypeDefKind::Unknown => Vec::new(),
    };
    Shape { kind: def.kind.as_str().to_owned(), name: def.name.clone(), home: home(look.resolve, def), parts }
}

fn home(resolve: &Resolve, def: &TypeDef) -> Option<String> {
    match def.owner {
        TypeOwner::Interface(interface) => resolve.id_of(interface),
        TypeOwner::World(_) | TypeOwner::None => None,
    }
}

/// One place where two shapes are not the same, with both sides.
#[derive(Debug)]
pub struct Difference {
    /// From the outside in.
    pub way: Vec<String>,
    pub ours: String,
    pub theirs: String,
    within: Within,
}

/// The innermost type on the way that has a name, and the way on from there: the same for
/// everything that uses the type.
type Within = (Option<(String, String)>, Vec<String>);

/// The same for all differences that one change of one type makes.
pub type Cause = (Within, [String; 2], Option<String>);

impl Difference {
    /// What no named type explains is the affair of where it was found.
    pub fn cause(&self, found_in: &str) -> Cause {
        let alone = self.within.0.is_none().then(|| found_in.to_owned());
        (self.within.clone(), [self.ours.clone(), self.theirs.clone()], alone)
    }
}

/// All that differs, from the outside in.
pub fn differences(ours: &Shape, theirs: &Shape) -> Vec<Difference> {
    let mut found = Vec::new();
    Walk::default().compare(ours, theirs, &mut found);
    found
}

#[derive(Clone, Default)]
struct Walk {
    way: Vec<String>,
    within: Within,
}

impl Walk {
    fn through(&self, part: &str) -> Self {
        let mut further = self.clone();
        if part != INSIDE {
            further.way.push(part.to_owned());
            further.within.1.push(part.to_owned());
        }
        further
    }

    fn compare(mut self, ours: &Shape, theirs: &Shape, found: &mut Vec<Difference>) {
        if let (Some(name), true) = (&ours.name, ours.names().any(|part| part != INSIDE)) {
            self.within = (Some((ours.home.clone().unwrap_or_default(), name.clone())), Vec::new());
        }
        let note = |ours: String, theirs: String| Difference {
            way: self.way.clone(),
            ours,
            theirs,
            within: self.within.clone(),
        };
        if ours.kind != theirs.kind {
            found.push(note(ours.to_string(), theirs.to_string()));
            return;
        }
        let (only_ours, only_theirs) = (ours.lacking_in(theirs), theirs.lacking_in(ours));
        if !only_ours.is_empty() || !only_theirs.is_empty() {
            found.push(note(ours.with(&only_ours, &only_theirs), theirs.with(&only_theirs, &only_ours)));
        } else if !ours.names().eq(theirs.names()) {
            // Their order is part of the type.
            let in_order = |shape: &Shape| shape.with(&shape.names().collect::<Vec<_>>(), &[]);
            found.push(note(in_order(ours), in_order(theirs)));
        }
        for (part, our_shape) in &ours.parts {
            if let Some((_, their_shape)) = theirs.parts.iter().find(|(other, _)| other == part) {
                self.through(part).compare(our_shape, their_shape, found);
            }
        }
    }
}

impl Shape {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(part, _)| part.as_str())
    }

    fn lacking_in(&self, other: &Self) -> Vec<&str> {
        self.names().filter(|part| !other.names().any(|name| name == *part)).collect()
    }

    /// Itself with what is its own, or without what is the other's.
    fn with(&self, own: &[&str], others: &[&str]) -> String {
        match (own, others) {
            ([], others) => format!("{self} without {}", others.join(", ")),
            (own, _) => format!("{self} with {}", own.join(", ")),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, parts, .. } = self;
        match (name, parts.as_slice()) {
            (Some(name), _) => write!(f, "{kind} `{name}`"),
            (None, [(part, inside)]) if part == INSIDE => write!(f, "{kind}<{inside}>"),
            (None, _) => f.write_str(kind),
        }
    }
}
