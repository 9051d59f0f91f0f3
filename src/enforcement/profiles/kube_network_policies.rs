//! kube-network-policies of SIG-Network.

use super::super::cni::Version;
use super::super::profile::{
    CniOption, CniProfile, Enforcement, From, Habit, OpenConnections, Reading, Sign, Trait, When,
};
use crate::policy::PolicyKind;

pub(super) const PROFILE: CniProfile = CniProfile {
    name: "kube-network-policies",
    aliases: &["knp"],
    about: "kube-network-policies",
    enforcement: Enforcement::Enforced,
    options: &[CniOption {
        name: "variant",
        values: &["standard", "npa-v1alpha1", "npa-v1alpha2"],
        default: None,
        about: "the suffix of the tag of its image: which policies of administrators it knows",
    }],
    traits: &[Trait {
        habit: Habit::HidesBaseline,
        when: When::Any(&[
            When::Is("variant", "npa-v1alpha1"),
            When::Is("variant", "npa-v1alpha2"),
        ]),
        source: "kubernetes-sigs/kube-network-policies: pkg/networkpolicy/evaluator.go",
    }],
    apis: &[
        (
            PolicyKind::AdminNetworkPolicy,
            When::Is("variant", "npa-v1alpha1"),
            "with an image whose tag ends in `-npa-v1alpha1`",
        ),
        (
            PolicyKind::BaselineAdminNetworkPolicy,
            When::Is("variant", "npa-v1alpha1"),
            "with an image whose tag ends in `-npa-v1alpha1`",
        ),
        (
            PolicyKind::ClusterNetworkPolicy,
            When::Is("variant", "npa-v1alpha2"),
            "with an image whose tag ends in `-npa-v1alpha2`",
        ),
    ],
    native_groups: &[],
    open_connections: OpenConnections::JudgedAnew,
    signs: &[Sign::Container("kube-network-policies"), Sign::Image("kube-network-policies")],
    readings: &[
        Reading {
            option: "variant",
            from: From::TagEnd,
            values: &[("-npa-v1alpha1", "npa-v1alpha1"), ("-npa-v1alpha2", "npa-v1alpha2")],
            absent: Some("standard"),
            when: When::Always,
        },
        // Before 0.9 it is a flag; later images do not have it.
        Reading {
            option: "variant",
            from: From::Arg("kube-network-policies", "--admin-network-policy"),
            values: &[("true", "npa-v1alpha1")],
            absent: None,
            when: When::Before(Version(0, 9, 0)),
        },
    ],
    source: "kubernetes-sigs/kube-network-policies: pkg/networkpolicy/",
};
