//! Kube-OVN.

use super::super::cni::Version;
use super::super::profile::{
    CniOption, CniProfile, Enforcement, From, Habit, NamedPorts, OpenConnections, Reading, Sign,
    Trait, When,
};
use crate::policy::PolicyKind;

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "kube-ovn",
    aliases: &[],
    about: "Kube-OVN",
    enforcement: Enforcement::Enforced,
    options: &[
        CniOption {
            name: "enable-np",
            values: &["true", "false"],
            default: Some("true"),
            about: "whether it enforces policies",
        },
        CniOption {
            name: "enable-anp",
            values: &["true", "false"],
            default: None,
            about: "whether it enforces those of administrators",
        },
    ],
    traits: &[
        Trait {
            habit: Habit::EnforcesNothing,
            when: When::Is("enable-np", "false"),
            source: "kube-ovn: pkg/controller/config.go, --enable-np",
        },
        Trait {
            habit: Habit::UnlistedDirection { isolates: true },
            when: When::Always,
            source: "kube-ovn: pkg/controller/network_policy.go",
        },
        Trait {
            habit: Habit::NamedPorts(NamedPorts::OnePerNamespace),
            when: When::Always,
            source: "kube-ovn: pkg/controller/named_port.go",
        },
        Trait {
            habit: Habit::ReachesOwnNode,
            when: When::Always,
            source: "kube-ovn: pkg/controller/network_policy.go",
        },
    ],
    apis: &[
        (
            PolicyKind::AdminNetworkPolicy,
            When::All(&[When::From(Version(1, 13, 0)), When::Is("enable-anp", "true")]),
            "from 1.13 on, where `--enable-anp` is set",
        ),
        (
            PolicyKind::BaselineAdminNetworkPolicy,
            When::All(&[When::From(Version(1, 13, 0)), When::Is("enable-anp", "true")]),
            "from 1.13 on, where `--enable-anp` is set",
        ),
        (
            PolicyKind::ClusterNetworkPolicy,
            When::All(&[When::From(Version(1, 15, 0)), When::Is("enable-anp", "true")]),
            "from 1.15 on, where `--enable-anp` is set",
        ),
    ],
    native_groups: &["kubeovn.io"],
    open_connections: OpenConnections::Unknown,
    signs: &[
        Sign::DaemonSet("kube-ovn-cni"),
        Sign::Container("kube-ovn-controller"),
        Sign::Image("kubeovn/kube-ovn"),
    ],
    readings: &[
        Reading {
            option: "enable-np",
            from: From::Arg("kube-ovn-controller", "--enable-np"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "enable-anp",
            from: From::Arg("kube-ovn-controller", "--enable-anp"),
            values: &[("true", "true"), ("false", "false")],
            absent: Some("false"),
            when: When::Always,
        },
    ],
    source: "kube-ovn: pkg/controller/network_policy.go",
};
