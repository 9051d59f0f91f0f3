//! `policy.networking.k8s.io`: `v1alpha1` AdminNetworkPolicy and BaselineAdminNetworkPolicy, `v1alpha2`
//! ClusterNetworkPolicy.
//!
//! Source of the rules: the experimental CustomResourceDefinitions of kubernetes-sigs/network-policy-api,
//! `config/crd/experimental/` at v0.1.7 and v0.2.0. What these take and no engine can match is a
//! warning: `LabelSelectorAsSelector` fails there, and the rule is void.

use super::{Sink, text};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::manifest::node::Node;
use crate::manifest::ordered::{
    AdminKind, AdminPeer, AdminPeerResource, AdminPolicyResource, AdminPort, AdminPortResource,
    AdminRuleResource, AdminTier, PodsSelector, RuleAction,
};
use crate::manifest::place::Place;
use crate::manifest::resource::{LabelSelector, Meta, Operator, Requirement};
use crate::manifest::schema::{
    Field, Object, Schema, TEXT, Text, check, document, exactly_one, field, list, needed, object,
    one_of,
};
use crate::net::{DomainPattern, Protocol, Wildcard};
use ipnet::IpNet;
use std::net::IpAddr;

const ANY_COUNT: usize = usize::MAX;

const EXPRESSION: Object = object(&[
    needed("key", TEXT),
    needed("operator", TEXT),
    field("values", list(&TEXT, 0, ANY_COUNT)),
]);

const SELECTOR_FIELDS: &[Field] = &[
    field("matchExpressions", list(&Schema::Object(&EXPRESSION), 0, ANY_COUNT)),
    field("matchLabels", Schema::Labels),
];

const SELECTOR: Object = object(SELECTOR_FIELDS);

/// Bundle v0.1.1 of the API, which tutorials still show, put an object where the selector is now.
const NAMESPACES: Object = Object {
    fields: SELECTOR_FIELDS,
    least: 0,
    most: ANY_COUNT,
    open: false,
    retired: &[
        (
            "namespaceSelector",
            "bundle v0.1.1 of the API had it here: a server that drops it is left with an empty selector, which matches every namespace; write `matchLabels` directly under `namespaces`",
        ),
        (
            "sameLabels",
            "bundle v0.1.1 of the API had it, and nothing replaces it: a server that drops it is left with an empty selector, which matches every namespace",
        ),
        (
            "notSameLabels",
            "bundle v0.1.1 of the API had it, and nothing replaces it: a server that drops it is left with an empty selector, which matches every namespace",
        ),
    ],
};

const PODS_RETIRED: &[(&str, &str)] = &[(
    "namespaces",
    "bundle v0.1.1 of the API had it here; write its selector as `namespaceSelector`",
)];

/// `v1alpha1` needs both selectors.
const PODS_1: Object = Object {
    fields: &[
        needed("namespaceSelector", Schema::Object(&SELECTOR)),
        needed("podSelector", Schema::Object(&SELECTOR)),
    ],
    least: 0,
    most: ANY_COUNT,
    open: false,
    retired: PODS_RETIRED,
};

/// `v1alpha2` takes a missing `namespaceSelector` for every namespace.
const PODS_2: Object = Object {
    fields: &[
        field("namespaceSelector", Schema::Object(&SELECTOR)),
        needed("podSelector", Schema::Object(&SELECTOR)),
    ],
    least: 0,
    most: ANY_COUNT,
    open: false,
    retired: PODS_RETIRED,
};

const NETWORK: Schema = Schema::Text(Text { known: &[], longest: 43, form: Some(network_fault) });
const DOMAIN: Schema =
    Schema::Text(Text { known: &[], longest: usize::MAX, form: Some(domain_fault) });
const NETWORKS: Schema = Schema::List { items: &NETWORK, least: 1, most: 25, unique: true };
const DOMAINS: Schema = Schema::List { items: &DOMAIN, least: 1, most: 25, unique: true };

/// A peer: later versions may have other alternatives.
const fn peer(fields: &'static [Field]) -> Object {
    Object { fields, least: 1, most: 1, open: true, retired: &[] }
}

const FROM_1: Object = peer(&[
    field("namespaces", Schema::Object(&NAMESPACES)),
    field("pods", Schema::Object(&PODS_1)),
]);
const FROM_2: Object = peer(&[
    field("namespaces", Schema::Object(&NAMESPACES)),
    field("pods", Schema::Object(&PODS_2)),
]);
const TO_1: Object = peer(&[
    field("domainNames", DOMAINS),
    field("namespaces", Schema::Object(&NAMESPACES)),
    field("networks", NETWORKS),
    field("nodes", Schema::Object(&SELECTOR)),
    field("pods", Schema::Object(&PODS_1)),
]);
const TO_BASELINE: Object = peer(&[
    field("namespaces", Schema::Object(&NAMESPACES)),
    field("networks", NETWORKS),
    field("nodes", Schema::Object(&SELECTOR)),
    field("pods", Schema::Object(&PODS_1)),
]);
const TO_2: Object = peer(&[
    field("domainNames", DOMAINS),
    field("namespaces", Schema::Object(&NAMESPACES)),
    field("networks", NETWORKS),
    field("nodes", Schema::Object(&SELECTOR)),
    field("pods", Schema::Object(&PODS_2)),
]);

const PORT: Schema = Schema::Integer(1, 65535);
const PORTS_1: Object = exactly_one(&[
    field("namedPort", TEXT),
    field("portNumber", Schema::Object(&object(&[needed("port", PORT), field("protocol", TEXT)]))),
    field(
        "portRange",
        Schema::Object(&object(&[
            needed("end", PORT),
            field("protocol", TEXT),
            needed("start", PORT),
        ])),
    ),
]);
const DESTINATION: Object = Object {
    fields: &[field(
        "destinationPort",
        Schema::Object(&exactly_one(&[
            field("number", PORT),
            field("range", Schema::Object(&object(&[needed("end", PORT), needed("start", PORT)]))),
        ])),
    )],
    least: 1,
    most: ANY_COUNT,
    open: false,
    retired: &[],
};
const PORTS_2: Object = exactly_one(&[
    field("destinationNamedPort", TEXT),
    field("sctp", Schema::Object(&DESTINATION)),
    field("tcp", Schema::Object(&DESTINATION)),
    field("udp", Schema::Object(&DESTINATION)),
]);

const NAME: Schema = Schema::Text(Text { known: &[], longest: 100, form: None });
const ALLOW_DENY_PASS: Schema = one_of(&["Allow", "Deny", "Pass"]);
const ALLOW_DENY: Schema = one_of(&["Allow", "Deny"]);
const ACCEPT_DENY_PASS: Schema = one_of(&["Accept", "Deny", "Pass"]);
const PRIORITY: Field = needed("priority", Schema::Integer(0, 1000));

const SUBJECT_1: Schema = Schema::Object(&exactly_one(&[
    field("namespaces", Schema::Object(&NAMESPACES)),
    field("pods", Schema::Object(&PODS_1)),
]));
const SUBJECT_2: Schema = Schema::Object(&exactly_one(&[
    field("namespaces", Schema::Object(&NAMESPACES)),
    field("pods", Schema::Object(&PODS_2)),
]));

/// A rule: (action, direction, peers, their most, ports' key, ports).
macro_rules! rules {
    ($action:expr, $way:literal, $peer:expr, $most:literal, $ports:literal, $port:expr) => {
        Schema::List {
            items: &Schema::Object(&object(&[
                needed("action", $action),
                field("name", NAME),
                field($ports, list(&Schema::Object(&$port), 1, $most)),
                needed($way, list(&Schema::Object(&$peer), 1, $most)),
            ])),
            least: 0,
            most: $most,
            unique: false,
        }
    };
}

const ADMIN: Schema = document!(Schema::Object(&object(&[
    field("egress", rules!(ALLOW_DENY_PASS, "to", TO_1, 100, "ports", PORTS_1)),
    field("ingress", rules!(ALLOW_DENY_PASS, "from", FROM_1, 100, "ports", PORTS_1)),
    PRIORITY,
    needed("subject", SUBJECT_1),
])));
const BASELINE: Schema = document!(Schema::Object(&object(&[
    field("egress", rules!(ALLOW_DENY, "to", TO_BASELINE, 100, "ports", PORTS_1)),
    field("ingress", rules!(ALLOW_DENY, "from", FROM_1, 100, "ports", PORTS_1)),
    needed("subject", SUBJECT_1),
])));
const CLUSTER: Schema = document!(Schema::Object(&object(&[
    field("egress", rules!(ACCEPT_DENY_PASS, "to", TO_2, 25, "protocols", PORTS_2)),
    field("ingress", rules!(ACCEPT_DENY_PASS, "from", FROM_2, 25, "protocols", PORTS_2)),
    PRIORITY,
    needed("subject", SUBJECT_2),
    needed("tier", one_of(&["Admin", "Baseline"])),
])));

/// `isCIDR` of CEL: `netip.ParsePrefix`, which takes host bits, and neither zones nor IPv4 in IPv6.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let digits = length.bytes().all(|b| b.is_ascii_digit());
    let zeros = length.len() > 1 && length.starts_with('0');
    if !digits || zeros || length.len() > 3 {
        return None;
    }
    let address: IpAddr = address.parse().ok()?;
    let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    if mapped { None } else { IpNet::new(address, length.parse().ok()?).ok() }
}

fn network_fault(text: &str) -> Option<&'static str> {
    let fault = "must be a CIDR block, such as 10.9.8.0/24 or 2001:db8::/64";
    network(text).is_none().then_some(fault)
}

/// `^(\*\.)?([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$`,
/// with its `A-z`, which holds more than letters.
fn domain_fault(text: &str) -> Option<&'static str> {
    let first = |b: u8| b.is_ascii_digit() || (b'A'..=b'z').contains(&b);
    let label = |label: &str| match label.as_bytes() {
        [] => false,
        [only] => first(*only),
        [start, middle @ .., end] => {
            let inside = |&b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            first(*start) && middle.iter().all(inside) && end.is_ascii_alphanumeric()
        }
    };
    let name = text.strip_prefix("*.").unwrap_or(text);
    let name = name.strip_suffix('.').unwrap_or(name);
    let fine = name.contains('.') && name.split('.').all(label);
    (!fine).then_some(
        "must be a domain name of two labels or more, such as `example.com` or `*.example.com`",
    )
}

/// Checks a policy and takes what it says. `stored` says that it comes from a server.
///
/// `None` if its own schema is broken so far that nothing can be taken from it.
pub(in crate::manifest) fn admin_policy(
    sink: &mut Sink,
    root: &Place<'_>,
    meta: Meta,
    kind: AdminKind,
    stored: bool,
) -> Option<AdminPolicyResource> {
    let schema = match kind {
        AdminKind::AdminNetworkPolicy => &ADMIN,
        AdminKind::BaselineAdminNetworkPolicy => &BASELINE,
        AdminKind::ClusterNetworkPolicy => &CLUSTER,
    };
    let before = sink.len();
    check(sink, root, schema, stored);
    let spec = root.field("spec");
    if kind == AdminKind::BaselineAdminNetworkPolicy && &*meta.name != "default" {
        let metadata = root.field("metadata");
        sink.push(
            Diagnostic::new(
                Code::InvalidValue,
                format!("`metadata.name`: invalid value `{}`: must be `default`", meta.name),
            )
            .at(
                metadata.child_span("name"),
                "there is one BaselineAdminNetworkPolicy, named `default`",
            ),
        );
    }
    // What is not of the right type cannot be read any further.
    if sink.len() > before {
        return None;
    }
    let tier = match kind {
        AdminKind::BaselineAdminNetworkPolicy => AdminTier::Baseline,
        AdminKind::ClusterNetworkPolicy if text_at(&spec, "tier") == Some("Baseline") => {
            AdminTier::Baseline
        }
        AdminKind::AdminNetworkPolicy | AdminKind::ClusterNetworkPolicy => AdminTier::Admin,
    };
    let priority = spec.field("priority");
    let ingress = rules(sink, &spec.field("ingress"), "from", kind);
    let egress = rules(sink, &spec.field("egress"), "to", kind);
    Some(AdminPolicyResource {
        meta,
        kind,
        tier,
        priority: number(&priority).unwrap_or(0),
        priority_span: priority.span,
        subject: pods(sink, &spec.field("subject"))?,
        ingress,
        egress,
    })
}

fn text_at<'n>(place: &Place<'n>, key: &str) -> Option<&'n str> {
    place.node.and_then(|node| node.get(key)).and_then(Node::as_str)
}

fn number(place: &Place<'_>) -> Option<u16> {
    place.node.and_then(Node::as_integer).and_then(|number| u16::try_from(number).ok())
}

/// Whether a field is there, with a value.
fn has(place: &Place<'_>, key: &str) -> bool {
    place.node.and_then(|node| node.get(key)).is_some_and(|node| !node.is_null())
}

/// The items of a list, which may be missing.
fn each<R>(place: &Place<'_>, mut read: impl FnMut(&Place<'_>) -> R) -> Vec<R> {
    let count = place.node.map_or(0, |node| node.items().len());
    (0..count).map(|at| read(&place.index(at))).collect()
}

/// The strings of a list, which may be missing.
fn texts<'n>(place: &Place<'n>) -> Vec<&'n str> {
    place.node.map(Node::items).unwrap_or_default().iter().filter_map(Node::as_str).collect()
}

fn rules(
    sink: &mut Sink,
    place: &Place<'_>,
    way: &'static str,
    kind: AdminKind,
) -> Vec<AdminRuleResource> {
    each(place, |place| rule(sink, place, way, kind))
}

fn rule(
    sink: &mut Sink,
    place: &Place<'_>,
    way: &'static str,
    kind: AdminKind,
) -> AdminRuleResource {
    let action = match text_at(place, "action") {
        Some("Deny") => RuleAction::Deny,
        Some("Pass") => RuleAction::Pass,
        _ => RuleAction::Allow,
    };
    let key = if kind == AdminKind::ClusterNetworkPolicy { "protocols" } else { "ports" };
    let ports_place = place.field(key);
    super::policy::warn_if_nothing(sink, &ports_place, "the rule covers every port");
    let ports = each(&ports_place, |place| AdminPortResource {
        span: place.span,
        selects: if kind == AdminKind::ClusterNetworkPolicy {
            port_2(sink, place)
        } else {
            port_1(sink, place)
        },
    });
    let peers_place = place.field(way);
    let peers = each(&peers_place, |place| AdminPeerResource {
        span: place.span,
        selects: peer_of(sink, place, action),
    });
    let named = ports.iter().find(|port| matches!(port.selects, AdminPort::Named(_)));
    let outside = peers.iter().find(|peer| {
        matches!(peer.selects, AdminPeer::Nodes(_) | AdminPeer::Networks(_) | AdminPeer::Domains(_))
    });
    if let (Some(named), Some(outside)) = (named, outside) {
        sink.push(
            Diagnostic::new(
                Code::ForbiddenValue,
                format!("`{place}`: a port by name may not stand beside `networks`, `nodes` or `domainNames`, which have no named ports"),
            )
            .at(named.span, "a port by name")
            .also_at(outside.span, "has no named ports"),
        );
    }
    let name = text_at(place, "name").filter(|name| !name.is_empty()).map(Into::into);
    AdminRuleResource { span: place.span, name, action, peers, ports }
}

fn peer_of(sink: &mut Sink, place: &Place<'_>, action: RuleAction) -> AdminPeer {
    if let Some(pods) = pods(sink, place) {
        return AdminPeer::Pods(pods);
    }
    if has(place, "nodes") {
        return AdminPeer::Nodes(selector(sink, &place.field("nodes")));
    }
    if has(place, "networks") {
        let list = place.field("networks");
        let blocks = texts(&list).into_iter().filter_map(network);
        return AdminPeer::Networks(blocks.map(|net| net.trunc()).collect());
    }
    if has(place, "domainNames") {
        let list = place.field("domainNames");
        if action != RuleAction::Allow {
            sink.push(
                Diagnostic::new(
                    Code::UndefinedRule,
                    format!("`{list}`: the API has domain names for allowing only; what a rule like this does is up to the enforcer"),
                )
                .at(list.span, "answers that depend on it are undetermined"),
            );
        }
        let names = texts(&list).into_iter();
        return AdminPeer::Domains(
            names.map(|name| DomainPattern::new(name, Wildcard::Labels)).collect(),
        );
    }
    let effect = match action {
        RuleAction::Allow => "the rule allows nothing",
        RuleAction::Deny | RuleAction::Pass => "the rule denies everything",
    };
    sink.push(
        Diagnostic::new(
            Code::FailsClosed,
            format!("`{place}` is of a kind that this version of the API does not know: {effect}"),
        )
        .at(place.span, "an enforcer that does not know it must fail closed")
        .help("answers are those of such an enforcer; one that knows it may do otherwise"),
    );
    AdminPeer::Unrecognized
}

/// `namespaces` or `pods`, if one of them is there.
fn pods(sink: &mut Sink, place: &Place<'_>) -> Option<PodsSelector> {
    if has(place, "namespaces") {
        let at = place.field("namespaces");
        let everything = LabelSelector { span: at.span, requirements: Vec::new() };
        return Some(PodsSelector {
            namespaces: selector(sink, &at),
            pods: everything,
            span: at.span,
        });
    }
    if has(place, "pods") {
        let at = place.field("pods");
        return Some(PodsSelector {
            namespaces: selector(sink, &at.field("namespaceSelector")),
            pods: selector(sink, &at.field("podSelector")),
            span: at.span,
        });
    }
    None
}

/// Takes a selector, which the CustomResourceDefinitions hardly check.
pub(super) fn selector(sink: &mut Sink, place: &Place<'_>) -> LabelSelector {
    let mut requirements = Vec::new();
    let labels = place.field("matchLabels");
    super::policy::warn_if_nothing(sink, &labels, "the selector matches what the rest of it does");
    for entry in labels.node.map(Node::entries).unwrap_or_default() {
        let at = labels.entry(entry);
        let span = Span::new(at.span.source, entry.key_span.start, at.span.end);
        let Some(value) = entry.value.as_str() else {
            sink.push(
                Diagnostic::new(
                    Code::EmptyWidens,
                    format!(
                        "`{at}` has nothing after it: the API server drops it from the selector"
                    ),
                )
                .at(at.span, "the selector matches what the rest of it does")
                .help("write `\"\"` if the empty value is meant"),
            );
            continue;
        };
        let faults = [text::qualified_name(&entry.key), text::label_value(value)].concat();
        let values = if faults.is_empty() { vec![value.into()] } else { Vec::new() };
        warn_if_void(sink, &at, faults.first());
        requirements.push(Requirement {
            key: entry.key.as_ref().into(),
            operator: Operator::In,
            values,
            span,
        });
    }
    let list = place.field("matchExpressions");
    requirements.extend(each(&list, |place| expression(sink, place)));
    LabelSelector { span: place.span, requirements }
}

fn expression(sink: &mut Sink, place: &Place<'_>) -> Requirement {
    let key = text_at(place, "key").unwrap_or_default();
    let list = place.field("values");
    let values = texts(&list);
    let mut faults = text::qualified_name(key);
    faults.extend(values.iter().flat_map(|value| text::label_value(value)));
    let operator = match text_at(place, "operator").unwrap_or_default() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => {
            faults.push(format!("label selectors have no operator `{other}`"));
            Operator::In
        }
    };
    match operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            faults.push("`In` and `NotIn` need values".into());
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            faults.push("`Exists` and `DoesNotExist` take no values".into());
        }
        _ => {}
    }
    warn_if_void(sink, place, faults.first());
    if !faults.is_empty() {
        // A requirement that nothing meets.
        return Requirement {
            key: key.into(),
            operator: Operator::In,
            values: Vec::new(),
            span: place.span,
        };
    }
    let mut values: Vec<_> = values.into_iter().map(Into::into).collect();
    values.sort();
    values.dedup();
    Requirement { key: key.into(), operator, values, span: place.span }
}

fn warn_if_void(sink: &mut Sink, place: &Place<'_>, fault: Option<&String>) {
    let Some(fault) = fault else { return };
    sink.push(
        Diagnostic::new(
            Code::VoidSelector,
            format!("`{place}`: {fault}; the API server takes it, and the whole selector matches nothing"),
        )
        .at(place.span, "nothing is selected: a rule that denies by this denies nothing"),
    );
}

fn port_1(sink: &mut Sink, place: &Place<'_>) -> AdminPort {
    if let Some(name) = text_at(place, "namedPort") {
        return AdminPort::Named(name.into());
    }
    let number_place = place.field("portNumber");
    let range_place = place.field("portRange");
    let (own, first, last) = if has(place, "portNumber") {
        let port = number(&number_place.field("port"));
        (&number_place, port, port)
    } else {
        (&range_place, number(&range_place.field("start")), number(&range_place.field("end")))
    };
    let (Some(first), Some(last)) = (first, last) else { return AdminPort::Nothing };
    let name = text_at(own, "protocol").unwrap_or("TCP");
    let Some(protocol) = Protocol::from_api(name) else {
        let at = own.field("protocol");
        void_port(sink, &at, &format!("`{name}` is none of `TCP`, `UDP`, `SCTP`"));
        return AdminPort::Nothing;
    };
    if first > last {
        void_port(sink, own, &format!("the range begins at {first} and ends at {last}"));
        return AdminPort::Nothing;
    }
    AdminPort::Range(protocol, first, last)
}

fn void_port(sink: &mut Sink, place: &Place<'_>, fault: &str) {
    sink.push(
        Diagnostic::new(
            Code::VoidPort,
            format!("`{place}`: {fault}; the API server takes it, and it matches no port"),
        )
        .at(place.span, "no port is matched: a rule that denies by this denies nothing"),
    );
}

fn port_2(sink: &mut Sink, place: &Place<'_>) -> AdminPort {
    if let Some(name) = text_at(place, "destinationNamedPort") {
        return AdminPort::Named(name.into());
    }
    for (key, protocol) in
        [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)]
    {
        if !has(place, key) {
            continue;
        }
        let transport = place.field(key);
        let port = transport.field("destinationPort");
        if let Some(number) = number(&port.field("number")) {
            return AdminPort::Range(protocol, number, number);
        }
        let range = port.field("range");
        if let (Some(first), Some(last)) =
            (number(&range.field("start")), number(&range.field("end")))
        {
            if first >= last {
                let value = format!("{first}-{last}");
                super::invalid(sink, &range, &value, "`start` must be less than `end`");
            }
            return AdminPort::Range(protocol, first, last);
        }
    }
    AdminPort::Nothing
}
