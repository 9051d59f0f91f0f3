//! Near misses: for a direction that is denied, the rules that came closest to allowing the connection.

use super::super::words::Words;
use super::amiss;
use super::hint::Hint;
use super::slip;
use super::subject::unselecting;
use super::yaml::NAMESPACE_NAME;
use crate::cluster::{ClusterState, PodId, Service};
use crate::engine::reference::Flow;
use crate::engine::{Decision, DirectionTrace, Outcome, Peer, PeerMiss, RuleTrace, Step};
use crate::net::Protocol;
use crate::policy::{
    Action, Certainty, Direction, EffectId, NamespaceMatch, PeerMatch, PeerSelector, Peers,
    PodsMatch, PolicyId, PolicyKind, PortMatch, PortSelector, Ports, RuleId,
};

/// How much is found out: the closest rule, or every one that is close, and the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::analysis) enum Detail {
    Brief,
    Full,
}

/// At most so many are told of one direction: what is further away is in the account of all rules.
pub(super) const MOST: usize = 3;

/// What is no further than this from the closest one is told as well.
const ALSO: u32 = 1;

/// What is further away than this is not near.
const FAR: u32 = 8;

/// A rule that does not match, and by how much.
pub(super) struct Candidate<'t> {
    pub(super) rule: &'t RuleTrace,
    /// The selector that came closest, and what keeps it from matching.
    pub(super) peer: Option<(usize, &'t [PeerMiss])>,
    /// It is not about the port.
    pub(super) port: Option<PortMiss>,
    cost: u32,
}

/// Why a rule is not about a port.
#[derive(Clone, Debug)]
pub(super) enum PortMiss {
    /// It has the number or the name, by this protocol.
    Protocol(Protocol),
    /// It has the port of a Service that leads to the one asked for: its place, and the Service's port.
    Service(usize, u16),
    /// It has a name for it that an init container declares, which does not count here.
    Sidecar(usize),
    /// It names ports that the destination does not have: their places.
    Unresolved(Vec<usize>),
    /// It has no port at all.
    Nothing,
    /// It has others.
    Others,
}

impl PortMiss {
    fn cost(&self) -> u32 {
        match self {
            Self::Service(..) | Self::Sidecar(_) => 1,
            Self::Protocol(_) | Self::Unresolved(_) => 2,
            Self::Others => 3,
            Self::Nothing => 5,
        }
    }
}

/// The rules that came closest to allowing what a direction denies, closest first.
pub(in crate::analysis) fn near_hints(
    words: Words<'_>,
    flow: &Flow,
    trace: &DirectionTrace,
    end: &str,
    other: &str,
    detail: Detail,
) -> Vec<Hint> {
    if trace.decision != Decision::Denied {
        return Vec::new();
    }
    let near = Near { words, flow, direction: trace.direction, end, other, detail };
    // A firewall is asked beside the tiers: what one of them denies, none of the others' rules allows.
    let by_firewall = match trace.step {
        Step::Denied(id) => near.is_of_firewall(words.policies.rule(id).policy),
        _ => false,
    };
    let policies = trace.policies.iter();
    let policies = policies.filter(|policy| near.is_of_firewall(policy.policy) == by_firewall);
    let asked = policies.flat_map(|policy| &policy.rules).filter(|rule| rule.asked);
    let mut found: Vec<Candidate<'_>> = asked.filter_map(|rule| near.candidate(rule)).collect();
    found.sort_by_key(|candidate| candidate.cost);
    let limit = found.first().map_or(0, |first| first.cost + ALSO);
    let most = if detail == Detail::Full { MOST } else { 1 };
    let close = found.iter().take_while(|candidate| candidate.cost <= limit).take(most);
    let mut hints: Vec<(u32, Hint)> =
        close.map(|candidate| (candidate.cost, amiss::hint(&near, candidate))).collect();
    if detail == Detail::Full {
        hints.extend(unselecting(&near, &trace.step));
        hints.sort_by_key(|(cost, _)| *cost);
        hints.truncate(MOST);
    }
    hints.into_iter().map(|(_, hint)| hint).collect()
}

/// Whether a selector is about any pod of the input.
pub(super) fn selects_any(cluster: &ClusterState, wanted: &PodsMatch) -> bool {
    let is = |id: PodId| {
        let pod = cluster.pod(id);
        wanted.matches(pod, cluster.namespace(pod.namespace)) != Some(false)
    };
    match wanted.namespaces {
        NamespaceMatch::Is(own) => cluster.pods_in(own).any(is),
        NamespaceMatch::Labelled(_) => cluster.pod_ids().any(is),
    }
}

/// The Services that lead to a pod, with their places in the cluster's list.
pub(super) fn services_of(
    cluster: &ClusterState,
    pod: PodId,
) -> impl Iterator<Item = (usize, &Service)> {
    let own = cluster.pod(pod);
    cluster.services.iter().enumerate().filter(move |(_, service)| service.selects(own))
}

/// A direction of a connection, seen from the pod that it is about.
pub(super) struct Near<'a> {
    pub(super) words: Words<'a>,
    pub(super) flow: &'a Flow,
    pub(super) direction: Direction,
    /// The pod, as printed.
    pub(super) end: &'a str,
    /// The other end, as printed.
    pub(super) other: &'a str,
    pub(super) detail: Detail,
}

impl<'a> Near<'a> {
    pub(super) fn cluster(&self) -> &'a ClusterState {
        self.words.cluster()
    }

    pub(super) fn other(&self) -> &'a Peer {
        match self.direction {
            Direction::Egress => &self.flow.destination,
            Direction::Ingress => &self.flow.source,
        }
    }

    fn is_of_firewall(&self, policy: PolicyId) -> bool {
        self.words.policies.firewalls.iter().any(|own| own.policies.contains(&policy))
    }

    /// Whether the enforcer has a habit, or may have it.
    pub(super) fn has_habit(&self, effects: &[EffectId]) -> bool {
        self.words.world.cni.as_ref().is_some_and(|cni| {
            let mut own = cni.profile.traits.iter();
            own.any(|own| {
                effects.contains(&own.habit.effect()) && cni.holds(&own.when) != Certainty::No
            })
        })
    }

    /// Whether a port by name is what the number is, for the enforcer at work.
    pub(super) fn has_plain_names(&self) -> bool {
        !self.has_habit(&[
            EffectId::NamedPortAllPorts,
            EffectId::NamedPortLost,
            EffectId::NamedPortIgnored,
            EffectId::NamedPortUnion,
            EffectId::NamedPortClusterWide,
            EffectId::NamedPortPerNamespace,
            EffectId::PolicyRejected,
        ])
    }

    /// Whether a rule is one of a NetworkPolicy: other APIs have other words for what a help proposes.
    pub(super) fn is_network_policy(&self, id: RuleId) -> bool {
        let policies = self.words.policies;
        policies.policy(policies.rule(id).policy).kind == PolicyKind::NetworkPolicy
    }

    pub(super) fn peers(&self, id: RuleId) -> &'a [PeerSelector] {
        match &self.words.policies.rule(id).peers {
            Peers::Of(list) => list,
            Peers::Any => &[],
        }
    }

    pub(super) fn ports(&self, id: RuleId) -> &'a [PortSelector] {
        match &self.words.policies.rule(id).ports {
            Ports::Of(list) => list,
            Ports::Any => &[],
        }
    }

    pub(super) fn pods_of(&self, rule: RuleId, selector: usize) -> Option<&'a PodsMatch> {
        match &self.peers(rule).get(selector)?.matches {
            PeerMatch::Pods(pods) => Some(pods),
            _ => None,
        }
    }

    /// How close a rule is; `None` where it matches, or where nothing can be said.
    fn candidate<'t>(&self, trace: &'t RuleTrace) -> Option<Candidate<'t>> {
        let rule = self.words.policies.rule(trace.rule);
        if rule.action != Action::Allow {
            return None;
        }
        let port = (!trace.port).then(|| self.port_miss(trace.rule));
        let peer = match trace.peer {
            Outcome::Matches => None,
            Outcome::Unknown(_) => return None,
            Outcome::Fails => {
                let each = trace.peers.iter().enumerate();
                let failing = each.filter(|(_, peer)| peer.outcome == Outcome::Fails);
                let costs = failing.map(|(at, peer)| {
                    (self.peer_cost(trace.rule, at, &peer.misses), at, peer.misses.as_slice())
                });
                Some(costs.min_by_key(|(cost, ..)| *cost)?)
            }
        };
        let cost = match (&peer, &port) {
            (None, None) => return None,
            (None, Some(port)) => port.cost(),
            (Some((cost, ..)), None) => *cost,
            // Two things are further away than one.
            (Some((cost, ..)), Some(port)) => cost + port.cost() + 3,
        };
        // Of a rule about other pods on other ports nothing is near.
        let apart = peer.is_some() && port.is_some();
        if cost > FAR || self.detail == Detail::Brief && apart {
            return None;
        }
        Some(Candidate { rule: trace, peer: peer.map(|(_, at, misses)| (at, misses)), port, cost })
    }

    fn peer_cost(&self, rule: RuleId, selector: usize, misses: &[PeerMiss]) -> u32 {
        let of_release = |miss: &PeerMiss| match miss {
            PeerMiss::PodLabel { wanted, .. } => slip::is_last_release(self.cluster(), wanted),
            _ => false,
        };
        // However many labels a release changes, it is one thing.
        let releases = misses.iter().any(of_release);
        let others = misses.iter().filter(|miss| !of_release(miss));
        let others: u32 = others.map(|miss| self.miss_cost(rule, selector, miss)).sum();
        others + if releases { slip::SLIP } else { 0 }
    }

    fn miss_cost(&self, rule: RuleId, selector: usize, miss: &PeerMiss) -> u32 {
        match miss {
            PeerMiss::PodLabel { wanted, pod } => slip::cost(self.cluster(), wanted, *pod),
            PeerMiss::NamespaceLabel { wanted, pod } => {
                let namespace = self.cluster().namespace(self.cluster().pod(*pod).namespace);
                // Named by a label that it does not have.
                let by_name = wanted.values.contains(&namespace.name);
                if by_name && &*wanted.key != NAMESPACE_NAME { slip::SLIP } else { 3 }
            }
            PeerMiss::OtherNamespace { .. } => {
                // Labels that are the pod's name the pod; without any the rule is about the namespace.
                let all = self.pods_of(rule, selector);
                if all.is_some_and(|pods| pods.pods.requirements().is_empty()) { 4 } else { 2 }
            }
            PeerMiss::HostNetwork | PeerMiss::Unreached => 3,
            PeerMiss::Address => 4,
            PeerMiss::NotAPod | PeerMiss::NotTheNode | PeerMiss::NotTheName => 6,
        }
    }

    fn port_miss(&self, id: RuleId) -> PortMiss {
        let list = self.ports(id);
        let (protocol, number) = (self.flow.protocol, self.flow.port);
        let numbers = || {
            list.iter().filter_map(|port| match &port.matches {
                PortMatch::Numbers(set) => Some(set),
                PortMatch::Named { .. } => None,
            })
        };
        let has = |protocol, port| numbers().any(|set| set.contains(protocol, port));
        if let Some((at, port)) = self.services().find(|&(_, port)| has(protocol, port)) {
            return PortMiss::Service(at, port);
        }
        let mut others = Protocol::ALL.into_iter().filter(|&other| other != protocol);
        if let Some(other) = others.find(|&other| has(other, number)) {
            return PortMiss::Protocol(other);
        }
        let mut unresolved = Vec::new();
        for (at, port) in list.iter().enumerate() {
            let PortMatch::Named { protocol: own, name } = &port.matches else { continue };
            if self.declares(protocol, name).contains(&number) {
                return if *own == protocol {
                    PortMiss::Sidecar(at)
                } else {
                    PortMiss::Protocol(*own)
                };
            }
            // A name that it has by another protocol, or for another number, is there all the same.
            let any = Protocol::ALL.iter().any(|&any| !self.declares(any, name).is_empty());
            if !any {
                unresolved.push(at);
            }
        }
        let empty = |port: &PortSelector| matches!(&port.matches, PortMatch::Numbers(set) if set.is_empty());
        if list.iter().all(empty) {
            PortMiss::Nothing
        } else if unresolved.is_empty() {
            PortMiss::Others
        } else {
            PortMiss::Unresolved(unresolved)
        }
    }

    /// The numbers that the destination declares for a name, init containers included.
    fn declares(&self, protocol: Protocol, name: &str) -> Vec<u16> {
        match &self.flow.destination {
            Peer::Pod(pod) => self.cluster().named_ports(*pod, protocol, name, true),
            Peer::Node(..) | Peer::External(_) | Peer::Name(..) => Vec::new(),
        }
    }

    /// Services whose port leads to the one asked for, and is another number: place and number.
    fn services(&self) -> impl Iterator<Item = (usize, u16)> + 'a {
        let (cluster, flow) = (self.cluster(), self.flow);
        // On some enforcers it is the Service's port that egress is judged by.
        let before =
            self.words.policies.dataplane.before_translation && self.direction == Direction::Egress;
        let pod = match &flow.destination {
            Peer::Pod(_) if before => None,
            Peer::Pod(pod) => Some(*pod),
            Peer::Node(..) | Peer::External(_) | Peer::Name(..) => None,
        };
        let all = pod.into_iter().flat_map(move |pod| {
            // Of a headless Service nothing is translated.
            let own = services_of(cluster, pod).filter(|(_, service)| !service.headless);
            own.map(move |(at, service)| (pod, at, service))
        });
        all.flat_map(|(pod, at, service)| service.ports.iter().map(move |port| (pod, at, port)))
            .filter(move |(pod, _, port)| {
                port.protocol == flow.protocol
                    && port.port != flow.port
                    && cluster.target_ports(port, *pod).contains(&flow.port)
            })
            .map(|(_, at, port)| (at, port.port))
    }
}
