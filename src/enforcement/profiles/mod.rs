//! The known CNIs, one file each: what is read off their code and documentation.
//!
//! To add one: write its file, and name it here.

mod antrea;
mod aws_vpc_cni;
mod azure_npm;
mod bridge;
mod calico;
mod cilium;
mod flannel;
mod kindnet;
mod kube_network_policies;
mod kube_ovn;
mod kube_router;
mod openshift_sdn;
mod ovn_kubernetes;
mod unknown;
mod weave;

use super::profile::CniProfile;

/// Every profile, by name.
pub const PROFILES: &[&CniProfile] = &[
    &antrea::PROFILE,
    &aws_vpc_cni::PROFILE,
    &azure_npm::PROFILE,
    &azure_npm::WINDOWS,
    &bridge::PROFILE,
    &calico::PROFILE,
    &calico::CANAL,
    &cilium::PROFILE,
    &flannel::PROFILE,
    &kindnet::PROFILE,
    &kube_network_policies::PROFILE,
    &kube_ovn::PROFILE,
    &kube_router::PROFILE,
    &openshift_sdn::PROFILE,
    &ovn_kubernetes::PROFILE,
    &unknown::PROFILE,
    &weave::PROFILE,
];
