//! Amazon VPC CNI with its network policy agent.

use super::super::profile::{
    CniOption, CniProfile, Enforcement, From, Habit, NamedPorts, OpenConnections, Reading, Sign,
    Trait, When,
};
use crate::net::Family;
use crate::policy::Closed;

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "aws-vpc-cni",
    aliases: &["aws", "vpc-cni", "eks-vpc-cni"],
    about: "Amazon's VPC CNI",
    enforcement: Enforcement::Enforced,
    options: &[
        CniOption {
            name: "policy",
            values: &["off", "standard", "strict"],
            default: None,
            about: "network policy: EKS has it off unless it is enabled; strict closes pods that no policy selects",
        },
        CniOption {
            name: "family",
            values: &["ipv4", "ipv6"],
            default: None,
            about: "the address family of the cluster, which has one",
        },
    ],
    traits: &[
        Trait {
            habit: Habit::EnforcesNothing,
            when: When::Is("policy", "off"),
            source: "docs.aws.amazon.com/eks: cni-network-policy (off by default)",
        },
        Trait {
            habit: Habit::ClosesTheUnselected(Closed::Unselected),
            when: When::Said("policy", "strict"),
            source: "amazon-vpc-cni-k8s: README.md, NETWORK_POLICY_ENFORCING_MODE",
        },
        Trait {
            habit: Habit::UnlistedDirection { isolates: true },
            when: When::Always,
            source: "amazon-network-policy-controller-k8s: pkg/resolvers/endpoints.go",
        },
        Trait {
            habit: Habit::NamedPorts(NamedPorts::OfSelected),
            when: When::Always,
            source: "amazon-network-policy-controller-k8s: pkg/resolvers/endpoints.go",
        },
        Trait {
            habit: Habit::SelectsHostNetwork { with_pod_selector: false },
            when: When::Always,
            source: "amazon-network-policy-controller-k8s: pkg/resolvers/endpoints.go",
        },
        Trait {
            habit: Habit::ReachesOwnNode,
            when: When::Always,
            source: "aws-network-policy-agent: pkg/ebpf/bpf_client.go",
        },
        Trait {
            habit: Habit::LetsExceptOverride,
            when: When::Always,
            source: "aws-network-policy-agent: pkg/ebpf/bpf_client.go (longest prefix)",
        },
        Trait {
            habit: Habit::LimitsPorts(24),
            when: When::Always,
            source: "aws-network-policy-agent: pkg/ebpf/c/ (24 entries of a prefix)",
        },
        Trait {
            habit: Habit::LeavesFamily(Family::V6),
            when: When::Is("family", "ipv4"),
            source: "amazon-vpc-cni-k8s: README.md (one family; other frames pass)",
        },
        Trait {
            habit: Habit::LeavesFamily(Family::V4),
            when: When::All(&[When::Said("family", "ipv6"), When::Unverified]),
            source: "not verified (in an IPv4 cluster other frames pass)",
        },
        Trait {
            habit: Habit::JudgesBeforeTranslation,
            when: When::Always,
            source: "amazon-network-policy-controller-k8s: pkg/resolvers/endpoints.go",
        },
        Trait {
            habit: Habit::LeavesSomeNodes,
            when: When::Always,
            source: "docs.aws.amazon.com/eks: cni-network-policy (considerations)",
        },
    ],
    apis: &[],
    native_groups: &["networking.k8s.aws", "vpcresources.k8s.aws"],
    open_connections: OpenConnections::GoOn,
    signs: &[
        Sign::Container("aws-eks-nodeagent"),
        Sign::DaemonSet("aws-node"),
        Sign::Image("amazon-k8s-cni"),
    ],
    readings: &[
        // Both the controller and the agent have to be on.
        Reading {
            option: "policy",
            from: From::Config("amazon-vpc-cni", "enable-network-policy-controller"),
            values: &[("true", "standard"), ("false", "off")],
            absent: Some("off"),
            when: When::Always,
        },
        Reading {
            option: "policy",
            from: From::Env("aws-node", "NETWORK_POLICY_ENFORCING_MODE"),
            values: &[("strict", "strict")],
            absent: None,
            when: When::Is("policy", "standard"),
        },
        Reading {
            option: "policy",
            from: From::Arg("aws-eks-nodeagent", "--enable-network-policy"),
            values: &[("false", "off")],
            absent: Some("off"),
            when: When::Always,
        },
        // Before 1.14 there is no agent.
        Reading {
            option: "policy",
            from: From::Lacks("aws-node", "aws-eks-nodeagent"),
            values: &[("true", "off")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "family",
            from: From::Env("aws-node", "ENABLE_IPv6"),
            values: &[("true", "ipv6"), ("false", "ipv4")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "family",
            from: From::Arg("aws-eks-nodeagent", "--enable-ipv6"),
            values: &[("true", "ipv6"), ("false", "ipv4")],
            absent: None,
            when: When::Always,
        },
    ],
    source: "amazon-network-policy-controller-k8s: pkg/resolvers/endpoints.go",
};
