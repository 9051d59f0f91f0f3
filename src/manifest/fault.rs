//! Faults that keep a document from being read.

use crate::diagnostic::{Code, Diagnostic, Span};

/// What keeps a document from being read.
pub(super) type Fault = Box<Diagnostic>;

pub(super) fn fail<T>(fault: Diagnostic) -> Result<T, Fault> {
    Err(Box::new(fault))
}

pub(super) fn syntax(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Syntax, format!("not valid YAML: {}", message.into())).at(span, "")
}
