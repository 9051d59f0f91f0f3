//! Policies of one tier with one priority: nobody knows which is asked first.

use super::ir::{Combine, Direction, PolicyId, PolicySet};
use crate::cluster::{ClusterState, PodId};
use crate::diagnostic::{Code, Diagnostic};
use std::collections::{BTreeMap, HashMap};

/// Warns of policies of equal priority that are about the same pod in the same direction: "the
/// implementation can apply any of the matching policies" (`ClusterNetworkPolicySpec.priority`).
pub fn ties(cluster: &ClusterState, set: &PolicySet) -> Vec<Diagnostic> {
    let mut found = BTreeMap::new();
    for tier in set.tiers.iter().filter(|tier| tier.combine == Combine::FirstMatch) {
        let equal = |a: &_, b: &_| set.policy(*a).order == set.policy(*b).order;
        for group in tier.policies.chunk_by(equal).filter(|group| group.len() > 1) {
            // By pod and direction, the first policy of the group that is about it.
            let mut first: HashMap<(PodId, Direction), PolicyId> = HashMap::new();
            for &id in group {
                let policy = set.policy(id);
                for pod in cluster.pod_ids() {
                    let own = cluster.pod(pod);
                    if policy.subject.matches(own, cluster.namespace(own.namespace)) == Some(false)
                    {
                        continue;
                    }
                    for direction in Direction::ALL {
                        if policy.rules[direction.index()].is_empty() {
                            continue;
                        }
                        let rival = *first.entry((pod, direction)).or_insert(id);
                        if rival != id {
                            found.entry((rival, id)).or_insert_with(|| tie(set, rival, id));
                        }
                    }
                }
            }
        }
    }
    found.into_values().collect()
}

fn tie(set: &PolicySet, first: PolicyId, second: PolicyId) -> Diagnostic {
    let (first, second) = (set.policy(first), set.policy(second));
    let (message, help) = if first.kind == second.kind {
        let message = format!(
            "`{}` and `{}` have the same priority, {}, and select the same pods",
            first.name, second.name, first.order
        );
        (message, "give them different priorities")
    } else {
        let message = format!(
            "{} `{}` and {} `{}` have no order between them, and select the same pods",
            first.kind, first.name, second.kind, second.name
        );
        (message, "write them in one API, or with different priorities")
    };
    Diagnostic::new(Code::PriorityTie, message)
        .at(second.span, "selects pods that the other one selects, too")
        .also_at(first.span, "the other one")
        .note("the API leaves open which of them is asked first: where they differ, the answer is undetermined")
        .help(help)
}
