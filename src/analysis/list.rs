//! Every allowed connection.

use super::reason::{Reason, reasons};
use super::words::Words;
use super::world::World;
use crate::cluster::{
    NamespaceId, NodeId, PodId, WorkloadId, link_local_addresses, named_addresses,
    private_addresses, public_addresses, routable_addresses,
};
use crate::diagnostic::Span;
use crate::engine::reference::Flow;
use crate::engine::{
    GraphNode, Model, Pairs, Peer, Said, Verdict, common_families, in_blocks, trace,
};
use crate::net::{ConnectionSet, DomainPattern, Family, IpSet};
use crate::policy::{Certainty, Direction, PolicySet};
use petgraph::graph::{DiGraph, NodeIndex};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// Which rows to show.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only rows with an end in this namespace.
    pub namespace: Option<String>,
    /// Only rows with one of these pods at an end.
    pub pods: Option<BTreeSet<PodId>>,
    /// Only these ports.
    pub ports: Option<ConnectionSet>,
    /// Only rows in which the namespace or workload is the source (egress) or the destination
    /// (ingress).
    pub direction: Option<Direction>,
    /// Show pairs that no policy isolates, too.
    pub open: bool,
    /// Name the rules that open each row.
    pub rules: bool,
}

/// An end of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowEnd {
    /// A workload, or those of its pods that policies treat alike.
    Workload {
        /// The workload.
        id: WorkloadId,
        /// The pods, if they are not all of it.
        pods: Option<Vec<PodId>>,
    },
    /// Nodes of the cluster.
    Nodes(Vec<NodeId>),
    /// Addresses of anybody else.
    External(IpSet),
    /// Hosts outside by name: names, or patterns of names, of rules.
    Names(Vec<DomainPattern>),
}

/// One or more connections that may be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who opens them.
    pub source: RowEnd,
    /// To whom.
    pub destination: RowEnd,
    /// What is allowed, and what cannot be said; not both are empty.
    pub verdict: Arc<Verdict>,
    /// The family that the row is about, where the families of two dual-stack ends differ.
    pub family: Option<Family>,
    /// The rules that open it, one for each direction that has one, and where they stand; only if
    /// they were asked for.
    pub rules: Vec<(String, Span)>,
}

/// Every allowed connection, by source and destination.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The rows.
    pub rows: Vec<Row>,
    /// How many ordered pairs of workloads there are.
    pub pairs: usize,
    /// How many of them are left out because no policy isolates either end.
    pub open_pairs: usize,
    /// Workloads on their nodes' networks: they always reach the pods of their own node, and rows do
    /// not say so.
    pub on_nodes: Vec<WorkloadId>,
    /// Workloads that no policy selects for egress.
    pub open_egress: Vec<WorkloadId>,
    /// Workloads that no policy selects for ingress.
    pub open_ingress: Vec<WorkloadId>,
    /// Pods that no policy selects, of workloads of which one selects others, by [`Direction::index`].
    pub open_pods: [BTreeSet<PodId>; 2],
    /// Addresses of nobody in the input, by family.
    pub outside: Vec<IpSet>,
    /// What is not listed may be allowed all the same: nobody knows whether anything enforces policies.
    pub unenforced: bool,
}

impl Listing {
    /// The rows as a graph: an edge, by the place of its row, for each.
    pub fn graph(&self) -> DiGraph<&RowEnd, usize> {
        let mut graph = DiGraph::with_capacity(0, self.rows.len());
        let mut known: BTreeMap<&RowEnd, NodeIndex> = BTreeMap::new();
        for (at, row) in self.rows.iter().enumerate() {
            let [from, to] = [&row.source, &row.destination]
                .map(|end| *known.entry(end).or_insert_with(|| graph.add_node(end)));
            graph.add_edge(from, to, at);
        }
        graph
    }
}

/// Lists the connections of a world.
pub fn list(world: &World, model: &Model<'_>, filter: &Filter) -> Listing {
    let lister = Lister::new(world, model, filter);
    let mut listing = lister.summary();
    let all = |rows: Vec<Vec<Row>>| {
        listing.rows.extend(rows.into_iter().flatten());
        ControlFlow::Continue(())
    };
    let _ = lister.by_source(|rows| rows, all);
    listing
}

/// The policies that a list is made of. If nobody knows whether anything enforces them, whatever they
/// deny may be allowed: of every pair there is, so that is said once, and what they allow is listed.
pub fn listed_policies(world: &World) -> Cow<'_, PolicySet> {
    if !world.policies.dataplane.unknown_enforcer {
        return Cow::Borrowed(&world.policies);
    }
    let mut policies = world.policies.clone();
    policies.dataplane.unknown_enforcer = false;
    for unpoliced in &mut policies.dataplane.unpoliced {
        // In a family that may be left alone what is denied is as undetermined, and no more.
        if *unpoliced == Certainty::Maybe {
            *unpoliced = Certainty::No;
        }
    }
    Cow::Owned(policies)
}

/// Lists connections block by block: those of a large cluster are too many to be held at once.
pub struct Lister<'w, 'm, 'a> {
    world: &'w World,
    model: &'m Model<'a>,
    filter: &'w Filter,
    /// What the filter asks for by name, if anything; an unknown namespace has no workload.
    namespace: Option<Vec<NamespaceId>>,
    pairs: Pairs<'m, 'a>,
    /// The parts of each workload, by their places among the pairs' workloads.
    workloads: Vec<Range<usize>>,
}

/// Two parts of workloads, by their places among all of them, and what policies say of these.
pub(super) struct Pair {
    pub(super) own: usize,
    pub(super) other: usize,
    pub(super) said: Said,
}

impl<'w, 'm, 'a> Lister<'w, 'm, 'a> {
    /// Prepares a list.
    pub fn new(world: &'w World, model: &'m Model<'a>, filter: &'w Filter) -> Self {
        Self::of(world, Pairs::new(model, world.options.family, filter.open), model, filter)
    }

    /// The same of a list that is compared with that of another model, of so many workloads.
    pub(super) fn beside(
        world: &'w World,
        [model, other]: [&'m Model<'a>; 2],
        filter: &'w Filter,
        asked: usize,
    ) -> Self {
        let pairs = Pairs::beside(model, Some(other), world.options.family, filter.open, asked);
        Self::of(world, pairs, model, filter)
    }

    fn of(
        world: &'w World,
        pairs: Pairs<'m, 'a>,
        model: &'m Model<'a>,
        filter: &'w Filter,
    ) -> Self {
        let id = |node: &GraphNode| match node {
            GraphNode::Workload { workload, .. } => Some(*workload),
            GraphNode::Nodes(_) | GraphNode::External(_) | GraphNode::Names(_) => None,
        };
        let mut start = 0;
        let chunks = pairs.workloads.chunk_by(|a, b| id(a) == id(b));
        let workloads = chunks.map(|parts| {
            let range = start..start + parts.len();
            start = range.end;
            range
        });
        let workloads = workloads.collect();
        let namespace = filter.namespace.as_deref();
        let namespace =
            namespace.map(|name| world.cluster.find_namespace(name).into_iter().collect());
        Self { world, model, filter, namespace, pairs, workloads }
    }

    /// Whether any row may leave something undetermined; if not, none does.
    pub fn may_be_undetermined(&self) -> bool {
        self.model.may_be_undetermined()
    }

    /// Whether policies deny something, and nobody knows whether anything enforces that.
    pub fn is_unenforced(&self) -> bool {
        self.world.policies.dataplane.unknown_enforcer && self.pairs.is_anything_isolated()
    }

    /// All that is said of a list but its rows.
    pub fn summary(&self) -> Listing {
        let (pairs, open_pairs) = self.pairs.counts();
        let unenforced = self.is_unenforced();
        let outside = self.pairs.outside().to_vec();
        let mut listing = Listing { pairs, open_pairs, outside, unenforced, ..Listing::default() };
        let cluster = &self.world.cluster;
        for id in cluster.workload_ids() {
            let pods = &cluster.workload(id).pods;
            if pods.iter().any(|&pod| cluster.pod(pod).host_network) {
                listing.on_nodes.push(id);
            }
            for (direction, open) in [
                (Direction::Egress, &mut listing.open_egress),
                (Direction::Ingress, &mut listing.open_ingress),
            ] {
                let free = |&pod: &PodId| !self.model.is_isolated(pod, direction);
                if !pods.is_empty() && pods.iter().all(free) {
                    open.push(id);
                } else {
                    let own = pods.iter().copied().filter(|pod| free(pod));
                    listing.open_pods[direction.index()].extend(own);
                }
            }
        }
        listing
    }

    /// The rows of one workload as a source (egress) or as a destination, its parts and those of the other end
    /// one by one.
    pub fn rows_of(&self, id: WorkloadId, direction: Direction) -> Vec<Row> {
        let mut rows = self.rows(&self.pairs_of(id, direction), direction);
        rows.extend(self.outside_of(id, direction));
        rows
    }

    /// What such rows with other workloads are made of.
    pub(super) fn pairs_of(&self, id: WorkloadId, direction: Direction) -> Vec<Pair> {
        self.parts_of(id).map(|parts| self.pairs_between(parts, direction)).unwrap_or_default()
    }

    /// The rows of such pairs.
    pub(super) fn rows(&self, pairs: &[Pair], direction: Direction) -> Vec<Row> {
        let nodes = &self.pairs.workloads;
        let row =
            |pair: &Pair| self.row(&nodes[pair.own], &nodes[pair.other], direction, &pair.said);
        pairs.iter().filter_map(row).collect()
    }

    /// The rows of a workload with what is no workload.
    pub(super) fn outside_of(&self, id: WorkloadId, direction: Direction) -> Vec<Row> {
        self.parts_of(id).map(|parts| self.outside(parts, direction)).unwrap_or_default()
    }

    /// Addresses of nobody, of every family.
    pub(super) fn outside_addresses(&self) -> IpSet {
        self.pairs.outside().iter().fold(IpSet::empty(), |all, own| all.union(own))
    }

    /// By place in a pair: the workload that stands there, if all of it does.
    pub(super) fn whole_workloads(&self) -> impl Iterator<Item = Option<WorkloadId>> {
        self.pairs.workloads.iter().map(|node| match node {
            GraphNode::Workload { workload, partial: false, .. } => Some(*workload),
            _ => None,
        })
    }

    /// The parts of a workload, by their places among the pairs' workloads.
    fn parts_of(&self, id: WorkloadId) -> Option<&Range<usize>> {
        let of = |parts: &Range<usize>| match self.pairs.workloads.get(parts.start) {
            Some(GraphNode::Workload { workload, .. }) => Some(*workload),
            _ => None,
        };
        let at = self.workloads.partition_point(|parts| of(parts).is_some_and(|own| own < id));
        self.workloads.get(at).filter(|parts| of(parts) == Some(id))
    }

    /// Hands out all rows, ordered by source, then destination: `each` is given those of one source, in
    /// parallel, and `take` what it makes of them, in order.
    pub fn by_source<T: Send>(
        &self,
        each: impl Fn(Vec<Row>) -> T + Sync,
        mut take: impl FnMut(Vec<T>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.of_workloads(Direction::Egress, &each, &mut take)?;
        take(vec![each(self.rest(Direction::Ingress))])
    }

    /// The same with those of one destination together; of each they are ordered by source.
    pub fn by_destination<T: Send>(
        &self,
        each: impl Fn(Vec<Row>) -> T + Sync,
        mut take: impl FnMut(Vec<T>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.of_workloads(Direction::Ingress, &each, &mut take)?;
        take(vec![each(self.rest(Direction::Egress))])
    }

    fn of_workloads<T: Send>(
        &self,
        direction: Direction,
        each: &(impl Fn(Vec<Row>) -> T + Sync),
        take: &mut impl FnMut(Vec<T>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let read = |at: usize| {
            let parts = &self.workloads[at];
            let mut rows = self.between(parts, direction);
            rows.extend(self.outside(parts, direction));
            each(self.joined(rows))
        };
        in_blocks(self.workloads.len(), read, take)
    }

    /// Rows between every workload and what is outside, in one direction.
    fn rest(&self, direction: Direction) -> Vec<Row> {
        let mut all = Vec::new();
        let read = |at: usize| self.outside(&self.workloads[at], direction);
        let _ = in_blocks(self.workloads.len(), read, |rows| {
            all.extend(rows.into_iter().flatten());
            ControlFlow::Continue(())
        });
        self.joined(all)
    }

    fn keep(&self, node: &GraphNode) -> bool {
        let GraphNode::Workload { workload, pods, .. } = node else { return false };
        let own = self.world.cluster.workload(*workload).namespace;
        self.namespace.as_ref().is_none_or(|wanted| wanted.contains(&own))
            && self.filter.pods.as_ref().is_none_or(|all| pods.iter().any(|p| all.contains(p)))
    }

    fn wanted(&self, source: &GraphNode, destination: &GraphNode) -> bool {
        if self.namespace.is_none() && self.filter.pods.is_none() {
            return true;
        }
        match self.filter.direction {
            None => self.keep(source) || self.keep(destination),
            Some(Direction::Egress) => self.keep(source),
            Some(Direction::Ingress) => self.keep(destination),
        }
    }

    fn row(
        &self,
        own: &GraphNode,
        other: &GraphNode,
        direction: Direction,
        said: &Said,
    ) -> Option<Row> {
        let (source, destination) = match direction {
            Direction::Egress => (own, other),
            Direction::Ingress => (other, own),
        };
        self.wanted(source, destination).then(|| row(self.filter, source, destination, said))?
    }

    /// Rows from the parts of a workload to other workloads (`direction` is egress), or to it.
    fn between(&self, parts: &Range<usize>, direction: Direction) -> Vec<Row> {
        self.rows(&self.pairs_between(parts, direction), direction)
    }

    fn pairs_between(&self, parts: &Range<usize>, direction: Direction) -> Vec<Pair> {
        let of = |own: usize| {
            let others = self.pairs.workloads_of(own, direction).into_iter();
            others.map(move |(other, said)| Pair { own, other, said })
        };
        parts.clone().flat_map(of).collect()
    }

    /// The same between the parts of a workload and what is outside.
    fn outside(&self, parts: &Range<usize>, direction: Direction) -> Vec<Row> {
        parts
            .clone()
            .flat_map(|at| {
                let own = &self.pairs.workloads[at];
                let others = self.pairs.outside_of(at, parts.clone(), direction).into_iter();
                others.filter_map(move |(node, said)| self.row(own, &node, direction, &said))
            })
            .collect()
    }

    /// Ends that are alike in all else are joined: first sources, then destinations.
    fn joined(&self, rows: Vec<Row>) -> Vec<Row> {
        let mut rows = join(self.world, join(self.world, rows, true), false);
        let order = |a: &Row, b: &Row| {
            (&a.source, &a.destination, a.family).cmp(&(&b.source, &b.destination, b.family))
        };
        if !rows.is_sorted_by(|a, b| order(a, b).is_le()) {
            rows.sort_by(order);
        }
        if self.filter.rules {
            for row in &mut rows {
                row.rules = opening_rules(self.world, row);
            }
        }
        rows
    }
}

fn row(
    filter: &Filter,
    source: &GraphNode,
    destination: &GraphNode,
    (verdict, family): &Said,
) -> Option<Row> {
    let verdict = match &filter.ports {
        None => Arc::clone(verdict),
        Some(ports) => {
            let cut = |set: &ConnectionSet| set.intersection(ports);
            let (allowed, unknown) = (cut(&verdict.allowed), cut(&verdict.unknown));
            if allowed.is_empty() && unknown.is_empty() {
                return None;
            }
            Arc::new(Verdict { allowed, unknown })
        }
    };
    Some(Row {
        source: source.into(),
        destination: destination.into(),
        verdict,
        family: *family,
        rules: Vec::new(),
    })
}

/// Joins rows that differ in one end only, where these ends together are one thing: variants of a
/// workload, nodes, addresses.
fn join(world: &World, rows: Vec<Row>, source: bool) -> Vec<Row> {
    // Rows of whole workloads alone have no parts to join.
    let whole = |end: &RowEnd| matches!(end, RowEnd::Workload { pods: None, .. });
    if rows.iter().all(|row| whole(if source { &row.source } else { &row.destination })) {
        return rows;
    }
    let parts = rows.into_iter().map(|row| {
        let said = (row.verdict, row.family);
        (row.source, row.destination, said)
    });
    join_ends(world, parts.collect(), source)
        .into_iter()
        .map(|(source, destination, (verdict, family))| Row {
            source,
            destination,
            verdict,
            family,
            rules: Vec::new(),
        })
        .collect()
}

/// The same of anything that is said of two ends.
pub(super) fn join_ends<T: Clone + Ord>(
    world: &World,
    rows: Vec<(RowEnd, RowEnd, T)>,
    source: bool,
) -> Vec<(RowEnd, RowEnd, T)> {
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Part {
        Workload(WorkloadId),
        Nodes,
        External,
        Names,
    }
    let mut out = Vec::new();
    let mut parts: BTreeMap<(Part, RowEnd, T), RowEnd> = BTreeMap::new();
    for (from, to, said) in rows {
        let (end, other) = if source { (from, to) } else { (to, from) };
        let part = match &end {
            RowEnd::Workload { pods: None, .. } => {
                let (from, to) = if source { (end, other) } else { (other, end) };
                out.push((from, to, said));
                continue;
            }
            RowEnd::Workload { id, .. } => Part::Workload(*id),
            RowEnd::Nodes(_) => Part::Nodes,
            RowEnd::External(_) => Part::External,
            RowEnd::Names(_) => Part::Names,
        };
        match parts.entry((part, other, said)) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(end);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => match (entry.get_mut(), end)
            {
                (RowEnd::External(all), RowEnd::External(more)) => *all = all.union(&more),
                (RowEnd::Nodes(all), RowEnd::Nodes(more)) => all.extend(more),
                (RowEnd::Names(all), RowEnd::Names(more)) => all.extend(more),
                (
                    RowEnd::Workload { pods: Some(all), .. },
                    RowEnd::Workload { pods: Some(more), .. },
                ) => all.extend(more),
                _ => {}
            },
        }
    }
    for ((_, other, said), mut end) in parts {
        match &mut end {
            RowEnd::Workload { id, pods } => {
                let whole = world.cluster.workload(*id).pods.len();
                if let Some(own) = pods {
                    own.sort();
                    if own.len() == whole {
                        *pods = None;
                    }
                }
            }
            RowEnd::Nodes(ids) => ids.sort(),
            RowEnd::Names(names) => names.sort(),
            RowEnd::External(_) => {}
        }
        let (from, to) = if source { (end, other) } else { (other, end) };
        out.push((from, to, said));
    }
    out
}

impl From<&GraphNode> for RowEnd {
    fn from(node: &GraphNode) -> Self {
        match node {
            GraphNode::Workload { workload, pods, partial } => {
                Self::Workload { id: *workload, pods: partial.then(|| pods.clone()) }
            }
            GraphNode::Nodes(ids) => Self::Nodes(ids.clone()),
            GraphNode::External(set) => Self::External(set.clone()),
            GraphNode::Names(pattern) => Self::Names(vec![pattern.clone()]),
        }
    }
}

/// The rules that open the first connection of a row.
fn opening_rules(world: &World, row: &Row) -> Vec<(String, Span)> {
    let rules = row_reasons(world, row).into_iter().filter(|reason| reason.rule.is_some());
    rules.filter_map(|reason| Some((reason.text, reason.span?))).collect()
}

/// Why the first connection of a row is as it is.
pub fn row_reasons(world: &World, row: &Row) -> Vec<Reason> {
    let cluster = &world.cluster;
    let peers = |end: &RowEnd| -> Vec<Peer> {
        match end {
            RowEnd::Workload { id, pods } => {
                let pods = pods.as_ref().unwrap_or(&cluster.workload(*id).pods);
                pods.iter().map(|&pod| Peer::Pod(pod)).collect()
            }
            RowEnd::Nodes(ids) => ids.iter().map(|&id| Peer::Node(id, None)).collect(),
            // Any address of a row stands for all.
            RowEnd::External(set) => {
                set.first().map(|a| Peer::External(IpSet::address(a))).into_iter().collect()
            }
            RowEnd::Names(names) => {
                names.first().map(|name| Peer::Name(name.stand_in(), None)).into_iter().collect()
            }
        }
    };
    let Verdict { allowed, unknown } = &*row.verdict;
    let set = if allowed.is_empty() { unknown } else { allowed };
    let Some((protocol, port, _)) = set.ranges().next() else { return Vec::new() };
    let (sources, destinations) = (peers(&row.source), peers(&row.destination));
    // A pair that policies decide: not a pod and itself, nor a pod and its own node.
    let node = |peer: &Peer| match peer {
        Peer::Pod(id) => cluster.pod(*id).node,
        Peer::Node(id, _) => Some(*id),
        Peer::External(_) | Peer::Name(..) => None,
    };
    let on_node = |peer: &Peer| match peer {
        Peer::Pod(id) => cluster.pod(*id).host_network,
        Peer::Node(..) => true,
        Peer::External(_) | Peer::Name(..) => false,
    };
    let one_pod = |peer: &Peer| matches!(peer, Peer::Pod(id) if !cluster.pod(*id).stand_in);
    let pair =
        sources.iter().flat_map(|a| destinations.iter().map(move |b| (a, b))).find(|(a, b)| {
            let itself = a == b && one_pod(a);
            let own_node = on_node(a) && node(a).is_some() && node(a) == node(b);
            !itself && !own_node
        });
    let Some((source, destination)) = pair else { return Vec::new() };
    let wanted = row.family.or(world.options.family);
    let mut families = common_families(cluster, source, destination).into_iter();
    let Some(family) = families.find(|&f| wanted.is_none_or(|wanted| wanted == f)) else {
        return Vec::new();
    };
    let flow =
        Flow { source: source.clone(), destination: destination.clone(), family, protocol, port };
    let found = trace(cluster, &world.policies, &flow);
    reasons(
        Words::effective(world),
        &found,
        &row.source.name(world, Length::Short),
        &row.destination.name(world, Length::Short),
    )
}

/// A name for a set of outside addresses: of the zones that it holds whole, what it lacks of a
/// zone, or its blocks.
pub(super) fn outside_name(set: &IpSet, length: Length) -> String {
    let mut parts: Vec<String> = Vec::new();
    for family in Family::ALL {
        let own = set.only(family);
        if own.is_empty() {
            continue;
        }
        let suffix = if family == Family::V6 { " (IPv6)" } else { "" };
        if own == routable_addresses(family) {
            parts.push(format!("anywhere outside{suffix}"));
            continue;
        }
        if own == named_addresses(family) {
            parts.push(format!("anywhere outside but link-local addresses{suffix}"));
            continue;
        }
        for (name, zone) in [
            ("internet", public_addresses(family)),
            ("private addresses", private_addresses(family)),
            ("link-local addresses", link_local_addresses(family)),
        ] {
            let part = own.intersection(&zone);
            if part.is_empty() {
                continue;
            }
            let missing = zone.difference(&part);
            if missing.is_empty() {
                parts.push(format!("{name}{suffix}"));
            } else if missing.to_blocks().len() < part.to_blocks().len() {
                parts.push(format!("{name}{suffix} except {}", block_names(&missing, length)));
            } else {
                parts.push(block_names(&part, length));
            }
        }
    }
    parts.join(", ")
}

/// How much of a long name to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// The first few parts, and how many more there are: for people.
    Short,
    /// All of it: different ends have different names.
    Full,
}

/// The blocks of a set: all, or the first few.
pub(super) fn block_names(set: &IpSet, length: Length) -> String {
    const FEW: usize = 6;
    let blocks = set.to_blocks();
    if length == Length::Full || blocks.len() <= FEW {
        return set.to_string();
    }
    let few = IpSet::blocks(blocks.iter().take(FEW - 1).copied());
    format!("{few} and {} more blocks", blocks.len() - (FEW - 1))
}

impl RowEnd {
    /// The end as printed.
    pub fn name(&self, world: &World, length: Length) -> String {
        let shown = |all: usize| if length == Length::Full { all } else { all.min(3) };
        match self {
            Self::Workload { id, pods: None } => world.cluster.workload_name(*id),
            Self::Workload { id, pods: Some(pods) } => {
                let take = shown(pods.len());
                let names: Vec<&str> =
                    pods.iter().take(take).map(|&pod| &*world.cluster.pod(pod).name).collect();
                let more = pods.len() - take;
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("{} ({}{more})", world.cluster.workload_name(*id), names.join(", "))
            }
            Self::Nodes(ids) if ids.len() > 1 && ids.len() == world.cluster.nodes.len() => {
                "every node".into()
            }
            Self::Nodes(ids) => {
                let take = shown(ids.len());
                let names: Vec<String> = ids
                    .iter()
                    .take(take)
                    .map(|&id| format!("node/{}", world.cluster.node(id).name))
                    .collect();
                let more = ids.len() - take;
                let more = if more > 0 { format!(" and {more} more nodes") } else { String::new() };
                format!("{}{more}", names.join(", "))
            }
            Self::External(set) => outside_name(set, length),
            Self::Names(names) => {
                let take = shown(names.len());
                let few: Vec<String> = names.iter().take(take).map(ToString::to_string).collect();
                let more = names.len() - take;
                let more = if more > 0 { format!(" and {more} more names") } else { String::new() };
                format!("{}{more}", few.join(", "))
            }
        }
    }
}
