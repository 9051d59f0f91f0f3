//! No CNI that anybody knows: both bounds are told.

use super::super::profile::{CniProfile, Enforcement, OpenConnections};

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
    signs: &[],
    readings: &[],
    source: "",
};
