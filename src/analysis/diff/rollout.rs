//! What breaks while a change is rolled out: pods of old and of new labels stand side by side, and policies are
//! applied before them or after them.

use super::{Cause, DiffEnd, DiffRow, diff_in};
use crate::analysis::world::{Options, World};
use crate::cluster::{Labels, Overlay, WorkloadId};
use crate::manifest::{Loaded, Resource};
use crate::net::ConnectionSet;
use std::collections::{BTreeSet, HashMap};

/// A connection that is there before a change and after it, and not in between.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Break {
    /// Who connects.
    pub source: DiffEnd,
    /// To whom.
    pub destination: DiffEnd,
    /// On which ports.
    pub ports: ConnectionSet,
    /// Whether it is new pods under old policies that cannot; else old pods under new policies.
    pub new_pods: bool,
    /// What stands in the way.
    pub causes: Vec<Cause>,
}

/// The workloads of both worlds whose pods change their labels.
pub fn relabelled(before: &World, after: &World) -> BTreeSet<String> {
    let labels = |world: &World, id: WorkloadId| -> BTreeSet<Labels> {
        let cluster = &world.cluster;
        let pods = cluster.workload(id).pods.iter();
        // What a controller adds to each revision is not a change by itself.
        pods.map(|&pod| cluster.pod(pod).labels.filtered(|key| !key.ends_with("-hash"))).collect()
    };
    let cluster = &after.cluster;
    let known: HashMap<String, WorkloadId> =
        cluster.workload_ids().map(|id| (cluster.workload_name(id), id)).collect();
    let differs = |id: &WorkloadId| {
        let own = labels(before, *id);
        let other = known.get(&before.cluster.workload_name(*id)).map(|&id| labels(after, id));
        !own.is_empty() && other.is_some_and(|other| !other.is_empty() && other != own)
    };
    let ids = before.cluster.workload_ids().filter(differs);
    ids.map(|id| before.cluster.workload_name(id)).collect()
}

fn is_policy(resource: &Resource) -> bool {
    matches!(
        resource,
        Resource::NetworkPolicy(_) | Resource::AdminPolicy(_) | Resource::EgressFirewall(_)
    )
}

/// The worlds in between: the policies of the one with the pods of the other. What was loaded is that of
/// `before` and of `after`, with all edits made.
fn between(before: (&World, &Loaded), after: (&World, &Loaded)) -> [World; 2] {
    [(before, after), (after, before)].map(|((policies, of_policies), (pods, of_pods))| {
        let own = of_policies.resources.iter().filter(|own| is_policy(own)).cloned();
        let others = of_pods.resources.iter().filter(|own| !is_policy(own)).cloned();
        let resources = own.chain(others).collect();
        let loaded =
            Loaded { resources, set_aside: of_policies.set_aside.clone(), ..Loaded::default() };
        let options = Options {
            cni: policies.cni.clone(),
            distribution: None,
            as_declared: policies.cni.is_none(),
            overlay: Overlay::default(),
            ..pods.options.clone()
        };
        World::new(loaded, options)
    })
}

/// The connections of relabelled workloads that break in between.
pub fn rollout(
    before: (&World, &Loaded),
    after: (&World, &Loaded),
    relabelled: &BTreeSet<String>,
) -> Vec<Break> {
    let is_about = |row: &DiffRow| {
        let own = |end: &DiffEnd| matches!(end, DiffEnd::Workload { name, .. } if relabelled.contains(name));
        own(&row.source) || own(&row.destination)
    };
    let mut out = Vec::new();
    for (middle, new_pods) in between(before, after).iter().zip([true, false]) {
        // Its policies stand where those of one of the sides do.
        let policies = if new_pods { before.0 } else { after.0 };
        let sources = [&before.0.sources, &policies.sources, &after.0.sources];
        let first = diff_in([before.0, middle], [sources[0], sources[1]]);
        let second = diff_in([middle, after.0], [sources[1], sources[2]]);
        for row in first.rows.iter().filter(|row| is_about(row)) {
            let closes = row.closes();
            if closes.is_empty() {
                continue;
            }
            for later in &second.rows {
                let Some((source, destination)) = overlap(row, later) else { continue };
                let ports = closes.intersection(&later.opens());
                if ports.is_empty() {
                    continue;
                }
                // A rule that is gone for others stands in nobody's way.
                let causes = row.causes.iter().filter(|cause| cause.after).cloned();
                out.push(Break { source, destination, ports, new_pods, causes: causes.collect() });
            }
        }
    }
    out.sort();
    out.dedup();
    out
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
                    // Made anew they have other names: then they are the workload's all the same.
                    (!both.is_empty()).then_some(both)
                }
            };
            Some(DiffEnd::Workload { name: name.clone(), pods })
        }
        (a, b) => (a == b).then(|| a.clone()),
    };
    Some((both(&a.source, &b.source)?, both(&a.destination, &b.destination)?))
}
