//! Sets of numbers as sorted, disjoint, non-adjacent closed intervals.

use std::collections::HashMap;
use std::fmt::Debug;

/// A number that intervals can be made of: it knows its neighbours.
pub trait Point: Copy + Ord + Debug {
    /// The next greater number, or `None` at the greatest.
    fn next(self) -> Option<Self>;
    /// The next smaller number, or `None` at the least.
    fn previous(self) -> Option<Self>;
}

macro_rules! point {
    ($($t:ty),*) => {$(
        impl Point for $t {
            fn next(self) -> Option<Self> { self.checked_add(1) }
            fn previous(self) -> Option<Self> { self.checked_sub(1) }
        }
    )*};
}
point!(u32, u128);

/// A set of points.
///
/// Invariant, established by [`Intervals::from_ranges`] and kept by every operation: intervals
/// are sorted, do not overlap and do not touch, so equal sets are equal values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Intervals<T>(Vec<(T, T)>);

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Point> Intervals<T> {
    /// The set of all points in any of the closed ranges; empty ranges (`lo > hi`) add nothing.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (T, T)>) -> Self {
        let mut sorted: Vec<(T, T)> = ranges.into_iter().filter(|(lo, hi)| lo <= hi).collect();
        sorted.sort_unstable();
        let mut out: Vec<(T, T)> = Vec::with_capacity(sorted.len());
        for (lo, hi) in sorted {
            match out.last_mut() {
                Some(last) if last.1 >= lo || last.1.next() == Some(lo) => last.1 = last.1.max(hi),
                _ => out.push((lo, hi)),
            }
        }
        Self(out)
    }

    /// The closed intervals, ascending.
    pub fn ranges(&self) -> &[(T, T)] {
        &self.0
    }

    /// Whether no point is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `point` is in the set.
    pub fn contains(&self, point: T) -> bool {
        let at = self.0.partition_point(|&(_, hi)| hi < point);
        self.0.get(at).is_some_and(|&(lo, _)| lo <= point)
    }

    /// Points in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        Self::from_ranges(self.0.iter().chain(&other.0).copied())
    }

    /// Points in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut out, mut a, mut b) = (Vec::new(), 0, 0);
        while let (Some(x), Some(y)) = (self.0.get(a), other.0.get(b)) {
            let (lo, hi) = (x.0.max(y.0), x.1.min(y.1));
            if lo <= hi {
                out.push((lo, hi));
            }
            if x.1 < y.1 { a += 1 } else { b += 1 }
        }
        Self(out)
    }

    /// Points in this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = Vec::with_capacity(self.0.len());
        let mut cuts = other.0.iter().peekable();
        for &(lo, hi) in &self.0 {
            let mut from = Some(lo);
            while cuts.peek().is_some_and(|cut| cut.1 < lo) {
                cuts.next();
            }
            let mut inside = cuts.clone();
            while let Some(&&(cut_lo, cut_hi)) = inside.peek() {
                let Some(start) = from else { break };
                if cut_lo > hi {
                    break;
                }
                if let Some(end) = cut_lo.previous().filter(|&end| start <= end) {
                    out.push((start, end));
                }
                from = cut_hi.next().filter(|&next| next <= hi);
                inside.next();
            }
            if let Some(start) = from {
                out.push((start, hi));
            }
        }
        Self(out)
    }

    /// Whether every point of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.difference(other).is_empty()
    }

    /// Whether the sets share no point.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.intersection(other).is_empty()
    }

    /// The parts of this set that no other set cuts: points that the same sets hold are together.
    ///
    /// One sweep over all borders. The sets that hold the points between two borders are told apart
    /// by the exclusive or of a 128-bit number for each: for as many as 2^32 of them the odds that two
    /// different combinations share one are below 10^-19.
    pub(super) fn atoms<'a>(&self, others: impl Iterator<Item = &'a Self>) -> Vec<Self>
    where
        T: 'a,
    {
        // (point, change): from this point on the combination is another one.
        let mut changes: Vec<(T, u128)> = Vec::new();
        for (index, other) in others.enumerate() {
            let number = number_of(index);
            for &(lo, hi) in &other.0 {
                changes.push((lo, number));
                changes.extend(hi.next().map(|end| (end, number)));
            }
        }
        changes.sort_unstable();
        let mut parts: HashMap<u128, Vec<(T, T)>> = HashMap::new();
        let mut changes = changes.into_iter().peekable();
        let mut combination = 0;
        for &(lo, hi) in &self.0 {
            let mut from = lo;
            while let Some(&(at, number)) = changes.peek() {
                if at > hi {
                    break;
                }
                if at > from
                    && let Some(end) = at.previous()
                {
                    parts.entry(combination).or_default().push((from, end));
                    from = at;
                }
                combination ^= number;
                changes.next();
            }
            parts.entry(combination).or_default().push((from, hi));
        }
        parts.into_values().map(Self::from_ranges).collect()
    }
}

/// Two rounds of SplitMix64: numbers that share no bits with their index.
pub(crate) fn number_of(index: usize) -> u128 {
    let round = |seed: u64| {
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let index = index as u64;
    u128::from(round(index)) << 64 | u128::from(round(index ^ 0x5555_5555_5555_5555))
}
