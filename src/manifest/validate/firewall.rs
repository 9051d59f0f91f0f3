//! What leaves a namespace, on OpenShift: `k8s.ovn.org/v1` EgressFirewall and `network.openshift.io/v1`
//! EgressNetworkPolicy.
//!
//! Source of the rules: `dist/templates/k8s.ovn.org_egressfirewalls.yaml.j2` and
//! `go-controller/pkg/ovn/egressfirewall.go` of ovn-kubernetes,
//! `network/v1/zz_generated.crd-manifests/004_egressnetworkpolicies.crd.yaml` of openshift/api, and
//! `pkg/network/node/ovscontroller.go` of openshift/sdn.

use super::Sink;
use super::admin::selector;
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::node::Node;
use crate::manifest::ordered::{
    EgressFirewallResource, FirewallKind, FirewallPeer, FirewallRuleResource,
};
use crate::manifest::place::Place;
use crate::manifest::resource::Meta;
use crate::manifest::schema::{
    Object, Schema, TEXT, Text, check, document, exactly_one, field, list, needed, object,
};
use crate::net::{DomainPattern, Protocol, Wildcard};
use ipnet::{IpNet, Ipv4Net};
use std::net::Ipv4Addr;

const ANY_COUNT: usize = usize::MAX;

const TYPE: Schema = Schema::Text(Text { known: &[], longest: ANY_COUNT, form: Some(type_fault) });
const PROTOCOL: Schema =
    Schema::Text(Text { known: &[], longest: ANY_COUNT, form: Some(protocol_fault) });
const DOMAIN: Schema =
    Schema::Text(Text { known: &[], longest: ANY_COUNT, form: Some(domain_fault) });
const STARRED_DOMAIN: Schema =
    Schema::Text(Text { known: &[], longest: ANY_COUNT, form: Some(starred_domain_fault) });
const BLOCK_V4: Schema =
    Schema::Text(Text { known: &[], longest: ANY_COUNT, form: Some(block_v4_fault) });

const SELECTOR: Object = object(&[
    field(
        "matchExpressions",
        list(
            &Schema::Object(&object(&[
                needed("key", TEXT),
                needed("operator", TEXT),
                field("values", list(&TEXT, 0, ANY_COUNT)),
            ])),
            0,
            ANY_COUNT,
        ),
    ),
    field("matchLabels", Schema::Labels),
]);

/// The spec of an object with these rules.
macro_rules! egress {
    ($($field:expr),+ $(,)?) => {
        Schema::Object(&object(&[needed(
            "egress",
            list(&Schema::Object(&object(&[$($field),+])), 0, ANY_COUNT),
        )]))
    };
}

const FIREWALL: Schema = document!(egress!(
    field(
        "ports",
        list(
            &Schema::Object(&object(&[
                needed("port", Schema::Integer(1, 65535)),
                needed("protocol", PROTOCOL),
            ])),
            0,
            ANY_COUNT
        )
    ),
    needed(
        "to",
        Schema::Object(&exactly_one(&[
            field("cidrSelector", TEXT),
            field("dnsName", STARRED_DOMAIN),
            field("nodeSelector", Schema::Object(&SELECTOR)),
        ]))
    ),
    needed("type", TYPE),
));

const NETWORK_POLICY: Schema = document!(egress!(
    needed(
        "to",
        Schema::Object(&exactly_one(&[field("cidrSelector", BLOCK_V4), field("dnsName", DOMAIN)]))
    ),
    needed("type", TYPE),
));

/// `^Allow|Deny$`, which is `^Allow` or `Deny$`.
fn type_fault(text: &str) -> Option<&'static str> {
    let fine = text.starts_with("Allow") || text.ends_with("Deny");
    (!fine).then_some("must be `Allow` or `Deny`")
}

/// `^TCP|UDP|SCTP$`, which is `^TCP`, or `UDP` anywhere, or `SCTP$`.
fn protocol_fault(text: &str) -> Option<&'static str> {
    let fine = text.starts_with("TCP") || text.contains("UDP") || text.ends_with("SCTP");
    (!fine).then_some("must be `TCP`, `UDP` or `SCTP`")
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

fn domain_fault(text: &str) -> Option<&'static str> {
    (!is_domain(text)).then_some("must be a domain name, such as `example.com`")
}

fn starred_domain_fault(text: &str) -> Option<&'static str> {
    let fine = is_domain(text.strip_prefix("*.").unwrap_or(text));
    (!fine).then_some("must be a domain name, such as `example.com` or `*.example.com`")
}

fn block_v4_fault(text: &str) -> Option<&'static str> {
    let fine = text.parse::<Ipv4Net>().is_ok();
    (!fine).then_some("must be an IPv4 CIDR block, such as 10.9.8.0/24")
}

/// OVN-Kubernetes has priorities for so many rules, and leaves out the others.
const MOST_RULES: usize = 8001;

/// Checks an object and takes what it says.
pub(in crate::manifest) fn egress_firewall(
    sink: &mut Sink,
    root: &Place<'_>,
    meta: Meta,
    kind: FirewallKind,
) -> Option<EgressFirewallResource> {
    let before = sink.len();
    let schema = match kind {
        FirewallKind::EgressFirewall => &FIREWALL,
        FirewallKind::EgressNetworkPolicy => &NETWORK_POLICY,
    };
    check(sink, root, schema, false);
    if kind == FirewallKind::EgressFirewall && &*meta.name != "default" {
        let metadata = root.field("metadata");
        sink.push(
            Diagnostic::new(
                Code::InvalidValue,
                format!("`metadata.name`: invalid value `{}`: must be `default`", meta.name),
            )
            .at(metadata.child_span("name"), "a namespace has one EgressFirewall, named `default`"),
        );
    }
    if sink.len() > before {
        return None;
    }
    let spec = root.field("spec");
    let list = spec.field("egress");
    let count = list.node.map_or(0, |node| node.items().len());
    if kind == FirewallKind::EgressFirewall && count > MOST_RULES {
        sink.push(
            Diagnostic::new(
                Code::IgnoredRules,
                format!("OVN-Kubernetes has room for {MOST_RULES} rules of an EgressFirewall, and this one has {count}"),
            )
            .at(list.index(MOST_RULES).span, "versions leave out this rule and those after it, or apply none at all"),
        );
    }
    let kept = if kind == FirewallKind::EgressFirewall { count.min(MOST_RULES) } else { count };
    let mut broken = false;
    let rules =
        (0..kept).filter_map(|at| rule(sink, &list.index(at), at, kind, &mut broken)).collect();
    let doubt = (count > kept).then(|| {
        format!("versions differ on more than {MOST_RULES} rules: they leave out the rest, or apply none")
    });
    Some(EgressFirewallResource { meta, kind, rules, span: list.span, broken, doubt })
}

fn rule(
    sink: &mut Sink,
    place: &Place<'_>,
    index: usize,
    kind: FirewallKind,
    broken: &mut bool,
) -> Option<FirewallRuleResource> {
    let word = place.node.and_then(|node| node.get("type")).and_then(Node::as_str);
    let word = word.unwrap_or_default();
    if !matches!(word, "Allow" | "Deny") {
        let at = place.field("type");
        sink.push(
            Diagnostic::new(
                Code::UndefinedRule,
                format!("`{at}`: the API server takes `{word}`, and the rule then drops"),
            )
            .at(at.span, "write `Allow` or `Deny`"),
        );
    }
    let to = place.field("to");
    let peer = peer(sink, &to, kind);
    if peer.is_none() {
        *broken = true;
    }
    let list = place.field("ports");
    let count = list.node.map_or(0, |node| node.items().len());
    let mut ports = Vec::new();
    for at in 0..count {
        let place = list.index(at);
        let number = place.node.and_then(|node| node.get("port")).and_then(Node::as_integer);
        let name = place.node.and_then(|node| node.get("protocol")).and_then(Node::as_str);
        let name = name.unwrap_or_default();
        match (number.and_then(|number| u16::try_from(number).ok()), Protocol::from_api(name)) {
            (Some(number), Some(protocol)) => ports.push((protocol, number, place.span)),
            // OVN-Kubernetes leaves such a port out of its match.
            _ => sink.push(
                Diagnostic::new(
                    Code::VoidPort,
                    format!("`{place}`: `{name}` is none of `TCP`, `UDP`, `SCTP`; the API server takes it, and it matches no port"),
                )
                .at(place.span, "no port is matched"),
            ),
        }
    }
    if count > 0 && ports.is_empty() {
        return None;
    }
    Some(FirewallRuleResource {
        index,
        span: place.span,
        allow: word == "Allow",
        to: peer?,
        to_span: to.span,
        ports,
    })
}

/// `None` for a block that cannot be read: it breaks the whole object.
fn peer(sink: &mut Sink, to: &Place<'_>, kind: FirewallKind) -> Option<FirewallPeer> {
    let text = |key: &str| to.node.and_then(|node| node.get(key)).and_then(Node::as_str);
    if let Some(name) = text("dnsName").filter(|name| !name.is_empty()) {
        return Some(FirewallPeer::Domain(DomainPattern::new(name, Wildcard::OneLabel)));
    }
    let selects = to.node.and_then(|node| node.get("nodeSelector")).is_some_and(|n| !n.is_null());
    if selects {
        let nodes = selector(sink, &to.field("nodeSelector"));
        if let Some(void) = nodes.requirements.iter().find(|r| r.is_void()) {
            sink.push(
                Diagnostic::new(
                    Code::BrokenFirewall,
                    format!("`{to}`: the selector cannot be read, and OVN-Kubernetes then applies no rule of the object"),
                )
                .at(void.span, "the whole EgressFirewall has no effect"),
            );
            return None;
        }
        return Some(FirewallPeer::Nodes(nodes));
    }
    let cidr = text("cidrSelector").unwrap_or_default();
    // openshift-sdn takes `0.0.0.0/32` for every address.
    let everything = IpNet::new(Ipv4Addr::UNSPECIFIED.into(), 0).ok();
    if kind == FirewallKind::EgressNetworkPolicy && cidr == "0.0.0.0/32" {
        return everything.map(FirewallPeer::Block);
    }
    if let Some(net) = super::admin::network(cidr) {
        return Some(FirewallPeer::Block(net.trunc()));
    }
    let at = to.field("cidrSelector");
    sink.push(
        Diagnostic::new(
            Code::BrokenFirewall,
            format!("`{at}`: `{cidr}` is no CIDR block; the API server takes it, and OVN-Kubernetes then applies no rule of the object"),
        )
        .at(at.span, "the whole EgressFirewall has no effect")
        .help("`oc get egressfirewall` shows `EgressFirewall Rules not correctly added`"),
    );
    None
}
