//! `networking.k8s.io/v1 NetworkPolicy` to the IR.
//!
//! Meaning: <https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/>.

use super::super::ir::{
    Action, Direction, NamespaceMatch, PeerForm, PeerMatch, PeerSelector, Peers, PodsMatch, Policy,
    PolicyId, PolicyKind, PolicySet, PortMatch, PortSelector, Ports, Reach, Rule, RuleId,
};
use crate::cluster::{
    ClusterState, NamespaceId, PeerSelects, PolicyObject, PortRef, PortResource, RuleResource,
    Selector,
};
use crate::net::{ConnectionSet, IpSet};
use std::sync::Arc;

/// Appends the cluster's NetworkPolicies and returns their ids.
pub(super) fn compile(cluster: &ClusterState, set: &mut PolicySet) -> Vec<PolicyId> {
    cluster.policies.iter().map(|object| one(object, set)).collect()
}

fn one(object: &PolicyObject, set: &mut PolicySet) -> PolicyId {
    let id = PolicyId::new(set.policies.len());
    let resource = &object.resource;
    let mut rules = [Vec::new(), Vec::new()];
    for (direction, list) in
        [(Direction::Egress, &resource.egress), (Direction::Ingress, &resource.ingress)]
    {
        for (index, rule) in list.iter().enumerate() {
            rules[direction.index()].push(RuleId::new(set.rules.len()));
            set.rules.push(compile_rule(rule, id, object.namespace, direction, index));
        }
    }
    set.policies.push(Policy {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some(object.namespace),
        name: Arc::clone(&resource.meta.name),
        subject: PodsMatch {
            namespaces: NamespaceMatch::Is(object.namespace),
            pods: Selector::from(&resource.pod_selector),
        },
        isolates: [resource.isolates_egress, resource.isolates_ingress],
        counts: [resource.isolates_egress, resource.isolates_ingress],
        rules,
        order: 0,
        doubt: None,
        span: resource.pod_selector.span,
    });
    id
}

fn compile_rule(
    rule: &RuleResource,
    policy: PolicyId,
    namespace: NamespaceId,
    direction: Direction,
    index: usize,
) -> Rule {
    let peers = rule.peers.iter().map(|peer| {
        let matches = match &peer.selects {
            PeerSelects::Pods { namespaces, pods } => PeerMatch::Pods(PodsMatch {
                namespaces: match namespaces {
                    None => NamespaceMatch::Is(namespace),
                    Some(selector) => NamespaceMatch::Labelled(selector.into()),
                },
                pods: pods.as_ref().map_or_else(Selector::everything, Into::into),
            }),
            PeerSelects::Block { cidr, except } => PeerMatch::Addresses(
                IpSet::block(*cidr).difference(&IpSet::blocks(except.iter().copied())),
                Reach::EVERYBODY,
            ),
        };
        let form = match &peer.selects {
            PeerSelects::Pods { pods: Some(_), .. } => PeerForm::Pods,
            PeerSelects::Pods { pods: None, .. } => PeerForm::Namespaces,
            PeerSelects::Block { cidr, except } => {
                PeerForm::Block { cidr: *cidr, except: except.clone() }
            }
        };
        PeerSelector { matches, form, span: peer.span }
    });
    let ports = rule.ports.iter().map(|port| PortSelector {
        matches: port_match(port),
        first: match (&port.port, port.end_port) {
            (Some(PortRef::Number(first)), Some(_)) => Some((port.protocol, *first)),
            _ => None,
        },
        span: port.span,
    });
    Rule {
        policy,
        direction,
        index,
        name: None,
        action: Action::Allow,
        own: None,
        peers: if rule.peers.is_empty() { Peers::Any } else { Peers::Of(peers.collect()) },
        ports: if rule.ports.is_empty() { Ports::Any } else { Ports::Of(ports.collect()) },
        doubt: None,
        effects: Vec::new(),
        span: rule.span,
    }
}

fn port_match(port: &PortResource) -> PortMatch {
    match &port.port {
        None => PortMatch::Numbers(ConnectionSet::protocol(port.protocol)),
        Some(PortRef::Number(first)) => {
            let last = port.end_port.unwrap_or(*first);
            PortMatch::Numbers(ConnectionSet::range(port.protocol, *first, last))
        }
        Some(PortRef::Name(name)) => {
            PortMatch::Named { protocol: port.protocol, name: Arc::clone(name) }
        }
    }
}
