//! Verdicts as a graph of workloads, nodes and addresses.

use super::model::Model;
use super::peer::{Peer, common_families};
use super::verdict::Verdict;
use crate::cluster::{Addresses, NodeId, PodId, WorkloadId, routable_addresses};
use crate::net::{DomainPattern, Family, IpSet};
use crate::policy::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

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

/// What one end may open to another, by policy: that a pod's own node always reaches it is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphEdge {
    /// The verdict; equal ones of a source are shared.
    pub verdict: Arc<Verdict>,
    /// The address family, where the families of two dual-stack ends differ.
    pub family: Option<Family>,
}

/// Who may connect to whom.
pub struct ReachabilityGraph {
    /// Nodes in the order of the cluster's workloads, then nodes, then addresses; an edge wherever
    /// something is allowed or cannot be said.
    pub graph: DiGraph<GraphNode, GraphEdge>,
    /// Ordered pairs of workloads (of their variants, where policies tell these apart).
    pub pairs: usize,
    /// Those of them that were left out because no policy isolates either end: everything is
    /// allowed.
    pub open_pairs: usize,
}

impl ReachabilityGraph {
    /// Evaluates every pair that is wanted. Open pairs become edges only where `open` asks for it.
    pub fn new(
        model: &Model<'_>,
        only: Option<Family>,
        open: bool,
        wanted: &(dyn Fn(&GraphNode, &GraphNode) -> bool + Sync),
    ) -> Self {
        let nodes = nodes(&[model], only);
        let rows: Vec<Row> = (0..nodes.len())
            .into_par_iter()
            .map(|from| row(model, &nodes, from, only, open, wanted))
            .collect();
        let edges = rows.iter().map(|row| row.edges.len()).sum();
        let mut graph = DiGraph::with_capacity(nodes.len(), edges);
        let ids: Vec<NodeIndex> = nodes.into_iter().map(|node| graph.add_node(node)).collect();
        let (mut pairs, mut open_pairs) = (0, 0);
        for (from, row) in ids.iter().zip(rows) {
            pairs += row.pairs;
            open_pairs += row.open;
            for (to, edge) in row.edges {
                graph.add_edge(*from, ids[to], edge);
            }
        }
        Self { graph, pairs, open_pairs }
    }
}

struct Row {
    edges: Vec<(usize, GraphEdge)>,
    pairs: usize,
    open: usize,
}

/// What none of these models, which are of one cluster, tells apart.
pub(super) fn nodes(models: &[&Model<'_>], only: Option<Family>) -> Vec<GraphNode> {
    let Some(first) = models.first() else { return Vec::new() };
    let cluster = first.cluster();
    let mut nodes = Vec::new();
    for workload in cluster.workload_ids() {
        let mut variants: Vec<(Vec<usize>, Vec<PodId>)> = Vec::new();
        for &pod in &cluster.workload(workload).pods {
            let class: Vec<usize> = models.iter().map(|model| model.class_of(pod)).collect();
            match variants.iter_mut().find(|(other, _)| *other == class) {
                Some((_, pods)) => pods.push(pod),
                None => variants.push((class, vec![pod])),
            }
        }
        let partial = variants.len() > 1;
        let parts = variants.into_iter();
        nodes.extend(parts.map(|(_, pods)| GraphNode::Workload { workload, pods, partial }));
    }
    // Nodes with equal signatures are one node of the graph; ordered by their first member.
    let mut groups: BTreeMap<Vec<u8>, Vec<NodeId>> = BTreeMap::new();
    for id in cluster.node_ids() {
        let signature = models.iter().flat_map(|m| m.signature_of(&Peer::Node(id, None)));
        groups.entry(signature.collect()).or_default().push(id);
    }
    let mut groups: Vec<Vec<NodeId>> = groups.into_values().collect();
    groups.sort();
    nodes.extend(groups.into_iter().map(GraphNode::Nodes));
    let uses = |family| {
        let mut blocks = models.iter().flat_map(|model| model.address_blocks());
        let named = blocks.any(|set| !set.only(family).is_empty());
        named
            || cluster.pod_ids().any(|id| match cluster.pod(id).addresses {
                Addresses::Known(_) => cluster.families(id).contains(&family),
                Addresses::Unknown => cluster.families(id).first() == Some(&family),
            })
    };
    for family in Family::ALL {
        if only.map_or_else(|| uses(family), |wanted| wanted == family) {
            let whole = vec![routable_addresses(family)];
            let atoms = models.iter().fold(whole, |atoms, model| {
                atoms.iter().flat_map(|atom| model.atoms(atom)).collect()
            });
            let others = atoms.into_iter().filter(|atom| !is_owned(first, atom));
            nodes.extend(others.map(GraphNode::External));
        }
    }
    // A name that leads to pods and nodes of the input alone is these.
    let outside = |pattern: &&DomainPattern| {
        let addresses = cluster.resolved.get(&pattern.stand_in());
        addresses.is_none_or(|list| list.iter().any(|&a| cluster.owner_of(a).is_none()))
    };
    let patterns: BTreeSet<&DomainPattern> =
        models.iter().flat_map(|model| model.domain_patterns()).collect();
    nodes.extend(patterns.into_iter().filter(outside).cloned().map(GraphNode::Names));
    nodes
}

/// Whether every address of a small set is a pod's or a node's: then these stand for it.
fn is_owned(model: &Model<'_>, atom: &IpSet) -> bool {
    let blocks = atom.to_blocks();
    blocks.len() <= 64
        && blocks.iter().all(|block| {
            block.prefix_len() == block.max_prefix_len()
                && model.cluster().owner_of(block.addr()).is_some()
        })
}

fn row(
    model: &Model<'_>,
    nodes: &[GraphNode],
    from: usize,
    only: Option<Family>,
    open: bool,
    wanted: &(dyn Fn(&GraphNode, &GraphNode) -> bool + Sync),
) -> Row {
    let mut row = Row { edges: Vec::new(), pairs: 0, open: 0 };
    let mut shared: HashMap<Verdict, Arc<Verdict>> = HashMap::new();
    let source = &nodes[from];
    let inside = |node: &GraphNode| matches!(node, GraphNode::Workload { .. });
    for (to, destination) in nodes.iter().enumerate() {
        let Some((a, b)) = representatives(model, source, destination) else { continue };
        let counts = usize::from(inside(source) && inside(destination));
        row.pairs += counts;
        if is_open(model, source, destination) {
            row.open += counts;
            if !open {
                continue;
            }
        }
        if !wanted(source, destination) {
            continue;
        }
        let verdicts: Vec<(Family, Verdict)> = families(model, &a, &b, only)
            .into_iter()
            .map(|family| (family, model.by_policy(&a, &b, family)))
            .collect();
        let alike = verdicts.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let count = if alike { 1 } else { verdicts.len() };
        for (family, verdict) in verdicts.into_iter().take(count) {
            if verdict != Verdict::none() {
                let verdict = shared.entry(verdict).or_insert_with_key(|v| Arc::new(v.clone()));
                let family = (!alike).then_some(family);
                row.edges.push((to, GraphEdge { verdict: Arc::clone(verdict), family }));
            }
        }
    }
    row
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

fn is_open(model: &Model<'_>, source: &GraphNode, destination: &GraphNode) -> bool {
    let free = |node: &GraphNode, direction| match node {
        GraphNode::Workload { pods, .. } => {
            pods.first().is_none_or(|&pod| !model.is_isolated(pod, direction))
        }
        GraphNode::Nodes(_) | GraphNode::External(_) | GraphNode::Names(_) => true,
    };
    free(source, Direction::Egress) && free(destination, Direction::Ingress)
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
