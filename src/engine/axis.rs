//! A family's addresses, cut wherever a block of a rule begins or ends.

use super::interner::Interner;
use crate::net::{Family, IpSet};
use std::net::IpAddr;

/// Where a pod's address is, as far as blocks look.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    None,
    /// Not known, of a pod on its own network or on its node's.
    Unknown(bool),
    /// In the sets whose numbers have this exclusive or.
    In(u128),
}

/// The same before pieces that the same sets hold are one part.
#[derive(Clone, Copy)]
pub(super) enum Place {
    None,
    Unknown(bool),
    In(usize),
}

/// One family's addresses, cut wherever a block begins or ends.
#[derive(Default)]
pub(super) struct Axis {
    /// (first address of a piece, the sets that hold it), ascending.
    pub(super) pieces: Vec<(IpAddr, u128)>,
    pub(super) parts: Interner<Part>,
    /// Pieces that hold a pod's address, with their part: ascending once all pods are known.
    pub(super) occupied: Vec<(usize, u32)>,
}

impl Axis {
    pub(super) fn new(sets: &[&IpSet], family: Family) -> Self {
        let mut changes: Vec<(IpAddr, u128)> = Vec::new();
        for (index, set) in sets.iter().enumerate() {
            let number = crate::net::number_of(index);
            for (first, last) in set.ranges(family) {
                changes.push((first, number));
                changes.extend(next_address(last).map(|end| (end, number)));
            }
        }
        changes.sort_unstable();
        let mut axis = Self::default();
        let mut held = 0;
        for (at, number) in changes {
            held ^= number;
            match axis.pieces.last_mut() {
                Some((last, sets)) if *last == at => *sets = held,
                _ => axis.pieces.push((at, held)),
            }
        }
        axis
    }

    /// The piece that holds an address; 0 is what stands before the first border.
    pub(super) fn piece(&self, address: IpAddr) -> usize {
        self.pieces.partition_point(|(first, _)| *first <= address)
    }

    /// The part that a place is in.
    pub(super) fn part(&mut self, at: Place) -> u32 {
        let piece = match at {
            Place::None => return self.parts.id(Part::None),
            Place::Unknown(host_network) => return self.parts.id(Part::Unknown(host_network)),
            Place::In(piece) => piece,
        };
        let held = piece.checked_sub(1).map_or(0, |at| self.pieces[at].1);
        let part = self.parts.id(Part::In(held));
        if self.occupied.last() != Some(&(piece, part)) {
            self.occupied.push((piece, part));
        }
        part
    }

    /// The parts that a set of addresses holds.
    pub(super) fn parts_of(&self, set: &IpSet, family: Family) -> Vec<u32> {
        let mut found = Vec::new();
        for (first, last) in set.ranges(family) {
            let (from, to) = (self.piece(first), self.piece(last));
            let start = self.occupied.partition_point(|(piece, _)| *piece < from);
            let inside = self.occupied[start..].iter().take_while(|(piece, _)| *piece <= to);
            found.extend(inside.map(|&(_, part)| part));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether every border of a set is one already, as far as pods can tell.
    pub(super) fn is_cut_at(&self, set: &IpSet, family: Family) -> bool {
        let border = |at: IpAddr| {
            let piece = self.piece(at);
            let cut = piece > 0 && self.pieces[piece - 1].0 == at;
            // A cut through a piece that nobody has an address in cuts nobody.
            let place = self.occupied.partition_point(|(own, _)| *own < piece);
            cut || self.occupied.get(place).is_none_or(|(own, _)| *own != piece)
        };
        set.ranges(family)
            .into_iter()
            .all(|(first, last)| border(first) && next_address(last).is_none_or(border))
    }
}

pub(super) fn next_address(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            u32::from(address).checked_add(1).map(|next| IpAddr::V4(next.into()))
        }
        IpAddr::V6(address) => {
            u128::from(address).checked_add(1).map(|next| IpAddr::V6(next.into()))
        }
    }
}
