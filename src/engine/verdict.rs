//! Answers of the engine: allowed, denied, or unknown with its reason.

use crate::cluster::{NamespaceId, NodeId, PodId};
use crate::net::ConnectionSet;
use crate::policy::{PolicyId, RuleId};

/// Why a verdict cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unknown {
    /// An ipBlock decides, and the pod's address is not known.
    PodAddress(PodId),
    /// An ipBlock decides, and the node's address is not known.
    NodeAddress(NodeId),
    /// A namespaceSelector decides, and the namespace's labels are not known.
    NamespaceLabels(NamespaceId),
    /// A pod's own node always reaches it, and it is not known which node that is.
    Placement(PodId),
    /// A nodeSelector decides, and the node's labels are not known.
    NodeLabels(NodeId),
    /// A rule about nodes decides, and it is not known on which one the pod runs.
    PodNode(PodId),
    /// A rule about nodes decides, and the input has none to compare the address with.
    NoNodes,
    /// A rule about addresses or nodes decides, and the other end is a domain name.
    NameAddress,
    /// A rule about domain names decides, and the addresses that these have are not known.
    Names,
    /// It cannot be said whether the policy is enforced.
    PolicyDoubt(PolicyId),
    /// It cannot be said what the rule does.
    RuleDoubt(RuleId),
    /// It cannot be said whether the enforcer lets the protocol through at all.
    Dropped,
    /// It cannot be said whether the enforcer lets every pod reach its own node.
    OwnNode,
    /// It cannot be said whether policies are enforced for the address family.
    Family,
    /// It cannot be said whether anything enforces policies.
    Enforcer,
    /// These policies say different things, and have the same priority.
    Tie(PolicyId, PolicyId),
    /// Something in the input may be a policy for the pod: the place in the list of blind spots.
    BlindSpot(usize),
}

/// The verdict on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Decision {
    /// It is allowed.
    Allowed,
    /// It is denied.
    Denied,
    /// It cannot be said.
    Unknown,
}

impl Decision {
    /// What is denied may be allowed after all.
    #[must_use]
    pub(super) fn or_unknown(self) -> Self {
        if self == Self::Denied { Self::Unknown } else { self }
    }

    /// Both must allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Denied, _) | (_, Self::Denied) => Self::Denied,
            (Self::Allowed, Self::Allowed) => Self::Allowed,
            _ => Self::Unknown,
        }
    }
}

/// The verdict on every connection between two ends: the three sets partition all connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Verdict {
    /// What is allowed.
    pub allowed: ConnectionSet,
    /// What cannot be said.
    pub unknown: ConnectionSet,
}

impl Verdict {
    /// Everything is allowed.
    pub fn all() -> Self {
        Self { allowed: ConnectionSet::all(), unknown: ConnectionSet::empty() }
    }

    /// Everything is denied.
    pub fn none() -> Self {
        Self { allowed: ConnectionSet::empty(), unknown: ConnectionSet::empty() }
    }

    /// What is denied may be allowed after all.
    #[must_use]
    pub(super) fn or_unknown(self) -> Self {
        Self { unknown: ConnectionSet::all().difference(&self.allowed), allowed: self.allowed }
    }

    /// What is allowed may be denied after all.
    #[must_use]
    pub(super) fn or_unallowed(&self) -> Self {
        Self { allowed: ConnectionSet::empty(), unknown: self.allowed.union(&self.unknown) }
    }

    /// Of these connections, `surely` are dropped, and `maybe` may be.
    #[must_use]
    pub(super) fn without(&self, surely: &ConnectionSet, maybe: &ConnectionSet) -> Self {
        let allowed = self.allowed.difference(surely);
        let doubtful = allowed.intersection(maybe);
        Self {
            allowed: allowed.difference(maybe),
            unknown: self.unknown.difference(surely).union(&doubtful),
        }
    }

    /// The connections on which two verdicts are not the same.
    pub fn differing(&self, other: &Self) -> ConnectionSet {
        let apart = |a: &ConnectionSet, b: &ConnectionSet| a.difference(b).union(&b.difference(a));
        apart(&self.allowed, &other.allowed).union(&apart(&self.unknown, &other.unknown))
    }

    /// Without these connections.
    #[must_use]
    pub fn apart_from(&self, connections: &ConnectionSet) -> Self {
        Self {
            allowed: self.allowed.difference(connections),
            unknown: self.unknown.difference(connections),
        }
    }

    /// What is denied.
    pub fn denied(&self) -> ConnectionSet {
        ConnectionSet::all().difference(&self.allowed).difference(&self.unknown)
    }

    /// Both directions must allow: denied if either denies, allowed if both allow.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let allowed = self.allowed.intersection(&other.allowed);
        let possible = |v: &Self| v.allowed.union(&v.unknown);
        let unknown = possible(self).intersection(&possible(other)).difference(&allowed);
        Self { allowed, unknown }
    }

    /// The verdict on one connection.
    pub fn on(&self, protocol: crate::net::Protocol, port: u16) -> Decision {
        if self.allowed.contains(protocol, port) {
            Decision::Allowed
        } else if self.unknown.contains(protocol, port) {
            Decision::Unknown
        } else {
            Decision::Denied
        }
    }
}
