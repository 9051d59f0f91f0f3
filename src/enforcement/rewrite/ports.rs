//! What enforcers make of ports.

use super::super::profile::When;
use super::Rewrite;
use crate::cluster::PodId;
use crate::diagnostic::Span;
use crate::net::{ConnectionSet, Protocol};
use crate::policy::{
    Direction, EffectId, PeerMatch, Peers, PortMatch, PortSelector, Ports, Rule, RuleId,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A port by name, of a protocol.
fn named(port: &PortSelector) -> Option<(Protocol, &Arc<str>)> {
    match &port.matches {
        PortMatch::Named { protocol, name } => Some((*protocol, name)),
        PortMatch::Numbers(_) => None,
    }
}

/// The protocol of a port that is all of it.
fn whole(port: &PortSelector) -> Option<Protocol> {
    let PortMatch::Numbers(set) = &port.matches else { return None };
    let found = Protocol::ALL.into_iter().find(|&p| *set == ConnectionSet::protocol(p));
    found.filter(|_| port.first.is_none())
}

/// The protocol of ports by number.
fn numbered(port: &PortSelector) -> Option<Protocol> {
    match &port.matches {
        PortMatch::Numbers(set) if whole(port).is_none() => {
            set.ranges().next().map(|(protocol, ..)| protocol)
        }
        _ => None,
    }
}

fn numbers(protocol: Protocol, numbers: &BTreeSet<u16>) -> ConnectionSet {
    let each = numbers.iter().map(|&number| ConnectionSet::port(protocol, number));
    each.fold(ConnectionSet::empty(), |all, one| all.union(&one))
}

impl Rewrite<'_> {
    /// Rules with a port by name, in a direction or in both, and where that stands.
    fn rules_with_names(
        &self,
        direction: Option<Direction>,
    ) -> Vec<(RuleId, Vec<PortSelector>, Span)> {
        let rules = self.rules_of(direction).into_iter();
        rules
            .filter_map(|id| {
                let Ports::Of(list) = &self.set.rule(id).ports else { return None };
                let span = list.iter().find(|port| named(port).is_some())?.span;
                Some((id, list.clone(), span))
            })
            .collect()
    }

    fn set_ports(&mut self, id: RuleId, ports: Ports) {
        if let Some(rule) = self.set.rules.get_mut(id.index()) {
            rule.ports = ports;
        }
    }

    pub(super) fn named_ports_all(&mut self) {
        for id in self.rules_of(None) {
            let Ports::Of(list) = &self.set.rule(id).ports else { continue };
            let mut kept = Vec::new();
            let mut notes = Vec::new();
            for port in list {
                let beside = |protocol| list.iter().any(|other| numbered(other) == Some(protocol));
                let keeps = self.without.contains(&EffectId::NamedPortLost);
                match (named(port), whole(port)) {
                    (named, whole)
                        if keeps
                            && named
                                .map(|(protocol, _)| protocol)
                                .or(whole)
                                .is_some_and(beside) =>
                    {
                        kept.push(port.clone());
                    }
                    (Some((protocol, name)), _) if beside(protocol) => notes.push((
                        EffectId::NamedPortLost,
                        format!("`{name}` is left out beside numbers of {protocol}"),
                        port.span,
                    )),
                    (Some((protocol, name)), _) => {
                        notes.push((
                            EffectId::NamedPortAllPorts,
                            format!("`{name}` opens every port of {protocol}"),
                            port.span,
                        ));
                        kept.push(PortSelector {
                            matches: PortMatch::Numbers(ConnectionSet::protocol(protocol)),
                            ..port.clone()
                        });
                    }
                    (None, Some(protocol)) if beside(protocol) => notes.push((
                        EffectId::NamedPortLost,
                        format!("{protocol} without a port is left out beside numbers of it"),
                        port.span,
                    )),
                    _ => kept.push(port.clone()),
                }
            }
            if !notes.is_empty() {
                self.set_ports(id, Ports::Of(kept));
            }
            for (effect, text, span) in notes {
                self.note_rule(effect, true, id, text, span);
            }
        }
    }

    pub(super) fn named_ports_none(&mut self) {
        for (id, mut list, span) in self.rules_with_names(None) {
            list.retain(|port| named(port).is_none());
            let text = if list.is_empty() {
                "the rule allows nothing: its ports are names".to_owned()
            } else {
                "what it opens by name stays closed".to_owned()
            };
            self.set_ports(id, Ports::Of(list));
            self.note_rule(EffectId::NamedPortIgnored, true, id, text, span);
        }
    }

    pub(super) fn named_ports_of_selected(&mut self) {
        let effect = EffectId::NamedPortUnion;
        for (id, list, span) in self.rules_with_names(Some(Direction::Ingress)) {
            let subject = &self.set.policy(self.set.rule(id).policy).subject;
            let cluster = self.cluster;
            let selected: Vec<PodId> = cluster
                .pod_ids()
                .filter(|&id| {
                    let pod = cluster.pod(id);
                    subject.matches(pod, cluster.namespace(pod.namespace)) != Some(false)
                })
                .collect();
            let list = list.into_iter().map(|port| {
                let Some((protocol, name)) = named(&port) else { return port };
                let all: BTreeSet<u16> = selected
                    .iter()
                    .flat_map(|&id| cluster.named_ports(id, protocol, name, false))
                    .collect();
                PortSelector { matches: PortMatch::Numbers(numbers(protocol, &all)), ..port }
            });
            let list = list.collect();
            self.set_ports(id, Ports::Of(list));
            let text = "each selected pod is open on the numbers of all".to_owned();
            self.note_rule(effect, true, id, text, span);
        }
        for (id, list, span) in self.rules_with_names(Some(Direction::Egress)) {
            let without: Vec<PortSelector> =
                list.iter().filter(|port| named(port).is_none()).cloned().collect();
            let text = "names count for pods only, not beside blocks and without peers".to_owned();
            match &self.set.rule(id).peers {
                Peers::Any => {
                    self.set_ports(id, Ports::Of(without));
                    self.note_rule(effect, true, id, text, span);
                }
                Peers::Of(peers) => {
                    let is_block = |peer: &&crate::policy::PeerSelector| {
                        matches!(peer.matches, PeerMatch::Addresses(..))
                    };
                    let blocks: Vec<_> = peers.iter().filter(is_block).cloned().collect();
                    if blocks.is_empty() {
                        continue;
                    }
                    let pods: Vec<_> =
                        peers.iter().filter(|peer| !is_block(peer)).cloned().collect();
                    let Some(rule) = self.set.rules.get_mut(id.index()) else { continue };
                    rule.peers = Peers::Of(pods);
                    let beside = Rule {
                        peers: Peers::Of(blocks),
                        ports: Ports::Of(without),
                        ..rule.clone()
                    };
                    self.add_rule(beside);
                    self.note_rule(effect, true, id, text, span);
                }
            }
        }
    }

    pub(super) fn named_ports_one_per_cluster(&mut self, sure: bool, when: &When) {
        for (id, list, span) in self.rules_with_names(Some(Direction::Egress)) {
            let cluster = self.cluster;
            let mut several = false;
            let old: Vec<PortSelector> = list
                .iter()
                .filter_map(|port| {
                    let Some((protocol, name)) = named(port) else { return Some(port.clone()) };
                    let all: BTreeSet<u16> = cluster
                        .pod_ids()
                        .flat_map(|id| cluster.named_ports(id, protocol, name, false))
                        .collect();
                    several |= all.len() > 1;
                    let matches = PortMatch::Numbers(numbers(protocol, &all));
                    (all.len() < 2).then(|| PortSelector { matches, ..port.clone() })
                })
                .collect();
            let text = if several {
                "the name has several numbers in the cluster: the port is left out"
            } else {
                "the name stands for its one number in the cluster, on every destination"
            };
            if sure {
                self.set_ports(id, Ports::Of(old));
            } else {
                let why = self.open_setting(when);
                let unnamed = list.iter().filter(|port| named(port).is_none()).cloned().collect();
                let either = list.into_iter().chain(old).collect();
                self.doubt_ports(id, Ports::Of(unnamed), Ports::Of(either), why);
            }
            self.note_rule(EffectId::NamedPortClusterWide, sure, id, text.to_owned(), span);
        }
    }

    pub(super) fn named_ports_one_per_namespace(&mut self) {
        for (id, list, span) in self.rules_with_names(None) {
            let cluster = self.cluster;
            let own = self.set.policy(self.set.rule(id).policy).namespace;
            let pods: Vec<PodId> =
                own.into_iter().flat_map(|namespace| cluster.pods_in(namespace)).collect();
            let mut several = false;
            let mut sure = Vec::new();
            let mut maybe = Vec::new();
            for port in list {
                let Some((protocol, name)) = named(&port) else {
                    sure.push(port);
                    continue;
                };
                let all: BTreeSet<u16> = pods
                    .iter()
                    .flat_map(|&id| {
                        Protocol::ALL.map(|any| cluster.named_ports(id, any, name, false)).concat()
                    })
                    .collect();
                let matches = PortMatch::Numbers(numbers(protocol, &all));
                let found = PortSelector { matches, ..port.clone() };
                if all.len() > 1 {
                    several = true;
                    maybe.push(found);
                } else {
                    sure.push(found);
                }
            }
            if several {
                let why =
                    "the name has several numbers in the namespace, and the first pod's counts";
                self.doubt_ports(id, Ports::Of(sure), Ports::Of(maybe), why.to_owned());
            } else {
                self.set_ports(id, Ports::Of(sure));
            }
            let text = "the name is looked up in the policy's own namespace".to_owned();
            self.note_rule(EffectId::NamedPortPerNamespace, !several, id, text, span);
        }
    }

    pub(super) fn narrow_end_port(&mut self, sure: bool, when: &When) {
        for id in self.rules_of(None) {
            let Ports::Of(list) = &self.set.rule(id).ports else { continue };
            let ranged = list.iter().find_map(|port| port.first.map(|first| (first, port.span)));
            let Some(((protocol, first), span)) = ranged else { continue };
            let narrow: Vec<PortSelector> = list
                .iter()
                .map(|port| match port.first {
                    Some((protocol, first)) => PortSelector {
                        matches: PortMatch::Numbers(ConnectionSet::port(protocol, first)),
                        ..port.clone()
                    },
                    None => port.clone(),
                })
                .collect();
            if sure {
                self.set_ports(id, Ports::Of(narrow));
            } else {
                let whole = Ports::Of(list.clone());
                let why = self.open_setting(when);
                self.doubt_ports(id, Ports::Of(narrow), whole, why);
            }
            let text = format!("of the range {protocol}/{first} alone is open");
            self.note_rule(EffectId::EndPortNarrowed, sure, id, text, span);
        }
    }

    /// More ports of a block than there is room for: which of them are lost is chance.
    pub(super) fn limit_ports(&mut self, limit: usize) {
        for id in self.rules_of(None) {
            let rule = self.set.rule(id);
            let (Ports::Of(ports), Peers::Of(peers)) = (&rule.ports, &rule.peers) else { continue };
            let block = peers.iter().find(|peer| matches!(peer.matches, PeerMatch::Addresses(..)));
            let (Some(block), true) = (block, ports.len() > limit) else { continue };
            let span = block.span;
            let why = format!("it has {} ports, and a block has room for {limit}", ports.len());
            let all = rule.ports.clone();
            self.doubt_ports(id, Ports::Of(Vec::new()), all, why.clone());
            self.note_rule(EffectId::PortCountLimit, false, id, why, span);
        }
    }
}
