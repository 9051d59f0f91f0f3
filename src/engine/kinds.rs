//! Pods that no selector of a policy set can tell apart, and which of them each selector matches.
//!
//! ```text
//!   pods ─▶ groups  (namespace, labels that selectors mention, own network or the node's)
//!        ─▶ kinds   (group, part of the address space that no block cuts, named ports, …)
//! ```
//!
//! Selectors of pods are looked up among groups, by label; blocks among parts of the address space.

use super::axis::{Axis, Part, Place};
use super::interner::Interner;
use super::matching::{self, Matched};
use super::peer::Peer;
use super::set::{Members, Set};
use crate::cluster::{
    AddressKnowledge, Addresses, ClusterState, ContainerPort, NamespaceId, Operator, PodId,
    Requirement, Selector,
};
use crate::net::{ConnectionSet, Family, IpSet, Protocol};
use crate::policy::{NamespaceMatch, PeerMatch, PodsMatch, PolicySet, Reach};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// The numbers that one selector matches, and those that it may match.
#[derive(Clone, Debug, Default)]
pub(super) struct Selected {
    pub(super) yes: Set,
    pub(super) maybe: Set,
}

/// What a selector matches in either family.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    /// The same in both.
    Both(Selected),
    /// By [`Family::index`].
    Each(Box<[Selected; 2]>),
}

impl Selection {
    pub(super) fn of(&self, family: Family) -> &Selected {
        match self {
            Self::Both(selected) => selected,
            Self::Each(each) => &each[family.index()],
        }
    }
}

/// The labels that selectors mention.
#[derive(Default)]
struct Vocabulary<'a> {
    keys: Interner<&'a str>,
    /// Values that are mentioned, by key.
    values: FxHashMap<(u32, &'a str), u32>,
}

/// A value that no selector mentions.
const OTHER: u32 = 0;

impl<'a> Vocabulary<'a> {
    fn add(&mut self, selector: &'a Selector) {
        for requirement in selector.requirements() {
            let key = self.keys.id(&requirement.key);
            for value in &requirement.values {
                self.add_value(key, value);
            }
        }
    }

    /// All labels that there are.
    fn add_labels(&mut self, cluster: &'a ClusterState) {
        let mut seen: FxHashSet<*const (Arc<str>, Arc<str>)> = FxHashSet::default();
        for pod in &cluster.pods {
            let pairs = pod.labels.pairs();
            if pairs.is_empty() || !seen.insert(pairs.as_ptr()) {
                continue;
            }
            for (key, value) in pairs {
                let key = self.keys.id(key);
                self.add_value(key, value);
            }
        }
    }

    fn add_value(&mut self, key: u32, value: &'a str) {
        // After the one of all that are not mentioned.
        let next = u32::try_from(self.values.len()).unwrap_or(u32::MAX - 1) + OTHER + 1;
        self.values.entry((key, value)).or_insert(next);
    }

    /// The mentioned labels among these, by key.
    fn mentioned(&self, pairs: &[(Arc<str>, Arc<str>)]) -> Box<[(u32, u32)]> {
        let mut found: Vec<(u32, u32)> = pairs
            .iter()
            .filter_map(|(key, value)| {
                let key = self.keys.get(&&**key)?;
                Some((key, self.values.get(&(key, &**value)).copied().unwrap_or(OTHER)))
            })
            .collect();
        found.sort_unstable();
        found.into()
    }

    fn read(&self, requirement: &Requirement) -> Wanted {
        // A key that no pod has is like any other that none has.
        let key = self.keys.get(&&*requirement.key).unwrap_or(u32::MAX);
        let value = |value: &Arc<str>| self.values.get(&(key, &**value)).copied();
        let mut values: Vec<u32> = requirement.values.iter().filter_map(value).collect();
        values.sort_unstable();
        Wanted { key, operator: requirement.operator, values }
    }
}

/// A requirement in numbers.
struct Wanted {
    key: u32,
    operator: Operator,
    values: Vec<u32>,
}

impl Wanted {
    fn holds(&self, labels: &[(u32, u32)]) -> bool {
        let found = labels.binary_search_by_key(&self.key, |&(key, _)| key).ok();
        let value = found.map(|at| labels[at].1);
        let listed = value.is_some_and(|value| self.values.binary_search(&value).is_ok());
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// Pods of one namespace, with the same labels as far as selectors look.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Group {
    namespace: NamespaceId,
    /// Among distinct sets of mentioned labels.
    labels: u32,
    host_network: bool,
}

/// What tells pods of one group apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    group: u32,
    /// Part of the address space, by family.
    parts: [u32; 2],
    names: u32,
    families: u32,
    left_alone: bool,
    /// A pod on its node's network that rules about nodes may tell from others.
    itself: Option<PodId>,
}

/// The pods of a cluster as a policy set's selectors see them.
pub(super) struct Kinds<'a> {
    cluster: &'a ClusterState,
    vocabulary: Vocabulary<'a>,
    groups: Interner<Group>,
    /// Distinct sets of mentioned labels.
    labels: Interner<Box<[(u32, u32)]>>,
    /// The groups of a namespace stand together.
    ranges: Vec<Range<u32>>,
    /// Groups by a label that they have, and by a key alone.
    by_label: FxHashMap<(u32, u32), Vec<u32>>,
    by_key: FxHashMap<u32, Vec<u32>>,
    distinct: Interner<Kind>,
    /// The kind of each pod that is considered.
    pub(super) of: Vec<u32>,
    /// The first pod of each kind.
    pub(super) first: Vec<PodId>,
    of_group: Members<u32>,
    of_part: [Members<u32>; 2],
    axes: [Axis; 2],
    /// Distinct numbers of the port names that rules use.
    pub(super) names: Interner<Vec<ConnectionSet>>,
    namespaces: NamespaceIndex<'a>,
}

impl<'a> Kinds<'a> {
    /// Sorts pods, ascending, by what selectors can see of them.
    pub(super) fn new(
        cluster: &'a ClusterState,
        policies: &'a PolicySet,
        pods: &[PodId],
        peers: &[&'a PeerMatch],
        subjects: impl Iterator<Item = &'a PodsMatch>,
        port_names: &[(Protocol, &str)],
        every_label: bool,
    ) -> Self {
        let mut vocabulary = Vocabulary::default();
        if every_label {
            vocabulary.add_labels(cluster);
        }
        let selectors = peers.iter().filter_map(|peer| match peer {
            PeerMatch::Pods(pods) => Some(pods),
            _ => None,
        });
        for selector in selectors.chain(subjects) {
            vocabulary.add(&selector.pods);
        }
        let sets: Vec<&IpSet> = peers
            .iter()
            .filter_map(|peer| match peer {
                PeerMatch::Addresses(set, _) => Some(set),
                _ => None,
            })
            .collect();
        // What pods on their nodes' network are matched by as the nodes that they are.
        let as_nodes = peers.iter().any(|peer| {
            matches!(peer, PeerMatch::Nodes(_) | PeerMatch::Domains(_) | PeerMatch::Placed(_))
        });
        let axes = Family::ALL.map(|family| Axis::new(&sets, family));
        let mut kinds = Self {
            cluster,
            vocabulary,
            groups: Interner::default(),
            labels: Interner::default(),
            ranges: vec![0..0; cluster.namespaces.len()],
            by_label: FxHashMap::default(),
            by_key: FxHashMap::default(),
            distinct: Interner::default(),
            of: Vec::with_capacity(pods.len()),
            first: Vec::new(),
            of_group: Members::default(),
            of_part: Default::default(),
            axes,
            names: Interner::default(),
            namespaces: NamespaceIndex::new(cluster),
        };
        kinds.sort(policies, pods, port_names, as_nodes);
        kinds
    }

    fn sort(
        &mut self,
        policies: &PolicySet,
        pods: &[PodId],
        port_names: &[(Protocol, &str)],
        as_nodes: bool,
    ) {
        let cluster = self.cluster;
        // Pods of a workload share their labels and ports.
        let mut labels_seen: FxHashMap<*const (Arc<str>, Arc<str>), u32> = FxHashMap::default();
        let mut names_seen: FxHashMap<(*const ContainerPort, usize, bool), u32> =
            FxHashMap::default();
        let mut families: Interner<Vec<Family>> = Interner::default();
        let mut known_families: FxHashMap<bool, u32> = FxHashMap::default();
        // Where each pod's addresses are, by family.
        let places: Vec<[Place; 2]> = pods
            .par_iter()
            .map(|&id| {
                let host_network = cluster.pod(id).host_network;
                Family::ALL.map(|family| match cluster.address(id, family) {
                    AddressKnowledge::None => Place::None,
                    AddressKnowledge::OneOf(_) => Place::Unknown(host_network),
                    AddressKnowledge::Exactly(address) => {
                        Place::In(self.axes[family.index()].piece(address))
                    }
                })
            })
            .collect();
        for (&id, places) in pods.iter().zip(places) {
            let pod = cluster.pod(id);
            let pairs = pod.labels.pairs();
            let labels = if pairs.is_empty() {
                self.labels.id(Box::default())
            } else {
                *labels_seen
                    .entry(pairs.as_ptr())
                    .or_insert_with(|| self.labels.id(self.vocabulary.mentioned(pairs)))
            };
            let group = Group { namespace: pod.namespace, labels, host_network: pod.host_network };
            let before = self.groups.values.len();
            let group = self.groups.id(group);
            if self.groups.values.len() > before {
                let range = &mut self.ranges[pod.namespace.index()];
                let start = if range.start == range.end { group } else { range.start };
                *range = start..group + 1;
                for &(key, value) in &self.labels.values[labels as usize] {
                    self.by_label.entry((key, value)).or_default().push(group);
                    self.by_key.entry(key).or_default().push(group);
                }
            }
            let names = if port_names.is_empty() {
                self.names.id(Vec::new())
            } else {
                let ports = (pod.ports.as_ptr(), pod.ports.len(), pod.host_network);
                *names_seen.entry(ports).or_insert_with(|| {
                    let sets = port_names.iter().map(|&(protocol, name)| {
                        matching::named_set(cluster, policies, id, protocol, name)
                    });
                    self.names.id(sets.collect())
                })
            };
            let parts = [0, 1].map(|at: usize| self.axes[at].part(places[at]));
            // Of pods with one known address that says the family.
            let families = match &pod.addresses {
                Addresses::Known(list) if list.len() == 1 => *known_families
                    .entry(list[0].is_ipv4())
                    .or_insert_with(|| families.id(cluster.families(id))),
                _ => families.id(cluster.families(id)),
            };
            let kind = Kind {
                group,
                parts,
                names,
                families,
                left_alone: policies.dataplane.leaves_alone(id),
                itself: (as_nodes && pod.host_network).then_some(id),
            };
            let before = self.distinct.values.len();
            let kind = self.distinct.id(kind);
            if self.distinct.values.len() > before {
                self.first.push(id);
            }
            self.of.push(kind);
        }
        for axis in &mut self.axes {
            axis.occupied.sort_unstable();
            axis.occupied.dedup();
        }
        let kinds = || (0..).zip(&self.distinct.values);
        let by_group = kinds().map(|(at, kind)| (kind.group, at));
        self.of_group = Members::new(self.groups.values.len(), by_group);
        self.of_part = [0, 1].map(|axis: usize| {
            let by_part = kinds().map(|(at, kind)| (kind.parts[axis], at));
            Members::new(self.axes[axis].parts.values.len(), by_part)
        });
    }

    pub(super) fn len(&self) -> usize {
        self.distinct.values.len()
    }

    /// The part of a kind that makes a verdict besides what selectors match: its port names' numbers,
    /// its families, and whether policies leave it alone.
    pub(super) fn traits_of(&self, kind: usize) -> (u32, u32, bool, bool) {
        let kind = &self.distinct.values[kind];
        let host_network = self.groups.values[kind.group as usize].host_network;
        (kind.names, kind.families, kind.left_alone, host_network)
    }

    /// The kinds that a selector of pods is about: for sure, and maybe.
    pub(super) fn pods(&self, selector: &PodsMatch) -> [Vec<u32>; 2] {
        self.groups_of(selector).map(|groups| {
            groups.iter().flat_map(|&group| self.of_group.of(group)).copied().collect()
        })
    }

    fn groups_of(&self, selector: &PodsMatch) -> [Vec<u32>; 2] {
        let requirements = selector.pods.requirements().iter();
        let wanted: Vec<Wanted> = requirements.map(|r| self.vocabulary.read(r)).collect();
        let mut found: [Vec<u32>; 2] = Default::default();
        let fits = |group: u32| {
            let group = &self.groups.values[group as usize];
            let labels = &self.labels.values[group.labels as usize];
            !group.host_network && wanted.iter().all(|wanted| wanted.holds(labels))
        };
        // The shortest list at hand that holds all that can match.
        let listed = self.listed(&wanted);
        match &selector.namespaces {
            NamespaceMatch::Is(id) => {
                let range = self.ranges[id.index()].clone();
                match listed.filter(|list| list.len() < range.len()) {
                    Some(list) => {
                        let own = list.into_iter().filter(|group| range.contains(group));
                        found[0].extend(own.filter(|&group| fits(group)));
                    }
                    None => found[0].extend(range.filter(|&group| fits(group))),
                }
            }
            NamespaceMatch::Labelled(namespaces) => {
                let namespaces = self.namespaces.matching(namespaces);
                let size: usize =
                    namespaces.iter().map(|(id, _)| self.ranges[id.index()].len()).sum();
                match listed.filter(|list| list.len() < size) {
                    Some(list) => {
                        for group in list.into_iter().filter(|&group| fits(group)) {
                            let own = self.groups.values[group as usize].namespace;
                            if let Ok(at) = namespaces.binary_search_by_key(&own, |(id, _)| *id) {
                                found[usize::from(!namespaces[at].1)].push(group);
                            }
                        }
                    }
                    None => {
                        for &(id, sure) in &*namespaces {
                            let range = self.ranges[id.index()].clone();
                            found[usize::from(!sure)].extend(range.filter(|&group| fits(group)));
                        }
                    }
                }
            }
        }
        found
    }

    /// Groups that one of the requirements admits: the one that admits the fewest.
    fn listed(&self, wanted: &[Wanted]) -> Option<Vec<u32>> {
        let none: &[u32] = &[];
        let lists = |wanted: &Wanted| -> Option<Vec<&[u32]>> {
            let list = |key: &(u32, u32)| self.by_label.get(key).map_or(none, Vec::as_slice);
            match wanted.operator {
                Operator::In => {
                    Some(wanted.values.iter().map(|&value| list(&(wanted.key, value))).collect())
                }
                Operator::Exists => {
                    Some(vec![self.by_key.get(&wanted.key).map_or(none, Vec::as_slice)])
                }
                Operator::NotIn | Operator::DoesNotExist => None,
            }
        };
        let size = |lists: &Vec<&[u32]>| lists.iter().map(|list| list.len()).sum::<usize>();
        wanted.iter().filter_map(lists).min_by_key(size).map(|lists| lists.concat())
    }

    /// What a peer selector matches.
    pub(super) fn select(&self, peer: &PeerMatch) -> Selection {
        let selected = |[yes, maybe]: [Vec<u32>; 2]| Selected {
            yes: Set::new(yes, self.len()),
            maybe: Set::new(maybe, self.len()),
        };
        match peer {
            PeerMatch::Pods(selector) => Selection::Both(selected(self.pods(selector))),
            PeerMatch::Addresses(set, reach) => Selection::Each(Box::new(
                Family::ALL.map(|family| selected(self.at(peer, set, *reach, family))),
            )),
            PeerMatch::Nodes(_) | PeerMatch::Domains(_) | PeerMatch::Placed(_) => Selection::Each(
                Box::new(Family::ALL.map(|family| selected(self.as_nodes(peer, family)))),
            ),
        }
    }

    /// Whether a selector is about all of every kind or none of it, though it was not there when pods
    /// were sorted.
    pub(super) fn is_whole(&self, peer: &PeerMatch) -> bool {
        match peer {
            PeerMatch::Pods(_) => true,
            PeerMatch::Addresses(set, _) => Family::ALL
                .into_iter()
                .all(|family| self.axes[family.index()].is_cut_at(set, family)),
            PeerMatch::Nodes(_) | PeerMatch::Domains(_) | PeerMatch::Placed(_) => false,
        }
    }

    fn at(&self, peer: &PeerMatch, set: &IpSet, reach: Reach, family: Family) -> [Vec<u32>; 2] {
        let at = family.index();
        let axis = &self.axes[at];
        let mut found: [Vec<u32>; 2] = Default::default();
        let reached = |kind: u32| {
            let group = self.distinct.values[kind as usize].group;
            let host_network = self.groups.values[group as usize].host_network;
            if host_network { reach.nodes } else { reach.pods }
        };
        for part in axis.parts_of(set, family) {
            found[0].extend(self.of_part[at].of(part).iter().filter(|&&kind| reached(kind)));
        }
        for part in [false, true].into_iter().filter_map(|h| axis.parts.get(&Part::Unknown(h))) {
            let kinds = self.of_part[at].of(part);
            let Some(&first) = kinds.first() else { continue };
            // All of them may have the same addresses.
            let one = Peer::Pod(self.first[first as usize]);
            match matching::peer(self.cluster, peer, &one, family) {
                Matched::Yes => found[0].extend(kinds),
                Matched::Unknown(_) => found[1].extend(kinds),
                Matched::No => {}
            }
        }
        found
    }

    fn as_nodes(&self, peer: &PeerMatch, family: Family) -> [Vec<u32>; 2] {
        let mut found: [Vec<u32>; 2] = Default::default();
        for (kind, of) in (0..).zip(&self.distinct.values) {
            if let Some(id) = of.itself {
                match matching::peer(self.cluster, peer, &Peer::Pod(id), family) {
                    Matched::Yes => found[0].push(kind),
                    Matched::Unknown(_) => found[1].push(kind),
                    Matched::No => {}
                }
            }
        }
        found
    }
}

/// Namespaces and whether a selector is about them for sure, ascending.
type Namespaces = Arc<[(NamespaceId, bool)]>;

/// Namespaces by their labels.
struct NamespaceIndex<'a> {
    cluster: &'a ClusterState,
    by_label: FxHashMap<(&'a str, &'a str), Vec<NamespaceId>>,
    /// Their labels are not known.
    undeclared: Vec<NamespaceId>,
    /// Policies often select the same namespaces.
    known: Mutex<FxHashMap<Selector, Namespaces>>,
}

impl<'a> NamespaceIndex<'a> {
    fn new(cluster: &'a ClusterState) -> Self {
        let mut by_label: FxHashMap<_, Vec<NamespaceId>> = FxHashMap::default();
        let mut undeclared = Vec::new();
        for id in cluster.namespace_ids() {
            let namespace = cluster.namespace(id);
            if !namespace.declared {
                undeclared.push(id);
                continue;
            }
            for label in namespace.labels.iter() {
                by_label.entry(label).or_default().push(id);
            }
        }
        Self { cluster, by_label, undeclared, known: Mutex::default() }
    }

    fn matching(&self, selector: &Selector) -> Namespaces {
        let known =
            self.known.lock().unwrap_or_else(PoisonError::into_inner).get(selector).cloned();
        if let Some(known) = known {
            return known;
        }
        let found = self.find(selector);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(selector.clone()).or_insert(found))
    }

    fn find(&self, selector: &Selector) -> Namespaces {
        let listed = |requirement: &Requirement| -> Option<Vec<NamespaceId>> {
            if requirement.operator != Operator::In {
                return None;
            }
            let lists = requirement.values.iter();
            let lists = lists.filter_map(|value| self.by_label.get(&(&*requirement.key, &**value)));
            Some(lists.flatten().copied().collect())
        };
        let mut candidates = match selector.requirements().iter().find_map(listed) {
            Some(mut listed) => {
                listed.extend(&self.undeclared);
                listed
            }
            None => self.cluster.namespace_ids().collect(),
        };
        candidates.sort_unstable();
        candidates.dedup();
        let about = |id| match selector.matches_namespace(self.cluster.namespace(id)) {
            Some(true) => Some((id, true)),
            Some(false) => None,
            None => Some((id, false)),
        };
        candidates.into_iter().filter_map(about).collect()
    }
}
