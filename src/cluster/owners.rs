//! Owner chains: which workload a pod belongs to.

use crate::manifest::{Labels, Owner, WorkloadResource};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Namespace, group, kind and name of a workload.
pub(super) type WorkloadKey = (Arc<str>, Arc<str>, Arc<str>, Arc<str>);

/// Controllers between a pod and its workload: (kind, name).
pub(super) type Via = Arc<[(Arc<str>, Arc<str>)]>;

/// A workload, and the controllers on the way to it.
pub(super) struct Chain {
    pub(super) top: WorkloadKey,
    pub(super) via: Via,
}

/// The workloads of the input, by what identifies them.
pub(super) type Workloads<'a> = BTreeMap<WorkloadKey, &'a WorkloadResource>;

/// Owners that do not make pods as a workload does: static pods belong to their node.
fn makes_pods(owner: &Owner) -> bool {
    &*owner.kind != "Node"
}

/// Follows the owners of an object up to one that has none. `None` if it has no owner itself.
pub(super) fn climb(
    namespace: &Arc<str>,
    owner: Option<&Owner>,
    pod_labels: &Labels,
    workloads: &Workloads<'_>,
) -> Option<Chain> {
    let mut via = Vec::new();
    let mut owner = owner.filter(|owner| makes_pods(owner))?.clone();
    // A chain longer than this is a circle.
    for _ in 0..8 {
        let key = (
            Arc::clone(namespace),
            Arc::clone(&owner.group),
            Arc::clone(&owner.kind),
            Arc::clone(&owner.name),
        );
        let next = match workloads.get(&key) {
            Some(object) => object.meta.owner.clone().filter(makes_pods),
            None => deployment_of(&owner, pod_labels),
        };
        match next {
            Some(next) => {
                via.push((owner.kind, owner.name));
                owner = next;
            }
            None => return Some(Chain { top: key, via: via.into() }),
        }
    }
    None
}

/// A Deployment names its `ReplicaSets` after itself and the label `pod-template-hash`
/// (`pkg/controller/deployment/sync.go`); so a ReplicaSet that is not in the input gives it away.
fn deployment_of(owner: &Owner, pod_labels: &Labels) -> Option<Owner> {
    if &*owner.kind != "ReplicaSet" || &*owner.group != "apps" {
        return None;
    }
    let hash = pod_labels.get("pod-template-hash")?;
    let name = owner.name.strip_suffix(&**hash)?.strip_suffix('-')?;
    Some(Owner { group: "apps".into(), kind: "Deployment".into(), name: name.into() })
}
