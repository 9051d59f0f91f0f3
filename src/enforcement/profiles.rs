//! The known CNIs. Sources are paths in the projects' repositories, or their documentation.

use super::profile::{CniProfile, Enforcement};

const fn ignores(
    name: &'static str,
    aliases: &'static [&'static str],
    source: &'static str,
) -> CniProfile {
    CniProfile { name, aliases, enforcement: Enforcement::Ignored, source }
}

const fn enforces(
    name: &'static str,
    aliases: &'static [&'static str],
    sidecar_port_names: bool,
    departures: &'static [&'static str],
    source: &'static str,
) -> CniProfile {
    let enforcement = Enforcement::Enforced { sidecar_port_names, departures };
    CniProfile { name, aliases, enforcement, source }
}

/// Every profile, by name.
pub const PROFILES: &[CniProfile] = &[
    enforces(
        "antrea",
        &[],
        false,
        &["rules of a direction that `policyTypes` does not list isolate and allow"],
        "antrea: pkg/controller/networkpolicy/networkpolicy_controller.go",
    ),
    enforces(
        "aws-vpc-cni",
        &["aws", "vpc-cni"],
        false,
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
        &["IPv6 blocks make it reject a policy whole"],
        "azure-container-networking: npm/pkg/controlplane/translation/",
    ),
    ignores("bridge", &["none", "ptp"], "containernetworking/plugins: plugins/main/bridge"),
    enforces("calico", &[], true, &[], "calico: libcalico-go/lib/backend/k8s/conversion/"),
    enforces("canal", &[], true, &[], "calico: felix enforces in Canal"),
    enforces(
        "cilium",
        &[],
        false,
        &[
            "`ipBlock` matches neither pods nor nodes",
            "rules of a direction that `policyTypes` does not list isolate and allow",
            "SCTP is dropped unless it is enabled",
        ],
        "cilium: pkg/k8s/network_policy.go, pkg/policy/",
    ),
    ignores("flannel", &[], "flannel: Documentation/ (policies are no part of it)"),
    enforces("kindnet", &[], false, &[], "kubernetes-sigs/kube-network-policies: pkg/"),
    enforces(
        "kube-network-policies",
        &[],
        false,
        &[],
        "kubernetes-sigs/kube-network-policies: pkg/",
    ),
    enforces(
        "kube-ovn",
        &[],
        false,
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
        &["named ports are ignored", "an empty namespaceSelector matches any address"],
        "openshift/sdn: pkg/network/node/networkpolicy.go",
    ),
    enforces(
        "ovn-kubernetes",
        &["ovn", "ovnkubernetes"],
        false,
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
        &["a policy with a named port is rejected whole", "`endPort` is not seen"],
        "weave: npc/",
    ),
];

/// The profile of a name, in any case.
pub fn find(name: &str) -> Option<&'static CniProfile> {
    let lower = name.to_ascii_lowercase();
    PROFILES.iter().find(|p| p.name == lower || p.aliases.contains(&&*lower))
}
