//! Weave Net with weave-npc, which is not maintained any more.

use super::super::profile::{
    CniProfile, Enforcement, Feature, Habit, OpenConnections, Sign, Trait, When,
};
use crate::net::Family;

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "weave",
    aliases: &["weave-net", "weave-npc"],
    about: "Weave Net with weave-npc",
    enforcement: Enforcement::Enforced,
    options: &[],
    traits: &[
        Trait {
            habit: Habit::RejectsAnywhere(&[Feature::NamedPort]),
            when: When::Always,
            source: "weave: npc/analysis.go",
        },
        Trait { habit: Habit::DropsSctp, when: When::Unverified, source: "not verified" },
        Trait {
            habit: Habit::NarrowsEndPort,
            when: When::Always,
            source: "weave: npc/analysis.go",
        },
        Trait {
            habit: Habit::UnlistedDirection { isolates: false },
            when: When::Unverified,
            source: "weave: npc/namespace.go",
        },
        Trait {
            habit: Habit::ReachesOwnNode,
            when: When::Unverified,
            source: "weave: npc/controller.go",
        },
        Trait { habit: Habit::LeavesFamily(Family::V6), when: When::Always, source: "weave: npc/" },
    ],
    apis: &[],
    native_groups: &[],
    open_connections: OpenConnections::GoOn,
    signs: &[Sign::Container("weave-npc"), Sign::Image("weave-npc")],
    readings: &[],
    source: "weave: npc/",
};
