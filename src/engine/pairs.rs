//! Who may connect to whom, one end at a time: what a list of all pairs is made of.
//!
//! Of a cluster of thousands of workloads nearly all pairs are denied. So the other ends of one are
//! not tried one by one: its own row names them, or the rows of those that name it.

use super::classes::ClassId;
use super::graph::{GraphNode, families, nodes_of_workloads, outside_nodes, outside_pair};
use super::kinds::family_index;
use super::model::Model;
use super::peer::Peer;
use super::rows::Row;
use super::verdict::Verdict;
use crate::cluster::{Addresses, PodId};
use crate::net::{Family, IpSet};
use crate::policy::{Direction, PeerMatch};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
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
    of_class: Vec<Vec<u32>>,
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

/// Which rows of one direction may say anything but "denied" of a class.
#[derive(Default)]
struct Naming {
    /// By class: those that name it.
    of: Vec<Vec<ClassId>>,
    /// Those that have to be asked, whatever the class.
    asked: Vec<ClassId>,
}

impl<'m, 'a> Pairs<'m, 'a> {
    /// Sorts the workloads of a model. `open` includes pairs that no policy isolates.
    pub fn new(model: &'m Model<'a>, only: Option<Family>, open: bool) -> Self {
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
        let mut of_class = vec![Vec::new(); model.classes.len()];
        for (at, end) in (0..).zip(&ends) {
            of_class[end.class as usize].push(at);
        }
        let naming = Direction::ALL.map(|direction| {
            Family::ALL.map(|family| Naming::new(model, direction, family, &of_class))
        });
        let (others, outside) = outside_nodes(model, only);
        Self { model, only, open, workloads, ends, of_class, naming, others, outside }
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
        let other_direction = match direction {
            Direction::Egress => Direction::Ingress,
            Direction::Ingress => Direction::Egress,
        };
        let mut classes: Vec<ClassId> = Vec::new();
        for family in Family::ALL {
            if self.model.classes.has(own.class, family) {
                self.partners(own, direction, other_direction, family, &mut classes);
            }
        }
        classes.sort_unstable();
        classes.dedup();
        let mut found = Vec::new();
        let mut shared: FxHashMap<Verdict, Arc<Verdict>> = FxHashMap::default();
        for class in classes {
            let mut known: Option<(bool, Vec<Said>)> = None;
            for &to in &self.of_class[class as usize] {
                let other = self.ends[to as usize];
                let open = own.free[direction.index()] && other.free[other_direction.index()];
                if to as usize == at && own.alone || open && !self.open {
                    continue;
                }
                // Ends of one class are alike but for what is known of their addresses.
                if known.as_ref().is_none_or(|(unknown, _)| *unknown != other.unknown) {
                    let (a, b) = match direction {
                        Direction::Egress => (own, other),
                        Direction::Ingress => (other, own),
                    };
                    let said = self.said(&Peer::Pod(a.pod), &Peer::Pod(b.pod), &mut shared);
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
    fn partners(
        &self,
        own: End,
        direction: Direction,
        other_direction: Direction,
        family: Family,
        out: &mut Vec<ClassId>,
    ) {
        let none = |id| self.model.rows().verdicts[id as usize] == Verdict::none();
        let row = self.model.rows().row(family, own.class, direction.index());
        match row {
            Row::Cells(default, cells) if none(*default) => {
                out.extend(cells.iter().filter(|(_, id)| !none(*id)).map(|(class, _)| *class));
            }
            Row::Terms(terms) if none(terms.verdicts[0]) => {
                for &selector in terms.selectors.iter().flatten() {
                    out.extend(self.model.index.selected[selector as usize].of(family).yes.iter());
                }
            }
            _ => {
                let naming = &self.naming[other_direction.index()][family_index(family)];
                out.extend(naming.of.get(own.class as usize).into_iter().flatten());
                let skip_free = own.free[direction.index()] && !self.open;
                let free = |class: &ClassId| {
                    let first = self.of_class[*class as usize].first();
                    first.is_some_and(|&at| self.ends[at as usize].free[other_direction.index()])
                };
                out.extend(naming.asked.iter().filter(|class| !(skip_free && free(class))));
            }
        }
    }

    /// What policies say of a pair, where that is not that everything is denied.
    fn said(&self, a: &Peer, b: &Peer, shared: &mut FxHashMap<Verdict, Arc<Verdict>>) -> Vec<Said> {
        let verdicts: Vec<(Family, Verdict)> = families(self.model, a, b, self.only)
            .into_iter()
            .map(|family| (family, self.model.by_policy(a, b, family)))
            .collect();
        let alike = verdicts.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let count = if alike { 1 } else { verdicts.len() };
        let kept = verdicts.into_iter().take(count).filter(|(_, v)| *v != Verdict::none());
        kept.map(|(family, verdict)| {
            let verdict = shared.entry(verdict).or_insert_with_key(|v| Arc::new(v.clone()));
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
        let mut shared = FxHashMap::default();
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
            atoms.into_iter().for_each(|atom| add(GraphNode::External(atom)));
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

impl Naming {
    fn new(model: &Model<'_>, direction: Direction, family: Family, of_class: &[Vec<u32>]) -> Self {
        let rows = model.rows();
        let mut naming = Self { of: vec![Vec::new(); model.classes.len()], asked: Vec::new() };
        if !model.classes.ids().any(|class| model.classes.has(class, family)) {
            return naming;
        }
        for class in model.classes.ids() {
            if of_class[class as usize].is_empty() || !model.classes.has(class, family) {
                continue;
            }
            match rows.row(family, class, direction.index()) {
                Row::Cells(default, cells)
                    if rows.verdicts[*default as usize] == Verdict::none() =>
                {
                    for &(named, _) in cells {
                        naming.of[named as usize].push(class);
                    }
                }
                _ => naming.asked.push(class),
            }
        }
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
