//! Every row of a model.

use super::classes::{ClassId, FastRule, Subjection};
use super::kinds::Selected;
use super::model::{Model, Question, View};
use super::rows::{Cells, Row, RowBuilder, Rows};
use super::verdict::Verdict;
use crate::net::{ConnectionSet, Family};
use crate::policy::{Certainty, Closed, Combine, Direction};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// How many bytes rows that are mostly exceptions may take.
const DENSE_BYTES: usize = 256 << 20;

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
        self.rows.get_or_init(|| self.compile_rows())
    }

    /// Compiles every row: what each class may open to and accept from each other.
    pub fn compile(&self) {
        self.rows();
    }

    fn compile_rows(&self) -> Rows {
        let mut keys: Vec<(RowKey, ClassId)> = Vec::new();
        let mut ids: FxHashMap<RowKey, u32> = FxHashMap::default();
        let of = self
            .classes
            .ids()
            .map(|class| {
                Direction::ALL.map(|direction| {
                    let key = self.row_key(class, direction);
                    *ids.entry(key).or_insert_with(|| {
                        keys.push((key, class));
                        u32::try_from(keys.len() - 1).unwrap_or(u32::MAX)
                    })
                })
            })
            .collect();
        let rows = Family::ALL.map(|family| {
            if !self.classes.ids().any(|class| self.classes.has(class, family)) {
                return Vec::new();
            }
            let sizes: Vec<usize> = keys
                .par_iter()
                .map(|&(key, class)| self.size(class, key.direction, family))
                .collect();
            // In the order of rows, so that the same ones are kept whatever the threads do.
            let mut left = DENSE_BYTES;
            let kept: Vec<bool> = sizes
                .iter()
                .map(|&size| {
                    let bytes = 8 * size.min(self.classes.len());
                    let keep = size < 1024 || bytes <= left;
                    left -= if keep && size >= 1024 { bytes } else { 0 };
                    keep
                })
                .collect();
            keys.par_iter()
                .zip(kept)
                .map(|(&(key, class), kept)| self.row(class, key.direction, family, kept))
                .collect()
        });
        Rows { rows, of }
    }

    fn row_key(&self, class: ClassId, direction: Direction) -> RowKey {
        let id = self.classes.subjection_of[class as usize][direction.index()];
        let subjection = &self.classes.subjections[id as usize];
        let sees_more = |rule: &FastRule| {
            let named = rule.ports.as_ref().is_some_and(|ports| !ports.names.is_empty());
            rule.own.is_some() || direction == Direction::Ingress && named
        };
        let left_alone = self.classes.left_alone[class as usize] || self.is_on_node(class);
        let own = left_alone
            || self.policies.dataplane.closed == Closed::Unselected
            || self.rules_of(subjection, direction).any(sees_more);
        RowKey { subjection: id, direction, class: own.then_some(class) }
    }

    fn rules_of<'m>(
        &'m self,
        subjection: &'m Subjection,
        direction: Direction,
    ) -> impl Iterator<Item = &'m FastRule> {
        let policies = subjection.policies.iter().map(|&(id, _)| self.policies.policy(id));
        let rules = policies.flat_map(move |policy| &policy.rules[direction.index()]);
        rules.filter_map(|&id| self.rule(id))
    }

    fn selected(&self, rule: &FastRule, family: Family) -> impl Iterator<Item = &Selected> {
        let peers = rule.peers.iter().flatten();
        peers.map(move |&peer| self.index.selected[peer as usize].of(family))
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

    fn row(&self, subject: ClassId, direction: Direction, family: Family, kept: bool) -> Row {
        if self.is_on_node(subject) {
            return Row::constant(Verdict::all());
        }
        if !kept {
            return Row { verdicts: Vec::new(), cells: Cells::OnDemand };
        }
        if let Some(row) = self.plain_row(subject, direction, family) {
            return row;
        }
        let ask = |other| self.evaluate(&Question { subject, direction, other, family }, false);
        let subjection = self.subjection(subject, direction);
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
        let mut row = RowBuilder::new(ask(View::Nobody));
        for class in differ {
            let verdict = row.id(ask(View::Class(class)));
            row.set(class, verdict);
        }
        row.finish(self.classes.len())
    }

    /// A row of nothing but NetworkPolicies that are sure of all they say: a union of ports.
    fn plain_row(&self, subject: ClassId, direction: Direction, family: Family) -> Option<Row> {
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
        let mut ports: Vec<ConnectionSet> = Vec::new();
        let mut matched: Vec<(ClassId, u32)> = Vec::new();
        let nobody = Question { subject, direction, other: View::Nobody, family };
        for &(id, sure) in &subjection.policies {
            let policy = self.policies.policy(id);
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
                    || self.policies.rule(rule).doubt.is_some()
                    || named && direction == Direction::Egress
                {
                    return None;
                }
                let set = self.ports(rule, &nobody);
                if fast.peers.is_none() {
                    base = base.union(&set);
                    continue;
                }
                let number = u32::try_from(ports.len()).ok()?;
                ports.push(set);
                for selected in self.selected(fast, family) {
                    if !selected.maybe.is_empty() {
                        return None;
                    }
                    matched.extend(selected.yes.iter().map(|class| (class, number)));
                }
            }
        }
        if !isolated {
            return None;
        }
        let verdict = |allowed: ConnectionSet| {
            let verdict = Verdict { allowed, unknown: ConnectionSet::empty() };
            self.as_enforced(verdict, family)
        };
        matched.sort_unstable();
        matched.dedup();
        let mut row = RowBuilder::new(verdict(base.clone()));
        // Classes in a row mostly match the same rules.
        let mut known: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        let mut rules: Vec<u32> = Vec::new();
        let mut last = (Vec::new(), 0);
        for own in matched.chunk_by(|a, b| a.0 == b.0) {
            rules.clear();
            rules.extend(own.iter().map(|&(_, rule)| rule));
            if rules != last.0 {
                let id = known.get(&rules).copied().unwrap_or_else(|| {
                    let all = rules
                        .iter()
                        .fold(base.clone(), |all, &rule| all.union(&ports[rule as usize]));
                    row.id(verdict(all))
                });
                known.insert(rules.clone(), id);
                last = (rules.clone(), id);
            }
            row.set(own[0].0, last.1);
        }
        Some(row.finish(self.classes.len()))
    }
}
