//! Names and phrases for policies, rules and selectors.

use super::list::{Length, block_names};
use super::world::World;
use crate::cluster::{ClusterState, Selector};
use crate::diagnostic::Span;
use crate::net::Protocol;
use crate::policy::{
    NamespaceMatch, PeerForm, PeerMatch, PeerSelector, Peers, PodsMatch, Policy, PolicyId,
    PolicyKind, PolicySet, PortMatch, PortSelector, Ports, RuleId,
};
use std::sync::Arc;

/// Puts a decision into words: the world, and the policies that decided in it, as they are enforced or as
/// they are declared.
#[derive(Clone, Copy)]
pub(super) struct Words<'w> {
    pub(super) world: &'w World,
    pub(super) policies: &'w PolicySet,
}

impl<'w> Words<'w> {
    /// About the policies as they are enforced.
    pub(super) fn effective(world: &'w World) -> Self {
        Self { world, policies: &world.policies }
    }

    /// About the policies as they are declared.
    pub(super) fn declared(world: &'w World) -> Self {
        Self { world, policies: &world.declared }
    }

    pub(super) fn cluster(self) -> &'w ClusterState {
        &self.world.cluster
    }

    /// The name of the CNI.
    pub(super) fn cni(self) -> &'w str {
        self.world.cni.as_ref().map_or("the CNI", |cni| cni.name())
    }

    /// `db-from-api, rule 1`; of a policy of another API with its kind, and with the rule's own name:
    /// `ClusterNetworkPolicy tenants, rule 2 (others)`.
    pub(super) fn rule_name(self, id: RuleId) -> String {
        let rule = self.policies.rule(id);
        let policy = self.policy_name(rule.policy);
        let own = rule.name.as_ref().map(|name| format!(" ({})", plain(name)));
        format!("{policy}, rule {}{}", rule.index + 1, own.unwrap_or_default())
    }

    pub(super) fn policy_name(self, id: PolicyId) -> String {
        let policy = self.policies.policy(id);
        match policy.kind {
            PolicyKind::NetworkPolicy => policy.name.to_string(),
            kind => format!("{kind} {}", policy.name),
        }
    }

    /// Whom a rule is about: `anybody`, `app=web in shop or 10.0.0.0/8`.
    pub(super) fn peers(self, peers: &Peers) -> String {
        match peers {
            Peers::Any => "anybody".into(),
            Peers::Of(list) if list.is_empty() => "nobody".into(),
            Peers::Of(list) => {
                let each: Vec<String> = list.iter().map(|peer| self.peer(peer)).collect();
                each.join(" or ")
            }
        }
    }

    /// Whom one selector of a rule is about.
    pub(super) fn peer(self, peer: &PeerSelector) -> String {
        if let PeerForm::Block { cidr, except } = &peer.form {
            let mut text = cidr.to_string();
            if !except.is_empty() {
                let except: Vec<String> = except.iter().map(ToString::to_string).collect();
                text.push_str(&format!(" except {}", except.join(", ")));
            }
            return text;
        }
        match &peer.matches {
            PeerMatch::Pods(pods) => self.pods(pods),
            PeerMatch::Addresses(set, _) => block_names(set, Length::Short),
            PeerMatch::Placed(_) => "the nodes of pods on their network".into(),
            PeerMatch::Nodes(selector) => match everything_or(selector) {
                None => "every node".into(),
                Some(text) => format!("nodes with {text}"),
            },
            PeerMatch::Domains(names) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                names.join(", ")
            }
        }
    }

    /// Which pods a selector is about: `app=web in shop`, `every pod in namespaces with team=red`.
    pub(super) fn pods(self, pods: &PodsMatch) -> String {
        let who = everything_or(&pods.pods).unwrap_or_else(|| "every pod".into());
        match &pods.namespaces {
            NamespaceMatch::Is(id) => {
                format!("{who} in {}", self.cluster().namespace(*id).name)
            }
            NamespaceMatch::Labelled(selector) => match everything_or(selector) {
                None => format!("{who} in every namespace"),
                Some(text) => format!("{who} in namespaces with {text}"),
            },
        }
    }
}

/// Where to point for the pods that a policy is about: at the one requirement, where there is one.
pub(super) fn subject_place(policy: &Policy) -> Span {
    match policy.subject.pods.requirements() {
        [only] if policy.kind == PolicyKind::NetworkPolicy => only.span,
        _ => policy.span,
    }
}

/// Where to point for a peer: at the one requirement, where there is one.
pub(super) fn place(peer: &PeerSelector) -> Span {
    let PeerMatch::Pods(pods) = &peer.matches else { return peer.span };
    let of_namespaces = match &pods.namespaces {
        NamespaceMatch::Is(_) => &[],
        NamespaceMatch::Labelled(selector) => selector.requirements(),
    };
    match (pods.pods.requirements(), of_namespaces) {
        ([only], []) | ([], [only]) => only.span,
        _ => peer.span,
    }
}

/// A name that its author was free to choose, without what a terminal would act on.
pub(super) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A selector as `kubectl -l` takes it, unless it selects everything.
fn everything_or(selector: &Selector) -> Option<String> {
    (!selector.requirements().is_empty()).then(|| selector.to_string())
}

/// The ports of a rule: `tcp/80, udp/dns`.
pub(super) fn ports(ports: &Ports) -> String {
    match ports {
        Ports::Any => "every port".into(),
        Ports::Of(list) if list.is_empty() => "no port".into(),
        Ports::Of(list) => port_list(list.iter()),
    }
}

/// Several port selectors. A name of every protocol is one name to whoever wrote it.
pub(super) fn port_list<'p>(list: impl Iterator<Item = &'p PortSelector>) -> String {
    let list: Vec<&PortSelector> = list.collect();
    let name = |port: &PortSelector| match &port.matches {
        PortMatch::Named { name, .. } => Some(Arc::clone(name)),
        PortMatch::Numbers(_) => None,
    };
    let of_every_protocol = |wanted: &Arc<str>| {
        list.iter().filter(|port| name(port).as_ref() == Some(wanted)).count()
            == Protocol::ALL.len()
    };
    let mut each: Vec<String> = list
        .iter()
        .map(|own| match name(own).filter(of_every_protocol) {
            Some(name) => format!("port {name}"),
            None => port(own),
        })
        .collect();
    each.dedup();
    each.join(", ")
}

/// One port selector of a rule.
pub(super) fn port(port: &PortSelector) -> String {
    match &port.matches {
        PortMatch::Numbers(set) if set.is_empty() => "no port".into(),
        PortMatch::Numbers(set) => set.to_string(),
        PortMatch::Named { protocol, name } => format!("{protocol}/{name}"),
    }
}

/// The last part of a printed name: `shop/deploy/web` → `web`. Addresses and phrases stay whole.
pub(super) fn short(name: &str) -> &str {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [_, _, last] if !name.contains(' ') => last,
        _ => name,
    }
}
