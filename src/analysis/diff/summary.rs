//! Rows of one kind joined, and counted: what a reviewer reads.

use super::{Cause, Diff, DiffEnd, RowTurn};
use crate::engine::Verdict;
use crate::net::Family;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

/// Rows that say the same of several sources or destinations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Joined {
    /// What becomes of them.
    pub turn: RowTurn,
    /// Sources.
    pub sources: Ends,
    /// Destinations.
    pub destinations: Ends,
    /// The family that they are about, where the families of the ends differ.
    pub family: Option<Family>,
    /// What is said of them before.
    pub before: Verdict,
    /// What is said of them after.
    pub after: Verdict,
    /// What makes the difference.
    pub causes: Vec<Cause>,
    /// How many rows they are.
    pub rows: usize,
}

/// One end of joined rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ends(pub BTreeSet<DiffEnd>);

impl Ends {
    /// The ends as printed: `shop/* (3 workloads)` where they are all of a namespace, else the first few.
    pub fn name(&self, namespaces: &BTreeMap<String, usize>) -> String {
        // What is outside is never left out.
        let (mut inside, mut outside): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        let mut whole: BTreeMap<&str, usize> = BTreeMap::new();
        for end in &self.0 {
            if let DiffEnd::Workload { pods: None, .. } = end {
                *whole.entry(end.namespace().unwrap_or_default()).or_default() += 1;
            }
        }
        let is_whole = |space: &str| {
            let own = whole.get(space).copied().unwrap_or(0);
            own > 1 && namespaces.get(space) == Some(&own)
        };
        let all: usize = whole.keys().filter(|space| is_whole(space)).count();
        if all == namespaces.len() && all > 1 {
            let count: usize = whole.values().sum();
            inside.push(format!("every workload ({count})"));
        } else {
            let spaces = whole.iter().filter(|(space, _)| is_whole(space));
            inside.extend(spaces.map(|(space, count)| format!("{space}/* ({count} workloads)")));
        }
        for end in &self.0 {
            match end {
                DiffEnd::Workload { pods: None, .. } if end.namespace().is_some_and(is_whole) => {}
                DiffEnd::Workload { .. } | DiffEnd::Node(_) => inside.push(end.name()),
                DiffEnd::External(_) | DiffEnd::Name(_) => outside.push(end.name()),
            }
        }
        let most = outside.len().max(3);
        let rest = (inside.len() + outside.len()).saturating_sub(most);
        if rest > 1 {
            inside.truncate(most - outside.len());
            outside.extend(inside);
            return format!("{} and {rest} more", outside.join(", "));
        }
        inside.extend(outside);
        inside.join(", ")
    }
}

impl Diff {
    /// The rows, joined where several sources, or several destinations, have one fate for one reason.
    pub fn joined(&self) -> Vec<Joined> {
        // Of many rows the ends and fates are few, and are told apart by number.
        let (mut ends, mut fates) = (Numbers::default(), Numbers::default());
        let each = self.rows.iter().map(|row| {
            let fate = (row.turn(), row.family, &*row.before, &*row.after, &*row.causes);
            let [source, destination] = [&row.source, &row.destination].map(|end| ends.of(end));
            (fates.of(fate), vec![source], vec![destination], 1)
        });
        let rows = join(each.collect());
        let turned = rows.into_iter();
        let turned =
            turned.map(|(fate, sources, destinations, rows)| (fate, destinations, sources, rows));
        let rows = join(turned.collect());
        let named =
            |own: Vec<u32>| Ends(own.into_iter().map(|end| ends.get(end).clone()).collect());
        let joined = rows.into_iter().map(|(fate, destinations, sources, rows)| {
            let (turn, family, before, after, causes) = fates.get(fate);
            let (sources, destinations) = (named(sources), named(destinations));
            let (before, after, causes) = (before.clone(), after.clone(), causes.to_vec());
            Joined { turn, sources, destinations, family, before, after, causes, rows }
        });
        let mut joined: Vec<Joined> = joined.collect();
        joined.sort_by(|a, b| {
            let ends = (&a.destinations, &a.sources).cmp(&(&b.destinations, &b.sources));
            a.turn.cmp(&b.turn).then(ends).then_with(|| a.cmp(b))
        });
        joined
    }

    /// How many workloads each namespace has, of either side.
    pub fn namespace_sizes(&self) -> &BTreeMap<String, usize> {
        &self.sizes
    }

    /// How many joined rows open a workload to addresses outside that are not private.
    pub fn opened_to_internet(&self) -> usize {
        let internet = |end: &DiffEnd| match end {
            DiffEnd::External(set) => Family::ALL
                .iter()
                .any(|&family| !set.is_disjoint(&crate::cluster::public_addresses(family))),
            _ => false,
        };
        let opened: BTreeSet<&DiffEnd> = self
            .rows
            .iter()
            .filter(|row| internet(&row.source) && !row.opens().is_empty())
            .map(|row| &row.destination)
            .collect();
        opened.len()
    }
}

/// Things by number.
struct Numbers<T> {
    of: FxHashMap<T, u32>,
    all: Vec<T>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { of: FxHashMap::default(), all: Vec::new() }
    }
}

impl<T: Copy + Eq + Hash> Numbers<T> {
    fn of(&mut self, own: T) -> u32 {
        *self.of.entry(own).or_insert_with(|| {
            self.all.push(own);
            u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn get(&self, number: u32) -> T {
        self.all[number as usize]
    }
}

/// Fate, ends that are to be joined, other ends, and how many rows they are.
type Numbered = (u32, Vec<u32>, Vec<u32>, usize);

/// Joins what has one fate and the same other ends, which are in order.
fn join(rows: Vec<Numbered>) -> Vec<Numbered> {
    let mut out: FxHashMap<(u32, Vec<u32>), (Vec<u32>, usize)> = FxHashMap::default();
    for (fate, ends, others, rows) in rows {
        let (all, count) = out.entry((fate, others)).or_default();
        all.extend(ends);
        *count += rows;
    }
    let each = out.into_iter().map(|((fate, others), (mut ends, rows))| {
        ends.sort_unstable();
        ends.dedup();
        (fate, ends, others, rows)
    });
    each.collect()
}
