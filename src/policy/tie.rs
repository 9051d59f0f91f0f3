//! Policies of one tier with one priority: nobody knows which is asked first.

use super::ir::{Combine, Direction, PolicySet};
use crate::cluster::ClusterState;
use crate::diagnostic::{Code, Diagnostic};

/// Warns of policies of equal priority that are about the same pod in the same direction: "the
/// implementation can apply any of the matching policies" (`ClusterNetworkPolicySpec.priority`).
pub fn ties(cluster: &ClusterState, set: &PolicySet) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for tier in set.tiers.iter().filter(|tier| tier.combine == Combine::FirstMatch) {
        let equal = |a: &_, b: &_| set.policy(*a).order == set.policy(*b).order;
        for group in tier.policies.chunk_by(equal).filter(|group| group.len() > 1) {
            for (at, &first) in group.iter().enumerate() {
                let first = set.policy(first);
                let rival = group[at + 1..].iter().map(|&id| set.policy(id)).find(|second| {
                    let both = Direction::ALL.into_iter().any(|direction| {
                        let has = |rules: &[Vec<_>; 2]| !rules[direction.index()].is_empty();
                        has(&first.rules) && has(&second.rules)
                    });
                    both && cluster.pods.iter().any(|pod| {
                        let namespace = cluster.namespace(pod.namespace);
                        let about = |policy: &super::Policy| {
                            policy.subject.matches(pod, namespace) != Some(false)
                        };
                        about(first) && about(second)
                    })
                });
                let Some(second) = rival else { continue };
                found.push(
                    Diagnostic::new(
                        Code::PriorityTie,
                        format!(
                            "`{}` and `{}` have the same priority, {}, and select the same pods",
                            first.name, second.name, first.order
                        ),
                    )
                    .at(second.span, "selects pods that the other one selects, too")
                    .also_at(first.span, "the other one")
                    .note("the API leaves open which of them is asked first: where they differ, the answer is undetermined")
                    .help("give them different priorities"),
                );
            }
        }
    }
    found
}
