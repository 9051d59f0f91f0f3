//! The rule IR that every policy API compiles to, and its compilers.
//!
//! Input: the policies of a [`ClusterState`](crate::cluster::ClusterState). Output: a [`PolicySet`]:
//! tiers in order of evaluation, each with policies, each with rules. `enforcement` rewrites it,
//! `engine` evaluates it, and neither knows which API a rule was written in.
//!
//! ```text
//!   PolicySet ─▶ Tier (FirstMatch | Union) ─▶ Policy (subject, isolates) ─▶ Rule (action, peers, ports)
//! ```

mod compile;
mod ir;

pub use compile::compile;
pub use ir::{
    Action, Blind, Combine, Direction, NamespaceMatch, PeerMatch, PeerSelector, Peers, PodsMatch,
    Policy, PolicyId, PolicySet, PortMatch, PortSelector, Ports, Rule, RuleId, Tier, TierName,
};
