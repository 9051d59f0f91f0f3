//! Pods that no policy tells apart.

use super::matching::{self, Matched};
use super::peer::Peer;
use crate::cluster::{AddressKnowledge, Addresses, ClusterState, Operator, PodId};
use crate::net::{ConnectionSet, Family, Protocol};
use crate::policy::{
    Direction, NamespaceMatch, PeerMatch, Peers, PodsMatch, PolicyId, PolicySet, PortMatch, Ports,
};
use fixedbitset::FixedBitSet;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The pods that one selector matches, and those that it may match.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    pub(super) yes: FixedBitSet,
    pub(super) maybe: FixedBitSet,
}

/// Every distinct peer selector and port name of a policy set, and what they match.
///
/// Invariant: the lists are in the order of first mention, so that results do not depend on
/// hashing.
pub(super) struct Index {
    pub(super) peers: Vec<PeerMatch>,
    /// By peer selector and family.
    pub(super) selected: Vec<[Selected; 2]>,
    pub(super) peer_ids: FxHashMap<PeerMatch, usize>,
    pub(super) names: Vec<(Protocol, Arc<str>)>,
    pub(super) name_ids: FxHashMap<(Protocol, Arc<str>), usize>,
}

pub(super) fn family_index(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

impl Index {
    pub(super) fn new(cluster: &ClusterState, policies: &PolicySet, lookup: &Lookup) -> Self {
        let mut index = Self {
            peers: Vec::new(),
            selected: Vec::new(),
            peer_ids: FxHashMap::default(),
            names: Vec::new(),
            name_ids: FxHashMap::default(),
        };
        for rule in &policies.rules {
            let peers = match &rule.peers {
                Peers::Of(list) => list.as_slice(),
                Peers::Any => &[],
            };
            for matches in peers.iter().map(|peer| &peer.matches).chain(rule.own.iter().flatten()) {
                if !index.peer_ids.contains_key(matches) {
                    index.peer_ids.insert(matches.clone(), index.peers.len());
                    index.peers.push(matches.clone());
                }
            }
            if let Ports::Of(list) = &rule.ports {
                for port in list {
                    if let PortMatch::Named { protocol, name } = &port.matches {
                        let key = (*protocol, Arc::clone(name));
                        if !index.name_ids.contains_key(&key) {
                            index.name_ids.insert(key.clone(), index.names.len());
                            index.names.push(key);
                        }
                    }
                }
            }
        }
        index.selected = index
            .peers
            .par_iter()
            .map(|peer| Family::ALL.map(|family| select(cluster, lookup, peer, family)))
            .collect();
        index
    }
}

/// Where pods are found without asking each: by namespace, by label, by address.
pub(super) struct Lookup {
    by_namespace: Vec<Vec<PodId>>,
    by_label: FxHashMap<(Arc<str>, Arc<str>), Vec<PodId>>,
    all: Vec<PodId>,
    /// Pods with known addresses, by address.
    by_address: Vec<(IpAddr, PodId)>,
    /// Pods without.
    unknown_address: Vec<PodId>,
}

impl Lookup {
    pub(super) fn new(cluster: &ClusterState) -> Self {
        let mut lookup = Self {
            by_namespace: vec![Vec::new(); cluster.namespaces.len()],
            by_label: FxHashMap::default(),
            all: cluster.pod_ids().collect(),
            by_address: Vec::new(),
            unknown_address: Vec::new(),
        };
        for id in cluster.pod_ids() {
            let pod = cluster.pod(id);
            lookup.by_namespace[pod.namespace.index()].push(id);
            for (key, value) in pod.labels.pairs() {
                let entry = lookup.by_label.entry((Arc::clone(key), Arc::clone(value)));
                entry.or_default().push(id);
            }
            match &pod.addresses {
                Addresses::Unknown => lookup.unknown_address.push(id),
                // Only the first address of a family is the pod's in that family.
                Addresses::Known(_) => {
                    for family in Family::ALL {
                        if let AddressKnowledge::Exactly(address) = cluster.address(id, family) {
                            lookup.by_address.push((address, id));
                        }
                    }
                }
            }
        }
        lookup.by_address.sort_unstable();
        lookup
    }

    /// A list of pods that holds all that a selector matches: the shortest at hand.
    fn candidates(&self, selector: &PodsMatch) -> &[PodId] {
        let mut best = match &selector.namespaces {
            NamespaceMatch::Is(id) => &self.by_namespace[id.index()],
            NamespaceMatch::Labelled(_) => &self.all,
        };
        for requirement in selector.pods.requirements() {
            if let (Operator::In, [value]) = (requirement.operator, &*requirement.values) {
                let key = (Arc::clone(&requirement.key), Arc::clone(value));
                match self.by_label.get(&key) {
                    None => return &[],
                    Some(pods) if pods.len() < best.len() => best = pods,
                    Some(_) => {}
                }
            }
        }
        best
    }

    /// Pods that a selector is about, for sure (`true`) or maybe.
    pub(super) fn pods<'l>(
        &'l self,
        cluster: &'l ClusterState,
        selector: &'l PodsMatch,
    ) -> impl Iterator<Item = (PodId, bool)> + 'l {
        self.candidates(selector).iter().filter_map(|&id| {
            let pod = cluster.pod(id);
            match selector.matches(pod, cluster.namespace(pod.namespace)) {
                Some(true) => Some((id, true)),
                Some(false) => None,
                None => Some((id, false)),
            }
        })
    }
}

fn select(cluster: &ClusterState, lookup: &Lookup, peer: &PeerMatch, family: Family) -> Selected {
    let count = cluster.pods.len();
    let mut selected = Selected {
        yes: FixedBitSet::with_capacity(count),
        maybe: FixedBitSet::with_capacity(count),
    };
    match peer {
        PeerMatch::Pods(selector) => {
            for (id, sure) in lookup.pods(cluster, selector) {
                let set = if sure { &mut selected.yes } else { &mut selected.maybe };
                set.insert(id.index());
            }
        }
        PeerMatch::Addresses(set, reach) => {
            let about = |id: PodId| matching::reaches(cluster, *reach, &Peer::Pod(id));
            for (first, last) in set.ranges(family) {
                let from = lookup.by_address.partition_point(|(address, _)| *address < first);
                let known = lookup.by_address[from..].iter();
                for (_, id) in known.take_while(|(address, _)| *address <= last) {
                    if about(*id) {
                        selected.yes.insert(id.index());
                    }
                }
            }
            for &id in lookup.unknown_address.iter().filter(|id| about(**id)) {
                if let AddressKnowledge::OneOf(possible) = cluster.address(id, family) {
                    if possible.is_subset(set) {
                        selected.yes.insert(id.index());
                    } else if !possible.is_disjoint(set) {
                        selected.maybe.insert(id.index());
                    }
                }
            }
        }
        // What pods on their nodes' network are matched by as the nodes that they are.
        PeerMatch::Nodes(_) | PeerMatch::Domains(_) | PeerMatch::Placed(_) => {
            for id in cluster.pod_ids().filter(|&id| cluster.pod(id).host_network) {
                match matching::peer(cluster, peer, &Peer::Pod(id), family) {
                    Matched::Yes => selected.yes.insert(id.index()),
                    Matched::Unknown(_) => selected.maybe.insert(id.index()),
                    Matched::No => {}
                }
            }
        }
    }
    selected
}

/// Policies that are about a pod in one direction, in the order of tiers: for sure, or maybe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Subjection {
    pub(super) policies: Vec<(PolicyId, bool)>,
    pub(super) blind: bool,
    /// Something may be a firewall for it.
    pub(super) blind_firewall: bool,
}

/// What makes a pod's part in any verdict; pods with equal signatures form a class.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Signature {
    subjection: [usize; 2],
    host_network: bool,
    left_alone: bool,
    /// Peer selectors matched, by family: (selector, for sure).
    peers: [Vec<(u32, bool)>; 2],
    /// Numbers of the port names that rules use.
    names: Vec<ConnectionSet>,
    families: Vec<Family>,
}

/// An equivalence class of pods, by its place in [`Classes`].
pub(super) type ClassId = usize;

/// The classes of a cluster under a policy set.
pub(super) struct Classes {
    /// By pod.
    pub(super) of: Vec<ClassId>,
    /// By class: its first pod, which stands for all.
    pub(super) representative: Vec<PodId>,
    /// Distinct subjections.
    pub(super) subjections: Vec<Subjection>,
    /// By class and direction.
    pub(super) subjection_of: Vec<[usize; 2]>,
}

impl Classes {
    pub(super) fn new(
        cluster: &ClusterState,
        policies: &PolicySet,
        index: &Index,
        lookup: &Lookup,
    ) -> Self {
        let count = cluster.pods.len();
        let about = subjections(cluster, policies, lookup);
        let mut subjections: Vec<Subjection> = Vec::new();
        let mut ids: FxHashMap<Subjection, usize> = FxHashMap::default();
        let mut signatures: Vec<Signature> = Vec::with_capacity(count);
        for (id, own) in cluster.pod_ids().zip(about) {
            let subjection = own.map(|subjection| {
                *ids.entry(subjection).or_insert_with_key(|key| {
                    subjections.push(key.clone());
                    subjections.len() - 1
                })
            });
            signatures.push(Signature {
                subjection,
                host_network: cluster.pod(id).host_network,
                left_alone: policies.dataplane.leaves_alone(id),
                peers: [Vec::new(), Vec::new()],
                names: index
                    .names
                    .iter()
                    .map(|(protocol, name)| {
                        matching::named_set(cluster, policies, id, *protocol, name)
                    })
                    .collect(),
                families: cluster.families(id),
            });
        }
        for (selector, by_family) in index.selected.iter().enumerate() {
            let selector = u32::try_from(selector).unwrap_or(u32::MAX);
            for (family, selected) in by_family.iter().enumerate() {
                for (set, sure) in [(&selected.yes, true), (&selected.maybe, false)] {
                    for pod in set.ones() {
                        signatures[pod].peers[family].push((selector, sure));
                    }
                }
            }
        }
        let mut classes = Self {
            of: Vec::with_capacity(count),
            representative: Vec::new(),
            subjections,
            subjection_of: Vec::new(),
        };
        let mut known: FxHashMap<Signature, ClassId> = FxHashMap::default();
        for (id, signature) in cluster.pod_ids().zip(signatures) {
            let subjection = signature.subjection;
            let class = *known.entry(signature).or_insert_with(|| {
                classes.representative.push(id);
                classes.subjection_of.push(subjection);
                classes.representative.len() - 1
            });
            classes.of.push(class);
        }
        classes
    }
}

/// For every pod and direction, the policies about it.
fn subjections(
    cluster: &ClusterState,
    policies: &PolicySet,
    lookup: &Lookup,
) -> Vec<[Subjection; 2]> {
    // Policies often have the same subject: each is looked up once.
    let mut by_subject: FxHashMap<&PodsMatch, Vec<(PodId, bool)>> = FxHashMap::default();
    let tiers = policies.tiers.iter().chain(&policies.firewalls);
    let ordered: Vec<PolicyId> = tiers.flat_map(|tier| tier.policies.iter().copied()).collect();
    for &id in &ordered {
        let subject = &policies.policy(id).subject;
        by_subject.entry(subject).or_insert_with(|| lookup.pods(cluster, subject).collect());
    }
    let mut out: Vec<[Subjection; 2]> = vec![Default::default(); cluster.pods.len()];
    for id in cluster.pod_ids() {
        let pod = cluster.pod(id);
        let blind = |firewall: bool| {
            let mut spots = policies.blind.iter().filter(|blind| blind.firewall == firewall);
            !pod.host_network && spots.any(|blind| blind.reaches(pod))
        };
        let (main, firewall) = (blind(false), blind(true));
        for subjection in &mut out[id.index()] {
            subjection.blind = main;
        }
        out[id.index()][Direction::Egress.index()].blind_firewall = firewall;
    }
    for id in ordered {
        let policy = policies.policy(id);
        let Some(pods) = by_subject.get(&policy.subject) else {
            continue;
        };
        for direction in Direction::ALL {
            // A policy that neither isolates nor has rules that count in a direction has no part in it,
            // unless that it selects the pod at all is what counts.
            let at = direction.index();
            let part = policy.isolates[at] || policy.counts[at] && !policy.rules[at].is_empty();
            if !part && !policies.dataplane.hidden_baseline {
                continue;
            }
            for &(pod, sure) in pods {
                let sure = sure && policy.doubt.is_none();
                out[pod.index()][direction.index()].policies.push((id, sure));
            }
        }
    }
    out
}
