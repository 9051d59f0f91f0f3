//! The ways in which what an enforcer does parts from what a policy says, each with a stable name.

use std::fmt;

macro_rules! effects {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal: $words:literal;)+) => {
        /// A divergence of an enforcer. Its name is stable; `kubereach effects NAME` prints its page.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EffectId {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl EffectId {
            /// Every one.
            pub const ALL: &'static [EffectId] = &[$(EffectId::$variant,)+];

            /// The name as printed.
            pub fn name(self) -> &'static str {
                match self { $(EffectId::$variant => $name,)+ }
            }

            /// What happens, in a few words: the enforcer's name goes in front.
            pub fn words(self) -> &'static str {
                match self { $(EffectId::$variant => $words,)+ }
            }
        }
    };
}

effects! {
    /// Nothing enforces policies.
    PoliciesIgnored = "policies-ignored": "enforces no policies";
    /// Pods that no policy selects are closed.
    UnselectedClosed = "unselected-closed": "closes pods that no policy selects";
    /// The enforcer does not know the API that the policy is written in.
    ApiIgnored = "api-ignored": "does not enforce this kind of policy";
    /// A policy of another CNI's own API.
    ForeignPolicyIgnored = "foreign-policy-ignored": "does not know policies of another CNI";
    /// The whole policy is set aside for something in it.
    PolicyRejected = "policy-rejected": "sets the whole policy aside";
    /// A named port stands for every port of its protocol.
    NamedPortAllPorts = "named-port-all-ports": "takes a named port for every port of its protocol";
    /// A named port, or a protocol without port, is lost beside a number.
    NamedPortLost = "named-port-lost": "leaves out a named port beside a number of the same protocol";
    /// Named ports match nothing.
    NamedPortIgnored = "named-port-ignored": "leaves out named ports";
    /// A name is the numbers that any selected pod has for it.
    NamedPortUnion = "named-port-union": "takes a named port for the numbers of all selected pods";
    /// A name is one number in the whole cluster.
    NamedPortClusterWide = "named-port-cluster-wide": "takes a named egress port for one number in the whole cluster";
    /// A name is one number for the namespace of the policy.
    NamedPortPerNamespace = "named-port-per-namespace": "takes a named port for one number in the namespace of the policy";
    /// Names that init containers declare resolve.
    SidecarPortNames = "sidecar-port-names": "resolves port names that init containers declare";
    /// Only the first port of a range is open.
    EndPortNarrowed = "end-port-narrowed": "does not see `endPort`";
    /// Blocks match neither pods nor nodes, or not both.
    BlockNotCluster = "block-not-cluster": "matches no pods or nodes by blocks of addresses";
    /// An exception cuts other policies' blocks, too.
    ExceptOverrides = "except-overrides": "lets an `except` override the blocks of other policies";
    /// An exception cuts other blocks of its rule.
    SharedBlockSet = "shared-block-set": "keeps the blocks of a rule in one set, exceptions included";
    /// `::/0` is not every IPv6 address.
    Ipv6AnyNarrowed = "ipv6-any-narrowed": "takes ::/0 for the addresses of 2000::/3 and fd00::/8";
    /// More ports than there is room for: some are lost.
    PortCountLimit = "port-count-limit": "has room for 24 ports of a block";
    /// Egress is judged by the Service's address and port.
    PreDnatEgress = "pre-dnat-egress": "judges egress before the Service's address is translated";
    /// Pods on some nodes are not policed.
    UnpolicedPods = "unpoliced-pods": "does not police pods on Fargate and Windows nodes";
    /// Rules of a direction that `policyTypes` does not list isolate and allow.
    UnlistedDirectionIsolates = "unlisted-direction-isolates": "lets rules of an unlisted direction isolate and allow";
    /// Rules of a direction that `policyTypes` does not list allow.
    UnlistedDirectionAllows = "unlisted-direction-allows": "lets rules of an unlisted direction allow";
    /// What a policy allows in one direction is open in the other between its own pods.
    CrossDirectionLeak = "cross-direction-leak": "opens both directions between pods of one policy";
    /// An empty namespaceSelector matches every address.
    EmptyNamespaceSelectorAny = "empty-namespace-selector-any": "takes an empty namespaceSelector for every address";
    /// Selectors match pods on their node's network, as their node.
    HostNetworkSelected = "host-network-selected": "matches pods on their node's network by labels";
    /// IPv4 is not policed.
    Ipv4Unpoliced = "ipv4-unpoliced": "leaves IPv4 alone";
    /// IPv6 is not policed.
    Ipv6Unpoliced = "ipv6-unpoliced": "leaves IPv6 alone";
    /// SCTP is dropped.
    SctpDropped = "sctp-dropped": "drops SCTP";
    /// A pod always reaches its own node.
    OwnNodeEgress = "own-node-egress": "always lets a pod reach its own node";
    /// A NetworkPolicy of either direction hides the Baseline tier.
    HiddenBaseline = "hidden-baseline": "asks the Baseline tier only for pods that no NetworkPolicy selects";
    /// A priority that the enforcer has no room for.
    PriorityRejected = "priority-rejected": "has no room for the priority";
    /// A peer that the enforcer does not implement.
    PeerUnsupported = "peer-unsupported": "does not implement the peer";
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
