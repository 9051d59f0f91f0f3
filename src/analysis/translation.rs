//! Questions to a Service on enforcers that judge egress before the Service's address is translated.

use super::divergence::{Cause, Divergence};
use super::world::World;
use crate::cluster::{PodId, Service, private_addresses};
use crate::diagnostic::Span;
use crate::engine::{Decision, Peer};
use crate::net::{ConnectionSet, Family};
use crate::policy::{
    Certainty, Direction, EffectId, PeerMatch, Peers, PodsMatch, Policy, PolicyKind, PortMatch,
    Ports, Rule,
};

/// What makes the verdict on a Service another one than that on its pods.
pub(super) struct Obstacle {
    /// What the verdict is then.
    pub decision: Decision,
    /// Why.
    pub text: String,
    /// The policy or the rule.
    pub span: Option<Span>,
}

/// Why an egress that the pods' rules allow is denied all the same: no rule selects what the Service
/// itself selects (amazon-network-policy-controller-k8s, `pkg/resolvers/endpoints.go`: a ClusterIP is a
/// peer where the Service's `spec.selector` satisfies the podSelector; whether by a block that holds it is
/// not known; a headless Service has none; where the Service's port is not the pods', it is not relied on).
pub(super) fn obstacle(
    world: &World,
    source: &Peer,
    service: &Service,
    family: Option<Family>,
    asked: &ConnectionSet,
) -> Option<Obstacle> {
    let dataplane = &world.policies.dataplane;
    if !dataplane.before_translation || service.headless {
        return None;
    }
    let Peer::Pod(pod) = source else { return None };
    let unpoliced = family.map_or(Certainty::No, |family| dataplane.unpoliced(family));
    if dataplane.leaves_alone(*pod) || unpoliced == Certainty::Yes {
        return None;
    }
    let own: Vec<(&Policy, Certainty)> = isolating(world, *pod).collect();
    let (first, _) = own.first()?;
    let isolated = own.iter().map(|(_, sure)| *sure).max().unwrap_or_default();
    let rules = own.iter().flat_map(|(policy, sure)| {
        policy.rules[Direction::Egress.index()].iter().map(|&id| (world.policies.rule(id), *sure))
    });
    let reached = rules
        .map(|(rule, sure)| sure.min(reaches(world, rule, service, asked)))
        .max()
        .unwrap_or_default();
    if reached == Certainty::Yes {
        return None;
    }
    let sure = reached == Certainty::No
        && isolated == Certainty::Yes
        && unpoliced == Certainty::No
        && !dataplane.unknown_enforcer;
    let name = &service.name;
    let text = if reached == Certainty::No {
        format!(
            "no egress rule selects what Service {name} itself selects: egress is judged before the Service's address is translated"
        )
    } else {
        format!(
            "egress is judged before the address and the port of Service {name} are translated, and it cannot be said whether a rule is about these"
        )
    };
    let decision = if sure { Decision::Denied } else { Decision::Unknown };
    Some(Obstacle { decision, text, span: Some(first.span) })
}

/// Why an egress that the pods' rules deny may be allowed all the same: a rule selects what the Service
/// selects, or a block holds its address, on the port of the Service or of its pods.
pub(super) fn opening(
    world: &World,
    source: &Peer,
    service: &Service,
    asked: &ConnectionSet,
) -> Option<Obstacle> {
    if !world.policies.dataplane.before_translation || service.headless {
        return None;
    }
    let Peer::Pod(pod) = source else { return None };
    let own = service_ports(service).union(asked);
    let rules = isolating(world, *pod).flat_map(|(policy, _)| {
        policy.rules[Direction::Egress.index()].iter().map(|&id| world.policies.rule(id))
    });
    let rule =
        rules.into_iter().find(|rule| reaches(world, rule, service, &own) != Certainty::No)?;
    let name = &service.name;
    let text = format!(
        "a rule may be about Service {name} itself: egress is judged before its address and port are translated, and which ones count is not relied on"
    );
    Some(Obstacle { decision: Decision::Unknown, text, span: Some(rule.span) })
}

/// The ports of a Service itself.
fn service_ports(service: &Service) -> ConnectionSet {
    service.ports.iter().fold(ConnectionSet::empty(), |all, port| {
        all.union(&ConnectionSet::port(port.protocol, port.port))
    })
}

/// The NetworkPolicies that isolate a pod for egress, or may.
fn isolating(world: &World, pod: PodId) -> impl Iterator<Item = (&Policy, Certainty)> {
    let own = world.cluster.pod(pod);
    let namespace = world.cluster.namespace(own.namespace);
    let tiers = world.policies.tiers.iter().flat_map(|tier| &tier.policies);
    tiers.map(|&id| world.policies.policy(id)).filter_map(move |policy| {
        let isolates =
            policy.kind == PolicyKind::NetworkPolicy && policy.isolates[Direction::Egress.index()];
        match policy.subject.matches(own, namespace).filter(|_| isolates) {
            Some(true) if policy.doubt.is_none() => Some((policy, Certainty::Yes)),
            Some(false) => None,
            None if !isolates => None,
            Some(true) | None => Some((policy, Certainty::Maybe)),
        }
    })
}

/// Whether a rule is about a Service's address.
fn reaches(world: &World, rule: &Rule, service: &Service, asked: &ConnectionSet) -> Certainty {
    let peers = match &rule.peers {
        Peers::Any => Certainty::Yes,
        Peers::Of(list) => {
            let each = list.iter().map(|peer| match &peer.matches {
                PeerMatch::Pods(pods) => selects(world, pods, service),
                // The packet has the Service's address, and blocks are compared with packets.
                PeerMatch::Addresses(set, _) => {
                    let ips = &service.cluster_ips;
                    // One that the input does not have is a private one.
                    let private = || {
                        let private = Family::ALL.map(private_addresses);
                        private.iter().any(|own| !set.intersection(own).is_empty())
                    };
                    let holds = ips.iter().any(|&ip| set.contains(ip));
                    if holds || ips.is_empty() && private() {
                        Certainty::Maybe
                    } else {
                        Certainty::No
                    }
                }
                _ => Certainty::No,
            });
            each.max().unwrap_or_default()
        }
    };
    let ports = match &rule.ports {
        Ports::Any => Certainty::Yes,
        Ports::Of(list) => {
            let own = service_ports(service);
            let each = list.iter().map(|port| match &port.matches {
                PortMatch::Numbers(set) => {
                    let both = set.intersection(asked);
                    // Of a range the first port alone is looked for among the Service's.
                    let range =
                        port.first.is_some_and(|(protocol, first)| !own.contains(protocol, first));
                    if !both.intersection(&own).is_empty() && !range {
                        Certainty::Yes
                    } else if !both.is_empty() || !set.intersection(&own).is_empty() {
                        Certainty::Maybe
                    } else {
                        Certainty::No
                    }
                }
                PortMatch::Named { .. } => Certainty::Maybe,
            });
            each.max().unwrap_or_default()
        }
    };
    let doubt = if rule.doubt.is_none() { Certainty::Yes } else { Certainty::Maybe };
    peers.min(ports).min(doubt)
}

fn selects(world: &World, pods: &PodsMatch, service: &Service) -> Certainty {
    let namespace = world.cluster.namespace(service.namespace);
    let matched = service
        .selector
        .as_ref()
        .map_or(Some(false), |labels| pods.matches_labels(service.namespace, namespace, labels));
    match matched {
        Some(true) => Certainty::Yes,
        None => Certainty::Maybe,
        Some(false) => Certainty::No,
    }
}

/// The divergence that this is from what policies declare of these ports.
pub(super) fn divergence(
    declared: Decision,
    ports: &ConnectionSet,
    obstacle: &Obstacle,
) -> Divergence {
    let allowed =
        if declared == Decision::Allowed { ports.clone() } else { ConnectionSet::empty() };
    Divergence {
        port: ports.to_string(),
        allowed,
        unknown: ConnectionSet::empty(),
        declared,
        effective: obstacle.decision,
        causes: vec![Cause {
            effect: EffectId::PreDnatEgress,
            text: "egress is judged by the address and port of the Service, not of its pods".into(),
            span: obstacle.span,
        }],
    }
}
