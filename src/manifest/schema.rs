//! What the schema of a CustomResourceDefinition says of an object, and whether the object keeps to
//! it: types, required fields, limits, enumerations.
//!
//! As the API server does it (`k8s.io/apiextensions-apiserver`): a field without a value is dropped
//! before anything is checked, and an unknown field is refused.

use super::decode::{mismatch, unknown_field};
use super::node::{Node, Value};
use super::place::Place;
use super::validate::{Sink, invalid, required, unsupported};
use crate::diagnostic::{Code, Diagnostic};

/// What a value must be.
pub(super) enum Schema {
    /// An object.
    Object(&'static Object),
    /// A list.
    List {
        /// What its items must be.
        items: &'static Schema,
        /// How many items it has at least.
        least: usize,
        /// How many items it has at most.
        most: usize,
        /// `x-kubernetes-list-type: set`
        unique: bool,
    },
    /// A string.
    Text(Text),
    /// A whole number of 32 bits between two bounds, inclusive.
    Integer(i64, i64),
    /// A mapping of strings, whatever its keys are.
    Labels,
    /// Whatever it is: `status`, which the server drops when an object is written.
    Anything,
}

/// What an object must be.
pub(super) struct Object {
    /// Its fields.
    pub(super) fields: &'static [Field],
    /// How many fields it has at least: `minProperties`.
    pub(super) least: usize,
    /// How many fields it has at most: `maxProperties`.
    pub(super) most: usize,
    /// A later version of the API may add alternatives to these fields: an object that a server has
    /// stored may have one.
    pub(super) open: bool,
    /// Fields that earlier versions had here, and what is to be said of each.
    pub(super) retired: &'static [(&'static str, &'static str)],
}

/// A field of an object.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) schema: Schema,
}

/// What a string must be.
pub(super) struct Text {
    /// The values there are; empty: any.
    pub(super) known: &'static [&'static str],
    /// `maxLength`
    pub(super) longest: usize,
    /// Says what is wrong with its form.
    pub(super) form: Option<fn(&str) -> Option<&'static str>>,
}

/// Any string.
pub(super) const TEXT: Schema = Schema::Text(Text { known: &[], longest: usize::MAX, form: None });

/// A string out of a few.
pub(super) const fn one_of(known: &'static [&'static str]) -> Schema {
    Schema::Text(Text { known, longest: usize::MAX, form: None })
}

/// A list of at least `least` and at most `most` items.
pub(super) const fn list(items: &'static Schema, least: usize, most: usize) -> Schema {
    Schema::List { items, least, most, unique: false }
}

pub(super) const fn field(name: &'static str, schema: Schema) -> Field {
    Field { name, required: false, schema }
}

pub(super) const fn needed(name: &'static str, schema: Schema) -> Field {
    Field { name, required: true, schema }
}

/// An object of which some fields are required.
pub(super) const fn object(fields: &'static [Field]) -> Object {
    Object { fields, least: 0, most: usize::MAX, open: false, retired: &[] }
}

/// An object of which exactly one field must be set.
pub(super) const fn exactly_one(fields: &'static [Field]) -> Object {
    Object { fields, least: 1, most: 1, open: false, retired: &[] }
}

/// An object with this spec.
macro_rules! document {
    ($spec:expr) => {
        Schema::Object(&object(&[
            field("apiVersion", TEXT),
            field("kind", TEXT),
            field("metadata", Schema::Anything),
            needed("spec", $spec),
            field("status", Schema::Anything),
        ]))
    };
}
pub(super) use document;

/// Checks a value. `stored` says that it comes from a server, whose schema may be a later one.
pub(super) fn check(sink: &mut Sink, place: &Place<'_>, schema: &Schema, stored: bool) {
    let Some(node) = place.node else { return };
    match (schema, &node.value) {
        (Schema::Object(schema), Value::Mapping(_)) => object_fields(sink, place, schema, stored),
        (Schema::Object(_) | Schema::Labels, value) if !matches!(value, Value::Mapping(_)) => {
            sink.push(mismatch(place, "a mapping"));
        }
        (Schema::Labels, _) => {
            for entry in node.entries().iter().filter(|entry| !entry.value.is_null()) {
                check(sink, &place.entry(entry), &TEXT, stored);
            }
        }
        (Schema::List { items, least, most, unique }, Value::Sequence(list)) => {
            if list.len() < *least {
                invalid(sink, place, "[]", &format!("must have at least {least} items"));
            }
            if list.len() > *most {
                let count = format!("{} items", list.len());
                invalid(sink, place, &count, &format!("must have at most {most} items"));
                return;
            }
            for (at, item) in list.iter().enumerate() {
                let place = place.index(at);
                let twice = |other: &Node| match (&other.value, &item.value) {
                    (Value::String(a), Value::String(b)) => a == b,
                    _ => false,
                };
                if *unique && list[..at].iter().any(twice) {
                    let text = item.as_str().unwrap_or_default();
                    invalid(sink, &place, text, "stands twice in the list");
                }
                check(sink, &place, items, stored);
            }
        }
        (Schema::List { .. }, _) => sink.push(mismatch(place, "a list")),
        (Schema::Text(schema), Value::String(text)) => self::text(sink, place, text, schema),
        (Schema::Text(_), _) => sink.push(mismatch(place, "a string")),
        (Schema::Integer(least, most), _) => match node.as_integer() {
            Some(number) if !(*least..=*most).contains(&number) => {
                let reason = format!("must be between {least} and {most}, inclusive");
                invalid(sink, place, &number.to_string(), &reason);
            }
            Some(_) => {}
            None => sink.push(mismatch(place, "a whole number (i32)")),
        },
        (Schema::Anything | Schema::Object(_), _) => {}
    }
}

fn object_fields(sink: &mut Sink, place: &Place<'_>, schema: &Object, stored: bool) {
    let Some(node) = place.node else { return };
    let mut count = 0;
    for entry in node.entries() {
        let Some(known) = schema.fields.iter().find(|field| field.name == &*entry.key) else {
            if !(schema.open && stored) {
                let names: Vec<&str> = schema.fields.iter().map(|field| field.name).collect();
                let mut fault = unknown_field(place, &entry.key, entry.key_span, &names);
                if let Some((_, text)) = schema.retired.iter().find(|(old, _)| *old == &*entry.key)
                {
                    fault = fault.note(*text);
                }
                sink.push(fault);
            }
            continue;
        };
        if !entry.value.is_null() {
            count += 1;
            check(sink, &place.entry(entry), &known.schema, stored);
        }
    }
    for missing in schema.fields.iter().filter(|field| field.required) {
        if node.get(missing.name).is_none_or(Node::is_null) {
            required(sink, &place.field(missing.name), "");
        }
    }
    let names = || {
        let names: Vec<String> = schema.fields.iter().map(|f| format!("`{}`", f.name)).collect();
        names.join(", ")
    };
    if count < schema.least && !(schema.open && stored) {
        let text = format!("`{place}`: one of {} must be set", names());
        sink.push(
            Diagnostic::new(Code::RequiredValue, text).at(place.span, "none of them has a value"),
        );
    } else if count > schema.most {
        let text = format!("`{place}`: only one of {} may be set", names());
        let label = format!("{count} of them are set");
        sink.push(Diagnostic::new(Code::ForbiddenValue, text).at(place.span, label));
    }
}

fn text(sink: &mut Sink, place: &Place<'_>, text: &str, schema: &Text) {
    if !schema.known.is_empty() && !schema.known.contains(&text) {
        unsupported(sink, place, text, schema.known);
    }
    if text.chars().count() > schema.longest {
        invalid(sink, place, text, &format!("must have at most {} characters", schema.longest));
    } else if let Some(fault) = schema.form.and_then(|form| form(text)) {
        invalid(sink, place, text, fault);
    }
}
