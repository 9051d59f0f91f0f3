//! Sets of (protocol, port) pairs.

use super::{Intervals, Protocol};
use std::fmt;

/// Destination ports by protocol: what one peer may open to another.
///
/// Ports run from 1 to 65535; port 0 is not a port one can connect to. Stored on one line,
/// protocol·65536 + port, so that a whole set is one list of intervals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionSet(Intervals<u32>);

impl ConnectionSet {
    /// No connection.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Every port of every protocol.
    pub fn all() -> Self {
        Self(Intervals::from_ranges(Protocol::ALL.map(|p| line_range(p, 1, u16::MAX))))
    }

    /// Every port of one protocol.
    pub fn protocol(protocol: Protocol) -> Self {
        Self::range(protocol, 1, u16::MAX)
    }

    /// One port.
    pub fn port(protocol: Protocol, port: u16) -> Self {
        Self::range(protocol, port, port)
    }

    /// The closed range of ports `first..=last`; empty if `first > last`.
    pub fn range(protocol: Protocol, first: u16, last: u16) -> Self {
        Self(Intervals::from_ranges([line_range(protocol, first.max(1), last)]))
    }

    /// Pairs in any of these sets.
    pub fn union_of<'s>(sets: impl IntoIterator<Item = &'s Self>) -> Self {
        let ranges = sets.into_iter().flat_map(|set| set.0.ranges().iter().copied());
        Self(Intervals::from_ranges(ranges))
    }

    /// Whether the pair is in the set.
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        self.0.contains(line(protocol, port))
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every port of every protocol is in the set.
    pub fn is_all(&self) -> bool {
        self.0.ranges().len() == 3 && *self == Self::all()
    }

    /// Pairs in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0))
    }

    /// Pairs in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0))
    }

    /// Pairs of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0))
    }

    /// Whether every pair of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The ranges, by protocol and then by port.
    pub fn ranges(&self) -> impl Iterator<Item = (Protocol, u16, u16)> + '_ {
        Protocol::ALL.into_iter().flat_map(move |protocol| {
            let (from, to) = line_range(protocol, 1, u16::MAX);
            self.0.ranges().iter().filter_map(move |&(lo, hi)| {
                let (lo, hi) = (lo.max(from), hi.min(to));
                (lo <= hi).then(|| (protocol, port_of(lo), port_of(hi)))
            })
        })
    }
}

fn line(protocol: Protocol, port: u16) -> u32 {
    (protocol.index() << 16) | u32::from(port)
}

fn line_range(protocol: Protocol, first: u16, last: u16) -> (u32, u32) {
    (line(protocol, first), line(protocol, last))
}

fn port_of(point: u32) -> u16 {
    u16::try_from(point & 0xffff).unwrap_or(u16::MAX)
}

impl fmt::Display for ConnectionSet {
    /// `all`, `none`, or the ranges by protocol: `tcp/80,443,8000-8100 udp/53`; a whole protocol
    /// is its bare name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        if self.is_all() {
            return f.write_str("all");
        }
        let mut current = None;
        for (protocol, lo, hi) in self.ranges() {
            if current == Some(protocol) {
                f.write_str(",")?;
            } else {
                if current.is_some() {
                    f.write_str(" ")?;
                }
                f.write_str(protocol.name())?;
                current = Some(protocol);
                if (lo, hi) == (1, u16::MAX) {
                    continue;
                }
                f.write_str("/")?;
            }
            if lo == hi { write!(f, "{lo}")? } else { write!(f, "{lo}-{hi}")? }
        }
        Ok(())
    }
}
