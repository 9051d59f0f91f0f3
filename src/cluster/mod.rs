//! Resources to one resolved, immutable [`ClusterState`].
//!
//! Input: the loaded resources and a few assumptions. Output: namespaces, workloads, pods, nodes,
//! services and policies with every reference resolved, plus diagnostics about how they fit
//! together (the same object twice, two pods with one address).
//!
//! ```text
//!   Resource ─▶ resolve ─▶ ClusterState { namespaces ◀─ pods ─▶ workloads, nodes; services; policies }
//!                 │ owner chains collapse: Pod ▶ ReplicaSet ▶ Deployment is one workload
//!                 │ a workload without pods gets one that stands for those it would make
//!                 └ what was set aside and may matter becomes a BlindSpot
//! ```

mod address;
mod kind;
mod labels;
mod overlay;
mod owners;
mod resolve;
mod state;

pub use crate::manifest::{
    AdminKind, AdminPeer, AdminPeerResource, AdminPolicyResource, AdminPort, AdminPortResource,
    AdminRuleResource, AdminTier, Clue, ContainerClue, ContainerPort, EgressFirewallResource,
    FirewallKind, FirewallPeer, FirewallRuleResource, LabelSelector, Labels, NetworkPolicyResource,
    Operator, PeerSelects, PodsSelector, PortRef, PortResource, Requirement, RuleAction,
    RuleResource, ServicePort,
};
pub use address::{
    AddressKnowledge, link_local_addresses, named_addresses, private_addresses, public_addresses,
    routable_addresses,
};
pub use kind::{KindName, kind_from_user, short_kind};
pub use labels::{Selector, SelectorError};
pub use overlay::{EditError, LabelEdit, ObjectName, Overlay, edit};
pub use resolve::resolve;
pub use state::{
    AddressOwner, Addresses, Assumptions, BlindSpot, ClusterState, Collapsed, FinishedPod,
    FirewallObject, Namespace, NamespaceId, Node, NodeId, Pod, PodId, PolicyObject, Service,
    Workload, WorkloadId,
};
