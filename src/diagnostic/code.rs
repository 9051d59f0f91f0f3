//! The stable names of findings.

use super::Severity;
use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $severity:ident;)+) => {
        /// A stable code, such as `unknown-field`: scripts and documentation refer to it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// Every code, in the order of their stages.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// The code as printed.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)+ }
            }

            /// The severity a finding of this code has.
            pub fn severity(self) -> Severity {
                match self { $(Code::$variant => Severity::$severity,)+ }
            }

            /// What the code means, as in its documentation.
            pub fn summary(self) -> &'static str {
                match self { $(Code::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    // Files and text.
    /// A file or folder that was named, or found in a folder, could not be read.
    UnreadableInput = "unreadable-input", Error;
    /// The input holds no Kubernetes object that can have a part in an answer.
    NoObjects = "no-objects", Error;
    /// Bytes that are not valid UTF-8 were replaced, as kubectl does.
    InvalidUtf8 = "invalid-utf8", Warning;
    /// The text is not YAML or JSON.
    Syntax = "syntax", Error;
    /// Nesting, aliases or size beyond what any manifest needs.
    ExcessiveInput = "excessive-input", Error;
    /// A Helm template that was not rendered: its objects are not known.
    UnrenderedTemplate = "unrendered-template", Error;
    /// Text after `...`, which kubectl does not read.
    IgnoredText = "ignored-text", Warning;
    /// A folder holds a kustomization, whose changes are not applied to the files read here.
    UnrenderedKustomization = "unrendered-kustomization", Warning;
    // Objects.
    /// A document that is no Kubernetes object.
    NotAnObject = "not-an-object", Note;
    /// `apiVersion` or `kind` is missing or of the wrong type.
    InvalidEnvelope = "invalid-envelope", Error;
    /// An API version that current servers do not serve any more.
    RetiredApi = "retired-api", Error;
    /// A policy of an API that is not evaluated: the answer may be wrong.
    UnsupportedPolicy = "unsupported-policy", Warning;
    /// Policies above the transport layer, which this tool does not judge.
    MeshPolicy = "mesh-policy", Warning;
    /// A field that the API does not have.
    UnknownField = "unknown-field", Error;
    /// A value of the wrong type.
    InvalidType = "invalid-type", Error;
    /// A value that the API server refuses.
    InvalidValue = "invalid-value", Error;
    /// A value that the API requires is missing.
    RequiredValue = "required-value", Error;
    /// Two values that the API does not let stand together.
    ForbiddenValue = "forbidden-value", Error;
    /// The same object twice: on a cluster the second replaces the first.
    DuplicateObject = "duplicate-object", Error;
    /// The same object twice, saying the same: it is read once.
    RepeatedObject = "repeated-object", Warning;
    // Accepted, surely not meant.
    /// The same key twice in one mapping: the last one counts.
    DuplicateKey = "duplicate-key", Warning;
    /// Two objects in one document: the `---` between them is missing, and only the last counts.
    MissingSeparator = "missing-separator", Warning;
    /// A key of a policy with nothing after it, which widens the policy.
    EmptyWidens = "empty-widens", Warning;
    /// A rule for a direction that `policyTypes` does not list: it has no effect.
    InertRules = "inert-rules", Warning;
    /// A block of addresses with host bits or leading zeros: servers from 1.36 on refuse it.
    LegacyCidr = "legacy-cidr", Error;
    /// A CIDR that is not in canonical form.
    NonCanonicalCidr = "non-canonical-cidr", Warning;
    /// A label that the API server sets was given another value.
    OverwrittenLabel = "overwritten-label", Warning;
    /// A selector that the API server takes and no engine can read: it matches nothing.
    VoidSelector = "void-selector", Warning;
    /// A port that the API server takes and no connection has.
    VoidPort = "void-port", Warning;
    /// A rule of which the API does not say what it does.
    UndefinedRule = "undefined-rule", Warning;
    /// A stored peer of a later version of the API: an enforcer that does not know it fails closed.
    FailsClosed = "fails-closed", Warning;
    /// An EgressFirewall that the API server takes and OVN-Kubernetes sets aside whole.
    BrokenFirewall = "broken-firewall", Warning;
    /// More rules than the enforcer takes.
    IgnoredRules = "ignored-rules", Warning;
    // The resolved cluster.
    /// Policies of one tier and one priority about the same pods: the API does not say which is asked
    /// first.
    PriorityTie = "priority-tie", Warning;
    /// The input shows two enforcers of policies: which one is at work is not known.
    SeveralEnforcers = "several-enforcers", Warning;
    /// Two running pods claim one address.
    SharedAddress = "shared-address", Warning;
    /// A pod's status holds text that is no address.
    InvalidAddress = "invalid-address", Warning;
}

const PAGES: &str = include_str!("codes.md");

/// What a code means, why it matters, an example and its repair.
pub fn page(code: Code) -> &'static str {
    page_of(PAGES, code.name())
}

/// The part of a text of pages that has a title.
pub fn page_of(pages: &'static str, title: &str) -> &'static str {
    let start = format!("\n## {title}\n");
    let page = pages.split_once(&start).map_or("", |(_, page)| page);
    page.split("\n## ").next().unwrap_or_default().trim()
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Code;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for name in names {
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
        }
    }
}
