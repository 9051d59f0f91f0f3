//! openshift-sdn, of OpenShift before 4.17.

use super::super::profile::{
    CniProfile, Enforcement, Habit, NamedPorts, OpenConnections, Sign, Trait, When,
};
use crate::net::Family;
use crate::policy::PolicyKind;

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "openshift-sdn",
    aliases: &["openshiftsdn"],
    about: "openshift-sdn",
    enforcement: Enforcement::Enforced,
    options: &[],
    traits: &[
        Trait {
            habit: Habit::NamedPorts(NamedPorts::None),
            when: When::Always,
            source: "openshift/sdn: pkg/network/node/networkpolicy.go",
        },
        Trait {
            habit: Habit::TakesEmptySelectorForAny,
            when: When::Always,
            source: "openshift/sdn: pkg/network/node/networkpolicy.go",
        },
        Trait {
            habit: Habit::LeavesFamily(Family::V6),
            when: When::Always,
            source: "openshift/sdn: pkg/network/node/networkpolicy.go",
        },
    ],
    apis: &[(PolicyKind::EgressNetworkPolicy, When::Always, "always")],
    native_groups: &["network.openshift.io"],
    open_connections: OpenConnections::Unknown,
    signs: &[
        Sign::DaemonSetIn("openshift-sdn", "sdn"),
        Sign::Object("Network", "status.networkType", "OpenShiftSDN"),
        Sign::Object("Network", "spec.networkType", "OpenShiftSDN"),
        Sign::Object("Network", "spec.defaultNetwork.type", "OpenShiftSDN"),
    ],
    readings: &[],
    source: "openshift/sdn: pkg/network/node/networkpolicy.go",
};
