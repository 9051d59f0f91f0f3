//! kube-router, and k3s, which runs its policy controller.

use super::super::profile::{
    CniOption, CniProfile, Enforcement, From, Habit, NamedPorts, OpenConnections, Reading, Sign,
    Trait, When,
};
use crate::net::Family;

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "kube-router",
    aliases: &["k3s", "k0s"],
    about: "kube-router; its policy controller is that of k3s",
    enforcement: Enforcement::Enforced,
    options: &[
        CniOption {
            name: "run-firewall",
            values: &["true", "false"],
            default: Some("true"),
            about: "whether it enforces policies; k3s: false with --disable-network-policy, or without ipset on the node",
        },
        CniOption {
            name: "enable-ipv6",
            values: &["true", "false"],
            default: None,
            about: "whether it polices IPv6",
        },
        CniOption {
            name: "backend",
            values: &["iptables", "nftables"],
            default: None,
            about: "how blocks and their exceptions are kept",
        },
    ],
    traits: &[
        Trait {
            habit: Habit::EnforcesNothing,
            when: When::Is("run-firewall", "false"),
            source: "kube-router: docs/user-guide.md, --run-firewall",
        },
        Trait {
            habit: Habit::LeavesFamily(Family::V6),
            when: When::Is("enable-ipv6", "false"),
            source: "kube-router: docs/user-guide.md, --enable-ipv6",
        },
        Trait { habit: Habit::DropsSctp, when: When::Unverified, source: "not verified" },
        Trait {
            habit: Habit::NarrowsIpv6Any,
            when: When::Always,
            source: "kube-router: pkg/controllers/netpol/policy.go",
        },
        Trait {
            habit: Habit::SharesBlockSets,
            when: When::Always,
            source: "kube-router: pkg/controllers/netpol/policy.go",
        },
        Trait {
            habit: Habit::NamedPorts(NamedPorts::OfOwnNamespace),
            when: When::Always,
            source: "kube-router: pkg/controllers/netpol/policy.go",
        },
        // After what changes rules, which leak as they are then.
        Trait {
            habit: Habit::LeaksDirections,
            when: When::Always,
            source: "kube-router: pkg/controllers/netpol/policy.go",
        },
    ],
    apis: &[],
    native_groups: &[],
    open_connections: OpenConnections::GoOn,
    signs: &[
        Sign::Container("kube-router"),
        Sign::Image("cloudnativelabs/kube-router"),
        Sign::Image("k0sproject/kube-router"),
        Sign::Node("k3s.io/node-args", None),
        Sign::Node("node.kubernetes.io/instance-type", Some("k3s")),
    ],
    readings: &[
        Reading {
            option: "run-firewall",
            from: From::Arg("kube-router", "--run-firewall"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "run-firewall",
            from: From::ServerFlag("--disable-network-policy"),
            values: &[("true", "false"), ("false", "true")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "enable-ipv6",
            from: From::Arg("kube-router", "--enable-ipv6"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
    ],
    source: "kube-router: pkg/controllers/netpol/policy.go",
};
