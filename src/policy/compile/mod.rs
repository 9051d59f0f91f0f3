//! One file for each policy API, all compiling to the same IR.

mod admin;
mod firewall;
mod network_policy;

use super::ir::{Blind, Combine, PolicySet, Tier, TierName};
use crate::cluster::{AdminTier, ClusterState, FirewallKind};

/// Compiles every policy of the cluster: what the manifests declare, before any enforcer's habits.
pub fn compile(cluster: &ClusterState) -> PolicySet {
    let mut set = PolicySet::default();
    let ordered = |name, policies| Tier { name, combine: Combine::FirstMatch, policies };
    let policies = admin::compile(cluster, AdminTier::Admin, &mut set);
    set.tiers.push(ordered(TierName::Admin, policies));
    let policies = network_policy::compile(cluster, &mut set);
    set.tiers.push(Tier { name: TierName::NetworkPolicy, combine: Combine::Union, policies });
    let policies = admin::compile(cluster, AdminTier::Baseline, &mut set);
    set.tiers.push(ordered(TierName::Baseline, policies));
    for kind in [FirewallKind::EgressFirewall, FirewallKind::EgressNetworkPolicy] {
        let policies = firewall::compile(cluster, kind, &mut set);
        set.firewalls.push(ordered(TierName::Firewall, policies));
    }
    let spots = cluster.blind_spots.iter().enumerate();
    let firewall = |kind: &str| matches!(kind, "EgressFirewall" | "EgressNetworkPolicy");
    set.blind = spots
        .map(|(spot, blind)| Blind {
            namespace: blind.namespace,
            firewall: blind.kind.as_deref().is_some_and(firewall),
            spot,
        })
        .collect();
    set
}
