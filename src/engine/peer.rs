//! The ends of a connection.

use crate::cluster::{AddressKnowledge, ClusterState, NodeId, PodId, named_addresses};
use crate::net::{DomainName, Family, IpSet};
use std::net::IpAddr;

/// An actual end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// A pod.
    Pod(PodId),
    /// A node, by one of its addresses if one is given.
    Node(NodeId, Option<IpAddr>),
    /// Addresses that belong to nobody in the cluster. Callers cut the set so that every policy
    /// matches either all of it or nothing (`Model::atoms`).
    External(IpSet),
    /// A host outside that goes by a name, at one of its addresses if that is known.
    Name(DomainName, Option<IpAddr>),
}

impl Peer {
    /// What is known of its address in a family.
    pub fn address(&self, cluster: &ClusterState, family: Family) -> AddressKnowledge {
        match self {
            Self::Pod(id) => cluster.address(*id, family),
            Self::Node(_, Some(address)) | Self::Name(_, Some(address)) => {
                if Family::of(*address) == family {
                    AddressKnowledge::Exactly(*address)
                } else {
                    AddressKnowledge::None
                }
            }
            Self::Node(id, None) => {
                let addresses = &cluster.node(*id).addresses;
                match addresses.iter().copied().find(|&a| Family::of(a) == family) {
                    Some(address) => AddressKnowledge::Exactly(address),
                    None if addresses.is_empty() => AddressKnowledge::OneOf(IpSet::all(family)),
                    None => AddressKnowledge::None,
                }
            }
            Self::Name(_, None) => AddressKnowledge::OneOf(named_addresses(family)),
            Self::External(set) => {
                let set = set.only(family);
                match set.single() {
                    Some(address) => AddressKnowledge::Exactly(address),
                    None if set.is_empty() => AddressKnowledge::None,
                    None => AddressKnowledge::OneOf(set),
                }
            }
        }
    }

    /// The pod that policies select at this end: none on the node's network, and no address.
    pub(super) fn subject(&self, cluster: &ClusterState) -> Option<PodId> {
        match self {
            Self::Pod(id) if !cluster.pod(*id).host_network => Some(*id),
            _ => None,
        }
    }

    /// The families it has addresses in, in order of preference.
    pub fn families(&self, cluster: &ClusterState) -> Vec<Family> {
        match self {
            Self::Pod(id) => cluster.families(*id),
            Self::Node(_, Some(address)) | Self::Name(_, Some(address)) => {
                vec![Family::of(*address)]
            }
            Self::Name(_, None) => Family::ALL.to_vec(),
            Self::Node(id, None) => {
                let mut families: Vec<Family> = Vec::new();
                for family in cluster.node(*id).addresses.iter().copied().map(Family::of) {
                    if !families.contains(&family) {
                        families.push(family);
                    }
                }
                if families.is_empty() { Family::ALL.to_vec() } else { families }
            }
            Self::External(set) => {
                Family::ALL.into_iter().filter(|&f| !set.only(f).is_empty()).collect()
            }
        }
    }
}

/// The families that both ends have, in the source's order of preference.
pub fn common_families(cluster: &ClusterState, source: &Peer, destination: &Peer) -> Vec<Family> {
    let theirs = destination.families(cluster);
    source.families(cluster).into_iter().filter(|family| theirs.contains(family)).collect()
}
