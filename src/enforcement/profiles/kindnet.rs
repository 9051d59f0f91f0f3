//! kindnet, as kind ships it from 0.24 on, and aojea's.

use super::super::profile::{
    CniOption, CniProfile, Enforcement, Habit, OpenConnections, Trait, When,
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
    source: "kind: images/kindnetd; kubernetes-sigs/kube-network-policies: pkg/networkpolicy/",
};
