//! Where boxes stand: in layers from left to right, so that most curves run one way, with lanes between the boxes
//! for those that pass a layer (after Sugiyama, Tagawa and Toda, 1981).

use super::to_f64;
use petgraph::algo::{greedy_feedback_arc_set, toposort};
use petgraph::stable_graph::StableDiGraph;
use petgraph::visit::EdgeRef;
use std::collections::{BTreeMap, BTreeSet};

/// How often order and heights are improved.
const SWEEPS: usize = 14;
/// What is between two boxes of a layer.
const GAP: f64 = 22.0;

/// Boxes to place: their sizes, and which are connected, by whom to whom and by how many links.
pub(super) struct Boxes {
    pub(super) sizes: Vec<(f64, f64)>,
    pub(super) edges: BTreeMap<(usize, usize), usize>,
}

/// A lane: where it begins and ends, and its middle.
pub(super) type Lane = (f64, f64, f64);

/// Where they stand.
pub(super) struct Places {
    /// The upper left corner of each box; `None` for those without an edge.
    pub(super) boxes: Vec<Option<(f64, f64)>>,
    /// The lanes that the edges of two boxes run through, from left to right.
    lanes: BTreeMap<(usize, usize), Vec<Lane>>,
    /// The size of the whole.
    pub(super) size: (f64, f64),
}

/// Two boxes, whichever way their edges run.
fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl Boxes {
    /// Places all boxes that have an edge to another.
    pub(super) fn placed(&self, column_gap: f64) -> Places {
        let count = self.sizes.len();
        let edges: BTreeSet<(usize, usize)> =
            self.edges.keys().copied().filter(|(from, to)| from != to).collect();
        let linked: BTreeSet<usize> = edges.iter().flat_map(|&(from, to)| [from, to]).collect();
        let mut layer = layers(count, &edges);
        let used: BTreeSet<usize> = linked.iter().map(|&own| layer[own]).collect();
        let used: Vec<usize> = used.into_iter().collect();
        for own in &mut layer {
            *own = used.binary_search(own).unwrap_or(0);
        }
        // Lanes are nodes of the layers that an edge passes.
        let mut heights: Vec<f64> = self.sizes.iter().map(|(_, height)| *height).collect();
        let mut steps: BTreeSet<(usize, usize)> = BTreeSet::new();
        let mut chains: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        let pairs: BTreeSet<(usize, usize)> = edges.iter().map(|&(a, b)| pair(a, b)).collect();
        for &(a, b) in &pairs {
            let (first, last) = if layer[a] <= layer[b] { (a, b) } else { (b, a) };
            let links =
                [(a, b), (b, a)].iter().filter_map(|key| self.edges.get(key)).sum::<usize>();
            let mut before = first;
            let mut chain = Vec::new();
            for at in layer[first] + 1..layer[last] {
                let lane = layer.len();
                layer.push(at);
                heights.push(4.0 * to_f64(links.min(12)));
                steps.insert((before, lane));
                chain.push(lane);
                before = lane;
            }
            steps.insert((before, last));
            chains.insert((a, b), chain);
        }
        let shown: Vec<bool> =
            (0..layer.len()).map(|own| own >= count || linked.contains(&own)).collect();
        let rows = ordered(&layer, &shown, &steps);
        let middles = levelled(&rows, &heights, &steps);
        let mut out = Places { boxes: vec![None; count], lanes: BTreeMap::new(), size: (0.0, 0.0) };
        let mut columns = Vec::new();
        let mut x = 0.0;
        for row in &rows {
            let width = row.iter().filter(|own| **own < count).map(|&own| self.sizes[own].0);
            let width = width.fold(0.0, f64::max);
            columns.push((x, x + width));
            x += width + column_gap;
        }
        let top = (0..layer.len())
            .filter(|&own| shown[own])
            .map(|own| middles[own] - heights[own] / 2.0)
            .fold(f64::INFINITY, f64::min);
        let top = if top.is_finite() { top } else { 0.0 };
        for (at, row) in rows.iter().enumerate() {
            for &own in row.iter().filter(|own| **own < count) {
                let (width, height) = self.sizes[own];
                let (left, right) = columns[at];
                let x = left + (right - left - width) / 2.0;
                let y = middles[own] - height / 2.0 - top;
                out.boxes[own] = Some((x, y));
                out.size = (out.size.0.max(x + width), out.size.1.max(y + height));
            }
        }
        for (key, chain) in chains {
            let lanes = chain.iter().map(|&lane| {
                let (left, right) = columns[layer[lane]];
                (left, right, middles[lane] - top)
            });
            let lanes: Vec<Lane> = lanes.collect();
            for (_, right, middle) in &lanes {
                out.size = (out.size.0.max(*right), out.size.1.max(*middle));
            }
            out.lanes.insert(key, lanes);
        }
        out
    }
}

impl Places {
    /// The lanes of the edges from one box to another, in the order in which they are passed.
    pub(super) fn lanes(&self, from: usize, to: usize, leftwards: bool) -> Vec<Lane> {
        let mut lanes = self.lanes.get(&pair(from, to)).cloned().unwrap_or_default();
        if leftwards {
            lanes.reverse();
            for (left, right, _) in &mut lanes {
                std::mem::swap(left, right);
            }
        }
        lanes
    }
}

/// The layer of each node, from 0. Edges that would close a circle are turned for it.
fn layers(count: usize, edges: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let mut graph: StableDiGraph<usize, ()> = StableDiGraph::new();
    let nodes: Vec<_> = (0..count).map(|at| graph.add_node(at)).collect();
    for &(from, to) in edges {
        graph.add_edge(nodes[from], nodes[to], ());
    }
    let turned: Vec<_> = greedy_feedback_arc_set(&graph)
        .map(|edge| (edge.id(), edge.source(), edge.target()))
        .collect();
    for (id, ..) in &turned {
        graph.remove_edge(*id);
    }
    for (_, from, to) in turned {
        // Of two that name each other the other way is there already.
        if graph.find_edge(to, from).is_none() {
            let edge = graph.add_edge(to, from, ());
            if toposort(&graph, None).is_err() {
                graph.remove_edge(edge);
                graph.add_edge(from, to, ());
            }
        }
    }
    let order = toposort(&graph, None).unwrap_or_default();
    let mut layer = vec![0; count];
    for &node in &order {
        let before = graph.neighbors_directed(node, petgraph::Direction::Incoming);
        layer[node.index()] = before.map(|own| layer[own.index()] + 1).max().unwrap_or(0);
    }
    // What nobody names stands close to what it names.
    for &node in order.iter().rev() {
        let first: Option<usize> = graph.neighbors(node).map(|own| layer[own.index()]).min();
        let named = graph.neighbors_directed(node, petgraph::Direction::Incoming).next();
        if let (None, Some(first)) = (named, first) {
            layer[node.index()] = first.saturating_sub(1);
        }
    }
    layer
}

/// The nodes of each layer, in an order with few crossings: by the middle of what they are connected to.
fn ordered(layer: &[usize], shown: &[bool], steps: &BTreeSet<(usize, usize)>) -> Vec<Vec<usize>> {
    let count = layer.iter().max().map_or(0, |most| most + 1);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (node, &at) in layer.iter().enumerate().filter(|(node, _)| shown[*node]) {
        rows[at].push(node);
    }
    rows.retain(|row| !row.is_empty());
    let (before, after) = neighbours(layer.len(), steps);
    let mut place = vec![0.0; layer.len()];
    let settle = |row: &[usize], place: &mut [f64]| {
        for (at, &node) in row.iter().enumerate() {
            // Relative to the middle: layers are centred.
            place[node] = to_f64(at) - to_f64(row.len()) / 2.0;
        }
    };
    for row in &rows {
        settle(row, &mut place);
    }
    for sweep in 0..SWEEPS {
        let near = if sweep % 2 == 0 { &before } else { &after };
        let order: Vec<usize> = if sweep % 2 == 0 {
            (0..rows.len()).collect()
        } else {
            (0..rows.len()).rev().collect()
        };
        for at in order {
            let mut keyed: Vec<(f64, usize)> = rows[at]
                .iter()
                .map(|&node| (mean(&near[node], &place, place[node]), node))
                .collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[at] = keyed.into_iter().map(|(_, node)| node).collect();
            settle(&rows[at], &mut place);
        }
    }
    rows
}

fn neighbours(
    count: usize,
    steps: &BTreeSet<(usize, usize)>,
) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let (mut before, mut after) = (vec![Vec::new(); count], vec![Vec::new(); count]);
    for &(from, to) in steps {
        after[from].push(to);
        before[to].push(from);
    }
    (before, after)
}

fn mean(nodes: &[usize], place: &[f64], without: f64) -> f64 {
    if nodes.is_empty() {
        return without;
    }
    nodes.iter().map(|&node| place[node]).sum::<f64>() / to_f64(nodes.len())
}

/// The middle of each node: close to that of its neighbours, in the order of its layer, without overlap.
fn levelled(rows: &[Vec<usize>], heights: &[f64], steps: &BTreeSet<(usize, usize)>) -> Vec<f64> {
    let (before, after) = neighbours(heights.len(), steps);
    let mut middle = vec![0.0; heights.len()];
    for row in rows {
        let mut y = 0.0;
        for &node in row {
            middle[node] = y + heights[node] / 2.0;
            y += heights[node] + GAP;
        }
        let shift = y / 2.0;
        for &node in row {
            middle[node] -= shift;
        }
    }
    for sweep in 0..SWEEPS {
        let near = if sweep % 2 == 0 { &before } else { &after };
        let order: Vec<&Vec<usize>> =
            if sweep % 2 == 0 { rows.iter().collect() } else { rows.iter().rev().collect() };
        for row in order {
            let wanted: Vec<f64> =
                row.iter().map(|&node| mean(&near[node], &middle, middle[node])).collect();
            // From above each keeps clear of the one before; then all are moved by what that cost on the average.
            let mut last = f64::NEG_INFINITY;
            for (&node, &wish) in row.iter().zip(&wanted) {
                let own = wish.max(last + heights[node] / 2.0);
                middle[node] = own;
                last = own + heights[node] / 2.0 + GAP;
            }
            let moved: f64 = row.iter().zip(&wanted).map(|(&node, wish)| middle[node] - wish).sum();
            let back = moved / to_f64(row.len());
            for &node in row {
                middle[node] -= back;
            }
        }
    }
    middle
}
