//! Sets of IP addresses.

use super::Intervals;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both families.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The place in a pair of values.
    pub fn index(self) -> usize {
        match self {
            Self::V4 => 0,
            Self::V6 => 1,
        }
    }

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The other family.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A set of addresses of both families. The families are disjoint: `0.0.0.0/0` holds no IPv6
/// address, not even an IPv4-mapped one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpSet {
    v4: Intervals<u32>,
    v6: Intervals<u128>,
}

impl IpSet {
    /// No address.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Every address of a family.
    pub fn all(family: Family) -> Self {
        match family {
            Family::V4 => Self::range4(0, u32::MAX),
            Family::V6 => Self::range6(0, u128::MAX),
        }
    }

    fn range4(lo: u32, hi: u32) -> Self {
        Self { v4: Intervals::from_ranges([(lo, hi)]), v6: Intervals::default() }
    }

    fn range6(lo: u128, hi: u128) -> Self {
        Self { v4: Intervals::default(), v6: Intervals::from_ranges([(lo, hi)]) }
    }

    /// The addresses of a CIDR block; host bits are ignored (`10.0.0.5/24` is `10.0.0.0/24`).
    pub fn block(block: IpNet) -> Self {
        match block {
            IpNet::V4(net) => Self::range4(net.network().into(), net.broadcast().into()),
            IpNet::V6(net) => Self::range6(net.network().into(), net.broadcast().into()),
        }
    }

    /// The addresses of several CIDR blocks.
    pub fn blocks(blocks: impl IntoIterator<Item = IpNet>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for block in blocks {
            match block {
                IpNet::V4(net) => v4.push((net.network().into(), net.broadcast().into())),
                IpNet::V6(net) => v6.push((net.network().into(), net.broadcast().into())),
            }
        }
        Self { v4: Intervals::from_ranges(v4), v6: Intervals::from_ranges(v6) }
    }

    /// One address.
    pub fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(a) => Self::range4(a.into(), a.into()),
            IpAddr::V6(a) => Self::range6(a.into(), a.into()),
        }
    }

    /// Whether the address is in the set.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => self.v4.contains(a.into()),
            IpAddr::V6(a) => self.v6.contains(a.into()),
        }
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The closed ranges of one family, ascending.
    pub fn ranges(&self, family: Family) -> Vec<(IpAddr, IpAddr)> {
        match family {
            Family::V4 => {
                let ranges = self.v4.ranges().iter();
                ranges.map(|&(a, b)| (Ipv4Addr::from(a).into(), Ipv4Addr::from(b).into())).collect()
            }
            Family::V6 => {
                let ranges = self.v6.ranges().iter();
                ranges.map(|&(a, b)| (Ipv6Addr::from(a).into(), Ipv6Addr::from(b).into())).collect()
            }
        }
    }

    /// The addresses of one family only.
    #[must_use]
    pub fn only(&self, family: Family) -> Self {
        match family {
            Family::V4 => Self { v4: self.v4.clone(), v6: Intervals::default() },
            Family::V6 => Self { v4: Intervals::default(), v6: self.v6.clone() },
        }
    }

    /// Addresses in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self { v4: self.v4.union(&other.v4), v6: self.v6.union(&other.v6) }
    }

    /// Addresses in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self { v4: self.v4.intersection(&other.v4), v6: self.v6.intersection(&other.v6) }
    }

    /// Addresses of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self { v4: self.v4.difference(&other.v4), v6: self.v6.difference(&other.v6) }
    }

    /// Whether every address of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.v4.is_subset(&other.v4) && self.v6.is_subset(&other.v6)
    }

    /// Whether the sets share no address.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.v4.is_disjoint(&other.v4) && self.v6.is_disjoint(&other.v6)
    }

    /// The least address of the set: a representative where all behave alike.
    pub fn first(&self) -> Option<IpAddr> {
        let v4 = self.v4.ranges().first().map(|&(lo, _)| IpAddr::V4(lo.into()));
        v4.or_else(|| self.v6.ranges().first().map(|&(lo, _)| IpAddr::V6(lo.into())))
    }

    /// The address, if it is only one.
    pub fn single(&self) -> Option<IpAddr> {
        let first = self.first()?;
        (*self == Self::address(first)).then_some(first)
    }

    /// The fewest CIDR blocks that make up the set, IPv4 first, ascending.
    pub fn to_blocks(&self) -> Vec<IpNet> {
        let v4 = self.v4.ranges().iter().flat_map(|&(lo, hi)| {
            blocks_of(u128::from(lo), u128::from(hi), 32).into_iter().filter_map(|(at, len)| {
                let at = u32::try_from(at).ok()?;
                Ipv4Net::new(Ipv4Addr::from(at), len).ok().map(IpNet::V4)
            })
        });
        let v6 = self.v6.ranges().iter().flat_map(|&(lo, hi)| {
            blocks_of(lo, hi, 128)
                .into_iter()
                .filter_map(|(at, len)| Ipv6Net::new(Ipv6Addr::from(at), len).ok().map(IpNet::V6))
        });
        v4.chain(v6).collect()
    }

    /// Cuts the set at the borders of every other set: within one part, each of `others` holds
    /// either every address or none. Parts are in ascending order and never empty.
    #[must_use]
    pub fn atoms<'a>(&self, others: impl IntoIterator<Item = &'a IpSet>) -> Vec<IpSet> {
        let others: Vec<&IpSet> = others.into_iter().collect();
        let v4 = self.v4.atoms(others.iter().map(|set| &set.v4));
        let v6 = self.v6.atoms(others.iter().map(|set| &set.v6));
        let v4 = v4.into_iter().map(|v4| Self { v4, v6: Intervals::default() });
        let v6 = v6.into_iter().map(|v6| Self { v4: Intervals::default(), v6 });
        let mut parts: Vec<Self> = v4.chain(v6).collect();
        parts.sort();
        parts
    }
}

/// Splits `lo..=hi` into aligned power-of-two blocks: (address, prefix length).
fn blocks_of(mut lo: u128, hi: u128, bits: u8) -> Vec<(u128, u8)> {
    let mut out = Vec::new();
    loop {
        let aligned = lo.trailing_zeros().min(u32::from(bits));
        // The largest block that starts at `lo`, is aligned, and ends at or before `hi`.
        let mut size = aligned;
        while size > 0 && block_end(lo, size).is_none_or(|end| end > hi) {
            size -= 1;
        }
        let end = block_end(lo, size).unwrap_or(u128::MAX);
        out.push((lo, bits - u8::try_from(size).unwrap_or(bits)));
        match end.checked_add(1) {
            Some(next) if end < hi => lo = next,
            _ => return out,
        }
    }
}

/// The last address of the block of `2^size` addresses at `lo`.
fn block_end(lo: u128, size: u32) -> Option<u128> {
    if size >= 128 { (lo == 0).then_some(u128::MAX) } else { lo.checked_add((1u128 << size) - 1) }
}

impl fmt::Display for IpSet {
    /// The fewest CIDR blocks, separated by commas; a single address without its prefix length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, block) in self.to_blocks().into_iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            if block.prefix_len() == block.max_prefix_len() {
                write!(f, "{}", block.addr())?;
            } else {
                write!(f, "{block}")?;
            }
        }
        Ok(())
    }
}
