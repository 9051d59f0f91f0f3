//! What policies mean, whatever they are called and wherever they stand: two with one meaning change nothing.

use crate::cluster::{ClusterState, PodId, Selector};
use crate::net::IpSet;
use crate::policy::{
    Combine, NamespaceMatch, PeerMatch, Peers, Placed, PodsMatch, Policy, PolicyId, PolicySet,
    Ports, Rule,
};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A 64-bit hash of what a policy says, with the names of what it says it of: ids differ from cluster to
/// cluster. `SipHash`, as two policies of one hash count as equal.
fn meaning(cluster: &ClusterState, set: &PolicySet, policy: &Policy, ordered: bool) -> u64 {
    let words = Words { cluster, set };
    let mut hasher = DefaultHasher::new();
    words.pods(&policy.subject).hash(&mut hasher);
    (policy.isolates, policy.counts, policy.doubt.is_some()).hash(&mut hasher);
    if ordered {
        policy.order.hash(&mut hasher);
    }
    for list in &policy.rules {
        let mut rules: Vec<u64> = list.iter().map(|&id| words.rule(set.rule(id))).collect();
        if !ordered {
            // Any rule that matches allows: their order says nothing, nor does one that stands twice.
            rules.sort_unstable();
            rules.dedup();
        }
        rules.hash(&mut hasher);
    }
    hasher.finish()
}

/// The policies of one set that have no equal in the other, of both: by tier, and by how many there are.
pub(super) fn unequal(
    before: (&ClusterState, &PolicySet),
    after: (&ClusterState, &PolicySet),
) -> [Vec<PolicyId>; 2] {
    let sorted = |(cluster, set): (&ClusterState, &PolicySet)| {
        let mut all: BTreeMap<(usize, u64), Vec<PolicyId>> = BTreeMap::new();
        for (tier, own) in set.tiers.iter().chain(&set.firewalls).enumerate() {
            let ordered = own.combine == Combine::FirstMatch;
            let key = |&id: &PolicyId| meaning(cluster, set, set.policy(id), ordered);
            let keys: Vec<u64> = own.policies.par_iter().map(key).collect();
            for (key, &id) in keys.into_iter().zip(&own.policies) {
                all.entry((tier, key)).or_default().push(id);
            }
        }
        all
    };
    let (before, after) = (sorted(before), sorted(after));
    let beyond = |own: &BTreeMap<(usize, u64), Vec<PolicyId>>,
                  other: &BTreeMap<(usize, u64), Vec<PolicyId>>| {
        let surplus = own.iter().flat_map(|(key, ids)| {
            let equal = other.get(key).map_or(0, Vec::len);
            ids.iter().skip(equal).copied().collect::<Vec<_>>()
        });
        surplus.collect::<Vec<_>>()
    };
    [beyond(&before, &after), beyond(&after, &before)]
}

struct Words<'a> {
    cluster: &'a ClusterState,
    set: &'a PolicySet,
}

fn hashed(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Words<'_> {
    fn rule(&self, rule: &Rule) -> u64 {
        let mut hasher = DefaultHasher::new();
        hashed(&format!("{:?}", rule.action)).hash(&mut hasher);
        rule.doubt.is_some().hash(&mut hasher);
        if let Some(own) = &rule.own {
            let own: Vec<u64> = own.iter().map(|peer| self.peer(peer)).collect();
            own.hash(&mut hasher);
        }
        match &rule.peers {
            Peers::Any => 0_u8.hash(&mut hasher),
            Peers::Of(list) => {
                let mut each: Vec<u64> = list.iter().map(|p| self.peer(&p.matches)).collect();
                each.sort_unstable();
                each.dedup();
                each.hash(&mut hasher);
            }
        }
        match &rule.ports {
            Ports::Any => 0_u8.hash(&mut hasher),
            Ports::Of(list) => {
                let mut each: Vec<u64> = list.iter().map(|port| hashed(&port.matches)).collect();
                each.sort_unstable();
                each.dedup();
                each.hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    fn peer(&self, peer: &PeerMatch) -> u64 {
        match peer {
            PeerMatch::Pods(pods) => hashed(&(0_u8, self.pods(pods))),
            PeerMatch::Addresses(set, reach) => hashed(&(1_u8, addresses(set), *reach)),
            PeerMatch::Placed(placed) => hashed(&(2_u8, self.placed(placed))),
            PeerMatch::Nodes(selector) => hashed(&(3_u8, text(selector))),
            PeerMatch::Domains(names) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                hashed(&(4_u8, names))
            }
        }
    }

    fn pods(&self, pods: &PodsMatch) -> (String, String) {
        let namespaces = match &pods.namespaces {
            NamespaceMatch::Is(id) => format!("={}", self.cluster.namespace(*id).name),
            NamespaceMatch::Labelled(selector) => text(selector),
        };
        (namespaces, text(&pods.pods))
    }

    fn placed(&self, placed: &Placed) -> [Vec<String>; 3] {
        let pods = |ids: &[PodId]| ids.iter().map(|&id| self.cluster.pod_name(id)).collect();
        let nodes = placed.nodes.iter().map(|&id| self.cluster.node(id).name.to_string());
        [nodes.collect(), pods(&placed.unplaced), pods(&placed.doubtful)]
    }
}

impl Words<'_> {
    /// What the dataplane does whatever policies say, with the names of what it does it to.
    fn dataplane(&self) -> String {
        let plane = &self.set.dataplane;
        let left: Vec<String> =
            plane.left_alone.iter().map(|&id| self.cluster.pod_name(id)).collect();
        let rest = crate::policy::Dataplane { left_alone: Vec::new(), ..plane.clone() };
        format!("{rest:?} {left:?} {}", self.set.ignored)
    }
}

/// Whether the dataplanes of two policy sets do the same beside policies.
pub(super) fn same_dataplane(
    before: (&ClusterState, &PolicySet),
    after: (&ClusterState, &PolicySet),
) -> bool {
    let of = |(cluster, set)| Words { cluster, set }.dataplane();
    of(before) == of(after)
}

fn text(selector: &Selector) -> String {
    // A key that stands twice with one value says no more than once.
    let mut each: Vec<String> = selector.requirements().iter().map(ToString::to_string).collect();
    each.dedup();
    each.join(",")
}

fn addresses(set: &IpSet) -> String {
    set.to_string()
}
