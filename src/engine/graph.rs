//! The ends of a list of connections: workloads, nodes and addresses, as far as policies tell them apart.

use super::model::Model;
use super::peer::{Peer, common_families};
use crate::cluster::{Addresses, NodeId, PodId, WorkloadId, routable_addresses};
use crate::net::{DomainPattern, Family, IpSet};
use crate::policy::Direction;
use ipnet::IpNet;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// An end of edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphNode {
    /// Pods of one workload that no policy tells apart.
    Workload {
        /// The workload.
        workload: WorkloadId,
        /// The pods; all of the workload's unless these differ.
        pods: Vec<PodId>,
        /// Whether the workload has other pods, which policies treat differently.
        partial: bool,
    },
    /// Nodes of the cluster that no policy tells apart, by their own addresses.
    Nodes(Vec<NodeId>),
    /// Addresses that no policy tells apart, of anybody but the pods and nodes of the input.
    External(IpSet),
    /// Hosts outside that go by these names, as a rule has them; a destination only.
    Names(DomainPattern),
}

/// What none of these models, which are of one cluster, tells apart.
pub(super) fn nodes(models: &[&Model<'_>], only: Option<Family>) -> Vec<GraphNode> {
    let Some(first) = models.first() else { return Vec::new() };
    let mut nodes = nodes_of_workloads(models);
    nodes.extend(node_groups(models));
    for family in Family::ALL {
        if is_used(models, only, family) {
            let whole = vec![routable_addresses(family)];
            let atoms = models.iter().fold(whole, |atoms, model| {
                atoms.iter().flat_map(|atom| model.atoms(atom)).collect()
            });
            let others = atoms.into_iter().filter(|atom| !is_owned(first, atom));
            nodes.extend(others.map(GraphNode::External));
        }
    }
    nodes.extend(names(models));
    nodes
}

/// Nodes and hosts by name, and apart from them the addresses of nobody in each family: all of
/// [`nodes`] that is no workload, addresses uncut. What another model is to be compared with has its names and
/// its families, too.
pub(super) fn outside_nodes(
    model: &Model<'_>,
    beside: Option<&Model<'_>>,
    only: Option<Family>,
) -> (Vec<GraphNode>, Vec<IpSet>) {
    let all: Vec<&Model<'_>> = [Some(model), beside].into_iter().flatten().collect();
    let mut others = node_groups(&[model]);
    others.extend(names(&all));
    let is_used = |family: &Family| all.iter().any(|&own| is_used(&[own], only, *family));
    let used = Family::ALL.into_iter().filter(is_used);
    let outside = used.map(|family| {
        let whole = routable_addresses(family);
        // Addresses that rules name one by one are those of pods and nodes, where they have them.
        let atoms = model.atoms(&whole).into_iter();
        let blocks = atoms.flat_map(|atom| atom.to_blocks());
        let named = blocks.filter(|block| is_owned_address(model, *block));
        whole.difference(&IpSet::blocks(named))
    });
    (others, outside.collect())
}

/// Workloads, or those of their pods that none of these models tells apart.
pub(super) fn nodes_of_workloads(models: &[&Model<'_>]) -> Vec<GraphNode> {
    let Some(first) = models.first() else { return Vec::new() };
    let cluster = first.cluster();
    let mut nodes = Vec::new();
    for workload in cluster.workload_ids() {
        let mut variants: Vec<(Vec<u32>, Vec<PodId>)> = Vec::new();
        for &pod in &cluster.workload(workload).pods {
            let mut class: Vec<u32> = models.iter().map(|model| model.class_of(pod)).collect();
            // Of a pod without a known address the first family alone is told.
            class.push(u32::from(cluster.pod(pod).addresses == Addresses::Unknown));
            match variants.iter_mut().find(|(other, _)| *other == class) {
                Some((_, pods)) => pods.push(pod),
                None => variants.push((class, vec![pod])),
            }
        }
        let partial = variants.len() > 1;
        let parts = variants.into_iter();
        nodes.extend(parts.map(|(_, pods)| GraphNode::Workload { workload, pods, partial }));
    }
    nodes
}

/// Nodes with equal signatures are one node of the graph; ordered by their first member.
fn node_groups(models: &[&Model<'_>]) -> Vec<GraphNode> {
    let Some(first) = models.first() else { return Vec::new() };
    let ids: Vec<NodeId> = first.cluster().node_ids().collect();
    let of_models: Vec<_> = models.iter().map(|model| model.signatures()).collect();
    let signature = |&id: &NodeId| -> Vec<u8> {
        let peer = Peer::Node(id, None);
        of_models.iter().flat_map(|signature| signature(&peer)).collect()
    };
    let signatures: Vec<Vec<u8>> = ids.par_iter().map(signature).collect();
    let mut groups: BTreeMap<Vec<u8>, Vec<NodeId>> = BTreeMap::new();
    for (id, signature) in ids.into_iter().zip(signatures) {
        groups.entry(signature).or_default().push(id);
    }
    let mut groups: Vec<Vec<NodeId>> = groups.into_values().collect();
    groups.sort();
    groups.into_iter().map(GraphNode::Nodes).collect()
}

/// Whether addresses of a family are worth a node.
fn is_used(models: &[&Model<'_>], only: Option<Family>, family: Family) -> bool {
    if let Some(wanted) = only {
        return wanted == family;
    }
    let mut blocks = models.iter().flat_map(|model| model.address_blocks());
    let Some(cluster) = models.first().map(|model| model.cluster()) else { return false };
    blocks.any(|set| !set.only(family).is_empty())
        || cluster.pod_ids().any(|id| match cluster.pod(id).addresses {
            Addresses::Known(_) => cluster.families(id).contains(&family),
            Addresses::Unknown => cluster.families(id).first() == Some(&family),
        })
}

/// Hosts outside by name. A name that leads to pods and nodes of the input alone is these.
fn names(models: &[&Model<'_>]) -> Vec<GraphNode> {
    let outside = |pattern: &&DomainPattern| {
        let cluster = models.first().map(|model| model.cluster());
        let addresses = cluster.and_then(|cluster| cluster.resolved.get(&pattern.stand_in()));
        addresses.is_none_or(|list| {
            list.iter().any(|&a| cluster.is_some_and(|c| c.owner_of(a).is_none()))
        })
    };
    let patterns: BTreeSet<&DomainPattern> =
        models.iter().flat_map(|model| model.domain_patterns()).collect();
    patterns.into_iter().filter(outside).cloned().map(GraphNode::Names).collect()
}

/// A pod and what is outside, in the order of a connection; `None` if it is not asked about.
pub(super) fn outside_pair(
    model: &Model<'_>,
    pod: PodId,
    other: &GraphNode,
    direction: Direction,
) -> Option<(Peer, Peer)> {
    let own = GraphNode::Workload {
        workload: model.cluster().pod(pod).workload,
        pods: vec![pod],
        partial: false,
    };
    match direction {
        Direction::Egress => representatives(model, &own, other),
        Direction::Ingress => representatives(model, other, &own),
    }
}

/// Whether every address of a small set is a pod's or a node's: then these stand for it.
fn is_owned(model: &Model<'_>, atom: &IpSet) -> bool {
    let blocks = atom.to_blocks();
    blocks.len() <= 64 && blocks.iter().all(|block| is_owned_address(model, *block))
}

/// Whether a block is one address, which is a pod's or a node's.
fn is_owned_address(model: &Model<'_>, block: IpNet) -> bool {
    block.prefix_len() == block.max_prefix_len() && model.cluster().owner_of(block.addr()).is_some()
}

/// The families to evaluate: all that both ends have for sure, else the first they may have.
pub(super) fn families(model: &Model<'_>, a: &Peer, b: &Peer, only: Option<Family>) -> Vec<Family> {
    let cluster = model.cluster();
    let mut common = common_families(cluster, a, b);
    let unknown = |peer: &Peer| match peer {
        Peer::Pod(id) => cluster.pod(*id).addresses == Addresses::Unknown,
        Peer::Name(_, address) => address.is_none(),
        Peer::Node(..) | Peer::External(_) => false,
    };
    if let Some(only) = only {
        common.retain(|&family| family == only);
    }
    if unknown(a) || unknown(b) {
        common.truncate(1);
    }
    common
}

/// A pair of ends that stands for all pairs of two nodes; two pods where there are two, as a pod
/// that reaches itself says nothing.
pub(super) fn representatives(
    model: &Model<'_>,
    source: &GraphNode,
    destination: &GraphNode,
) -> Option<(Peer, Peer)> {
    let cluster = model.cluster();
    if let (GraphNode::Workload { pods: from, .. }, GraphNode::Workload { pods: to, .. }) =
        (source, destination)
    {
        let pairs = from.iter().flat_map(|&a| to.iter().map(move |&b| (a, b)));
        let mut pairs = pairs.filter(|(a, b)| a != b || cluster.pod(*a).stand_in);
        return pairs.next().map(|(a, b)| (Peer::Pod(a), Peer::Pod(b)));
    }
    let peer = |node: &GraphNode| match node {
        GraphNode::Workload { pods, .. } => pods.first().map(|&pod| Peer::Pod(pod)),
        GraphNode::Nodes(ids) => ids.first().map(|&id| Peer::Node(id, None)),
        GraphNode::External(set) => Some(Peer::External(set.clone())),
        GraphNode::Names(pattern) => {
            let name = pattern.stand_in();
            let address = cluster.resolved.get(&name).and_then(|list| {
                list.iter().copied().find(|&address| cluster.owner_of(address).is_none())
            });
            Some(Peer::Name(name, address))
        }
    };
    let inside = |node: &GraphNode| matches!(node, GraphNode::Workload { .. });
    // Between addresses there is nothing to decide, and who connects is known by an address.
    if !inside(source) && !inside(destination) || matches!(source, GraphNode::Names(_)) {
        return None;
    }
    Some((peer(source)?, peer(destination)?))
}
