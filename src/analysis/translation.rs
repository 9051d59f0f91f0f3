//! Questions to a Service on enforcers that judge egress before the Service's address is translated.

use super::divergence::{Cause, Divergence};
use super::world::World;
use crate::cluster::{PodId, Service};
use crate::diagnostic::Span;
use crate::engine::{Decision, Peer};
use crate::net::ConnectionSet;
use crate::policy::{
    Direction, EffectId, NamespaceMatch, PeerMatch, Peers, PodsMatch, Policy, PolicyKind,
    PortMatch, Ports,
};

/// Why an egress that the pods' rules allow is denied all the same: no rule selects what the Service
/// itself selects (amazon-network-policy-controller-k8s, `pkg/resolvers/endpoints.go`: a ClusterIP is a
/// peer where the Service's `spec.selector` satisfies the podSelector; never of an ipBlock).
pub(super) fn closed_service(
    world: &World,
    source: &Peer,
    service: &Service,
    asked: &ConnectionSet,
) -> Option<(String, Option<Span>)> {
    if !world.policies.dataplane.before_translation {
        return None;
    }
    let Peer::Pod(pod) = source else { return None };
    let own: Vec<&Policy> = isolating(world, *pod).collect();
    let first = own.first()?;
    let reached = own.iter().flat_map(|p| &p.rules[Direction::Egress.index()]).any(|&id| {
        let rule = world.policies.rule(id);
        let peers = match &rule.peers {
            Peers::Any => true,
            Peers::Of(list) => list.iter().any(|peer| match &peer.matches {
                PeerMatch::Pods(pods) => selects(world, pods, service),
                _ => false,
            }),
        };
        let ports = match &rule.ports {
            Ports::Any => true,
            Ports::Of(list) => list.iter().any(|port| match &port.matches {
                PortMatch::Numbers(set) => !set.intersection(asked).is_empty(),
                PortMatch::Named { .. } => true,
            }),
        };
        peers && ports
    });
    if reached {
        return None;
    }
    let text = format!(
        "no egress rule selects what Service {} itself selects: egress is judged before the Service's address is translated",
        service.name
    );
    Some((text, Some(first.span)))
}

/// The NetworkPolicies that isolate a pod for egress.
fn isolating(world: &World, pod: PodId) -> impl Iterator<Item = &Policy> {
    let own = world.cluster.pod(pod);
    let namespace = world.cluster.namespace(own.namespace);
    let tiers = world.policies.tiers.iter().flat_map(|tier| &tier.policies);
    tiers.map(|&id| world.policies.policy(id)).filter(move |policy| {
        policy.kind == PolicyKind::NetworkPolicy
            && policy.isolates[Direction::Egress.index()]
            && policy.subject.matches(own, namespace) == Some(true)
    })
}

fn selects(world: &World, pods: &PodsMatch, service: &Service) -> bool {
    let namespace = match &pods.namespaces {
        NamespaceMatch::Is(id) => *id == service.namespace,
        NamespaceMatch::Labelled(selector) => {
            let own = world.cluster.namespace(service.namespace);
            selector.matches_namespace(own) == Some(true)
        }
    };
    namespace && service.selector.as_ref().is_some_and(|labels| pods.pods.matches(labels))
}

/// The divergence that this is.
pub(super) fn divergence(allowed: ConnectionSet, text: String, span: Option<Span>) -> Divergence {
    Divergence {
        port: allowed.to_string(),
        allowed,
        declared: Decision::Allowed,
        effective: Decision::Denied,
        causes: vec![Cause { effect: EffectId::PreDnatEgress, text, span }],
    }
}
