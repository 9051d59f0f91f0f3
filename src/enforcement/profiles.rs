//! The known CNIs. Sources are paths in the projects' repositories, or their documentation.

use super::profile::{CniProfile, Enforcement, Support, Support::Depends, Support::Enforced};
use crate::policy::PolicyKind::{
    self, AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy, EgressFirewall,
    EgressNetworkPolicy,
};

const fn ignores(
    name: &'static str,
    aliases: &'static [&'static str],
    source: &'static str,
) -> CniProfile {
    CniProfile { name, aliases, enforcement: Enforcement::Ignored, others: &[], source }
}

const fn enforces(
    name: &'static str,
    aliases: &'static [&'static str],
    sidecar_port_names: bool,
    others: &'static [(PolicyKind, Support)],
    departures: &'static [&'static str],
    source: &'static str,
) -> CniProfile {
    let enforcement = Enforcement::Enforced { sidecar_port_names, departures };
    CniProfile { name, aliases, enforcement, others, source }
}

/// Calico's release notes, and `libcalico-go/lib/backend/k8s/conversion/` at the release tags.
const CALICO: &[(PolicyKind, Support)] = &[
    (AdminNetworkPolicy, Depends("Calico enforces it in 3.29 to 3.31, and drops it from 3.32 on")),
    (
        BaselineAdminNetworkPolicy,
        Depends("Calico enforces it in 3.30 and 3.31, and drops it from 3.32 on"),
    ),
    (ClusterNetworkPolicy, Depends("Calico enforces it from 3.32 on")),
];

/// Every profile, by name.
pub const PROFILES: &[CniProfile] = &[
    enforces(
        "antrea",
        &[],
        false,
        &[
            (
                AdminNetworkPolicy,
                Depends("Antrea has a feature gate for it, AdminNetworkPolicy, off by default"),
            ),
            (
                BaselineAdminNetworkPolicy,
                Depends("Antrea has a feature gate for it, AdminNetworkPolicy, off by default"),
            ),
            (
                ClusterNetworkPolicy,
                Depends("Antrea has a feature gate for it from 2.7 on, off by default"),
            ),
        ],
        &["rules of a direction that `policyTypes` does not list isolate and allow"],
        "antrea: pkg/controller/networkpolicy/networkpolicy_controller.go",
    ),
    enforces(
        "aws-vpc-cni",
        &["aws", "vpc-cni"],
        false,
        &[],
        &[
            "egress is judged by the Service's address before it is translated",
            "an `except` overrides broader blocks of other policies",
            "named ingress ports are the union over all selected pods",
            "selectors match pods on their node's network",
            "rules of a direction that `policyTypes` does not list isolate and allow",
        ],
        "amazon-network-policy-controller-k8s: pkg/resolvers/",
    ),
    enforces(
        "azure-npm",
        &["azure"],
        false,
        &[],
        &["IPv6 blocks make it reject a policy whole"],
        "azure-container-networking: npm/pkg/controlplane/translation/",
    ),
    ignores("bridge", &["none", "ptp"], "containernetworking/plugins: plugins/main/bridge"),
    enforces("calico", &[], true, CALICO, &[], "calico: libcalico-go/lib/backend/k8s/conversion/"),
    enforces("canal", &[], true, CALICO, &[], "calico: felix enforces in Canal"),
    enforces(
        "cilium",
        &[],
        false,
        &[(
            ClusterNetworkPolicy,
            Depends(
                "Cilium enforces it from 1.20 on, where `enable-k8s-cluster-network-policy` is set",
            ),
        )],
        &[
            "`ipBlock` matches neither pods nor nodes",
            "rules of a direction that `policyTypes` does not list isolate and allow",
            "SCTP is dropped unless it is enabled",
        ],
        "cilium: pkg/k8s/network_policy.go, pkg/policy/",
    ),
    ignores("flannel", &[], "flannel: Documentation/ (policies are no part of it)"),
    enforces("kindnet", &[], false, &[], &[], "kubernetes-sigs/kube-network-policies: pkg/"),
    enforces(
        "kube-network-policies",
        &[],
        false,
        &[
            (
                AdminNetworkPolicy,
                Depends("the image with the tag suffix `-npa-v1alpha1` enforces it"),
            ),
            (
                BaselineAdminNetworkPolicy,
                Depends("the image with the tag suffix `-npa-v1alpha1` enforces it"),
            ),
            (
                ClusterNetworkPolicy,
                Depends("the image with the tag suffix `-npa-v1alpha2` enforces it"),
            ),
        ],
        &[],
        "kubernetes-sigs/kube-network-policies: pkg/",
    ),
    enforces(
        "kube-ovn",
        &[],
        false,
        &[
            (
                AdminNetworkPolicy,
                Depends("Kube-OVN enforces it from 1.13 on, where `--enable-anp` is set"),
            ),
            (
                BaselineAdminNetworkPolicy,
                Depends("Kube-OVN enforces it from 1.13 on, where `--enable-anp` is set"),
            ),
            (
                ClusterNetworkPolicy,
                Depends("Kube-OVN has code for it from 1.15 on, off by default"),
            ),
        ],
        &[
            "a named port is one number for the whole namespace of the policy",
            "rules of a direction that `policyTypes` does not list isolate and allow",
        ],
        "kube-ovn: pkg/controller/network_policy.go",
    ),
    enforces(
        "kube-router",
        &["k3s"],
        false,
        &[],
        &[
            "a policy of both types lets traffic between its own pods in where only one direction allows it",
            "blocks and exceptions of one rule share a set",
        ],
        "kube-router: pkg/controllers/netpol/policy.go",
    ),
    enforces(
        "openshift-sdn",
        &[],
        false,
        &[(EgressNetworkPolicy, Enforced)],
        &["named ports are ignored", "an empty namespaceSelector matches any address"],
        "openshift/sdn: pkg/network/node/networkpolicy.go",
    ),
    enforces(
        "ovn-kubernetes",
        &["ovn", "ovnkubernetes"],
        false,
        &[
            (
                AdminNetworkPolicy,
                Depends(
                    "OpenShift enforces it; OVN-Kubernetes elsewhere where `--enable-admin-network-policy` is set",
                ),
            ),
            (
                BaselineAdminNetworkPolicy,
                Depends(
                    "OpenShift enforces it; OVN-Kubernetes elsewhere where `--enable-admin-network-policy` is set",
                ),
            ),
            (EgressFirewall, Enforced),
        ],
        &[
            "named ports stand for every port of the protocol",
            "selectors with a podSelector match pods on their node's network",
        ],
        "ovn-kubernetes: go-controller/pkg/ovn/base_network_controller_policy.go",
    ),
    enforces(
        "weave",
        &["weave-net", "weave-npc"],
        false,
        &[],
        &["a policy with a named port is rejected whole", "`endPort` is not seen"],
        "weave: npc/",
    ),
];

/// The profile of a name, in any case.
pub fn find(name: &str) -> Option<&'static CniProfile> {
    let lower = name.to_ascii_lowercase();
    PROFILES.iter().find(|p| p.name == lower || p.aliases.contains(&&*lower))
}
