//! What enforcers make of peers.

use super::super::profile::When;
use super::Rewrite;
use crate::cluster::{Labels, NamespaceId, NodeId, PodId};
use crate::diagnostic::Span;
use crate::net::IpSet;
use crate::policy::{
    Action, Direction, EffectId, NamespaceMatch, PeerForm, PeerMatch, PeerSelector, Peers, Placed,
    PodsMatch, PolicyId, PolicyKind, Ports, Reach, Rule, RuleId,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The namespace that stands for nodes in OpenShift: a namespaceSelector that matches it matches them
/// (ovn-kubernetes, `go-controller/pkg/ovn/base_network_controller_namespace.go`).
const HOST_NETWORK_NAMESPACE: &str = "openshift-host-network";

/// Every address of either family.
const EVERYWHERE: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
];

fn everywhere(cidr: IpNet, span: Span) -> PeerSelector {
    PeerSelector {
        matches: PeerMatch::Addresses(IpSet::block(cidr), Reach::EVERYBODY),
        form: PeerForm::Block { cidr, except: Vec::new() },
        span,
    }
}

impl Rewrite<'_> {
    pub(super) fn blocks_reach(&mut self, pods: bool, nodes: bool, sure: bool, when: &When) {
        let all: Vec<RuleId> = self
            .all_policies()
            .into_iter()
            .filter(|&id| self.set.policy(id).kind != PolicyKind::EgressFirewall)
            .flat_map(|id| self.set.policy(id).rules.concat())
            .collect();
        for id in all {
            let Peers::Of(list) = &self.set.rule(id).peers else { continue };
            let block = list.iter().find(|peer| matches!(peer.matches, PeerMatch::Addresses(..)));
            let Some(span) = block.map(|peer| peer.span) else { continue };
            let narrowed: Vec<PeerSelector> = list
                .iter()
                .map(|peer| match &peer.matches {
                    PeerMatch::Addresses(set, reach) => {
                        let reach = Reach { pods: pods && reach.pods, nodes: nodes && reach.nodes };
                        PeerSelector {
                            matches: PeerMatch::Addresses(set.clone(), reach),
                            ..peer.clone()
                        }
                    }
                    _ => peer.clone(),
                })
                .collect();
            let text = match (pods, nodes) {
                (false, false) => "the block matches neither pods nor nodes",
                (false, true) => "the block matches no pods",
                (true, false) => "the block matches no nodes",
                (true, true) => continue,
            };
            if sure {
                if let Some(rule) = self.set.rules.get_mut(id.index()) {
                    rule.peers = Peers::Of(narrowed);
                }
            } else {
                let whole = Peers::Of(list.clone());
                let why = self.open_setting(when);
                self.doubt_peers(id, Peers::Of(narrowed), whole, why);
            }
            self.note_rule(EffectId::BlockNotCluster, sure, id, text.to_owned(), span);
        }
    }

    /// Selectors match pods on their node's network, by the address of the node: whoever has that
    /// address is matched with them.
    pub(super) fn select_host_network(&mut self, with_pod_selector: bool) {
        for id in self.rules_of(None) {
            let Peers::Of(list) = &self.set.rule(id).peers else { continue };
            let (mut added, mut maybe, mut named) = (Vec::new(), Vec::new(), Vec::new());
            for peer in list {
                let PeerMatch::Pods(pods) = &peer.matches else { continue };
                let written = !with_pod_selector || peer.form == PeerForm::Pods;
                let placed =
                    if written { self.placed(pods) } else { self.nodes_by_namespace(pods) };
                if !written && self.may_be_nodes(pods) {
                    let nodes = self.cluster.node_ids().collect();
                    let matches = PeerMatch::Placed(Placed { nodes, ..Placed::default() });
                    maybe.push(PeerSelector { matches, ..peer.clone() });
                }
                if placed != Placed::default() {
                    let ports = self.names_on_node_network(self.set.rule(id), pods);
                    let matches = PeerMatch::Placed(placed);
                    if self.set.rule(id).direction == Direction::Egress && !ports.is_empty() {
                        named.push((
                            PeerSelector { matches: matches.clone(), ..peer.clone() },
                            ports,
                        ));
                    }
                    added.push(PeerSelector { matches, ..peer.clone() });
                }
            }
            for (peer, ports) in named {
                let rule = self.set.rule(id).clone();
                let doubt =
                    Some("a name of a pod on its node's network may count at its node".into());
                let (peers, ports) = (Peers::Of(vec![peer]), Ports::Of(ports));
                self.add_rule(id, Rule { peers, ports, doubt, ..rule });
            }
            if let Some(span) = added.first().map(|peer| peer.span) {
                let rule = self.set.rules.get_mut(id.index());
                if let Some(Rule { peers: Peers::Of(list), .. }) = rule {
                    list.extend(added);
                }
                let text = "pods on their node's network match, and with them all of their node";
                self.note_rule(EffectId::HostNetworkSelected, true, id, text.to_owned(), span);
            }
            if let Some(span) = maybe.first().map(|peer| peer.span) {
                let rule = self.set.rule(id).clone();
                let why = format!(
                    "it matches nodes where the cluster has the namespace `{HOST_NETWORK_NAMESPACE}`, which the input does not show"
                );
                let doubt = Some(why.as_str().into());
                self.add_rule(id, Rule { peers: Peers::Of(maybe), doubt, ..rule });
                self.note_rule(EffectId::HostNetworkSelected, false, id, why, span);
            }
        }
    }

    /// Pods on their nodes' network whose labels are those that a selector wants.
    fn placed(&self, selector: &PodsMatch) -> Placed {
        let mut placed = Placed::default();
        for &id in &self.host_network {
            let pod = self.cluster.pod(id);
            match (self.is_labelled(selector, id), pod.node) {
                (Some(true), Some(node)) => placed.nodes.push(node),
                (Some(true), None) => placed.unplaced.push(id),
                (None, _) => placed.doubtful.push(id),
                (Some(false), _) => {}
            }
        }
        placed.nodes.sort_unstable();
        placed.nodes.dedup();
        placed
    }

    /// Whether a pod has the labels that a selector wants, on whichever network it is.
    pub(super) fn is_labelled(&self, selector: &PodsMatch, id: PodId) -> Option<bool> {
        let pod = self.cluster.pod(id);
        let namespace = self.cluster.namespace(pod.namespace);
        selector.matches_labels(pod.namespace, namespace, &pod.labels)
    }

    /// Whether a selector may match the namespace of nodes, which the input does not have, by the labels
    /// that OpenShift gives it.
    fn may_be_nodes(&self, selector: &PodsMatch) -> bool {
        let NamespaceMatch::Labelled(labels) = &selector.namespaces else { return false };
        match self.cluster.find_namespace(HOST_NETWORK_NAMESPACE) {
            // What OpenShift gives it.
            None => labels.matches(&Labels::new([
                ("kubernetes.io/metadata.name".into(), HOST_NETWORK_NAMESPACE.into()),
                ("policy-group.network.openshift.io/host-network".into(), "".into()),
            ])),
            Some(id) => labels.matches_namespace(self.cluster.namespace(id)).is_none(),
        }
    }

    fn nodes_by_namespace(&self, selector: &PodsMatch) -> Placed {
        let host = self.cluster.find_namespace(HOST_NETWORK_NAMESPACE);
        let matched = match (&selector.namespaces, host) {
            (NamespaceMatch::Labelled(selector), Some(id)) => {
                selector.matches_namespace(self.cluster.namespace(id)) == Some(true)
            }
            _ => false,
        };
        let nodes: Vec<NodeId> =
            if matched { self.cluster.node_ids().collect() } else { Vec::new() };
        Placed { nodes, ..Placed::default() }
    }

    /// A policy of both types is entered for both directions alike: where both pods are selected by it,
    /// what it allows in one direction is open in the other, too.
    pub(super) fn leak_directions(&mut self) {
        for id in self.all_policies() {
            let policy = self.set.policy(id);
            if policy.kind != PolicyKind::NetworkPolicy || policy.isolates != [true, true] {
                continue;
            }
            let subject = policy.subject.clone();
            let mut leaked = Vec::new();
            for direction in Direction::ALL {
                let other = direction.opposite();
                for &rule_id in &policy.rules[direction.index()] {
                    let rule = self.set.rule(rule_id);
                    let own = match &rule.peers {
                        Peers::Any => None,
                        Peers::Of(list) => {
                            Some(list.iter().map(|peer| peer.matches.clone()).collect())
                        }
                    };
                    let peer = PeerSelector {
                        matches: PeerMatch::Pods(subject.clone()),
                        form: PeerForm::Other,
                        span: rule.span,
                    };
                    leaked.push((
                        rule_id,
                        Rule {
                            direction: other,
                            name: Some(super::shared("leaked from the other direction")),
                            own,
                            peers: Peers::Of(vec![peer]),
                            effects: vec![EffectId::CrossDirectionLeak],
                            ..rule.clone()
                        },
                    ));
                }
            }
            for (rule_id, rule) in leaked {
                let text =
                    format!("between pods of the policy it opens {} as well", rule.direction);
                let span = rule.span;
                self.add_rule(rule_id, rule);
                self.note_rule(EffectId::CrossDirectionLeak, true, rule_id, text, span);
            }
        }
    }

    /// The blocks of one rule and their exceptions share a set: with iptables the most specific entry
    /// decides, with nftables every exception does.
    pub(super) fn share_block_sets(&mut self) {
        for id in self.rules_of(None) {
            let rule = self.set.rule(id);
            let Peers::Of(list) = &rule.peers else { continue };
            let blocks: Vec<(IpNet, &[IpNet])> = list
                .iter()
                .filter_map(|peer| match &peer.form {
                    PeerForm::Block { cidr, except } => Some((*cidr, except.as_slice())),
                    _ => None,
                })
                .collect();
            if blocks.len() < 2 || blocks.iter().all(|(_, except)| except.is_empty()) {
                continue;
            }
            let declared = blocks.iter().fold(IpSet::empty(), |all, (cidr, except)| {
                let own = IpSet::block(*cidr).difference(&IpSet::blocks(except.iter().copied()));
                all.union(&own)
            });
            let excepts = || blocks.iter().flat_map(|(_, except)| except.iter().copied());
            let nftables = IpSet::blocks(blocks.iter().map(|(cidr, _)| *cidr))
                .difference(&IpSet::blocks(excepts()));
            // From the least to the most specific: the last word counts.
            let mut entries: Vec<(u8, bool, IpNet)> = blocks
                .iter()
                .map(|(cidr, _)| (cidr.prefix_len(), true, *cidr))
                .chain(excepts().map(|net| (net.prefix_len(), false, net)))
                .collect();
            entries.sort();
            let iptables = entries.iter().fold(IpSet::empty(), |all, (_, allows, net)| {
                let net = IpSet::block(*net);
                if *allows { all.union(&net) } else { all.difference(&net) }
            });
            let (sure, maybe) = if self.cni.option("backend") == Some("nftables") {
                (nftables, None)
            } else {
                // What both have is what neither lacks.
                let lacking = iptables.difference(&nftables);
                let both = iptables.difference(&lacking);
                let either = nftables.union(&iptables);
                let maybe = super::outside(&either, &both);
                (both, maybe)
            };
            if sure == declared && maybe.is_none() {
                continue;
            }
            let Some(first) = list.iter().find(|p| matches!(p.form, PeerForm::Block { .. })) else {
                continue;
            };
            let span = first.span;
            let with = |set: IpSet| PeerSelector {
                matches: PeerMatch::Addresses(set, Reach::EVERYBODY),
                form: PeerForm::Other,
                span,
            };
            let mut kept: Vec<PeerSelector> = list
                .iter()
                .filter(|peer| !matches!(peer.form, PeerForm::Block { .. }))
                .cloned()
                .collect();
            kept.push(with(sure));
            let known = maybe.is_none();
            match maybe {
                None => {
                    if let Some(rule) = self.set.rules.get_mut(id.index()) {
                        rule.peers = Peers::Of(kept);
                    }
                }
                Some(maybe) => {
                    let why = match self.cni.option("backend") {
                        Some(_) => "nobody has verified which entry counts with iptables",
                        None => "that depends on `backend` (`--cni kube-router,backend=…`)",
                    };
                    let why = why.to_owned();
                    self.doubt_peers(id, Peers::Of(kept), Peers::Of(vec![with(maybe)]), why);
                }
            }
            let text = "an exception of one block cuts the others".to_owned();
            self.note_rule(EffectId::SharedBlockSet, known, id, text, span);
        }
    }

    /// `::/0` is entered as the blocks that it may be split into: global and unique local addresses.
    pub(super) fn narrow_ipv6_any(&mut self) {
        let any = EVERYWHERE[1];
        let split = IpSet::blocks([
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0), 8)),
        ]);
        for id in self.rules_of(None) {
            let Some(rule) = self.set.rules.get_mut(id.index()) else { continue };
            let Peers::Of(list) = &mut rule.peers else { continue };
            let mut at = None;
            for peer in list {
                let PeerForm::Block { cidr, .. } = &peer.form else { continue };
                let PeerMatch::Addresses(set, _) = &mut peer.matches else { continue };
                if *cidr == any {
                    *set = set.intersection(&split);
                    at.get_or_insert(peer.span);
                }
            }
            let Some(span) = at else { continue };
            let text = "`::/0` is 2000::/3 and fd00::/8".to_owned();
            self.note_rule(EffectId::Ipv6AnyNarrowed, true, id, text, span);
        }
    }

    /// Entries of all policies of a pod share a map in which the longest prefix decides: an exception
    /// cuts the blocks of every rule that the pod has, but for more specific ones.
    pub(super) fn let_except_override(&mut self) {
        let all = self.rules_of(None);
        let mut exceptions: Vec<(RuleId, IpNet)> = Vec::new();
        for &id in &all {
            let Peers::Of(list) = &self.set.rule(id).peers else { continue };
            for peer in list {
                if let PeerForm::Block { except, .. } = &peer.form {
                    exceptions.extend(except.iter().map(|&net| (id, net)));
                }
            }
        }
        if exceptions.is_empty() {
            return;
        }
        let pods_of = self.subjects(&all);
        for id in all {
            let rule = self.set.rule(id);
            let list = match &rule.peers {
                Peers::Of(list) => list.clone(),
                // No peers are the blocks of both families.
                Peers::Any => EVERYWHERE.map(|net| everywhere(net, rule.span)).to_vec(),
            };
            let (mut sure, mut maybe, mut at) = (Vec::new(), Vec::new(), None);
            for peer in &list {
                let (PeerForm::Block { cidr, .. }, PeerMatch::Addresses(set, reach)) =
                    (&peer.form, &peer.matches)
                else {
                    sure.push(peer.clone());
                    continue;
                };
                let (mut gone, mut doubtful) = (IpSet::empty(), IpSet::empty());
                for (other, net) in &exceptions {
                    let other = self.set.rule(*other);
                    if other.direction != rule.direction || !cidr.contains(net) {
                        continue;
                    }
                    let pods = (pods_of.get(&rule.policy), pods_of.get(&other.policy));
                    let (Some([_, own]), Some([sure, maybe])) = pods else { continue };
                    let net_set = IpSet::block(*net);
                    if own.is_disjoint(maybe) {
                        continue;
                    }
                    // One entry with two meanings: which counts is not known.
                    if own.is_subset(sure) && net.prefix_len() > cidr.prefix_len() {
                        gone = gone.union(&net_set);
                    } else {
                        doubtful = doubtful.union(&net_set);
                    }
                }
                let rest = set.difference(&gone);
                let kept = rest.difference(&doubtful);
                if kept != *set {
                    at.get_or_insert(peer.span);
                }
                if kept != rest {
                    let matches = PeerMatch::Addresses(rest.difference(&kept), *reach);
                    maybe.push(PeerSelector { matches, ..peer.clone() });
                }
                sure.push(PeerSelector {
                    matches: PeerMatch::Addresses(kept, *reach),
                    ..peer.clone()
                });
            }
            let Some(span) = at else { continue };
            let known = maybe.is_empty();
            if known {
                if let Some(rule) = self.set.rules.get_mut(id.index()) {
                    rule.peers = Peers::Of(sure);
                }
            } else {
                let why = "an `except` of another rule overrides it where both are about a pod";
                self.doubt_peers(id, Peers::Of(sure), Peers::Of(maybe), why.to_owned());
            }
            let text = "an `except` of another rule cuts this block".to_owned();
            self.note_rule(EffectId::ExceptOverrides, known, id, text, span);
        }
    }

    /// The pods of the policies that these rules are of, by [`Rewrite::selected`].
    pub(super) fn subjects(&self, rules: &[RuleId]) -> HashMap<PolicyId, [BTreeSet<PodId>; 2]> {
        let ids: BTreeSet<PolicyId> = rules.iter().map(|&id| self.set.rule(id).policy).collect();
        ids.into_iter().map(|id| (id, self.selected(&self.set.policy(id).subject))).collect()
    }

    /// The pods that a selector is about, and those that it may be about.
    pub(super) fn selected(&self, selector: &PodsMatch) -> [BTreeSet<PodId>; 2] {
        let (mut sure, mut maybe) = (BTreeSet::new(), BTreeSet::new());
        // The namespaces first: most rules are about few.
        let namespaces: Vec<NamespaceId> = match &selector.namespaces {
            NamespaceMatch::Is(own) => vec![*own],
            NamespaceMatch::Labelled(labels) => self
                .cluster
                .namespace_ids()
                .filter(|&id| labels.matches_namespace(self.cluster.namespace(id)) != Some(false))
                .collect(),
        };
        for id in namespaces.into_iter().flat_map(|own| self.cluster.pods_in(own)) {
            let pod = self.cluster.pod(id);
            let about = selector.matches(pod, self.cluster.namespace(pod.namespace));
            if about == Some(true) {
                sure.insert(id);
            }
            if about != Some(false) {
                maybe.insert(id);
            }
        }
        [sure, maybe]
    }

    pub(super) fn take_empty_selector_for_any(&mut self) {
        for id in self.rules_of(None) {
            let Peers::Of(list) = &self.set.rule(id).peers else { continue };
            let everything = list.iter().find(|peer| match &peer.matches {
                PeerMatch::Pods(PodsMatch { namespaces: NamespaceMatch::Labelled(s), .. }) => {
                    peer.form == PeerForm::Namespaces && s.requirements().is_empty()
                }
                _ => false,
            });
            let Some(span) = everything.map(|peer| peer.span) else { continue };
            if let Some(rule) = self.set.rules.get_mut(id.index()) {
                rule.peers = Peers::Any;
            }
            let text =
                "the empty namespaceSelector matches every address, outside as well".to_owned();
            self.note_rule(EffectId::EmptyNamespaceSelectorAny, true, id, text, span);
        }
    }

    /// Rules of a ClusterNetworkPolicy about nodes or names: dropped if they allow; without peers, and
    /// so about everybody, if not.
    pub(super) fn lack_nodes_and_names(&mut self) {
        let own: Vec<RuleId> = self
            .all_policies()
            .into_iter()
            .filter(|&id| self.set.policy(id).kind == PolicyKind::ClusterNetworkPolicy)
            .flat_map(|id| self.set.policy(id).rules.concat())
            .collect();
        for id in own {
            let Some(rule) = self.set.rules.get_mut(id.index()) else { continue };
            let Peers::Of(list) = &rule.peers else { continue };
            let lacking = list
                .iter()
                .find(|peer| matches!(peer.matches, PeerMatch::Nodes(_) | PeerMatch::Domains(_)));
            let Some(span) = lacking.map(|peer| peer.span) else { continue };
            let text = if rule.action == Action::Allow {
                rule.peers = Peers::Of(Vec::new());
                "the rule allows nothing: nodes and names are not implemented"
            } else {
                rule.action = Action::Deny;
                rule.peers = Peers::Any;
                rule.ports = Ports::Any;
                "the rule denies everything: nodes and names are not implemented"
            };
            self.note_rule(EffectId::PeerUnsupported, true, id, text.to_owned(), span);
        }
    }
}
