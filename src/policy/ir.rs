//! What a policy can say, whatever API it is written in.

use super::effect::EffectId;
use crate::cluster::{Labels, Namespace, NamespaceId, NodeId, Pod, PodId, Selector};
use crate::diagnostic::Span;
use crate::net::{ConnectionSet, DomainPattern, Family, IpSet, Protocol};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A direction, seen from the pod that a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Connections from the pod.
    Egress,
    /// Connections to the pod.
    Ingress,
}

impl Direction {
    /// Both, in the order in which a connection meets them.
    pub const ALL: [Direction; 2] = [Direction::Egress, Direction::Ingress];

    /// The one in which the other end sees the same connection.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Egress => Self::Ingress,
            Self::Ingress => Self::Egress,
        }
    }

    /// The place in a pair of values.
    pub fn index(self) -> usize {
        match self {
            Self::Egress => 0,
            Self::Ingress => 1,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        })
    }
}

/// What a rule does with a connection that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// The direction allows it; nothing later can change that.
    Allow,
    /// The direction denies it.
    Deny,
    /// The next tier decides.
    Pass,
}

ids! {
    /// A policy of a [`PolicySet`].
    PolicyId
    /// A rule of a [`PolicySet`].
    RuleId
}

/// Policies in the order in which they are asked.
///
/// A direction of a pod is decided by the first tier that decides; where none does, it is allowed.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    /// In order of evaluation.
    pub tiers: Vec<Tier>,
    /// Asked beside the tiers about what leaves a pod for anywhere but another pod: each must allow it,
    /// whatever the tiers say.
    pub firewalls: Vec<Tier>,
    /// Every policy.
    pub policies: Vec<Policy>,
    /// Every rule.
    pub rules: Vec<Rule>,
    /// Policies that have no effect, and why: they are in no tier.
    pub inert: Vec<(PolicyId, EffectId)>,
    /// What may hide further policies.
    pub blind: Vec<Blind>,
    /// Policies are there, and nothing enforces them.
    pub ignored: bool,
    /// What the dataplane does whatever policies say.
    pub dataplane: Dataplane,
}

/// A yes, a no, or something that nobody can say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Certainty {
    /// It does not happen.
    #[default]
    No,
    /// It may happen.
    Maybe,
    /// It happens.
    Yes,
}

/// Which pods an enforcer closes by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closed {
    /// None: what no policy says is allowed.
    #[default]
    Never,
    /// All, in either direction that no policy isolates them for.
    EachDirection,
    /// Those that no policy selects for either direction.
    Unselected,
}

/// Implicit rules, above and below all tiers: the habits of an enforcer that no policy states.
///
/// The default is what the Kubernetes documentation promises.
#[derive(Clone, Debug, Default)]
pub struct Dataplane {
    /// Whether names of ports that init containers (sidecars) declare resolve. The API does not
    /// say; SIG-Network's reference engine and Cilium say no, Calico says yes.
    pub sidecar_port_names: bool,
    /// Connections that are dropped wherever a pod with an address of its own is an end.
    pub dropped: ConnectionSet,
    /// Connections of which it cannot be said whether they are dropped so.
    pub maybe_dropped: ConnectionSet,
    /// Whether policies leave a family alone, by [`Family`]: IPv4, then IPv6.
    pub unpoliced: [Certainty; 2],
    /// Whether a pod always reaches the node that it runs on, as that node always reaches it.
    pub reaches_own_node: Certainty,
    /// A NetworkPolicy that selects a pod for either direction keeps the Baseline tier from being asked.
    pub hidden_baseline: bool,
    /// Of which pods what no tier decides is denied.
    pub closed: Closed,
    /// Egress to a Service is judged before its address is translated: by the Service's own selector.
    pub before_translation: bool,
    /// Pods that policies leave alone, ascending.
    pub left_alone: Vec<PodId>,
    /// Nobody knows whether anything enforces policies.
    pub unknown_enforcer: bool,
}

impl Dataplane {
    /// Whether policies leave a pod alone.
    pub fn leaves_alone(&self, pod: PodId) -> bool {
        self.left_alone.binary_search(&pod).is_ok()
    }

    /// Whether policies leave a family alone.
    pub fn unpoliced(&self, family: Family) -> Certainty {
        self.unpoliced[family.index()]
    }

    /// Whether any connection is dropped whatever policies say, or may be.
    pub fn may_drop(&self) -> bool {
        !self.dropped.is_empty() || !self.maybe_dropped.is_empty()
    }
}

impl PolicySet {
    /// The policy of an id.
    pub fn policy(&self, id: PolicyId) -> &Policy {
        &self.policies[id.index()]
    }

    /// Some of the policies, under ids of their own: of very many a few are cheap to have and to ask.
    #[must_use]
    pub fn only(&self, wanted: &BTreeSet<PolicyId>) -> Self {
        let mut out = Self {
            blind: self.blind.clone(),
            ignored: self.ignored,
            dataplane: self.dataplane.clone(),
            ..Self::default()
        };
        let mut ids = BTreeMap::new();
        for &id in wanted {
            let mut policy = self.policy(id).clone();
            let new = PolicyId::new(out.policies.len());
            ids.insert(id, new);
            for rule in policy.rules.iter_mut().flatten() {
                let own = Rule { policy: new, ..self.rule(*rule).clone() };
                *rule = RuleId::new(out.rules.len());
                out.rules.push(own);
            }
            out.policies.push(policy);
        }
        let tiers = |all: &[Tier]| -> Vec<Tier> {
            let some = |own: &Tier| Tier {
                policies: own.policies.iter().filter_map(|id| ids.get(id).copied()).collect(),
                ..*own
            };
            all.iter().map(some).collect()
        };
        (out.tiers, out.firewalls) = (tiers(&self.tiers), tiers(&self.firewalls));
        out
    }

    /// The rule of an id.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.index()]
    }
}

/// Policies that are asked together.
#[derive(Clone, Debug)]
pub struct Tier {
    /// Which tier it is.
    pub name: TierName,
    /// How its policies and rules combine.
    pub combine: Combine,
    /// Its policies, in order of evaluation where order counts.
    pub policies: Vec<PolicyId>,
}

/// The tiers of the Kubernetes policy APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TierName {
    /// Cluster administrators' rules that namespaces cannot override.
    Admin,
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
    /// Cluster administrators' defaults.
    Baseline,
    /// OpenShift's firewalls of namespaces.
    Firewall,
}

/// How the policies of a tier combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Combine {
    /// The first rule that matches decides; without one the next tier is asked. Of policies of equal
    /// [`Policy::order`] nobody knows which is asked first.
    FirstMatch,
    /// Any rule that matches allows. Without one the direction is denied if a policy that selects
    /// the pod isolates it in this direction; else the next tier is asked.
    Union,
}

/// The APIs that policies are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyKind {
    /// `networking.k8s.io/v1`
    NetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha1`
    AdminNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha1`
    BaselineAdminNetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha2`
    ClusterNetworkPolicy,
    /// `k8s.ovn.org/v1`
    EgressFirewall,
    /// `network.openshift.io/v1`
    EgressNetworkPolicy,
}

impl PolicyKind {
    /// Every one.
    pub const ALL: [PolicyKind; 6] = [
        Self::NetworkPolicy,
        Self::AdminNetworkPolicy,
        Self::BaselineAdminNetworkPolicy,
        Self::ClusterNetworkPolicy,
        Self::EgressFirewall,
        Self::EgressNetworkPolicy,
    ];

    /// The kind as in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetworkPolicy => "NetworkPolicy",
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            Self::EgressFirewall => "EgressFirewall",
            Self::EgressNetworkPolicy => "EgressNetworkPolicy",
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One policy object.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The kind of the object.
    pub kind: PolicyKind,
    /// Its namespace, if it has one.
    pub namespace: Option<NamespaceId>,
    /// Its name.
    pub name: Arc<str>,
    /// The pods that it is about.
    pub subject: PodsMatch,
    /// Whether it isolates its subjects, by [`Direction::index`].
    pub isolates: [bool; 2],
    /// Whether its rules count, by [`Direction::index`]: of a union, where it isolates; some enforcers
    /// let them count elsewhere.
    pub counts: [bool; 2],
    /// Its rules, in order, by [`Direction::index`].
    pub rules: [Vec<RuleId>; 2],
    /// Its place in a tier whose order counts: the lower, the sooner; the API's `priority`.
    pub order: u16,
    /// Why nobody can say whether it is enforced, if that is so.
    pub doubt: Option<Arc<str>>,
    /// Where its subject is selected.
    pub span: Span,
}

impl Policy {
    /// Whether a policy of a union has a part in a direction of the pods that it selects: it isolates
    /// them, or has rules that count.
    pub fn has_part(&self, direction: Direction) -> bool {
        let at = direction.index();
        self.isolates[at] || self.counts[at] && !self.rules[at].is_empty()
    }
}

/// One rule of a policy, in one direction.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The policy it belongs to.
    pub policy: PolicyId,
    /// The direction it is about.
    pub direction: Direction,
    /// Its place in the list of the manifest, from 0.
    pub index: usize,
    /// Its name, if the API has names for rules and it has one.
    pub name: Option<Arc<str>>,
    /// What it does.
    pub action: Action,
    /// What the pod that the policy selects must itself match, if anything more than the policy says.
    pub own: Option<Vec<PeerMatch>>,
    /// Whom it matches at the other end.
    pub peers: Peers,
    /// Which destination ports it matches.
    pub ports: Ports,
    /// Why nobody can say what it does where it matches, if that is so.
    pub doubt: Option<Arc<str>>,
    /// What an enforcer made of it that it does not say.
    pub effects: Vec<EffectId>,
    /// Where it stands.
    pub span: Span,
}

/// Whom a rule matches.
#[derive(Clone, Debug)]
pub enum Peers {
    /// Everybody, inside and outside of the cluster.
    Any,
    /// Those that any of these matches.
    Of(Vec<PeerSelector>),
}

/// One way to match the other end.
#[derive(Clone, Debug)]
pub struct PeerSelector {
    /// What it matches.
    pub matches: PeerMatch,
    /// How it is written.
    pub form: PeerForm,
    /// Where it stands.
    pub span: Span,
}

/// How a peer is written: enforcers make something of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerForm {
    /// `podSelector`, alone or beside a `namespaceSelector`.
    Pods,
    /// `namespaceSelector` alone.
    Namespaces,
    /// `ipBlock`
    Block {
        /// `cidr`
        cidr: IpNet,
        /// `except`
        except: Vec<IpNet>,
    },
    /// A peer of another API.
    Other,
}

/// What a peer selector matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerMatch {
    /// Pods by labels; never a pod on its node's network, nor an address outside.
    Pods(PodsMatch),
    /// Whoever has one of these addresses, as far as it reaches.
    Addresses(IpSet, Reach),
    /// Whoever has the address of one of these nodes.
    Placed(Placed),
    /// Nodes by labels, at whichever of their addresses; with them the pods on their network.
    Nodes(Selector),
    /// Whoever has an address that one of these names has at the time.
    Domains(Vec<DomainPattern>),
}

/// Whom a block of addresses reaches inside of the cluster; outside it reaches everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reach {
    /// Pods with an address of their own.
    pub pods: bool,
    /// Nodes, and the pods on their network.
    pub nodes: bool,
}

impl Reach {
    /// Everybody, as the API has it.
    pub const EVERYBODY: Self = Self { pods: true, nodes: true };
}

/// Pods on their node's network, seen as the nodes that they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Placed {
    /// The nodes, ascending.
    pub nodes: Vec<NodeId>,
    /// Pods of which it is not known on which node they run, ascending.
    pub unplaced: Vec<PodId>,
    /// Pods that may be meant, as the labels of their namespace are not known, ascending.
    pub doubtful: Vec<PodId>,
}

/// Pods by their namespace and labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodsMatch {
    /// Which namespaces.
    pub namespaces: NamespaceMatch,
    /// Which pods in them.
    pub pods: Selector,
}

/// Which namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NamespaceMatch {
    /// This one.
    Is(NamespaceId),
    /// Those with these labels.
    Labelled(Selector),
}

impl PodsMatch {
    /// Whether a pod is matched; `None` if that depends on labels that are not known.
    ///
    /// Pods on their node's network are never matched: they are their node's address
    /// (`NetworkPolicy` leaves it undefined; every enforcer but AWS and, in part, OVN-Kubernetes
    /// does this).
    pub fn matches(&self, pod: &Pod, namespace: &Namespace) -> Option<bool> {
        if pod.host_network {
            return Some(false);
        }
        self.matches_labels(pod.namespace, namespace, &pod.labels)
    }

    /// The same by namespace and labels alone, on whichever network a pod is.
    pub fn matches_labels(
        &self,
        id: NamespaceId,
        namespace: &Namespace,
        labels: &Labels,
    ) -> Option<bool> {
        // The cheap question first: most policies are about another namespace.
        if matches!(&self.namespaces, NamespaceMatch::Is(own) if *own != id)
            || !self.pods.matches(labels)
        {
            return Some(false);
        }
        match &self.namespaces {
            NamespaceMatch::Is(_) => Some(true),
            NamespaceMatch::Labelled(selector) => selector.matches_namespace(namespace),
        }
    }
}

/// Which destination ports a rule matches.
#[derive(Clone, Debug)]
pub enum Ports {
    /// Every port of every protocol.
    Any,
    /// Those that any of these matches.
    Of(Vec<PortSelector>),
}

/// One way to match a destination port.
#[derive(Clone, Debug)]
pub struct PortSelector {
    /// What it matches.
    pub matches: PortMatch,
    /// `port`, where an `endPort` stands beside it.
    pub first: Option<(Protocol, u16)>,
    /// Where it stands.
    pub span: Span,
}

/// What a port selector matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PortMatch {
    /// These.
    Numbers(ConnectionSet),
    /// The ports that the destination pod declares under this name and protocol. An address that
    /// is no pod has none.
    Named {
        /// The protocol.
        protocol: Protocol,
        /// The name.
        name: Arc<str>,
    },
}

/// Something that may hide a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blind {
    /// The namespace whose pods it may select; `None`: any.
    pub namespace: Option<NamespaceId>,
    /// It can be about what leaves a pod for anywhere but another pod alone.
    pub firewall: bool,
    /// Its place in the cluster's list of blind spots.
    pub spot: usize,
}

impl Blind {
    /// Whether it may select a pod.
    pub fn reaches(&self, pod: &Pod) -> bool {
        self.namespace.is_none_or(|own| own == pod.namespace)
    }
}
