//! Which kinds of objects there are, and what each is to us.

use super::ordered::{AdminKind, FirewallKind};

/// What an API group and kind is to the question who reaches whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Read by this program.
    Used(Used),
    /// A list of objects: `v1 List`, or a typed list.
    List,
    /// A policy that may change the answer and that is not evaluated.
    UnsupportedPolicy,
    /// A policy above the transport layer.
    MeshPolicy,
    /// Known, or unknown and harmless as far as anyone can tell from its name.
    Irrelevant,
    /// A kind of ours in a version or group that current servers do not serve.
    Retired {
        /// The version that replaced it.
        current: &'static str,
    },
    /// A kind of ours in a group or version that never had it: most likely a typo.
    WrongVersion {
        /// The version that has it.
        current: &'static str,
    },
    /// A built-in API group has no such kind.
    Unheard {
        /// The kind that was probably meant.
        nearest: Option<&'static str>,
    },
}

/// The kinds that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    Namespace,
    Node,
    Pod,
    Service,
    NetworkPolicy,
    Admin(AdminKind),
    Firewall(FirewallKind),
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    ReplicationController,
    Job,
    CronJob,
}

/// (group/version as in `apiVersion`, kind, what it is)
const USED: &[(&str, &str, Used)] = &[
    ("v1", "Namespace", Used::Namespace),
    ("v1", "Node", Used::Node),
    ("v1", "Pod", Used::Pod),
    ("v1", "Service", Used::Service),
    ("v1", "ReplicationController", Used::ReplicationController),
    ("apps/v1", "Deployment", Used::Deployment),
    ("apps/v1", "ReplicaSet", Used::ReplicaSet),
    ("apps/v1", "StatefulSet", Used::StatefulSet),
    ("apps/v1", "DaemonSet", Used::DaemonSet),
    ("batch/v1", "Job", Used::Job),
    ("batch/v1", "CronJob", Used::CronJob),
    ("networking.k8s.io/v1", "NetworkPolicy", Used::NetworkPolicy),
    (
        "policy.networking.k8s.io/v1alpha1",
        "AdminNetworkPolicy",
        Used::Admin(AdminKind::AdminNetworkPolicy),
    ),
    (
        "policy.networking.k8s.io/v1alpha1",
        "BaselineAdminNetworkPolicy",
        Used::Admin(AdminKind::BaselineAdminNetworkPolicy),
    ),
    (
        "policy.networking.k8s.io/v1alpha2",
        "ClusterNetworkPolicy",
        Used::Admin(AdminKind::ClusterNetworkPolicy),
    ),
    ("k8s.ovn.org/v1", "EgressFirewall", Used::Firewall(FirewallKind::EgressFirewall)),
    (
        "network.openshift.io/v1",
        "EgressNetworkPolicy",
        Used::Firewall(FirewallKind::EgressNetworkPolicy),
    ),
];

/// Every kind of the built-in group versions that people keep in manifests or find in dumps: a
/// kind that is not here does not exist (`kubectl api-resources`, Kubernetes 1.36).
const BUILT_IN: &[(&str, &[&str])] = &[
    (
        "v1",
        &[
            "Binding",
            "ComponentStatus",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "List",
            "Namespace",
            "Node",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
            "Status",
        ],
    ),
    ("apps/v1", &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("batch/v1", &["CronJob", "Job"]),
    (
        "networking.k8s.io/v1",
        &["IPAddress", "Ingress", "IngressClass", "NetworkPolicy", "ServiceCIDR"],
    ),
];

/// Objects of other APIs that decide who reaches whom at the network or transport layer.
/// (group, kind)
const OTHER_POLICIES: &[(&str, &str)] = &[
    ("cilium.io", "CiliumClusterwideNetworkPolicy"),
    ("cilium.io", "CiliumNetworkPolicy"),
    ("crd.antrea.io", "ClusterNetworkPolicy"),
    ("crd.antrea.io", "NetworkPolicy"),
    ("crd.projectcalico.org", "GlobalNetworkPolicy"),
    ("crd.projectcalico.org", "NetworkPolicy"),
    ("k8s.ovn.org", "EgressFirewall"),
    ("kubeovn.io", "SecurityGroup"),
    ("network.openshift.io", "EgressNetworkPolicy"),
    ("networking.k8s.aws", "ApplicationNetworkPolicy"),
    ("networking.k8s.aws", "ClusterNetworkPolicy"),
    ("policy.networking.k8s.io", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"),
    ("policy.networking.k8s.io", "ClusterNetworkPolicy"),
    ("projectcalico.org", "GlobalNetworkPolicy"),
    ("projectcalico.org", "NetworkPolicy"),
    ("vpcresources.k8s.aws", "SecurityGroupPolicy"),
];

/// Policies of service meshes.
const MESH_POLICIES: &[(&str, &str)] = &[
    ("consul.hashicorp.com", "ServiceIntentions"),
    ("kuma.io", "MeshTrafficPermission"),
    ("policy.linkerd.io", "AuthorizationPolicy"),
    ("policy.linkerd.io", "Server"),
    ("policy.linkerd.io", "ServerAuthorization"),
    ("security.istio.io", "AuthorizationPolicy"),
    ("security.istio.io", "PeerAuthentication"),
];

/// `v1beta1`, `v2alpha1`: versions that have gone.
fn is_beta(api_version: &str) -> bool {
    let version = api_version.rsplit('/').next().unwrap_or_default();
    version.starts_with('v') && (version.contains("beta") || version.contains("alpha"))
}

/// Whether a kind is a network policy by its name alone.
pub(crate) fn sounds_like_policy(kind: &str) -> bool {
    let lower = kind.to_ascii_lowercase();
    (lower.contains("networkpolic") || lower.contains("egressfirewall"))
        && !lower.starts_with("staged")
        && !lower.starts_with("multinetwork")
}

/// Splits `apiVersion` into group and version; the core group is the empty string.
pub(crate) fn group_of(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

/// Classifies an object by `apiVersion` and `kind`.
pub(crate) fn classify(api_version: &str, kind: &str) -> Kind {
    let group = group_of(api_version);
    if let Some((.., used)) = USED.iter().find(|(v, k, _)| *v == api_version && *k == kind) {
        return Kind::Used(*used);
    }
    if let Some((_, kinds)) = BUILT_IN.iter().find(|(v, _)| *v == api_version) {
        // kubectl takes `List` in any group.
        if kind == "List" || kind.strip_suffix("List").is_some_and(|item| kinds.contains(&item)) {
            return Kind::List;
        }
        if kinds.contains(&kind) {
            return Kind::Irrelevant;
        }
        let nearest = super::decode::nearest(kind, kinds.iter().copied());
        let nearest = kinds.iter().find(|k| Some(**k) == nearest).copied();
        return Kind::Unheard { nearest };
    }
    if kind == "List" {
        return Kind::List;
    }
    // A typed list of an unserved version, whose items say for themselves what they are.
    if kind.strip_suffix("List").is_some_and(|item| USED.iter().any(|(_, k, _)| *k == item)) {
        return Kind::List;
    }
    // A kind of ours elsewhere: in a version of the past, or in a group that is a typo away.
    if let Some((current, ..)) = USED.iter().find(|(_, k, _)| k.eq_ignore_ascii_case(kind)) {
        let once = ["extensions", "apps", "batch", "networking.k8s.io"].contains(&group);
        if once && is_beta(api_version) {
            return Kind::Retired { current };
        }
        if once || group.is_empty() || strsim::damerau_levenshtein(api_version, current) <= 2 {
            return Kind::WrongVersion { current };
        }
    }
    let named = |table: &[(&str, &str)]| table.iter().any(|(g, k)| *g == group && *k == kind);
    if named(OTHER_POLICIES) {
        return Kind::UnsupportedPolicy;
    }
    if named(MESH_POLICIES) {
        return Kind::MeshPolicy;
    }
    if let Some(item) = kind.strip_suffix("List")
        && matches!(classify(api_version, item), Kind::UnsupportedPolicy)
    {
        return Kind::List;
    }
    // An API we have not heard of may still be a network policy: its name says so. Staged
    // policies (Calico) only log; MultiNetworkPolicy is about secondary interfaces.
    if sounds_like_policy(kind) {
        return Kind::UnsupportedPolicy;
    }
    Kind::Irrelevant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_told_apart_by_group_and_kind() {
        let np = "networking.k8s.io/v1";
        for (version, kind, want, why) in [
            (np, "NetworkPolicy", Kind::Used(Used::NetworkPolicy), "the API itself"),
            ("projectcalico.org/v3", "NetworkPolicy", Kind::UnsupportedPolicy, "Calico's own"),
            ("projectcalico.org/v3", "StagedNetworkPolicy", Kind::Irrelevant, "only logs"),
            ("serving.knative.dev/v1", "Service", Kind::Irrelevant, "not a v1 Service"),
            ("v1", "List", Kind::List, "kubectl's list"),
            (np, "NetworkPolicyList", Kind::List, "a typed list"),
            (np, "List", Kind::List, "kubectl takes it"),
            ("v1", "ConfigMap", Kind::Irrelevant, "known, no part in it"),
            ("example.com/v1", "FancyNetworkPolicy", Kind::UnsupportedPolicy, "by its name"),
            ("security.istio.io/v1", "AuthorizationPolicy", Kind::MeshPolicy, "layer 7"),
        ] {
            assert_eq!(classify(version, kind), want, "{version} {kind}: {why}");
        }
        for version in ["extensions/v1beta1", "networking.k8s.io/v1beta1"] {
            let retired = classify(version, "NetworkPolicy");
            assert_eq!(retired, Kind::Retired { current: np }, "{version}");
        }
        for version in ["v1beta1", "networking.k8s.io", "x", "networking.k8s.oi/v1"] {
            let wrong = classify(version, "NetworkPolicy");
            assert_eq!(wrong, Kind::WrongVersion { current: np }, "{version}");
        }
        assert_eq!(classify("app/v1", "Deployment"), Kind::WrongVersion { current: "apps/v1" });
        assert_eq!(classify("apps.kruise.io/v1alpha1", "StatefulSet"), Kind::Irrelevant);
        let typo = classify(np, "NetworkPolicies");
        assert_eq!(typo, Kind::Unheard { nearest: Some("NetworkPolicy") });
    }
}
