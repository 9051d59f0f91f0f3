//! What is known of a CNI, as data: one file of [`profiles`](super::profiles) for each.

use super::cni::Version;
use crate::net::Family;
use crate::policy::{Closed, EffectId, PolicyKind};

/// A network plugin, or a network policy enforcer beside one.
#[derive(Clone, Copy, Debug)]
pub struct CniProfile {
    /// The name that `--cni` takes.
    pub name: &'static str,
    /// Other names that `--cni` takes.
    pub aliases: &'static [&'static str],
    /// What it is, in a few words.
    pub about: &'static str,
    /// What it does with NetworkPolicies.
    pub enforcement: Enforcement,
    /// Settings that its behaviour depends on.
    pub options: &'static [CniOption],
    /// Where it parts from what policies say.
    pub traits: &'static [Trait],
    /// Which other APIs it enforces, and when; those that are not here have no effect.
    pub apis: &'static [(PolicyKind, When, &'static str)],
    /// The groups of its own policies, which have no effect on other CNIs.
    pub native_groups: &'static [&'static str],
    /// What becomes of connections that are open when a policy changes.
    pub open_connections: OpenConnections,
    /// How it is known in a cluster.
    pub signs: &'static [Sign],
    /// How its version and settings are read off a cluster.
    pub readings: &'static [Reading],
    /// Where what it does is written: paths in the project's repository, or its documentation.
    pub source: &'static str,
}

/// Something that shows that a CNI is there; one is enough.
#[derive(Clone, Copy, Debug)]
pub enum Sign {
    /// A container of this name, in a DaemonSet, one of its pods, or what runs in the system's namespace.
    Container(&'static str),
    /// A container whose image ends so, registry and tag aside: `cilium/cilium`.
    Image(&'static str),
    /// A DaemonSet of this name.
    DaemonSet(&'static str),
    /// A DaemonSet of this name, whose containers have the names of another profile's: it outdoes
    /// those.
    DaemonSetOver(&'static str),
    /// A DaemonSet of this name in this namespace.
    DaemonSetIn(&'static str, &'static str),
    /// Containers of both names in one DaemonSet: such a sign outdoes those of each.
    Containers(&'static str, &'static str),
    /// A label or annotation of a node.
    Node(&'static str, Option<&'static str>),
    /// A setting of an object: (kind, path, value).
    Object(&'static str, &'static str, &'static str),
}

/// How a setting is read off a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The option that it is.
    pub option: &'static str,
    /// Where it stands.
    pub from: From,
    /// What its values mean, in small letters, with `true` and `false` for whatever stands for them and
    /// the words of a list in order. After others nothing is known.
    pub values: &'static [(&'static str, &'static str)],
    /// What it means that the object is there and the setting is not.
    pub absent: Option<&'static str>,
    /// When it counts, by what is read before it.
    pub when: When,
}

/// Where a setting stands. Later readings outdo earlier ones.
#[derive(Clone, Copy, Debug)]
pub enum From {
    /// A variable of a container: (container, name).
    Env(&'static str, &'static str),
    /// An argument of a container: (container, `--flag`); `--flag` alone is `true`.
    Arg(&'static str, &'static str),
    /// A key of a ConfigMap in the namespace of the program, or of a line in a file in it: (name, key).
    Config(&'static str, &'static str),
    /// A setting of another object: (kind, name, path).
    Object(&'static str, &'static str, &'static str),
    /// The end of the tag of the program's image.
    TagEnd,
    /// Whether the tag of an image of this path (`v20240813-…`) is older than a date: `older` or `newer`;
    /// a tag of another form leaves it open.
    TagDate(&'static str, &'static str),
    /// The namespace of the DaemonSet with this container.
    Namespace(&'static str),
    /// Whether a container is there and another one is nowhere: `true` or `false`.
    Lacks(&'static str, &'static str),
    /// Whether a server of k3s has a flag, by the annotation `k3s.io/node-args`: `true` or `false`.
    ServerFlag(&'static str),
}

/// What a CNI does with NetworkPolicies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// It accepts them and does nothing: every connection is allowed.
    Ignored,
    /// It enforces them.
    Enforced,
    /// Nobody knows.
    Unknown,
}

/// A setting of a CNI.
#[derive(Clone, Copy, Debug)]
pub struct CniOption {
    /// Its name, that of the program's own setting where it has one.
    pub name: &'static str,
    /// Its values.
    pub values: &'static [&'static str],
    /// What it is where nobody says; `None` where that cannot be relied on.
    pub default: Option<&'static str>,
    /// What it decides.
    pub about: &'static str,
}

/// A condition on version and settings.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// In every version, with every setting.
    Always,
    /// From this version on.
    From(Version),
    /// In versions before this one.
    Before(Version),
    /// Where a setting has this value.
    Is(&'static str, &'static str),
    /// Nobody has verified whether it is so.
    Unverified,
    /// Where a setting is known to have this value: it is a rare one.
    Said(&'static str, &'static str),
    /// Where all hold.
    All(&'static [When]),
    /// Where one holds.
    Any(&'static [When]),
}

/// One way in which a CNI parts from what policies say.
#[derive(Clone, Copy, Debug)]
pub struct Trait {
    /// What it does.
    pub habit: Habit,
    /// When.
    pub when: When,
    /// Where that is written.
    pub source: &'static str,
}

/// What a CNI makes of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// It enforces none.
    EnforcesNothing,
    /// It enforces those of other APIs alone.
    IgnoresNetworkPolicies,
    /// Pods that no policy selects are closed.
    ClosesTheUnselected(Closed),
    /// Names of ports that init containers declare resolve.
    ResolvesSidecarPorts,
    /// What it makes of rules of a direction that `policyTypes` does not list: they allow, and isolate
    /// if so.
    UnlistedDirection {
        /// Whether they isolate as well.
        isolates: bool,
    },
    /// What it makes of a port by name.
    NamedPorts(NamedPorts),
    /// It sees `port` of a range and not `endPort`.
    NarrowsEndPort,
    /// Whom `ipBlock` matches inside of the cluster.
    BlocksReach {
        /// Pods.
        pods: bool,
        /// Nodes.
        nodes: bool,
    },
    /// It sets a whole policy aside for one of these, in a direction that `policyTypes` lists.
    Rejects(&'static [Feature]),
    /// The same in either direction, listed or not.
    RejectsAnywhere(&'static [Feature]),
    /// It drops SCTP.
    DropsSctp,
    /// It leaves a family alone.
    LeavesFamily(Family),
    /// A pod always reaches its own node.
    ReachesOwnNode,
    /// Selectors match pods on their node's network, as the node's address: all of them, or those with
    /// a `podSelector`.
    SelectsHostNetwork {
        /// Only where a `podSelector` is written.
        with_pod_selector: bool,
    },
    /// Between pods of one policy of both types each direction opens the other.
    LeaksDirections,
    /// Blocks of one rule share a set with their exceptions: the most specific entry counts, or every
    /// exception.
    SharesBlockSets,
    /// `::/0` stands for `2000::/3` and `fd00::/8`.
    NarrowsIpv6Any,
    /// An exception overrides the blocks of other policies, but for more specific ones.
    LetsExceptOverride,
    /// So many ports of a block have room; which of more are lost is chance.
    LimitsPorts(usize),
    /// An empty namespaceSelector stands for every address.
    TakesEmptySelectorForAny,
    /// A NetworkPolicy that selects a pod for either direction hides the Baseline tier.
    HidesBaseline,
    /// Policies of a higher priority number are refused.
    LimitsPriority(u16),
    /// Rules about nodes and domain names are dropped if they allow, and deny everything if not.
    LacksNodesAndNames,
    /// Egress is judged by the address of the Service, before it is translated.
    JudgesBeforeTranslation,
    /// Pods on Fargate and on Windows nodes are not policed.
    LeavesSomeNodes,
}

impl Habit {
    /// The divergence that it makes.
    pub fn effect(self) -> EffectId {
        match self {
            Self::EnforcesNothing | Self::IgnoresNetworkPolicies => EffectId::PoliciesIgnored,
            Self::ClosesTheUnselected(_) => EffectId::UnselectedClosed,
            Self::ResolvesSidecarPorts => EffectId::SidecarPortNames,
            Self::UnlistedDirection { isolates: true } => EffectId::UnlistedDirectionIsolates,
            Self::UnlistedDirection { isolates: false } => EffectId::UnlistedDirectionAllows,
            Self::NamedPorts(NamedPorts::All) => EffectId::NamedPortAllPorts,
            Self::NamedPorts(NamedPorts::None) => EffectId::NamedPortIgnored,
            Self::NamedPorts(NamedPorts::OfSelected) => EffectId::NamedPortUnion,
            Self::NamedPorts(NamedPorts::OnePerCluster) => EffectId::NamedPortClusterWide,
            Self::NamedPorts(NamedPorts::OnePerNamespace | NamedPorts::OfOwnNamespace) => {
                EffectId::NamedPortPerNamespace
            }
            Self::NarrowsEndPort => EffectId::EndPortNarrowed,
            Self::BlocksReach { .. } => EffectId::BlockNotCluster,
            Self::Rejects(_) | Self::RejectsAnywhere(_) => EffectId::PolicyRejected,
            Self::DropsSctp => EffectId::SctpDropped,
            Self::LeavesFamily(Family::V4) => EffectId::Ipv4Unpoliced,
            Self::LeavesFamily(Family::V6) => EffectId::Ipv6Unpoliced,
            Self::ReachesOwnNode => EffectId::OwnNodeEgress,
            Self::SelectsHostNetwork { .. } => EffectId::HostNetworkSelected,
            Self::LeaksDirections => EffectId::CrossDirectionLeak,
            Self::SharesBlockSets => EffectId::SharedBlockSet,
            Self::NarrowsIpv6Any => EffectId::Ipv6AnyNarrowed,
            Self::LetsExceptOverride => EffectId::ExceptOverrides,
            Self::LimitsPorts(_) => EffectId::PortCountLimit,
            Self::TakesEmptySelectorForAny => EffectId::EmptyNamespaceSelectorAny,
            Self::HidesBaseline => EffectId::HiddenBaseline,
            Self::LimitsPriority(_) => EffectId::PriorityRejected,
            Self::LacksNodesAndNames => EffectId::PeerUnsupported,
            Self::JudgesBeforeTranslation => EffectId::PreDnatEgress,
            Self::LeavesSomeNodes => EffectId::UnpolicedPods,
        }
    }
}

/// What a CNI makes of a port by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedPorts {
    /// Every port of the protocol; nothing beside a number of the same protocol in the same rule.
    All,
    /// Nothing.
    None,
    /// Of ingress: the numbers of all selected pods, on each of them. Of egress: nothing beside blocks
    /// and where there are no peers.
    OfSelected,
    /// Of egress: the one number that the name has in the whole cluster; nothing if it has several.
    OnePerCluster,
    /// The number of the first pod of the policy's namespace that has the name, for whichever protocol.
    OnePerNamespace,
    /// Of egress: without peers the numbers of the pods of the policy's namespace, on every destination;
    /// nothing beside blocks.
    OfOwnNamespace,
}

/// Something in a policy for which an enforcer sets it aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// A port by name.
    NamedPort,
    /// A domain name with a `*`, of an EgressFirewall.
    WildcardName,
    /// An `ipBlock` of IPv6.
    Ipv6Block,
    /// `except`
    Except,
    /// `NotIn` or `DoesNotExist`.
    NegativeSelector,
    /// SCTP.
    Sctp,
    /// `endPort`
    EndPort,
    /// `nodes`, of a ClusterNetworkPolicy.
    NodePeer,
}

/// What becomes of connections that are open when a policy changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenConnections {
    /// They go on.
    GoOn,
    /// They are judged anew.
    JudgedAnew,
    /// It is not known.
    Unknown,
}
