//! What enforcers make of ports.

use super::super::profile::When;
use super::Rewrite;
use crate::cluster::{NamespaceId, PodId};
use crate::diagnostic::Span;
use crate::net::{ConnectionSet, Protocol};
use crate::policy::{
    Direction, EffectId, PeerMatch, PeerSelector, Peers, PodsMatch, PortMatch, PortSelector, Ports,
    Rule, RuleId,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
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

    /// The numbers that a name has on pods, by their regular containers.
    fn numbers_of(
        &self,
        pods: impl IntoIterator<Item = PodId>,
        protocol: Protocol,
        name: &str,
    ) -> BTreeSet<u16> {
        let each = pods.into_iter();
        each.flat_map(|id| self.cluster.named_ports(id, protocol, name, false)).collect()
    }

    /// Pods with addresses of their own in the namespace of a rule's policy.
    fn pods_beside(&self, id: RuleId) -> Vec<PodId> {
        let own = self.set.policy(self.set.rule(id).policy).namespace;
        let pods = own.into_iter().flat_map(|namespace| self.cluster.pods_in(namespace));
        pods.filter(|&id| !self.cluster.pod(id).host_network).collect()
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
                let by_name = self.without.contains(&EffectId::NamedPortAllPorts);
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
                    (Some(_), _) if by_name => kept.push(port.clone()),
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
            let [_, selected] = self.selected(subject);
            let on_node = self.on_node_network(subject);
            let mut maybe = Vec::new();
            let list: Vec<PortSelector> = list
                .into_iter()
                .map(|port| {
                    let Some((protocol, name)) = named(&port) else { return port };
                    let theirs = self.numbers_of(on_node.iter().copied(), protocol, name);
                    if !theirs.is_empty() {
                        let matches = PortMatch::Numbers(numbers(protocol, &theirs));
                        maybe.push(PortSelector { matches, ..port.clone() });
                    }
                    let all = self.numbers_of(selected.iter().copied(), protocol, name);
                    PortSelector { matches: PortMatch::Numbers(numbers(protocol, &all)), ..port }
                })
                .collect();
            if maybe.is_empty() {
                self.set_ports(id, Ports::Of(list));
            } else {
                let why = "pods on their node's network are selected, too, and may count";
                self.doubt_ports(id, Ports::Of(list), Ports::Of(maybe), why.to_owned());
            }
            let text = "each selected pod is open on the numbers of all".to_owned();
            self.note_rule(effect, true, id, text, span);
        }
        for (id, list, span) in self.rules_with_names(Some(Direction::Egress)) {
            let without: Vec<PortSelector> =
                list.iter().filter(|port| named(port).is_none()).cloned().collect();
            let text = "names count for pods only, not beside blocks and without peers".to_owned();
            if matches!(self.set.rule(id).peers, Peers::Any) {
                self.set_ports(id, Ports::Of(without));
                self.note_rule(effect, true, id, text, span);
            } else if self.split_blocks(id, &list) {
                self.note_rule(effect, true, id, text, span);
            }
        }
    }

    pub(super) fn named_ports_one_per_cluster(&mut self, sure: bool, when: &When) {
        for (id, list, span) in self.rules_with_names(Some(Direction::Egress)) {
            let cluster = self.cluster;
            let found: Vec<Option<(Protocol, BTreeSet<u16>)>> = list
                .iter()
                .map(|port| {
                    let (protocol, name) = named(port)?;
                    let pods = cluster.pod_ids().filter(|&id| !cluster.pod(id).host_network);
                    Some((protocol, self.numbers_of(pods, protocol, name)))
                })
                .collect();
            let count = |found: &Option<(Protocol, BTreeSet<u16>)>| {
                found.as_ref().map(|(_, numbers)| numbers.len())
            };
            let (mut old, mut both) = (Vec::new(), Vec::new());
            for (port, found) in list.iter().zip(&found).filter(|(_, own)| count(own) < Some(2)) {
                both.push(port.clone());
                old.push(match found {
                    None => port.clone(),
                    Some((protocol, all)) => {
                        let matches = PortMatch::Numbers(numbers(*protocol, all));
                        PortSelector { matches, ..port.clone() }
                    }
                });
            }
            let text = if found.iter().any(|own| count(own) > Some(1)) {
                "a name that has several numbers in the cluster is left out"
            } else if found.iter().any(|own| count(own) == Some(0)) {
                "no pod has the name: the port is left out"
            } else {
                "the name stands for its one number in the cluster, on every destination"
            };
            if sure {
                self.set_ports(id, Ports::Of(old));
            } else {
                let why = self.open_setting(when);
                // What has one number stands for it either way, where the destination has the name.
                let either = list.into_iter().chain(old).collect();
                self.doubt_ports(id, Ports::Of(both), Ports::Of(either), why);
            }
            self.note_rule(EffectId::NamedPortClusterWide, sure, id, text.to_owned(), span);
        }
    }

    pub(super) fn named_ports_one_per_namespace(&mut self) {
        for (id, list, span) in self.rules_with_names(None) {
            let cluster = self.cluster;
            let pods = self.pods_beside(id);
            let mut several = false;
            let mut sure = Vec::new();
            let mut maybe = Vec::new();
            for port in list {
                let Some((protocol, name)) = named(&port) else {
                    sure.push(port);
                    continue;
                };
                // Later versions look at init containers that go on running, earlier ones do not.
                let of = |sidecars| -> BTreeSet<u16> {
                    let each = pods.iter().flat_map(|&id| {
                        Protocol::ALL
                            .map(|any| cluster.named_ports(id, any, name, sidecars))
                            .concat()
                    });
                    each.collect()
                };
                let all = of(true);
                let matches = PortMatch::Numbers(numbers(protocol, &all));
                let found = PortSelector { matches, ..port.clone() };
                if all.len() > 1 || all != of(false) {
                    several = true;
                    maybe.push(found);
                } else {
                    sure.push(found);
                }
            }
            if several {
                let why = "which number the name has in the namespace cannot be said: that of the first pod, or of an init container";
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

    /// Names of egress without peers are the numbers that pods of the policy's namespace have for them,
    /// on every destination; beside blocks they are nothing.
    pub(super) fn named_ports_of_own_namespace(&mut self) {
        for (id, list, span) in self.rules_with_names(Some(Direction::Egress)) {
            let pods = self.pods_beside(id);
            let of = |port: &PortSelector| -> PortSelector {
                let Some((protocol, name)) = named(port) else { return port.clone() };
                let all = self.numbers_of(pods.iter().copied(), protocol, name);
                PortSelector {
                    matches: PortMatch::Numbers(numbers(protocol, &all)),
                    ..port.clone()
                }
            };
            let effect = EffectId::NamedPortPerNamespace;
            if matches!(self.set.rule(id).peers, Peers::Any) {
                self.set_ports(id, Ports::Of(list.iter().map(of).collect()));
                let text =
                    "without peers the name is the numbers of pods in the policy's namespace";
                self.note_rule(effect, true, id, text.to_owned(), span);
            } else if self.split_blocks(id, &list) {
                let text = "beside blocks the name stands for nothing".to_owned();
                self.note_rule(effect, true, id, text, span);
            }
        }
    }

    /// Takes names away from the blocks of a rule, which become a rule of their own; whether there are
    /// any.
    fn split_blocks(&mut self, id: RuleId, list: &[PortSelector]) -> bool {
        let Some(rule) = self.set.rules.get_mut(id.index()) else { return false };
        let Peers::Of(peers) = &rule.peers else { return false };
        let is_block = |peer: &PeerSelector| matches!(peer.matches, PeerMatch::Addresses(..));
        let (blocks, others): (Vec<_>, Vec<_>) = peers.iter().cloned().partition(is_block);
        if blocks.is_empty() {
            return false;
        }
        let unnamed = list.iter().filter(|port| named(port).is_none()).cloned().collect();
        rule.peers = Peers::Of(others);
        let beside = Rule { peers: Peers::Of(blocks), ports: Ports::Of(unnamed), ..rule.clone() };
        self.add_rule(id, beside);
        true
    }

    /// Pods on their node's network that a selector is about by labels.
    fn on_node_network(&self, selector: &PodsMatch) -> Vec<PodId> {
        let about = |id: &PodId| self.is_labelled(selector, *id) != Some(false);
        self.host_network.iter().copied().filter(about).collect()
    }

    /// Egress to pods on their node's network by name: their numbers, at the address of their node.
    pub(super) fn names_on_node_network(
        &self,
        rule: &Rule,
        selector: &PodsMatch,
    ) -> Vec<PortSelector> {
        let Ports::Of(ports) = &rule.ports else { return Vec::new() };
        let pods = self.on_node_network(selector);
        let numbered = ports.iter().filter_map(|port| {
            let (protocol, name) = named(port)?;
            let each = self.numbers_of(pods.iter().copied(), protocol, name);
            let matches = PortMatch::Numbers(numbers(protocol, &each));
            (!each.is_empty()).then(|| PortSelector { matches, ..port.clone() })
        });
        numbered.collect()
    }

    /// The pods that a rule's selectors may match.
    fn peer_pods(&self, rule: &Rule) -> BTreeSet<PodId> {
        let Peers::Of(list) = &rule.peers else { return BTreeSet::new() };
        let each = list.iter().filter_map(|peer| match &peer.matches {
            PeerMatch::Pods(pods) => Some(self.selected(pods)),
            _ => None,
        });
        each.flat_map(|[_, maybe]| maybe).collect()
    }

    /// More ports of an address than there is room for: which of them are lost is chance. All rules of
    /// a pod in a direction share the room.
    pub(super) fn limit_ports(&mut self, limit: usize) {
        let count = |rule: &Rule| match &rule.ports {
            Ports::Any => 1,
            Ports::Of(ports) => ports
                .iter()
                .map(|port| match &port.matches {
                    // A range is one entry.
                    PortMatch::Numbers(set) => set.ranges().count(),
                    PortMatch::Named { .. } => 1,
                })
                .sum::<usize>(),
        };
        let same = |one: &Rule, other: &Rule| match (&one.peers, &other.peers) {
            (Peers::Any, Peers::Any) => true,
            (Peers::Of(one), Peers::Of(other)) => {
                one.iter().any(|a| other.iter().any(|b| a.matches == b.matches))
            }
            _ => false,
        };
        let mut groups: BTreeMap<(Option<NamespaceId>, usize), Vec<RuleId>> = BTreeMap::new();
        for id in self.rules_of(None) {
            let rule = self.set.rule(id);
            let namespace = self.set.policy(rule.policy).namespace;
            groups.entry((namespace, rule.direction.index())).or_default().push(id);
        }
        let mut over = Vec::new();
        for group in groups.values() {
            // Where all together have room there is nothing to look up, and that is nearly everywhere.
            if group.iter().map(|&id| count(self.set.rule(id))).sum::<usize>() <= limit {
                continue;
            }
            let subjects = self.subjects(group);
            // Every pod is an address of its own, whichever selectors match it.
            let pods_of: HashMap<RuleId, BTreeSet<PodId>> =
                group.iter().map(|&id| (id, self.peer_pods(self.set.rule(id)))).collect();
            for &id in group {
                let rule = self.set.rule(id);
                let together = |other: &&RuleId| {
                    let theirs = self.set.rule(**other);
                    !subjects[&rule.policy][1].is_disjoint(&subjects[&theirs.policy][1])
                        && (same(rule, theirs) || !pods_of[&id].is_disjoint(&pods_of[*other]))
                };
                let others = group.iter().filter(together).map(|&other| self.set.rule(other));
                let total: usize = others.map(count).sum();
                if total > limit {
                    over.push((id, total, rule.ports.clone(), rule.span));
                }
            }
        }
        for (id, total, ports, span) in over {
            let why = format!("there are {total} ports for the same peers, and room for {limit}");
            self.doubt_ports(id, Ports::Of(Vec::new()), ports, why.clone());
            self.note_rule(EffectId::PortCountLimit, false, id, why, span);
        }
    }
}
