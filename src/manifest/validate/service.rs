//! Services (`pkg/apis/core/validation`, `ValidateService`).

use super::pod::{duplicate, labels_of, protocol, strict_address};
use super::{Sink, cidr, forbidden, invalid, meta, port_number, required, text, unsupported};
use crate::manifest::place::Place;
use crate::manifest::resource::{Meta, PortRef, ServicePort, ServiceResource};
use k8s_openapi::api::core::v1::ServiceSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::HashSet;

/// Checks a Service and takes what it says. The ranges of cluster IPs and node ports are the
/// cluster's own settings and not checked.
///
/// `stored` says that the object comes from a server, which has accepted it already.
pub(in crate::manifest) fn service(
    sink: &mut Sink,
    root: &Place<'_>,
    spec: Option<ServiceSpec>,
    service_meta: Meta,
    stored: bool,
) -> ServiceResource {
    let place = root.field("spec");
    let spec = spec.unwrap_or_default();
    meta::labels(sink, &place.field("selector"), spec.selector.as_ref());
    let kind = spec.type_.as_deref().filter(|name| !name.is_empty()).unwrap_or("ClusterIP");
    let known = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !known.contains(&kind) {
        unsupported(sink, &place.field("type"), kind, &known);
    }
    let external = kind == "ExternalName";
    let headless = spec.cluster_ip.as_deref() == Some("None");
    if headless && matches!(kind, "NodePort" | "LoadBalancer") {
        let reason = "may not be set to `None` for this type";
        invalid(sink, &place.field("clusterIP"), "None", reason);
    }
    let either = ["Cluster", "Local"];
    for (key, value, known) in [
        ("sessionAffinity", &spec.session_affinity, &["ClientIP", "None"][..]),
        ("internalTrafficPolicy", &spec.internal_traffic_policy, &either[..]),
        ("externalTrafficPolicy", &spec.external_traffic_policy, &either[..]),
        (
            "ipFamilyPolicy",
            &spec.ip_family_policy,
            &["SingleStack", "PreferDualStack", "RequireDualStack"][..],
        ),
    ] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty())
            && !known.contains(&value)
        {
            unsupported(sink, &place.field(key), value, known);
        }
    }
    let list = place.field("ports");
    let api_ports = spec.ports.unwrap_or_default();
    if api_ports.is_empty() && !external && !headless {
        required(sink, &list, "");
    }
    let several = api_ports.len() > 1;
    let (mut names, mut numbers) = (HashSet::new(), HashSet::new());
    let mut ports = Vec::new();
    for (i, port) in api_ports.into_iter().enumerate() {
        let at = list.index(i);
        let name = port.name.filter(|name| !name.is_empty());
        let name_place = at.field("name");
        match &name {
            None if several => required(sink, &name_place, "several ports need names"),
            None => {}
            Some(name) => {
                for fault in text::dns_label(name) {
                    invalid(sink, &name_place, name, &fault);
                }
                if !names.insert(name.clone()) {
                    duplicate(sink, &name_place, name);
                }
            }
        }
        if port.node_port.is_some_and(|number| number != 0)
            && matches!(kind, "ClusterIP" | "ExternalName")
        {
            let reason = format!("may not be used when `type` is `{kind}`");
            forbidden(sink, &at.field("nodePort"), &reason);
        }
        let number = port_number(sink, &at.field("port"), port.port);
        let protocol = protocol(sink, &at.field("protocol"), port.protocol.as_deref());
        let target_place = at.field("targetPort");
        let target = match port.target_port {
            None | Some(IntOrString::Int(0)) => None,
            Some(IntOrString::Int(target)) => {
                port_number(sink, &target_place, target).map(PortRef::Number)
            }
            Some(IntOrString::String(name)) if name.is_empty() => None,
            Some(IntOrString::String(name)) => {
                for fault in text::port_name(&name) {
                    invalid(sink, &target_place, &name, &fault);
                }
                Some(PortRef::Name(name.into()))
            }
        };
        let (Some(number), Some(protocol)) = (number, protocol) else {
            continue;
        };
        if !numbers.insert((protocol, number)) {
            duplicate(sink, &at, &format!("{}/{number}", protocol.name()));
        }
        ports.push(ServicePort {
            name: name.map(Into::into),
            protocol,
            port: number,
            target: target.unwrap_or(PortRef::Number(number)),
            span: at.span,
        });
    }
    let external_name = spec.external_name.filter(|_| external);
    if external {
        let at = place.field("externalName");
        match external_name.as_deref() {
            None | Some("") => required(sink, &at, ""),
            Some(name) => {
                for fault in text::dns_subdomain(name.strip_suffix('.').unwrap_or(name)) {
                    invalid(sink, &at, name, &fault);
                }
            }
        }
    }
    if !stored {
        addresses(sink, &place, "externalIPs", spec.external_ips.as_deref());
    }
    let ranges = place.field("loadBalancerSourceRanges");
    for (i, text) in spec.load_balancer_source_ranges.iter().flatten().enumerate() {
        if kind != "LoadBalancer" {
            forbidden(sink, &ranges, "may only be used when `type` is `LoadBalancer`");
            break;
        }
        cidr::block(sink, &ranges.index(i), text.trim(), stored);
    }
    let ips = spec.cluster_ips.or_else(|| spec.cluster_ip.map(|ip| vec![ip])).unwrap_or_default();
    let cluster_ips = ips.iter().filter_map(|text| cidr::address(text)).collect();
    let selector = labels_of(spec.selector);
    ServiceResource {
        meta: service_meta,
        selector: (!selector.is_empty() && !external).then_some(selector),
        ports,
        cluster_ips,
        headless,
        external_name: external_name.map(Into::into),
    }
}

fn addresses(sink: &mut Sink, place: &Place<'_>, key: &str, texts: Option<&[String]>) {
    let list = place.field(key);
    for (i, text) in texts.unwrap_or_default().iter().enumerate() {
        strict_address(sink, &list.index(i), text);
    }
}
