//! OpenShift's firewalls of namespaces to the IR.
//!
//! Meaning: `go-controller/pkg/ovn/egressfirewall.go` of ovn-kubernetes (EgressFirewall) and
//! `pkg/network/node/{egress_network_policy,ovscontroller}.go` of openshift/sdn (EgressNetworkPolicy).

use super::super::ir::{
    Action, Direction, NamespaceMatch, PeerForm, PeerMatch, PeerSelector, Peers, PodsMatch, Policy,
    PolicyId, PolicyKind, PolicySet, PortMatch, PortSelector, Ports, Reach, Rule, RuleId,
};
use crate::cluster::{
    ClusterState, FirewallKind, FirewallObject, FirewallPeer, FirewallRuleResource, Selector,
};
use crate::net::{ConnectionSet, IpSet};
use std::sync::Arc;

/// The namespace that openshift-sdn gives the virtual network 0, in which it ignores such policies.
const GLOBAL_NAMESPACE: &str = "default";

/// Appends the firewalls of a kind and returns their ids.
pub(super) fn compile(
    cluster: &ClusterState,
    kind: FirewallKind,
    set: &mut PolicySet,
) -> Vec<PolicyId> {
    let own: Vec<&FirewallObject> =
        cluster.firewalls.iter().filter(|object| object.resource.kind == kind).collect();
    own.iter()
        .map(|object| {
            // openshift-sdn keeps objects with rules only, and drops everything where a namespace has
            // several of them.
            let rivals = own.iter().filter(|other| {
                other.namespace == object.namespace && !other.resource.rules.is_empty()
            });
            let contested = kind == FirewallKind::EgressNetworkPolicy
                && !object.resource.rules.is_empty()
                && rivals.count() > 1;
            one(cluster, object, contested, set)
        })
        .collect()
}

fn one(
    cluster: &ClusterState,
    object: &FirewallObject,
    contested: bool,
    set: &mut PolicySet,
) -> PolicyId {
    let id = PolicyId::new(set.policies.len());
    let resource = &object.resource;
    let mut egress = Vec::new();
    let mut push = |rule| {
        egress.push(RuleId::new(set.rules.len()));
        set.rules.push(rule);
    };
    if contested {
        push(Rule {
            policy: id,
            direction: Direction::Egress,
            index: 0,
            name: Some("the namespace has several EgressNetworkPolicies".into()),
            action: Action::Deny,
            own: None,
            peers: Peers::Any,
            ports: Ports::Any,
            doubt: None,
            effects: Vec::new(),
            span: resource.meta.span,
        });
    } else if resource.kind == FirewallKind::EgressNetworkPolicy
        && &*cluster.namespace(object.namespace).name == GLOBAL_NAMESPACE
    {
        // "EgressNetworkPolicy in global network namespace is not allowed; ignoring" (ovscontroller.go)
    } else if !resource.broken {
        for rule in &resource.rules {
            push(compile_rule(rule, id));
        }
    }
    set.policies.push(Policy {
        kind: match resource.kind {
            FirewallKind::EgressFirewall => PolicyKind::EgressFirewall,
            FirewallKind::EgressNetworkPolicy => PolicyKind::EgressNetworkPolicy,
        },
        namespace: Some(object.namespace),
        name: Arc::clone(&resource.meta.name),
        subject: PodsMatch {
            namespaces: NamespaceMatch::Is(object.namespace),
            pods: Selector::everything(),
        },
        isolates: [false, false],
        counts: [true, true],
        rules: [egress, Vec::new()],
        order: 0,
        doubt: resource.doubt.as_deref().map(Into::into),
        span: resource.meta.span,
    });
    id
}

fn compile_rule(rule: &FirewallRuleResource, policy: PolicyId) -> Rule {
    let matches = match &rule.to {
        FirewallPeer::Block(block) => PeerMatch::Addresses(IpSet::block(*block), Reach::EVERYBODY),
        FirewallPeer::Domain(name) => PeerMatch::Domains(vec![name.clone()]),
        FirewallPeer::Nodes(selector) => PeerMatch::Nodes(selector.into()),
    };
    let ports = rule.ports.iter().map(|&(protocol, number, span)| PortSelector {
        matches: PortMatch::Numbers(ConnectionSet::port(protocol, number)),
        first: None,
        span,
    });
    Rule {
        policy,
        direction: Direction::Egress,
        index: rule.index,
        name: None,
        action: if rule.allow { Action::Allow } else { Action::Deny },
        own: None,
        peers: Peers::Of(vec![PeerSelector { matches, form: PeerForm::Other, span: rule.to_span }]),
        ports: if rule.ports.is_empty() { Ports::Any } else { Ports::Of(ports.collect()) },
        doubt: None,
        effects: Vec::new(),
        span: rule.span,
    }
}
