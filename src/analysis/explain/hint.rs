//! What stands between a connection and another verdict, one thing at a time.

use crate::diagnostic::{Label, Span, page_of};
use crate::policy::RuleId;
use std::fmt;

macro_rules! hints {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// What a hint is about. Its name is stable; `kubereach explain-code NAME` prints its page.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum HintCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl HintCode {
            /// Every one.
            pub const ALL: &'static [HintCode] = &[$(HintCode::$variant,)+];

            /// The name as printed.
            pub fn name(self) -> &'static str {
                match self { $(HintCode::$variant => $name,)+ }
            }

            /// What it says, as in its documentation.
            pub fn summary(self) -> &'static str {
                match self { $(HintCode::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

hints! {
    // A rule that nearly matches.
    /// A label of the pod has another value than the rule wants.
    LabelDiffers = "label-differs";
    /// The pod lacks a label that the rule wants.
    LabelMissing = "label-missing";
    /// The pod has a label that the rule excludes.
    LabelExcluded = "label-excluded";
    /// A label of the pod's namespace is not as the rule wants.
    NamespaceLabel = "namespace-label";
    /// The rule is about pods of the policy's own namespace, and the pod is in another.
    OtherNamespace = "other-namespace";
    /// The rule selects by labels, and the other end is on its node's network, or a node.
    HostNetworkPeer = "host-network-peer";
    /// The rule selects pods, and the other end is an address outside.
    OutsidePeer = "outside-peer";
    /// The address is not in the block.
    AddressOutside = "address-outside";
    /// The address is in an `except` of the block.
    AddressExcepted = "address-excepted";
    /// The block holds the address of a Service; policies see its pods.
    ServiceAddress = "service-address";
    /// The block holds the address, and the enforcer does not match it by blocks.
    BlockUnreached = "block-unreached";
    /// The rule is about the port, by another protocol.
    ProtocolDiffers = "protocol-differs";
    /// The rule names the port of a Service; policies see the port of its pods.
    ServicePort = "service-port";
    /// The rule names a port that the destination does not have.
    PortNameUnresolved = "port-name-unresolved";
    /// The rule opens other ports.
    PortNotOpened = "port-not-opened";
    // A policy that nearly selects.
    /// A policy that would decide otherwise selects the pod but for one label.
    SubjectMissesPod = "subject-misses-pod";
    /// A policy selects no pod at all, and nearly this one.
    SubjectSelectsNothing = "subject-selects-nothing";
    /// A policy would select the pod in the pod's namespace, and selects nothing in its own.
    PolicyElsewhere = "policy-elsewhere";
    /// A policy has the pod's labels, and no policy selects a pod on its node's network.
    HostNetworkSubject = "host-network-subject";
    // What a policy does that its text does not show at once.
    /// A policy isolates a direction for which it has no rules, and has rules for the other one.
    DirectionWithoutRules = "direction-without-rules";
    /// There are rules for a direction that `policyTypes` does not list: they have no effect.
    UnlistedDirection = "unlisted-direction";
    /// Two list items of which either is enough, where both are meant.
    TwoItems = "two-items";
    /// One rule has peers and no ports, another ports and no peers: each opens more than both say.
    SplitRule = "split-rule";
    // The connection as a whole.
    /// Each direction allows ports, and none is allowed by both.
    DisjointPorts = "disjoint-ports";
    /// The connection is allowed, and the source cannot look up the name of the destination.
    NoNameResolution = "no-name-resolution";
    /// No container of the destination declares the port that was asked about.
    UndeclaredPort = "undeclared-port";
}

const PAGES: &str = include_str!("hints.md");

/// What a hint means, why it matters, an example and what to do.
pub fn hint_page(code: HintCode) -> &'static str {
    page_of(PAGES, code.name())
}

impl fmt::Display for HintCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that, were it otherwise, would change the verdict; or that makes it another one than the
/// text of a policy seems to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What it is about.
    pub code: HintCode,
    /// One line: `db-from-api, rule 1 wants app=api, web has app=web`.
    pub text: String,
    /// The place that it is about.
    pub span: Option<Span>,
    /// The same in few words, where the place itself is shown, and other places that belong to it.
    pub labels: Vec<Label>,
    /// The way out.
    pub help: Option<String>,
    /// The rule that it is about.
    pub rule: Option<RuleId>,
}

impl Hint {
    pub(in crate::analysis) fn new(code: HintCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), span: None, labels: Vec::new(), help: None, rule: None }
    }

    /// Shows a place; the first one is what the hint is about.
    pub(in crate::analysis) fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.span.get_or_insert(span);
        self.labels.push(Label { span, text: text.into() });
        self
    }

    pub(in crate::analysis) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    pub(in crate::analysis) fn of_rule(self, rule: RuleId) -> Self {
        Self { rule: Some(rule), ..self }
    }

    /// Whether it is about something of the other end that further ends need not share.
    pub(in crate::analysis) fn is_about_peer(&self) -> bool {
        matches!(
            self.code,
            HintCode::LabelDiffers
                | HintCode::LabelMissing
                | HintCode::LabelExcluded
                | HintCode::NamespaceLabel
                | HintCode::OtherNamespace
                | HintCode::HostNetworkPeer
                | HintCode::OutsidePeer
                | HintCode::AddressOutside
                | HintCode::AddressExcepted
                | HintCode::ServiceAddress
                | HintCode::BlockUnreached
        )
    }
}
