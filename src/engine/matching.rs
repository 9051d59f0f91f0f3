//! Whether one rule matches one connection: the predicates that the specification is made of.

use super::peer::Peer;
use super::verdict::Unknown;
use crate::cluster::{
    AddressKnowledge, ClusterState, NodeId, PodId, Requirement, Selector, named_addresses,
    private_addresses,
};
use crate::net::{ConnectionSet, DomainPattern, Family, IpSet, Protocol};
use crate::policy::{
    Certainty, Closed, Direction, PeerMatch, Peers, Placed, PodsMatch, PolicyId, PolicySet,
    PortMatch, Ports, Reach, Rule, RuleId,
};

/// A yes, a no, or neither with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matched {
    Yes,
    No,
    Unknown(Unknown),
}

impl Matched {
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown(why), _) | (_, Self::Unknown(why)) => Self::Unknown(why),
            (Self::No, Self::No) => Self::No,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown(why), _) | (_, Self::Unknown(why)) => Self::Unknown(why),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }
}

/// Whether a policy's subject or a rule's peer selector is about a pod.
pub(super) fn pods(cluster: &ClusterState, selector: &PodsMatch, id: PodId) -> Matched {
    let pod = cluster.pod(id);
    match selector.matches(pod, cluster.namespace(pod.namespace)) {
        Some(true) => Matched::Yes,
        Some(false) => Matched::No,
        None => Matched::Unknown(Unknown::NamespaceLabels(pod.namespace)),
    }
}

/// Whether a policy is about a pod, and enforced.
pub(super) fn policy(
    cluster: &ClusterState,
    policies: &PolicySet,
    id: PolicyId,
    pod: PodId,
) -> Matched {
    let policy = policies.policy(id);
    let about = pods(cluster, &policy.subject, pod);
    let doubt = policy.doubt.as_ref();
    about.and(doubt.map_or(Matched::Yes, |_| Matched::Unknown(Unknown::PolicyDoubt(id))))
}

/// Whether the other end of a pod's direction is its own node, which policies say nothing of there.
pub(super) fn is_own_node(
    cluster: &ClusterState,
    policies: &PolicySet,
    direction: Direction,
    pod: PodId,
    other: &Peer,
) -> Matched {
    let counts = match direction {
        Direction::Ingress => Certainty::Yes,
        Direction::Egress => policies.dataplane.reaches_own_node,
    };
    match counts {
        Certainty::No => Matched::No,
        Certainty::Yes => own_node(cluster, pod, other),
        Certainty::Maybe => own_node(cluster, pod, other).and(Matched::Unknown(Unknown::OwnNode)),
    }
}

/// Whether a pod is closed in a direction in which no tier says anything.
pub(super) fn closed(cluster: &ClusterState, policies: &PolicySet, pod: PodId) -> Matched {
    match policies.dataplane.closed {
        Closed::Never => Matched::No,
        Closed::EachDirection => Matched::Yes,
        Closed::Unselected => {
            let all = policies.tiers.iter().flat_map(|tier| &tier.policies);
            let isolating = all.filter(|id| policies.policy(**id).isolates != [false, false]);
            unselected(isolating.map(|&id| policy(cluster, policies, id, pod)))
        }
    }
}

/// Whether none of these is about a pod.
pub(super) fn unselected(about: impl Iterator<Item = Matched>) -> Matched {
    match about.fold(Matched::No, Matched::or) {
        Matched::Yes => Matched::No,
        Matched::No => Matched::Yes,
        unknown @ Matched::Unknown(_) => unknown,
    }
}

/// Whether a rule that matches does what it says.
pub(super) fn effect(policies: &PolicySet, id: RuleId) -> Matched {
    let doubt = policies.rule(id).doubt.as_ref();
    doubt.map_or(Matched::Yes, |_| Matched::Unknown(Unknown::RuleDoubt(id)))
}

/// Whether one peer selector matches the other end.
pub(super) fn peer(
    cluster: &ClusterState,
    selector: &PeerMatch,
    peer: &Peer,
    family: Family,
) -> Matched {
    match (selector, peer) {
        (PeerMatch::Pods(selector), Peer::Pod(id)) => pods(cluster, selector, *id),
        (PeerMatch::Pods(_), Peer::Node(..) | Peer::External(_) | Peer::Name(..)) => Matched::No,
        (PeerMatch::Nodes(selector), peer) => nodes(cluster, selector, peer, family),
        (PeerMatch::Domains(names), peer) => domains(cluster, names, peer, family),
        (PeerMatch::Placed(placed), peer) => self::placed(cluster, placed, peer),
        (PeerMatch::Addresses(_, reach), peer) if !reaches(cluster, *reach, peer) => Matched::No,
        (PeerMatch::Addresses(set, _), peer) => match peer.address(cluster, family) {
            AddressKnowledge::None => Matched::No,
            AddressKnowledge::Exactly(address) => {
                if set.contains(address) {
                    Matched::Yes
                } else {
                    Matched::No
                }
            }
            AddressKnowledge::OneOf(possible) if possible.is_subset(set) => Matched::Yes,
            AddressKnowledge::OneOf(possible) if possible.is_disjoint(set) => Matched::No,
            AddressKnowledge::OneOf(_) => match peer {
                Peer::Pod(id) => Matched::Unknown(Unknown::PodAddress(*id)),
                Peer::Node(id, _) => Matched::Unknown(Unknown::NodeAddress(*id)),
                Peer::Name(..) => Matched::Unknown(Unknown::NameAddress),
                // Callers cut external sets at the borders of every block, so this is not reached.
                Peer::External(_) => Matched::No,
            },
        },
    }
}

/// Whether a block that holds the address of a peer is about the peer.
pub(super) fn reaches(cluster: &ClusterState, reach: Reach, peer: &Peer) -> bool {
    match peer {
        Peer::Pod(id) if cluster.pod(*id).host_network => reach.nodes,
        Peer::Pod(_) => reach.pods,
        Peer::Node(..) => reach.nodes,
        Peer::External(_) | Peer::Name(..) => true,
    }
}

/// Whether the other end has the address of one of these nodes.
fn placed(cluster: &ClusterState, placed: &Placed, peer: &Peer) -> Matched {
    let node = match peer {
        Peer::Node(id, _) => Some(*id),
        Peer::Pod(id) if cluster.pod(*id).host_network => {
            if placed.unplaced.contains(id) {
                return Matched::Yes;
            }
            cluster.pod(*id).node
        }
        Peer::Pod(_) | Peer::External(_) | Peer::Name(..) => return Matched::No,
    };
    // Another pod may be on the same node, and so have the same address.
    let doubtful = placed.doubtful.iter().map(|&id| cluster.pod(id));
    let mut doubtful =
        doubtful.filter(|pod| pod.node.is_none() || node.is_none() || pod.node == node);
    match (node, placed.unplaced.first(), peer) {
        (Some(id), ..) if placed.nodes.contains(&id) => Matched::Yes,
        (_, Some(pod), _) => Matched::Unknown(Unknown::Placement(*pod)),
        (None, None, Peer::Pod(id)) if !placed.nodes.is_empty() => {
            Matched::Unknown(Unknown::Placement(*id))
        }
        _ => doubtful
            .next()
            .map_or(Matched::No, |pod| Matched::Unknown(Unknown::NamespaceLabels(pod.namespace))),
    }
}

/// Whether the other end is one of the nodes that a selector matches.
fn nodes(cluster: &ClusterState, selector: &Selector, peer: &Peer, family: Family) -> Matched {
    let node = |id: NodeId| match selector.matches_node(cluster.node(id)) {
        Some(true) => Matched::Yes,
        Some(false) => Matched::No,
        None => Matched::Unknown(Unknown::NodeLabels(id)),
    };
    match peer {
        Peer::Node(id, _) => node(*id),
        // On its node's network a pod is its node.
        Peer::Pod(id) if cluster.pod(*id).host_network => match cluster.pod(*id).node {
            Some(id) => node(id),
            None if selector.requirements().is_empty() => Matched::Yes,
            None => Matched::Unknown(Unknown::PodNode(*id)),
        },
        // An address of nobody may be that of a node whose addresses the input does not say.
        Peer::External(_) | Peer::Name(_, Some(_)) => {
            let possible = match peer.address(cluster, family) {
                AddressKnowledge::None => return Matched::No,
                AddressKnowledge::Exactly(address) => IpSet::address(address),
                AddressKnowledge::OneOf(possible) => possible,
            };
            match hidden_node(cluster, selector) {
                Some(why) if !possible.is_disjoint(&private_addresses(family)) => {
                    Matched::Unknown(why)
                }
                _ => Matched::No,
            }
        }
        // A name is taken for a host outside.
        Peer::Pod(_) | Peer::Name(_, None) => Matched::No,
    }
}

/// Why an address that no node is known to have may be that of a node that a selector matches: the
/// input has no nodes, or says not all of their addresses.
pub(super) fn hidden_node(cluster: &ClusterState, selector: &Selector) -> Option<Unknown> {
    if selector.requirements().iter().any(Requirement::is_void) {
        return None;
    }
    if cluster.nodes.is_empty() {
        return Some(Unknown::NoNodes);
    }
    cluster.node_ids().find_map(|id| {
        let node = cluster.node(id);
        let hidden = node.addresses.is_empty() && selector.matches_node(node) != Some(false);
        hidden.then_some(Unknown::NodeAddress(id))
    })
}

/// The addresses that names are known to have, and whether these are all that they have.
pub(super) fn addresses_of(cluster: &ClusterState, names: &[DomainPattern]) -> (IpSet, bool) {
    let known = cluster.resolved.iter().filter(|(name, _)| names.iter().any(|n| n.matches(name)));
    let addresses = known
        .flat_map(|(_, addresses)| addresses)
        .fold(IpSet::empty(), |all, &address| all.union(&IpSet::address(address)));
    let whole = names.iter().all(|pattern| {
        let is = |name: &str| pattern.exact() == Some(name);
        cluster.resolved.keys().any(|name| is(name.as_str()))
    });
    (addresses, whole)
}

/// Whether the other end is one of the hosts that domain names lead to.
fn domains(
    cluster: &ClusterState,
    names: &[DomainPattern],
    peer: &Peer,
    family: Family,
) -> Matched {
    let (known, whole) = addresses_of(cluster, names);
    match peer {
        // Which addresses two names share is not known: a name is asked about as a name.
        Peer::Name(name, address) => {
            let named = names.iter().any(|pattern| pattern.matches(name));
            let shared = address.is_some_and(|address| known.contains(address));
            return if named || shared { Matched::Yes } else { Matched::No };
        }
        // Names are those of hosts outside: a pod is selected by its labels.
        Peer::Pod(id) if !cluster.pod(*id).host_network => return Matched::No,
        Peer::Pod(_) | Peer::Node(..) | Peer::External(_) => {}
    }
    let possible = match peer.address(cluster, family) {
        AddressKnowledge::None => return Matched::No,
        AddressKnowledge::Exactly(address) => IpSet::address(address),
        AddressKnowledge::OneOf(possible) => possible,
    };
    if possible.is_subset(&known) {
        Matched::Yes
    } else if possible.is_disjoint(&known)
        && (whole || possible.is_disjoint(&named_addresses(family)))
    {
        Matched::No
    } else {
        Matched::Unknown(Unknown::Names)
    }
}

/// Whether a rule is about the other end.
pub(super) fn peers(cluster: &ClusterState, rule: &Rule, other: &Peer, family: Family) -> Matched {
    match &rule.peers {
        Peers::Any => Matched::Yes,
        Peers::Of(list) => list
            .iter()
            .map(|selector| peer(cluster, &selector.matches, other, family))
            .fold(Matched::No, Matched::or),
    }
}

/// Whether the pod that a policy selects is one that a rule of it is about.
pub(super) fn own(cluster: &ClusterState, rule: &Rule, pod: PodId, family: Family) -> Matched {
    let Some(list) = &rule.own else { return Matched::Yes };
    let subject = Peer::Pod(pod);
    list.iter()
        .map(|selector| peer(cluster, selector, &subject, family))
        .fold(Matched::No, Matched::or)
}

/// The ports of a destination that one port selector matches.
pub(super) fn port_set(
    cluster: &ClusterState,
    policies: &PolicySet,
    port: &PortMatch,
    destination: &Peer,
) -> ConnectionSet {
    match port {
        PortMatch::Numbers(set) => set.clone(),
        PortMatch::Named { protocol, name } => {
            let Peer::Pod(pod) = destination else {
                return ConnectionSet::empty();
            };
            named_set(cluster, policies, *pod, *protocol, name)
        }
    }
}

/// The ports that a name stands for on a pod. On its node's network a pod is an address, and an
/// address has no names (recorded from SIG-Network's reference engine and from Calico).
pub(super) fn named_set(
    cluster: &ClusterState,
    policies: &PolicySet,
    pod: PodId,
    protocol: Protocol,
    name: &str,
) -> ConnectionSet {
    if cluster.pod(pod).host_network {
        return ConnectionSet::empty();
    }
    cluster
        .named_ports(pod, protocol, name, policies.dataplane.sidecar_port_names)
        .into_iter()
        .map(|number| ConnectionSet::port(protocol, number))
        .fold(ConnectionSet::empty(), |all, one| all.union(&one))
}

/// The ports of a destination that a rule matches.
pub(super) fn rule_ports(
    cluster: &ClusterState,
    policies: &PolicySet,
    rule: &Rule,
    destination: &Peer,
) -> ConnectionSet {
    match &rule.ports {
        Ports::Any => ConnectionSet::all(),
        Ports::Of(list) => list
            .iter()
            .map(|port| port_set(cluster, policies, &port.matches, destination))
            .fold(ConnectionSet::empty(), |all, one| all.union(&one)),
    }
}

/// Whether both ends are one pod: a pod cannot block itself. A stand-in for several pods is not
/// one pod.
pub(super) fn is_loopback(cluster: &ClusterState, source: &Peer, destination: &Peer) -> bool {
    matches!((source, destination), (Peer::Pod(a), Peer::Pod(b)) if a == b && !cluster.pod(*a).stand_in)
}

/// Whether the other end is the node that the pod runs on, whose traffic is always let in
/// (Kubernetes documentation, "Network Policies": a pod cannot block its resident node); some
/// enforcers always let the pod reach it, too.
pub(super) fn own_node(cluster: &ClusterState, pod: PodId, source: &Peer) -> Matched {
    let node = match source {
        Peer::Node(id, _) => Some(*id),
        Peer::Pod(id) if cluster.pod(*id).host_network => cluster.pod(*id).node,
        Peer::Pod(_) | Peer::External(_) | Peer::Name(..) => return Matched::No,
    };
    match (node, cluster.pod(pod).node) {
        (Some(a), Some(b)) if a == b => Matched::Yes,
        (Some(_), Some(_)) => Matched::No,
        _ => Matched::Unknown(Unknown::Placement(pod)),
    }
}
