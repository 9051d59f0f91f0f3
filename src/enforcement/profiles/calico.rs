//! Calico, and Canal, which is flannel with Calico's Felix.

use super::super::cni::Version;
use super::super::profile::{
    CniOption, CniProfile, Enforcement, From, Habit, OpenConnections, Reading, Sign, Trait, When,
};
use crate::net::Family;
use crate::policy::PolicyKind;

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "calico",
    aliases: &[],
    about: "Calico",
    enforcement: Enforcement::Enforced,
    options: OPTIONS,
    traits: TRAITS,
    apis: APIS,
    native_groups: &["crd.projectcalico.org", "projectcalico.org"],
    open_connections: OpenConnections::GoOn,
    signs: &[Sign::Container("calico-node"), Sign::Image("calico/node")],
    readings: READINGS,
    source: "calico: libcalico-go/lib/backend/k8s/conversion/conversion.go",
};

pub(super) const CANAL: CniProfile = CniProfile {
    name: "canal",
    aliases: &[],
    about: "flannel with Calico's Felix",
    enforcement: Enforcement::Enforced,
    options: CANAL_OPTIONS,
    traits: TRAITS,
    apis: APIS,
    native_groups: &["crd.projectcalico.org", "projectcalico.org"],
    open_connections: OpenConnections::GoOn,
    signs: &[
        Sign::Containers("calico-node", "kube-flannel"),
        Sign::Containers("calico-node", "flannel"),
        Sign::DaemonSet("canal"),
        Sign::DaemonSet("rke2-canal"),
    ],
    readings: READINGS,
    source: "calico: manifests/canal.yaml; calico: libcalico-go/lib/backend/k8s/conversion/conversion.go",
};

const OPTIONS: &[CniOption] = &[
    CniOption {
        name: "ipv6",
        values: &["on", "off"],
        default: Some("on"),
        about: "FELIX_IPV6SUPPORT of calico-node, which has to be true for pods with IPv6; calico.yaml sets it to false",
    },
    DATAPLANE,
];

const CANAL_OPTIONS: &[CniOption] = &[
    CniOption {
        name: "ipv6",
        values: &["on", "off"],
        default: None,
        about: "FELIX_IPV6SUPPORT of calico-node: on by itself, and false in canal.yaml",
    },
    DATAPLANE,
];

const DATAPLANE: CniOption = CniOption {
    name: "dataplane",
    values: &["iptables", "nftables", "ebpf"],
    default: Some("iptables"),
    about: "how rules are installed; they mean the same",
};

const TRAITS: &[Trait] = &[
    Trait {
        habit: Habit::ResolvesSidecarPorts,
        when: When::Always,
        source: "calico: libcalico-go/lib/backend/k8s/conversion/conversion.go",
    },
    Trait {
        habit: Habit::LeavesFamily(Family::V6),
        when: When::Is("ipv6", "off"),
        source: "calico: felix/config/config_params.go, Ipv6Support",
    },
    Trait {
        habit: Habit::LacksNodesAndNames,
        when: When::Always,
        source: "calico: libcalico-go/lib/backend/k8s/conversion/ (ClusterNetworkPolicy)",
    },
];

const APIS: &[(PolicyKind, When, &str)] = &[
    (
        PolicyKind::AdminNetworkPolicy,
        When::All(&[When::From(Version(3, 29, 0)), When::Before(Version(3, 32, 0))]),
        "in 3.29 to 3.31: an upgrade to 3.32 drops it silently",
    ),
    (
        PolicyKind::BaselineAdminNetworkPolicy,
        When::All(&[When::From(Version(3, 30, 0)), When::Before(Version(3, 32, 0))]),
        "in 3.30 and 3.31: an upgrade to 3.32 drops it silently",
    ),
    (PolicyKind::ClusterNetworkPolicy, When::From(Version(3, 32, 0)), "from 3.32 on"),
];

// The environment outdoes the resource: felix/config/config_params.go. Where neither says anything it
// is on.
const READINGS: &[Reading] = &[
    Reading {
        option: "ipv6",
        from: From::Env("calico-node", "FELIX_IPV6SUPPORT"),
        values: &[],
        absent: Some("on"),
        when: When::Always,
    },
    Reading {
        option: "ipv6",
        from: From::Object("FelixConfiguration", "default", "spec.ipv6Support"),
        values: &[("true", "on"), ("false", "off")],
        absent: None,
        when: When::Always,
    },
    Reading {
        option: "ipv6",
        from: From::Env("calico-node", "FELIX_IPV6SUPPORT"),
        values: &[("true", "on"), ("false", "off")],
        absent: None,
        when: When::Always,
    },
    Reading {
        option: "dataplane",
        from: From::Object("FelixConfiguration", "default", "spec.bpfEnabled"),
        values: &[("true", "ebpf"), ("false", "iptables")],
        absent: None,
        when: When::Always,
    },
];
