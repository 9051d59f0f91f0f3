//! What is known of a pod's address.

use crate::net::{Family, IpSet};
use ipnet::IpNet;
use std::net::IpAddr;

/// What is known of one endpoint's address in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressKnowledge {
    /// It has none.
    None,
    /// It is this one.
    Exactly(IpAddr),
    /// It is one of these, and nothing says which.
    OneOf(IpSet),
}

/// Blocks that clusters take pod addresses from: RFC 1918, RFC 6598 (carrier-grade NAT, used by
/// GKE, EKS and others for pods) and RFC 4193 (unique local IPv6).
const PRIVATE: [&str; 5] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

/// Addresses that a host has on its own link only; cloud metadata services and node-local DNS use
/// them.
const LINK_LOCAL: [&str; 2] = ["169.254.0.0/16", "fe80::/10"];

/// Blocks that nobody is reached at: this network, loopback, multicast, reserved (IANA
/// special-purpose registries). Documentation and benchmarking blocks count as public: examples use
/// them for public addresses.
const NOWHERE: [&str; 7] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/127",
    "::ffff:0:0/96",
    "ff00::/8",
];

fn blocks(texts: &[&str]) -> IpSet {
    IpSet::blocks(texts.iter().filter_map(|text| text.parse::<IpNet>().ok()))
}

/// Addresses that a pod may be assumed to have where nothing else is known.
pub fn private_addresses(family: Family) -> IpSet {
    blocks(&PRIVATE).only(family)
}

/// Addresses of the own link.
pub fn link_local_addresses(family: Family) -> IpSet {
    blocks(&LINK_LOCAL).only(family)
}

/// Addresses that a packet can be sent to.
pub fn routable_addresses(family: Family) -> IpSet {
    IpSet::all(family).difference(&blocks(&NOWHERE))
}

/// Names that clouds give their metadata service inside of their networks (Google Cloud: "VM metadata";
/// AWS: "Instance metadata and user data").
pub(super) const METADATA_NAMES: [&str; 2] =
    ["metadata.google.internal", "instance-data.ec2.internal"];

/// The address of the metadata service that these names stand for.
pub(super) const METADATA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254));

/// Addresses that a domain name may stand for. But for those of metadata services no name is taken to
/// lead to an address of the own link.
pub fn named_addresses(family: Family) -> IpSet {
    routable_addresses(family).difference(&blocks(&LINK_LOCAL))
}

/// Addresses of the internet: what `internet` means as an end of a question.
pub fn public_addresses(family: Family) -> IpSet {
    routable_addresses(family).difference(&blocks(&PRIVATE)).difference(&blocks(&LINK_LOCAL))
}
