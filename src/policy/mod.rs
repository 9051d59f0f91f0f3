//! The rule IR that every policy API compiles to, and its compilers.
//!
//! Input: the policies of a [`ClusterState`](crate::cluster::ClusterState). Output: a [`PolicySet`]:
//! tiers in order of evaluation, each with policies, each with rules. `enforcement` rewrites it,
//! `engine` evaluates it, and neither knows which API a rule was written in.
//!
//! ```text
//!   PolicySet ─▶ Tier (FirstMatch | Union) ─▶ Policy (subject, isolates) ─▶ Rule (action, peers, ports)
//!             └▶ firewalls: tiers that must allow as well what leaves the cluster
//! ```

mod compile;
mod effect;
mod ir;
mod tie;

pub use compile::compile;
pub use effect::EffectId;
pub use ir::{
    Action, Blind, Certainty, Closed, Combine, Dataplane, Direction, NamespaceMatch, PeerForm,
    PeerMatch, PeerSelector, Peers, Placed, PodsMatch, Policy, PolicyId, PolicyKind, PolicySet,
    PortMatch, PortSelector, Ports, Reach, Rule, RuleId, Tier, TierName,
};
pub use tie::ties;
