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
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;
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
    /// How many more ends there are that reach it so, as no policy selects either.
    pub more: usize,
}

/// What is reached from a workload that is taken over.
#[derive(Clone, Debug)]
pub struct Radius {
    /// The ends that it is taken to start from.
    pub start: BTreeSet<usize>,
    /// What is reached, by hops.
    pub reached: Vec<Reached>,
    /// How many workloads are reached, beside those of the start.
    pub workloads: usize,
    /// How many there are beside those of the start.
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
    /// The search was stopped: there may be others.
    pub gave_up: bool,
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
            // Of what is outside nothing is closed by itself.
            if end.unclosed(Direction::Egress) == end.parts {
                graph.add_edge(nodes[at], hub, None);
            }
            if end.unclosed(Direction::Ingress) == end.parts {
                graph.add_edge(hub, nodes[at], None);
            }
        }
        Self { picture, graph, hub }
    }

    fn is_sure(&self, edge: EdgeIndex) -> bool {
        match self.graph[edge] {
            // Where no policy selects either end, nothing is there to be enforced.
            None => true,
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
                        let inside = self.picture.ends[at].is_inside();
                        for next in self.graph.neighbors(self.hub) {
                            // Between two ends outside nobody is asked.
                            if !inside && !self.picture.ends[next.index()].is_inside() {
                                continue;
                            }
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
pub fn blast_radius(picture: &Picture, source: &Endpoint, most: Option<usize>) -> Radius {
    let start = picture.ends_of(source);
    let hops = Hops::new(picture);
    let all = hops.distances(&start, false);
    let sure = hops.distances(&start, true);
    let mut reached: Vec<Reached> = Vec::new();
    for (&end, &count) in all.iter().filter(|(end, _)| !start.contains(end)) {
        if most.is_some_and(|most| count > most) {
            continue;
        }
        let mut last: Vec<Hop> = Vec::new();
        let mut more = 0;
        for edge in hops.graph.edges_directed(NodeIndex::new(end), petgraph::Direction::Incoming) {
            if edge.source() == hops.hub {
                let open = hops.graph.neighbors_directed(hops.hub, petgraph::Direction::Incoming);
                let nearer = |at: &usize| all.get(at).is_some_and(|own| own + 1 == count);
                let inside = picture.ends[end].is_inside();
                let is_pair = |at: &usize| inside || picture.ends[*at].is_inside();
                let passable = |at: &usize| picture.ends[*at].is_inside() || start.contains(at);
                let from = open.map(NodeIndex::index).filter(nearer).filter(is_pair);
                let mut from: Vec<usize> = from.filter(passable).collect();
                from.sort_unstable();
                // Of very many that are open by default a few stand for all.
                more = from.len().saturating_sub(MOST_OPEN);
                from.truncate(MOST_OPEN);
                last.extend(from.into_iter().map(|from| hops.hop(from, end, None)));
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
        reached.push(Reached { end, hops: count, sure_hops, last, more });
    }
    reached.sort_by_key(|own| (own.hops, own.end));
    // Parts of a workload are one.
    let names = |ends: &mut dyn Iterator<Item = usize>| -> BTreeSet<String> {
        let inside = ends.filter(|&at| picture.ends[at].is_inside());
        inside
            .map(|at| picture.ends[at].full_name())
            .map(|name| name.split(" (").next().unwrap_or(&name).to_owned())
            .collect()
    };
    let own = names(&mut start.iter().copied());
    let others = names(&mut (0..picture.ends.len())).difference(&own).count();
    let workloads = names(&mut reached.iter().map(|own| own.end)).difference(&own).count();
    Radius { start, reached, workloads, others }
}

/// How many last hops between ends that are open by default are told one by one.
const MOST_OPEN: usize = 20;

/// The ways from one end to another of at most so many hops, the shortest first; the last hop is on one of the
/// ports, if any are named.
pub fn ways(
    picture: &Picture,
    [source, destination]: [&Endpoint; 2],
    ports: &[PortQuery],
    most: usize,
    shown: usize,
) -> Result<Ways, EndpointError> {
    // What no rule and no open end is about is nowhere in the picture: nothing leads there.
    let (start, goal) = (picture.ends_of(source), picture.ends_of(destination));
    let mut wanted = ConnectionSet::empty();
    for port in ports {
        let numbers = port.numbers().ok_or_else(|| EndpointError {
            message: format!("`{port}` is a name: the last hop is asked for by number"),
            help: None,
        })?;
        wanted = wanted.union(&numbers);
    }
    let hops = Hops::new(picture);
    // Ways that are there for sure come first.
    let mut found: Vec<Way> = Vec::new();
    let mut gave_up = false;
    for sure in [true, false] {
        let far = hops.far(&start, &goal, &wanted, sure);
        let mut search = Search {
            hops: &hops,
            goal: &goal,
            far,
            wanted: &wanted,
            sure,
            found,
            most: shown + 1,
            steps: 0,
        };
        for length in 1..=most {
            for &from in &start {
                search.from(from, length, &mut Vec::new(), &mut start.clone());
            }
        }
        gave_up |= search.steps > MOST_STEPS;
        found = search.found;
        if !found.is_empty() {
            break;
        }
    }
    let more = found.len() > shown;
    found.truncate(shown);
    Ok(Ways { ways: found, more, gave_up })
}

impl Hops<'_> {
    /// What of a connection is wanted: of all of it, if nothing is named.
    fn wanted(&self, link: Option<usize>, wanted: &ConnectionSet, sure: bool) -> ConnectionSet {
        let cut = |set: &ConnectionSet| {
            if wanted.is_empty() { set.clone() } else { set.intersection(wanted) }
        };
        match link.map(|at| &self.picture.links[at].verdict) {
            None => cut(&ConnectionSet::all()),
            Some(verdict) if sure => cut(&verdict.allowed),
            Some(verdict) => cut(&verdict.allowed.union(&verdict.unknown)),
        }
    }

    /// How far each end is from a goal at least, the last hop being on wanted ports: what cannot get there is left
    /// out.
    fn far(
        &self,
        start: &BTreeSet<usize>,
        goal: &BTreeSet<usize>,
        wanted: &ConnectionSet,
        sure: bool,
    ) -> BTreeMap<usize, usize> {
        let mut far: BTreeMap<usize, usize> = BTreeMap::new();
        let mut queue: VecDeque<(usize, usize)> = goal.iter().map(|&end| (end, 0)).collect();
        let mut hub_is_known = false;
        while let Some((end, hops)) = queue.pop_front() {
            let before =
                self.graph.edges_directed(NodeIndex::new(end), petgraph::Direction::Incoming);
            for edge in before {
                let fits = if hops == 0 {
                    !self.wanted(*edge.weight(), wanted, sure).is_empty()
                } else {
                    !sure || self.is_sure(edge.id())
                };
                if !fits {
                    continue;
                }
                let from: Vec<usize> = if edge.source() != self.hub {
                    vec![edge.source().index()]
                } else if hub_is_known {
                    continue;
                } else {
                    hub_is_known = true;
                    let open =
                        self.graph.neighbors_directed(self.hub, petgraph::Direction::Incoming);
                    open.map(NodeIndex::index).collect()
                };
                for at in from {
                    // What is outside is no hop, only a start.
                    let passable = self.picture.ends[at].is_inside() || start.contains(&at);
                    if passable && !far.contains_key(&at) {
                        far.insert(at, hops + 1);
                        queue.push_back((at, hops + 1));
                    }
                }
            }
        }
        far
    }
}

/// More steps than these are not tried: what was found is told, and that there may be more.
const MOST_STEPS: usize = 2_000_000;

/// Looks for ways of one length.
struct Search<'s, 'p> {
    hops: &'s Hops<'p>,
    goal: &'s BTreeSet<usize>,
    far: BTreeMap<usize, usize>,
    wanted: &'s ConnectionSet,
    /// Only what is allowed for sure.
    sure: bool,
    found: Vec<Way>,
    most: usize,
    steps: usize,
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
            self.steps += 1;
            if self.found.len() >= self.most || self.steps > MOST_STEPS {
                return;
            }
            // Between two ends outside nobody is asked.
            if seen.contains(&to) || !(ends[at].is_inside() || ends[to].is_inside()) {
                continue;
            }
            let mut hop = self.hops.hop(at, to, link);
            if self.sure && !hop.sure {
                continue;
            }
            if left == 1 {
                if !self.goal.contains(&to) {
                    continue;
                }
                let open = self.hops.wanted(link, self.wanted, true);
                hop.sure = !open.is_empty();
                hop.ports =
                    if hop.sure { open } else { self.hops.wanted(link, self.wanted, self.sure) };
                if hop.ports.is_empty() {
                    continue;
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
