//! A document as a tree in which every node and key knows its place.

use crate::diagnostic::Span;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What YAML or JSON can say, in JSON's terms: kubectl turns YAML into JSON first.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    String(Arc<str>),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key, its place, and its value. Keys of one mapping are unique.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| &*entry.key == key)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number in Go's reading: a float without a fraction counts (`80.0`, `1e3`).
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self.value {
            Value::Int(value) => Some(value),
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(value as i64),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// What the value is, in words for messages.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Bool(value) => format!("the boolean `{value}`"),
            Value::Int(value) => format!("the number `{value}`"),
            Value::UInt(value) => format!("the number `{value}`"),
            Value::Float(value) => format!("the number `{value}`"),
            Value::String(text) => format!("the string `{}`", shorten(text)),
            Value::Sequence(_) => "a list".into(),
            Value::Mapping(_) => "a mapping".into(),
        }
    }
}

impl Hash for Node {
    /// What the node says, wherever it stands and in whichever order its keys are.
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(&self.value).hash(state);
        match &self.value {
            Value::Null => {}
            Value::Bool(value) => value.hash(state),
            Value::Int(value) => value.hash(state),
            Value::UInt(value) => value.hash(state),
            Value::Float(value) => value.to_bits().hash(state),
            Value::String(text) => text.hash(state),
            Value::Sequence(items) => items.hash(state),
            Value::Mapping(entries) => {
                let mut sorted: Vec<(&str, &Node)> =
                    entries.iter().map(|entry| (&*entry.key, &entry.value)).collect();
                sorted.sort_unstable_by_key(|(key, _)| *key);
                sorted.hash(state);
            }
        }
    }
}

/// At most 60 characters of a user's text, for messages.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
