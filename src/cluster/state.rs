//! The resolved cluster.

use super::address::{AddressKnowledge, METADATA, METADATA_NAMES, private_addresses};
use super::kind::short_kind;
use crate::diagnostic::Span;
use crate::manifest::{
    AddressList, AdminPolicyResource, ContainerPort, EgressFirewallResource, Labels,
    NetworkPolicyResource, PortRef, Reason, ServicePort,
};
use crate::net::{DomainName, Family, IpSet, Protocol};
use ipnet::IpNet;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

ids! {
    /// A namespace of a [`ClusterState`].
    NamespaceId
    /// A workload of a [`ClusterState`].
    WorkloadId
    /// A pod of a [`ClusterState`].
    PodId
    /// A node of a [`ClusterState`].
    NodeId
}

/// What is taken for granted where the input says nothing.
#[derive(Clone, Debug)]
pub struct Assumptions {
    /// The namespace of objects that name none.
    pub default_namespace: Arc<str>,
    /// Blocks that pods without a known address have theirs from; empty: any private address.
    pub pod_cidrs: Vec<IpNet>,
    /// Keep `Succeeded` and `Failed` pods, as SIG-Network's reference engine does.
    pub include_finished: bool,
    /// What domain names stand for, as the user says.
    pub resolved: Vec<(DomainName, IpAddr)>,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            default_namespace: "default".into(),
            pod_cidrs: Vec::new(),
            include_finished: false,
            resolved: Vec::new(),
        }
    }
}

/// The resolved world: everything that a question may be about.
#[derive(Debug, Default)]
pub struct ClusterState {
    /// Namespaces, by name.
    pub namespaces: Vec<Namespace>,
    /// Workloads, by namespace, group, kind and name.
    pub workloads: Vec<Workload>,
    /// Pods, by workload and name.
    pub pods: Vec<Pod>,
    /// Nodes, by name.
    pub nodes: Vec<Node>,
    /// Services, by namespace and name.
    pub services: Vec<Service>,
    /// NetworkPolicies, by namespace and name.
    pub policies: Vec<PolicyObject>,
    /// Policies of cluster administrators: by tier, priority and name.
    pub admin_policies: Vec<AdminPolicyResource>,
    /// OpenShift's firewalls of namespaces, by kind, namespace and name.
    pub firewalls: Vec<FirewallObject>,
    /// The addresses of domain names, in the order given.
    pub resolved: BTreeMap<DomainName, Vec<IpAddr>>,
    /// What may hide a policy, by place.
    pub blind_spots: Vec<BlindSpot>,
    /// Pods that have finished, by namespace and name.
    pub finished: Vec<FinishedPod>,
    /// Controllers whose pods are their owner's.
    pub collapsed: Vec<Collapsed>,
    /// How many objects were left out because they stand twice and differ.
    pub left_out_twice: usize,
    pub(super) owners: FxHashMap<IpAddr, AddressOwner>,
    pub(super) assumed: [IpSet; 2],
    pub(super) assumed_families: Vec<Family>,
}

/// A namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// The name.
    pub name: Arc<str>,
    /// Its labels, with the one that the API server adds.
    pub labels: Labels,
    /// Whether a Namespace object says so; else labels other than the server's are unknown.
    pub declared: bool,
}

/// What makes pods; or a pod that nothing else makes.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The API group.
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The name.
    pub name: Arc<str>,
    /// Its pods.
    pub pods: Vec<PodId>,
    /// `spec.replicas`
    pub replicas: Option<u32>,
    /// Where it, or the first of its pods, stands.
    pub span: Span,
}

/// A pod, or one that stands for all those of a workload that has none in the input.
#[derive(Clone, Debug)]
pub struct Pod {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The name; of a stand-in, the workload's.
    pub name: Arc<str>,
    /// The workload.
    pub workload: WorkloadId,
    /// Controllers between the pod and its workload: (kind, name).
    pub via: Arc<[(Arc<str>, Arc<str>)]>,
    /// Its labels.
    pub labels: Labels,
    /// The ports it declares.
    pub ports: Arc<[ContainerPort]>,
    /// Whether it is on its node's network: then no selector sees it.
    pub host_network: bool,
    /// The node it runs on.
    pub node: Option<NodeId>,
    /// Its addresses.
    pub addresses: Addresses,
    /// Made up from a template: there may be several of it, or none.
    pub stand_in: bool,
    /// Where it, or its template, stands.
    pub span: Span,
}

/// Addresses of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Those of its status, in their order, which is the order of preference.
    Known(AddressList),
    /// Not known.
    Unknown,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Labels,
    /// Its internal and external addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether a Node object says so; else its labels are unknown.
    pub declared: bool,
}

/// A Service.
#[derive(Clone, Debug)]
pub struct Service {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The name.
    pub name: Arc<str>,
    /// The labels of its pods; `None` if its endpoints are set by hand.
    pub selector: Option<Labels>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Its virtual addresses.
    pub cluster_ips: Vec<IpAddr>,
    /// It has none: names lead to its pods.
    pub headless: bool,
    /// The name it stands for, if it is an `ExternalName` Service.
    pub external_name: Option<Arc<str>>,
    /// Where it stands.
    pub span: Span,
}

impl Service {
    /// Whether it sends to a pod: one of its namespace that its selector matches.
    pub fn selects(&self, pod: &Pod) -> bool {
        self.namespace == pod.namespace
            && self.selector.as_ref().is_some_and(|selector| {
                selector.iter().all(|(key, value)| pod.labels.get(key).map(|v| &**v) == Some(value))
            })
    }
}

/// A NetworkPolicy in its namespace.
#[derive(Clone, Debug)]
pub struct PolicyObject {
    /// The namespace.
    pub namespace: NamespaceId,
    /// What it says.
    pub resource: Box<NetworkPolicyResource>,
}

/// An EgressFirewall or EgressNetworkPolicy in its namespace.
#[derive(Clone, Debug)]
pub struct FirewallObject {
    /// The namespace.
    pub namespace: NamespaceId,
    /// What it says.
    pub resource: EgressFirewallResource,
}

/// Something in the input that is not in the model and may be a policy.
#[derive(Clone, Debug)]
pub struct BlindSpot {
    /// What it is.
    pub what: Arc<str>,
    /// Why it is not in the model.
    pub reason: Reason,
    /// The API group that it is of, where that is known.
    pub group: Option<Arc<str>>,
    /// The kind, where that is known.
    pub kind: Option<Arc<str>>,
    /// The namespace whose pods it may select; `None`: any pod.
    pub namespace: Option<NamespaceId>,
    /// Where it stands.
    pub span: Span,
}

/// A pod that has finished: it has given back its address.
#[derive(Clone, Debug)]
pub struct FinishedPod {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The name.
    pub name: Arc<str>,
    /// Where it stands.
    pub span: Span,
}

/// A controller that another one owns: a ReplicaSet of a Deployment, a Job of a CronJob.
#[derive(Clone, Debug)]
pub struct Collapsed {
    /// The namespace.
    pub namespace: NamespaceId,
    /// Its kind.
    pub kind: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The workload that its pods belong to.
    pub owner: WorkloadId,
}

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressOwner {
    /// A pod with an address of its own.
    Pod(PodId),
    /// A node, and with it every pod on the node's network.
    Node(NodeId),
}

impl ClusterState {
    /// How many policies there are, of every API.
    pub fn policy_count(&self) -> usize {
        self.policies.len() + self.admin_policies.len() + self.firewalls.len()
    }

    /// The namespace of an id.
    pub fn namespace(&self, id: NamespaceId) -> &Namespace {
        &self.namespaces[id.index()]
    }

    /// The pod of an id.
    pub fn pod(&self, id: PodId) -> &Pod {
        &self.pods[id.index()]
    }

    /// The workload of an id.
    pub fn workload(&self, id: WorkloadId) -> &Workload {
        &self.workloads[id.index()]
    }

    /// The node of an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The ids of all pods.
    pub fn pod_ids(&self) -> impl ExactSizeIterator<Item = PodId> + use<> {
        (0..self.pods.len()).map(PodId::new)
    }

    /// The ids of all namespaces.
    pub fn namespace_ids(&self) -> impl ExactSizeIterator<Item = NamespaceId> + use<> {
        (0..self.namespaces.len()).map(NamespaceId::new)
    }

    /// The ids of all workloads.
    pub fn workload_ids(&self) -> impl ExactSizeIterator<Item = WorkloadId> + use<> {
        (0..self.workloads.len()).map(WorkloadId::new)
    }

    /// The pods of a namespace: they stand together, as the lists are ordered by namespace first.
    pub fn pods_in(&self, namespace: NamespaceId) -> impl Iterator<Item = PodId> + use<> {
        let first = self.pods.partition_point(|pod| pod.namespace < namespace);
        let end = self.pods.partition_point(|pod| pod.namespace <= namespace);
        (first..end).map(PodId::new)
    }

    /// The workloads of a namespace.
    pub fn workloads_in(&self, namespace: NamespaceId) -> impl Iterator<Item = WorkloadId> + use<> {
        let first = self.workloads.partition_point(|workload| workload.namespace < namespace);
        let end = self.workloads.partition_point(|workload| workload.namespace <= namespace);
        (first..end).map(WorkloadId::new)
    }

    /// The ids of all nodes.
    pub fn node_ids(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId::new)
    }

    /// A namespace by name.
    pub fn find_namespace(&self, name: &str) -> Option<NamespaceId> {
        let at = self.namespaces.binary_search_by(|n| (*n.name).cmp(name)).ok()?;
        Some(NamespaceId::new(at))
    }

    /// A node by name.
    pub fn find_node(&self, name: &str) -> Option<NodeId> {
        self.nodes.binary_search_by(|n| (*n.name).cmp(name)).ok().map(NodeId::new)
    }

    /// Whose an address is; `None` if it belongs to nobody in the input.
    pub fn owner_of(&self, address: IpAddr) -> Option<AddressOwner> {
        self.owners.get(&address).copied()
    }

    /// Every address that belongs to a pod or a node.
    pub fn owned_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.owners.keys().copied()
    }

    /// A workload by the name of its namespace, its group, kind and name.
    pub fn find_workload(&self, [namespace, group, kind, name]: [&str; 4]) -> Option<WorkloadId> {
        let namespace = self.find_namespace(namespace)?;
        let own = |w: &Workload| {
            (w.namespace, &*w.group, &*w.kind, &*w.name).cmp(&(namespace, group, kind, name))
        };
        self.workloads.binary_search_by(own).ok().map(WorkloadId::new)
    }

    /// `namespace/kind/name` as printed: `shop/deploy/web`.
    pub fn workload_name(&self, id: WorkloadId) -> String {
        let workload = self.workload(id);
        let namespace = &self.namespace(workload.namespace).name;
        format!(
            "{namespace}/{}/{}",
            short_kind(Some(&workload.group), &workload.kind),
            workload.name
        )
    }

    /// `namespace/po/name` of a pod, or the workload's name of a stand-in.
    pub fn pod_name(&self, id: PodId) -> String {
        let pod = self.pod(id);
        if pod.stand_in {
            let workload = self.workload(pod.workload);
            return match pod.via.first() {
                // One of several revisions.
                Some((kind, name)) if workload.pods.len() > 1 => {
                    let namespace = &self.namespace(pod.namespace).name;
                    format!("{namespace}/{}/{name}", short_kind(None, kind))
                }
                _ => self.workload_name(pod.workload),
            };
        }
        format!("{}/po/{}", self.namespace(pod.namespace).name, pod.name)
    }

    /// The families that a pod has addresses in, in order of preference. Where addresses are
    /// unknown the order is that of the assumed blocks.
    pub fn families(&self, id: PodId) -> Vec<Family> {
        match &self.pod(id).addresses {
            Addresses::Known(addresses) => {
                let mut families: Vec<Family> = Vec::new();
                for family in addresses.iter().copied().map(Family::of) {
                    if !families.contains(&family) {
                        families.push(family);
                    }
                }
                families
            }
            Addresses::Unknown => self.assumed_families.clone(),
        }
    }

    /// What is known of a pod's address in a family.
    pub fn address(&self, id: PodId, family: Family) -> AddressKnowledge {
        let pod = self.pod(id);
        match &pod.addresses {
            Addresses::Known(addresses) => {
                let found = addresses.iter().copied().find(|&a| Family::of(a) == family);
                found.map_or(AddressKnowledge::None, AddressKnowledge::Exactly)
            }
            // A node may have any address.
            Addresses::Unknown if pod.host_network => AddressKnowledge::OneOf(IpSet::all(family)),
            Addresses::Unknown => AddressKnowledge::OneOf(self.assumed_addresses(family)),
        }
    }

    /// The addresses that pods without a known one are assumed to have theirs from.
    pub fn assumed_addresses(&self, family: Family) -> IpSet {
        self.assumed[family.index()].clone()
    }

    /// The numbers that a port name stands for on a pod. Ports of init containers count where
    /// `sidecars` says so: implementations differ.
    pub fn named_ports(
        &self,
        id: PodId,
        protocol: Protocol,
        name: &str,
        sidecars: bool,
    ) -> Vec<u16> {
        let ports = self.pod(id).ports.iter();
        ports
            .filter(|p| p.protocol == protocol && p.name.as_deref() == Some(name))
            .filter(|p| sidecars || !p.sidecar)
            .map(|p| p.number)
            .collect()
    }

    /// The pods that a Service sends to: those that its selector matches, in its namespace.
    pub fn service_pods(&self, service: &Service) -> Vec<PodId> {
        self.pods_in(service.namespace).filter(|&id| service.selects(self.pod(id))).collect()
    }

    /// The numbers of a Service's port on one of its pods.
    pub fn target_ports(&self, port: &ServicePort, pod: PodId) -> Vec<u16> {
        match &port.target {
            PortRef::Number(number) => vec![*number],
            // The endpoints controller looks at all containers, sidecars included.
            PortRef::Name(name) => self.named_ports(pod, port.protocol, name, true),
        }
    }

    pub(super) fn set_assumptions(&mut self, assumptions: &Assumptions) {
        for (name, address) in &assumptions.resolved {
            let addresses = self.resolved.entry(name.clone()).or_default();
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
        for name in METADATA_NAMES.into_iter().filter_map(DomainName::new) {
            self.resolved.entry(name).or_insert_with(|| vec![METADATA]);
        }
        let given = IpSet::blocks(assumptions.pod_cidrs.iter().copied());
        let pick = |family| {
            let own = given.only(family);
            if own.is_empty() { private_addresses(family) } else { own }
        };
        self.assumed = [pick(Family::V4), pick(Family::V6)];
        self.assumed_families = Vec::new();
        for block in &assumptions.pod_cidrs {
            let family = Family::of(block.addr());
            if !self.assumed_families.contains(&family) {
                self.assumed_families.push(family);
            }
        }
        if self.assumed_families.is_empty() {
            self.assumed_families = Family::ALL.to_vec();
        }
    }
}
