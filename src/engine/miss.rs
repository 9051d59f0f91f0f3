//! What keeps a selector from matching.

use super::matching;
use super::peer::Peer;
use crate::cluster::{ClusterState, NamespaceId, PodId, Requirement};
use crate::policy::{NamespaceMatch, PeerMatch, PodsMatch};

/// One thing that keeps a selector from matching an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMiss {
    /// The pod lacks a label, or has another value.
    PodLabel {
        /// What the selector asks for.
        wanted: Requirement,
        /// The pod.
        pod: PodId,
    },
    /// The pod's namespace lacks a label, or has another value.
    NamespaceLabel {
        /// What the selector asks for.
        wanted: Requirement,
        /// The pod.
        pod: PodId,
    },
    /// The selector is about pods of one namespace, that of the policy, and the pod is in another.
    OtherNamespace {
        /// The one that it is about.
        wanted: NamespaceId,
        /// The pod.
        pod: PodId,
    },
    /// Pods on their node's network are matched by no selector of pods.
    HostNetwork,
    /// A node, an address or a name is matched by no selector of pods.
    NotAPod,
    /// The address is not in the block.
    Address,
    /// The enforcer does not match pods, or nodes, by blocks: this is one.
    Unreached,
    /// It is none of the nodes that the selector is about.
    NotTheNode,
    /// It has none of the domain names that the selector is about.
    NotTheName,
}

/// Everything that keeps a peer selector from matching the other end; for one that does not match.
pub(super) fn peer_misses(
    cluster: &ClusterState,
    selector: &PeerMatch,
    other: &Peer,
) -> Vec<PeerMiss> {
    match (selector, other) {
        (PeerMatch::Addresses(_, reach), _) if !matching::reaches(cluster, *reach, other) => {
            vec![PeerMiss::Unreached]
        }
        (PeerMatch::Addresses(..), _) => vec![PeerMiss::Address],
        (PeerMatch::Nodes(_) | PeerMatch::Placed(_), _) => vec![PeerMiss::NotTheNode],
        (PeerMatch::Domains(_), _) => vec![PeerMiss::NotTheName],
        (PeerMatch::Pods(_), Peer::Node(..) | Peer::External(_) | Peer::Name(..)) => {
            vec![PeerMiss::NotAPod]
        }
        (PeerMatch::Pods(wanted), Peer::Pod(id)) => pod_misses(cluster, wanted, *id),
    }
}

/// Everything that keeps a selector of pods from matching a pod: the labels of the pod first, then its
/// namespace.
pub fn pod_misses(cluster: &ClusterState, wanted: &PodsMatch, id: PodId) -> Vec<PeerMiss> {
    let pod = cluster.pod(id);
    if pod.host_network {
        return vec![PeerMiss::HostNetwork];
    }
    let mut misses: Vec<PeerMiss> = wanted
        .pods
        .unmet(&pod.labels)
        .map(|wanted| PeerMiss::PodLabel { wanted: wanted.clone(), pod: id })
        .collect();
    match &wanted.namespaces {
        NamespaceMatch::Is(own) if *own == pod.namespace => {}
        NamespaceMatch::Is(own) => {
            misses.push(PeerMiss::OtherNamespace { wanted: *own, pod: id });
        }
        NamespaceMatch::Labelled(selector) => {
            let unmet = selector.unmet_by(cluster.namespace(pod.namespace)).cloned();
            misses.extend(unmet.map(|wanted| PeerMiss::NamespaceLabel { wanted, pod: id }));
        }
    }
    misses
}
