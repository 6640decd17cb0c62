//! The shape of a function, with the names of all that it is made of.

use std::fmt;

use wit_parser::{Function, Resolve, Type, TypeDefKind};

/// The only part of an option or a list.
const INSIDE: &str = "inside";

/// A named part and what it is, recursively.
#[derive(Debug, PartialEq, Eq)]
pub struct Shape {
    /// What it is in itself: `record`, `string`, `option`.
    kind: String,
    /// The name of the type, for people.
    name: Option<String>,
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
    Shape { kind: "function".to_owned(), name: None, parts }
}

fn of(resolve: &Resolve, ty: &Type) -> Shape {
    let Type::Id(id) = ty else {
        return Shape { kind: format!("{ty:?}").to_lowercase(), name: None, parts: Vec::new() };
    };
    let def = &resolve.types[*id];
    let one = |kind: &str, inner: &Type| (kind.to_owned(), vec![(INSIDE.to_owned(), of(resolve, inner))]);
    let optional = |ty: &Option<Type>| match ty {
        Some(ty) => of(resolve, ty),
        None => Shape { kind: "nothing".to_owned(), name: None, parts: Vec::new() },
    };
    let (kind, parts) = match &def.kind {
        TypeDefKind::Type(inner) => {
            let mut shape = of(resolve, inner);
            shape.name = shape.name.or_else(|| def.name.clone());
            return shape;
        }
        TypeDefKind::Record(record) => {
            let field =
                |field: &wit_parser::Field| (format!("field `{}`", field.name), of(resolve, &field.ty));
            ("record".to_owned(), record.fields.iter().map(field).collect())
        }
        TypeDefKind::Variant(variant) => {
            let case = |case: &wit_parser::Case| (format!("case `{}`", case.name), optional(&case.ty));
            ("variant".to_owned(), variant.cases.iter().map(case).collect())
        }
        TypeDefKind::Enum(words) => {
            let unit = || Shape { kind: "nothing".to_owned(), name: None, parts: Vec::new() };
            (
                "enum".to_owned(),
                words.cases.iter().map(|case| (format!("case `{}`", case.name), unit())).collect(),
            )
        }
        TypeDefKind::Option(inner) => one("option", inner),
        TypeDefKind::List(inner) => one("list", inner),
        other => (other.as_str().to_owned(), Vec::new()),
    };
    Shape { kind, name: def.name.clone(), parts }
}

/// The first difference, and the way to it.
pub fn difference(ours: &Shape, theirs: &Shape) -> Option<String> {
    let (way, what) = first_difference(ours, theirs)?;
    Some(if way.is_empty() { what } else { format!("{what} ({})", way.join(", ")) })
}

/// From the outside in.
type Way = Vec<String>;

fn first_difference(ours: &Shape, theirs: &Shape) -> Option<(Way, String)> {
    let here = |what: String| Some((Way::new(), what));
    if ours.kind != theirs.kind {
        return here(format!("the host has {ours}, the component {theirs}"));
    }
    for (index, (part, our_shape)) in ours.parts.iter().enumerate() {
        let Some((their_part, their_shape)) = theirs.parts.get(index) else {
            return here(format!("the host's {ours} has {part}, the component's has not"));
        };
        if part != their_part {
            return here(format!("the host's {ours} has {part} where the component's has {their_part}"));
        }
        if let Some((mut way, what)) = first_difference(our_shape, their_shape) {
            if part != INSIDE {
                way.insert(0, part.clone());
            }
            return Some((way, what));
        }
    }
    let (more, _) = theirs.parts.get(ours.parts.len())?;
    here(format!("the component's {theirs} has {more}, the host's has not"))
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, parts } = self;
        match (name, parts.as_slice()) {
            (Some(name), _) => write!(f, "{kind} `{name}`"),
            (None, [(part, inside)]) if part == INSIDE => write!(f, "{kind}<{inside}>"),
            (None, _) => f.write_str(kind),
        }
    }
}
