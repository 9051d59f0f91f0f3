//! Pods × pods for one port, as the Kubernetes network policy tests print it.

use super::port::PortQuery;
use super::world::World;
use crate::cluster::PodId;
use crate::cluster::PortRef;
use crate::engine::{Decision, Model, Peer, common_families};
use crate::net::ConnectionSet;
use rayon::prelude::*;

/// Who reaches whom on one port.
#[derive(Clone, Debug)]
pub struct TruthTable {
    /// Rows and columns, as printed.
    pub names: Vec<String>,
    /// By source and destination. `None`: the destination has no port of that name.
    pub cells: Vec<Vec<Option<Decision>>>,
}

/// Evaluates every pair of pods.
pub fn truth_table(
    world: &World,
    model: &Model<'_>,
    port: &PortQuery,
    namespace: Option<&str>,
) -> TruthTable {
    let cluster = &world.cluster;
    let wanted = namespace.map(|name| cluster.find_namespace(name));
    let pods: Vec<PodId> = cluster
        .pod_ids()
        .filter(|&id| wanted.is_none_or(|own| own == Some(cluster.pod(id).namespace)))
        .collect();
    let names = pods
        .iter()
        .map(|&id| {
            let pod = cluster.pod(id);
            format!("{}/{}", cluster.namespace(pod.namespace).name, pod.name)
        })
        .collect();
    model.compile();
    let cells = pods
        .par_iter()
        .map(|&from| pods.iter().map(|&to| cell(world, model, port, from, to)).collect())
        .collect();
    TruthTable { names, cells }
}

fn cell(
    world: &World,
    model: &Model<'_>,
    port: &PortQuery,
    from: PodId,
    to: PodId,
) -> Option<Decision> {
    let asked = match (&port.port, port.numbers()) {
        (_, Some(numbers)) => numbers,
        (PortRef::Name(name), None) => world
            .cluster
            .named_ports(to, port.protocol(), name, true)
            .into_iter()
            .map(|number| ConnectionSet::port(port.protocol(), number))
            .fold(ConnectionSet::empty(), |all, one| all.union(&one)),
        (PortRef::Number(_), None) => ConnectionSet::empty(),
    };
    if asked.is_empty() {
        return None;
    }
    let (from, to) = (Peer::Pod(from), Peer::Pod(to));
    let mut families = common_families(&world.cluster, &from, &to).into_iter();
    let family = families.find(|&f| world.options.family.is_none_or(|wanted| wanted == f));
    let Some(family) = family else { return Some(Decision::Denied) };
    let verdict = model.verdict(&from, &to, family);
    Some(if asked.is_subset(&verdict.allowed) {
        Decision::Allowed
    } else if asked.is_subset(&verdict.allowed.union(&verdict.unknown)) {
        Decision::Unknown
    } else {
        Decision::Denied
    })
}
