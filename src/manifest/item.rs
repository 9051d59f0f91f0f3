//! What objects, documents and files become: everything is accounted for.

use super::clue::Clue;
use super::kinds::sounds_like_policy;
use super::resource::Resource;
use crate::diagnostic::{Diagnostic, Span};
use std::sync::Arc;

/// Something that was read, and is not in the model.
#[derive(Clone, Debug)]
pub struct SetAside {
    /// Why.
    pub reason: Reason,
    /// What it is, for people: `projectcalico.org/v3 NetworkPolicy shop/allow-dns`.
    pub what: Arc<str>,
    /// The API group, where one is known.
    pub group: Option<Arc<str>>,
    /// The kind, where one is known.
    pub kind: Option<Arc<str>>,
    /// The namespace it acts in: `None` where that is unknown or the whole cluster.
    pub namespace: Option<Arc<str>>,
    /// Where it stands.
    pub span: Span,
}

/// Why something is not in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A kind that does not matter to who reaches whom.
    Irrelevant,
    /// No Kubernetes object.
    NotAnObject,
    /// A policy above the transport layer.
    Mesh,
    /// A policy of an API that is not evaluated: it may change any answer in its reach.
    UnsupportedPolicy,
    /// A NetworkPolicy that has errors: it may change any answer in its reach.
    InvalidPolicy,
    /// Some other object of ours that has errors.
    InvalidObject,
    /// Text that could not be read: it may hold policies.
    Unreadable,
}

impl Reason {
    /// Whether a verdict may be wrong because of it.
    pub fn may_hide_a_policy(self) -> bool {
        matches!(self, Self::UnsupportedPolicy | Self::InvalidPolicy | Self::Unreadable)
    }
}

/// Collects what the objects of one document become.
#[derive(Default)]
pub(crate) struct Collected {
    /// Objects that have a part in the answer.
    pub(crate) used: Vec<Resource>,
    /// Those that have none: everything is accounted for.
    pub(crate) set_aside: Vec<SetAside>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) clues: Vec<Clue>,
}

impl Collected {
    pub(super) fn set_aside(&mut self, reason: Reason, envelope: &Envelope<'_>, span: Span) {
        self.set_aside.push(SetAside {
            reason,
            what: envelope.to_string().into(),
            group: Some(super::kinds::group_of(envelope.api_version).into()),
            kind: Some(envelope.kind.into()),
            namespace: envelope.namespace.map(Into::into),
            span,
        });
    }
}

/// What an object says it is.
#[derive(Clone, Copy)]
pub(super) struct Envelope<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: &'a str,
}

impl std::fmt::Display for Envelope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ", self.api_version, self.kind)?;
        if let Some(namespace) = self.namespace {
            write!(f, "{namespace}/")?;
        }
        // The name was not checked: what a terminal would act on must not reach it.
        let name: String =
            self.name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        f.write_str(if name.is_empty() { "(no name)" } else { &name })
    }
}

pub(super) fn invalid_reason(kind: &str) -> Reason {
    if sounds_like_policy(kind) { Reason::InvalidPolicy } else { Reason::InvalidObject }
}
