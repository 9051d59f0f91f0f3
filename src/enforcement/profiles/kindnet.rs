//! kindnet, as kind ships it from 0.24 on, and aojea's.

use super::super::profile::{
    CniOption, CniProfile, Enforcement, From, Habit, OpenConnections, Reading, Sign, Trait, When,
};
use crate::policy::PolicyKind;

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "kindnet",
    aliases: &[],
    about: "kindnet",
    enforcement: Enforcement::Enforced,
    options: &[
        CniOption {
            name: "network-policy",
            values: &["true", "false"],
            default: Some("true"),
            about: "whether it enforces policies: before kind 0.24 it does not",
        },
        CniOption {
            name: "admin-network-policy",
            values: &["true", "false"],
            default: Some("false"),
            about: "whether aojea's enforces AdminNetworkPolicies; kind's never does",
        },
        CniOption {
            name: "baseline-admin-network-policy",
            values: &["true", "false"],
            default: Some("false"),
            about: "the same of BaselineAdminNetworkPolicies",
        },
    ],
    traits: &[Trait {
        habit: Habit::EnforcesNothing,
        when: When::Is("network-policy", "false"),
        source: "kind: images/kindnetd at 0.23",
    }],
    apis: &[
        (
            PolicyKind::AdminNetworkPolicy,
            When::Is("admin-network-policy", "true"),
            "where `--admin-network-policy` is set",
        ),
        (
            PolicyKind::BaselineAdminNetworkPolicy,
            When::Is("baseline-admin-network-policy", "true"),
            "where `--baseline-admin-network-policy` is set",
        ),
    ],
    native_groups: &[],
    open_connections: OpenConnections::GoOn,
    signs: &[
        Sign::Container("kindnet-cni"),
        Sign::Image("kindest/kindnetd"),
        Sign::Image("aojea/kindnetd"),
        Sign::Image("networking/kindnet"),
        Sign::DaemonSet("kindnet"),
    ],
    readings: &[
        Reading {
            option: "admin-network-policy",
            from: From::Arg("kindnet-cni", "--admin-network-policy"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "baseline-admin-network-policy",
            from: From::Arg("kindnet-cni", "--baseline-admin-network-policy"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "network-policy",
            from: From::TagDate("kindest/kindnetd", "20240730"),
            values: &[("older", "false"), ("newer", "true")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "network-policy",
            from: From::Object("ClusterRole", "kindnet", "networkpolicies"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
        Reading {
            option: "network-policy",
            from: From::Arg("kindnet-cni", "--network-policy"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
            when: When::Always,
        },
    ],
    source: "kind: images/kindnetd; kubernetes-sigs/kube-network-policies: pkg/networkpolicy/",
};
