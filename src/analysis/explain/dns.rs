//! A connection to a name needs DNS first: whether the source reaches it.

use super::super::answer::{Answer, Group};
use super::super::divergence::Engines;
use super::super::endpoint::{Endpoint, resolve_endpoint};
use super::super::port::PortQuery;
use super::super::query::can;
use super::super::words::{Words, short};
use super::super::world::World;
use super::hint::{Hint, HintCode};
use super::near::{Detail, near_hints, services_of};
use super::yaml;
use crate::cluster::{ClusterState, Labels, PortRef, Service};
use crate::engine::{Decision, Peer};
use crate::net::Protocol;
use crate::policy::{Direction, PortMatch, Ports, RuleId};

/// What a source may not reach of its DNS, for a connection to a name. Pods are taken to ask the cluster's
/// DNS, as `dnsPolicy: ClusterFirst` has it, which is the default.
pub(super) fn name_resolution(
    world: &World,
    source: &Endpoint,
    destination: &Endpoint,
) -> Option<Hint> {
    let from_pods = source.members.iter().any(|member| matches!(member.peer, Peer::Pod(_)));
    if world.policies.ignored || !from_pods || !has_name(world, destination) {
        return None;
    }
    // A cache on the node answers from an address that the input does not show.
    if world.cluster.workloads.iter().any(|own| is_node_cache(&own.name)) {
        return None;
    }
    let (name, dns) = dns_service(&world.cluster).and_then(|service| {
        let namespace = &world.cluster.namespace(service.namespace).name;
        let name = format!("{namespace}/svc/{}", service.name);
        let found = resolve_endpoint(world, &name).ok()?;
        Some((name, found))
    })?;
    let engines = Engines::between(world, &[source, &dns]);
    let port = PortQuery { protocol: Some(Protocol::Udp), port: PortRef::Number(53), last: None };
    let answer = can(world, &engines, source, &dns, &[port]).ok()?;
    let group = answer.groups.iter().find(|group| group.answer == Answer::Denied)?;
    let who = match answer.answer {
        Answer::Denied => short(&source.name).to_owned(),
        _ => group.sources.first().map_or("some of them", |name| short(name)).to_owned(),
    };
    let what = if destination.service.is_some() || is_host(destination) {
        destination.name.clone()
    } else {
        format!("the Service of {}", short(&destination.name))
    };
    let why = obstacle(world, group);
    let (direction, more) = match &why {
        Some((direction, Some(hint))) => (*direction, format!("; {}", hint.text)),
        Some((direction, None)) => (*direction, String::new()),
        None => (Direction::Egress, String::new()),
    };
    let by = match direction {
        Direction::Egress => "",
        Direction::Ingress => " by its ingress",
    };
    let text =
        format!("{who} cannot look up the name of {what}: {name} is denied on udp/53{by}{more}");
    let mut hint = Hint::new(HintCode::NoNameResolution, text);
    match why {
        Some((_, Some(found))) => {
            (hint.span, hint.labels, hint.help) = (found.span, found.labels, found.help);
            if found.code == HintCode::ServicePort {
                // Long answers come over TCP: both, whichever was asked about.
                let ports: Vec<String> =
                    pod_ports(world, &dns).iter().map(|port| format!("`- {port}`")).collect();
                hint = hint.help(format!(
                    "in place of 53 open {}: the address of a Service is translated before policies are asked",
                    ports.join(" and ")
                ));
            }
        }
        Some((Direction::Ingress, None)) => {
            hint = hint.help(format!("let {who} in at the pods of {name}"));
        }
        Some((Direction::Egress, None)) | None => {
            hint = hint.help(rule_for(world, &dns)?);
        }
    }
    Some(hint)
}

/// The direction that keeps a source from its DNS, and the rule about DNS that nearly allows it.
fn obstacle(world: &World, group: &Group) -> Option<(Direction, Option<Hint>)> {
    let trace = group.trace.as_ref()?;
    let [from, to] = &group.example;
    let words = Words::effective(world);
    let denied = trace.directions.iter().find(|own| own.decision == Decision::Denied)?;
    let (end, other) = match denied.direction {
        Direction::Egress => (from, to),
        Direction::Ingress => (to, from),
    };
    let near = near_hints(words, &trace.flow, denied, end, other, Detail::Full);
    // A rule about something else is near by chance.
    let about_dns =
        |hint: &Hint| hint.rule.is_some_and(|rule| is_about_dns(words, rule, trace.flow.port));
    Some((denied.direction, near.into_iter().find(about_dns)))
}

/// Whether a rule names the port of DNS, or the one that its pods listen on.
fn is_about_dns(words: Words<'_>, rule: RuleId, listens: u16) -> bool {
    match &words.policies.rule(rule).ports {
        Ports::Any => false,
        Ports::Of(list) => list.iter().any(|port| match &port.matches {
            PortMatch::Numbers(set) => [53, listens]
                .iter()
                .any(|&port| Protocol::ALL.iter().any(|&own| set.contains(own, port))),
            PortMatch::Named { name, .. } => name.starts_with("dns"),
        }),
    }
}

/// What the pods behind a Service of DNS answer on, as ports of a rule.
fn pod_ports(world: &World, dns: &Endpoint) -> Vec<String> {
    let service = dns.service.and_then(|at| world.cluster.services.get(at));
    let pod = dns.members.iter().find_map(|member| match member.peer {
        Peer::Pod(id) => Some(id),
        Peer::Node(..) | Peer::External(_) | Peer::Name(..) => None,
    });
    let (Some(service), Some(pod)) = (service, pod) else { return Vec::new() };
    let mut ports: Vec<String> = Vec::new();
    for own in service.ports.iter().filter(|own| own.port == 53) {
        for number in world.cluster.target_ports(own, pod) {
            ports.push(format!("{{protocol: {}, port: {number}}}", own.protocol.api_name()));
        }
    }
    ports
}

/// A rule that opens what DNS needs.
fn rule_for(world: &World, dns: &Endpoint) -> Option<String> {
    let service = world.cluster.services.get(dns.service?)?;
    let namespace = &world.cluster.namespace(service.namespace).name;
    let labels: Vec<String> = service
        .selector
        .iter()
        .flat_map(Labels::iter)
        .map(|(key, value)| yaml::pair(key, value))
        .collect();
    let ports = pod_ports(world, dns);
    if ports.is_empty() {
        return None;
    }
    Some(format!(
        "add to `egress`: `- {{to: [{{namespaceSelector: {}, podSelector: {{matchLabels: {{{}}}}}}}], ports: [{}]}}`",
        yaml::namespace(namespace),
        labels.join(", "),
        ports.join(", ")
    ))
}

/// The Service that pods ask for names: the one of the system's namespaces with a port 53 of UDP (`kube-dns`
/// of kubeadm and all who follow it, `coredns` of kubespray, `rke2-coredns-rke2-coredns`, OpenShift's
/// `dns-default`).
fn dns_service(cluster: &ClusterState) -> Option<&Service> {
    let is = |service: &&Service| {
        let namespace = &*cluster.namespace(service.namespace).name;
        matches!(namespace, "kube-system" | "openshift-dns")
            && service.name.contains("dns")
            && !is_node_cache(&service.name)
            && service.selector.is_some()
            && service.ports.iter().any(|own| own.protocol == Protocol::Udp && own.port == 53)
    };
    // Beside the plain one there may be one for the cache to ask: the shortest name is the plain one.
    cluster.services.iter().filter(is).min_by_key(|service| service.name.len())
}

/// The DNS cache on each node, by the names that the Kubernetes documentation and kubespray give it.
fn is_node_cache(name: &str) -> bool {
    ["node-local-dns", "nodelocaldns", "node-cache"].iter().any(|own| name.contains(own))
}

fn is_host(end: &Endpoint) -> bool {
    end.members.iter().any(|member| matches!(member.peer, Peer::Name(..)))
}

/// Whether people reach an end by name: a Service, a host, or pods that a Service leads to.
fn has_name(world: &World, end: &Endpoint) -> bool {
    end.service.is_some()
        || end.members.first().is_some_and(|member| match &member.peer {
            Peer::Name(..) => true,
            Peer::Pod(id) => services_of(&world.cluster, *id).next().is_some(),
            Peer::Node(..) | Peer::External(_) => false,
        })
}
