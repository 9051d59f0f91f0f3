//! A node and the way to it: what a message about a field needs.

use super::node::{Entry, Node};
use crate::diagnostic::Span;
use std::fmt;

/// A field of a document, which may be missing: then its span is that of the nearest thing there.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
    pub(crate) node: Option<&'a Node>,
    /// The value, or what is nearest to where it would be.
    pub(crate) span: Span,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    pub(crate) fn root(node: &'a Node) -> Self {
        Self { parent: None, step: Step::Root, node: Some(node), span: node.span }
    }

    pub(crate) fn field(&'a self, name: &'a str) -> Self {
        let entry = self.node.and_then(|node| node.entry(name));
        // A key with nothing after it has an empty value: point at the key then.
        let span = entry.map_or(self.span, |entry| {
            if entry.value.is_null() { entry.key_span } else { entry.value.span }
        });
        let node = entry.map(|entry| &entry.value);
        Self { parent: Some(self), step: Step::Field(name), node, span }
    }

    /// The place of an entry at hand.
    pub(crate) fn entry(&'a self, entry: &'a Entry) -> Self {
        let span = if entry.value.is_null() { entry.key_span } else { entry.value.span };
        Self { parent: Some(self), step: Step::Field(&entry.key), node: Some(&entry.value), span }
    }

    pub(crate) fn index(&'a self, index: usize) -> Self {
        let node = self.node.and_then(|node| node.items().get(index));
        let span = node.map_or(self.span, |node| node.span);
        Self { parent: Some(self), step: Step::Index(index), node, span }
    }

    /// The place of a key of this mapping, for messages about the key itself.
    pub(crate) fn key_span(&self, key: &str) -> Span {
        self.node.and_then(|node| node.entry(key)).map_or(self.span, |entry| entry.key_span)
    }

    /// This place, shown at another span.
    pub(crate) fn shown_at(self, span: Span) -> Self {
        Self { span, ..self }
    }

    /// The span of a node under this place, found now.
    pub(crate) fn child_span(&self, name: &str) -> Span {
        self.field(name).span
    }
}

impl fmt::Display for Place<'_> {
    /// As the API server writes paths: `spec.ingress[0].from[1].ipBlock`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.parent, self.step) {
            (None, _) | (_, Step::Root) => Ok(()),
            (Some(parent), Step::Field(name)) => {
                if !matches!(parent.step, Step::Root) {
                    write!(f, "{parent}.")?;
                }
                f.write_str(name)
            }
            (Some(parent), Step::Index(index)) => write!(f, "{parent}[{index}]"),
        }
    }
}
