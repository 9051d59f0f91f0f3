//! Pods and pod templates (`pkg/apis/core/validation`, `pkg/apis/apps/validation`).

use super::policy::selector;
use super::{Sink, invalid, meta, port_number, required, text, unsupported};
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::place::Place;
use crate::manifest::resource::{ContainerPort, Labels, PodShape};
use crate::net::Protocol;
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as api;
use std::collections::{BTreeMap, HashSet};

/// Labels as later stages hold them.
pub(in crate::manifest) fn labels_of(labels: Option<BTreeMap<String, String>>) -> Labels {
    Labels::new(labels.into_iter().flatten().map(|(key, value)| (key.into(), value.into())))
}

/// Checks the labels of a template's pods; other metadata of a template has no effect.
pub(in crate::manifest) fn template_meta(
    sink: &mut Sink,
    place: &Place<'_>,
    labels: Option<&BTreeMap<String, String>>,
) {
    let metadata = place.field("metadata");
    meta::labels(sink, &metadata.field("labels"), labels);
}

/// Checks a pod template; `restarts` are the restart policies that the owner takes.
pub(in crate::manifest) fn pod_template(
    sink: &mut Sink,
    place: &Place<'_>,
    template: PodTemplateSpec,
    restarts: &[&str],
) -> PodShape {
    let labels = template.metadata.and_then(|meta| meta.labels);
    template_meta(sink, place, labels.as_ref());
    let spec_place = place.field("spec");
    let restart = template.spec.as_ref().and_then(|spec| spec.restart_policy.clone());
    // The server defaults it to Always before it checks.
    let restart = restart.filter(|name| !name.is_empty()).unwrap_or_else(|| "Always".into());
    check_restart(sink, &spec_place, &restart, restarts);
    let shape = pod_spec(sink, &spec_place, template.spec.unwrap_or_default());
    PodShape { labels: labels_of(labels), ..shape }
}

/// Checks the restart policy of a pod that nothing owns.
pub(in crate::manifest) fn pod_restart(sink: &mut Sink, place: &Place<'_>, spec: &PodSpec) {
    let restart = spec.restart_policy.as_deref().filter(|name| !name.is_empty());
    check_restart(sink, place, restart.unwrap_or("Always"), &["Always", "OnFailure", "Never"]);
}

fn check_restart(sink: &mut Sink, spec: &Place<'_>, restart: &str, known: &[&str]) {
    if !known.contains(&restart) {
        unsupported(sink, &spec.field("restartPolicy"), restart, known);
    }
}

/// Checks a pod's spec as far as it can matter to the network.
pub(in crate::manifest) fn pod_spec(sink: &mut Sink, place: &Place<'_>, spec: PodSpec) -> PodShape {
    let host_network = spec.host_network.unwrap_or(false);
    if let Some(node) = spec.node_name.as_deref().filter(|name| !name.is_empty()) {
        for fault in text::dns_subdomain(node) {
            invalid(sink, &place.field("nodeName"), node, &fault);
        }
    }
    let mut ports = Vec::new();
    let mut names = HashSet::new();
    if spec.containers.is_empty() {
        required(sink, &place.field("containers"), "a pod needs a container");
    }
    let init = spec.init_containers.unwrap_or_default();
    for (key, containers) in [("containers", spec.containers), ("initContainers", init)] {
        let list = place.field(key);
        for (i, container) in containers.into_iter().enumerate() {
            let at = list.index(i);
            let sidecar = key == "initContainers";
            let runs_on = !sidecar || container.restart_policy.as_deref() == Some("Always");
            let found = container_ports(sink, &at, &mut names, container, host_network, sidecar);
            if runs_on {
                ports.extend(found);
            }
        }
    }
    for (i, alias) in spec.host_aliases.iter().flatten().enumerate() {
        let aliases = place.field("hostAliases");
        let item = aliases.index(i);
        strict_address(sink, &item.field("ip"), &alias.ip);
    }
    ports.sort();
    PodShape { labels: Labels::default(), host_network, ports: ports.into() }
}

fn container_ports(
    sink: &mut Sink,
    place: &Place<'_>,
    names: &mut HashSet<String>,
    container: Container,
    host_network: bool,
    sidecar: bool,
) -> Vec<ContainerPort> {
    let name_place = place.field("name");
    if container.name.is_empty() {
        required(sink, &name_place, "");
    } else {
        for fault in text::dns_label(&container.name) {
            invalid(sink, &name_place, &container.name, &fault);
        }
        if !names.insert(container.name.clone()) {
            duplicate(sink, &name_place, &container.name);
        }
    }
    let image = container.image.unwrap_or_default();
    if image.is_empty() {
        required(sink, &place.field("image"), "");
    } else if image.trim() != image {
        invalid(sink, &place.field("image"), &image, "must not have leading or trailing space");
    }
    let list = place.field("ports");
    let mut port_names = HashSet::new();
    let mut out = Vec::new();
    for (i, port) in container.ports.into_iter().flatten().enumerate() {
        let at = list.index(i);
        let name = port.name.filter(|name| !name.is_empty());
        if let Some(name) = &name {
            let name_place = at.field("name");
            for fault in text::port_name(name) {
                invalid(sink, &name_place, name, &fault);
            }
            if !port_names.insert(name.clone()) {
                duplicate(sink, &name_place, name);
            }
        }
        let number_place = at.field("containerPort");
        let number = if port.container_port == 0 {
            required(sink, &number_place, "");
            None
        } else {
            port_number(sink, &number_place, port.container_port)
        };
        if let Some(host) = port.host_port.filter(|&host| host != 0) {
            let host_place = at.field("hostPort");
            port_number(sink, &host_place, host);
            if host_network && host != port.container_port {
                let reason = "must match `containerPort` when `hostNetwork` is true";
                invalid(sink, &host_place, &host.to_string(), reason);
            }
        }
        let protocol = protocol(sink, &at.field("protocol"), port.protocol.as_deref());
        if let (Some(number), Some(protocol)) = (number, protocol) {
            out.push(ContainerPort { name: name.map(Into::into), protocol, number, sidecar });
        }
    }
    out
}

/// A protocol where the empty string means the default (everywhere but in a NetworkPolicy).
pub(super) fn protocol(sink: &mut Sink, place: &Place<'_>, name: Option<&str>) -> Option<Protocol> {
    match name {
        None | Some("") => Some(Protocol::Tcp),
        Some(name) => {
            let known = Protocol::from_api(name);
            if known.is_none() {
                unsupported(sink, place, name, &["TCP", "UDP", "SCTP"]);
            }
            known
        }
    }
}

pub(super) fn duplicate(sink: &mut Sink, place: &Place<'_>, value: &str) {
    sink.push(
        Diagnostic::new(Code::InvalidValue, format!("`{place}`: duplicate value `{value}`"))
            .at(place.span, "stands here for the second time"),
    );
}

/// An address in a field that 1.36 checks strictly.
pub(super) fn strict_address(sink: &mut Sink, place: &Place<'_>, text: &str) {
    match super::cidr::lenient_address(text) {
        None => invalid(sink, place, text, "must be an IP address"),
        Some((_, true)) => invalid(sink, place, text, "must not have leading zeros"),
        Some((std::net::IpAddr::V6(ip), _)) if ip.to_ipv4_mapped().is_some() => {
            invalid(sink, place, text, "must not be an IPv4-mapped IPv6 address");
        }
        Some(_) => {}
    }
}

/// Checks a workload's selector: it is required, not empty, and selects the template's pods.
pub(in crate::manifest) fn workload_selector(
    sink: &mut Sink,
    spec: &Place<'_>,
    wanted: &api::LabelSelector,
    template_labels: &Labels,
) {
    let place = spec.field("selector");
    if place.node.is_none_or(crate::manifest::node::Node::is_null) {
        required(sink, &place, "");
        return;
    }
    let before = sink.len();
    let wanted = selector(sink, &place, wanted);
    if sink.len() > before {
        return;
    }
    if wanted.requirements.is_empty() {
        invalid(sink, &place, "{}", "an empty selector is invalid here");
        return;
    }
    let fails = wanted.requirements.iter().find(|requirement| !requirement.holds(template_labels));
    if let Some(requirement) = fails {
        let template = spec.field("template");
        let metadata = template.field("metadata");
        let labels = metadata.field("labels");
        sink.push(
            Diagnostic::new(
                Code::InvalidValue,
                format!(
                    "`{labels}`: the selector `{requirement}` does not match the template's labels"
                ),
            )
            .at(labels.span, format!("labels are `{template_labels}`"))
            .also_at(requirement.span, "the selector"),
        );
    }
}
