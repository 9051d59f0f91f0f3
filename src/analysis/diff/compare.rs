//! What two sides say of the same ends, cut where either cuts.

use super::super::list::{Row, RowEnd};
use super::Compared;
use crate::engine::Verdict;
use crate::net::{ConnectionSet, Family, IpSet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An end, by what is the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::analysis) enum End {
    /// A workload, by its place among the matched ones; slots of its pods, if not all are meant.
    Workload(usize, Option<Vec<usize>>),
    Node(String),
    External(IpSet),
    Name(String),
}

/// What an end is a part of: parts of one whole are compared with each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whole {
    Workload(usize),
    Node(String),
    External,
    Name(String),
}

impl End {
    fn whole(&self) -> Whole {
        match self {
            Self::Workload(at, _) => Whole::Workload(*at),
            Self::Node(name) => Whole::Node(name.clone()),
            Self::External(_) => Whole::External,
            Self::Name(name) => Whole::Name(name.clone()),
        }
    }

    /// Whether a part of the same whole is within it.
    fn covers(&self, part: &Self) -> bool {
        match (self, part) {
            (Self::Workload(_, None) | Self::Node(_) | Self::Name(_), _) => true,
            (Self::Workload(_, Some(own)), Self::Workload(_, Some(slots))) => {
                slots.first().is_some_and(|slot| own.contains(slot))
            }
            (Self::External(own), Self::External(part)) => part.is_subset(own),
            (Self::Workload(_, Some(_)) | Self::External(_), _) => false,
        }
    }
}

/// What a side says of two ends.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    source: End,
    destination: End,
    family: Option<Family>,
    verdict: Arc<Verdict>,
}

/// Two ends of which two sides do not say the same.
#[derive(Clone, Debug)]
pub(in crate::analysis) struct Found {
    pub(super) source: End,
    pub(super) destination: End,
    pub(super) family: Option<Family>,
    pub(super) before: Arc<Verdict>,
    pub(super) after: Arc<Verdict>,
}

impl Piece {
    /// The pieces of a row: nodes and names one by one.
    pub(super) fn of(compared: &Compared<'_, '_>, side: usize, row: &Row) -> Vec<Self> {
        let cluster = &compared.halves[side].world.cluster;
        let not_outside = compared.not_outside;
        let ends = |end: &RowEnd| -> Vec<End> {
            match end {
                RowEnd::Workload { id, pods } => {
                    let Some(&at) = compared.places[side].get(id) else { return Vec::new() };
                    let all = &cluster.workload(*id).pods;
                    let Some(pods) = pods else { return vec![End::Workload(at, None)] };
                    let slots = compared.matched[at].slots.iter().enumerate();
                    let own: Vec<usize> = slots
                        .filter(|(_, own)| {
                            all.get(own.places[side]).is_some_and(|pod| pods.contains(pod))
                        })
                        .map(|(slot, _)| slot)
                        .collect();
                    if own.is_empty() { Vec::new() } else { vec![End::Workload(at, Some(own))] }
                }
                RowEnd::Nodes(ids) => {
                    ids.iter().map(|&id| End::Node(cluster.node(id).name.to_string())).collect()
                }
                RowEnd::External(set) if not_outside.is_empty() => {
                    vec![End::External(set.clone())]
                }
                RowEnd::External(set) => {
                    let rest = set.difference(not_outside);
                    if rest.is_empty() { Vec::new() } else { vec![End::External(rest)] }
                }
                RowEnd::Names(names) => {
                    names.iter().map(|name| End::Name(name.to_string())).collect()
                }
            }
        };
        let (sources, destinations) = (ends(&row.source), ends(&row.destination));
        let mut out = Vec::new();
        for source in &sources {
            for destination in &destinations {
                out.push(Self {
                    source: source.clone(),
                    destination: destination.clone(),
                    family: row.family,
                    verdict: Arc::clone(&row.verdict),
                });
            }
        }
        out
    }

    /// The place of the workload that connects, if it is one.
    pub(super) fn source_workload(&self) -> Option<usize> {
        match self.source {
            End::Workload(at, _) => Some(at),
            End::Node(_) | End::External(_) | End::Name(_) => None,
        }
    }
}

/// Where the two sides do not say the same.
pub(super) fn compare(
    compared: &Compared<'_, '_>,
    pieces: [Vec<Piece>; 2],
    apart: &ConnectionSet,
) -> Vec<Found> {
    let mut groups: BTreeMap<(Whole, Whole), [Vec<Piece>; 2]> = BTreeMap::new();
    for (side, list) in pieces.into_iter().enumerate() {
        for piece in list {
            let key = (piece.source.whole(), piece.destination.whole());
            groups.entry(key).or_default()[side].push(piece);
        }
    }
    let mut out = Vec::new();
    for sides in groups.values() {
        group(compared, sides, apart, &mut out);
    }
    out
}

/// Of one pair of wholes.
fn group(
    compared: &Compared<'_, '_>,
    sides: &[Vec<Piece>; 2],
    apart: &ConnectionSet,
    out: &mut Vec<Found>,
) {
    // Most pairs are one piece on both sides that says the same.
    if let [[a], [b]] = [&*sides[0], &*sides[1]]
        && a.verdict == b.verdict
        && (&a.source, &a.destination, a.family) == (&b.source, &b.destination, b.family)
    {
        return;
    }
    let ends =
        |pick: fn(&Piece) -> &End| -> Vec<&End> { sides.iter().flatten().map(pick).collect() };
    let sources = atoms(compared, &ends(|piece| &piece.source));
    let destinations = atoms(compared, &ends(|piece| &piece.destination));
    let by_family = sides.iter().flatten().any(|piece| piece.family.is_some());
    let nothing = Arc::new(Verdict::none());
    let mut found: Vec<Found> = Vec::new();
    for source in &sources {
        for destination in &destinations {
            let verdict = |side: usize, family: Option<Family>| {
                let own = sides[side].iter().find(|piece| {
                    (piece.family.is_none() || piece.family == family)
                        && piece.source.covers(source)
                        && piece.destination.covers(destination)
                });
                Arc::clone(own.map_or(&nothing, |piece| &piece.verdict))
            };
            let families: &[Option<Family>] =
                if by_family { &[Some(Family::V4), Some(Family::V6)] } else { &[None] };
            let each: Vec<_> =
                families.iter().map(|&f| (f, verdict(0, f), verdict(1, f))).collect();
            let alike = each.windows(2).all(|two| (&two[0].1, &two[0].2) == (&two[1].1, &two[1].2));
            let count = if alike { 1 } else { each.len() };
            for (family, before, after) in each.into_iter().take(count) {
                if before.apart_from(apart) == after.apart_from(apart) {
                    continue;
                }
                let family = family.filter(|_| !alike);
                found.push(Found {
                    source: source.clone(),
                    destination: destination.clone(),
                    family,
                    before,
                    after,
                });
            }
        }
    }
    let found = join(compared, found, |own| &mut own.source);
    out.extend(join(compared, found, |own| &mut own.destination));
}

/// The parts of one whole that every end is made of.
fn atoms(compared: &Compared<'_, '_>, ends: &[&End]) -> Vec<End> {
    let Some(first) = ends.first() else { return Vec::new() };
    match first {
        End::Node(_) | End::Name(_) => vec![(*first).clone()],
        End::External(_) => {
            let sets: Vec<&IpSet> = ends
                .iter()
                .filter_map(|end| match end {
                    End::External(set) => Some(set),
                    _ => None,
                })
                .collect();
            let all = sets.iter().fold(IpSet::empty(), |all, set| all.union(set));
            all.atoms(sets.iter().copied()).into_iter().map(End::External).collect()
        }
        End::Workload(at, _) => {
            let parts: Vec<&Vec<usize>> = ends
                .iter()
                .filter_map(|end| match end {
                    End::Workload(_, Some(places)) => Some(places),
                    _ => None,
                })
                .collect();
            if parts.is_empty() {
                return vec![End::Workload(*at, None)];
            }
            let mut by_membership: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
            for slot in 0..compared.slots(*at) {
                let is_in = parts.iter().map(|part| part.contains(&slot)).collect();
                by_membership.entry(is_in).or_default().push(slot);
            }
            let parts = by_membership.into_values();
            parts.map(|places| End::Workload(*at, Some(places))).collect()
        }
    }
}

/// Joins parts of which the same is said.
fn join(
    compared: &Compared<'_, '_>,
    found: Vec<Found>,
    end: impl Fn(&mut Found) -> &mut End,
) -> Vec<Found> {
    let mut out: Vec<Found> = Vec::new();
    for mut own in found {
        let part = end(&mut own).clone();
        let same = out.iter_mut().find(|other| {
            let mut probe = (**other).clone();
            *end(&mut probe) = part.clone();
            let ends = (&probe.source, &probe.destination) == (&own.source, &own.destination);
            ends && (probe.family, &probe.before, &probe.after)
                == (own.family, &own.before, &own.after)
        });
        match same.map(|other| (end(other), part)) {
            Some((End::External(all), End::External(more))) => *all = all.union(&more),
            Some((End::Workload(at, all), End::Workload(_, more))) => {
                let (Some(places), Some(more)) = (all.as_mut(), more) else { continue };
                places.extend(more);
                places.sort_unstable();
                if places.len() == compared.slots(*at) {
                    *all = None;
                }
            }
            Some(_) => {}
            None => out.push(own),
        }
    }
    for own in &mut out {
        if let End::Workload(at, places) = end(own)
            && places.as_ref().is_some_and(|all| all.len() == compared.slots(*at))
        {
            *places = None;
        }
    }
    out
}
