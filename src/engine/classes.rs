//! Pods that no policy tells apart.

use super::interner::Interner;
use super::kinds::{Kinds, Selected, Selection};
use super::set::Set;
use crate::cluster::{ClusterState, PodId};
use crate::net::{ConnectionSet, Family, Protocol, number_of};
use crate::policy::{
    Direction, PeerMatch, Peers, PodsMatch, PolicyId, PolicySet, PortMatch, PortSelector, Ports,
    RuleId,
};
use rayon::prelude::*;
use std::convert::Infallible;

/// Every distinct peer selector of the rules that are considered, and what they match.
///
/// Invariant: the lists are in the order of first mention, so that results do not depend on
/// hashing.
pub(super) struct Index<'a> {
    /// Distinct peer selectors.
    pub(super) peers: Vec<&'a PeerMatch>,
    /// By peer selector: the classes that it matches.
    pub(super) selected: Vec<Selection>,
    /// By rule, if it is considered.
    pub(super) rules: Vec<Option<FastRule>>,
    /// Distinct port names.
    pub(super) names: Vec<(Protocol, &'a str)>,
    /// Peer selectors of rules that have no effect: addresses and names in them are still some that a
    /// list of everything has.
    pub(super) idle: Vec<&'a PeerMatch>,
}

/// A rule with its selectors and names looked up.
pub(super) struct FastRule {
    /// `None`: any peer.
    pub(super) peers: Option<Vec<u32>>,
    /// What the subject must match; `None`: nothing more.
    pub(super) own: Option<Vec<u32>>,
    /// `None`: any port.
    pub(super) ports: Option<FastPorts>,
}

pub(super) struct FastPorts {
    pub(super) numbers: ConnectionSet,
    pub(super) names: Vec<u32>,
}

/// Selectors and names in the order of first mention.
#[derive(Default)]
struct Mentioned<'a> {
    peers: Interner<&'a PeerMatch>,
    names: Interner<(Protocol, &'a str)>,
}

impl<'a> Mentioned<'a> {
    fn rule(&mut self, policies: &'a PolicySet, id: RuleId) -> FastRule {
        let rule = policies.rule(id);
        FastRule {
            peers: match &rule.peers {
                Peers::Any => None,
                Peers::Of(list) => Some(list.iter().map(|s| self.peers.id(&s.matches)).collect()),
            },
            own: rule.own.as_ref().map(|list| list.iter().map(|s| self.peers.id(s)).collect()),
            ports: match &rule.ports {
                Ports::Any => None,
                Ports::Of(list) => {
                    let id = |name| Ok::<u32, Infallible>(self.names.id(name));
                    let Ok(ports) = FastPorts::new(list, id);
                    Some(ports)
                }
            },
        }
    }
}

impl FastPorts {
    /// The ports of a rule; `id` numbers the names.
    pub(super) fn new<'p, E>(
        list: &'p [PortSelector],
        mut id: impl FnMut((Protocol, &'p str)) -> Result<u32, E>,
    ) -> Result<Self, E> {
        let (mut numbers, mut names) = (Vec::new(), Vec::new());
        for port in list {
            match &port.matches {
                PortMatch::Numbers(set) => numbers.push(set),
                PortMatch::Named { protocol, name } => names.push(id((*protocol, &**name))?),
            }
        }
        Ok(Self { numbers: ConnectionSet::union_of(numbers), names })
    }
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
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Signature {
    subjection: [u32; 2],
    host_network: bool,
    left_alone: bool,
    names: u32,
    families: u32,
    /// The exclusive or of a number for each selector that matches, by family and certainty. As with
    /// pieces of addresses ([`number_of`]), chance does not make two of them equal.
    matched: u128,
}

/// An equivalence class of pods, by its place in [`Classes`].
pub(super) type ClassId = u32;

/// No class: the pod is not considered.
const NONE: ClassId = ClassId::MAX;

/// The classes of a cluster's pods under a policy set.
pub(super) struct Classes {
    /// By pod.
    of: Vec<ClassId>,
    /// By class: its first pod, which stands for all.
    pub(super) representative: Vec<PodId>,
    /// Distinct subjections.
    pub(super) subjections: Vec<Subjection>,
    /// By class and direction.
    pub(super) subjection_of: Vec<[u32; 2]>,
    /// By class: the numbers of the port names that rules use, among the distinct ones.
    pub(super) names_of: Vec<u32>,
    pub(super) names: Vec<Vec<ConnectionSet>>,
    /// By class: policies leave it alone.
    pub(super) left_alone: Vec<bool>,
    /// By class: the families that its pods have addresses in.
    families: Vec<[bool; 2]>,
}

impl Classes {
    /// The class of a pod that is considered.
    pub(super) fn of(&self, pod: PodId) -> ClassId {
        let class = self.of[pod.index()];
        debug_assert_ne!(class, NONE, "the pod is not considered");
        class
    }

    pub(super) fn len(&self) -> usize {
        self.representative.len()
    }

    /// Whether the pods of a class have addresses in a family.
    pub(super) fn has(&self, class: ClassId, family: Family) -> bool {
        self.families[class as usize][family.index()]
    }

    /// The ids of all classes.
    pub(super) fn ids(&self) -> impl Iterator<Item = ClassId> + use<> {
        0..u32::try_from(self.representative.len()).unwrap_or(NONE)
    }

    /// The numbers of a port name on the pods of a class.
    pub(super) fn named(&self, class: ClassId, name: u32) -> &ConnectionSet {
        &self.names[self.names_of[class as usize] as usize][name as usize]
    }
}

/// Sorts pods, ascending, into classes. With `every_label` they are told apart by all of their labels,
/// so that a class is whole to any selector of pods; then the kinds are returned as well.
pub(super) fn classify<'a>(
    cluster: &'a ClusterState,
    policies: &'a PolicySet,
    pods: &[PodId],
    every_label: bool,
) -> (Index<'a>, Classes, Option<Kinds<'a>>) {
    let tiers = policies.tiers.iter().chain(&policies.firewalls);
    let ordered: Vec<PolicyId> = tiers.flat_map(|tier| tier.policies.iter().copied()).collect();
    // Of a few pods most policies select none, and their rules do not matter.
    let whole = pods.len() == cluster.pods.len();
    let considered: Vec<PolicyId> = ordered
        .into_iter()
        .filter(|&id| {
            let subject = &policies.policy(id).subject;
            whole
                || pods.iter().any(|&pod| {
                    let pod = cluster.pod(pod);
                    subject.matches(pod, cluster.namespace(pod.namespace)) != Some(false)
                })
        })
        .collect();
    let mut mentioned = Mentioned::default();
    let mut rules: Vec<Option<FastRule>> = Vec::new();
    rules.resize_with(policies.rules.len(), || None);
    for &id in &considered {
        for &rule in policies.policy(id).rules.iter().flatten() {
            rules[rule.index()] = Some(mentioned.rule(policies, rule));
        }
    }
    let (peers, names) = (mentioned.peers.values, mentioned.names.values);
    let idle = if whole { idle(policies, &rules) } else { Vec::new() };
    let subjects = considered.iter().map(|&id| &policies.policy(id).subject);
    let kinds = Kinds::new(cluster, policies, pods, &peers, subjects, &names, every_label);
    let selected: Vec<Selection> = peers.par_iter().map(|peer| kinds.select(peer)).collect();
    let classes =
        Classes::new(cluster, policies, pods, &considered, &kinds, &selected, every_label);
    if every_label {
        // Each kind is a class of its own, by the same number.
        let index = Index { peers, selected, rules, names, idle };
        return (index, classes, Some(kinds));
    }
    let class_of_kind: Vec<ClassId> = kinds.first.iter().map(|&pod| classes.of(pod)).collect();
    let bound = classes.len();
    let set =
        |set: &Set| Set::new(set.iter().map(|kind| class_of_kind[kind as usize]).collect(), bound);
    let both =
        |selected: &Selected| Selected { yes: set(&selected.yes), maybe: set(&selected.maybe) };
    let selected = selected
        .par_iter()
        .map(|selection| match selection {
            Selection::Both(selected) => Selection::Both(both(selected)),
            Selection::Each(each) => Selection::Each(Box::new([both(&each[0]), both(&each[1])])),
        })
        .collect();
    (Index { peers, selected, rules, names, idle }, classes, None)
}

/// Peer selectors of rules that are not considered.
fn idle<'a>(policies: &'a PolicySet, rules: &[Option<FastRule>]) -> Vec<&'a PeerMatch> {
    let idle = policies.rules.iter().zip(rules).filter(|(_, fast)| fast.is_none());
    let peers = idle.filter_map(|(rule, _)| match &rule.peers {
        Peers::Of(list) => Some(list),
        Peers::Any => None,
    });
    peers.flatten().map(|selector| &selector.matches).collect()
}

impl Classes {
    fn new(
        cluster: &ClusterState,
        policies: &PolicySet,
        pods: &[PodId],
        considered: &[PolicyId],
        kinds: &Kinds<'_>,
        selected: &[Selection],
        apart: bool,
    ) -> Self {
        let subjections = subjections(cluster, policies, considered, kinds);
        let mut matched = vec![0_u128; kinds.len()];
        for (at, selection) in selected.iter().enumerate() {
            for (f, family) in Family::ALL.into_iter().enumerate() {
                if f > 0 && matches!(selection, Selection::Both(_)) {
                    continue;
                }
                let selected = selection.of(family);
                for (sure, set) in [&selected.yes, &selected.maybe].into_iter().enumerate() {
                    let number = number_of(at * 4 + f * 2 + sure);
                    set.iter().for_each(|kind| matched[kind as usize] ^= number);
                }
            }
        }
        let mut distinct: Interner<Subjection> = Interner::default();
        let mut signatures: Interner<Signature> = Interner::default();
        let mut classes = Self {
            of: vec![NONE; cluster.pods.len()],
            representative: Vec::new(),
            subjections: Vec::new(),
            subjection_of: Vec::new(),
            names_of: Vec::new(),
            names: kinds.names.values.clone(),
            left_alone: Vec::new(),
            families: Vec::new(),
        };
        let of_kind: Vec<ClassId> = subjections
            .into_iter()
            .enumerate()
            .map(|(kind, own)| {
                let (names, families, left_alone, host_network) = kinds.traits_of(kind);
                let subjection = own.map(|subjection| distinct.id(subjection));
                let class = signatures.id(Signature {
                    subjection,
                    host_network,
                    left_alone,
                    names,
                    families,
                    matched: if apart { number_of(kind) } else { matched[kind] },
                });
                if class as usize == classes.representative.len() {
                    classes.representative.push(kinds.first[kind]);
                    classes.subjection_of.push(subjection);
                    classes.names_of.push(names);
                    classes.left_alone.push(left_alone);
                    let families = cluster.families(kinds.first[kind]);
                    classes.families.push(Family::ALL.map(|family| families.contains(&family)));
                }
                class
            })
            .collect();
        for (&pod, &kind) in pods.iter().zip(&kinds.of) {
            classes.of[pod.index()] = of_kind[kind as usize];
        }
        classes.subjections = distinct.values;
        classes
    }
}

/// For every kind and direction, the policies about it.
fn subjections(
    cluster: &ClusterState,
    policies: &PolicySet,
    considered: &[PolicyId],
    kinds: &Kinds<'_>,
) -> Vec<[Subjection; 2]> {
    // Policies often have the same subject: each is looked up once.
    let mut distinct: Interner<&PodsMatch> = Interner::default();
    let subject_of: Vec<u32> =
        considered.iter().map(|&id| distinct.id(&policies.policy(id).subject)).collect();
    let selected: Vec<[Vec<u32>; 2]> =
        distinct.values.par_iter().map(|subject| kinds.pods(subject)).collect();
    let mut out: Vec<[Subjection; 2]> = vec![Default::default(); kinds.len()];
    if !policies.blind.is_empty() {
        for (subjections, &id) in out.iter_mut().zip(&kinds.first) {
            let pod = cluster.pod(id);
            let blind = |firewall: bool| {
                let mut spots = policies.blind.iter().filter(|blind| blind.firewall == firewall);
                !pod.host_network && spots.any(|blind| blind.reaches(pod))
            };
            for subjection in subjections.iter_mut() {
                subjection.blind = blind(false);
            }
            subjections[Direction::Egress.index()].blind_firewall = blind(true);
        }
    }
    for (&id, subject) in considered.iter().zip(subject_of) {
        let policy = policies.policy(id);
        for direction in Direction::ALL {
            // A policy that neither isolates nor has rules that count in a direction has no part in it,
            // unless that it selects the pod at all is what counts.
            let at = direction.index();
            if !policy.has_part(direction) && !policies.dataplane.hidden_baseline {
                continue;
            }
            let [yes, maybe] = &selected[subject as usize];
            for (list, sure) in [(yes, true), (maybe, false)] {
                let sure = sure && policy.doubt.is_none();
                for &kind in list {
                    out[kind as usize][at].policies.push((id, sure));
                }
            }
        }
    }
    out
}
