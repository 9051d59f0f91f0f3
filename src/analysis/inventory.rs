//! What was understood.

use super::world::World;
use crate::cluster::{NamespaceId, WorkloadId};
use crate::diagnostic::Span;
use crate::engine::Model;
use crate::manifest::Reason;
use crate::policy::{Direction, NamespaceMatch, PolicyId, PolicyKind};
use std::collections::BTreeMap;

/// Everything in the input, used or not.
#[derive(Debug)]
pub struct Inventory {
    /// Namespaces.
    pub namespaces: Vec<NamespaceRow>,
    /// Workloads.
    pub workloads: Vec<WorkloadRow>,
    /// Policies as the CNI enforces them; all of the manifests' where it does not.
    pub policies: Vec<PolicyRow>,
    /// How many pods have finished.
    pub finished: usize,
    /// Services: name, pods selected, where.
    pub services: Vec<(String, usize, Span)>,
    /// Nodes: name, addresses.
    pub nodes: Vec<(String, String)>,
    /// What was set aside and matters: what, why, where.
    pub concerns: Vec<(String, Reason, Span)>,
    /// Kinds that have no part in the answer, with how many there are.
    pub irrelevant: BTreeMap<String, usize>,
    /// Documents that are no Kubernetes objects.
    pub not_objects: Vec<(String, Span)>,
}

/// One namespace.
#[derive(Debug)]
pub struct NamespaceRow {
    /// The name.
    pub name: String,
    /// Its labels, without the one that the server sets.
    pub labels: String,
    /// Whether there is a Namespace object.
    pub declared: bool,
    /// How many pods.
    pub pods: usize,
    /// How many policies.
    pub policies: usize,
}

/// One workload.
#[derive(Debug)]
pub struct WorkloadRow {
    /// The name as printed.
    pub name: String,
    /// How many pods it has; `None` if one stands for those it would make.
    pub pods: Option<usize>,
    /// Labels of its pods, one for each variant.
    pub labels: Vec<String>,
    /// The ports it declares.
    pub ports: String,
    /// Whether it is on its node's network.
    pub host_network: bool,
    /// How many policies select it, for egress and for ingress.
    pub policies: [usize; 2],
    /// Where it stands.
    pub span: Span,
}

/// One policy.
#[derive(Debug)]
pub struct PolicyRow {
    /// The name as printed.
    pub name: String,
    /// The pods that it selects.
    pub selector: String,
    /// The namespaces that it selects, if it stands in none itself.
    pub namespaces: Option<String>,
    /// How many pods it selects.
    pub pods: usize,
    /// The API it is written in.
    pub kind: PolicyKind,
    /// Its `priority`, where the kind has one.
    pub priority: Option<u16>,
    /// The directions that it isolates.
    pub isolates: [bool; 2],
    /// How many rules, by direction.
    pub rules: [usize; 2],
    /// Where it stands.
    pub span: Span,
}

/// Takes stock.
pub fn inventory(world: &World, model: &Model<'_>) -> Inventory {
    let cluster = &world.cluster;
    let declared = crate::policy::compile(cluster);
    let mut by_namespace: BTreeMap<NamespaceId, (usize, usize)> = BTreeMap::new();
    for pod in &cluster.pods {
        by_namespace.entry(pod.namespace).or_default().0 += 1;
    }
    for namespace in declared.policies.iter().filter_map(|policy| policy.namespace) {
        by_namespace.entry(namespace).or_default().1 += 1;
    }
    let namespaces = cluster
        .namespaces
        .iter()
        .filter_map(|namespace| {
            let id = cluster.find_namespace(&namespace.name)?;
            let (pods, policies) = by_namespace.get(&id).copied().unwrap_or_default();
            let shown = namespace.declared || pods + policies > 0;
            shown.then(|| NamespaceRow {
                name: namespace.name.to_string(),
                labels: namespace
                    .labels
                    .filtered(|key| key != "kubernetes.io/metadata.name")
                    .to_string(),
                declared: namespace.declared,
                pods,
                policies,
            })
        })
        .collect();
    let workloads = cluster.workload_ids().map(|id| workload(world, model, id)).collect();
    let policies = (0..declared.policies.len())
        .map(|at| {
            let policy = declared.policy(PolicyId::new(at));
            let namespace = policy.namespace.map(|id| cluster.namespace(id));
            let selected = cluster.pods.iter().filter(|pod| {
                policy.subject.matches(pod, cluster.namespace(pod.namespace)) != Some(false)
            });
            PolicyRow {
                name: match namespace {
                    Some(namespace) => format!("{}/{}", namespace.name, policy.name),
                    None => policy.name.to_string(),
                },
                selector: policy.subject.pods.to_string(),
                namespaces: match &policy.subject.namespaces {
                    NamespaceMatch::Is(_) => None,
                    NamespaceMatch::Labelled(selector) => Some(selector.to_string()),
                },
                kind: policy.kind,
                priority: matches!(
                    policy.kind,
                    PolicyKind::AdminNetworkPolicy | PolicyKind::ClusterNetworkPolicy
                )
                .then_some(policy.order),
                pods: selected.count(),
                isolates: policy.isolates,
                rules: [policy.rules[0].len(), policy.rules[1].len()],
                span: policy.span,
            }
        })
        .collect();
    let services = cluster.services.iter().map(|service| {
        let name = format!("{}/svc/{}", cluster.namespace(service.namespace).name, service.name);
        (name, cluster.service_pods(service).len(), service.span)
    });
    let nodes = cluster.nodes.iter().map(|node| {
        let addresses: Vec<String> = node.addresses.iter().map(ToString::to_string).collect();
        (node.name.to_string(), addresses.join(" "))
    });
    let mut inventory = Inventory {
        namespaces,
        workloads,
        policies,
        finished: cluster.finished.len(),
        services: services.collect(),
        nodes: nodes.collect(),
        concerns: Vec::new(),
        irrelevant: BTreeMap::new(),
        not_objects: Vec::new(),
    };
    for item in &world.set_aside {
        match item.reason {
            Reason::Irrelevant => {
                let kind = item.kind.as_deref().unwrap_or("?");
                *inventory.irrelevant.entry(kind.to_owned()).or_default() += 1;
            }
            Reason::NotAnObject => inventory.not_objects.push((item.what.to_string(), item.span)),
            reason => inventory.concerns.push((item.what.to_string(), reason, item.span)),
        }
    }
    inventory
}

fn workload(world: &World, model: &Model<'_>, id: WorkloadId) -> WorkloadRow {
    let cluster = &world.cluster;
    let workload = cluster.workload(id);
    let pods: Vec<_> = workload.pods.iter().map(|&pod| cluster.pod(pod)).collect();
    // Labels that controllers add to tell their pods apart say nothing here.
    let added = |key: &str| {
        !matches!(
            key,
            "pod-template-hash"
                | "controller-revision-hash"
                | "statefulset.kubernetes.io/pod-name"
                | "apps.kubernetes.io/pod-index"
                | "pod-template-generation"
                | "batch.kubernetes.io/controller-uid"
                | "controller-uid"
                | "batch.kubernetes.io/job-name"
                | "job-name"
        )
    };
    let mut labels: Vec<String> =
        pods.iter().map(|pod| pod.labels.filtered(added).to_string()).collect();
    labels.sort();
    labels.dedup();
    let mut ports: Vec<String> = pods
        .iter()
        .flat_map(|pod| pod.ports.iter())
        .map(|port| match &port.name {
            Some(name) => format!("{name}:{}/{}", port.number, port.protocol),
            None => format!("{}/{}", port.number, port.protocol),
        })
        .collect();
    ports.sort();
    ports.dedup();
    let count = |direction: Direction| {
        let first = workload.pods.first();
        first.map_or(0, |&pod| model.policies_of(pod, direction))
    };
    WorkloadRow {
        name: cluster.workload_name(id),
        pods: (!pods.iter().any(|pod| pod.stand_in)).then_some(pods.len()),
        labels,
        ports: ports.join(" "),
        host_network: pods.iter().any(|pod| pod.host_network),
        policies: [count(Direction::Egress), count(Direction::Ingress)],
        span: workload.span,
    }
}
