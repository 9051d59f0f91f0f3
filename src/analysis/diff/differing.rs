//! Which workloads may differ, and in which direction.

use super::meaning::{same_dataplane, unequal};
use super::{Half, Matched};
use crate::cluster::{NamespaceId, WorkloadId};
use crate::policy::{Closed, Direction, NamespaceMatch, Policy, PolicyId};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What may differ.
#[derive(Debug, Default)]
pub(super) struct Differing {
    /// Workloads, by place among the matched ones.
    workloads: BTreeMap<usize, Own>,
    /// Policies of each side that have no equal on the other.
    unequal: [BTreeSet<PolicyId>; 2],
}

/// What may differ of one.
#[derive(Clone, Copy, Debug)]
struct Own {
    /// In which directions policies about it may say something else, by [`Direction::index`].
    directions: [bool; 2],
    /// Policies about others may say something else of its pods.
    pods: bool,
}

impl Own {
    const ALL: Self = Self { directions: [true; 2], pods: true };
}

impl Differing {
    pub(super) fn len(&self) -> usize {
        self.workloads.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.workloads.is_empty()
    }

    /// Whether what policies say of a workload in a direction may differ.
    pub(super) fn may(&self, at: usize, direction: Direction) -> bool {
        self.workloads.get(&at).is_some_and(|own| own.directions[direction.index()])
    }

    /// Whether a policy of a side has no equal on the other.
    pub(super) fn is_unequal(&self, side: usize, policy: PolicyId) -> bool {
        self.unequal[side].contains(&policy)
    }

    /// Whether what policies about others say of a workload may differ.
    pub(super) fn pods_may(&self, at: usize) -> bool {
        self.workloads.get(&at).is_some_and(|own| own.pods)
    }

    /// All that may differ.
    pub(super) fn asked(&self) -> impl Iterator<Item = (usize, Direction)> {
        let each = self
            .workloads
            .iter()
            .flat_map(|(&at, own)| Direction::ALL.map(|d| (at, d, own.directions[d.index()])));
        each.filter(|(.., may)| *may).map(|(at, direction, _)| (at, direction))
    }
}

/// The workloads of which anything may differ.
pub(super) fn may_differ(halves: &[Half<'_>; 2], matched: &[Matched]) -> Differing {
    let [a, b] = halves;
    let unequal = unequal(a.meant(), b.meant());
    let all_may = !same_dataplane(a.meant(), b.meant()) || !same_surroundings(a, b);
    let about = [0, 1].map(|side: usize| {
        About::new(unequal[side].iter().map(|&id| halves[side].policies.policy(id)))
    });
    let each = matched.par_iter().enumerate().filter_map(|(at, own)| {
        let own = match own.ids {
            [Some(first), Some(second)] if !all_may && same_pods(a, first, b, second) => {
                let [before, after] =
                    [about[0].directions(a, first), about[1].directions(b, second)];
                Own { directions: [0, 1].map(|at: usize| before[at] || after[at]), pods: false }
            }
            _ => Own::ALL,
        };
        (own.pods || own.directions != [false; 2]).then_some((at, own))
    });
    let workloads: Vec<(usize, Own)> = each.collect();
    let unequal = unequal.map(|own| own.into_iter().collect());
    Differing { workloads: workloads.into_iter().collect(), unequal }
}

/// Whether what answers rest on beside pods and policies is the same.
fn same_surroundings(a: &Half<'_>, b: &Half<'_>) -> bool {
    let blind = |half: &Half<'_>| {
        let spots = &half.world.cluster.blind_spots;
        let spots = half.policies.blind.iter().filter_map(|own| spots.get(own.spot));
        let name = |id| half.world.cluster.namespace(id).name.clone();
        let mut all: Vec<_> =
            spots.map(|spot| (spot.what.clone(), spot.namespace.map(name))).collect();
        all.sort();
        all
    };
    let nodes = |half: &Half<'_>| {
        let nodes = half.world.cluster.nodes.iter();
        let each =
            nodes.map(|node| (node.name.clone(), node.labels.clone(), node.addresses.clone()));
        each.collect::<Vec<_>>()
    };
    blind(a) == blind(b)
        && nodes(a) == nodes(b)
        && a.world.cluster.resolved == b.world.cluster.resolved
        && a.world.options.family == b.world.options.family
        && a.world.options.assumptions.pod_cidrs == b.world.options.assumptions.pod_cidrs
}

/// Policies of one side that have no equal on the other, by the namespace whose pods they may select.
struct About<'p> {
    of: HashMap<NamespaceId, Vec<&'p Policy>>,
    of_any: Vec<&'p Policy>,
}

impl<'p> About<'p> {
    fn new(policies: impl Iterator<Item = &'p Policy>) -> Self {
        let mut about = Self { of: HashMap::new(), of_any: Vec::new() };
        for policy in policies {
            match policy.subject.namespaces {
                NamespaceMatch::Is(id) => about.of.entry(id).or_default().push(policy),
                NamespaceMatch::Labelled(_) => about.of_any.push(policy),
            }
        }
        about
    }

    /// The directions of a workload that any of these has a part in.
    fn directions(&self, half: &Half<'_>, id: WorkloadId) -> [bool; 2] {
        let cluster = &half.world.cluster;
        let workload = cluster.workload(id);
        let own = self.of.get(&workload.namespace).into_iter().flatten().chain(&self.of_any);
        // Some enforcers ask of a direction whether a policy selects the pod for the other one.
        let plane = &half.policies.dataplane;
        let either = plane.closed == Closed::Unselected || plane.hidden_baseline;
        let mut out = [false; 2];
        for policy in own {
            let selects = workload.pods.iter().any(|&pod| {
                let pod = cluster.pod(pod);
                policy.subject.matches(pod, cluster.namespace(pod.namespace)) != Some(false)
            });
            for direction in Direction::ALL {
                out[direction.index()] |= selects && (either || policy.has_part(direction));
            }
        }
        out
    }
}

/// Whether policies see the same of the pods of two workloads, in their order.
fn same_pods(a: &Half<'_>, first: WorkloadId, b: &Half<'_>, second: WorkloadId) -> bool {
    let clusters = [&a.world.cluster, &b.world.cluster];
    let [own, other] = [clusters[0].workload(first), clusters[1].workload(second)];
    let namespaces = [clusters[0].namespace(own.namespace), clusters[1].namespace(other.namespace)];
    own.pods.len() == other.pods.len()
        && namespaces[0].labels == namespaces[1].labels
        && namespaces[0].declared == namespaces[1].declared
        && own.pods.iter().zip(&other.pods).all(|(&first, &second)| {
            let (x, y) = (clusters[0].pod(first), clusters[1].pod(second));
            let nodes = [
                x.node.map(|id| &clusters[0].node(id).name),
                y.node.map(|id| &clusters[1].node(id).name),
            ];
            (&x.labels, &x.ports, x.host_network) == (&y.labels, &y.ports, y.host_network)
                && (&x.addresses, x.stand_in) == (&y.addresses, y.stand_in)
                && nodes[0] == nodes[1]
        })
}
