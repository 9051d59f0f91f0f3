//! kindnet, as kind ships it from 0.24 on, and aojea's.

use super::super::profile::{
    CniOption, CniProfile, Enforcement, From, Habit, OpenConnections, Reading, Sign, Trait, When,
};

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "kindnet",
    aliases: &[],
    about: "kindnet",
    enforcement: Enforcement::Enforced,
    options: &[CniOption {
        name: "network-policy",
        values: &["true", "false"],
        default: Some("true"),
        about: "whether it enforces policies: before kind 0.24 it does not",
    }],
    traits: &[Trait {
        habit: Habit::EnforcesNothing,
        when: When::Is("network-policy", "false"),
        source: "kind: images/kindnetd at 0.23",
    }],
    apis: &[],
    native_groups: &[],
    open_connections: OpenConnections::GoOn,
    signs: &[
        Sign::Container("kindnet-cni"),
        Sign::Image("kindest/kindnetd"),
        Sign::Image("aojea/kindnetd"),
        Sign::DaemonSet("kindnet"),
    ],
    readings: &[
        Reading {
            option: "network-policy",
            from: From::Arg("kindnet-cni", "--network-policy"),
            values: &[("true", "true"), ("false", "false")],
            absent: None,
        },
        Reading {
            option: "network-policy",
            from: From::TagDate("kindnet-cni", "20240813"),
            values: &[("older", "false"), ("newer", "true")],
            absent: None,
        },
    ],
    source: "kind: images/kindnetd; kubernetes-sigs/kube-network-policies: pkg/networkpolicy/",
};
