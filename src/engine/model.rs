//! The fast engine: whole verdicts, computed for classes of pods.

use super::classes::{ClassId, Classes, FastRule, Index, Subjection, classify};
use super::kinds::{Kinds, Selected};
use super::matching::{self, Matched};
use super::peer::Peer;
use super::rows::Rows;
use super::verdict::{Decision, Unknown, Verdict};
use super::what_if::Edited;
use crate::cluster::{ClusterState, PodId, named_addresses, private_addresses};
use crate::net::{DomainPattern, Family, IpSet, Protocol};
use crate::policy::{
    Certainty, Closed, Combine, Direction, PeerMatch, Policy, PolicyId, PolicySet, Rule, RuleId,
    Tier,
};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// A cluster and its policies, ready for questions.
pub struct Model<'a> {
    pub(super) cluster: &'a ClusterState,
    pub(super) policies: &'a PolicySet,
    pub(super) index: Arc<Index<'a>>,
    pub(super) classes: Arc<Classes>,
    /// Kinds of pods, of a model that can be asked what a change would do.
    pub(super) kinds: Option<Arc<Kinds<'a>>>,
    /// One policy as it would be.
    pub(super) edited: Option<Edited>,
    /// What each class may open to and accept from each other, once that is asked.
    pub(super) rows: OnceLock<Rows>,
    /// Which tier a policy is in; firewalls follow the tiers.
    pub(super) tier_of: Arc<[usize]>,
    /// Where sets of outside addresses are cut.
    pub(super) cuts: OnceLock<Vec<IpSet>>,
    /// How many bytes long rows may take.
    pub(super) row_budget: usize,
}

/// A policy that is about a pod: for sure, or maybe.
pub(super) type Asked = (PolicyId, bool);

/// The other end, as selectors see it.
#[derive(Clone, Copy)]
pub(super) enum View<'p> {
    Class(ClassId),
    Other(&'p Peer),
    /// A pod with an address of its own that no rule is about.
    Nobody,
}

/// What is asked of the policies of one class in one direction.
#[derive(Clone, Copy)]
pub(super) struct Question<'p> {
    /// Whose policies.
    pub(super) subject: ClassId,
    pub(super) direction: Direction,
    pub(super) other: View<'p>,
    pub(super) family: Family,
}

impl Question<'_> {
    /// The class of the destination, if that is pods.
    pub(super) fn destination(&self) -> Option<ClassId> {
        match (self.direction, self.other) {
            (Direction::Ingress, _) => Some(self.subject),
            (Direction::Egress, View::Class(class)) => Some(class),
            (Direction::Egress, View::Other(_) | View::Nobody) => None,
        }
    }
}

impl<'a> Model<'a> {
    /// Sorts the pods of a cluster into classes.
    pub fn new(cluster: &'a ClusterState, policies: &'a PolicySet) -> Self {
        let pods: Vec<PodId> = cluster.pod_ids().collect();
        Self::of_pods(cluster, policies, &pods)
    }

    /// A model for questions between these pods, ascending, and anything that is no pod: policies that
    /// select none of them are not looked at. Asking about another pod is an error of the caller.
    pub fn of_pods(cluster: &'a ClusterState, policies: &'a PolicySet, pods: &[PodId]) -> Self {
        Self::sorted(cluster, policies, pods, false)
    }

    /// A model that can be asked what a change of one policy would do, see [`Model::what_if`]: it keeps
    /// pods apart by all of their labels.
    pub fn editable(cluster: &'a ClusterState, policies: &'a PolicySet) -> Self {
        let pods: Vec<PodId> = cluster.pod_ids().collect();
        Self::sorted(cluster, policies, &pods, true)
    }

    fn sorted(
        cluster: &'a ClusterState,
        policies: &'a PolicySet,
        pods: &[PodId],
        editable: bool,
    ) -> Self {
        let (index, classes, kinds) = classify(cluster, policies, pods, editable);
        let mut tier_of = vec![0; policies.policies.len()];
        for (at, tier) in policies.tiers.iter().chain(&policies.firewalls).enumerate() {
            for policy in &tier.policies {
                tier_of[policy.index()] = at;
            }
        }
        let (rows, cuts) = (OnceLock::new(), OnceLock::new());
        let row_budget = super::compile::LONG_ROWS;
        Self {
            cluster,
            policies,
            index: Arc::new(index),
            classes: Arc::new(classes),
            kinds: kinds.map(Arc::new),
            edited: None,
            rows,
            tier_of: tier_of.into(),
            cuts,
            row_budget,
        }
    }

    /// The same with at most this many bytes (some 256 MiB if not said) for rows in which many classes
    /// differ: verdicts of others are computed each time they are asked for.
    #[must_use]
    pub fn with_row_budget(self, bytes: usize) -> Self {
        Self { row_budget: bytes, rows: OnceLock::new(), ..self }
    }

    /// The cluster.
    pub fn cluster(&self) -> &'a ClusterState {
        self.cluster
    }

    /// The policies.
    pub fn policies(&self) -> &'a PolicySet {
        self.policies
    }

    /// The class of a pod. Pods of one class have the same verdict with every other peer, but for
    /// what their own node and they themselves may always do.
    pub fn class_of(&self, pod: PodId) -> u32 {
        self.classes.of(pod)
    }

    /// Whether any policy isolates a pod in a direction, or may.
    pub fn is_isolated(&self, pod: PodId, direction: Direction) -> bool {
        let class = self.classes.of(pod);
        let subjection = self.subjection(class, direction);
        subjection.blind
            || subjection.blind_firewall
            || !subjection.policies.is_empty()
            || self.closed(class) != Matched::No
    }

    /// The policies that have a part in a direction of a pod, or may.
    pub fn selecting(
        &self,
        pod: PodId,
        direction: Direction,
    ) -> impl Iterator<Item = PolicyId> + use<'_, 'a> {
        let own = self.subjection(self.classes.of(pod), direction);
        own.policies.iter().map(|(id, _)| *id)
    }

    /// How many policies select a pod in a direction.
    pub fn policies_of(&self, pod: PodId, direction: Direction) -> usize {
        self.subjection(self.classes.of(pod), direction).policies.len()
    }

    /// Returns what tells the signature of a peer that is no pod: how every selector that may be about it takes it.
    /// Peers with equal signatures have equal verdicts with every pod, by policy.
    pub(super) fn signatures(&self) -> impl Fn(&Peer) -> Vec<u8> + Sync + use<'_, 'a> {
        // Labels of pods say nothing of it.
        let selectors = self.index.peers.iter();
        let selectors = selectors.filter(|peer| !matches!(peer, PeerMatch::Pods(_)));
        let selectors: Vec<&PeerMatch> = selectors.copied().collect();
        move |peer| {
            let families = peer.families(self.cluster);
            let mut signature = Vec::with_capacity(2 * (1 + selectors.len()));
            for family in Family::ALL {
                signature.push(u8::from(families.contains(&family)));
                signature.extend(selectors.iter().map(|selector| {
                    match matching::peer(self.cluster, selector, peer, family) {
                        Matched::Yes => 1,
                        Matched::No => 0,
                        Matched::Unknown(_) => 2,
                    }
                }));
            }
            signature
        }
    }

    /// What policies say of each direction, egress first: without what a pod and its own node may
    /// always do.
    pub fn directions(&self, source: &Peer, destination: &Peer, family: Family) -> [Verdict; 2] {
        Direction::ALL
            .map(|d| self.direction(d, source, destination, family, Matched::No).into_owned())
    }

    /// Cuts addresses where rules tell them apart: at the borders of every block that one names, at the
    /// addresses that are known of domain names, and at the borders of those that may be a node's or a
    /// name's where rules are about nodes or names.
    pub fn atoms(&self, addresses: &IpSet) -> Vec<IpSet> {
        addresses.atoms(self.cuts.get_or_init(|| cuts(self.cluster, &self.index)))
    }

    /// Every distinct set of addresses that a rule names.
    pub fn address_blocks(&self) -> impl Iterator<Item = &IpSet> {
        self.index.peers.iter().chain(&self.index.idle).filter_map(|peer| match peer {
            PeerMatch::Addresses(set, _) => Some(set),
            PeerMatch::Pods(_)
            | PeerMatch::Placed(_)
            | PeerMatch::Nodes(_)
            | PeerMatch::Domains(_) => None,
        })
    }

    /// Every distinct domain name, or pattern of names, that a rule is about.
    pub fn domain_patterns(&self) -> BTreeSet<&DomainPattern> {
        let lists = self.index.peers.iter().chain(&self.index.idle).filter_map(|peer| match peer {
            PeerMatch::Domains(names) => Some(names),
            PeerMatch::Pods(_)
            | PeerMatch::Placed(_)
            | PeerMatch::Addresses(..)
            | PeerMatch::Nodes(_) => None,
        });
        lists.flatten().collect()
    }

    pub(super) fn subjection(&self, class: ClassId, direction: Direction) -> &Subjection {
        if let Some(own) = self.edited.as_ref().and_then(|edited| edited.subjections.get(&class)) {
            return &own[direction.index()];
        }
        let id = self.classes.subjection_of[class as usize][direction.index()];
        &self.classes.subjections[id as usize]
    }

    /// The verdict on every connection from one end to another, with addresses of one family.
    pub fn verdict(&self, source: &Peer, destination: &Peer, family: Family) -> Verdict {
        let has = |peer: &Peer| peer.families(self.cluster).contains(&family);
        if !has(source) || !has(destination) {
            return Verdict::none();
        }
        if matching::is_loopback(self.cluster, source, destination) {
            return Verdict::all();
        }
        let egress = self.own_node(Direction::Egress, source, destination);
        let ingress = self.own_node(Direction::Ingress, source, destination);
        self.both(source, destination, family, [egress, ingress])
    }

    /// The verdict of policies alone: without what a pod and its own node may always do.
    pub(super) fn by_policy(&self, source: &Peer, destination: &Peer, family: Family) -> Verdict {
        self.both(source, destination, family, [Matched::No, Matched::No])
    }

    /// Whether one end is the node that the other, the subject of a direction, runs on, where that
    /// matters.
    fn own_node(&self, direction: Direction, source: &Peer, destination: &Peer) -> Matched {
        let (end, other) = match direction {
            Direction::Egress => (source, destination),
            Direction::Ingress => (destination, source),
        };
        let subject = end.subject(self.cluster);
        subject.map_or(Matched::No, |pod| {
            matching::is_own_node(self.cluster, self.policies, direction, pod, other)
        })
    }

    /// Both directions, and what the dataplane drops.
    fn both(
        &self,
        source: &Peer,
        destination: &Peer,
        family: Family,
        own_node: [Matched; 2],
    ) -> Verdict {
        let egress = self.direction(Direction::Egress, source, destination, family, own_node[0]);
        if *egress == Verdict::none() {
            return egress.into_owned();
        }
        let ingress = self.direction(Direction::Ingress, source, destination, family, own_node[1]);
        let verdict = egress.and(&ingress);
        let dataplane = &self.policies.dataplane;
        let pods = [source, destination];
        if dataplane.may_drop() && pods.iter().any(|peer| peer.subject(self.cluster).is_some()) {
            verdict.without(&dataplane.dropped, &dataplane.maybe_dropped)
        } else {
            verdict
        }
    }

    /// What one direction says, given whether the source is the node that the subject runs on.
    fn direction(
        &self,
        direction: Direction,
        source: &Peer,
        destination: &Peer,
        family: Family,
        own_node: Matched,
    ) -> Cow<'_, Verdict> {
        let (end, other) = match direction {
            Direction::Egress => (source, destination),
            Direction::Ingress => (destination, source),
        };
        let Some(pod) = end.subject(self.cluster) else {
            return Cow::Owned(Verdict::all());
        };
        let may_allow = match own_node {
            Matched::Yes => return Cow::Owned(Verdict::all()),
            Matched::No => false,
            Matched::Unknown(_) => true,
        };
        let other = match other {
            Peer::Pod(id) => View::Class(self.classes.of(*id)),
            other => View::Other(other),
        };
        let asked = Question { subject: self.classes.of(pod), direction, other, family };
        match other {
            View::Class(class) if !may_allow => self.cell(asked.subject, direction, class, family),
            _ => Cow::Owned(self.evaluate(&asked, may_allow)),
        }
    }

    /// What a direction says of a class towards another.
    fn cell(
        &self,
        subject: ClassId,
        direction: Direction,
        other: ClassId,
        family: Family,
    ) -> Cow<'_, Verdict> {
        let rows = self.rows();
        let row = rows.row(family, subject, direction.index());
        if let Some(verdict) = row.get(other, &self.index, family) {
            Cow::Borrowed(&rows.verdicts()[verdict as usize])
        } else {
            let other = View::Class(other);
            Cow::Owned(self.evaluate(&Question { subject, direction, other, family }, false))
        }
    }

    /// The verdict on one connection between two pods: what [`Model::verdict`] says of it.
    pub fn decide(
        &self,
        source: PodId,
        destination: PodId,
        family: Family,
        protocol: Protocol,
        port: u16,
    ) -> Decision {
        let [a, b] = [source, destination].map(|id| self.cluster.pod(id));
        let drops = self.policies.dataplane.may_drop();
        if a.host_network || b.host_network || drops || source == destination {
            let verdict = self.verdict(&Peer::Pod(source), &Peer::Pod(destination), family);
            return verdict.on(protocol, port);
        }
        let [from, to] = [source, destination].map(|id| self.classes.of(id));
        if self.classes.has(from, family) && self.classes.has(to, family) {
            let egress = self.cell(from, Direction::Egress, to, family).on(protocol, port);
            egress.and(self.cell(to, Direction::Ingress, from, family).on(protocol, port))
        } else {
            Decision::Denied
        }
    }

    /// A verdict, if it is not known whether anything enforces it.
    pub(super) fn as_enforced(&self, verdict: Verdict, family: Family) -> Verdict {
        let dataplane = &self.policies.dataplane;
        if dataplane.unpoliced(family) == Certainty::Maybe || dataplane.unknown_enforcer {
            verdict.or_unknown()
        } else {
            verdict
        }
    }

    /// Whether any verdict may leave something undetermined; if not, none does.
    pub fn may_be_undetermined(&self) -> bool {
        let dataplane = &self.policies.dataplane;
        let inside = self.rows().verdicts().iter().any(|verdict| !verdict.unknown.is_empty());
        // What rules say of nodes and names depends on what is known of these.
        let outside = self
            .index
            .peers
            .iter()
            .any(|peer| !matches!(peer, PeerMatch::Pods(_) | PeerMatch::Addresses(..)));
        inside || outside || !dataplane.maybe_dropped.is_empty() || !self.policies.blind.is_empty()
    }

    /// Whether the pods of a class are on their nodes' network.
    pub(super) fn is_on_node(&self, class: ClassId) -> bool {
        self.cluster.pod(self.classes.representative[class as usize]).host_network
    }

    /// The policies in tiers before this one, and the others.
    pub(super) fn split<'s>(
        &self,
        policies: &'s [Asked],
        tier: usize,
    ) -> (&'s [Asked], &'s [Asked]) {
        let before = |(policy, _): &Asked| self.tier_at(*policy) < tier;
        policies.split_at(policies.partition_point(before))
    }

    /// The tier of a policy, by its place; one that is new is a NetworkPolicy.
    pub(super) fn tier_at(&self, id: PolicyId) -> usize {
        self.tier_of.get(id.index()).copied().unwrap_or_else(|| {
            let union = |tier: &Tier| tier.combine == Combine::Union;
            self.policies.tiers.iter().position(union).unwrap_or(0)
        })
    }

    /// Whether a policy is asked beside the tiers.
    pub(super) fn is_firewall(&self, id: PolicyId) -> bool {
        self.tier_at(id) >= self.policies.tiers.len()
    }

    /// How the policies of a policy's tier combine.
    pub(super) fn combine(&self, id: PolicyId) -> Option<Combine> {
        self.tier(self.tier_at(id)).map(|tier| tier.combine)
    }

    /// The tier of a number, or the firewall.
    pub(super) fn tier(&self, at: usize) -> Option<&Tier> {
        let tiers = &self.policies.tiers;
        tiers.get(at).or_else(|| self.policies.firewalls.get(at - tiers.len()))
    }

    /// Whether pods of a class are closed in a direction in which no tier says anything.
    pub(super) fn closed(&self, class: ClassId) -> Matched {
        match self.policies.dataplane.closed {
            Closed::Never => Matched::No,
            Closed::EachDirection => Matched::Yes,
            Closed::Unselected => {
                let all = Direction::ALL.into_iter().flat_map(|direction| {
                    let isolating = move |(id, _): &&Asked| {
                        let tier = self.tier_at(*id);
                        let policy = self.policy(*id);
                        tier < self.policies.tiers.len() && policy.isolates[direction.index()]
                    };
                    self.subjection(class, direction).policies.iter().filter(isolating)
                });
                matching::unselected(all.map(|(id, sure)| match sure {
                    true => Matched::Yes,
                    false => Matched::Unknown(Unknown::PolicyDoubt(*id)),
                }))
            }
        }
    }

    /// A policy, as it would be.
    pub(super) fn policy(&self, id: PolicyId) -> &Policy {
        match &self.edited {
            Some(edited) if edited.id == id => &edited.policy,
            _ => self.policies.policy(id),
        }
    }

    /// A rule, as it would be.
    pub(super) fn declared(&self, id: RuleId) -> &Rule {
        match (&self.edited, id.index().checked_sub(self.policies.rules.len())) {
            (Some(edited), Some(at)) => &edited.rules[at],
            _ => self.policies.rule(id),
        }
    }

    /// A rule of a policy that selects a pod at hand.
    pub(super) fn rule(&self, id: RuleId) -> Option<&FastRule> {
        match (&self.edited, id.index().checked_sub(self.policies.rules.len())) {
            (Some(edited), Some(at)) => edited.fast.get(at),
            _ => self.index.rules[id.index()].as_ref(),
        }
    }

    /// The classes that a peer selector matches.
    pub(super) fn matched(&self, selector: u32, family: Family) -> &Selected {
        let selector = selector as usize;
        match (&self.edited, selector.checked_sub(self.index.selected.len())) {
            (Some(edited), Some(at)) => edited.selected[at].of(family),
            _ => self.index.selected[selector].of(family),
        }
    }
}

/// Sets of addresses that some rule tells from others, or may.
fn cuts(cluster: &ClusterState, index: &Index<'_>) -> Vec<IpSet> {
    let mut cuts = Vec::new();
    let (mut nodes, mut names) = (false, false);
    for peer in &index.peers {
        match peer {
            PeerMatch::Pods(_) | PeerMatch::Placed(_) => {}
            PeerMatch::Addresses(set, _) => cuts.push(set.clone()),
            PeerMatch::Nodes(selector) => {
                nodes |= matching::hidden_node(cluster, selector).is_some();
            }
            PeerMatch::Domains(patterns) => {
                names = true;
                cuts.push(matching::addresses_of(cluster, patterns).0);
            }
        }
    }
    for family in Family::ALL {
        if nodes {
            cuts.push(private_addresses(family));
        }
        if names {
            cuts.push(named_addresses(family));
        }
    }
    cuts
}
