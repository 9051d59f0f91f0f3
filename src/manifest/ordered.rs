//! What is read of policies whose rules have an order: those of cluster administrators, and
//! OpenShift's controls of what leaves a namespace.

use super::resource::{LabelSelector, Meta};
use crate::diagnostic::Span;
use crate::net::{DomainPattern, Protocol};
use ipnet::IpNet;
use std::sync::Arc;

/// The kinds of `policy.networking.k8s.io`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AdminKind {
    /// `v1alpha1 AdminNetworkPolicy`
    AdminNetworkPolicy,
    /// `v1alpha1 BaselineAdminNetworkPolicy`
    BaselineAdminNetworkPolicy,
    /// `v1alpha2 ClusterNetworkPolicy`
    ClusterNetworkPolicy,
}

impl AdminKind {
    /// The kind as in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
        }
    }
}

/// `spec.tier` of a ClusterNetworkPolicy; the older kinds have one each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AdminTier {
    /// Before NetworkPolicies: namespaces cannot override it.
    Admin,
    /// After them: what holds where no NetworkPolicy selects a pod.
    Baseline,
}

/// A policy of `policy.networking.k8s.io`.
#[derive(Clone, Debug)]
pub struct AdminPolicyResource {
    /// Metadata; the namespace counts for nothing.
    pub meta: Meta,
    /// Which kind it is.
    pub kind: AdminKind,
    /// When it is asked.
    pub tier: AdminTier,
    /// `spec.priority`, 0 to 1000: lower ones are asked first. A BaselineAdminNetworkPolicy, of which
    /// there is one, has 0.
    pub priority: u16,
    /// Where the priority stands.
    pub priority_span: Span,
    /// `spec.subject`
    pub subject: PodsSelector,
    /// `spec.ingress`, in order.
    pub ingress: Vec<AdminRuleResource>,
    /// `spec.egress`, in order.
    pub egress: Vec<AdminRuleResource>,
}

/// Pods by the labels of their namespaces and their own.
#[derive(Clone, Debug)]
pub struct PodsSelector {
    /// `namespaces`, or `pods.namespaceSelector`.
    pub namespaces: LabelSelector,
    /// `pods.podSelector`; of `namespaces`, every pod.
    pub pods: LabelSelector,
    /// Where it stands.
    pub span: Span,
}

/// `action` of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleAction {
    /// `Allow` or `Accept`.
    Allow,
    /// `Deny`
    Deny,
    /// `Pass`: the next tier decides.
    Pass,
}

/// `spec.ingress[]` or `spec.egress[]`
#[derive(Clone, Debug)]
pub struct AdminRuleResource {
    /// Where it stands.
    pub span: Span,
    /// `name`
    pub name: Option<Arc<str>>,
    /// `action`
    pub action: RuleAction,
    /// `from` or `to`: one at least.
    pub peers: Vec<AdminPeerResource>,
    /// `ports` or `protocols`; empty means every port.
    pub ports: Vec<AdminPortResource>,
}

/// `from[]` or `to[]`
#[derive(Clone, Debug)]
pub struct AdminPeerResource {
    /// Where it stands.
    pub span: Span,
    /// What it says.
    pub selects: AdminPeer,
}

/// Whom a rule is about.
#[derive(Clone, Debug)]
pub enum AdminPeer {
    /// `namespaces` or `pods`
    Pods(PodsSelector),
    /// `nodes`, by their labels.
    Nodes(LabelSelector),
    /// `networks`
    Networks(Vec<IpNet>),
    /// `domainNames`
    Domains(Vec<DomainPattern>),
    /// Something that a later version of the API has: such a rule fails closed.
    Unrecognized,
}

/// `ports[]` or `protocols[]`
#[derive(Clone, Debug)]
pub struct AdminPortResource {
    /// Where it stands.
    pub span: Span,
    /// What it says.
    pub selects: AdminPort,
}

/// Which destination ports a rule is about.
#[derive(Clone, Debug)]
pub enum AdminPort {
    /// A closed range of one protocol.
    Range(Protocol, u16, u16),
    /// A name, of whichever protocol the container's port has.
    Named(Arc<str>),
    /// A range or protocol that no connection has: accepted, matches nothing.
    Nothing,
}

/// `k8s.ovn.org/v1 EgressFirewall`, or `network.openshift.io/v1 EgressNetworkPolicy`
#[derive(Clone, Debug)]
pub struct EgressFirewallResource {
    /// Metadata.
    pub meta: Meta,
    /// Which of the two it is.
    pub kind: FirewallKind,
    /// `spec.egress`, in order.
    pub rules: Vec<FirewallRuleResource>,
    /// Where the rules stand.
    pub span: Span,
    /// A rule that makes OVN-Kubernetes set aside the whole object, which the API server takes.
    pub broken: bool,
    /// Why nobody can say what is enforced of it, if that is so.
    pub doubt: Option<String>,
}

/// The kinds of firewalls of what leaves a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FirewallKind {
    /// OVN-Kubernetes'.
    EgressFirewall,
    /// openshift-sdn's.
    EgressNetworkPolicy,
}

impl FirewallKind {
    /// The kind as in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::EgressFirewall => "EgressFirewall",
            Self::EgressNetworkPolicy => "EgressNetworkPolicy",
        }
    }
}

/// `spec.egress[]`
#[derive(Clone, Debug)]
pub struct FirewallRuleResource {
    /// Its place in the list, from 0.
    pub index: usize,
    /// Where it stands.
    pub span: Span,
    /// `type` is `Allow`; anything else drops.
    pub allow: bool,
    /// `to`
    pub to: FirewallPeer,
    /// Where that stands.
    pub to_span: Span,
    /// `ports`; empty means every port.
    pub ports: Vec<(Protocol, u16, Span)>,
}

/// `spec.egress[].to`
#[derive(Clone, Debug)]
pub enum FirewallPeer {
    /// `cidrSelector`
    Block(IpNet),
    /// `dnsName`
    Domain(DomainPattern),
    /// `nodeSelector`
    Nodes(LabelSelector),
}
