//! Rows of one kind joined, and counted: what a reviewer reads.

use super::{Cause, Diff, DiffEnd, DiffRow, RowTurn};
use crate::engine::Verdict;
use crate::net::Family;
use std::collections::{BTreeMap, BTreeSet};

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
    /// One end.
    fn one(end: DiffEnd) -> Self {
        Self(BTreeSet::from([end]))
    }

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
        let each = self.rows.iter().map(|row: &DiffRow| Joined {
            turn: row.turn(),
            sources: Ends::one(row.source.clone()),
            destinations: Ends::one(row.destination.clone()),
            family: row.family,
            before: row.before.clone(),
            after: row.after.clone(),
            causes: row.causes.clone(),
            rows: 1,
        });
        let rows = join(each.collect(), true);
        let mut rows = join(rows, false);
        rows.sort_by(|a, b| {
            let key = |own: &Joined| (own.turn, own.destinations.clone(), own.sources.clone());
            key(a).cmp(&key(b))
        });
        rows
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

fn join(rows: Vec<Joined>, sources: bool) -> Vec<Joined> {
    type Key = (RowTurn, BTreeSet<DiffEnd>, Option<Family>, Verdict, Verdict, Vec<Cause>);
    let mut out: BTreeMap<Key, Joined> = BTreeMap::new();
    for row in rows {
        let other = if sources { &row.destinations } else { &row.sources };
        let key = (
            row.turn,
            other.0.clone(),
            row.family,
            row.before.clone(),
            row.after.clone(),
            row.causes.clone(),
        );
        match out.get_mut(&key) {
            None => {
                out.insert(key, row);
            }
            Some(all) => {
                let (into, from) = if sources {
                    (&mut all.sources, row.sources)
                } else {
                    (&mut all.destinations, row.destinations)
                };
                into.0.extend(from.0);
                all.rows += row.rows;
            }
        }
    }
    out.into_values().collect()
}
