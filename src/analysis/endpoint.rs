//! The ends of a question, as users name them.

use super::world::World;
use crate::cluster::{
    AddressOwner, ClusterState, NamespaceId, PodId, Selector, Service, WorkloadId, kind_from_user,
    public_addresses,
};
use crate::engine::Peer;
use crate::manifest::nearest;
use crate::net::{DomainName, Family, IpSet};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

/// What an end of a question stands for.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its canonical name, as printed.
    pub name: String,
    /// Everything that it stands for; never empty.
    pub members: Vec<Member>,
    /// The Service, by its place in the cluster's list, if it is one: ports are then its ports.
    pub service: Option<usize>,
    /// The family that an address gives.
    pub family: Option<Family>,
    /// What the name was taken for, where that is not plain.
    pub note: Option<String>,
}

/// Addresses that have a name of their own, whatever the cluster: (name, addresses, whose they are).
const WELL_KNOWN: &[(&str, &[&str], &str)] = &[
    // The IPv4 address is that of AWS, Azure, Google Cloud, OpenStack and others; the IPv6 one AWS's.
    ("metadata", &["169.254.169.254", "fd00:ec2::254"], "the cloud's metadata service"),
    // "The address 168.63.129.16 is a virtual public IP" (Azure documentation, "What is IP address …").
    ("azure-wireserver", &["168.63.129.16"], "Azure's platform services"),
    // Kubernetes documentation, "Using NodeLocal DNSCache".
    ("node-local-dns", &["169.254.20.10"], "the DNS cache on the pod's node"),
];

/// One thing that an end stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What the engine knows it as.
    pub peer: Peer,
    /// How it is printed.
    pub name: String,
}

/// Where names without a namespace are looked up.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// Whether the user named it: then label selectors are about it alone.
    pub given: bool,
}

/// An end that cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError {
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EndpointError {}

fn fail<T>(message: impl Into<String>) -> Result<T, EndpointError> {
    Err(EndpointError { message: message.into(), help: None })
}

fn fail_with<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, EndpointError> {
    Err(EndpointError { message: message.into(), help: Some(help.into()) })
}

/// Reads what a domain name stands for: `api.example.com=203.0.113.7`.
pub fn parse_resolution(text: &str) -> Result<(DomainName, IpAddr), String> {
    let (name, address) =
        text.split_once('=').ok_or("write NAME=ADDRESS, such as api.example.com=203.0.113.7")?;
    let name = DomainName::new(name).ok_or(format!("`{name}` is no domain name"))?;
    let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is no IP address"))?;
    Ok((name, address.to_canonical()))
}

/// Resolves the text of an end.
pub fn resolve_endpoint(world: &World, text: &str) -> Result<Endpoint, EndpointError> {
    let cluster = &world.cluster;
    let scope = Scope {
        namespace: &world.options.assumptions.default_namespace,
        given: world.options.namespace_given,
    };
    let text = text.trim();
    if text.is_empty() {
        return fail("an end of the question is empty");
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && DomainName::new(host).is_some()
        && port.parse::<u16>().is_ok()
    {
        return fail_with(
            format!("`{text}` is a host and a port"),
            format!("write `{host}`, and `--port {port}`"),
        );
    }
    if text.starts_with("*.") {
        return fail_with(
            format!("`{text}` is a pattern of names"),
            "ask about one of them, such as `www` in place of the star",
        );
    }
    if text.contains('.') && !text.is_ascii() {
        return fail_with(
            format!("`{text}` is no domain name as resolvers take it"),
            "write it in ASCII (punycode): `xn--…`",
        );
    }
    if text == "internet" {
        let both = public_addresses(Family::V4).union(&public_addresses(Family::V6));
        let set = Family::ALL
            .into_iter()
            .filter(|&family| world.options.family.is_none_or(|wanted| wanted == family))
            .fold(IpSet::empty(), |all, family| all.union(&both.only(family)));
        return Ok(addresses(cluster, "internet", &set, None, false));
    }
    if let Some((name, texts, whose)) = WELL_KNOWN.iter().find(|(name, ..)| *name == text) {
        if by_name(world, scope.namespace, name, text).is_ok() {
            return fail_with(
                format!("`{name}` is {whose}, and something of that name in the input"),
                format!("write `{}` or `NAMESPACE/{name}`", texts[0]),
            );
        }
        let wanted =
            |a: &IpAddr| world.options.family.is_none_or(|family| family == Family::of(*a));
        let own = texts.iter().filter_map(|text| text.parse().ok()).filter(wanted);
        let set = own.fold(IpSet::empty(), |all, one| all.union(&IpSet::address(one)));
        let note = format!("{name} is {}, {whose}", texts.join(" and "));
        let endpoint = addresses(cluster, name, &set, None, true);
        if endpoint.members.is_empty() {
            return fail(format!("`{name}` has no address of the family asked for"));
        }
        return Ok(Endpoint { note: Some(note), ..endpoint });
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return one_address(cluster, address.to_canonical());
    }
    if let Ok(block) = text.parse::<IpNet>() {
        let block = unmapped(block).trunc();
        let family = Family::of(block.addr());
        return Ok(addresses(
            cluster,
            &block.to_string(),
            &IpSet::block(block),
            Some(family),
            true,
        ));
    }
    if text.contains(['=', '!', '(']) {
        return selected(cluster, text, &scope);
    }
    let parts: Vec<&str> = text.split('/').collect();
    match *parts.as_slice() {
        [name] => match (by_name(world, scope.namespace, name, text), DomainName::new(name)) {
            (Err(error), Some(domain)) => by_domain(world, &domain, error),
            (found, _) => found,
        },
        [first, name] => match first.to_ascii_lowercase().as_str() {
            "ns" | "namespace" | "namespaces" => whole_namespace(world, name),
            "node" | "nodes" | "no" => node(cluster, name),
            _ if kind_from_user(first).is_some() => {
                by_kind(world, scope.namespace, first, name, text)
            }
            _ => by_name(world, first, name, text),
        },
        [namespace, kind, name] => by_kind(world, namespace, kind, name, text),
        _ => fail_with(
            format!("cannot read `{text}` as an end of a question"),
            "write NAMESPACE/KIND/NAME, KIND/NAME, NAMESPACE/NAME, a label selector, an address, a CIDR block, a domain name without scheme and port, `internet`, `metadata` or node/NAME",
        ),
    }
}

fn one_address(cluster: &ClusterState, address: IpAddr) -> Result<Endpoint, EndpointError> {
    let service = cluster.services.iter().position(|s| s.cluster_ips.contains(&address));
    if let Some(at) = service
        && let Some(service) = cluster.services.get(at)
    {
        let endpoint = service_endpoint(cluster, at, service)?;
        return Ok(Endpoint { family: Some(Family::of(address)), ..endpoint });
    }
    let (peer, name) = match cluster.owner_of(address) {
        Some(AddressOwner::Pod(id)) => {
            (Peer::Pod(id), format!("{} ({address})", cluster.pod_name(id)))
        }
        Some(AddressOwner::Node(id)) => {
            (Peer::Node(id, Some(address)), format!("node/{} ({address})", cluster.node(id).name))
        }
        None => (Peer::External(IpSet::address(address)), address.to_string()),
    };
    let member = Member { peer, name: name.clone() };
    let family = Some(Family::of(address));
    Ok(Endpoint { name, members: vec![member], service: None, family, note: None })
}

/// An IPv4-mapped IPv6 block is the IPv4 block.
fn unmapped(block: IpNet) -> IpNet {
    let IpNet::V6(v6) = block else { return block };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    mapped.and_then(|(v4, length)| IpNet::new(v4.into(), length).ok()).unwrap_or(block)
}

/// A set of addresses; those that belong to pods and nodes are these pods and nodes.
fn addresses(
    cluster: &ClusterState,
    name: &str,
    set: &IpSet,
    family: Option<Family>,
    with_owned: bool,
) -> Endpoint {
    let mut owned: Vec<IpAddr> = cluster.owned_addresses().filter(|a| set.contains(*a)).collect();
    owned.sort_unstable();
    let taken = IpSet::blocks(owned.iter().copied().map(IpNet::from));
    let free = set.difference(&taken);
    let by_family = Family::ALL.map(|family| free.only(family));
    let mut members: Vec<Member> = by_family
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| Member { peer: Peer::External(part), name: name.to_owned() })
        .collect();
    if with_owned {
        for address in owned {
            if let Ok(endpoint) = one_address(cluster, address) {
                members.extend(endpoint.members);
            }
        }
    }
    Endpoint { name: name.to_owned(), members, service: None, family, note: None }
}

/// A domain name: a Service's own, or one of a host outside. `error` is what is wrong with it as the
/// name of something in the input.
fn by_domain(
    world: &World,
    domain: &DomainName,
    error: EndpointError,
) -> Result<Endpoint, EndpointError> {
    let cluster = &world.cluster;
    // Kubernetes documentation, "DNS for Services and Pods": NAME.NAMESPACE.svc.cluster.local
    let inside = domain.as_str().strip_suffix(".cluster.local").unwrap_or(domain.as_str());
    if let Some(inside) = inside.strip_suffix(".svc") {
        let parts: Vec<&str> = inside.split('.').collect();
        return match *parts.as_slice() {
            [name, namespace] => by_kind(world, namespace, "svc", name, domain.as_str()),
            _ => fail_with(
                format!("`{domain}` is no name of a Service"),
                "a Service's name is NAME.NAMESPACE.svc.cluster.local",
            ),
        };
    }
    let known = cluster.resolved.get(domain);
    if domain.as_str().ends_with(".cluster.local") {
        return fail_with(
            format!("`{domain}` is no name of a Service"),
            "a Service's name is NAME.NAMESPACE.svc.cluster.local",
        );
    }
    // In a pod, NAME.NAMESPACE is the Service: `svc.cluster.local` is on its search path.
    if let Some((name, namespace)) = domain.as_str().split_once('.') {
        let service = cluster.find_namespace(namespace).is_some_and(|id| {
            cluster.services.iter().any(|s| s.namespace == id && &*s.name == name)
        });
        if service {
            return by_kind(world, namespace, "svc", name, domain.as_str());
        }
    }
    // A name that is nearly one of the input is a typo rather than a host.
    if known.is_none() && error.help.as_ref().is_some_and(|help| help.starts_with("did you mean")) {
        return Err(error);
    }
    let name = domain.to_string();
    let note = match known {
        Some(addresses) => {
            let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("{name} is taken to be {} (`--resolve`)", shown.join(" and "))
        }
        None => format!(
            "{name} is taken for a host outside, whose addresses are not known (`--resolve {name}=ADDRESS`)"
        ),
    };
    let members = match known {
        None => vec![Member { peer: Peer::Name(domain.clone(), None), name: name.clone() }],
        Some(addresses) => addresses
            .iter()
            .filter(|a| world.options.family.is_none_or(|family| family == Family::of(**a)))
            .map(|&address| match cluster.owner_of(address) {
                Some(_) => one_address(cluster, address).map(|end| end.members),
                None => Ok(vec![Member {
                    peer: Peer::Name(domain.clone(), Some(address)),
                    name: format!("{name} ({address})"),
                }]),
            })
            .collect::<Result<Vec<_>, _>>()?
            .concat(),
    };
    if members.is_empty() {
        return fail(format!("`{name}` has no address of the family asked for"));
    }
    Ok(Endpoint { name, members, service: None, family: None, note: Some(note) })
}

fn selected(
    cluster: &ClusterState,
    text: &str,
    scope: &Scope<'_>,
) -> Result<Endpoint, EndpointError> {
    let selector = match Selector::from_user(text) {
        Ok(selector) => selector,
        Err(error) => {
            return fail_with(error.to_string(), "as in kubectl: `env=prod,tier in (a,b),!canary`");
        }
    };
    let namespace = scope.given.then(|| cluster.find_namespace(scope.namespace));
    let pods: Vec<PodId> = cluster
        .pod_ids()
        .filter(|&id| {
            let pod = cluster.pod(id);
            namespace.is_none_or(|own| own == Some(pod.namespace)) && selector.matches(&pod.labels)
        })
        .collect();
    if pods.is_empty() {
        let place = if scope.given {
            format!(" in namespace `{}`", scope.namespace)
        } else {
            String::new()
        };
        return fail(format!("no pod has labels that match `{text}`{place}"));
    }
    let name = if scope.given { format!("{text} -n {}", scope.namespace) } else { text.to_owned() };
    Ok(of_pods(cluster, name, &pods))
}

fn of_pods(cluster: &ClusterState, name: String, pods: &[PodId]) -> Endpoint {
    let members =
        pods.iter().map(|&id| Member { peer: Peer::Pod(id), name: cluster.pod_name(id) }).collect();
    Endpoint { name, members, service: None, family: None, note: None }
}

fn find_namespace(world: &World, name: &str, text: &str) -> Result<NamespaceId, EndpointError> {
    let cluster = &world.cluster;
    if let Some(id) = cluster.find_namespace(name) {
        return Ok(id);
    }
    let names: Vec<&str> = cluster.namespaces.iter().map(|n| &*n.name).collect();
    let message = format!("no namespace `{name}` in the input, asked for by `{text}`");
    match nearest(name, names.iter().copied()) {
        Some(guess) => fail_with(message, format!("did you mean `{guess}`?")),
        None => fail_with(message, format!("there is {}", list(&names))),
    }
}

fn whole_namespace(world: &World, name: &str) -> Result<Endpoint, EndpointError> {
    let id = find_namespace(world, name, &format!("ns/{name}"))?;
    let cluster = &world.cluster;
    let pods: Vec<PodId> = cluster.pods_in(id).collect();
    if pods.is_empty() {
        return fail(format!("namespace `{name}` has no pods in the input"));
    }
    Ok(of_pods(cluster, format!("ns/{name}"), &pods))
}

fn node(cluster: &ClusterState, name: &str) -> Result<Endpoint, EndpointError> {
    if let Some(id) = cluster.find_node(name) {
        let name = format!("node/{name}");
        let member = Member { peer: Peer::Node(id, None), name: name.clone() };
        Ok(Endpoint { name, members: vec![member], service: None, family: None, note: None })
    } else {
        let names: Vec<&str> = cluster.nodes.iter().map(|n| &*n.name).collect();
        let message = format!("no node `{name}` in the input");
        match nearest(name, names.iter().copied()) {
            Some(guess) => fail_with(message, format!("did you mean `node/{guess}`?")),
            None if names.is_empty() => {
                fail_with(message, "nodes come from Node objects and from `spec.nodeName` of pods")
            }
            None => fail_with(message, format!("there is {}", list(&names))),
        }
    }
}

fn by_kind(
    world: &World,
    namespace: &str,
    kind: &str,
    name: &str,
    text: &str,
) -> Result<Endpoint, EndpointError> {
    let cluster = &world.cluster;
    let known = kind_from_user(kind);
    if known.is_some_and(|k| k.kind == "Node") {
        return node(cluster, name);
    }
    let namespace = find_namespace(world, namespace, text)?;
    if known.is_some_and(|k| k.kind == "Service") {
        let found =
            cluster.services.iter().position(|s| s.namespace == namespace && &*s.name == name);
        return if let Some((at, service)) =
            found.and_then(|at| cluster.services.get(at).map(|s| (at, s)))
        {
            service_endpoint(cluster, at, service)
        } else {
            let own = cluster.services.iter().filter(|s| s.namespace == namespace);
            let names: Vec<&str> = own.map(|s| &*s.name).collect();
            unknown_name(world, text, name, &names, "Service")
        };
    }
    let is_kind = |candidate: &str| {
        if let Some(known) = known {
            candidate == known.kind
        } else {
            let lower = candidate.to_ascii_lowercase();
            let word = kind.split('.').next().unwrap_or(kind).to_ascii_lowercase();
            word == lower || word == format!("{lower}s")
        }
    };
    if known.is_some_and(|k| k.kind == "Pod") {
        let pod = cluster.pods_in(namespace).find(|&id| {
            let pod = cluster.pod(id);
            &*pod.name == name && !pod.stand_in
        });
        if let Some(id) = pod {
            return Ok(of_pods(cluster, cluster.pod_name(id), &[id]));
        }
    }
    let workload = cluster.workloads_in(namespace).find(|&id| {
        let w = cluster.workload(id);
        &*w.name == name && is_kind(&w.kind)
    });
    if let Some(id) = workload {
        return of_workload(world, id, text);
    }
    // A controller on the way: a ReplicaSet of a Deployment, a Job of a CronJob.
    let pods: Vec<PodId> = cluster
        .pods_in(namespace)
        .filter(|&id| {
            let via = &cluster.pod(id).via;
            via.iter().any(|(k, n)| &**n == name && is_kind(k))
        })
        .collect();
    if !pods.is_empty() {
        return Ok(of_pods(cluster, text.to_owned(), &pods));
    }
    // One that has no pods of its own in the input: its owner's stand for them.
    let collapsed = cluster
        .collapsed
        .iter()
        .find(|c| c.namespace == namespace && &*c.name == name && is_kind(&c.kind));
    if let Some(collapsed) = collapsed {
        return of_workload(world, collapsed.owner, text);
    }
    if let Some(error) = finished(cluster, namespace, name) {
        return Err(error);
    }
    let own = cluster.workloads.iter().filter(|w| w.namespace == namespace && is_kind(&w.kind));
    let names: Vec<&str> = own.map(|w| &*w.name).collect();
    unknown_name(world, text, name, &names, known.map_or(kind, |k| k.kind))
}

fn of_workload(world: &World, id: WorkloadId, text: &str) -> Result<Endpoint, EndpointError> {
    let cluster = &world.cluster;
    let workload = cluster.workload(id);
    if workload.pods.is_empty() {
        return fail_with(
            format!("`{text}` has no pods that run"),
            "its pods have finished and hold no address any more, or it is scaled down",
        );
    }
    Ok(of_pods(cluster, cluster.workload_name(id), &workload.pods))
}

fn finished(cluster: &ClusterState, namespace: NamespaceId, name: &str) -> Option<EndpointError> {
    let pod = cluster.finished.iter().find(|p| p.namespace == namespace && &*p.name == name)?;
    Some(EndpointError {
        message: format!("pod `{}/{}` has finished", cluster.namespace(namespace).name, pod.name),
        help: Some("a pod that has succeeded or failed holds no address any more; `--include-finished` asks as if it ran".into()),
    })
}

/// A name without a kind: a workload or a pod.
fn by_name(
    world: &World,
    namespace: &str,
    name: &str,
    text: &str,
) -> Result<Endpoint, EndpointError> {
    let cluster = &world.cluster;
    let namespace = find_namespace(world, namespace, text)?;
    let workloads: Vec<WorkloadId> =
        cluster.workloads_in(namespace).filter(|&id| &*cluster.workload(id).name == name).collect();
    let pods: Vec<PodId> = cluster
        .pods_in(namespace)
        .filter(|&id| {
            let pod = cluster.pod(id);
            &*pod.name == name && !pod.stand_in && !workloads.contains(&pod.workload)
        })
        .collect();
    match (workloads.as_slice(), pods.as_slice()) {
        ([workload], []) => {
            if cluster.workload(*workload).pods.is_empty()
                && let Some(error) = finished(cluster, namespace, name)
            {
                return Err(error);
            }
            of_workload(world, *workload, text)
        }
        ([], [pod]) => Ok(of_pods(cluster, cluster.pod_name(*pod), &[*pod])),
        ([], []) => {
            if let Some(error) = finished(cluster, namespace, name) {
                return Err(error);
            }
            let own = cluster.workloads.iter().filter(|w| w.namespace == namespace);
            let names: Vec<&str> = own.map(|w| &*w.name).collect();
            unknown_name(world, text, name, &names, "workload or pod")
        }
        _ => {
            let all = workloads.iter().map(|&w| cluster.workload_name(w));
            let all: Vec<String> = all.chain(pods.iter().map(|&p| cluster.pod_name(p))).collect();
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            fail_with(
                format!("`{text}` can be several things"),
                format!("say which: {}", list(&all)),
            )
        }
    }
}

fn service_endpoint(
    cluster: &ClusterState,
    at: usize,
    service: &Service,
) -> Result<Endpoint, EndpointError> {
    let name = format!("{}/svc/{}", cluster.namespace(service.namespace).name, service.name);
    if let Some(target) = &service.external_name {
        return fail_with(
            format!("`{name}` is an ExternalName Service: it stands for `{target}`"),
            format!("ask about that: `{target}` is an end by itself"),
        );
    }
    if service.selector.is_none() {
        return fail_with(
            format!("`{name}` has no selector: its endpoints are set by hand"),
            "ask for the addresses of its endpoints",
        );
    }
    let pods = cluster.service_pods(service);
    if pods.is_empty() {
        let selector = service.selector.as_ref().map(ToString::to_string).unwrap_or_default();
        return fail(format!("`{name}` selects no pod in the input (`{selector}`)"));
    }
    Ok(Endpoint { service: Some(at), ..of_pods(cluster, name, &pods) })
}

fn unknown_name<T>(
    world: &World,
    text: &str,
    name: &str,
    near_names: &[&str],
    what: &str,
) -> Result<T, EndpointError> {
    let cluster = &world.cluster;
    let message = format!("no {what} `{text}` in the input");
    let broken = world.set_aside.iter().find(|item| {
        item.reason == crate::manifest::Reason::InvalidObject
            && item.what.ends_with(&format!("/{name}"))
    });
    if let Some(item) = broken {
        return fail_with(message, format!("`{}` has errors and was left out", item.what));
    }
    // The same name elsewhere is the likeliest guess.
    let elsewhere: Vec<String> = cluster
        .workload_ids()
        .filter(|&id| &*cluster.workload(id).name == name)
        .map(|id| cluster.workload_name(id))
        .collect();
    if !elsewhere.is_empty() {
        let all: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
        return fail_with(message, format!("did you mean {}?", list(&all)));
    }
    if let Some(guess) = nearest(name, near_names.iter().copied()) {
        let whole = text.strip_suffix(name).unwrap_or_default();
        return fail_with(message, format!("did you mean `{whole}{guess}`?"));
    }
    let running = cluster.workload_ids().filter(|&id| !cluster.workload(id).pods.is_empty());
    let all: Vec<String> = running.map(|id| cluster.workload_name(id)).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    if all.is_empty() {
        return fail_with(message, "the input has no workload and no pod");
    }
    fail_with(message, format!("there is {}", list(&all)))
}

/// Names for a message: the first few, in backticks.
fn list(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(8).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(8);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}
