//! One file for each policy API, all compiling to the same IR.

mod network_policy;

use super::ir::{Blind, Combine, PolicySet, Tier, TierName};
use crate::cluster::ClusterState;

/// Compiles every policy of the cluster: what the manifests declare, before any enforcer's habits.
pub fn compile(cluster: &ClusterState) -> PolicySet {
    let mut set = PolicySet::default();
    let policies = network_policy::compile(cluster, &mut set);
    set.tiers.push(Tier { name: TierName::NetworkPolicy, combine: Combine::Union, policies });
    let spots = cluster.blind_spots.iter().enumerate();
    set.blind = spots.map(|(spot, blind)| Blind { namespace: blind.namespace, spot }).collect();
    set
}
