//! Cilium.

use super::super::cni::Version;
use super::super::profile::{
    CniOption, CniProfile, Enforcement, Feature, From, Habit, NamedPorts, OpenConnections, Reading,
    Sign, Trait, When,
};
use crate::policy::{Closed, PolicyKind};

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "cilium",
    aliases: &["gke-dataplane-v2", "anetd"],
    about: "Cilium",
    enforcement: Enforcement::Enforced,
    options: &[
        CniOption {
            name: "policy-cidr-match-mode",
            values: &["none", "nodes", "pods", "pods,nodes"],
            default: Some("none"),
            about: "whether blocks of addresses match nodes (from 1.15 on) and pods (from 1.20 on)",
        },
        CniOption {
            name: "enable-sctp",
            values: &["true", "false"],
            default: None,
            about: "whether SCTP is let through at all; false unless it is set",
        },
        CniOption {
            name: "enable-policy",
            values: &["default", "always", "never"],
            default: Some("default"),
            about: "whether policies are enforced at all",
        },
        CniOption {
            name: "enable-k8s-networkpolicy",
            values: &["true", "false"],
            default: Some("true"),
            about: "whether NetworkPolicies are (from 1.15 on)",
        },
        CniOption {
            name: "enable-k8s-cluster-network-policy",
            values: &["true", "false"],
            default: None,
            about: "whether ClusterNetworkPolicies are (from 1.20 on); false unless it is set",
        },
        CniOption {
            name: "enable-node-selector-labels",
            values: &["true", "false"],
            default: None,
            about: "whether their peers may be nodes; false unless it is set",
        },
    ],
    traits: &[
        Trait {
            habit: Habit::EnforcesNothing,
            when: When::Is("enable-policy", "never"),
            source: "cilium: Documentation/security/policy/intro.rst (never)",
        },
        Trait {
            habit: Habit::IgnoresNetworkPolicies,
            when: When::All(&[
                When::From(Version(1, 15, 0)),
                When::Is("enable-k8s-networkpolicy", "false"),
            ]),
            source: "cilium: Documentation/cmdref/cilium-agent.md, --enable-k8s-networkpolicy",
        },
        Trait {
            habit: Habit::ClosesTheUnselected(Closed::EachDirection),
            when: When::Is("enable-policy", "always"),
            source: "cilium: Documentation/security/policy/intro.rst (always)",
        },
        Trait {
            habit: Habit::BlocksReach { pods: false, nodes: false },
            when: When::Any(&[
                When::Is("policy-cidr-match-mode", "none"),
                When::Before(Version(1, 15, 0)),
                When::All(&[
                    When::Is("policy-cidr-match-mode", "pods"),
                    When::Before(Version(1, 20, 0)),
                ]),
            ]),
            source: "cilium: Documentation/security/policy/language.rst (CIDR rules), policy-cidr-match-mode",
        },
        Trait {
            habit: Habit::BlocksReach { pods: false, nodes: true },
            when: When::All(&[
                When::From(Version(1, 15, 0)),
                When::Any(&[
                    When::Is("policy-cidr-match-mode", "nodes"),
                    When::All(&[
                        When::Is("policy-cidr-match-mode", "pods,nodes"),
                        When::Before(Version(1, 20, 0)),
                    ]),
                ]),
            ]),
            source: "cilium: policy-cidr-match-mode",
        },
        Trait {
            habit: Habit::BlocksReach { pods: true, nodes: false },
            when: When::All(&[
                When::From(Version(1, 20, 0)),
                When::Is("policy-cidr-match-mode", "pods"),
            ]),
            source: "cilium: policy-cidr-match-mode",
        },
        Trait {
            habit: Habit::UnlistedDirection { isolates: true },
            when: When::Always,
            source: "cilium: pkg/k8s/network_policy.go",
        },
        Trait {
            habit: Habit::NarrowsEndPort,
            when: When::Before(Version(1, 16, 0)),
            source: "cilium: pkg/k8s/network_policy.go at 1.15",
        },
        Trait {
            habit: Habit::NamedPorts(NamedPorts::OnePerCluster),
            when: When::Before(Version(1, 20, 0)),
            source: "cilium: pkg/policy/resolve.go at 1.19 (GetNamedPorts)",
        },
        Trait {
            habit: Habit::Rejects(&[Feature::NodePeer]),
            when: When::Is("enable-node-selector-labels", "false"),
            source: "cilium: enable-node-selector-labels, without which peers by node are an error",
        },
        Trait {
            habit: Habit::DropsSctp,
            when: When::Is("enable-sctp", "false"),
            source: "cilium: Documentation/network/kubernetes/configuration.rst (enable-sctp)",
        },
    ],
    apis: &[(
        PolicyKind::ClusterNetworkPolicy,
        When::All(&[
            When::From(Version(1, 20, 0)),
            When::Is("enable-k8s-cluster-network-policy", "true"),
        ]),
        "from 1.20 on, where `enable-k8s-cluster-network-policy` is set",
    )],
    native_groups: &["cilium.io"],
    open_connections: OpenConnections::JudgedAnew,
    signs: &[
        Sign::Container("cilium-agent"),
        Sign::Image("cilium/cilium"),
        Sign::Image("rancher/mirrored-cilium-cilium"),
        Sign::DaemonSet("anetd"),
    ],
    readings: &[
        Reading {
            option: "enable-node-selector-labels",
            from: From::Config("cilium-config", "enable-node-selector-labels"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "policy-cidr-match-mode",
            from: From::Config("cilium-config", "policy-cidr-match-mode"),
            values: &[
                ("", "none"),
                ("nodes", "nodes"),
                ("pods", "pods"),
                ("nodes,pods", "pods,nodes"),
            ],
            absent: Some("none"),
            when: When::Always,
        },
        Reading {
            option: "enable-sctp",
            from: From::Config("cilium-config", "enable-sctp"),
            values: &[("true", "true"), ("false", "false")],
            absent: Some("false"),
            when: When::Always,
        },
        Reading {
            option: "enable-policy",
            from: From::Config("cilium-config", "enable-policy"),
            values: &[("default", "default"), ("always", "always"), ("never", "never")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "enable-policy",
            from: From::Arg("cilium-agent", "--enable-policy"),
            values: &[("default", "default"), ("always", "always"), ("never", "never")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "enable-sctp",
            from: From::Arg("cilium-agent", "--enable-sctp"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "enable-k8s-networkpolicy",
            from: From::Config("cilium-config", "enable-k8s-networkpolicy"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "enable-k8s-cluster-network-policy",
            from: From::Config("cilium-config", "enable-k8s-cluster-network-policy"),
            values: &[("true", "true"), ("false", "false")],
            absent: Some("false"),
            when: When::Always,
        },
    ],
    source: "cilium: pkg/k8s/network_policy.go",
};
