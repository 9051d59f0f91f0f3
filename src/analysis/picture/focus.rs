//! One end, who reaches it and whom it reaches, in columns.

use super::{Link, Picture};
use crate::cluster::PodId;
use std::collections::{BTreeMap, BTreeSet};

impl Picture {
    /// What is at most `depth` links away from the ends that have any of these pods, in columns: those that reach
    /// them on the left, those that they reach on the right. What does both stands on both sides.
    #[must_use]
    pub fn focus(&self, pods: &BTreeSet<PodId>, depth: usize) -> Self {
        let centre: BTreeSet<usize> = (0..self.ends.len())
            .filter(|&at| self.ends[at].pods.iter().any(|pod| pods.contains(pod)))
            .collect();
        let mut ends = Vec::new();
        let mut place: BTreeMap<(usize, i32), usize> = BTreeMap::new();
        let mut add = |at: usize, column: i32| {
            *place.entry((at, column)).or_insert_with(|| {
                ends.push(super::PictureEnd { column, ..self.ends[at].clone() });
                ends.len() - 1
            })
        };
        for &at in &centre {
            add(at, 0);
        }
        let mut links: Vec<Link> = Vec::new();
        for link in &self.links {
            if centre.contains(&link.source) && centre.contains(&link.destination) {
                let (source, destination) = (add(link.source, 0), add(link.destination, 0));
                links.push(Link { source, destination, ..link.clone() });
            }
        }
        for forward in [false, true] {
            let mut known = centre.clone();
            let mut edge = centre.clone();
            for step in 1..=i32::try_from(depth).unwrap_or(i32::MAX) {
                let mut next = BTreeSet::new();
                for link in &self.links {
                    let (near, far) = if forward {
                        (link.source, link.destination)
                    } else {
                        (link.destination, link.source)
                    };
                    if !edge.contains(&near) || known.contains(&far) {
                        continue;
                    }
                    next.insert(far);
                    let sign = if forward { 1 } else { -1 };
                    let ends = [add(near, sign * (step - 1)), add(far, sign * step)];
                    let (source, destination) =
                        if forward { (ends[0], ends[1]) } else { (ends[1], ends[0]) };
                    links.push(Link { source, destination, ..link.clone() });
                }
                known.extend(&next);
                edge = next;
            }
        }
        links.sort_by_key(|link| (link.source, link.destination));
        let rows: BTreeSet<usize> =
            links.iter().flat_map(|link| link.rows.iter().copied()).collect();
        Self { connections: rows.len(), ..self.with(ends, links) }
    }
}
