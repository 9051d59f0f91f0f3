//! Sets of small numbers, sparse or dense.

use fixedbitset::FixedBitSet;

/// A set of numbers below a bound that all sets of a kind have in common.
#[derive(Clone, Debug)]
pub(super) enum Set {
    /// Few: sorted.
    Sparse(Box<[u32]>),
    /// Many.
    Dense(FixedBitSet),
}

impl Default for Set {
    fn default() -> Self {
        Self::Sparse(Box::default())
    }
}

impl Set {
    /// The set of some numbers below `bound`, in any order, with repetitions.
    pub(super) fn new(mut numbers: Vec<u32>, bound: usize) -> Self {
        // Below one in 32 the list is the smaller one.
        if numbers.len() > bound / 32 {
            let mut bits = FixedBitSet::with_capacity(bound);
            bits.extend(numbers.iter().map(|&number| number as usize));
            return Self::Dense(bits);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Self::Sparse(numbers.into())
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        match self {
            Self::Sparse(numbers) => numbers.binary_search(&number).is_ok(),
            Self::Dense(bits) => bits.contains(number as usize),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Sparse(numbers) => numbers.is_empty(),
            Self::Dense(bits) => bits.is_clear(),
        }
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Sparse(numbers) => numbers.len(),
            Self::Dense(bits) => bits.count_ones(..),
        }
    }

    /// The numbers, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (few, many) = match self {
            Self::Sparse(numbers) => (Some(numbers.iter().copied()), None),
            Self::Dense(bits) => (None, Some(bits.ones())),
        };
        let many = many.into_iter().flatten();
        few.into_iter()
            .flatten()
            .chain(many.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

/// Things by the number of the group that they are in, each group's in the order in which they came.
pub(super) struct Members<T> {
    starts: Vec<u32>,
    members: Vec<T>,
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self { starts: vec![0], members: Vec::new() }
    }
}

impl<T: Copy + Default> Members<T> {
    /// Sorts (group, member) pairs, fewer than 2^32 of them, into groups.
    pub(super) fn new(groups: usize, pairs: impl Iterator<Item = (u32, T)> + Clone) -> Self {
        let mut starts = vec![0_u32; groups + 1];
        for (group, _) in pairs.clone() {
            starts[group as usize + 1] += 1;
        }
        for at in 0..groups {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut members = vec![T::default(); starts[groups] as usize];
        for (group, member) in pairs {
            let place = &mut next[group as usize];
            members[*place as usize] = member;
            *place += 1;
        }
        Self { starts, members }
    }

    /// Those of a group; none of one that is not there.
    pub(super) fn of(&self, group: u32) -> &[T] {
        let at = group as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&start), Some(&end)) => &self.members[start as usize..end as usize],
            _ => &[],
        }
    }
}
