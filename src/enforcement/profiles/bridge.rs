//! The plugins bridge and ptp of the CNI project, which enforce nothing.

use super::super::profile::{CniProfile, Enforcement, OpenConnections};

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "bridge",
    aliases: &["none", "ptp"],
    about: "the plain CNI plugins bridge and ptp",
    enforcement: Enforcement::Ignored,
    options: &[],
    traits: &[],
    apis: &[],
    native_groups: &[],
    open_connections: OpenConnections::GoOn,
    signs: &[],
    readings: &[],
    source: "containernetworking/plugins: plugins/main/bridge",
};
