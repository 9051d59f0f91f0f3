//! Resources to the [`ClusterState`].

use super::labels::NAMESPACE_NAME;
use super::owners::{Chain, Via, WorkloadKey, Workloads, climb};
use super::state::{
    AddressOwner, Addresses, Assumptions, BlindSpot, ClusterState, Collapsed, FinishedPod,
    FirewallObject, Namespace, NamespaceId, Node, NodeId, Pod, PodId, PolicyObject, Service,
    Workload, WorkloadId,
};
use crate::diagnostic::{Code, Diagnostic, SourceMap, Span};
use crate::manifest::{
    AddressList, AdminPolicyResource, Labels, Meta, Owner, PodResource, Reason, Resource, SetAside,
    WorkloadResource, digest,
};
use rayon::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet, FxHasher};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

/// Builds the cluster out of what was loaded.
///
/// The order of resources changes nothing but which of two equal objects is called the second.
pub fn resolve(
    resources: Vec<Resource>,
    set_aside: &[SetAside],
    sources: &SourceMap,
    assumptions: &Assumptions,
) -> (ClusterState, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let resources = number_generated_names(resources);
    let (resources, mut twice) =
        without_duplicates(resources, sources, assumptions, &mut diagnostics);
    let mut state = ClusterState { left_out_twice: twice.len(), ..ClusterState::default() };
    state.set_assumptions(assumptions);
    let namespace_of = |r: &Resource| namespace_name(r, assumptions);

    namespaces(&mut state, &resources, set_aside, assumptions);
    nodes(&mut state, &resources);

    // Pods are most of a cluster: they are moved, not copied.
    let (mut pods, mut others) = (Vec::new(), Vec::new());
    for resource in resources {
        match resource {
            Resource::Pod(pod) => pods.push(pod),
            other => others.push(other),
        }
    }
    let workloads: Workloads<'_> = others
        .iter()
        .filter_map(|r| match r {
            Resource::Workload(w) => {
                let (group, kind) = (Arc::clone(&w.group), Arc::clone(&w.kind));
                Some(((namespace_of(r), group, kind, Arc::clone(&w.meta.name)), &**w))
            }
            _ => None,
        })
        .collect();
    let mut plan = plan_pods(&mut state, pods, &workloads, assumptions);
    let collapsed = stand_ins(&mut plan, &workloads);
    let ids = build(&mut state, plan, &workloads);
    for (key, owner) in collapsed {
        if let (Some(&owner), Some(namespace)) = (ids.get(&owner), state.find_namespace(&key.0)) {
            state.collapsed.push(Collapsed { namespace, kind: key.2, name: key.3, owner });
        }
    }
    addresses(&mut state, &mut diagnostics);

    for resource in others {
        let name = namespace_name(&resource, assumptions);
        let Some(namespace) = state.find_namespace(&name) else {
            continue;
        };
        match resource {
            Resource::Service(s) => state.services.push(Service {
                namespace,
                name: s.meta.name,
                selector: s.selector,
                ports: s.ports,
                cluster_ips: s.cluster_ips,
                headless: s.headless,
                external_name: s.external_name,
                span: s.meta.span,
            }),
            Resource::NetworkPolicy(resource) => {
                state.policies.push(PolicyObject { namespace, resource });
            }
            Resource::AdminPolicy(resource) => state.admin_policies.push(*resource),
            Resource::EgressFirewall(resource) => {
                let resource = *resource;
                state.firewalls.push(FirewallObject { namespace, resource });
            }
            _ => {}
        }
    }
    state.services.sort_by(|a, b| (a.namespace, &a.name).cmp(&(b.namespace, &b.name)));
    state.policies.sort_by(|a, b| {
        (a.namespace, &a.resource.meta.name).cmp(&(b.namespace, &b.resource.meta.name))
    });
    state.admin_policies.sort_by(|a, b| {
        let key = |p: &AdminPolicyResource| (p.tier, p.priority, p.kind);
        (key(a), &a.meta.name).cmp(&(key(b), &b.meta.name))
    });
    state.firewalls.sort_by(|a, b| {
        let key = |f: &FirewallObject| (f.resource.kind, f.namespace);
        (key(a), &a.resource.meta.name).cmp(&(key(b), &b.resource.meta.name))
    });
    blind_spots(&mut state, set_aside, &mut twice, assumptions);
    (state, diagnostics)
}

/// Objects with `generateName` get another name each time they are created: `job-*`, `job-*2`, ….
fn number_generated_names(mut resources: Vec<Resource>) -> Vec<Resource> {
    if !resources.par_iter().any(|own| own.meta().name.ends_with('*')) {
        return resources;
    }
    let mut seen: HashMap<Arc<str>, usize> = HashMap::new();
    for resource in &mut resources {
        let meta = resource.meta_mut();
        if meta.name.ends_with('*') {
            let count = seen.entry(Arc::clone(&meta.name)).or_default();
            *count += 1;
            if *count > 1 {
                meta.name = format!("{}{count}", meta.name).into();
            }
        }
    }
    resources
}

/// The namespace of an object; one that stands in none has the default, which is always there.
fn namespace_name(resource: &Resource, assumptions: &Assumptions) -> Arc<str> {
    let own = resource.meta().namespace.as_ref().filter(|_| !resource.is_cluster_wide());
    Arc::clone(own.unwrap_or(&assumptions.default_namespace))
}

/// A number that objects of one name have in common, and hardly any others.
fn identity(resource: &Resource, assumptions: &Assumptions) -> u64 {
    let mut hasher = FxHasher::default();
    let meta = resource.meta();
    if !resource.is_cluster_wide() {
        meta.namespace.as_deref().unwrap_or(&assumptions.default_namespace).hash(&mut hasher);
    }
    (resource.group_kind(), &*meta.name).hash(&mut hasher);
    hasher.finish()
}

/// Takes out objects that are there twice and say different things: nobody can tell which of them a
/// cluster would have. Of equal ones the first stays.
fn without_duplicates(
    resources: Vec<Resource>,
    sources: &SourceMap,
    assumptions: &Assumptions,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<Resource>, Vec<Resource>) {
    type Key = (Arc<str>, String, Arc<str>);
    let mut once = FxHashSet::with_capacity_and_hasher(resources.len(), FxBuildHasher);
    let identities = resources.par_iter().map(|resource| identity(resource, assumptions));
    let identities: Vec<u64> = identities.collect();
    let again: FxHashSet<u64> = identities.into_iter().filter(|own| !once.insert(*own)).collect();
    if again.is_empty() {
        return (resources, Vec::new());
    }
    let key = |r: &Resource| -> Key {
        let namespace =
            if r.is_cluster_wide() { "".into() } else { namespace_name(r, assumptions) };
        let (group, kind) = r.group_kind();
        (namespace, format!("{kind}.{group}"), Arc::clone(&r.meta().name))
    };
    let digest_of = |meta: &Meta| digest(sources, meta);
    let mut places: HashMap<Key, Vec<(Span, u64)>> = HashMap::new();
    for resource in &resources {
        if again.contains(&identity(resource, assumptions)) {
            let meta = resource.meta();
            places.entry(key(resource)).or_default().push((meta.span, digest_of(meta)));
        }
    }
    let (mut single, mut twice) = (Vec::new(), Vec::new());
    let mut equal: Vec<(String, Span, Span)> = Vec::new();
    for resource in resources {
        let found = places.get(&key(&resource)).map(Vec::as_slice).unwrap_or_default();
        let span = resource.meta().span;
        let [(first, digest), _, ..] = *found else {
            single.push(resource);
            continue;
        };
        let (_, kind) = resource.group_kind();
        let (namespace, _, name) = key(&resource);
        let slash = if namespace.is_empty() { "" } else { "/" };
        let what = format!("{kind} `{namespace}{slash}{name}`");
        if found.iter().all(|(_, other)| *other == digest) {
            if span == first {
                single.push(resource);
            } else {
                equal.push((what, span, first));
            }
            continue;
        }
        if span != first {
            diagnostics.push(
                Diagnostic::new(
                    Code::DuplicateObject,
                    format!("{what} stands twice in the input, and differs"),
                )
                .at(span, "applied in this order, this one silently replaces the other")
                .also_at(first, "the first one")
                .help("load one of them: name the files with `-f`"),
            );
        }
        twice.push(resource);
    }
    if let Some((what, span, first)) = equal.first() {
        let mut warning = Diagnostic::new(
            Code::RepeatedObject,
            match equal.len() {
                1 => format!("{what} stands twice in the input and says the same"),
                n => format!("{n} objects stand twice in the input and say the same"),
            },
        )
        .at(*span, "read once")
        .also_at(*first, "here already");
        if equal.len() > 1 {
            let names: Vec<&str> = equal.iter().take(5).map(|(what, ..)| what.as_str()).collect();
            let more = equal.len().saturating_sub(5);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            warning = warning.note(format!("they are {}{more}", names.join(", ")));
        }
        diagnostics.push(warning);
    }
    (single, twice)
}

fn namespaces(
    state: &mut ClusterState,
    resources: &[Resource],
    set_aside: &[SetAside],
    assumptions: &Assumptions,
) {
    let mut found: BTreeMap<Arc<str>, Option<&Labels>> = BTreeMap::new();
    found.insert(Arc::clone(&assumptions.default_namespace), None);
    let mut last: Option<&Arc<str>> = None;
    for resource in resources.iter().filter(|r| !r.is_cluster_wide()) {
        // Objects of one namespace mostly stand together.
        let own = resource.meta().namespace.as_ref();
        if last.is_none() || own != last {
            found.entry(namespace_name(resource, assumptions)).or_default();
            last = own;
        }
    }
    for namespace in set_aside
        .iter()
        .filter(|s| s.reason != Reason::Irrelevant)
        .filter_map(|s| s.namespace.clone())
    {
        found.entry(namespace).or_default();
    }
    for resource in resources {
        if let Resource::Namespace(meta) = resource {
            found.insert(Arc::clone(&meta.name), Some(&meta.labels));
        }
    }
    for (name, declared) in found {
        let mut labels = declared.cloned().unwrap_or_default();
        labels.set(NAMESPACE_NAME, Arc::clone(&name));
        state.namespaces.push(Namespace { name, labels, declared: declared.is_some() });
    }
}

/// Nodes of the input, and those that pods name.
fn nodes(state: &mut ClusterState, resources: &[Resource]) {
    let mut found: Vec<Node> = Vec::new();
    let mut by_name: FxHashMap<&str, usize> = FxHashMap::default();
    for resource in resources {
        if let Resource::Node(node) = resource {
            let name = Arc::clone(&node.meta.name);
            let labels = node.meta.labels.clone();
            by_name.insert(&node.meta.name, found.len());
            found.push(Node { name, labels, addresses: node.addresses.clone(), declared: true });
        }
    }
    for resource in resources {
        let Resource::Pod(pod) = resource else {
            continue;
        };
        let Some(name) = &pod.node else { continue };
        let at = *by_name.entry(name).or_insert_with(|| {
            found.push(Node {
                name: Arc::clone(name),
                labels: Labels::default(),
                addresses: Vec::new(),
                declared: false,
            });
            found.len() - 1
        });
        // A pod knows addresses of its node.
        let host = if pod.shape.host_network { &pod.addresses[..] } else { &[] };
        let known = &mut found[at].addresses;
        for &address in host.iter().chain(&pod.host_addresses) {
            if !known.contains(&address) {
                known.push(address);
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    state.nodes = found;
}

/// A workload in the making.
#[derive(Default)]
struct Draft {
    pods: Vec<DraftPod>,
    finished: usize,
    span: Span,
}

struct DraftPod {
    via: Via,
    node: Option<NodeId>,
    pod: Box<PodResource>,
}

/// Workloads in the making, by what identifies them.
#[derive(Default)]
struct Plan {
    drafts: Vec<(WorkloadKey, Draft)>,
    places: FxHashMap<WorkloadKey, usize>,
}

impl Plan {
    /// The place of a workload, which is new if it was not there.
    fn place(&mut self, key: &WorkloadKey, span: Span) -> usize {
        if let Some(&at) = self.places.get(key) {
            return at;
        }
        self.places.insert(key.clone(), self.drafts.len());
        self.drafts.push((key.clone(), Draft { span, ..Draft::default() }));
        self.drafts.len() - 1
    }
}

#[expect(clippy::vec_box, reason = "they are boxed already, and moved as they are")]
fn plan_pods(
    state: &mut ClusterState,
    pods: Vec<Box<PodResource>>,
    workloads: &Workloads<'_>,
    assumptions: &Assumptions,
) -> Plan {
    let mut plan = Plan::default();
    let node_of_name: FxHashMap<Arc<str>, NodeId> =
        state.node_ids().map(|id| (Arc::clone(&state.node(id).name), id)).collect();
    let node_of_address: FxHashMap<IpAddr, NodeId> = state
        .node_ids()
        .flat_map(|id| state.node(id).addresses.iter().map(move |&address| (address, id)))
        .collect();
    // The pods of a workload mostly stand together.
    let mut last: Option<(Sibling, usize, Via)> = None;
    let on_nodes: Vec<[Option<NodeId>; 2]> = pods
        .par_iter()
        .map(|pod| {
            let by_name = pod.node.as_ref().and_then(|name| node_of_name.get(name)).copied();
            let by_address = || pod.host_addresses.iter().find_map(|a| node_of_address.get(a));
            [by_name, by_name.or_else(|| by_address().copied())]
        })
        .collect();
    for (mut pod, [by_name, node]) in pods.into_iter().zip(on_nodes) {
        if pod.addresses.is_empty() && pod.shape.host_network {
            let of_node = by_name.map(|id| &state.node(id).addresses);
            pod.addresses.extend(of_node.into_iter().flatten().copied());
        }
        let meta = &pod.meta;
        let namespace = meta.namespace.as_ref().unwrap_or(&assumptions.default_namespace);
        let (at, via) = match &last {
            Some((other, at, via))
                if other.is_of(meta.owner.as_ref(), namespace, &pod.shape.labels) =>
            {
                (*at, Arc::clone(via))
            }
            _ => {
                let chain = climb(namespace, meta.owner.as_ref(), &pod.shape.labels, workloads);
                let Chain { top, via } = chain.unwrap_or_else(|| Chain {
                    top: (Arc::clone(namespace), "".into(), "Pod".into(), Arc::clone(&meta.name)),
                    via: Arc::default(),
                });
                let at = plan.place(&top, meta.span);
                last = meta.owner.clone().map(|owner| {
                    let (namespace, labels) = (Arc::clone(namespace), pod.shape.labels.clone());
                    (Sibling { owner, namespace, labels }, at, Arc::clone(&via))
                });
                (at, via)
            }
        };
        let draft = &mut plan.drafts[at].1;
        if pod.finished && !assumptions.include_finished {
            draft.finished += 1;
            if let Some(namespace) = state.find_namespace(namespace) {
                let name = Arc::clone(&meta.name);
                state.finished.push(FinishedPod { namespace, name, span: meta.span });
            }
            continue;
        }
        draft.pods.push(DraftPod { via, node, pod });
    }
    state.finished.sort_by(|a, b| (a.namespace, &a.name).cmp(&(b.namespace, &b.name)));
    plan
}

/// What tells whose a pod is, of a pod that has an owner.
struct Sibling {
    owner: Owner,
    namespace: Arc<str>,
    labels: Labels,
}

impl Sibling {
    fn is_of(&self, owner: Option<&Owner>, namespace: &Arc<str>, labels: &Labels) -> bool {
        owner == Some(&self.owner) && *namespace == self.namespace && *labels == self.labels
    }
}

/// Adds workloads that have no pods in the input: one pod stands for those they would make.
/// Returns the controllers whose pods are their owner's: (their key, the owner's).
fn stand_ins(plan: &mut Plan, workloads: &Workloads<'_>) -> Vec<(WorkloadKey, WorkloadKey)> {
    let mut collapsed = Vec::new();
    for (key, workload) in workloads {
        let namespace = &key.0;
        let chain =
            climb(namespace, workload.meta.owner.as_ref(), &workload.template.labels, workloads);
        // Owned by something else: its owner's pods are meant, whose template may be newer.
        let top = chain.as_ref().map_or(key, |chain| &chain.top);
        let at = plan.place(top, workload.meta.span);
        let draft = &mut plan.drafts[at].1;
        if chain.is_some() {
            collapsed.push((key.clone(), top.clone()));
            if workloads.contains_key(top) {
                continue;
            }
        }
        // A revision that was scaled down makes no pods; a Job whose pods have finished no more.
        let old = chain.is_some() && workload.replicas == Some(0);
        let over = &*workload.kind == "Job" && draft.finished > 0;
        let live = draft.pods.iter().any(|own| !own.pod.stand_in);
        if live || over || old {
            continue;
        }
        let mut via: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        if let Some(chain) = chain {
            via.push((Arc::clone(&workload.kind), Arc::clone(&workload.meta.name)));
            via.extend(chain.via.iter().cloned());
        }
        let pod = PodResource {
            // Several revisions of one owner are told apart by their own names.
            meta: workload.meta.clone(),
            shape: workload.template.clone(),
            node: None,
            finished: false,
            addresses: AddressList::new(),
            host_addresses: AddressList::new(),
            stand_in: true,
        };
        draft.pods.push(DraftPod { via: via.into(), node: None, pod: Box::new(pod) });
    }
    collapsed
}

fn build(
    state: &mut ClusterState,
    plan: Plan,
    workloads: &Workloads<'_>,
) -> FxHashMap<WorkloadKey, WorkloadId> {
    let mut drafts = plan.drafts;
    drafts.sort_by(|a, b| a.0.cmp(&b.0));
    let mut ids = FxHashMap::default();
    let mut all: Vec<(NamespaceId, WorkloadId, DraftPod)> = Vec::new();
    for (key, mut draft) in drafts {
        let Some(namespace) = state.find_namespace(&key.0) else {
            continue;
        };
        let object: Option<&&WorkloadResource> = workloads.get(&key);
        let workload = WorkloadId::new(state.workloads.len());
        ids.insert(key.clone(), workload);
        draft.pods.sort_by(|a, b| a.pod.meta.name.cmp(&b.pod.meta.name));
        let first = all.len();
        all.extend(draft.pods.into_iter().map(|pod| (namespace, workload, pod)));
        let pods = (first..all.len()).map(PodId::new).collect();
        state.workloads.push(Workload {
            namespace,
            group: key.1,
            kind: key.2,
            name: key.3,
            pods,
            replicas: object.and_then(|object| object.replicas),
            span: object.map_or(draft.span, |object| object.meta.span),
        });
    }
    let pods = all.into_par_iter().map(|(namespace, workload, DraftPod { via, node, pod })| {
        let PodResource { meta, shape, addresses, stand_in, .. } = *pod;
        let known = !addresses.is_empty();
        let addresses = if known { Addresses::Known(addresses) } else { Addresses::Unknown };
        Pod {
            namespace,
            name: meta.name,
            workload,
            via,
            labels: shape.labels,
            ports: shape.ports,
            host_network: shape.host_network,
            node,
            addresses,
            stand_in,
            span: meta.span,
        }
    });
    state.pods = pods.collect();
    ids
}

/// Whose each address is. A pod's own address wins over a node's: a node's address can be known
/// from elsewhere and be out of date, a running pod's is what packets carry.
fn addresses(state: &mut ClusterState, diagnostics: &mut Vec<Diagnostic>) {
    let mut owners: FxHashMap<IpAddr, AddressOwner> =
        FxHashMap::with_capacity_and_hasher(state.pods.len() + state.nodes.len(), FxBuildHasher);
    for id in state.node_ids() {
        for &address in &state.node(id).addresses {
            owners.entry(address).or_insert(AddressOwner::Node(id));
        }
    }
    let mut reported = BTreeSet::new();
    for id in state.pod_ids() {
        let pod = state.pod(id);
        let Addresses::Known(addresses) = &pod.addresses else {
            continue;
        };
        for &address in addresses {
            if pod.host_network {
                let owner = pod.node.map_or(AddressOwner::Pod(id), AddressOwner::Node);
                owners.entry(address).or_insert(owner);
                continue;
            }
            if let Some(AddressOwner::Pod(other)) = owners.insert(address, AddressOwner::Pod(id))
                && !state.pod(other).host_network
                && reported.insert(address)
            {
                diagnostics.push(
                    Diagnostic::new(
                        Code::SharedAddress,
                        format!("two running pods have the address `{address}`"),
                    )
                    .at(pod.span, "this pod")
                    .also_at(state.pod(other).span, "and this one")
                    .note("a question about the address is answered for one of them"),
                );
            }
        }
    }
    state.owners = owners;
}

fn blind_spots(
    state: &mut ClusterState,
    set_aside: &[SetAside],
    twice: &mut Vec<Resource>,
    assumptions: &Assumptions,
) {
    let mut spots: Vec<BlindSpot> = Vec::new();
    for item in set_aside.iter().filter(|item| item.reason.may_hide_a_policy()) {
        let legal = |name: &str| {
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        // A namespace that cannot be is a typo of one that we cannot guess.
        // A policy of an API that we do not know may be about any pod unless it states a namespace;
        // a namespace that cannot be is a typo of one that we cannot guess.
        let everywhere = match (&item.namespace, item.reason) {
            (_, Reason::Unreadable) => true,
            (Some(name), _) => {
                !legal(name) || item.kind.as_deref().is_none_or(is_cluster_wide_policy)
            }
            (None, Reason::InvalidPolicy) => {
                item.kind.as_deref().is_some_and(is_cluster_wide_policy)
            }
            (None, _) => !item.kind.as_deref().is_some_and(is_namespaced_policy),
        };
        let own = item.namespace.as_ref().unwrap_or(&assumptions.default_namespace);
        let namespace = if everywhere { None } else { state.find_namespace(own) };
        spots.push(BlindSpot {
            what: Arc::clone(&item.what),
            reason: item.reason,
            group: item.group.clone(),
            kind: item.kind.clone(),
            namespace,
            span: item.span,
        });
    }
    for resource in twice.drain(..) {
        let policy = matches!(
            resource,
            Resource::NetworkPolicy(_) | Resource::AdminPolicy(_) | Resource::EgressFirewall(_)
        );
        if !policy {
            continue;
        }
        let (group, kind) = resource.group_kind();
        let meta = resource.meta();
        let (own, namespace) = if resource.is_cluster_wide() {
            (String::new(), None)
        } else {
            let name = namespace_name(&resource, assumptions);
            (format!("{name}/"), state.find_namespace(&name))
        };
        spots.push(BlindSpot {
            what: format!("{kind} {own}{}, which stands twice", meta.name).into(),
            reason: Reason::InvalidPolicy,
            group: Some(group.into()),
            kind: Some(kind.into()),
            namespace,
            span: meta.span,
        });
    }
    spots.sort_by_key(|spot| spot.span);
    state.blind_spots = spots;
}

/// Policies of other APIs that are not bound to a namespace, by their kind.
fn is_cluster_wide_policy(kind: &str) -> bool {
    ["Admin", "Cluster", "Global"].iter().any(|word| kind.contains(word))
}

/// Policies of other APIs that are known to be bound to a namespace.
fn is_namespaced_policy(kind: &str) -> bool {
    [
        "ApplicationNetworkPolicy",
        "CiliumNetworkPolicy",
        "EgressFirewall",
        "EgressNetworkPolicy",
        "NetworkPolicy",
        "SecurityGroupPolicy",
    ]
    .contains(&kind)
}
