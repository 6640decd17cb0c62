//! The shape of a function, with the names of all that it is made of.

use wit_parser::{Function, Resolve, Type, TypeDefKind};

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
    let mut parts: Vec<_> =
        function.params.iter().map(|param| (param.name.clone(), of(resolve, &param.ty))).collect();
    if let Some(result) = &function.result {
        parts.push(("the result".to_owned(), of(resolve, result)));
    }
    Shape { kind: "function".to_owned(), name: None, parts }
}

fn of(resolve: &Resolve, ty: &Type) -> Shape {
    let Type::Id(id) = ty else {
        return Shape { kind: format!("{ty:?}").to_lowercase(), name: None, parts: Vec::new() };
    };
    let def = &resolve.types[*id];
    let one = |kind: &str, inner: &Type| (kind.to_owned(), vec![("inside".to_owned(), of(resolve, inner))]);
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

/// The first difference, with the way to it.
pub fn difference(ours: &Shape, theirs: &Shape) -> Option<String> {
    let named = |shape: &Shape| match &shape.name {
        Some(name) => format!("{} `{name}`", shape.kind),
        None => shape.kind.clone(),
    };
    if ours.kind != theirs.kind {
        return Some(format!("the host has {}, the component {}", named(ours), named(theirs)));
    }
    for (index, (part, our_shape)) in ours.parts.iter().enumerate() {
        let Some((their_part, their_shape)) = theirs.parts.get(index) else {
            return Some(format!("the component's {} has no {part}", named(theirs)));
        };
        if part != their_part {
            return Some(format!("{} has {part} where the component has {their_part}", named(ours)));
        }
        if let Some(inside) = difference(our_shape, their_shape) {
            return Some(format!("{part} of {}: {inside}", named(ours)));
        }
    }
    theirs.parts.get(ours.parts.len()).map(|(part, _)| format!("the host's {} has no {part}", named(ours)))
}
