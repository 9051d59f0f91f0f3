//! `networking.k8s.io/v1 NetworkPolicy` (`pkg/apis/networking/validation/validation.go`).

use super::{Sink, cidr, forbidden, invalid, meta, port_number, required, text, unsupported};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::manifest::place::Place;
use crate::manifest::resource::{
    LabelSelector, Meta, NetworkPolicyResource, Operator, PeerResource, PeerSelects, PortRef,
    PortResource, Requirement, RuleResource,
};
use crate::net::Protocol;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as api;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Checks a policy and takes what it says; `policyTypes` and protocols are defaulted.
///
/// `stored` says that the object comes from a server, which has accepted it already.
pub(in crate::manifest) fn network_policy(
    sink: &mut Sink,
    root: &Place<'_>,
    spec: Option<NetworkPolicySpec>,
    policy_meta: Meta,
    stored: bool,
) -> NetworkPolicyResource {
    let place = root.field("spec");
    if spec.is_none() {
        sink.push(
            Diagnostic::new(Code::EmptyWidens, "`spec` is missing or empty")
                .at(place.span, "selects every pod of the namespace and lets nothing in"),
        );
    }
    let spec = spec.unwrap_or_default();
    let types_place = place.field("policyTypes");
    let types = spec.policy_types.unwrap_or_default();
    if types.len() > 2 {
        invalid(sink, &types_place, &types.join(", "), "may not specify more than two policyTypes");
    } else {
        for (i, name) in types.iter().enumerate() {
            if !matches!(name.as_str(), "Ingress" | "Egress") {
                unsupported(sink, &types_place.index(i), name, &["Ingress", "Egress"]);
            }
        }
    }
    let selector_place = place.field("podSelector");
    warn_if_nothing(sink, &selector_place, "the policy selects every pod of its namespace");
    let pod_selector = selector(sink, &selector_place, &spec.pod_selector.unwrap_or_default());

    let mut direction = |name: &'static str, peers: &'static str, rules: Vec<PeersAndPorts>| {
        let list = place.field(name);
        rules
            .into_iter()
            .enumerate()
            .map(|(i, (from_or_to, ports))| {
                rule(sink, &list.index(i), peers, from_or_to, ports, stored)
            })
            .collect::<Vec<_>>()
    };
    let ingress = spec.ingress.unwrap_or_default();
    let ingress =
        direction("ingress", "from", ingress.into_iter().map(|r| (r.from, r.ports)).collect());
    let egress = spec.egress.unwrap_or_default();
    let egress = direction("egress", "to", egress.into_iter().map(|r| (r.to, r.ports)).collect());

    let listed = |name: &str| types.iter().any(|t| t == name);
    let isolates_ingress = types.is_empty() || listed("Ingress");
    let isolates_egress = if types.is_empty() { !egress.is_empty() } else { listed("Egress") };
    for (rules, isolates, name, direction) in [
        (&ingress, isolates_ingress, "ingress", "Ingress"),
        (&egress, isolates_egress, "egress", "Egress"),
    ] {
        if let Some(first) = rules.first()
            && !isolates
        {
            sink.push(
                Diagnostic::new(
                    Code::InertRules,
                    format!(
                        "the {name} rules have no effect: `policyTypes` does not list `{direction}`"
                    ),
                )
                .at(first.span, "ignored")
                .also_at(types_place.span, format!("`{direction}` is not here"))
                .note("some enforcers let them count all the same: `kubereach effects unlisted-direction-isolates`")
                .help(format!("add `{direction}` to `policyTypes`, or delete the rules")),
            );
        }
    }
    let policy_types = (!types.is_empty()).then(|| {
        let (key, value) = (place.key_span("policyTypes"), types_place.span);
        Span::new(key.source, key.start, value.end)
    });
    NetworkPolicyResource {
        meta: policy_meta,
        pod_selector,
        policy_types,
        isolates_ingress,
        isolates_egress,
        ingress,
        egress,
    }
}

/// What ingress and egress rules have in common.
type PeersAndPorts = (Option<Vec<NetworkPolicyPeer>>, Option<Vec<NetworkPolicyPort>>);

/// A key with nothing after it is dropped by the server, which here widens what is selected.
pub(super) fn warn_if_nothing(sink: &mut Sink, place: &Place<'_>, effect: &str) {
    sink.extend(nothing(place, effect));
}

fn nothing(place: &Place<'_>, effect: &str) -> Option<Diagnostic> {
    place.node.is_some_and(crate::manifest::node::Node::is_null).then(|| {
        Diagnostic::new(Code::EmptyWidens, format!("`{place}` has nothing after it: {effect}"))
            .at(place.span, effect.to_owned())
            .help("write `{}` or `[]` if that is meant; look at the indentation of the next line if not")
    })
}

fn rule(
    sink: &mut Sink,
    place: &Place<'_>,
    peers_key: &'static str,
    peers: Option<Vec<NetworkPolicyPeer>>,
    ports: Option<Vec<NetworkPolicyPort>>,
    stored: bool,
) -> RuleResource {
    warn_if_nothing(sink, place, "an empty rule allows every peer on every port");
    let peers_place = place.field(peers_key);
    warn_if_nothing(sink, &peers_place, "the rule allows every peer");
    let ports_place = place.field("ports");
    warn_if_nothing(sink, &ports_place, "the rule allows every port");
    let ports = ports.unwrap_or_default().into_iter().enumerate();
    let ports = ports.filter_map(|(i, p)| port(sink, &ports_place.index(i), p)).collect();
    let peers = peers.unwrap_or_default().into_iter().enumerate();
    let peers = peers.filter_map(|(i, p)| peer(sink, &peers_place.index(i), p, stored)).collect();
    RuleResource { span: place.span, peers, ports }
}

fn port(sink: &mut Sink, place: &Place<'_>, port: NetworkPolicyPort) -> Option<PortResource> {
    const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    let before = sink.len();
    let protocol = match port.protocol.as_deref() {
        None => Some(Protocol::Tcp),
        Some(name) => {
            let known = Protocol::from_api(name);
            if known.is_none() {
                unsupported(sink, &place.field("protocol"), name, &PROTOCOLS);
            }
            known
        }
    };
    let number = port.port;
    let at = place.field("port");
    let named = match &number {
        None => None,
        Some(IntOrString::Int(number)) => port_number(sink, &at, *number).map(PortRef::Number),
        Some(IntOrString::String(name)) => {
            for fault in text::port_name(name) {
                invalid(sink, &at, name, &fault);
            }
            if !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_digit())
                && let Some(fault) = sink.last_mut()
            {
                fault.help = Some(format!("a number has no quotes: `port: {name}`"));
            }
            Some(PortRef::Name(name.as_str().into()))
        }
    };
    let end = port.end_port.and_then(|end| {
        let at = place.field("endPort");
        match &number {
            None => {
                invalid(
                    sink,
                    &at,
                    &end.to_string(),
                    "may not be specified when `port` is not specified",
                );
            }
            Some(IntOrString::String(_)) => {
                invalid(sink, &at, &end.to_string(), "may not be specified when `port` is a name");
            }
            Some(IntOrString::Int(start)) if end < *start => {
                invalid(sink, &at, &end.to_string(), "must be greater than or equal to `port`");
            }
            Some(IntOrString::Int(_)) => {}
        }
        port_number(sink, &at, end)
    });
    let faults = sink.get(before..).unwrap_or_default();
    if !faults.is_empty() {
        return None;
    }
    Some(PortResource { span: place.span, protocol: protocol?, port: named, end_port: end })
}

fn peer(
    sink: &mut Sink,
    place: &Place<'_>,
    peer: NetworkPolicyPeer,
    stored: bool,
) -> Option<PeerResource> {
    let selects = match (peer.ip_block, peer.pod_selector, peer.namespace_selector) {
        (None, None, None) => {
            required(sink, place, "a peer needs `podSelector`, `namespaceSelector` or `ipBlock`");
            return None;
        }
        (Some(_), pods, namespaces) if pods.is_some() || namespaces.is_some() => {
            forbidden(sink, place, "may not have both `ipBlock` and a selector");
            return None;
        }
        (Some(block), ..) => ip_block(sink, &place.field("ipBlock"), block, stored)?,
        (None, pods, namespaces) => {
            let namespaces_place = place.field("namespaceSelector");
            // Here `{}` would widen what the key says now.
            let help = "delete the key if that is meant; `{}` selects every namespace";
            sink.extend(
                nothing(&namespaces_place, "only pods of the policy's own namespace match")
                    .map(|warning| warning.help(help)),
            );
            let pods_place = place.field("podSelector");
            warn_if_nothing(sink, &pods_place, "every pod of the namespaces matches");
            PeerSelects::Pods {
                pods: pods.map(|s| selector(sink, &pods_place, &s)),
                namespaces: namespaces.map(|s| selector(sink, &namespaces_place, &s)),
            }
        }
    };
    Some(PeerResource { span: place.span, selects })
}

fn ip_block(
    sink: &mut Sink,
    place: &Place<'_>,
    block: IPBlock,
    stored: bool,
) -> Option<PeerSelects> {
    let cidr = cidr::block(sink, &place.field("cidr"), &block.cidr, stored);
    let list = place.field("except");
    let mut except = Vec::new();
    for (i, text) in block.except.unwrap_or_default().iter().enumerate() {
        let at = list.index(i);
        let Some(inner) = cidr::block(sink, &at, text, stored) else {
            continue;
        };
        if let Some(outer) = cidr
            && !(outer.contains(&inner) && inner.prefix_len() > outer.prefix_len())
        {
            invalid(sink, &at, text, &format!("must be a strict subset of `cidr` ({outer})"));
            continue;
        }
        except.push(inner);
    }
    Some(PeerSelects::Block { cidr: cidr?, except })
}

/// Checks a label selector (`ValidateLabelSelector`) and takes what it says.
pub(super) fn selector(
    sink: &mut Sink,
    place: &Place<'_>,
    selector: &api::LabelSelector,
) -> LabelSelector {
    let labels_place = place.field("matchLabels");
    warn_if_nothing(
        sink,
        &labels_place,
        "the selector matches everything that the rest of it does",
    );
    meta::labels(sink, &labels_place, selector.match_labels.as_ref());
    let mut requirements = Vec::new();
    for (key, value) in selector.match_labels.iter().flatten() {
        let at = labels_place.field(key);
        if at.node.is_some_and(crate::manifest::node::Node::is_null) {
            sink.push(
                Diagnostic::new(
                    Code::EmptyWidens,
                    format!("`{at}` has nothing after it: it selects the empty value"),
                )
                .at(
                    at.span,
                    format!("matches objects with the label `{key}` set to the empty string"),
                ),
            );
        }
        let span = Span::new(at.span.source, labels_place.key_span(key).start, at.span.end);
        requirements.push(Requirement {
            key: key.as_str().into(),
            operator: Operator::In,
            values: vec![value.as_str().into()],
            span,
        });
    }
    let list = place.field("matchExpressions");
    for (i, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let at = list.index(i);
        requirements.extend(requirement(sink, &at, expression));
    }
    LabelSelector { span: place.span, requirements }
}

fn requirement(
    sink: &mut Sink,
    place: &Place<'_>,
    expression: &api::LabelSelectorRequirement,
) -> Option<Requirement> {
    let values = expression.values.as_deref().unwrap_or_default();
    let values_place = place.field("values");
    let operator = match expression.operator.as_str() {
        "In" => Some(Operator::In),
        "NotIn" => Some(Operator::NotIn),
        "Exists" => Some(Operator::Exists),
        "DoesNotExist" => Some(Operator::DoesNotExist),
        other => {
            let known = ["In", "NotIn", "Exists", "DoesNotExist"];
            unsupported(sink, &place.field("operator"), other, &known);
            None
        }
    };
    match operator {
        Some(Operator::In | Operator::NotIn) if values.is_empty() => {
            required(sink, &values_place, "`In` and `NotIn` need values");
        }
        Some(Operator::Exists | Operator::DoesNotExist) if !values.is_empty() => {
            forbidden(sink, &values_place, "`Exists` and `DoesNotExist` take no values");
        }
        _ => {}
    }
    let key_place = place.field("key");
    for fault in text::qualified_name(&expression.key) {
        invalid(sink, &key_place, &expression.key, &fault);
    }
    for (i, value) in values.iter().enumerate() {
        for fault in text::label_value(value) {
            invalid(sink, &values_place.index(i), value, &fault);
        }
    }
    let mut values: Vec<_> = values.iter().map(|value| value.as_str().into()).collect();
    values.sort();
    values.dedup();
    Some(Requirement {
        key: expression.key.as_str().into(),
        operator: operator?,
        values,
        span: place.span,
    })
}
