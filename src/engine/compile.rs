//! Every row of a model.

use super::classes::{ClassId, FastRule, Subjection};
use super::interner::Interner;
use super::kinds::Selected;
use super::model::{Model, Question, View};
use super::rows::{LocalRow, MOST_TERMS, RowBuilder, Rows, Terms};
use super::verdict::Verdict;
use crate::lazy::once;
use crate::net::{ConnectionSet, Family};
use crate::policy::{Certainty, Closed, Combine, Direction, PolicyId};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// How many bytes long rows may take, unless a caller says so.
pub(super) const LONG_ROWS: usize = 256 << 20;

/// Up to this many cells, or those of half of the classes, a row is a list of them.
const FEW_CELLS: usize = 128;

/// What makes a row: policies, and the class where they see more of it than that they select it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct RowKey {
    subjection: u32,
    direction: Direction,
    class: Option<ClassId>,
}

impl Model<'_> {
    /// The rows, which are compiled when they are first asked for.
    pub(super) fn rows(&self) -> &Rows {
        once(&self.rows, || self.compile_rows())
    }

    /// Compiles every row: what each class may open to and accept from each other.
    pub fn compile(&self) {
        self.rows();
    }

    fn compile_rows(&self) -> Rows {
        let mut keys: Interner<RowKey> = Interner::default();
        // The first class with each row, and its direction.
        let mut firsts: Vec<(ClassId, Direction)> = Vec::new();
        let of = self
            .classes
            .ids()
            .map(|class| {
                Direction::ALL.map(|direction| {
                    let id = keys.id(self.row_key(class, direction));
                    if id as usize == firsts.len() {
                        firsts.push((class, direction));
                    }
                    id
                })
            })
            .collect();
        let mut rows = Rows::new(of);
        for family in Family::ALL {
            if !self.classes.ids().any(|class| self.classes.has(class, family)) {
                continue;
            }
            let sizes: Vec<usize> = firsts
                .par_iter()
                .map(|&(class, direction)| self.size(class, direction, family))
                .collect();
            // In the order of rows, so that the same ones are kept whatever the threads do.
            let mut left = self.row_budget;
            let free = (left >> 12).min(1024);
            let kept: Vec<bool> = sizes
                .iter()
                .map(|&size| {
                    let bytes = 8 * size.min(self.classes.len());
                    let keep = size < free || bytes <= left;
                    left -= if keep && size >= free { bytes } else { 0 };
                    keep
                })
                .collect();
            let compiled = firsts
                .par_iter()
                .zip(kept)
                .map(|(&(class, direction), kept)| self.row(class, direction, family, kept))
                .collect();
            rows.add(family, compiled);
        }
        rows
    }

    fn row_key(&self, class: ClassId, direction: Direction) -> RowKey {
        let subjection = self.classes.subjection_of[class as usize][direction.index()];
        let own = self.row_sees_more(class, direction);
        RowKey { subjection, direction, class: own.then_some(class) }
    }

    /// Whether a row of a class is not that of every class with the same policies.
    pub(super) fn row_sees_more(&self, class: ClassId, direction: Direction) -> bool {
        let sees_more = |rule: &FastRule| {
            let named = rule.ports.as_ref().is_some_and(|ports| !ports.names.is_empty());
            rule.own.is_some() || direction == Direction::Ingress && named
        };
        self.classes.left_alone[class as usize]
            || self.is_on_node(class)
            || self.policies.dataplane.closed == Closed::Unselected
            || self.rules_of(self.subjection(class, direction), direction).any(sees_more)
    }

    pub(super) fn rules_of<'m>(
        &'m self,
        subjection: &'m Subjection,
        direction: Direction,
    ) -> impl Iterator<Item = &'m FastRule> {
        let policies = subjection.policies.iter().map(|&(id, _)| self.policy(id));
        let rules = policies.flat_map(move |policy| &policy.rules[direction.index()]);
        rules.filter_map(|&id| self.rule(id))
    }

    fn selected(&self, rule: &FastRule, family: Family) -> impl Iterator<Item = &Selected> {
        let peers = rule.peers.iter().flatten();
        peers.map(move |&peer| self.matched(peer, family))
    }

    /// How many cells a row has at most.
    fn size(&self, class: ClassId, direction: Direction, family: Family) -> usize {
        let subjection = self.subjection(class, direction);
        let rules = self.rules_of(subjection, direction);
        rules
            .flat_map(|rule| self.selected(rule, family))
            .map(|selected| selected.yes.len() + selected.maybe.len())
            .sum()
    }

    fn row(&self, subject: ClassId, direction: Direction, family: Family, kept: bool) -> LocalRow {
        if self.is_on_node(subject) {
            return LocalRow::constant(Verdict::all());
        }
        if let Some(row) = self.plain_row(subject, direction, family, kept) {
            return row;
        }
        if !kept {
            return LocalRow::on_demand();
        }
        let ask = |other| self.evaluate(&Question { subject, direction, other, family }, false);
        let mut row = RowBuilder::new(ask(View::Nobody));
        for class in self.named(subject, direction, family, None) {
            let verdict = row.id(ask(View::Class(class)));
            row.set(class, verdict);
        }
        row.cells()
    }

    /// The classes that a rule of a class is about, or that it may take for something else than anybody,
    /// ascending; of one policy alone if that is given.
    pub(super) fn named(
        &self,
        subject: ClassId,
        direction: Direction,
        family: Family,
        only: Option<PolicyId>,
    ) -> Vec<ClassId> {
        let mut subjection = Cow::Borrowed(self.subjection(subject, direction));
        if let Some(only) = only {
            let own = subjection.policies.iter().filter(|(id, _)| *id == only);
            let policies = own.copied().collect();
            subjection = Cow::Owned(Subjection { policies, ..Subjection::default() });
        }
        let subjection = &*subjection;
        let mut differ: Vec<ClassId> = Vec::new();
        for rule in self.rules_of(subjection, direction) {
            for selected in self.selected(rule, family) {
                differ.extend(selected.yes.iter().chain(selected.maybe.iter()));
            }
            if let (Direction::Egress, Some(ports), None) = (direction, &rule.ports, &rule.peers) {
                // Names are the destination's: of a rule for everybody they tell classes apart.
                let has = |class: &ClassId| {
                    ports.names.iter().any(|&name| !self.classes.named(*class, name).is_empty())
                };
                if !ports.names.is_empty() {
                    differ.extend(self.classes.ids().filter(has));
                }
            }
        }
        let firewalled = subjection.blind_firewall
            || subjection.policies.iter().any(|&(id, _)| self.is_firewall(id));
        if firewalled {
            differ.extend(self.classes.ids().filter(|&class| self.is_on_node(class)));
        }
        differ.sort_unstable();
        differ.dedup();
        differ
    }

    /// A row of nothing but NetworkPolicies that are sure of all they say: a union of ports.
    fn plain_row(
        &self,
        subject: ClassId,
        direction: Direction,
        family: Family,
        kept: bool,
    ) -> Option<LocalRow> {
        let subjection = self.subjection(subject, direction);
        let at = direction.index();
        if subjection.blind
            || subjection.blind_firewall
            || self.classes.left_alone[subject as usize]
            || self.policies.dataplane.unpoliced(family) == Certainty::Yes
        {
            return None;
        }
        let mut isolated = false;
        let mut base = ConnectionSet::empty();
        // The peer selectors that open the same ports.
        let mut terms: Vec<(ConnectionSet, Vec<u32>)> = Vec::new();
        let nobody = Question { subject, direction, other: View::Nobody, family };
        for &(id, sure) in &subjection.policies {
            let policy = self.policy(id);
            if !sure || self.is_firewall(id) || self.combine(id) != Some(Combine::Union) {
                return None;
            }
            isolated |= policy.isolates[at];
            if !policy.counts[at] {
                continue;
            }
            for &rule in &policy.rules[at] {
                let fast = self.rule(rule)?;
                let named = fast.ports.as_ref().is_some_and(|ports| !ports.names.is_empty());
                if fast.own.is_some()
                    || self.declared(rule).doubt.is_some()
                    || named && direction == Direction::Egress
                {
                    return None;
                }
                let ports = self.ports(rule, &nobody);
                let Some(peers) = &fast.peers else {
                    base = base.union(&ports);
                    continue;
                };
                if self.selected(fast, family).any(|selected| !selected.maybe.is_empty()) {
                    return None;
                }
                match terms.iter_mut().find(|(own, _)| *own == ports) {
                    Some((_, selectors)) => selectors.extend(peers),
                    None => terms.push((ports, peers.clone())),
                }
            }
        }
        if !isolated {
            return None;
        }
        let open = |matched: &mut dyn Iterator<Item = &ConnectionSet>| {
            let allowed = matched.fold(base.clone(), |all, ports| all.union(ports));
            self.as_enforced(Verdict { allowed, unknown: ConnectionSet::empty() }, family)
        };
        let mut row = RowBuilder::new(open(&mut std::iter::empty()));
        let classes_of = |selector: u32| &self.matched(selector, family).yes;
        let size: usize =
            terms.iter().flat_map(|(_, selectors)| selectors).map(|&s| classes_of(s).len()).sum();
        let few = FEW_CELLS.min(self.classes.len() / 2);
        if size > few && terms.len() <= MOST_TERMS {
            let verdicts = (0..1_usize << terms.len())
                .map(|bits| {
                    let here = terms.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
                    row.id(open(&mut here.map(|(_, (ports, _))| ports)))
                })
                .collect();
            let selectors = terms.into_iter().map(|(_, selectors)| selectors).collect();
            return Some(row.terms(Terms { selectors, verdicts }));
        }
        if !kept {
            return Some(LocalRow::on_demand());
        }
        let mut matched: Vec<(ClassId, u32)> = Vec::with_capacity(size);
        for (term, (_, selectors)) in (0..).zip(&terms) {
            for &selector in selectors {
                matched.extend(classes_of(selector).iter().map(|class| (class, term)));
            }
        }
        matched.sort_unstable();
        matched.dedup();
        // Classes in a row mostly match the same rules.
        let mut known: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        for own in matched.chunk_by(|a, b| a.0 == b.0) {
            let here: Vec<u32> = own.iter().map(|&(_, term)| term).collect();
            let id = if let Some(&id) = known.get(&here) {
                id
            } else {
                let mut ports = here.iter().map(|&term| &terms[term as usize].0);
                let id = row.id(open(&mut ports));
                known.insert(here, id);
                id
            };
            row.set(own[0].0, id);
        }
        Some(row.cells())
    }
}
