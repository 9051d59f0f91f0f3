//! What a picture shows: ends and links, at the level that a reader can take in, with nothing left out.
//!
//! ```text
//!   Listing ─▶ Picture (an end for each part of a workload, a link for each pair)
//!                │ collapsed    ends that nothing tells apart become one: no link is lost
//!                │ namespaces   the next level up: how many pairs of each two namespaces connect
//!                └ focus        one end, who reaches it and whom it reaches
//!                │ shown        in the form that can be read, or the next level up
//!   Diff ─▶ Picture (what opens, closes, changes)
//! ```
//!
//! Rows of a list may name sets of pods, nodes or addresses that overlap: these are cut until each end is whole in
//! every row.

mod collapse;
mod focus;
mod view;

pub use view::{Shown, View};

use super::diff::{Diff, DiffEnd, RowTurn};
use super::endpoint::{Endpoint, Member};
use super::list::{Length, Listing, RowEnd, outside_name, row_reasons};
use super::reason::Reason;
use super::world::World;
use crate::cluster::{NodeId, PodId, WorkloadId, public_addresses};
use crate::engine::{Peer, Verdict};
use crate::net::{ConnectionSet, Family, IpSet};
use crate::policy::Direction;
use rayon::prelude::*;
use smallvec::{SmallVec, smallvec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a picture shows.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// What an end stands for.
    pub level: Level,
    /// The ends, in the order in which they are drawn: outside first, then by namespace.
    pub ends: Vec<PictureEnd>,
    /// The links, by source and destination.
    pub links: Vec<Link>,
    /// How many connections of the list are drawn: all of them.
    pub connections: usize,
    /// How many ordered pairs of workloads there are, and how many of them are open as no policy selects either
    /// end: of these the badges of the ends tell, and no link.
    pub pairs: usize,
    /// See `pairs`.
    pub open_pairs: usize,
    /// What policies deny may be allowed all the same: nobody knows whether anything enforces them.
    pub unenforced: bool,
    /// What was asked for, if not everything is drawn: `namespace shop`.
    pub filter: Option<String>,
    /// What else is to be known of it.
    pub notes: Vec<String>,
}

/// What an end of a picture stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Workloads, or classes of them that nothing tells apart.
    #[default]
    Workloads,
    /// Namespaces.
    Namespaces,
}

/// What kind of thing an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndKind {
    /// Addresses outside.
    Outside,
    /// Hosts outside by name.
    Name,
    /// Nodes of the cluster.
    Nodes,
    /// A workload, or some of its pods.
    Workload,
    /// Workloads that nothing tells apart.
    Class,
    /// All workloads of a namespace.
    Namespace,
}

/// An end of links.
#[derive(Clone, Debug)]
pub struct PictureEnd {
    /// What kind of thing it is.
    pub kind: EndKind,
    /// Its namespace, if it has one.
    pub namespace: Option<String>,
    /// What it is called there: `deploy/web`, `deploy/web ×14`, `internet`.
    pub name: String,
    /// Everything that it stands for, by full names.
    pub members: Vec<String>,
    /// How many workloads it stands for: 0 for what is outside, and for further parts of one.
    pub workloads: usize,
    /// How many parts of workloads, that policies tell apart, it stands for; 1 for what is outside.
    pub parts: usize,
    /// How many of these no policy selects, by [`Direction::index`](crate::policy::Direction::index).
    pub open: [usize; 2],
    /// It is there as a connection names it alone: what else it does is not drawn.
    pub beside: bool,
    /// Its place from the focus: negative for who reaches it.
    pub column: i32,
    /// The places of what it joins, in the picture that this one is made of; none in that one itself.
    pub ids: Vec<usize>,
    /// Addresses, if it is any.
    set: Option<IpSet>,
    /// Pods, if it is any.
    pods: Vec<PodId>,
}

/// What one end may open to another.
#[derive(Clone, Debug)]
pub struct Link {
    /// The place of the source among the ends.
    pub source: usize,
    /// The place of the destination.
    pub destination: usize,
    /// What is allowed, of a namespace to any of its pairs; and what cannot be said.
    pub verdict: Arc<Verdict>,
    /// How many pairs of workloads (of ends, outside) it is about.
    pub pairs: usize,
    /// Of how many.
    pub of: usize,
    /// Whether it says the same of all of them.
    pub uniform: bool,
    /// The rows of the list that it draws.
    pub rows: SmallVec<[usize; 1]>,
    /// What a change makes of it, and what was allowed before.
    pub turn: Option<(RowTurn, ConnectionSet)>,
    /// What else is to be known, such as the family that it is about.
    pub note: Option<String>,
    /// The places of what it joins, in the picture that this one is made of; none in that one itself.
    pub ids: Vec<usize>,
}

/// How much a link lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    /// Every port, for every pair.
    All,
    /// Some ports, or some pairs.
    Some,
    /// Nothing is known to be let through.
    Undetermined,
}

impl Link {
    /// How much it lets through.
    pub fn share(&self) -> Share {
        if self.verdict.allowed.is_all() && self.pairs == self.of && self.uniform {
            Share::All
        } else if self.verdict.allowed.is_empty() {
            Share::Undetermined
        } else {
            Share::Some
        }
    }
}

impl PictureEnd {
    /// Its name with its namespace.
    pub fn full_name(&self) -> String {
        match (&self.namespace, self.kind) {
            (Some(namespace), EndKind::Namespace) => namespace.clone(),
            (Some(namespace), _) => format!("{namespace}/{}", self.name),
            (None, _) => self.name.clone(),
        }
    }

    /// Whether no policy selects any workload that it stands for, in a direction.
    pub fn is_open(&self, direction: Direction) -> bool {
        self.is_inside() && self.open[direction.index()] == self.parts
    }

    /// How many of its parts nothing closes in a direction: of what is outside, all, but nobody is called by a
    /// host by name.
    pub fn unclosed(&self, direction: Direction) -> usize {
        match self.kind {
            EndKind::Workload | EndKind::Class | EndKind::Namespace => self.open[direction.index()],
            EndKind::Name if direction == Direction::Egress => 0,
            EndKind::Outside | EndKind::Nodes | EndKind::Name => self.parts,
        }
    }

    /// Its addresses, if it is any: as blocks.
    pub fn blocks(&self) -> Vec<String> {
        let blocks = self.set.iter().flat_map(IpSet::to_blocks);
        blocks.map(|block| block.to_string()).collect()
    }

    /// An address of it, if it is addresses: one that stands for all.
    pub fn first_address(&self) -> Option<String> {
        let set = self.set.as_ref()?;
        let public = public_addresses(Family::V4).union(&public_addresses(Family::V6));
        if public.is_subset(set) {
            return Some("internet".into());
        }
        set.first().map(|address| address.to_string())
    }

    /// Whether it is in the cluster.
    pub fn is_inside(&self) -> bool {
        matches!(self.kind, EndKind::Workload | EndKind::Class | EndKind::Namespace)
    }
}

/// Parts that every set of a list is made of.
struct Parts<T: Ord + Clone> {
    /// The part of each member.
    of: BTreeMap<T, usize>,
    parts: Vec<Vec<T>>,
}

impl<T: Ord + Clone> Parts<T> {
    fn new(sets: &BTreeSet<Vec<T>>) -> Self {
        let mut membership: BTreeMap<T, Vec<usize>> = BTreeMap::new();
        for (at, set) in sets.iter().enumerate() {
            for member in set {
                membership.entry(member.clone()).or_default().push(at);
            }
        }
        let mut by_membership: BTreeMap<Vec<usize>, Vec<T>> = BTreeMap::new();
        for (member, sets) in membership {
            by_membership.entry(sets).or_default().push(member);
        }
        let mut parts: Vec<Vec<T>> = by_membership.into_values().collect();
        parts.sort();
        let of = parts
            .iter()
            .enumerate()
            .flat_map(|(at, part)| part.iter().map(move |member| (member.clone(), at)))
            .collect();
        Self { of, parts }
    }

    fn within(&self, set: &[T]) -> BTreeSet<usize> {
        set.iter().filter_map(|member| self.of.get(member).copied()).collect()
    }
}

/// The ends that an end of a row is: one, nearly always.
type Found = SmallVec<[usize; 1]>;

/// More sets of addresses than these are not cut by each other: they are drawn as rules have them.
const MOST_CUT: usize = 300;

impl Picture {
    /// Draws a list: an end for each workload (of those in `only`, and of those that a row names), a link for each pair.
    pub fn new(world: &World, listing: &Listing, only: Option<&BTreeSet<WorkloadId>>) -> Self {
        let cluster = &world.cluster;
        let rows = &listing.rows;
        let mut pods: BTreeMap<WorkloadId, BTreeSet<Vec<PodId>>> = BTreeMap::new();
        let mut named: BTreeSet<WorkloadId> = BTreeSet::new();
        let mut nodes: BTreeSet<Vec<NodeId>> = BTreeSet::new();
        let mut sets: BTreeSet<IpSet> = BTreeSet::new();
        let mut hosts: BTreeSet<String> = BTreeSet::new();
        for end in rows.iter().flat_map(|row| [&row.source, &row.destination]) {
            match end {
                RowEnd::Workload { id, pods: some } => {
                    named.insert(*id);
                    if let Some(some) = some {
                        pods.entry(*id).or_default().insert(some.clone());
                    }
                }
                RowEnd::Nodes(ids) => {
                    if !nodes.contains(ids) {
                        nodes.insert(ids.clone());
                    }
                }
                RowEnd::External(set) => {
                    if !sets.contains(set) {
                        sets.insert(set.clone());
                    }
                }
                RowEnd::Names(names) => hosts.extend(names.iter().map(ToString::to_string)),
            }
        }
        // What nothing closes is open to whatever is outside, which no row says.
        let open = [&listing.open_egress, &listing.open_ingress]
            .map(|list| list.iter().copied().collect::<BTreeSet<WorkloadId>>());
        let is_anything_open = open.iter().any(|own| !own.is_empty())
            || listing.open_pods.iter().any(|own| !own.is_empty());
        if is_anything_open {
            sets.extend(listing.outside.iter().filter(|set| !set.is_empty()).cloned());
            let all: Vec<NodeId> = cluster.node_ids().collect();
            if !all.is_empty() {
                nodes.insert(all);
            }
        }
        for &pod in listing.open_pods.iter().flatten() {
            let id = cluster.pod(pod).workload;
            let whole = &cluster.workload(id).pods;
            for own in &listing.open_pods {
                let some: Vec<PodId> =
                    whole.iter().copied().filter(|pod| own.contains(pod)).collect();
                if !some.is_empty() {
                    pods.entry(id).or_default().insert(some);
                }
            }
        }
        let mut own = Self {
            connections: rows.len(),
            pairs: listing.pairs,
            open_pairs: listing.open_pairs,
            unenforced: listing.unenforced,
            ..Self::default()
        };
        // What is outside.
        let cut = sets.len() <= MOST_CUT;
        if !cut {
            own.notes.push(format!(
                "{} sets of addresses are drawn as rules have them, and may overlap.",
                sets.len()
            ));
        }
        let all = sets.iter().fold(IpSet::empty(), |all, set| all.union(set));
        let atoms: Vec<IpSet> =
            if cut { all.atoms(sets.iter()) } else { sets.iter().cloned().collect() };
        let first_atom = own.ends.len();
        for set in &atoms {
            own.ends.push(PictureEnd {
                set: Some(set.clone()),
                ..outside(EndKind::Outside, outside_name(set, Length::Short), Vec::new())
            });
        }
        let first_host = own.ends.len();
        let hosts: Vec<String> = hosts.into_iter().collect();
        own.ends.extend(
            hosts.iter().map(|name| outside(EndKind::Name, name.clone(), vec![name.clone()])),
        );
        let node_parts = Parts::new(&nodes);
        let first_nodes = own.ends.len();
        for part in &node_parts.parts {
            let name = RowEnd::Nodes(part.clone()).name(world, Length::Short);
            let members = part.iter().map(|&id| format!("node/{}", cluster.node(id).name));
            own.ends.push(outside(EndKind::Nodes, name, members.collect()));
        }
        // Workloads, by namespace: those whose pods differ in parts.
        let mut places: Vec<Option<(usize, Option<Parts<PodId>>)>> =
            cluster.workload_ids().map(|_| None).collect();
        for id in cluster.workload_ids() {
            let workload = cluster.workload(id);
            let wanted = only.is_none_or(|only| only.contains(&id)) || named.contains(&id);
            if workload.pods.is_empty() || !wanted {
                continue;
            }
            let name = cluster.workload_name(id);
            let namespace = cluster.namespace(workload.namespace).name.to_string();
            let short = name[namespace.len() + 1..].to_owned();
            let beside = only.is_some_and(|only| !only.contains(&id));
            let one = |name: String, members: Vec<String>, pods: Vec<PodId>| PictureEnd {
                kind: EndKind::Workload,
                namespace: Some(namespace.clone()),
                name,
                members,
                workloads: 1,
                parts: 1,
                open: [0, 1].map(|at: usize| {
                    let first = pods.first();
                    let part = first.is_some_and(|pod| listing.open_pods[at].contains(pod));
                    usize::from(open[at].contains(&id) || part)
                }),
                beside,
                column: 0,
                ids: Vec::new(),
                set: None,
                pods,
            };
            let first = own.ends.len();
            let Some(sets) = pods.get(&id) else {
                own.ends.push(one(short, vec![name], workload.pods.clone()));
                places[id.index()] = Some((first, None));
                continue;
            };
            // With all of its pods as one set, the rest is a part as well.
            let mut sets = sets.clone();
            sets.insert(workload.pods.clone());
            let parts = Parts::new(&sets);
            for part in &parts.parts {
                let end = RowEnd::Workload { id, pods: Some(part.clone()) };
                let members = part.iter().map(|&pod| cluster.pod_name(pod)).collect();
                let name = end.name(world, Length::Short)[namespace.len() + 1..].to_owned();
                own.ends.push(one(name, members, part.clone()));
            }
            // Its parts are one workload.
            for further in own.ends.iter_mut().skip(first + 1) {
                further.workloads = 0;
            }
            places[id.index()] = Some((first, Some(parts)));
        }
        let atoms_of: BTreeMap<&IpSet, Found> = sets
            .iter()
            .map(|set| {
                let is_in = |atom: &&IpSet| if cut { atom.is_subset(set) } else { *atom == set };
                let places = atoms.iter().enumerate().filter(|(_, atom)| is_in(atom));
                (set, places.map(|(at, _)| first_atom + at).collect())
            })
            .collect();
        let within = |end: &RowEnd| -> Found {
            match end {
                RowEnd::Workload { id, pods } => {
                    let Some((first, parts)) = &places[id.index()] else { return Found::new() };
                    match (parts, pods) {
                        (None, _) => smallvec![*first],
                        (Some(parts), None) => {
                            (0..parts.parts.len()).map(|at| first + at).collect()
                        }
                        (Some(parts), Some(pods)) => {
                            parts.within(pods).into_iter().map(|at| first + at).collect()
                        }
                    }
                }
                RowEnd::Nodes(ids) => {
                    node_parts.within(ids).into_iter().map(|at| first_nodes + at).collect()
                }
                RowEnd::External(set) => atoms_of.get(set).cloned().unwrap_or_default(),
                RowEnd::Names(names) => names
                    .iter()
                    .filter_map(|name| hosts.binary_search(&name.to_string()).ok())
                    .map(|at| first_host + at)
                    .collect(),
            }
        };
        let mut links: Vec<Link> = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let (sources, destinations) = (within(&row.source), within(&row.destination));
            for &source in &sources {
                for &destination in &destinations {
                    links.push(Link {
                        source,
                        destination,
                        verdict: Arc::clone(&row.verdict),
                        pairs: 1,
                        of: 1,
                        uniform: true,
                        rows: smallvec![at],
                        turn: None,
                        note: row.family.map(|own| format!("{own}: {}", said(&row.verdict))),
                        ids: Vec::new(),
                    });
                }
            }
        }
        links.sort_by_key(|link| (link.source, link.destination));
        // Of two ends with both families there may be a row for each.
        links.dedup_by(|next, link| {
            let same = (next.source, next.destination) == (link.source, link.destination);
            if same {
                link.add(next);
            }
            same
        });
        own.links = links;
        own
    }

    /// The same of other ends and links.
    pub(super) fn with(&self, ends: Vec<PictureEnd>, links: Vec<Link>) -> Self {
        Self {
            level: self.level,
            ends,
            links,
            connections: self.connections,
            pairs: self.pairs,
            open_pairs: self.open_pairs,
            unenforced: self.unenforced,
            filter: self.filter.clone(),
            notes: self.notes.clone(),
        }
    }

    /// Draws what a change opens and closes.
    pub fn of_diff(found: &Diff) -> Self {
        let mut own = Self { connections: found.rows.len(), ..Self::default() };
        let mut places: BTreeMap<DiffEnd, usize> = BTreeMap::new();
        let ends: BTreeSet<&DiffEnd> =
            found.rows.iter().flat_map(|row| [&row.source, &row.destination]).collect();
        let rank = |end: &DiffEnd| match end {
            DiffEnd::External(_) => 0,
            DiffEnd::Name(_) => 1,
            DiffEnd::Node(_) => 2,
            DiffEnd::Workload { .. } => 3,
        };
        let mut ends: Vec<&DiffEnd> = ends.into_iter().collect();
        ends.sort_by_key(|end| rank(end));
        for end in ends {
            places.insert(end.clone(), own.ends.len());
            let name = end.name();
            own.ends.push(match end {
                DiffEnd::Workload { .. } => {
                    let (namespace, short) = name.split_once('/').unwrap_or(("", &name));
                    PictureEnd {
                        kind: EndKind::Workload,
                        namespace: Some(namespace.to_owned()),
                        name: short.to_owned(),
                        workloads: 1,
                        beside: false,
                        ..outside(EndKind::Workload, String::new(), vec![name.clone()])
                    }
                }
                DiffEnd::Node(_) => outside(EndKind::Nodes, name.clone(), vec![name]),
                DiffEnd::External(set) => PictureEnd {
                    set: Some(set.clone()),
                    ..outside(EndKind::Outside, name, Vec::new())
                },
                DiffEnd::Name(_) => outside(EndKind::Name, name.clone(), vec![name]),
            });
        }
        for (at, row) in found.rows.iter().enumerate() {
            own.links.push(Link {
                source: places[&row.source],
                destination: places[&row.destination],
                verdict: Arc::new(Verdict {
                    allowed: row.after.allowed.clone(),
                    unknown: row.after.unknown.union(&row.before.unknown),
                }),
                pairs: 1,
                of: 1,
                uniform: true,
                rows: smallvec![at],
                turn: Some((row.turn(), row.before.allowed.clone())),
                note: row.family.map(|family| family.to_string()),
                ids: Vec::new(),
            });
        }
        own.links.sort_by_key(|link| (link.source, link.destination));
        own
    }

    /// The picture that a page is made of: other views refer to its ends and links by their places. By namespace
    /// where it would be too large for a page.
    #[must_use]
    pub fn base(&self) -> Self {
        /// Some ten megabytes.
        const MOST_LINKS: usize = 20_000;
        const MOST_ENDS: usize = 1_000;
        let mut own = self.collapsed().ordered();
        if own.links.len() > MOST_LINKS || own.ends.len() > MOST_ENDS {
            let (ends, links) = (own.ends.len(), own.links.len());
            own = self.namespaces();
            own.notes.push(format!(
                "By namespace: {ends} classes of workloads and addresses with {links} links are too many for a page; `-n NAMESPACE` has those of one."
            ));
        }
        for (at, end) in own.ends.iter_mut().enumerate() {
            end.ids = vec![at];
        }
        for (at, link) in own.links.iter_mut().enumerate() {
            link.ids = vec![at];
        }
        own
    }

    /// Why each link is as it is: for a connection of the list that stands for it. A link of namespaces joins some
    /// that may have other reasons: the first few are told.
    pub fn reasons(&self, world: &World, listing: &Listing) -> Vec<Vec<Reason>> {
        const FEW: usize = 3;
        let of = |link: &Link| {
            let rows = link.rows.iter().take(if link.uniform { 1 } else { FEW });
            let rows = rows.filter_map(|&at| listing.rows.get(at));
            rows.flat_map(|row| row_reasons(world, row)).collect()
        };
        self.links.par_iter().map(of).collect()
    }

    /// The ends that an end of a question has a part in.
    pub(super) fn ends_of(&self, end: &Endpoint) -> BTreeSet<usize> {
        let mut out = BTreeSet::new();
        for (at, own) in self.ends.iter().enumerate() {
            let has = |member: &Member| match &member.peer {
                Peer::Pod(id) => own.pods.contains(id),
                Peer::Node(..) => own.members.contains(&member.name),
                Peer::External(set) => own.set.as_ref().is_some_and(|own| !own.is_disjoint(set)),
                Peer::Name(name, _) => {
                    own.kind == EndKind::Name && own.members.contains(&name.to_string())
                }
            };
            if end.members.iter().any(has) {
                out.insert(at);
            }
        }
        out
    }

    /// How many workloads it shows.
    pub fn workloads(&self) -> usize {
        self.ends.iter().map(|end| end.workloads).sum()
    }
}

fn outside(kind: EndKind, name: String, members: Vec<String>) -> PictureEnd {
    PictureEnd {
        kind,
        namespace: None,
        name,
        members,
        workloads: 0,
        parts: 1,
        open: [0, 0],
        beside: true,
        column: 0,
        ids: Vec::new(),
        set: None,
        pods: Vec::new(),
    }
}

/// Ports as a label has them.
pub fn ports_label(set: &ConnectionSet) -> String {
    if set.is_all() { "every port".into() } else { set.to_string() }
}

fn said(verdict: &Verdict) -> String {
    match (verdict.allowed.is_empty(), verdict.unknown.is_empty()) {
        (_, true) => ports_label(&verdict.allowed),
        (true, false) => format!("undetermined {}", ports_label(&verdict.unknown)),
        (false, false) => format!(
            "{}, undetermined {}",
            ports_label(&verdict.allowed),
            ports_label(&verdict.unknown)
        ),
    }
}

impl Link {
    /// One between two ends that no policy selects.
    pub(super) fn open(source: usize, destination: usize) -> Self {
        Self {
            source,
            destination,
            verdict: Arc::new(Verdict {
                allowed: ConnectionSet::all(),
                unknown: ConnectionSet::empty(),
            }),
            pairs: 1,
            of: 1,
            uniform: true,
            rows: SmallVec::new(),
            turn: None,
            note: Some("no policy selects either end".into()),
            ids: Vec::new(),
        }
    }

    /// Adds another of the same ends.
    fn add(&mut self, other: &Self) {
        self.verdict = Arc::new(Verdict {
            allowed: self.verdict.allowed.union(&other.verdict.allowed),
            unknown: self.verdict.unknown.union(&other.verdict.unknown),
        });
        self.rows.extend(other.rows.iter().copied());
        self.note = match (self.note.take(), &other.note) {
            (Some(own), Some(other)) => Some(format!("{own}; {other}")),
            (own, other) => own.or_else(|| other.clone()),
        };
    }

    /// Its ports, and what of them cannot be said; of a change what was before.
    pub fn label(&self) -> String {
        let own = said(&self.verdict);
        match &self.turn {
            Some((RowTurn::Removed, before)) => ports_label(before),
            Some((RowTurn::Changed, before)) => {
                let after =
                    if self.verdict.allowed.is_empty() { "nothing".to_owned() } else { own };
                format!("{} → {after}", ports_label(before))
            }
            _ => own,
        }
    }

    /// What its label leaves out: of how many pairs it holds, whether of all alike, for which IP family.
    pub fn remarks(&self) -> Vec<String> {
        let pairs = (self.pairs < self.of).then(|| format!("{} of {} pairs", self.pairs, self.of));
        let apart = (!self.uniform).then(|| "not the same for all".to_owned());
        [pairs, apart, self.note.clone()].into_iter().flatten().collect()
    }
}
