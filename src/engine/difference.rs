//! Where two policy sets differ on one cluster.

use super::graph::{GraphNode, families, nodes, representatives};
use super::model::Model;
use super::peer::Peer;
use super::verdict::Verdict;
use crate::cluster::{ClusterState, NodeId};
use crate::net::{ConnectionSet, Family};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Two ends between which two policy sets differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Who connects.
    pub source: GraphNode,
    /// To whom.
    pub destination: GraphNode,
    /// The family that it is about, where both ends have several and these differ.
    pub family: Option<Family>,
    /// Whether it is about a pod and the node that it runs on, and not about other nodes.
    pub own_node: bool,
    /// The verdict of the first set.
    pub before: Verdict,
    /// That of the second.
    pub after: Verdict,
    /// Two ends that stand for all, and a family that both have.
    pub sample: (Peer, Peer, Family),
}

/// Connections of which it cannot be said whether they are let through at all: every open pair would
/// differ in them.
pub fn undecided<'m>(model: &Model<'m>) -> &'m ConnectionSet {
    &model.policies().dataplane.maybe_dropped
}

/// Every difference between the policies of two models of one cluster, in the order of the graph's
/// nodes; what is [`undecided`] in either is no difference by itself.
pub fn differences(before: &Model<'_>, after: &Model<'_>, only: Option<Family>) -> Vec<Difference> {
    rayon::join(|| before.compile(), || after.compile());
    let apart = undecided(before).union(undecided(after));
    let nodes = nodes(&[before, after], only);
    let rows: Vec<Vec<Difference>> = nodes
        .par_iter()
        .map(|source| {
            let mut row = Vec::new();
            for destination in &nodes {
                for (pair, own_node) in pairs(before, source, destination) {
                    compare(
                        [before, after],
                        (source, destination),
                        &pair,
                        own_node,
                        (only, &apart),
                        &mut row,
                    );
                }
            }
            row
        })
        .collect();
    rows.into_iter().flatten().collect()
}

fn compare(
    [before, after]: [&Model<'_>; 2],
    (source, destination): (&GraphNode, &GraphNode),
    (a, b): &(Peer, Peer),
    own_node: bool,
    (only, apart): (Option<Family>, &ConnectionSet),
    row: &mut Vec<Difference>,
) {
    // Of a template that stands for several pods two are meant, not one that reaches itself.
    let verdict = |model: &Model<'_>, family| {
        if a == b { model.by_policy(a, b, family) } else { model.verdict(a, b, family) }
    };
    let each: Vec<(Family, Verdict, Verdict)> = families(before, a, b, only)
        .into_iter()
        .map(|family| (family, verdict(before, family), verdict(after, family)))
        .collect();
    let alike = each.windows(2).all(|pair| (&pair[0].1, &pair[0].2) == (&pair[1].1, &pair[1].2));
    let count = if alike { 1 } else { each.len() };
    for (family, old, new) in each.into_iter().take(count) {
        if old.apart_from(apart) != new.apart_from(apart) {
            row.push(Difference {
                source: source.clone(),
                destination: destination.clone(),
                family: (!alike).then_some(family),
                own_node,
                before: old,
                after: new,
                sample: (a.clone(), b.clone(), family),
            });
        }
    }
}

/// The pairs that stand for all pairs of two ends: one of a pod and another node than its own, and one
/// of a pod and its own node, which has a rule of its own.
fn pairs(
    model: &Model<'_>,
    source: &GraphNode,
    destination: &GraphNode,
) -> Vec<((Peer, Peer), bool)> {
    let Some(usual) = representatives(model, source, destination) else { return Vec::new() };
    let cluster = model.cluster();
    let ends = (by_node(cluster, source), by_node(cluster, destination));
    let (Some((from_pods, from)), Some((to_pods, to))) = ends else { return vec![(usual, false)] };
    if from_pods == to_pods {
        return vec![(usual, false)];
    }
    let mut found = Vec::new();
    let known = |node: &Option<NodeId>| node.is_some();
    let mut all = from.iter().flat_map(|(a, x)| to.iter().map(move |(b, y)| (a, b, x, y)));
    let apart = all.clone().find(|(a, b, ..)| known(a) && known(b) && a != b);
    let apart = apart.or_else(|| all.find(|(a, b, ..)| !known(a) || !known(b)));
    found.extend(apart.map(|(.., x, y)| ((x.clone(), y.clone()), false)));
    let own = from
        .iter()
        .filter(|(node, _)| node.is_some())
        .find_map(|(node, x)| Some((x.clone(), to.get(node)?.clone())));
    found.extend(own.map(|pair| (pair, true)));
    found
}

/// Whether an end is pods with addresses of their own, and one of them for each node; `None` for what
/// is on no node.
fn by_node(
    cluster: &ClusterState,
    end: &GraphNode,
) -> Option<(bool, BTreeMap<Option<NodeId>, Peer>)> {
    match end {
        GraphNode::Workload { pods, .. } => {
            let own = pods.first().is_some_and(|&id| !cluster.pod(id).host_network);
            let each = pods.iter().rev().map(|&id| (cluster.pod(id).node, Peer::Pod(id)));
            Some((own, each.collect()))
        }
        GraphNode::Nodes(ids) => {
            let each = ids.iter().map(|&id| (Some(id), Peer::Node(id, None)));
            Some((false, each.collect()))
        }
        GraphNode::External(_) | GraphNode::Names(_) => None,
    }
}
