//! What a change opens and closes: two worlds compared, connection by connection.
//!
//! ```text
//!   World (base) ─┐  workloads by name ─ which may differ ─▶ pairs of these, without those that are alike
//!   World (head) ─┴─▶ ─ cut where either cuts ─▶ DiffRow (before, after) ─ trace ─▶ causes
//! ```
//!
//! Only what may differ is looked at: workloads that are new, gone or changed, in both directions; and those that
//! a policy selects which has no equal on the other side, in the directions that it has a part in. What is said
//! of a pod is then said of each pod of its workload, by place where names differ.

mod alike;
mod cause;
mod compare;
mod differing;
mod meaning;
mod rollout;
mod summary;

pub use rollout::{Break, BreakEnd, Generation, Stage, relabelled, rollout};
pub use summary::{Ends, Joined};

use super::list::{Filter, Length, Lister, Pair, listed_policies, outside_name};
use super::world::World;
use crate::cluster::{ClusterState, Namespace, Pod, WorkloadId};
use crate::diagnostic::{Location, Source, SourceMap};
use crate::engine::{Model, Verdict};
use crate::lazy::once;
use crate::manifest::{ContainerPort, Labels};
use crate::net::{ConnectionSet, Family, IpSet};
use crate::policy::{Direction, PolicySet};
use alike::Alike;
use compare::{Found, Piece, compare};
use differing::{Differing, may_differ};
use ipnet::IpNet;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// What differs between two worlds.
#[derive(Clone, Debug, Default)]
pub struct Diff {
    /// Connections that differ, by source and destination.
    pub rows: Vec<DiffRow>,
    /// Workloads that are only on the second side.
    pub added_workloads: Vec<String>,
    /// Workloads that are only on the first.
    pub removed_workloads: Vec<String>,
    /// Namespaces that are only on the second side.
    pub added_namespaces: Vec<String>,
    /// Namespaces that are only on the first.
    pub removed_namespaces: Vec<String>,
    /// Connections that are not compared: on one of the sides nobody can say what becomes of them.
    pub apart: ConnectionSet,
    /// Of which side nobody knows whether anything enforces policies: what these allow is compared.
    pub unenforced: [bool; 2],
    /// There are policies that are not in the model, and the texts of the sides are not the same: what is
    /// undetermined on both may have changed.
    pub unread: bool,
    /// What breaks while it is rolled out, if that was looked at.
    pub breaks: Vec<Break>,
    /// How many workloads there are on either side.
    pub workloads: usize,
    /// How many of them may differ.
    pub looked_at: usize,
    /// By namespace, how many there are.
    sizes: BTreeMap<String, usize>,
}

/// Two ends between which two worlds differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiffRow {
    /// Who connects.
    pub source: DiffEnd,
    /// To whom.
    pub destination: DiffEnd,
    /// The family that it is about, where the families of the ends differ.
    pub family: Option<Family>,
    /// What is said of it on the first side.
    pub before: Arc<Verdict>,
    /// The same on the second.
    pub after: Arc<Verdict>,
    /// What makes the difference.
    pub causes: Arc<[Cause]>,
}

/// An end of a connection, the same in both worlds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DiffEnd {
    /// A workload, by name; the pods that it is about, if it is not about all of them.
    Workload {
        /// `namespace/kind/name`
        name: Arc<str>,
        /// Names of pods, of the second side where they are there.
        pods: Option<Vec<String>>,
    },
    /// A node.
    Node(String),
    /// Addresses of nobody.
    External(IpSet),
    /// A host outside by name.
    Name(String),
}

/// A policy or rule that makes a difference.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cause {
    /// Whether it stands on the second side; else it is what was there before.
    pub after: bool,
    /// What it does: `db-from-web, rule 1`.
    pub text: String,
    /// Where it stands.
    pub place: Option<Location>,
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowTurn {
    /// Something opens, and nothing was open.
    Added,
    /// Something closes, and nothing stays open.
    Removed,
    /// Some of it opens or closes.
    Changed,
    /// It cannot be said whether anything opens or closes.
    Undetermined,
}

impl DiffRow {
    /// What opens for sure.
    pub fn opens(&self) -> ConnectionSet {
        self.after.allowed.difference(&self.before.allowed.union(&self.before.unknown))
    }

    /// What closes for sure.
    pub fn closes(&self) -> ConnectionSet {
        self.before.allowed.difference(&self.after.allowed.union(&self.after.unknown))
    }

    /// What becomes of it, for sure.
    pub fn turn(&self) -> RowTurn {
        let nothing = |verdict: &Verdict| *verdict == Verdict::none();
        match (self.opens().is_empty(), self.closes().is_empty()) {
            (true, true) => RowTurn::Undetermined,
            (false, true) if nothing(&self.before) => RowTurn::Added,
            (true, false) if nothing(&self.after) => RowTurn::Removed,
            _ => RowTurn::Changed,
        }
    }
}

impl DiffEnd {
    /// The end as printed.
    pub fn name(&self) -> String {
        match self {
            Self::Workload { name, pods: None } => name.to_string(),
            Self::Name(name) => name.clone(),
            Self::Workload { name, pods: Some(pods) } => {
                let shown: Vec<&str> = pods.iter().take(3).map(String::as_str).collect();
                let more = pods.len() - shown.len();
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("{name} ({}{more})", shown.join(", "))
            }
            Self::Node(name) => format!("node/{name}"),
            Self::External(set) => outside_name(set, Length::Short),
        }
    }

    /// Its namespace, if it is a workload.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Workload { name, .. } => name.split('/').next(),
            Self::Node(_) | Self::External(_) | Self::Name(_) => None,
        }
    }
}

/// One world, and what is asked of it.
pub(super) struct Half<'w> {
    pub(super) world: &'w World,
    pub(super) policies: &'w PolicySet,
    /// The texts that its policies stand in.
    pub(super) sources: &'w SourceMap,
    /// Compiled once something may differ.
    model: OnceLock<Model<'w>>,
}

impl<'w> Half<'w> {
    fn new(world: &'w World, policies: &'w PolicySet, sources: &'w SourceMap) -> Self {
        Self { world, policies, sources, model: OnceLock::new() }
    }

    fn model(&self) -> &Model<'w> {
        once(&self.model, || Model::new(&self.world.cluster, self.policies))
    }

    /// Connections of which it cannot be said whether they are let through at all.
    fn maybe_dropped(&self) -> &'w ConnectionSet {
        &self.policies.dataplane.maybe_dropped
    }

    fn meant(&self) -> (&'w ClusterState, &'w PolicySet) {
        (&self.world.cluster, self.policies)
    }
}

/// A workload of either world.
#[derive(Clone, Debug)]
pub(super) struct Matched {
    pub(super) name: Arc<str>,
    /// Its id in each.
    pub(super) ids: [Option<WorkloadId>; 2],
    /// Its pods that are compared with each other; where it is on one side alone, all of them.
    pub(super) slots: Vec<Slot>,
}

/// Two pods of a workload that are compared with each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Their places among the workload's pods on either side.
    pub(super) places: [usize; 2],
    /// The side whose pod it is named by.
    named: usize,
}

/// Which pods of a workload are compared: those of one name; then, by place, those whose name is on one side
/// alone (they have been made anew). What has no such counterpart (a canary, a workload that grows) is held
/// against the likest pod of the other side, and keeps its name.
fn slots(halves: &[Half<'_>; 2], ids: [Option<WorkloadId>; 2]) -> Vec<Slot> {
    let pods = [0, 1].map(|side: usize| -> Vec<&Pod> {
        let cluster = &halves[side].world.cluster;
        let pods = ids[side].map(|id| cluster.workload(id).pods.as_slice()).unwrap_or_default();
        pods.iter().map(|&pod| cluster.pod(pod)).collect()
    });
    let [old, new] = &pods;
    let slot = |places: [usize; 2]| Slot { places, named: usize::from(!new.is_empty()) };
    let alike = |a: &Pod, b: &Pod| a.name == b.name;
    let same_names = old.len() == new.len() && old.iter().zip(new).all(|(a, b)| alike(a, b));
    if same_names || old.is_empty() || new.is_empty() {
        return (0..old.len().max(new.len())).map(|at| slot([at, at])).collect();
    }
    let places = [old, new].map(|pods| -> HashMap<&str, usize> {
        pods.iter().enumerate().map(|(at, pod)| (&*pod.name, at)).collect()
    });
    let mut out: Vec<Slot> = new
        .iter()
        .enumerate()
        .filter_map(|(at, pod)| places[0].get(&*pod.name).map(|&before| slot([before, at])))
        .collect();
    let alone = [0, 1].map(|side: usize| -> Vec<usize> {
        let own = pods[side].iter().enumerate();
        own.filter(|(_, pod)| !places[1 - side].contains_key(&*pod.name))
            .map(|(at, _)| at)
            .collect()
    });
    let [mut before, mut after] = alone;
    // The first of those that are alike is held against the first.
    let mut alike: HashMap<Likeness<'_>, VecDeque<usize>> = HashMap::new();
    for &at in &after {
        alike.entry(likeness(new[at])).or_default().push_back(at);
    }
    let mut taken = BTreeSet::new();
    before.retain(|&first| {
        let Some(like) = alike.get_mut(&likeness(old[first])).and_then(VecDeque::pop_front) else {
            return true;
        };
        out.push(slot([first, like]));
        taken.insert(like);
        false
    });
    after.retain(|at| !taken.contains(at));
    out.extend(before.iter().zip(&after).map(|(&first, &second)| slot([first, second])));
    let paired = before.len().min(after.len());
    for (side, alone) in [before, after].iter().enumerate() {
        if alone.len() == paired {
            continue;
        }
        let mut likest: HashMap<Likeness<'_>, usize> = HashMap::new();
        for (at, other) in pods[1 - side].iter().enumerate() {
            likest.entry(likeness(other)).or_insert(at);
        }
        for &at in &alone[paired..] {
            let mut places = [at, at];
            let like = likest.get(&likeness(pods[side][at])).copied();
            places[1 - side] = like.unwrap_or(pods[1 - side].len() - 1);
            out.push(Slot { places, named: side });
        }
    }
    out
}

/// What policies can tell pods of one workload apart by, beside their addresses and their revision.
type Likeness<'p> = (bool, &'p [ContainerPort], Labels);

fn likeness(pod: &Pod) -> Likeness<'_> {
    (pod.host_network, &pod.ports, pod.labels.filtered(|key| !key.ends_with("-hash")))
}

/// Compares two worlds.
pub fn diff(before: &World, after: &World) -> Diff {
    diff_in([before, after], [&before.sources, &after.sources])
}

/// The same of worlds whose policies stand in these texts.
fn diff_in([before, after]: [&World; 2], sources: [&SourceMap; 2]) -> Diff {
    let policies = [before, after].map(listed_policies);
    let halves =
        [Half::new(before, &policies[0], sources[0]), Half::new(after, &policies[1], sources[1])];
    let matched = matched(&halves);
    let changed = may_differ(&halves, &matched);
    let apart = halves[0].maybe_dropped().union(halves[1].maybe_dropped());
    // Where nothing can differ, nothing is left out of the comparison either.
    let (rows, apart) = if changed.is_empty() {
        (Vec::new(), ConnectionSet::empty())
    } else {
        (rows(&halves, &matched, &changed, &apart), apart)
    };
    let only = |side: usize| {
        let own = matched.iter().filter(|own| own.ids[1 - side].is_none());
        own.map(|own| own.name.to_string()).collect::<Vec<String>>()
    };
    let names = |world: &World| -> BTreeSet<String> {
        let used = |own: &&Namespace| own.declared || is_used(&world.cluster, &own.name);
        let all = world.cluster.namespaces.iter().filter(used);
        all.map(|own| own.name.to_string()).collect()
    };
    let spaces = [names(before), names(after)];
    let beyond = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect();
    Diff {
        rows,
        added_workloads: only(1),
        removed_workloads: only(0),
        added_namespaces: beyond(&spaces[1], &spaces[0]),
        removed_namespaces: beyond(&spaces[0], &spaces[1]),
        apart,
        unenforced: [before, after].map(is_unenforced),
        unread: is_unread(&halves),
        breaks: Vec::new(),
        workloads: matched.len(),
        looked_at: changed.len(),
        sizes: matched.iter().fold(BTreeMap::new(), |mut sizes, own| {
            let space = own.name.split('/').next().unwrap_or_default();
            *sizes.entry(space.to_owned()).or_default() += 1;
            sizes
        }),
    }
}

/// Whether a side holds what may be a policy and is not in the model, and their texts are not the same: what is
/// undetermined on both sides may have changed.
fn is_unread(halves: &[Half<'_>; 2]) -> bool {
    fn texts<'w>(half: &Half<'w>) -> Vec<&'w [u8]> {
        let sources = half.sources.ids().filter_map(|id| half.sources.source(id));
        let mut texts: Vec<&[u8]> = sources.map(Source::bytes).collect();
        texts.sort_unstable();
        texts
    }
    let [a, b] = halves;
    let blind = halves.iter().any(|half| !half.policies.blind.is_empty());
    blind && texts(a) != texts(b)
}

/// Whether policies deny something, and nobody knows whether anything enforces that.
fn is_unenforced(world: &World) -> bool {
    let isolating = || world.policies.policies.iter().any(|own| own.isolates != [false, false]);
    world.policies.dataplane.unknown_enforcer && isolating()
}

/// How many rows are traced among one selection of policies.
const ROWS_AT_ONCE: usize = 2048;

/// Where the two say otherwise of the workloads that may differ.
fn rows(
    halves: &[Half<'_>; 2],
    matched: &[Matched],
    changed: &Differing,
    apart: &ConnectionSet,
) -> Vec<DiffRow> {
    let [a, b] = halves;
    let filter = Filter { open: true, ..Filter::default() };
    rayon::join(|| a.model().compile(), || b.model().compile());
    let models = [a.model(), b.model()];
    let lister = |side: usize| {
        let models = [models[side], models[1 - side]];
        Lister::beside(halves[side].world, models, &filter, changed.len())
    };
    let listers: [Lister<'_, '_, '_>; 2] = rayon::join(|| lister(0), || lister(1)).into();
    let places = [0, 1].map(|side| {
        let ids = matched.iter().enumerate();
        let ids = ids.filter_map(|(at, own)| Some((own.ids[side]?, at)));
        ids.collect::<BTreeMap<WorkloadId, usize>>()
    });
    let beyond = |own: &ClusterState, other: &ClusterState| {
        let alone: Vec<IpAddr> =
            own.owned_addresses().filter(|&address| other.owner_of(address).is_none()).collect();
        IpSet::blocks(alone.into_iter().map(IpNet::from))
    };
    let clusters = [&a.world.cluster, &b.world.cluster];
    // What is outside on both sides: of addresses that rules of one side name one by one, it alone knows whose they
    // are.
    let outside = [listers[0].outside_addresses(), listers[1].outside_addresses()];
    let not_outside = [
        beyond(clusters[1], clusters[0]),
        beyond(clusters[0], clusters[1]),
        outside[0].difference(&outside[1]),
        outside[1].difference(&outside[0]),
    ];
    let not_outside = &not_outside.iter().fold(IpSet::empty(), |all, own| all.union(own));
    let compared = Compared { halves, matched, changed, places: &places, apart, not_outside };
    let alike = Alike::new(&listers, &places, matched.len());
    let asked: Vec<(usize, Direction)> = changed.asked().collect();
    let found: Vec<Vec<(Found, [usize; 2])>> = asked
        .par_iter()
        // Some have thousands of pairs.
        .with_max_len(1)
        .map(|&(at, direction)| {
            let mut pairs = [0, 1].map(|side: usize| {
                let id = matched[at].ids[side];
                id.map(|id| listers[side].pairs_of(id, direction)).unwrap_or_default()
            });
            alike.leave_out(&mut pairs);
            let [of_a, of_b] = pairs;
            let pieces = |side: usize, pairs: &[Pair]| {
                compared.pieces(&listers[side], side, (at, direction), pairs)
            };
            compared.found([pieces(0, &of_a), pieces(1, &of_b)])
        })
        .collect();
    // Causes are traced among the policies that select an end of a row, a few rows at a time: of a large cluster
    // nearly none.
    let told = batches(found).into_par_iter().with_max_len(1).flat_map_iter(|some| {
        let teller = cause::Teller::new(&compared, &some);
        let rows = some.into_iter().map(|(own, slots)| compared.row(&teller, own, slots));
        rows.collect::<Vec<DiffRow>>()
    });
    let mut rows: Vec<DiffRow> = told.collect();
    rows.par_sort_unstable();
    rows
}

/// What was found, in pieces that are neither long nor very short.
fn batches<T>(found: Vec<Vec<T>>) -> Vec<Vec<T>> {
    let mut out: Vec<Vec<T>> = Vec::new();
    for mut own in found.into_iter().filter(|own| !own.is_empty()) {
        while own.len() > ROWS_AT_ONCE {
            out.push(own.split_off(own.len() - ROWS_AT_ONCE));
        }
        match out.last_mut() {
            Some(last) if last.len() + own.len() <= ROWS_AT_ONCE => last.extend(own),
            _ => out.push(own),
        }
    }
    out
}

/// Whether anything stands in a namespace: the default one is always there.
fn is_used(cluster: &ClusterState, name: &str) -> bool {
    let id = cluster.find_namespace(name);
    id.is_some_and(|id| {
        cluster.workloads_in(id).next().is_some()
            || cluster.policies.iter().any(|policy| policy.namespace == id)
    })
}

/// The workloads of both, by name.
fn matched(halves: &[Half<'_>; 2]) -> Vec<Matched> {
    let named = |side: usize| -> Vec<(String, usize, WorkloadId)> {
        let cluster = &halves[side].world.cluster;
        let ids: Vec<WorkloadId> = cluster.workload_ids().collect();
        let with_pods = ids.into_par_iter().filter(|&id| !cluster.workload(id).pods.is_empty());
        with_pods.map(|id| (cluster.workload_name(id), side, id)).collect()
    };
    let mut all = named(0);
    all.extend(named(1));
    all.par_sort();
    let mut own: Vec<(String, [Option<WorkloadId>; 2])> = Vec::new();
    for (name, side, id) in all {
        match own.last_mut() {
            Some((last, ids)) if *last == name => ids[side] = Some(id),
            _ => {
                let mut ids = [None; 2];
                ids[side] = Some(id);
                own.push((name, ids));
            }
        }
    }
    let one =
        |(name, ids): (String, _)| Matched { name: name.into(), ids, slots: slots(halves, ids) };
    own.into_par_iter().map(one).collect()
}

/// Two worlds, side by side.
pub(super) struct Compared<'c, 'w> {
    pub(super) halves: &'c [Half<'w>; 2],
    pub(super) matched: &'c [Matched],
    changed: &'c Differing,
    /// Where a workload of each stands among the matched ones.
    pub(super) places: &'c [BTreeMap<WorkloadId, usize>; 2],
    apart: &'c ConnectionSet,
    /// Addresses that belong to somebody on one side alone: what is outside on both is compared.
    pub(super) not_outside: &'c IpSet,
}

impl Compared<'_, '_> {
    /// What a side says of a workload in one direction, of these pairs and of what is no workload. Of two
    /// workloads of which both directions may differ the source tells.
    fn pieces(
        &self,
        lister: &Lister<'_, '_, '_>,
        side: usize,
        (at, direction): (usize, Direction),
        pairs: &[Pair],
    ) -> Vec<Piece> {
        let Some(id) = self.matched[at].ids[side] else { return Vec::new() };
        let mut rows = lister.rows(pairs, direction);
        rows.extend(lister.outside_of(id, direction));
        let is_told = |piece: &Piece| {
            let told = |source: usize| self.changed.may(source, Direction::Egress);
            direction == Direction::Ingress && piece.source_workload().is_some_and(told)
        };
        rows.iter()
            .flat_map(|row| Piece::of(self, side, row))
            .filter(|piece| !is_told(piece))
            .collect()
    }

    /// Where the sides differ, and the slots that stand for the ends.
    fn found(&self, pieces: [Vec<Piece>; 2]) -> Vec<(Found, [usize; 2])> {
        let found = compare(self, pieces, self.apart).into_iter();
        found
            .filter_map(|found| Some((cause::stand_ins(self, &found)?, found)))
            .map(|(slots, found)| (found, slots))
            .collect()
    }

    fn row(&self, teller: &cause::Teller, found: Found, slots: [usize; 2]) -> DiffRow {
        let causes = teller.causes(self, &found, slots);
        DiffRow {
            source: self.end(&found.source),
            destination: self.end(&found.destination),
            family: found.family,
            before: found.before,
            after: found.after,
            causes,
        }
    }

    /// How many pods of a workload are compared.
    pub(super) fn slots(&self, at: usize) -> usize {
        self.matched[at].slots.len()
    }

    /// The name of a pod, of the second side where it is one of that side.
    fn pod_name(&self, at: usize, slot: usize) -> Option<String> {
        let own = &self.matched[at];
        let Slot { places, named } = *own.slots.get(slot)?;
        let cluster = &self.halves[named].world.cluster;
        let pods = &cluster.workload(own.ids[named]?).pods;
        let pod = pods.get(places[named])?;
        Some(cluster.pod(*pod).name.to_string())
    }

    fn end(&self, end: &compare::End) -> DiffEnd {
        match end {
            compare::End::Workload(at, places) => {
                let name = self.matched[*at].name.clone();
                let pods = places.as_ref().map(|slots| {
                    slots.iter().filter_map(|&slot| self.pod_name(*at, slot)).collect()
                });
                DiffEnd::Workload { name, pods }
            }
            compare::End::Node(name) => DiffEnd::Node(name.clone()),
            compare::End::External(set) => DiffEnd::External(set.clone()),
            compare::End::Name(name) => DiffEnd::Name(name.clone()),
        }
    }
}
