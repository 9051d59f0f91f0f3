//! OVN-Kubernetes.

use super::super::profile::{
    CniOption, CniProfile, Enforcement, Feature, From, Habit, NamedPorts, OpenConnections, Reading,
    Sign, Trait, When,
};
use crate::policy::PolicyKind;

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "ovn-kubernetes",
    aliases: &["ovn", "ovnkubernetes", "ovn-k"],
    about: "OVN-Kubernetes",
    enforcement: Enforcement::Enforced,
    options: &[
        CniOption {
            name: "dns-name-resolver",
            values: &["true", "false"],
            default: None,
            about: "whether domain names of an EgressFirewall may have a `*`: else it is set aside whole",
        },
        CniOption {
            name: "admin-network-policy",
            values: &["true", "false"],
            default: None,
            about: "whether it enforces AdminNetworkPolicies: it does in OpenShift",
        },
    ],
    traits: &[
        Trait {
            habit: Habit::Rejects(&[Feature::WildcardName]),
            when: When::Is("dns-name-resolver", "false"),
            source: "ovn-kubernetes: go-controller/pkg/ovn/egressfirewall.go, EnableDNSNameResolver",
        },
        Trait {
            habit: Habit::NamedPorts(NamedPorts::All),
            when: When::Always,
            source: "ovn-kubernetes: go-controller/pkg/ovn/gress_policy.go",
        },
        Trait {
            habit: Habit::UnlistedDirection { isolates: false },
            when: When::Always,
            source: "ovn-kubernetes: go-controller/pkg/ovn/base_network_controller_policy.go",
        },
        Trait {
            habit: Habit::SelectsHostNetwork { with_pod_selector: true },
            when: When::Always,
            source: "ovn-kubernetes: go-controller/pkg/ovn/base_network_controller_policy.go",
        },
        Trait {
            habit: Habit::LimitsPriority(99),
            when: When::Always,
            source: "ovn-kubernetes: go-controller/pkg/ovn/controller/admin_network_policy/",
        },
    ],
    apis: &[
        (
            PolicyKind::AdminNetworkPolicy,
            When::Is("admin-network-policy", "true"),
            "in OpenShift, and where `--enable-admin-network-policy` is set",
        ),
        (
            PolicyKind::BaselineAdminNetworkPolicy,
            When::Is("admin-network-policy", "true"),
            "in OpenShift, and where `--enable-admin-network-policy` is set",
        ),
        (PolicyKind::EgressFirewall, When::Always, "always"),
    ],
    native_groups: &["k8s.ovn.org"],
    open_connections: OpenConnections::JudgedAnew,
    signs: &[
        Sign::Container("ovnkube-controller"),
        Sign::Container("ovnkube-node"),
        Sign::DaemonSet("ovnkube-node"),
        Sign::Object("Network", "status.networkType", "OVNKubernetes"),
        Sign::Object("Network", "spec.networkType", "OVNKubernetes"),
        Sign::Object("Network", "spec.defaultNetwork.type", "OVNKubernetes"),
    ],
    readings: &[
        Reading {
            option: "admin-network-policy",
            from: From::Arg("ovnkube-controller", "--enable-admin-network-policy"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "admin-network-policy",
            from: From::Namespace("ovnkube-controller"),
            values: &[("openshift-ovn-kubernetes", "true")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "admin-network-policy",
            from: From::Env("ovnkube-controller", "OVN_ADMIN_NETWORK_POLICY_ENABLE"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "admin-network-policy",
            from: From::Object("Network", "cluster", "status.networkType"),
            values: &[("ovnkubernetes", "true")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "admin-network-policy",
            from: From::Config("ovnkube-config", "ovnkube.conf:enable-admin-network-policy"),
            values: &[("true", "true"), ("false", "false")],
            absent: Some("false"),
            when: When::Always,
        },
        Reading {
            option: "dns-name-resolver",
            from: From::Config("ovnkube-config", "ovnkube.conf:enable-dns-name-resolver"),
            values: &[("true", "true"), ("false", "false")],
            absent: Some("false"),
            when: When::Always,
        },
        Reading {
            option: "dns-name-resolver",
            from: From::Arg("ovnkube-controller", "--enable-dns-name-resolver"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
    ],
    source: "ovn-kubernetes: go-controller/pkg/ovn/base_network_controller_policy.go",
};
