//! `policy.networking.k8s.io` to the IR.
//!
//! Meaning: the comments of `apis/v1alpha1/shared_types.go` and
//! `apis/v1alpha2/clusternetworkpolicy_types.go` of kubernetes-sigs/network-policy-api.

use super::super::ir::{
    Action, Direction, NamespaceMatch, PeerForm, PeerMatch, PeerSelector, Peers, PodsMatch, Policy,
    PolicyId, PolicyKind, PolicySet, PortMatch, PortSelector, Ports, Reach, Rule, RuleId,
};
use crate::cluster::{
    AdminKind, AdminPeer, AdminPolicyResource, AdminPort, AdminPortResource, AdminRuleResource,
    AdminTier, ClusterState, PodsSelector, RuleAction,
};
use crate::net::{ConnectionSet, IpSet, Protocol};
use std::sync::Arc;

/// Appends the policies of a tier, in the order of their priorities, and returns their ids.
pub(super) fn compile(
    cluster: &ClusterState,
    tier: AdminTier,
    set: &mut PolicySet,
) -> Vec<PolicyId> {
    let own = cluster.admin_policies.iter().filter(|policy| policy.tier == tier);
    own.map(|resource| one(resource, set)).collect()
}

fn one(resource: &AdminPolicyResource, set: &mut PolicySet) -> PolicyId {
    let id = PolicyId::new(set.policies.len());
    let mut rules = [Vec::new(), Vec::new()];
    for (direction, list) in
        [(Direction::Egress, &resource.egress), (Direction::Ingress, &resource.ingress)]
    {
        for (index, rule) in list.iter().enumerate() {
            rules[direction.index()].push(RuleId::new(set.rules.len()));
            set.rules.push(compile_rule(rule, id, direction, index));
        }
    }
    set.policies.push(Policy {
        kind: match resource.kind {
            AdminKind::AdminNetworkPolicy => PolicyKind::AdminNetworkPolicy,
            AdminKind::BaselineAdminNetworkPolicy => PolicyKind::BaselineAdminNetworkPolicy,
            AdminKind::ClusterNetworkPolicy => PolicyKind::ClusterNetworkPolicy,
        },
        namespace: None,
        name: Arc::clone(&resource.meta.name),
        subject: pods(&resource.subject),
        isolates: [false, false],
        counts: [true, true],
        rules,
        order: resource.priority,
        doubt: None,
        span: resource.subject.span,
    });
    id
}

fn pods(selector: &PodsSelector) -> PodsMatch {
    PodsMatch {
        namespaces: NamespaceMatch::Labelled((&selector.namespaces).into()),
        pods: (&selector.pods).into(),
    }
}

fn compile_rule(
    rule: &AdminRuleResource,
    policy: PolicyId,
    direction: Direction,
    index: usize,
) -> Rule {
    let mut compiled = Rule {
        policy,
        direction,
        index,
        name: rule.name.clone(),
        action: match rule.action {
            RuleAction::Allow => Action::Allow,
            RuleAction::Deny => Action::Deny,
            RuleAction::Pass => Action::Pass,
        },
        own: None,
        peers: Peers::Of(Vec::new()),
        ports: if rule.ports.is_empty() {
            Ports::Any
        } else {
            Ports::Of(rule.ports.iter().flat_map(ports).collect())
        },
        doubt: None,
        effects: Vec::new(),
        span: rule.span,
    };
    let mut peers = Vec::new();
    for peer in &rule.peers {
        let matches = match &peer.selects {
            AdminPeer::Pods(selector) => PeerMatch::Pods(pods(selector)),
            AdminPeer::Nodes(selector) => PeerMatch::Nodes(selector.into()),
            AdminPeer::Networks(blocks) => {
                PeerMatch::Addresses(IpSet::blocks(blocks.iter().copied()), Reach::EVERYBODY)
            }
            AdminPeer::Domains(names) => {
                if rule.action != RuleAction::Allow {
                    let text = "the API has domain names for allowing only";
                    compiled.doubt = Some(text.into());
                }
                PeerMatch::Domains(names.clone())
            }
            // "For Accept rules, fail closed means: treat the rule as matching no traffic. For Deny
            // and Pass rules: treat the rule as a Deny all rule."
            AdminPeer::Unrecognized if rule.action == RuleAction::Allow => return compiled,
            AdminPeer::Unrecognized => {
                return Rule {
                    action: Action::Deny,
                    peers: Peers::Any,
                    ports: Ports::Any,
                    doubt: None,
                    ..compiled
                };
            }
        };
        peers.push(PeerSelector { matches, form: PeerForm::Other, span: peer.span });
    }
    compiled.peers = Peers::Of(peers);
    compiled
}

/// A name is one of whichever protocol the container's port has.
fn ports(port: &AdminPortResource) -> Vec<PortSelector> {
    let selector = |matches| PortSelector { matches, first: None, span: port.span };
    match &port.selects {
        AdminPort::Range(protocol, first, last) => {
            vec![selector(PortMatch::Numbers(ConnectionSet::range(*protocol, *first, *last)))]
        }
        AdminPort::Named(name) => Protocol::ALL
            .map(|protocol| selector(PortMatch::Named { protocol, name: Arc::clone(name) }))
            .into(),
        AdminPort::Nothing => vec![selector(PortMatch::Numbers(ConnectionSet::empty()))],
    }
}
