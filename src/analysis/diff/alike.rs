//! Pairs of which both sides say the same: nearly all of a large cluster.

use super::super::list::{Lister, Pair};
use crate::cluster::WorkloadId;
use crate::engine::Verdict;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// No pair.
const NONE: u32 = u32::MAX;

/// Tells which workloads of two lists are one.
pub(super) struct Alike {
    /// By side and place in a pair: the place among the matched workloads, of a whole one.
    places: [Vec<Option<u32>>; 2],
    matched: usize,
}

impl Alike {
    /// `places` are those of the workloads of each side among so many that are matched.
    pub(super) fn new(
        listers: &[Lister<'_, '_, '_>; 2],
        places: &[BTreeMap<WorkloadId, usize>; 2],
        matched: usize,
    ) -> Self {
        let of = |side: usize| -> Vec<Option<u32>> {
            let wholes = listers[side].whole_workloads();
            wholes.map(|id| u32::try_from(*places[side].get(&id?)?).ok()).collect()
        };
        Self { places: [of(0), of(1)], matched }
    }

    /// Leaves out what both sides say alike between one whole workload and others.
    pub(super) fn leave_out(&self, pairs: &mut [Vec<Pair>; 2]) {
        let [first, second] = &*pairs;
        let whole = |side: usize, pairs: &[Pair]| {
            let own = pairs.first().and_then(|pair| self.places[side][pair.own]);
            own.filter(|_| pairs.windows(2).all(|two| two[0].own == two[1].own))
        };
        let (Some(own), Some(other)) = (whole(0, first), whole(1, second)) else { return };
        if own != other {
            return;
        }
        // What is said in one family alone is left to be compared.
        let place = |side: usize, pair: &Pair| match pair.said.1 {
            None => self.places[side][pair.other].map(|place| place as usize),
            Some(_) => None,
        };
        let mut known = vec![NONE; self.matched];
        for (at, pair) in (0..NONE).zip(first) {
            if let Some(place) = place(0, pair) {
                known[place] = at;
            }
        }
        let mut same = Same::default();
        let mut alike = [vec![false; first.len()], vec![false; second.len()]];
        for (at, pair) in second.iter().enumerate() {
            let found = place(1, pair).map(|place| known[place]).filter(|&own| own != NONE);
            let Some(own) = found.map(|own| own as usize) else { continue };
            if same.verdicts(&first[own].said.0, &pair.said.0) {
                (alike[0][own], alike[1][at]) = (true, true);
            }
        }
        for (pairs, alike) in pairs.iter_mut().zip(alike) {
            let mut alike = alike.into_iter();
            pairs.retain(|_| alike.next() != Some(true));
        }
    }
}

/// Which verdicts, each kept once on its side, are the same.
#[derive(Default)]
struct Same(FxHashMap<[*const Verdict; 2], bool>);

impl Same {
    fn verdicts(&mut self, a: &Arc<Verdict>, b: &Arc<Verdict>) -> bool {
        *self.0.entry([Arc::as_ptr(a), Arc::as_ptr(b)]).or_insert_with(|| a == b)
    }
}
