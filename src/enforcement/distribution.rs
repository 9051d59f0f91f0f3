//! What distributions of Kubernetes come with.

use super::cni::Cni;

/// A distribution, by the name that `--distribution` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// The CNI that it comes with, as `--cni` takes it; `unknown` where it comes with several.
    pub cni: &'static str,
    /// What must be asked back, or is to be known.
    pub note: &'static str,
}

const fn is(
    name: &'static str,
    aliases: &'static [&'static str],
    cni: &'static str,
    note: &'static str,
) -> Distribution {
    Distribution { name, aliases, cni, note }
}

/// Every distribution, by name. Sources: the distributions' documentation.
pub const DISTRIBUTIONS: &[Distribution] = &[
    is(
        "ack",
        &[],
        "unknown",
        "Terway enforces with shared ENIs only, by Felix or Cilium inside of its DaemonSet: `--cni calico`, `--cni cilium` or `--cni bridge`",
    ),
    is(
        "aks",
        &[],
        "unknown",
        "AKS has no policy enforcer unless one was chosen: `--cni bridge`, `azure-npm`, `calico` or `cilium` (AKS Automatic)",
    ),
    is("canonical-kubernetes", &["canonical"], "cilium", ""),
    is(
        "cce",
        &[],
        "unknown",
        "Huawei CCE enforces in tunnel networks, and with DataPlane V2: name the CNI",
    ),
    is("docker-desktop", &[], "bridge", ""),
    is("doks", &["digitalocean"], "cilium", ""),
    is(
        "eks",
        &[],
        "aws-vpc-cni",
        "EKS enforces policies only where that was enabled: `--cni aws-vpc-cni,policy=off`, `policy=standard` or `policy=strict`",
    ),
    is(
        "gke",
        &[],
        "unknown",
        "which dataplane: V2 is `--cni cilium`; V1 with network policy `--cni calico`, without it `--cni bridge`",
    ),
    is("gke-autopilot", &["gke-dataplane-v2"], "cilium", ""),
    is("harvester", &[], "unknown", "name the CNI"),
    is("iks", &["roks"], "calico", ""),
    is("k0s", &[], "kube-router,run-firewall=true", ""),
    is(
        "k3s",
        &["k3d", "rancher-desktop"],
        "kube-router,run-firewall=true",
        "unless it runs with --disable-network-policy, or a node has no ipset: `--cni kube-router,run-firewall=false`",
    ),
    is(
        "kind",
        &[],
        "kindnet",
        "from kind 0.24 on; before that `--cni kindnet,network-policy=false`",
    ),
    is("kubeadm", &[], "unknown", "kubeadm comes without a CNI: name it"),
    is("lke", &["linode"], "unknown", "name the CNI"),
    is("microk8s", &[], "calico", "from 1.19 on"),
    is(
        "minikube",
        &[],
        "unknown",
        "one node with the docker runtime enforces nothing (`--cni bridge`); otherwise `--cni kindnet`, from 1.34 on",
    ),
    is(
        "oke",
        &[],
        "unknown",
        "OKE enforces only where Calico was added: `--cni calico` or `--cni flannel`",
    ),
    is(
        "openshift",
        &["okd", "rosa", "aro"],
        "ovn-kubernetes,admin-network-policy=true",
        "old clusters have openshift-sdn: `--cni openshift-sdn`",
    ),
    is(
        "ovh-mks",
        &["ovh"],
        "unknown",
        "the free plan has `--cni canal`, the Standard plan `--cni cilium`",
    ),
    is("rke2", &[], "canal", "unless another CNI was chosen"),
    is("scaleway", &["kapsule"], "unknown", "name the CNI"),
    is(
        "stackit-ske",
        &["ske", "gardener"],
        "unknown",
        "Gardener has Calico or Cilium: `--cni calico`, or `--cni cilium,policy-cidr-match-mode=nodes,enable-sctp=false`",
    ),
    is(
        "talos",
        &[],
        "flannel",
        "from 1.13 on kube-network-policies can be added: `--cni kube-network-policies`",
    ),
    is("tkg", &[], "unknown", "name the CNI"),
];

impl Distribution {
    /// The distribution of a name, in any case.
    pub fn find(name: &str) -> Result<&'static Self, String> {
        let lower = name.to_ascii_lowercase();
        let found = DISTRIBUTIONS.iter().find(|d| d.name == lower || d.aliases.contains(&&*lower));
        found.ok_or_else(|| {
            let known: Vec<&str> = DISTRIBUTIONS.iter().map(|d| d.name).collect();
            format!("no distribution `{name}` is known; known are {}", known.join(", "))
        })
    }

    /// The CNI that it comes with.
    pub fn cni(&self) -> Option<Cni> {
        Cni::parse(self.cni).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distribution_names_a_cni() {
        for distribution in DISTRIBUTIONS {
            assert!(distribution.cni().is_some(), "{}", distribution.name);
            let asks = distribution.cni == "unknown" && distribution.note.is_empty();
            assert!(!asks, "{} asks nothing back", distribution.name);
        }
    }
}
