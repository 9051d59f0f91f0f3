//! Who may connect to whom, one end at a time: what a list of all pairs is made of.
//!
//! Of a cluster of thousands of workloads nearly all pairs are denied. So the other ends of one are
//! not tried one by one: its own row names them, or the rows of those that name it.

use super::classes::ClassId;
use super::graph::{GraphNode, families, nodes_of_workloads, outside_nodes, outside_pair};
use super::model::Model;
use super::peer::Peer;
use super::rows::{Row, VerdictId};
use super::set::Members;
use super::verdict::Verdict;
use crate::cluster::{Addresses, PodId};
use crate::net::{Family, IpSet};
use crate::policy::{Direction, PeerMatch};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// What one end may open to another, in one family or in all that both have.
pub type Said = (Arc<Verdict>, Option<Family>);

/// Workloads, and what rows say between them.
pub struct Pairs<'m, 'a> {
    model: &'m Model<'a>,
    only: Option<Family>,
    /// Include what no policy isolates on either side.
    open: bool,
    /// Workloads, or the parts of them that policies tell apart, in the cluster's order.
    pub workloads: Vec<GraphNode>,
    /// The class of each, its first pod, and whether that one is all there is.
    ends: Vec<End>,
    of_class: Members<u32>,
    /// By direction and family.
    naming: [[Naming; 2]; 2],
    /// Nodes, and hosts by name.
    others: Vec<GraphNode>,
    /// Addresses of nobody, by family.
    outside: Vec<IpSet>,
}

#[derive(Clone, Copy)]
struct End {
    class: ClassId,
    pod: PodId,
    alone: bool,
    free: [bool; 2],
    unknown: bool,
}

/// Verdicts that several pairs have.
#[derive(Default)]
struct Shared {
    by_value: FxHashMap<Verdict, Arc<Verdict>>,
    /// Of an egress and an ingress row; `None` where everything is denied.
    by_id: FxHashMap<(VerdictId, VerdictId), Option<Arc<Verdict>>>,
}

/// A class, and what its partner's row and its own say, if that is known.
type Partner = (ClassId, Option<VerdictId>, Option<VerdictId>);

/// Which rows of one direction may say anything but "denied" of a class.
#[derive(Default)]
struct Naming {
    /// By class: those that name it, and what they say of it.
    of: Members<(ClassId, VerdictId)>,
    /// Those that have to be asked, whatever the class.
    asked: Vec<ClassId>,
}

impl<'m, 'a> Pairs<'m, 'a> {
    /// Sorts the workloads of a model. `open` includes pairs that no policy isolates.
    pub fn new(model: &'m Model<'a>, only: Option<Family>, open: bool) -> Self {
        Self::beside(model, None, only, open, usize::MAX)
    }

    /// The same, to be compared with those of another model: with its hosts by name and its families. `asked` is
    /// how many ends will be asked about.
    pub fn beside(
        model: &'m Model<'a>,
        other: Option<&Model<'_>>,
        only: Option<Family>,
        open: bool,
        asked: usize,
    ) -> Self {
        let workloads = nodes_of_workloads(&[model]);
        let cluster = model.cluster();
        let ends: Vec<End> = workloads
            .iter()
            .filter_map(|node| {
                let GraphNode::Workload { pods, .. } = node else { return None };
                let &pod = pods.first()?;
                Some(End {
                    class: model.classes.of(pod),
                    pod,
                    alone: pods.len() == 1 && !cluster.pod(pod).stand_in,
                    free: Direction::ALL.map(|direction| !model.is_isolated(pod, direction)),
                    unknown: cluster.pod(pod).addresses == Addresses::Unknown,
                })
            })
            .collect();
        let by_class = (0..).zip(&ends).map(|(at, end)| (end.class, at));
        let of_class = Members::new(model.classes.len(), by_class);
        // To ask every row about a few ends takes less than to sort what all rows say by whom it is about.
        let few = asked.saturating_mul(8) < ends.len();
        let naming = Direction::ALL.map(|direction| {
            Family::ALL.map(|family| {
                let classes = Naming::classes(model, family, &of_class);
                if few {
                    Naming { asked: classes, ..Naming::default() }
                } else {
                    Naming::new(model, direction, family, classes)
                }
            })
        });
        let (others, outside) = outside_nodes(model, other, only);
        Self { model, only, open, workloads, ends, of_class, naming, others, outside }
    }

    /// Whether any workload is isolated in any direction.
    pub fn is_anything_isolated(&self) -> bool {
        self.ends.iter().any(|end| end.free != [true, true])
    }

    /// Addresses of nobody, by family.
    pub fn outside(&self) -> &[IpSet] {
        &self.outside
    }

    /// How many ordered pairs of workloads there are, and how many of them nothing isolates.
    pub fn counts(&self) -> (usize, usize) {
        let all = self.ends.len();
        let alone = self.ends.iter().filter(|end| end.alone).count();
        let free = |at: usize| self.ends.iter().filter(|end| end.free[at]).count();
        let both = self.ends.iter().filter(|end| end.alone && end.free == [true, true]).count();
        (all * all - alone, free(0) * free(1) - both)
    }

    /// The workloads that one connects to (`direction` is egress), or that connect to it, in order.
    pub fn workloads_of(&self, at: usize, direction: Direction) -> Vec<(usize, Said)> {
        let own = self.ends[at];
        let other_direction = direction.opposite();
        let mut classes: Vec<Partner> = Vec::new();
        for family in Family::ALL {
            if self.model.classes.has(own.class, family) {
                self.partners(own, direction, family, &mut classes);
            }
        }
        classes.sort_unstable();
        classes.dedup_by_key(|(class, ..)| *class);
        // What a row says in one family is not what it says in another.
        let one_family =
            Family::ALL.into_iter().filter(|&f| self.model.classes.has(own.class, f)).count() == 1;
        let mut found = Vec::new();
        let mut shared = Shared::default();
        for (class, mine, theirs) in classes {
            let ids = [mine.filter(|_| one_family), theirs.filter(|_| one_family)];
            let mut known: Option<(bool, SmallVec<[Said; 1]>)> = None;
            for &to in self.of_class.of(class) {
                let other = self.ends[to as usize];
                let open = own.free[direction.index()] && other.free[other_direction.index()];
                if to as usize == at && own.alone || open && !self.open {
                    continue;
                }
                // Ends of one class are alike but for what is known of their addresses.
                if known.as_ref().is_none_or(|(unknown, _)| *unknown != other.unknown) {
                    let said = self.between(own, other, direction, ids, &mut shared);
                    known = Some((other.unknown, said));
                }
                if let Some((_, said)) = &known {
                    found.extend(said.iter().map(|said| (to as usize, said.clone())));
                }
            }
        }
        found.sort_by_key(|&(to, _)| to);
        found
    }

    /// Classes of which something but "denied" may be said.
    fn partners(&self, own: End, direction: Direction, family: Family, out: &mut Vec<Partner>) {
        let rows = self.model.rows();
        let none = |id| rows.verdicts()[id as usize] == Verdict::none();
        let row = rows.row(family, own.class, direction.index());
        if let Some(named) = row.exceptions(&self.model.index, family, none) {
            out.extend(named.into_iter().map(|(class, id)| (class, Some(id), None)));
            return;
        }
        // Towards most it says the same.
        let mine = match row {
            Row::Cells(default, cells) if cells.is_empty() => Some(*default),
            _ => None,
        };
        let other_direction = direction.opposite();
        let naming = &self.naming[other_direction.index()][family.index()];
        let named = naming.of.of(own.class).iter();
        out.extend(named.map(|&(class, theirs)| (class, mine, Some(theirs))));
        let skip_free = own.free[direction.index()] && !self.open;
        let free = |class: &ClassId| {
            let first = self.of_class.of(*class).first();
            first.is_some_and(|&at| self.ends[at as usize].free[other_direction.index()])
        };
        let asked = naming.asked.iter().filter(|class| !(skip_free && free(class)));
        out.extend(asked.map(|&class| (class, mine, None)));
    }

    /// What policies say of two workloads, where that is not that everything is denied.
    /// The ids are what the rows of both say, as far as that is known.
    fn between(
        &self,
        own: End,
        other: End,
        direction: Direction,
        [mine, theirs]: [Option<VerdictId>; 2],
        shared: &mut Shared,
    ) -> SmallVec<[Said; 1]> {
        let both = |family: &Family| {
            let has = |end: End| self.model.classes.has(end.class, *family);
            has(own) && has(other)
        };
        let mut common = Family::ALL.into_iter().filter(both);
        let drops = self.model.policies.dataplane.may_drop();
        // In one family alone what is said depends on two verdicts, and there are few of these.
        if let (Some(family), None, false) = (common.next(), common.next(), drops)
            && self.only.is_none_or(|only| only == family)
        {
            let rows = self.model.rows();
            let id = |of: ClassId, direction: Direction, other: ClassId| {
                let row = rows.row(family, of, direction.index());
                row.get(other, &self.model.index, family)
            };
            let mine = mine.or_else(|| id(own.class, direction, other.class));
            let theirs = theirs.or_else(|| id(other.class, direction.opposite(), own.class));
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                let known = shared.by_id.entry((mine, theirs)).or_insert_with(|| {
                    let [mine, theirs] = [mine, theirs].map(|id| &rows.verdicts()[id as usize]);
                    let verdict = mine.and(theirs);
                    (verdict != Verdict::none()).then(|| Arc::new(verdict))
                });
                return known.iter().map(|verdict| (Arc::clone(verdict), None)).collect();
            }
        }
        let (a, b) = match direction {
            Direction::Egress => (own, other),
            Direction::Ingress => (other, own),
        };
        self.said(&Peer::Pod(a.pod), &Peer::Pod(b.pod), shared)
    }

    /// What policies say of a pair, where that is not that everything is denied.
    fn said(&self, a: &Peer, b: &Peer, shared: &mut Shared) -> SmallVec<[Said; 1]> {
        let verdicts: Vec<(Family, Verdict)> = families(self.model, a, b, self.only)
            .into_iter()
            .map(|family| (family, self.model.by_policy(a, b, family)))
            .collect();
        let alike = verdicts.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let count = if alike { 1 } else { verdicts.len() };
        let kept = verdicts.into_iter().take(count).filter(|(_, v)| *v != Verdict::none());
        kept.map(|(family, verdict)| {
            let verdict =
                shared.by_value.entry(verdict).or_insert_with_key(|v| Arc::new(v.clone()));
            (Arc::clone(verdict), (!alike).then_some(family))
        })
        .collect()
    }

    /// The nodes, outside addresses and hosts by name that a workload connects to (`direction` is
    /// egress), or that connect to it: addresses cut where rules about it, or its other `parts`, do.
    pub fn outside_of(
        &self,
        at: usize,
        parts: Range<usize>,
        direction: Direction,
    ) -> Vec<(GraphNode, Said)> {
        let own = self.ends[at];
        if own.free[direction.index()] && !self.open {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut shared = Shared::default();
        let mut add = |node: GraphNode| {
            if let Some((a, b)) = outside_pair(self.model, own.pod, &node, direction) {
                let said = self.said(&a, &b, &mut shared);
                found.extend(said.into_iter().map(|said| (node.clone(), said)));
            }
        };
        for node in &self.others {
            add(node.clone());
        }
        let classes = parts.map(|part| self.ends[part].class);
        let cuts = classes.map(|class| self.cuts(class, direction)).collect::<Option<Vec<_>>>();
        for whole in &self.outside {
            let atoms = match &cuts {
                Some(cuts) => whole.atoms(cuts.iter().flatten().copied()),
                None => self.model.atoms(whole),
            };
            for atom in atoms {
                add(GraphNode::External(atom));
            }
        }
        found
    }

    /// The sets of addresses that rules of a class name; `None` if it takes more to cut by them.
    fn cuts(&self, class: ClassId, direction: Direction) -> Option<Vec<&IpSet>> {
        let subjection = self.model.subjection(class, direction);
        let mut cuts = Vec::new();
        for rule in self.model.rules_of(subjection, direction) {
            for &peer in rule.peers.iter().flatten() {
                match self.model.index.peers[peer as usize] {
                    PeerMatch::Addresses(set, _) => cuts.push(set),
                    PeerMatch::Pods(_) => {}
                    PeerMatch::Nodes(_) | PeerMatch::Domains(_) | PeerMatch::Placed(_) => {
                        return None;
                    }
                }
            }
        }
        Some(cuts)
    }
}

/// How many names of classes are kept, some 8 bytes each: rows beyond have to be asked.
const MOST_NAMED: usize = 48 << 20;

impl Naming {
    /// The classes whose rows may be asked.
    fn classes(model: &Model<'_>, family: Family, of_class: &Members<u32>) -> Vec<ClassId> {
        let classes = model.classes.ids();
        let has =
            |class: &ClassId| !of_class.of(*class).is_empty() && model.classes.has(*class, family);
        classes.filter(has).collect()
    }

    fn new(model: &Model<'_>, direction: Direction, family: Family, classes: Vec<ClassId>) -> Self {
        let mut naming = Self::default();
        let rows = model.rows();
        let names: Vec<Option<Vec<(ClassId, VerdictId)>>> = classes
            .par_iter()
            .map(|&class| {
                let row = rows.row(family, class, direction.index());
                row.exceptions(&model.index, family, |id| {
                    rows.verdicts()[id as usize] == Verdict::none()
                })
            })
            .collect();
        let mut left = MOST_NAMED;
        let mut kept = Vec::new();
        for (class, names) in classes.into_iter().zip(names) {
            match names {
                Some(names) if names.len() <= left => {
                    left -= names.len();
                    kept.push((class, names));
                }
                _ => naming.asked.push(class),
            }
        }
        let pairs = kept.iter().flat_map(|(class, names)| {
            names.iter().map(move |&(named, verdict)| (named, (*class, verdict)))
        });
        naming.of = Members::new(model.classes.len(), pairs);
        naming
    }
}

/// Reads many things in parallel and hands the results on block by block, in order, as long as `take`
/// wants more.
pub fn in_blocks<T: Send>(
    count: usize,
    read: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(Vec<T>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    /// Enough for every thread, and little to hold at once.
    const BLOCK: usize = 256;
    for start in (0..count).step_by(BLOCK) {
        take((start..count.min(start + BLOCK)).into_par_iter().map(&read).collect())?;
    }
    ControlFlow::Continue(())
}
