//! Fewer ends without a link less: those that nothing tells apart become one, or all of a namespace do.

use super::{EndKind, Level, Link, Picture, PictureEnd, outside};
use crate::analysis::diff::RowTurn;
use crate::analysis::list::{Length, outside_name};
use crate::engine::Verdict;
use crate::net::{ConnectionSet, IpSet};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Of more ends than these in a namespace, order by likeness would take long: they stay ordered by name.
const MOST_ORDERED: usize = 400;

/// What makes ends alike: kind, namespace, whether anything of them is open, column and size, links out and in,
/// each with what it says.
type Signature =
    (EndKind, Option<String>, [bool; 2], (i32, usize), Vec<(usize, u32)>, Vec<(usize, u32)>);

/// What a link says, whichever ends it has.
type Content<'p> =
    (&'p Verdict, &'p Option<String>, Option<(RowTurn, &'p ConnectionSet)>, (usize, usize, bool));

fn content(link: &Link) -> Content<'_> {
    let turn = link.turn.as_ref().map(|(turn, before)| (*turn, before));
    (&link.verdict, &link.note, turn, (link.pairs, link.of, link.uniform))
}

impl Picture {
    /// Joins ends of one namespace, or outside, that have the same links: to the same ends, from the same ends, and
    /// the same among themselves. Nothing is lost by it: what is said of one is true of each.
    #[must_use]
    pub fn collapsed(&self) -> Self {
        let mut contents: HashMap<Content<'_>, u32> = HashMap::new();
        let mut out: Vec<Vec<(usize, u32)>> = vec![Vec::new(); self.ends.len()];
        let mut into: Vec<Vec<(usize, u32)>> = vec![Vec::new(); self.ends.len()];
        // Most links share their verdicts with others.
        let mut shared: HashMap<(*const Verdict, [usize; 2]), u32> = HashMap::new();
        let mut ids: Vec<u32> = Vec::with_capacity(self.links.len());
        for link in &self.links {
            let mut new = || {
                let next = u32::try_from(contents.len()).unwrap_or(u32::MAX);
                *contents.entry(content(link)).or_insert(next)
            };
            let content = if link.note.is_none() && link.turn.is_none() && link.uniform {
                let key = (Arc::as_ptr(&link.verdict), [link.pairs, link.of]);
                *shared.entry(key).or_insert_with(new)
            } else {
                new()
            };
            ids.push(content);
            out[link.source].push((link.destination, content));
            into[link.destination].push((link.source, content));
        }
        let mut groups: BTreeMap<Signature, Vec<usize>> = BTreeMap::new();
        for (at, (end, (out, into))) in self.ends.iter().zip(out.into_iter().zip(into)).enumerate()
        {
            let open = end.open.map(|count| count > 0);
            let namespace = end.namespace.clone().filter(|_| self.level == Level::Workloads);
            let size = if self.level == Level::Workloads { 0 } else { end.parts };
            let key = (end.kind, namespace, open, (end.column, size), out, into);
            groups.entry(key).or_default().push(at);
        }
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        groups.sort();
        let mut place = vec![0; self.ends.len()];
        let mut ends = Vec::new();
        for (group, members) in groups.iter().enumerate() {
            for &at in members {
                place[at] = group;
            }
            ends.push(self.joined(members));
        }
        // Of two ends there may be several: a change of each family.
        let mut links: BTreeMap<(usize, usize, u32), Link> = BTreeMap::new();
        for (link, &content) in self.links.iter().zip(&ids) {
            let (source, destination) = (place[link.source], place[link.destination]);
            let new = || Link {
                source,
                destination,
                pairs: 0,
                of: 0,
                rows: SmallVec::new(),
                ids: Vec::new(),
                ..link.clone()
            };
            let own = links.entry((source, destination, content)).or_insert_with(new);
            own.pairs += link.pairs;
            own.of += link.of;
            own.rows.extend(link.rows.iter().copied());
            own.ids.extend(&link.ids);
        }
        let mut links: Vec<Link> = links.into_values().collect();
        for link in &mut links {
            link.rows.sort_unstable();
            link.rows.dedup();
        }
        self.with(ends, links)
    }

    fn joined(&self, members: &[usize]) -> PictureEnd {
        let first = &self.ends[members[0]];
        if members.len() == 1 {
            return first.clone();
        }
        let all = || members.iter().map(|&at| &self.ends[at]);
        let kind = if first.is_inside() { EndKind::Class } else { first.kind };
        let name = match kind {
            EndKind::Outside => {
                let sets = all().filter_map(|end| end.set.as_ref());
                outside_name(&sets.fold(IpSet::empty(), |all, own| all.union(own)), Length::Short)
            }
            EndKind::Class | EndKind::Workload | EndKind::Namespace => {
                format!("{} ×{}", first.name, members.len())
            }
            EndKind::Name | EndKind::Nodes => {
                let names: Vec<&str> = all().map(|end| end.name.as_str()).take(2).collect();
                match members.len() {
                    2 => names.join(", "),
                    more => format!("{} and {} more", names.join(", "), more - 2),
                }
            }
        };
        PictureEnd {
            kind,
            name,
            members: all().flat_map(|end| end.members.iter().cloned()).collect(),
            workloads: all().map(|end| end.workloads).sum(),
            parts: all().map(|end| end.parts).sum(),
            open: [0, 1].map(|at: usize| all().map(|end| end.open[at]).sum()),
            beside: all().all(|end| end.beside),
            set: first.set.as_ref().map(|_| {
                let sets = all().filter_map(|end| end.set.as_ref());
                sets.fold(IpSet::empty(), |all, own| all.union(own))
            }),
            pods: all().flat_map(|end| end.pods.iter().copied()).collect(),
            ids: all().flat_map(|end| end.ids.iter().copied()).collect(),
            ..first.clone()
        }
    }

    /// The next level up: an end for each namespace, a link where any of their workloads connect, with how many
    /// pairs of how many do.
    #[must_use]
    pub fn namespaces(&self) -> Self {
        let mut spaces: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut place = vec![0; self.ends.len()];
        let mut ends: Vec<PictureEnd> = Vec::new();
        for (at, end) in self.ends.iter().enumerate() {
            if let Some(name) = &end.namespace {
                spaces.entry(name).or_default().push(at);
            } else {
                place[at] = ends.len();
                ends.push(end.clone());
            }
        }
        for (name, members) in &spaces {
            for &at in members {
                place[at] = ends.len();
            }
            let all = || members.iter().map(|&at| &self.ends[at]);
            ends.push(PictureEnd {
                namespace: Some((*name).to_owned()),
                workloads: all().map(|end| end.workloads).sum(),
                parts: all().map(|end| end.parts).sum(),
                beside: all().all(|end| end.beside),
                open: [0, 1].map(|at: usize| all().map(|end| end.open[at]).sum()),
                pods: all().flat_map(|end| end.pods.iter().copied()).collect(),
                ids: all().flat_map(|end| end.ids.iter().copied()).collect(),
                ..outside(
                    EndKind::Namespace,
                    "every workload".into(),
                    all().flat_map(|end| end.members.iter().cloned()).collect(),
                )
            });
        }
        let size = |at: usize| ends[at].parts;
        // What opens and what closes are two.
        let mut links: BTreeMap<(usize, usize, Option<RowTurn>), Link> = BTreeMap::new();
        for link in &self.links {
            let turn = link.turn.as_ref().map(|(turn, _)| *turn);
            let key = (place[link.source], place[link.destination], turn);
            let own = |at: usize| self.ends[at].parts;
            let pairs = own(link.source) * own(link.destination);
            match links.get_mut(&key) {
                None => {
                    let of = size(key.0) * size(key.1);
                    let new = Link {
                        source: key.0,
                        destination: key.1,
                        pairs,
                        of,
                        note: None,
                        ..link.clone()
                    };
                    links.insert(key, new);
                }
                Some(known) => {
                    if let (Some((_, all)), Some((_, more))) = (&mut known.turn, &link.turn)
                        && all != more
                    {
                        known.uniform = false;
                        *all = all.union(more);
                    }
                    // Most say the same.
                    if !Arc::ptr_eq(&known.verdict, &link.verdict) && known.verdict != link.verdict
                    {
                        known.uniform = false;
                        known.verdict = Arc::new(Verdict {
                            allowed: known.verdict.allowed.union(&link.verdict.allowed),
                            unknown: known.verdict.unknown.union(&link.verdict.unknown),
                        });
                    }
                    known.pairs += pairs;
                    known.rows.extend(link.rows.iter().copied());
                    known.ids.extend(&link.ids);
                }
            }
        }
        let mut links: Vec<Link> = links.into_values().collect();
        for link in &mut links {
            link.rows.sort_unstable();
            link.rows.dedup();
            link.pairs = link.pairs.min(link.of);
        }
        Self { level: Level::Namespaces, ..self.with(ends, links) }
    }

    /// Orders the ends of each namespace so that those with like links stand beside each other.
    #[must_use]
    pub fn ordered(&self) -> Self {
        let mut near: Vec<BTreeSet<(usize, bool)>> = vec![BTreeSet::new(); self.ends.len()];
        for link in &self.links {
            near[link.source].insert((link.destination, true));
            near[link.destination].insert((link.source, false));
        }
        let mut order: Vec<usize> = Vec::with_capacity(self.ends.len());
        let mut start = 0;
        while start < self.ends.len() {
            let space = &self.ends[start].namespace;
            let length =
                self.ends[start..].iter().take_while(|end| end.namespace == *space).count();
            let group: Vec<usize> = (start..start + length).collect();
            start += length;
            if space.is_none() || group.len() > MOST_ORDERED || self.level == Level::Namespaces {
                order.extend(group);
            } else {
                order.extend(by_likeness(&near, group));
            }
        }
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new;
        }
        let ends = order.iter().map(|&at| self.ends[at].clone()).collect();
        let mut links: Vec<Link> = self
            .links
            .iter()
            .map(|link| Link {
                source: place[link.source],
                destination: place[link.destination],
                ..link.clone()
            })
            .collect();
        links.sort_by_key(|link| (link.source, link.destination));
        self.with(ends, links)
    }
}

/// From the one with the most links on, always the likest of the rest; of equals the first.
fn by_likeness(near: &[BTreeSet<(usize, bool)>], mut left: Vec<usize>) -> Vec<usize> {
    let mut out = Vec::with_capacity(left.len());
    let most = |left: &[usize]| {
        let most =
            left.iter().enumerate().max_by_key(|(at, end)| (near[**end].len(), usize::MAX - at));
        most.map(|(at, _)| at)
    };
    let Some(first) = most(&left) else { return out };
    let mut last = left.remove(first);
    out.push(last);
    while !left.is_empty() {
        let likeness = |end: usize| {
            let both = near[last].intersection(&near[end]).count();
            let any = near[last].len() + near[end].len() - both;
            // In thousandths, so that they can be compared.
            (both * 1_000).checked_div(any).unwrap_or(0)
        };
        let next = left
            .iter()
            .enumerate()
            .max_by_key(|(at, end)| (likeness(**end), usize::MAX - at))
            .map_or(0, |(at, _)| at);
        last = left.remove(next);
        out.push(last);
    }
    out
}
