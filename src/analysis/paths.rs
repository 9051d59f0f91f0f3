//! More than one hop: what is reached from a pod that is taken over, and by which ways.
//!
//! ```text
//!   Picture ─▶ petgraph graph of its ends ─ breadth first ─▶ Radius (hop by hop)
//!                                         └ shortest first ─▶ Way … (a few)
//! ```
//!
//! A hop is a connection that policies let through. Workloads can be hops; what is outside of the cluster and nodes
//! are reached and lead nowhere. What may be open for all that is known is followed as well, and marked.

use super::endpoint::{Endpoint, EndpointError};
use super::picture::{Link, Picture};
use super::port::PortQuery;
use crate::net::ConnectionSet;
use crate::policy::Direction;
use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::{EdgeRef, Reversed};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Who can connect to whom: an edge for each link, and one hub that stands between workloads that no policy selects
/// for egress and those that none selects for ingress. To the hub costs nothing, from it costs a hop.
struct Hops<'p> {
    picture: &'p Picture,
    graph: DiGraph<(), Option<usize>>,
    hub: NodeIndex,
}

/// One connection on a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The place of its source among the picture's ends.
    pub source: usize,
    /// The place of its destination.
    pub destination: usize,
    /// What is allowed; if nothing is, what may be.
    pub ports: ConnectionSet,
    /// Whether it is allowed for sure.
    pub sure: bool,
    /// The place of the link; `None`: no policy selects either end.
    pub link: Option<usize>,
}

/// An end that is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Its place among the picture's ends.
    pub end: usize,
    /// In how many hops.
    pub hops: usize,
    /// In how many over connections that are allowed for sure, if it is reached so at all.
    pub sure_hops: Option<usize>,
    /// The last hops to it, from ends that are one hop nearer.
    pub last: Vec<Hop>,
}

/// What is reached from a workload that is taken over.
#[derive(Clone, Debug)]
pub struct Radius {
    /// The ends that it is taken to start from.
    pub start: BTreeSet<usize>,
    /// What is reached, by hops.
    pub reached: Vec<Reached>,
    /// How many workloads there are beside those of the start.
    pub others: usize,
}

/// A way from one end to another.
pub type Way = Vec<Hop>;

/// The ways from one end to another.
#[derive(Clone, Debug)]
pub struct Ways {
    /// The shortest, up to a few.
    pub ways: Vec<Way>,
    /// There are more of them than are told, within the hops that were asked for.
    pub more: bool,
}

impl<'p> Hops<'p> {
    fn new(picture: &'p Picture) -> Self {
        let mut graph = DiGraph::new();
        let nodes: Vec<NodeIndex> = picture.ends.iter().map(|_| graph.add_node(())).collect();
        for (at, link) in picture.links.iter().enumerate() {
            graph.add_edge(nodes[link.source], nodes[link.destination], Some(at));
        }
        let hub = graph.add_node(());
        for (at, end) in picture.ends.iter().enumerate() {
            if end.is_open(Direction::Egress) {
                graph.add_edge(nodes[at], hub, None);
            }
            if end.is_open(Direction::Ingress) {
                graph.add_edge(hub, nodes[at], None);
            }
        }
        Self { picture, graph, hub }
    }

    fn is_sure(&self, edge: EdgeIndex) -> bool {
        match self.graph[edge] {
            None => !self.picture.unenforced,
            Some(at) => !self.picture.links[at].verdict.allowed.is_empty(),
        }
    }

    fn hop(&self, source: usize, destination: usize, link: Option<usize>) -> Hop {
        let Some(own) = link.map(|at| &self.picture.links[at]) else {
            let ports = ConnectionSet::all();
            return Hop { source, destination, ports, sure: true, link };
        };
        let sure = !own.verdict.allowed.is_empty();
        let ports = if sure { own.verdict.allowed.clone() } else { own.verdict.unknown.clone() };
        Hop { source, destination, ports, sure, link }
    }

    /// How many hops each end is from a start, over connections that may be there or are there for sure.
    fn distances(&self, start: &BTreeSet<usize>, only_sure: bool) -> BTreeMap<usize, usize> {
        let mut known: BTreeMap<usize, usize> = start.iter().map(|&at| (at, 0)).collect();
        let mut queue: VecDeque<usize> = start.iter().copied().collect();
        let mut hub_at: Option<usize> = None;
        while let Some(at) = queue.pop_front() {
            let hops = known[&at];
            // What is outside leads nowhere, unless it is where it starts.
            if hops > 0 && !self.picture.ends[at].is_inside() {
                continue;
            }
            for edge in self.graph.edges(NodeIndex::new(at)) {
                if only_sure && !self.is_sure(edge.id()) {
                    continue;
                }
                if edge.target() == self.hub {
                    if hub_at.is_none() {
                        hub_at = Some(hops);
                        for next in self.graph.neighbors(self.hub) {
                            known.entry(next.index()).or_insert_with(|| {
                                queue.push_back(next.index());
                                hops + 1
                            });
                        }
                    }
                    continue;
                }
                let next = edge.target().index();
                known.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    hops + 1
                });
            }
        }
        known
    }
}

/// What is reached from an end, in at most so many hops.
pub fn blast_radius(
    picture: &Picture,
    source: &Endpoint,
    most: Option<usize>,
) -> Result<Radius, EndpointError> {
    let start = ends_of(picture, source)?;
    let hops = Hops::new(picture);
    let all = hops.distances(&start, false);
    let sure = hops.distances(&start, true);
    let mut reached: Vec<Reached> = Vec::new();
    for (&end, &count) in all.iter().filter(|(end, _)| !start.contains(end)) {
        if most.is_some_and(|most| count > most) {
            continue;
        }
        let mut last: Vec<Hop> = Vec::new();
        for edge in hops.graph.edges_directed(NodeIndex::new(end), petgraph::Direction::Incoming) {
            if edge.source() == hops.hub {
                // Of those that are open by default one stands for all.
                let open = hops.graph.neighbors_directed(hops.hub, petgraph::Direction::Incoming);
                let nearer = |at: &usize| all.get(at).is_some_and(|own| own + 1 == count);
                let first = open.map(NodeIndex::index).filter(nearer).min();
                last.extend(first.map(|from| hops.hop(from, end, None)));
                continue;
            }
            let from = edge.source().index();
            let nearer = all.get(&from).is_some_and(|own| own + 1 == count);
            if nearer && (picture.ends[from].is_inside() || start.contains(&from)) {
                last.push(hops.hop(from, end, *edge.weight()));
            }
        }
        last.sort_by_key(|hop| (!hop.sure, hop.source));
        let near = |hops: &usize| most.is_none_or(|most| *hops <= most);
        let sure_hops = sure.get(&end).copied().filter(near);
        reached.push(Reached { end, hops: count, sure_hops, last });
    }
    reached.sort_by_key(|own| (own.hops, own.end));
    let others = picture.ends.iter().map(|end| end.workloads).sum::<usize>()
        - start.iter().map(|&at| picture.ends[at].workloads).sum::<usize>();
    Ok(Radius { start, reached, others })
}

/// The ways from one end to another of at most so many hops, the shortest first; the last hop is on one of the
/// ports, if any are named.
pub fn ways(
    picture: &Picture,
    [source, destination]: [&Endpoint; 2],
    ports: &[PortQuery],
    most: usize,
    shown: usize,
) -> Result<Ways, EndpointError> {
    let (start, goal) = (ends_of(picture, source)?, ends_of(picture, destination)?);
    let mut wanted = ConnectionSet::empty();
    for port in ports {
        let numbers = port.numbers().ok_or_else(|| EndpointError {
            message: format!("`{port}` is a name: the last hop is asked for by number"),
            help: None,
        })?;
        wanted = wanted.union(&numbers);
    }
    let hops = Hops::new(picture);
    // How far each end is from the goal at least: what cannot get there any more is left.
    let mut far: BTreeMap<usize, usize> = BTreeMap::new();
    for &end in &goal {
        // Seen backwards, an edge to the hub starts there.
        let found = dijkstra(Reversed(&hops.graph), NodeIndex::new(end), None, |edge| {
            usize::from(edge.source() != hops.hub)
        });
        for (node, count) in found {
            let own = far.entry(node.index()).or_insert(count);
            *own = (*own).min(count);
        }
    }
    let mut search = Search {
        hops: &hops,
        goal: &goal,
        far: &far,
        wanted: &wanted,
        found: Vec::new(),
        most: shown + 1,
    };
    for length in 1..=most {
        for &from in &start {
            search.from(from, length, &mut Vec::new(), &mut start.clone());
        }
    }
    let mut ways = search.found;
    let more = ways.len() > shown;
    ways.truncate(shown);
    Ok(Ways { ways, more })
}

/// Looks for ways of one length.
struct Search<'s, 'p> {
    hops: &'s Hops<'p>,
    goal: &'s BTreeSet<usize>,
    far: &'s BTreeMap<usize, usize>,
    wanted: &'s ConnectionSet,
    found: Vec<Way>,
    most: usize,
}

impl Search<'_, '_> {
    fn from(&mut self, at: usize, left: usize, way: &mut Way, seen: &mut BTreeSet<usize>) {
        let graph = &self.hops.graph;
        let ends = &self.hops.picture.ends;
        let passable = way.is_empty() || ends[at].is_inside();
        if !passable || self.far.get(&at).is_none_or(|far| *far > left) {
            return;
        }
        let mut next: Vec<(usize, Option<usize>)> = Vec::new();
        for edge in graph.edges(NodeIndex::new(at)) {
            if edge.target() == self.hops.hub {
                next.extend(graph.neighbors(self.hops.hub).map(|own| (own.index(), None)));
            } else {
                next.push((edge.target().index(), *edge.weight()));
            }
        }
        next.sort_unstable();
        next.dedup_by_key(|(to, _)| *to);
        for (to, link) in next {
            if self.found.len() >= self.most {
                return;
            }
            if seen.contains(&to) {
                continue;
            }
            let mut hop = self.hops.hop(at, to, link);
            if left == 1 {
                if !self.goal.contains(&to) {
                    continue;
                }
                if !self.wanted.is_empty() {
                    hop.ports = hop.ports.intersection(self.wanted);
                    if hop.ports.is_empty() {
                        continue;
                    }
                }
                let mut own = way.clone();
                own.push(hop);
                self.found.push(own);
                continue;
            }
            // A way that is there already is no longer one.
            if self.goal.contains(&to) || self.far.get(&to).is_none_or(|far| *far > left - 1) {
                continue;
            }
            way.push(hop);
            seen.insert(to);
            self.from(to, left - 1, way, seen);
            seen.remove(&to);
            way.pop();
        }
    }
}

fn ends_of(picture: &Picture, end: &Endpoint) -> Result<BTreeSet<usize>, EndpointError> {
    let found = picture.ends_of(end);
    if found.is_empty() {
        return Err(EndpointError {
            message: format!("`{}` is not among what policies tell apart here", end.name),
            help: Some(
                "ends are workloads, pods, labels, Services, addresses and `internet`".into(),
            ),
        });
    }
    Ok(found)
}

impl Radius {
    /// The same as a picture: an end for each that is reached, in the column of its hop.
    pub fn picture(&self, whole: &Picture) -> Picture {
        let mut ends = Vec::new();
        let mut place: BTreeMap<usize, usize> = BTreeMap::new();
        let hops = self.start.iter().map(|&at| (at, 0));
        for (at, hops) in hops.chain(self.reached.iter().map(|own| (own.end, own.hops))) {
            place.insert(at, ends.len());
            let mut end = whole.ends[at].clone();
            end.column = i32::try_from(hops).unwrap_or(i32::MAX);
            ends.push(end);
        }
        let mut links: Vec<Link> = Vec::new();
        let mut rows: BTreeSet<usize> = BTreeSet::new();
        for hop in self.reached.iter().flat_map(|own| &own.last) {
            let (source, destination) = (place[&hop.source], place[&hop.destination]);
            let own = match hop.link {
                Some(at) => Link { source, destination, ..whole.links[at].clone() },
                None => Link::open(source, destination),
            };
            rows.extend(own.rows.iter().copied());
            links.push(own);
        }
        links.sort_by_key(|link| (link.source, link.destination));
        Picture { connections: rows.len(), open_pairs: 0, ..whole.with(ends, links) }
    }
}
