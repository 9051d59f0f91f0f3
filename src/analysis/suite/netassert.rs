//! Tests of `NetAssert` v2 (<https://github.com/controlplaneio/netassert>), as they are: what they try on a cluster
//! is asked of the policies.

use super::file::{Expectation, Expected, Quantifier, Reader, TestFile, Wanted};
use crate::analysis::port::PortQuery;
use crate::cluster::PortRef;
use crate::diagnostic::{Code, Span};
use crate::manifest::Place;
use crate::net::Protocol;
use std::collections::BTreeSet;
use std::path::Path;

const FIELDS: &[&str] = &[
    "name",
    "type",
    "protocol",
    "targetPort",
    "timeoutSeconds",
    "attempts",
    "exitCode",
    "src",
    "dst",
];
const RESOURCE: &[&str] = &["kind", "name", "namespace"];
const KINDS: [&str; 4] = ["deployment", "statefulset", "daemonset", "pod"];

/// Reads a list of tests.
pub(super) fn file(reader: &mut Reader<'_>, path: &Path, root: &Place<'_>) -> TestFile {
    let count = root.node.map_or(0, |node| node.items().len());
    if count == 0 {
        reader.fault(Code::RequiredValue, "a list of tests without a test", root.span);
    }
    let mut names = BTreeSet::new();
    let mut expectations = Vec::new();
    for at in 0..count {
        let place = root.index(at);
        let found = test(reader, &place);
        if let Some(own) = found {
            if !names.insert(own.name.clone()) {
                let message = format!("two tests are called `{}`", own.name);
                reader.fault(Code::InvalidValue, message, place.span);
            }
            expectations.push(own);
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    TestFile {
        path: path.to_path_buf(),
        name: name.split('.').next().unwrap_or_default().to_owned(),
        description: String::new(),
        manifests: None,
        under: Vec::new(),
        namespace: None,
        resolve: Vec::new(),
        apply: Vec::new(),
        overlay: crate::cluster::Overlay::default(),
        expectations,
    }
}

fn test(reader: &mut Reader<'_>, place: &Place<'_>) -> Option<Expectation> {
    if !reader.mapping(place, FIELDS) {
        return None;
    }
    let required = |reader: &mut Reader<'_>, field: &'static str, what: &str| -> Option<String> {
        let own = place.field(field);
        let found = reader.text(&own);
        if own.node.is_none() {
            let message = format!("a NetAssert test has {what}: `{field}`");
            reader.fault(Code::RequiredValue, message, own.span);
        }
        found
    };
    let name = required(reader, "name", "a name");
    let kind = required(reader, "type", "a type");
    if let Some(kind) = kind.filter(|kind| kind != "k8s") {
        let message = format!("tests of the type `{kind}` are not known, those of `k8s` are");
        reader.fault(Code::InvalidValue, message, place.child_span("type"));
    }
    let protocol = match reader.text(&place.field("protocol")).as_deref() {
        None | Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        Some(other) => {
            let message = format!("the protocol is `tcp` or `udp`, found `{other}`");
            reader.fault(Code::InvalidValue, message, place.child_span("protocol"));
            Protocol::Tcp
        }
    };
    let number = |reader: &mut Reader<'_>, field: &'static str, most: i64| -> Option<i64> {
        let own = place.field(field);
        let value = own.node?.as_integer();
        if value.is_none_or(|value| !(0..=most).contains(&value)) {
            let message = format!("`{field}` must be a number from 0 to {most}");
            reader.fault(Code::InvalidValue, message, own.span);
        }
        value
    };
    let port = number(reader, "targetPort", 65_535).and_then(|port| u16::try_from(port).ok());
    if place.field("targetPort").node.is_none() {
        let message = "a NetAssert test has a port: `targetPort`";
        reader.fault(Code::RequiredValue, message, place.span);
    }
    let code = number(reader, "exitCode", 255).unwrap_or(0);
    for field in ["timeoutSeconds", "attempts"] {
        number(reader, field, 3_600);
    }
    let from = end(reader, &place.field("src"), false, place.span);
    let to = end(reader, &place.field("dst"), true, place.span);
    let port = PortQuery { protocol: Some(protocol), port: PortRef::Number(port?), last: None };
    Some(Expectation {
        name: name?,
        place: reader.sources.locate(place.span),
        wanted: Wanted::Pairs {
            from: vec![from?],
            to: vec![to?],
            ports: vec![port],
            verdict: if code == 0 { Expected::Allowed } else { Expected::Denied },
            pairs: Quantifier::Every,
        },
        under: Vec::new(),
        may_match_nothing: false,
        skip: None,
        skip_undetermined: true,
    })
}

/// `k8sResource: {kind, name, namespace}`, or `host: {name}`.
fn end(reader: &mut Reader<'_>, place: &Place<'_>, host: bool, near: Span) -> Option<String> {
    let known: &[&str] = if host { &["k8sResource", "host"] } else { &["k8sResource"] };
    if place.node.is_none() {
        reader.fault(Code::RequiredValue, "a NetAssert test has `src` and `dst`", near);
        return None;
    }
    if !reader.mapping(place, known) {
        return None;
    }
    let named = place.field("host");
    if host && named.node.is_some() {
        return if reader.mapping(&named, &["name"]) {
            reader.text(&named.field("name"))
        } else {
            None
        };
    }
    let own = place.field("k8sResource");
    if own.node.is_none() {
        let message = "an end is `k8sResource`, or as a destination `host`";
        reader.fault(Code::RequiredValue, message, place.span);
        return None;
    }
    if !reader.mapping(&own, RESOURCE) {
        return None;
    }
    let [kind, name, namespace] =
        ["kind", "name", "namespace"].map(|field| reader.text(&own.field(field)));
    let (Some(kind), Some(name), Some(namespace)) = (kind, name, namespace) else {
        let message = "`k8sResource` has `kind`, `name` and `namespace`";
        reader.fault(Code::RequiredValue, message, own.span);
        return None;
    };
    if !KINDS.contains(&kind.as_str()) {
        let message = format!("the kind is one of {}, found `{kind}`", KINDS.join(", "));
        reader.fault(Code::InvalidValue, message, own.child_span("kind"));
        return None;
    }
    Some(format!("{namespace}/{kind}/{name}"))
}
