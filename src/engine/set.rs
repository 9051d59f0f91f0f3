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

/// The members of numbered groups: of each group the numbers that belong to it, ascending.
pub(super) struct Members {
    starts: Vec<u32>,
    members: Vec<u32>,
}

impl Members {
    /// `group_of` has the group of every number.
    pub(super) fn new(group_of: &[u32], groups: usize) -> Self {
        let mut starts = vec![0_u32; groups + 1];
        for &group in group_of {
            starts[group as usize + 1] += 1;
        }
        for at in 0..groups {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut members = vec![0; group_of.len()];
        for (number, &group) in (0..).zip(group_of) {
            let place = &mut next[group as usize];
            members[*place as usize] = number;
            *place += 1;
        }
        Self { starts, members }
    }

    pub(super) fn of(&self, group: u32) -> &[u32] {
        let at = group as usize;
        &self.members[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}
