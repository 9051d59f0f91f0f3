//! What later stages need of each object, and nothing else: a dump's pods are mostly other things.
//!
//! Every value here has been checked as the API server checks it, and defaulted as it defaults.

use super::ordered::{AdminPolicyResource, EgressFirewallResource, FirewallKind};
use crate::diagnostic::Span;
use crate::net::Protocol;
use ipnet::IpNet;
use smallvec::SmallVec;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Labels of one object, sorted by key; keys are unique. A copy shares them: the pods of a workload
/// have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl Labels {
    /// Labels from pairs in any order; of equal keys the last counts.
    pub fn new(pairs: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        let mut unique: Vec<(Arc<str>, Arc<str>)> = Vec::with_capacity(pairs.len());
        for pair in pairs {
            match unique.last_mut() {
                Some(last) if last.0 == pair.0 => *last = pair,
                _ => unique.push(pair),
            }
        }
        Self(unique.into())
    }

    /// The value of a label; a label with an empty value is there.
    pub fn get(&self, key: &str) -> Option<&Arc<str>> {
        let at = self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Sets a label.
    pub fn set(&mut self, key: &str, value: Arc<str>) {
        let others = self.0.iter().filter(|(own, _)| **own != *key).cloned();
        *self = Self::new(others.chain([(key.into(), value)]).collect::<Vec<_>>());
    }

    /// The labels, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The labels, by key, for keeping.
    pub fn pairs(&self) -> &[(Arc<str>, Arc<str>)] {
        &self.0
    }

    /// The labels without those that `keep` turns down.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(key, _)| keep(key)).cloned().collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Labels {
    /// As kubectl prints them: `app=web,tier=front`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, value)) in self.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

/// What every object has.
#[derive(Clone, Debug)]
pub struct Meta {
    /// `metadata.namespace` as written; filled in with the default when the cluster is resolved.
    pub namespace: Option<Arc<str>>,
    /// `metadata.name`; for an object with `generateName` alone, that and `*`.
    pub name: Arc<str>,
    /// `metadata.labels`.
    pub labels: Labels,
    /// The owner with `controller: true`.
    pub owner: Option<Owner>,
    /// The object's `metadata.name`, or the object where that is missing.
    pub span: Span,
    /// What tells whether another object says the same.
    pub digest: Digest,
}

/// A 64-bit hash of what an object says: of labels, spec and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// It is this.
    Known(u64),
    /// It is to be computed from the object's text, should the object stand twice.
    Of(Span),
}

/// `metadata.ownerReferences[]` of the managing controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The API group of the owner (of its `apiVersion`).
    pub group: Arc<str>,
    /// The kind of the owner.
    pub kind: Arc<str>,
    /// The name of the owner.
    pub name: Arc<str>,
}

/// An object that has a part in the answer. There are many, and they are handed on from stage to stage: so each is
/// kept in one place.
#[derive(Clone, Debug)]
pub enum Resource {
    /// `v1 Namespace`
    Namespace(Box<Meta>),
    /// `v1 Node`
    Node(Box<NodeResource>),
    /// `v1 Pod`
    Pod(Box<PodResource>),
    /// Anything with a pod template.
    Workload(Box<WorkloadResource>),
    /// `v1 Service`
    Service(Box<ServiceResource>),
    /// `networking.k8s.io/v1 NetworkPolicy`
    NetworkPolicy(Box<NetworkPolicyResource>),
    /// `policy.networking.k8s.io`
    AdminPolicy(Box<AdminPolicyResource>),
    /// `k8s.ovn.org/v1 EgressFirewall`, `network.openshift.io/v1 EgressNetworkPolicy`
    EgressFirewall(Box<EgressFirewallResource>),
}

impl Resource {
    /// Metadata of the object.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Namespace(meta) => meta,
            Self::Node(node) => &node.meta,
            Self::Pod(pod) => &pod.meta,
            Self::Workload(workload) => &workload.meta,
            Self::Service(service) => &service.meta,
            Self::NetworkPolicy(policy) => &policy.meta,
            Self::AdminPolicy(policy) => &policy.meta,
            Self::EgressFirewall(firewall) => &firewall.meta,
        }
    }

    /// The same, to change it.
    pub fn meta_mut(&mut self) -> &mut Meta {
        match self {
            Self::Namespace(meta) => meta,
            Self::Node(node) => &mut node.meta,
            Self::Pod(pod) => &mut pod.meta,
            Self::Workload(workload) => &mut workload.meta,
            Self::Service(service) => &mut service.meta,
            Self::NetworkPolicy(policy) => &mut policy.meta,
            Self::AdminPolicy(policy) => &mut policy.meta,
            Self::EgressFirewall(firewall) => &mut firewall.meta,
        }
    }

    /// Whether the object stands in no namespace.
    pub fn is_cluster_wide(&self) -> bool {
        matches!(self, Self::Namespace(_) | Self::Node(_) | Self::AdminPolicy(_))
    }

    /// API group and kind, which with namespace and name identify an object.
    pub fn group_kind(&self) -> (&str, &str) {
        match self {
            Self::Namespace(_) => ("", "Namespace"),
            Self::Node(_) => ("", "Node"),
            Self::Pod(_) => ("", "Pod"),
            Self::Workload(workload) => (&workload.group, &workload.kind),
            Self::Service(_) => ("", "Service"),
            Self::NetworkPolicy(_) => ("networking.k8s.io", "NetworkPolicy"),
            Self::AdminPolicy(policy) => ("policy.networking.k8s.io", policy.kind.name()),
            Self::EgressFirewall(firewall) => match firewall.kind {
                FirewallKind::EgressFirewall => ("k8s.ovn.org", "EgressFirewall"),
                FirewallKind::EgressNetworkPolicy => {
                    ("network.openshift.io", "EgressNetworkPolicy")
                }
            },
        }
    }
}

/// `v1 Node`
#[derive(Clone, Debug)]
pub struct NodeResource {
    /// Metadata.
    pub meta: Meta,
    /// `status.addresses` of type `InternalIP` and `ExternalIP`.
    pub addresses: Vec<IpAddr>,
}

/// What a pod or a pod template says of its pods.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodShape {
    /// Labels of the pods.
    pub labels: Labels,
    /// `spec.hostNetwork`
    pub host_network: bool,
    /// Ports of containers and of restartable init containers (sidecars), sorted.
    pub ports: Arc<[ContainerPort]>,
}

impl Default for PodShape {
    fn default() -> Self {
        Self { labels: Labels::default(), host_network: false, ports: Arc::from([]) }
    }
}

/// `containers[].ports[]`
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerPort {
    /// `name`, which NetworkPolicy ports and Services may refer to.
    pub name: Option<Arc<str>>,
    /// `protocol`, TCP where it is missing or empty.
    pub protocol: Protocol,
    /// `containerPort`
    pub number: u16,
    /// Declared by an init container: implementations differ on whether its name resolves.
    pub sidecar: bool,
}

/// Addresses of one pod: mostly one, or one of each family.
pub type AddressList = SmallVec<[IpAddr; 1]>;

/// `v1 Pod`
#[derive(Clone, Debug)]
pub struct PodResource {
    /// Metadata.
    pub meta: Meta,
    /// Labels, network and ports.
    pub shape: PodShape,
    /// `spec.nodeName`
    pub node: Option<Arc<str>>,
    /// `status.phase` is `Succeeded` or `Failed`: the pod holds no address any more.
    pub finished: bool,
    /// `status.podIPs`, else `status.podIP`, in their order.
    pub addresses: AddressList,
    /// `status.hostIPs`, else `status.hostIP`.
    pub host_addresses: AddressList,
    /// It stands for several pods alike, as that of a template does; none that is read does.
    pub stand_in: bool,
}

/// An object with a pod template.
#[derive(Clone, Debug)]
pub struct WorkloadResource {
    /// Metadata.
    pub meta: Meta,
    /// The API group (`apps`, `batch`, `argoproj.io`, …).
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// `spec.replicas`, where the kind has it.
    pub replicas: Option<u32>,
    /// The pod template.
    pub template: PodShape,
}

/// `v1 Service`
#[derive(Clone, Debug)]
pub struct ServiceResource {
    /// Metadata.
    pub meta: Meta,
    /// `spec.selector`; `None` if there is none or it is empty (endpoints are then set by hand).
    pub selector: Option<Labels>,
    /// `spec.ports`
    pub ports: Vec<ServicePort>,
    /// `spec.clusterIPs`
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.clusterIP: None`: it has no virtual address, and names lead to its pods.
    pub headless: bool,
    /// `spec.type: ExternalName`
    pub external_name: Option<Arc<str>>,
}

/// `spec.ports[]` of a Service.
#[derive(Clone, Debug)]
pub struct ServicePort {
    /// `name`
    pub name: Option<Arc<str>>,
    /// `protocol`
    pub protocol: Protocol,
    /// `port`
    pub port: u16,
    /// `targetPort`, `port` where it is missing.
    pub target: PortRef,
    /// Where it stands.
    pub span: Span,
}

/// A port by number, or by the name of a container port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortRef {
    /// A number.
    Number(u16),
    /// The name of a container port, which may be another number on each pod.
    Name(Arc<str>),
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// `networking.k8s.io/v1 NetworkPolicy`, with `policyTypes` defaulted.
#[derive(Clone, Debug)]
pub struct NetworkPolicyResource {
    /// Metadata.
    pub meta: Meta,
    /// `spec.podSelector`
    pub pod_selector: LabelSelector,
    /// `spec.policyTypes` with its key, unless it is missing or empty.
    pub policy_types: Option<Span>,
    /// `policyTypes` has `Ingress`, or it is missing.
    pub isolates_ingress: bool,
    /// `policyTypes` has `Egress`, or it is missing and there are egress rules.
    pub isolates_egress: bool,
    /// `spec.ingress`
    pub ingress: Vec<RuleResource>,
    /// `spec.egress`
    pub egress: Vec<RuleResource>,
}

/// `spec.ingress[]` or `spec.egress[]`
#[derive(Clone, Debug)]
pub struct RuleResource {
    /// Where it stands.
    pub span: Span,
    /// `from` or `to`; empty means any peer.
    pub peers: Vec<PeerResource>,
    /// `ports`; empty means every port.
    pub ports: Vec<PortResource>,
}

/// `from[]` or `to[]`
#[derive(Clone, Debug)]
pub struct PeerResource {
    /// Where it stands.
    pub span: Span,
    /// What it says.
    pub selects: PeerSelects,
}

/// The two shapes of a NetworkPolicy peer.
#[derive(Clone, Debug)]
pub enum PeerSelects {
    /// Pods, by the selectors of their namespace and of themselves; at least one is there.
    Pods {
        /// `namespaceSelector`; missing means the policy's own namespace.
        namespaces: Option<LabelSelector>,
        /// `podSelector`; missing means every pod.
        pods: Option<LabelSelector>,
    },
    /// `ipBlock`
    Block {
        /// `cidr`
        cidr: IpNet,
        /// `except`, each inside of `cidr`.
        except: Vec<IpNet>,
    },
}

/// `ports[]` of a NetworkPolicy rule.
#[derive(Clone, Debug)]
pub struct PortResource {
    /// Where it stands.
    pub span: Span,
    /// `protocol`, TCP where it is missing.
    pub protocol: Protocol,
    /// `port`; missing means every port of the protocol.
    pub port: Option<PortRef>,
    /// `endPort`, at least `port`, which is then a number.
    pub end_port: Option<u16>,
}

/// A `LabelSelector`: all requirements must hold; without any it selects everything.
#[derive(Clone, Debug)]
pub struct LabelSelector {
    /// Where it stands.
    pub span: Span,
    /// `matchLabels` (each as `In` with one value), then `matchExpressions`.
    pub requirements: Vec<Requirement>,
}

/// `matchExpressions[]`, or one pair of `matchLabels`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: Arc<str>,
    /// What must hold.
    pub operator: Operator,
    /// The values of `In` and `NotIn`, sorted.
    pub values: Vec<Arc<str>>,
    /// Where it stands.
    pub span: Span,
}

/// `LabelSelectorOperator`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// The label is there and has one of the values.
    In,
    /// The label is missing, or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is missing.
    DoesNotExist,
}

impl Requirement {
    /// Whether nothing meets it: a selector that the API server takes and no engine can read.
    pub fn is_void(&self) -> bool {
        self.operator == Operator::In && self.values.is_empty()
    }

    /// Whether it holds for these labels: `NotIn` and `DoesNotExist` hold where the label is
    /// missing.
    pub fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.contains(v)),
            Operator::NotIn => value.is_none_or(|v| !self.values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl fmt::Display for Requirement {
    /// As a `kubectl -l` selector: `app=web`, `tier in (a,b)`, `!canary`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match (self.operator, &*self.values) {
            (Operator::In, []) => write!(f, "<nothing>"),
            (Operator::In, [value]) => write!(f, "{key}={value}"),
            (Operator::NotIn, [value]) => write!(f, "{key}!={value}"),
            (Operator::In, values) => write!(f, "{key} in ({})", values.join(",")),
            (Operator::NotIn, values) => write!(f, "{key} notin ({})", values.join(",")),
            (Operator::Exists, _) => write!(f, "{key}"),
            (Operator::DoesNotExist, _) => write!(f, "!{key}"),
        }
    }
}
