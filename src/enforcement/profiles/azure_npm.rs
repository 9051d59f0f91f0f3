//! Azure Network Policy Manager, on Linux and on Windows nodes.

use super::super::profile::{
    CniProfile, Enforcement, Feature, Habit, OpenConnections, Sign, Trait, When,
};
use crate::net::Family;

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "azure-npm",
    aliases: &["azure", "npm"],
    about: "Azure NPM on Linux",
    enforcement: Enforcement::Enforced,
    options: &[],
    traits: &[
        Trait {
            habit: Habit::Rejects(&[Feature::Ipv6Block]),
            when: When::Always,
            source: "azure-container-networking: npm/pkg/controlplane/translation/translatePolicy.go",
        },
        Trait {
            habit: Habit::LeavesFamily(Family::V6),
            when: When::Always,
            source: "azure-container-networking: npm/pkg/controlplane/translation/translatePolicy.go",
        },
    ],
    apis: &[],
    native_groups: &[],
    open_connections: OpenConnections::Unknown,
    signs: &[Sign::Container("azure-npm"), Sign::DaemonSet("azure-npm")],
    readings: &[],
    source: "azure-container-networking: npm/pkg/controlplane/translation/translatePolicy.go",
};

pub(super) const WINDOWS: CniProfile = CniProfile {
    name: "azure-npm-windows",
    aliases: &["npm-windows"],
    about: "Azure NPM on Windows",
    enforcement: Enforcement::Enforced,
    options: &[],
    traits: &[
        Trait {
            habit: Habit::Rejects(&[
                Feature::Ipv6Block,
                Feature::Except,
                Feature::NegativeSelector,
                Feature::Sctp,
                Feature::NamedPort,
            ]),
            when: When::Always,
            source: "azure-container-networking: npm/pkg/controlplane/translation/translatePolicy.go",
        },
        Trait {
            habit: Habit::Rejects(&[Feature::EndPort]),
            when: When::Unverified,
            source: "not verified",
        },
        Trait { habit: Habit::NarrowsEndPort, when: When::Unverified, source: "not verified" },
        Trait {
            habit: Habit::LeavesFamily(Family::V6),
            when: When::Always,
            source: "azure-container-networking: npm/pkg/controlplane/translation/translatePolicy.go",
        },
    ],
    apis: &[],
    native_groups: &[],
    open_connections: OpenConnections::Unknown,
    signs: &[Sign::DaemonSetOver("azure-npm-win")],
    readings: &[],
    source: "azure-container-networking: npm/pkg/controlplane/translation/translatePolicy.go",
};
