//! Laws of the set algebra, against sets of single points.

use ipnet::IpNet;
use kubereach::net::{ConnectionSet, Family, IpSet, Protocol};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)]
}

/// A few ranges near each other and near the borders, so that they touch and overlap.
fn connections() -> impl Strategy<Value = Vec<(Protocol, u16, u16)>> {
    let port = prop_oneof![1_u16..12, 65_525_u16..=65_535];
    prop::collection::vec((protocol(), port.clone(), port), 0..5)
}

fn set(ranges: &[(Protocol, u16, u16)]) -> ConnectionSet {
    ranges
        .iter()
        .map(|&(protocol, first, last)| ConnectionSet::range(protocol, first, last))
        .fold(ConnectionSet::empty(), |all, one| all.union(&one))
}

fn has(ranges: &[(Protocol, u16, u16)], protocol: Protocol, port: u16) -> bool {
    ranges.iter().any(|&(p, first, last)| p == protocol && (first..=last).contains(&port))
}

fn blocks() -> impl Strategy<Value = Vec<IpNet>> {
    let block = (0_u32..256, 22_u8..=32).prop_map(|(low, length)| {
        let address = Ipv4Addr::from(0x0a00_0000 | low);
        IpNet::new(address.into(), length).expect("a length up to 32").trunc()
    });
    prop::collection::vec(block, 0..5)
}

proptest! {
    #[test]
    fn connection_sets_are_sets_of_points(a in connections(), b in connections()) {
        let (x, y) = (set(&a), set(&b));
        let (union, both, minus) = (x.union(&y), x.intersection(&y), x.difference(&y));
        for protocol in Protocol::ALL {
            for port in (1..14).chain(65_523..=65_535) {
                let (in_a, in_b) = (has(&a, protocol, port), has(&b, protocol, port));
                prop_assert_eq!(union.contains(protocol, port), in_a || in_b);
                prop_assert_eq!(both.contains(protocol, port), in_a && in_b);
                prop_assert_eq!(minus.contains(protocol, port), in_a && !in_b);
            }
        }
        prop_assert_eq!(x.is_subset(&y), minus.is_empty());
        // Equal sets are equal values, however they were made.
        prop_assert_eq!(both.union(&minus), x.clone());
        prop_assert_eq!(set(&x.ranges().collect::<Vec<_>>()), x);
    }

    #[test]
    fn ip_sets_are_sets_of_points(a in blocks(), b in blocks()) {
        let (x, y) = (IpSet::blocks(a.iter().copied()), IpSet::blocks(b.iter().copied()));
        let minus = x.difference(&y);
        for low in 0..1024_u32 {
            let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | low));
            let in_a = a.iter().any(|net| net.contains(&address));
            let in_b = b.iter().any(|net| net.contains(&address));
            prop_assert_eq!(x.contains(address), in_a);
            prop_assert_eq!(minus.contains(address), in_a && !in_b);
        }
        prop_assert_eq!(IpSet::blocks(x.to_blocks()), x.clone());
        prop_assert!(!x.contains("::a00:1".parse().expect("an address")));
    }

    #[test]
    fn atoms_are_a_partition_that_no_set_cuts(a in blocks(), others in prop::collection::vec(blocks(), 0..4)) {
        let whole = IpSet::blocks(a.iter().copied());
        let others: Vec<IpSet> = others.into_iter().map(IpSet::blocks).collect();
        let atoms = whole.atoms(&others);
        let mut sum = IpSet::empty();
        for atom in &atoms {
            prop_assert!(!atom.is_empty());
            prop_assert!(sum.is_disjoint(atom));
            sum = sum.union(atom);
            for other in &others {
                prop_assert!(atom.is_subset(other) || atom.is_disjoint(other));
            }
        }
        prop_assert_eq!(sum, whole);
    }
}

#[test]
fn whole_sets_are_whole() {
    assert!(ConnectionSet::all().is_all());
    assert_eq!(ConnectionSet::all().to_string(), "all");
    let all_tcp = ConnectionSet::protocol(Protocol::Tcp);
    assert_eq!(all_tcp.union(&ConnectionSet::port(Protocol::Udp, 53)).to_string(), "tcp udp/53");
    assert!(!ConnectionSet::all().contains(Protocol::Tcp, 0), "port 0 is no port");
    for family in Family::ALL {
        assert_eq!(IpSet::all(family).to_blocks().len(), 1, "{family}");
    }
    assert_eq!(IpSet::all(Family::V6).to_string(), "::/0");
}
