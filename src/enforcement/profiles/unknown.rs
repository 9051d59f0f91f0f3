//! No CNI that anybody knows: both bounds are told.

use super::super::profile::{CniProfile, Enforcement, OpenConnections, Sign};

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "unknown",
    aliases: &[],
    about: "an enforcer that nobody has named",
    enforcement: Enforcement::Unknown,
    options: &[],
    traits: &[],
    apis: &[],
    native_groups: &[],
    open_connections: OpenConnections::Unknown,
    // Terway of Alibaba Cloud enforces with Felix or with Cilium, or not at all, by its settings.
    signs: &[
        Sign::Container("terway"),
        Sign::DaemonSet("terway"),
        Sign::DaemonSet("terway-eni"),
        Sign::DaemonSet("terway-eniip"),
    ],
    readings: &[],
    source: "",
};
