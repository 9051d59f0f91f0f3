//! Antrea.

use super::super::cni::Version;
use super::super::profile::{
    CniOption, CniProfile, Enforcement, From, Habit, OpenConnections, Reading, Sign, Trait, When,
};
use crate::policy::PolicyKind;

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "antrea",
    aliases: &[],
    about: "Antrea",
    enforcement: Enforcement::Enforced,
    options: &[
        CniOption {
            name: "admin-network-policy",
            values: &["false", "true"],
            default: None,
            about: "the feature gate AdminNetworkPolicy; false unless it is set",
        },
        CniOption {
            name: "cluster-network-policy",
            values: &["false", "true"],
            default: None,
            about: "the feature gate of ClusterNetworkPolicy, from 2.7 on; false unless it is set",
        },
    ],
    traits: &[Trait {
        habit: Habit::UnlistedDirection { isolates: true },
        when: When::Always,
        source: "pkg/controller/networkpolicy/networkpolicy_controller.go",
    }],
    apis: &[
        (
            PolicyKind::AdminNetworkPolicy,
            When::All(&[When::From(Version(1, 13, 0)), When::Is("admin-network-policy", "true")]),
            "from 1.13 on, where the feature gate AdminNetworkPolicy is on",
        ),
        (
            PolicyKind::BaselineAdminNetworkPolicy,
            When::All(&[When::From(Version(1, 13, 0)), When::Is("admin-network-policy", "true")]),
            "from 1.13 on, where the feature gate AdminNetworkPolicy is on",
        ),
        (
            PolicyKind::ClusterNetworkPolicy,
            When::All(&[When::From(Version(2, 7, 0)), When::Is("cluster-network-policy", "true")]),
            "from 2.7 on, where its feature gate is on",
        ),
    ],
    native_groups: &["crd.antrea.io"],
    open_connections: OpenConnections::GoOn,
    signs: &[Sign::Container("antrea-agent"), Sign::DaemonSet("antrea-agent")],
    readings: &[
        Reading {
            option: "admin-network-policy",
            from: From::Config("antrea-config", "antrea-controller.conf:AdminNetworkPolicy"),
            values: &[("true", "true"), ("false", "false")],
            absent: Some("false"),
            when: When::Always,
        },
        Reading {
            option: "cluster-network-policy",
            from: From::Config("antrea-config", "antrea-controller.conf:ClusterNetworkPolicy"),
            values: &[("true", "true"), ("false", "false")],
            absent: Some("false"),
            when: When::Always,
        },
    ],
    source: "antrea: pkg/controller/networkpolicy/networkpolicy_controller.go",
};
