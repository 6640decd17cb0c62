//! The shape of a function or a type, with the names of all that it is made of. Two that have the same shape are
//! the same to the component model: it knows a type by its parts and not by its name.

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

pub fn function(resolve: &Resolve, function: &Function) -> Shape {
    let mut parts: Vec<_> = function
        .params
        .iter()
        .map(|param| (format!("parameter `{}`", param.name), of(resolve, &param.ty)))
        .collect();
    if let Some(result) = &function.result {
        parts.push(("result".to_owned(), of(resolve, result)));
    }
    let kind = if function.kind.is_async() { "async function" } else { "function" };
    Shape { parts, ..plain(kind) }
}

pub fn named_type(resolve: &Resolve, id: TypeId) -> Shape {
    of(resolve, &Type::Id(id))
}

fn plain(kind: impl Into<String>) -> Shape {
    Shape { kind: kind.into(), name: None, home: None, parts: Vec::new() }
}

fn of(resolve: &Resolve, ty: &Type) -> Shape {
    let Type::Id(id) = ty else { return plain(format!("{ty:?}").to_lowercase()) };
    let def = &resolve.types[*id];
    let optional = |ty: &Option<Type>| ty.as_ref().map_or_else(|| plain("nothing"), |ty| of(resolve, ty));
    let inside = |shape: Shape| vec![(INSIDE.to_owned(), shape)];
    let named = |part: &str, name: &str, shape: Shape| (format!("{part} `{name}`"), shape);
    let parts = match &def.kind {
        TypeDefKind::Type(inner) => {
            let mut shape = of(resolve, inner);
            shape.name = shape.name.or_else(|| def.name.clone());
            return shape;
        }
        // The one kind that is known by its name, and by where it has it.
        TypeDefKind::Resource => {
            let (name, home) = (def.name.clone().unwrap_or_default(), home(resolve, def));
            return plain(format!("resource `{}.{name}`", home.unwrap_or_default()));
        }
        TypeDefKind::Record(record) => {
            record.fields.iter().map(|field| named("field", &field.name, of(resolve, &field.ty))).collect()
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
            parts.map(|(at, ty)| (format!("part {}", at + 1), of(resolve, ty))).collect()
        }
        TypeDefKind::Result(result) => {
            vec![("`ok`".to_owned(), optional(&result.ok)), ("`err`".to_owned(), optional(&result.err))]
        }
        TypeDefKind::Map(key, value) => {
            vec![("key".to_owned(), of(resolve, key)), ("value".to_owned(), of(resolve, value))]
        }
        TypeDefKind::Option(inner) | TypeDefKind::List(inner) => inside(of(resolve, inner)),
        TypeDefKind::FixedLengthList(inner, length) => {
            let kind = format!("list of {length}");
            return Shape { name: def.name.clone(), parts: inside(of(resolve, inner)), ..plain(kind) };
        }
        TypeDefKind::Future(inner) | TypeDefKind::Stream(inner) => inside(optional(inner)),
        TypeDefKind::Handle(Handle::Own(resource) | Handle::Borrow(resource)) => {
            inside(named_type(resolve, *resource))
        }
        TypeDefKind::Unknown => Vec::new(),
    };
    Shape { kind: def.kind.as_str().to_owned(), name: def.name.clone(), home: home(resolve, def), parts }
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
