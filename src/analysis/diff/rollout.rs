//! What breaks while a change is rolled out: pods of old and of new labels stand side by side, and policies are
//! applied before them or after them.

use super::{Cause, DiffEnd, DiffRow, diff_in};
use crate::analysis::world::{Options, World};
use crate::cluster::{Addresses, ClusterState, Labels, Overlay, PodId, WorkloadId};
use crate::manifest::{AddressList, Digest, Loaded, Meta, Owner, PodResource, PodShape, Resource};
use crate::net::ConnectionSet;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A connection that is there before a change and after it, and not in between.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Break {
    /// Whose policies are in force; `None` if it breaks under either.
    pub policies: Option<Generation>,
    /// To whom.
    pub destination: BreakEnd,
    /// Who connects.
    pub sources: BTreeSet<BreakEnd>,
    /// On which ports.
    pub ports: ConnectionSet,
    /// What stands in the way.
    pub causes: Vec<Cause>,
}

/// What was there before a change, or what comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// Before.
    Old,
    /// After.
    New,
}

/// An end of a connection while pods are replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BreakEnd {
    /// The end.
    pub end: DiffEnd,
    /// Which of its pods, where old and new ones stand side by side and it is not about both.
    pub pods: Option<Generation>,
}

impl BreakEnd {
    /// The end as printed: `old pods of shop/deploy/web`.
    pub fn name(&self) -> String {
        match self.pods {
            None => self.end.name(),
            Some(own) => format!("{} pods of {}", own.word(), self.end.name()),
        }
    }
}

impl Generation {
    /// `old` or `new`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }

    /// What the names of pods end with that are put beside those of the other generation; no name of a pod
    /// holds a space.
    fn mark(self) -> &'static str {
        match self {
            Self::Old => " (old)",
            Self::New => " (new)",
        }
    }
}

/// The workloads of both worlds whose pods change their labels.
pub fn relabelled(before: &World, after: &World) -> BTreeSet<String> {
    let labels = |world: &World, id: WorkloadId| -> BTreeSet<Labels> {
        let cluster = &world.cluster;
        let pods = cluster.workload(id).pods.iter();
        // What a controller adds to each revision is not a change by itself.
        pods.map(|&pod| cluster.pod(pod).labels.filtered(|key| !key.ends_with("-hash"))).collect()
    };
    // Not by the name that is printed: kinds of several groups may share it.
    let counterpart = |id: WorkloadId| {
        let own = before.cluster.workload(id);
        let namespace = &before.cluster.namespace(own.namespace).name;
        after.cluster.find_workload([namespace, &own.group, &own.kind, &own.name])
    };
    let same = |id: WorkloadId, other: WorkloadId| {
        let [own, other] = [(before, id), (after, other)].map(|(world, id)| {
            let pods = world.cluster.workload(id).pods.iter();
            pods.map(|&pod| &world.cluster.pod(pod).labels)
        });
        own.eq(other)
    };
    let differs = |&id: &WorkloadId| {
        let Some(other) = counterpart(id) else { return false };
        // Most have the same pods on both sides.
        if same(id, other) {
            return false;
        }
        let [own, other] = [labels(before, id), labels(after, other)];
        !own.is_empty() && !other.is_empty() && own != other
    };
    let ids: Vec<WorkloadId> = before.cluster.workload_ids().collect();
    let changed = ids.into_par_iter().filter(differs);
    changed.map(|id| before.cluster.workload_name(id)).collect()
}

fn is_policy(resource: &Resource) -> bool {
    matches!(
        resource,
        Resource::NetworkPolicy(_) | Resource::AdminPolicy(_) | Resource::EgressFirewall(_)
    )
}

/// One side of a change: what it is, and what it is made of, with all edits made.
#[derive(Clone, Copy)]
pub struct Stage<'w> {
    /// The side.
    pub world: &'w World,
    /// Its objects.
    pub loaded: &'w Loaded,
}

/// The world in between that has the policies of one stage, and beside the pods of the other one those that the
/// relabelled workloads have in the first.
fn between(
    policies: Stage<'_>,
    pods: Stage<'_>,
    own: Generation,
    names: &BTreeSet<String>,
) -> World {
    let cluster = &policies.world.cluster;
    let relabelled =
        cluster.workload_ids().filter(|&id| names.contains(&cluster.workload_name(id)));
    let beside = relabelled
        .flat_map(|id| &cluster.workload(id).pods)
        .map(|&pod| Resource::Pod(Box::new(beside(cluster, &pods.world.cluster, pod, own))));
    let resources = policies.loaded.resources.iter().filter(|own| is_policy(own));
    let resources = resources.chain(pods.loaded.resources.iter().filter(|own| !is_policy(own)));
    let loaded = Loaded {
        resources: resources.cloned().chain(beside).collect(),
        set_aside: policies.loaded.set_aside.clone(),
        ..Loaded::default()
    };
    let options = Options {
        cni: policies.world.cni.clone(),
        distribution: None,
        as_declared: policies.world.cni.is_none(),
        overlay: Overlay::default(),
        ..pods.world.options.clone()
    };
    World::new(loaded, options)
}

/// A pod as it stands beside those of the other generation.
fn beside(
    cluster: &ClusterState,
    others: &ClusterState,
    id: PodId,
    own: Generation,
) -> PodResource {
    let pod = cluster.pod(id);
    let workload = cluster.workload(pod.workload);
    // An address that a pod of the other generation has is given to one after the other.
    let addresses = match &pod.addresses {
        Addresses::Known(all) if all.iter().all(|&own| others.owner_of(own).is_none()) => {
            all.clone()
        }
        _ => AddressList::default(),
    };
    PodResource {
        meta: Meta {
            name: format!("{}{}", pod.name, own.mark()).into(),
            namespace: Some(Arc::clone(&cluster.namespace(pod.namespace).name)),
            owner: Some(Owner {
                group: Arc::clone(&workload.group),
                kind: Arc::clone(&workload.kind),
                name: Arc::clone(&workload.name),
            }),
            labels: pod.labels.clone(),
            span: pod.span,
            digest: Digest::Known(0),
        },
        shape: PodShape {
            labels: pod.labels.clone(),
            host_network: pod.host_network,
            ports: Arc::clone(&pod.ports),
        },
        node: pod.node.map(|node| Arc::clone(&cluster.node(node).name)),
        finished: false,
        addresses,
        host_addresses: AddressList::default(),
        stand_in: pod.stand_in,
    }
}

/// The connections of relabelled workloads that break in between: those that are there before and after, and that
/// the policies of either stage deny to some pair of old and new pods.
pub fn rollout(before: Stage<'_>, after: Stage<'_>, relabelled: &BTreeSet<String>) -> Vec<Break> {
    let is_about = |row: &DiffRow| {
        let own = |end: &DiffEnd| matches!(end, DiffEnd::Workload { name, .. } if relabelled.contains(&**name));
        own(&row.source) || own(&row.destination)
    };
    let mut found: BTreeMap<(Generation, BreakEnd, ConnectionSet, Vec<Cause>), BTreeSet<BreakEnd>> =
        BTreeMap::new();
    for own in [Generation::Old, Generation::New] {
        let (policies, pods) =
            if own == Generation::Old { (before, after) } else { (after, before) };
        let middle = between(policies, pods, own, relabelled);
        // Both have the middle on the second side, after which ends are named; its policies stand where those of
        // one of the stages do.
        let closed = [before, after].map(|stage| {
            let sources = [&stage.world.sources, &policies.world.sources];
            diff_in([stage.world, &middle], sources).rows
        });
        // Rows of the same ends alone have anything in common.
        let mut by_ends: HashMap<[&str; 2], Vec<&DiffRow>> = HashMap::new();
        for row in &closed[1] {
            let key = [whole(&row.source), whole(&row.destination)];
            by_ends.entry(key).or_default().push(row);
        }
        let cluster = &middle.cluster;
        let ids: HashMap<String, WorkloadId> =
            cluster.workload_ids().map(|id| (cluster.workload_name(id), id)).collect();
        for first in closed[0].iter().filter(|row| is_about(row)) {
            let key = [whole(&first.source), whole(&first.destination)];
            for &second in by_ends.get(&key).into_iter().flatten() {
                let Some((source, destination)) = overlap(first, second) else { continue };
                let ports = first.closes().intersection(&second.closes());
                if ports.is_empty() {
                    continue;
                }
                // A rule that is gone for others stands in nobody's way.
                let causes = first.causes.iter().filter(|cause| cause.after).cloned().collect();
                let [source, destination] =
                    [source, destination].map(|end| generation((cluster, &ids), end, own));
                found.entry((own, destination, ports, causes)).or_default().insert(source);
            }
        }
    }
    let one = |((policies, destination, ports, causes), sources)| Break {
        policies: Some(policies),
        destination,
        sources,
        ports,
        causes,
    };
    under_either(found.into_iter().map(one).collect())
}

/// What breaks under the policies of both is told once, with the places of the new ones.
fn under_either(found: Vec<Break>) -> Vec<Break> {
    let (old, mut new): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|own| own.policies == Some(Generation::Old));
    let mut out = Vec::new();
    for own in old {
        let same = new.iter_mut().find(|other| {
            (&other.destination, &other.sources, &other.ports)
                == (&own.destination, &own.sources, &own.ports)
        });
        match same {
            Some(other) => other.policies = None,
            None => out.push(own),
        }
    }
    out.extend(new);
    out.sort();
    out
}

/// What an end is a part of, by name: all addresses are one.
fn whole(end: &DiffEnd) -> &str {
    match end {
        DiffEnd::Workload { name, .. } => name,
        DiffEnd::Node(name) | DiffEnd::Name(name) => name,
        DiffEnd::External(_) => "",
    }
}

/// Tells of which generation the pods of an end are, in a world in which those that were put beside the others are
/// marked.
fn generation(
    (middle, ids): (&ClusterState, &HashMap<String, WorkloadId>),
    end: DiffEnd,
    beside: Generation,
) -> BreakEnd {
    let DiffEnd::Workload { name, pods: Some(pods) } = &end else {
        return BreakEnd { end, pods: None };
    };
    let mark = beside.mark();
    let marked = pods.iter().filter(|pod| pod.ends_with(mark)).count();
    let own = match marked {
        0 => beside.other(),
        all if all == pods.len() => beside,
        _ => return BreakEnd { end, pods: None },
    };
    let id = ids.get(&**name).copied();
    let all: Vec<&str> = id
        .map(|id| middle.workload(id).pods.iter().map(|&pod| &*middle.pod(pod).name).collect())
        .unwrap_or_default();
    // Of a workload that is not relabelled there is one generation.
    let both = all.iter().any(|pod| pod.ends_with(mark));
    let alike = all.iter().filter(|pod| pod.ends_with(mark) == (own == beside)).count();
    let bare = pods.iter().map(|pod| pod.strip_suffix(mark).unwrap_or(pod).to_owned()).collect();
    let pods = (alike != pods.len()).then_some(bare);
    BreakEnd { end: DiffEnd::Workload { name: name.clone(), pods }, pods: both.then_some(own) }
}

/// The ends that two rows have in common.
fn overlap(a: &DiffRow, b: &DiffRow) -> Option<(DiffEnd, DiffEnd)> {
    if a.family.is_some() && b.family.is_some() && a.family != b.family {
        return None;
    }
    let both = |a: &DiffEnd, b: &DiffEnd| match (a, b) {
        (DiffEnd::External(a), DiffEnd::External(b)) => {
            let both = a.intersection(b);
            (!both.is_empty()).then_some(DiffEnd::External(both))
        }
        (
            DiffEnd::Workload { name, pods: some },
            DiffEnd::Workload { name: other, pods: others },
        ) if name == other => {
            let pods = match (some, others) {
                (None, other) => other.clone(),
                (own, None) => own.clone(),
                (Some(own), Some(others)) => {
                    let both: Vec<String> =
                        own.iter().filter(|pod| others.contains(pod)).cloned().collect();
                    if both.is_empty() {
                        return None;
                    }
                    Some(both)
                }
            };
            Some(DiffEnd::Workload { name: name.clone(), pods })
        }
        (a, b) => (a == b).then(|| a.clone()),
    };
    Some((both(&a.source, &b.source)?, both(&a.destination, &b.destination)?))
}
