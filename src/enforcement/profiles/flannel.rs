//! flannel alone. A policy enforcer beside it has a profile of its own.

use super::super::profile::{CniProfile, Enforcement, OpenConnections, Sign};

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "flannel",
    aliases: &[],
    about: "flannel without a policy enforcer",
    enforcement: Enforcement::Ignored,
    options: &[],
    traits: &[],
    apis: &[],
    native_groups: &[],
    open_connections: OpenConnections::GoOn,
    signs: &[
        Sign::Container("kube-flannel"),
        Sign::DaemonSet("kube-flannel-ds"),
        Sign::Image("flannel/flannel"),
    ],
    readings: &[],
    source: "flannel: Documentation/ (policies are no part of it; the chart has netpol.enabled, off by default)",
};
