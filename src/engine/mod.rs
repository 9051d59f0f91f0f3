//! The meaning of policies: who may connect to whom.
//!
//! Input: a [`ClusterState`](crate::cluster::ClusterState) and a
//! [`PolicySet`](crate::policy::PolicySet). Output: verdicts. Two evaluators give the same ones:
//! [`mod@reference`] is the specification written as code, one connection at a time; [`Model`] computes
//! whole sets for classes of pods that no policy tells apart. Property tests hold them together.
//!
//! ```text
//!   Peer × Peer × Family ─┬─ reference::evaluate  (protocol, port)   ─▶ Decision
//!                         ├─ Model::verdict       every port at once ─▶ Verdict
//!                         └─ trace                (protocol, port)   ─▶ which rules, and why not
//! ```
//!
//! Inside of a model, pods are sorted by what rules can see of them, and a direction of each class is
//! compiled to a row:
//!
//! ```text
//!   pods ─▶ kinds ─▶ classes ─▶ rows ─┬─ verdict, decide   what two pods may open
//!                                     ├─ Pairs             what one workload may open to all others
//!                                     └─ what_if           which rows a change of one policy alters
//! ```

mod axis;
mod classes;
mod compile;
mod difference;
mod evaluate;
mod graph;
mod interner;
mod kinds;
mod matching;
mod miss;
mod model;
mod pairs;
mod peer;
pub mod reference;
mod rows;
mod set;
mod trace;
mod verdict;
mod what_if;

pub use difference::{Difference, differences, undecided};
pub use graph::GraphNode;
pub use miss::{PeerMiss, pod_misses};
pub use model::Model;
pub use pairs::{Pairs, Said, in_blocks};
pub use peer::{Peer, common_families};
pub use trace::{
    DirectionTrace, Outcome, PeerTrace, PolicyTrace, RuleTrace, Step, Trace, ask, matching_rules,
    ports_to, trace, trace_direction,
};
pub use verdict::{Decision, Unknown, Verdict};
pub use what_if::{Change, Delta, NewPolicy, RowDelta, Uncompiled};
