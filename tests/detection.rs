//! Detection of the CNI, on reduced dumps and install manifests of each.

use kubereach::analysis::{Basis, Options, World};
use kubereach::diagnostic::Code;
use kubereach::enforcement::Cni;
use kubereach::manifest::{InputPath, load};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn world(file: &Path) -> World {
    World::new(load(&[InputPath::Path(file.to_owned())], &mut std::io::empty()), Options::default())
}

/// What is detected in a file: `-` for nothing, with `!` where evidence contradicts itself.
const EXPECTED: &[(&str, &str)] = &[
    ("aks-none", "unknown"),
    ("aks-npm-linux-and-win", "unknown!"),
    ("antrea-gates", "antrea@2.7,admin-network-policy=true,cluster-network-policy=false"),
    ("antrea-no-config", "antrea@2.7"),
    ("antrea-no-gates", "antrea@2.7,admin-network-policy=false,cluster-network-policy=false"),
    ("app-ds-image-kube-router", "-"),
    ("app-pod-named-kube-router", "-"),
    ("calico-and-cilium", "unknown!"),
    ("calico-env-false", "calico@3.29.1,ipv6=off"),
    ("calico-felix-node-only", "calico@3.29.1,ipv6=on"),
    ("calico-felix-off-noenv", "calico@3.29.1,ipv6=off"),
    ("calico-felix-on-env-off", "calico@3.29.1,ipv6=off"),
    ("canal", "canal@3.28,ipv6=off"),
    (
        "cilium-always",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=always,enable-sctp=false,policy-cidr-match-mode=none",
    ),
    (
        "cilium-and-kindnet-old",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=none",
    ),
    (
        "cilium-argsnever",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=never,enable-sctp=false,policy-cidr-match-mode=none",
    ),
    ("cilium-envoy-only", "unknown"),
    (
        "cilium-k8snpoff",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=false,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=none",
    ),
    (
        "cilium-match-brackets",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=nodes",
    ),
    (
        "cilium-match-commasp",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=pods,nodes",
    ),
    (
        "cilium-match-nodes",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=nodes",
    ),
    (
        "cilium-match-podsnodes",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=pods,nodes",
    ),
    (
        "cilium-never",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=never,enable-sctp=false,policy-cidr-match-mode=none",
    ),
    ("cilium-nocm", "cilium@1.17.2"),
    ("cilium-other-ns-cm", "cilium@1.17.2"),
    (
        "cilium-sctp",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=true,policy-cidr-match-mode=none",
    ),
    (
        "cilium-true",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=true,policy-cidr-match-mode=none",
    ),
    ("eks-agent-off-strict", "aws-vpc-cni@1.19.2,family=ipv4,policy=off"),
    ("eks-agent-on-cm-without-key", "aws-vpc-cni@1.19.2,family=ipv4,policy=off"),
    ("eks-calico-policyonly", "calico@3.29.1,ipv6=off"),
    (
        "eks-cilium-chained",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=none",
    ),
    ("eks-ipv6", "aws-vpc-cni@1.19.2,family=ipv6,policy=standard"),
    ("eks-off-default", "aws-vpc-cni@1.19.2,family=ipv4,policy=off"),
    ("eks-old-1.12", "aws-vpc-cni@1.12.6,family=ipv4,policy=off"),
    ("eks-old1.12-calico", "calico@3.29.1,ipv6=off"),
    ("eks-on", "aws-vpc-cni@1.19.2,family=ipv4,policy=standard"),
    ("eks-on-and-calico", "unknown!"),
    ("eks-on-no-cm-in-dump", "aws-vpc-cni@1.19.2,family=ipv4"),
    ("eks-on-strict", "aws-vpc-cni@1.19.2,family=ipv4,policy=strict"),
    ("flannel", "flannel@0.26.7"),
    ("flannel-and-cilium-crds", "flannel@0.26.7"),
    ("flannel-knp", "kube-network-policies@0.8,variant=standard"),
    ("gke-v1-calico", "calico@3.26.3,ipv6=on"),
    ("gke-v1-none", "unknown"),
    (
        "gke-v2",
        "cilium@1.15.10,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=none",
    ),
    ("k0s-kuberouter", "kube-router@2.4.1,run-firewall=true"),
    ("k3s-calico", "calico@3.29.1,ipv6=off"),
    (
        "k3s-cilium",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=none",
    ),
    (
        "k3s-cilium-agent-first",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=none",
    ),
    ("k3s-default", "kube-router,run-firewall=true"),
    ("k3s-disabled", "kube-router,run-firewall=false"),
    ("k3s-disabled-agent-first", "kube-router,run-firewall=false"),
    ("k3s-disabled-false", "kube-router,run-firewall=true"),
    ("kind-0.23", "kindnet,network-policy=false"),
    ("kind-0.24", "kindnet,network-policy=true"),
    ("kindnet-dgst", "kindnet"),
    ("kindnet-sigs", "kindnet@1.0.1"),
    ("knp-digest", "kube-network-policies@1.0,variant=npa-v1alpha2"),
    ("knp-renamed-container", "kube-network-policies@1.0,variant=npa-v1alpha2"),
    ("kubeovn", "kube-ovn@1.13.2,enable-anp=true,enable-np=true"),
    (
        "kubeovn-and-cilium-chain",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=none",
    ),
    ("kubeovn-npoff-nohost", "kube-ovn@1.13.2,enable-anp=false,enable-np=false"),
    ("mirror-azure-npm", "azure-npm@1.5.45"),
    ("mirror-calico", "calico@3.29.1,ipv6=off"),
    (
        "mirror-cilium",
        "cilium@1.17.2,enable-k8s-cluster-network-policy=false,enable-k8s-networkpolicy=true,enable-policy=default,enable-sctp=false,policy-cidr-match-mode=none",
    ),
    ("nodes-only", "unknown"),
    ("ocp-calico", "calico@3.29.1,ipv6=off"),
    ("ocp-nodes-ann-only", "unknown"),
    ("ocp-ovn", "ovn-kubernetes,admin-network-policy=true"),
    ("ocp-ovn-config", "ovn-kubernetes,admin-network-policy=true,dns-name-resolver=true"),
    ("ocp-sdn", "openshift-sdn"),
    ("ocp-spec-only", "ovn-kubernetes"),
    ("ovn-org", "ovn-kubernetes,admin-network-policy=true"),
    ("ovn-org-noic", "ovn-kubernetes"),
    ("pods-aws", "aws-vpc-cni@1.19.2,family=ipv4"),
    ("pods-calico", "calico@3.29.1,ipv6=off"),
    ("pods-canal", "canal@3.28,ipv6=off"),
    ("pods-cilium", "cilium@1.17.2"),
    ("pods-knp", "kube-network-policies@0.8,variant=standard"),
    ("pods-only-system-no-cni", "unknown"),
    ("pods-ovnk", "ovn-kubernetes,admin-network-policy=true"),
    ("pods-weave", "weave@2.8.1"),
    ("rke2-canal", "canal@3.29.2,ipv6=on"),
    ("talos-knp", "kube-network-policies@1.0,variant=standard"),
    ("terway", "unknown"),
];

#[test]
fn each_file_shows_its_cni() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/detection");
    let mut wrong = Vec::new();
    for (file, expected) in EXPECTED {
        let world = world(&folder.join(format!("{file}.yaml")));
        let mut found = world.cni.as_ref().map_or("-".to_owned(), Cni::to_string);
        if world.diagnostics.iter().any(|d| d.code == Code::SeveralEnforcers) {
            found.push('!');
        }
        if found != *expected {
            wrong.push(format!("{file}: expected {expected}, found {found}"));
        }
        if !found.starts_with(['-', 'u']) {
            assert_eq!(world.basis, Basis::Detected, "{file}");
            let evidence = world.evidence.first().expect("what shows it is told");
            let place = world.sources.locate(evidence.span).to_string();
            assert!(place.contains(&format!("{file}.yaml:")), "{file}: {place}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let files: BTreeSet<String> = fs::read_dir(&folder)
        .expect("the folder is there")
        .filter_map(|entry| {
            let path = entry.expect("it can be listed").path();
            Some(path.file_stem()?.to_string_lossy().into_owned())
        })
        .collect();
    let listed: BTreeSet<String> = EXPECTED.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(files, listed, "files and expectations");
}
