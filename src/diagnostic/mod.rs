//! What we tell the user about their input, as data.
//!
//! Input: findings of every stage. Output: [`Diagnostic`]s, which a renderer shows as compilers
//! do. A [`Span`] leads to file, line and column through the [`SourceMap`].
//!
//! ```text
//!   manifest ─┐
//!   cluster  ─┼─▶ Vec<Diagnostic> ─▶ render (snippets) · exit status
//!   policy   ─┘        │
//!                      └─ Span ─▶ SourceMap ─▶ path:line:column, the line's text
//! ```

mod code;
mod source_map;

pub use code::{Code, page, page_of};
pub use source_map::{Bytes, Location, PartLines, Source, SourceId, SourceMap, Span};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The object is not used; no verdict is given unless the user asks to go on.
    Error,
    /// The object is used, and probably does not mean what its author meant.
    Warning,
    /// Worth knowing, changes nothing.
    Note,
}

/// A place in a source and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What: a few words, lower case; may be empty.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One line, lower case, no full stop, user words in backticks.
    pub message: String,
    /// The place it is about, if it is about one.
    pub primary: Option<Label>,
    /// Other places that explain it.
    pub secondary: Vec<Label>,
    /// Facts that help to understand it.
    pub notes: Vec<String>,
    /// The way out.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A finding with the severity that its code has by default.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// Points at the place that the finding is about.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.primary = Some(Label { span, text: text.into() });
        self
    }

    /// Points at another place that explains it.
    #[must_use]
    pub fn also_at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Says the way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Where the finding is, for ordering: findings without a place come first.
    pub fn sort_key(&self) -> (Option<Span>, Code) {
        (self.primary.as_ref().map(|label| label.span), self.code)
    }
}
