//! Why a connection is allowed or denied: which policies were asked, and what each rule said.
//!
//! Provenance lives here alone; the set algebra never carries it.

use super::matching::{self, Matched};
use super::peer::Peer;
use super::reference::{self, Flow};
use super::verdict::{Decision, Unknown};
use crate::cluster::{AddressKnowledge, ClusterState, Labels, PodId, Requirement, Selector};
use crate::policy::{Direction, NamespaceMatch, PeerMatch, Peers, PolicyId, PolicySet, RuleId};

/// The whole decision about one connection.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The connection.
    pub flow: Flow,
    /// The verdict.
    pub decision: Decision,
    /// A pod talks to itself, or the ends have no address family in common: no policy is asked.
    pub shortcut: Option<Step>,
    /// Egress of the source, then ingress of the destination.
    pub directions: [DirectionTrace; 2],
}

/// One direction of it.
#[derive(Clone, Debug)]
pub struct DirectionTrace {
    /// Which.
    pub direction: Direction,
    /// Its verdict.
    pub decision: Decision,
    /// What decided.
    pub step: Step,
    /// Every policy that selects the pod in this direction, in order of evaluation.
    pub policies: Vec<PolicyTrace>,
    /// For a denied direction: the rule that came closest.
    pub nearest: Option<NearMiss>,
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A pod always reaches itself.
    Loopback,
    /// The ends have no address family in common.
    NoCommonFamily,
    /// This end is no pod: no policy selects it.
    NotAPod,
    /// This end is on its node's network: no policy selects it.
    HostNetwork,
    /// The source is the node that the destination runs on.
    OwnNode,
    /// No policy selects the pod in this direction: everything is allowed.
    Default,
    /// Nothing enforces policies: everything is allowed.
    NotEnforced,
    /// A rule allows it.
    Rule(RuleId),
    /// Policies isolate the pod, and no rule allows it.
    Isolated(Vec<PolicyId>),
    /// It cannot be said; the rule is the one whose match is not known, if it is one.
    Unknown(Unknown, Option<RuleId>),
}

/// What one policy said.
#[derive(Clone, Debug)]
pub struct PolicyTrace {
    /// The policy.
    pub policy: PolicyId,
    /// Its rules, in order.
    pub rules: Vec<RuleTrace>,
}

/// What one rule said.
#[derive(Clone, Debug)]
pub struct RuleTrace {
    /// The rule.
    pub rule: RuleId,
    /// Whether it is about the other end.
    pub peer: Outcome,
    /// Whether it is about the port.
    pub port: bool,
}

/// A yes, a no, or neither with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It matches.
    Matches,
    /// It does not.
    Fails,
    /// It cannot be said.
    Unknown(Unknown),
}

impl From<Matched> for Outcome {
    fn from(matched: Matched) -> Self {
        match matched {
            Matched::Yes => Self::Matches,
            Matched::No => Self::Fails,
            Matched::Unknown(why) => Self::Unknown(why),
        }
    }
}

/// A rule that does not match, and the one thing in which it fails.
#[derive(Clone, Debug)]
pub struct NearMiss {
    /// The rule.
    pub rule: RuleId,
    /// `None`: it is about the other end, and not about the port.
    pub peer: Option<PeerMiss>,
    /// Whether it has a port at the destination: a named port need not resolve there.
    pub resolves: bool,
}

/// Why a peer selector does not match the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMiss {
    /// The pod lacks a label, or has another value.
    PodLabel {
        /// What the rule asks for.
        wanted: Requirement,
        /// The pod.
        pod: PodId,
    },
    /// The pod's namespace lacks a label, or has another value.
    NamespaceLabel {
        /// What the rule asks for.
        wanted: Requirement,
        /// The pod.
        pod: PodId,
    },
    /// The rule is about pods of the policy's own namespace, and the pod is in another.
    OtherNamespace {
        /// The pod.
        pod: PodId,
    },
    /// Pods on their node's network are matched by no selector.
    HostNetwork,
    /// An address outside is matched by no selector.
    NotAPod,
    /// The address is not in the block.
    Address,
}

/// Evaluates a connection and keeps what every rule said.
///
/// What decided is told for tiers that are unions: those of today's policies. Ordered tiers come with
/// the policies that need them.
pub fn trace(cluster: &ClusterState, policies: &PolicySet, flow: &Flow) -> Trace {
    let decision = reference::evaluate(cluster, policies, flow);
    let has = |peer: &Peer| peer.families(cluster).contains(&flow.family);
    let shortcut = if !has(&flow.source) || !has(&flow.destination) {
        Some(Step::NoCommonFamily)
    } else if matching::is_loopback(cluster, &flow.source, &flow.destination) {
        Some(Step::Loopback)
    } else {
        None
    };
    let directions =
        Direction::ALL.map(|direction| trace_direction(cluster, policies, flow, direction));
    Trace { flow: flow.clone(), decision, shortcut, directions }
}

fn trace_direction(
    cluster: &ClusterState,
    policies: &PolicySet,
    flow: &Flow,
    direction: Direction,
) -> DirectionTrace {
    let (end, other) = match direction {
        Direction::Egress => (&flow.source, &flow.destination),
        Direction::Ingress => (&flow.destination, &flow.source),
    };
    let decision = reference::direction(cluster, policies, flow, direction);
    let mut out = DirectionTrace {
        direction,
        decision,
        step: Step::Default,
        policies: Vec::new(),
        nearest: None,
    };
    let Some(pod) = end.subject(cluster) else {
        let host = matches!(end, Peer::Pod(_));
        out.step = if host { Step::HostNetwork } else { Step::NotAPod };
        return out;
    };
    let own_node = match direction {
        Direction::Ingress => matching::from_own_node(cluster, pod, other),
        Direction::Egress => Matched::No,
    };
    let ordered = policies.tiers.iter().flat_map(|tier| &tier.policies).copied();
    for id in ordered {
        let policy = policies.policy(id);
        let selects = matching::pods(cluster, &policy.subject, pod) != Matched::No;
        if !selects || !policy.isolates[direction.index()] {
            continue;
        }
        let rules = policy.rules[direction.index()].iter().map(|&id| {
            let rule = policies.rule(id);
            let ports = matching::rule_ports(cluster, policies, rule, &flow.destination);
            RuleTrace {
                rule: id,
                peer: matching::peers(cluster, rule, other, flow.family).into(),
                port: ports.contains(flow.protocol, flow.port),
            }
        });
        out.policies.push(PolicyTrace { policy: id, rules: rules.collect() });
    }
    let blind = policies.blind.iter().find(|blind| blind.reaches(cluster.pod(pod)));
    let rules = || out.policies.iter().flat_map(|policy| &policy.rules);
    let matching_rule = rules().find(|r| r.port && r.peer == Outcome::Matches).map(|r| r.rule);
    let unknown_rule = rules().find_map(|r| match r.peer {
        Outcome::Unknown(why) if r.port => Some((why, r.rule)),
        _ => None,
    });
    out.step = match (own_node, blind, matching_rule, unknown_rule) {
        (Matched::Yes, ..) => Step::OwnNode,
        (_, Some(blind), ..) => Step::Unknown(Unknown::BlindSpot(blind.spot), None),
        (_, _, Some(rule), _) => Step::Rule(rule),
        (_, _, None, Some((why, rule))) => Step::Unknown(why, Some(rule)),
        (Matched::Unknown(why), ..) if !out.policies.is_empty() => Step::Unknown(why, None),
        _ if policies.ignored => Step::NotEnforced,
        _ if out.policies.is_empty() => Step::Default,
        _ => Step::Isolated(isolating(&out.policies)),
    };
    if decision != Decision::Allowed {
        out.nearest = nearest(cluster, policies, flow, other, &out.policies);
    }
    out
}

/// Isolating policies, those with rules first: they are what the author meant for the pod.
fn isolating(traces: &[PolicyTrace]) -> Vec<PolicyId> {
    let (with, without): (Vec<_>, Vec<_>) =
        traces.iter().partition(|policy| !policy.rules.is_empty());
    with.into_iter().chain(without).map(|policy| policy.policy).collect()
}

/// The rule that fails in one thing only: the port, or one label of the other end.
fn nearest(
    cluster: &ClusterState,
    policies: &PolicySet,
    flow: &Flow,
    other: &Peer,
    traces: &[PolicyTrace],
) -> Option<NearMiss> {
    let rules = || traces.iter().flat_map(|policy| &policy.rules);
    let resolves = |id: RuleId| {
        let ports = matching::rule_ports(cluster, policies, policies.rule(id), &flow.destination);
        !ports.is_empty()
    };
    let other_port = || rules().filter(|r| !r.port && r.peer == Outcome::Matches);
    let first = other_port().find(|r| resolves(r.rule)).or_else(|| other_port().next());
    if let Some(rule) = first {
        let resolves = resolves(rule.rule);
        return Some(NearMiss { rule: rule.rule, peer: None, resolves });
    }
    let mut best: Option<(usize, NearMiss)> = None;
    for trace in rules().filter(|r| r.port && r.peer == Outcome::Fails) {
        let Peers::Of(list) = &policies.rule(trace.rule).peers else {
            continue;
        };
        for selector in list {
            let (failing, miss) = peer_miss(cluster, &selector.matches, other, flow);
            if best.as_ref().is_none_or(|(least, _)| failing < *least) {
                best = Some((
                    failing,
                    NearMiss { rule: trace.rule, peer: Some(miss), resolves: true },
                ));
            }
        }
    }
    best.map(|(_, miss)| miss)
}

/// How many things keep a selector from matching, and the first of them.
fn peer_miss(
    cluster: &ClusterState,
    selector: &PeerMatch,
    other: &Peer,
    flow: &Flow,
) -> (usize, PeerMiss) {
    match (selector, other) {
        (PeerMatch::Addresses(_), other) => match other.address(cluster, flow.family) {
            AddressKnowledge::Exactly(_) => (3, PeerMiss::Address),
            _ => (4, PeerMiss::Address),
        },
        (PeerMatch::Pods(_), Peer::Node(..) | Peer::External(_)) => (5, PeerMiss::NotAPod),
        (PeerMatch::Pods(wanted), Peer::Pod(id)) => {
            let pod = cluster.pod(*id);
            if pod.host_network {
                return (2, PeerMiss::HostNetwork);
            }
            let fails = |labels: &Labels, selector: &Selector| {
                selector.requirements().iter().filter(|r| !r.holds(labels)).count()
            };
            let pod_fails = fails(&pod.labels, &wanted.pods);
            let namespace = cluster.namespace(pod.namespace);
            let (namespace_fails, namespace_miss) = match &wanted.namespaces {
                NamespaceMatch::Is(own) if *own == pod.namespace => (0, None),
                NamespaceMatch::Is(_) => (1, Some(PeerMiss::OtherNamespace { pod: *id })),
                NamespaceMatch::Labelled(selector) => {
                    let first = selector.first_failing(&namespace.labels).cloned();
                    let miss = first.map(|wanted| PeerMiss::NamespaceLabel { wanted, pod: *id });
                    (fails(&namespace.labels, selector), miss)
                }
            };
            let pod_miss = wanted.pods.first_failing(&pod.labels).cloned();
            let pod_miss = pod_miss.map(|wanted| PeerMiss::PodLabel { wanted, pod: *id });
            let miss = pod_miss.or(namespace_miss).unwrap_or(PeerMiss::NotAPod);
            (pod_fails + namespace_fails, miss)
        }
    }
}
