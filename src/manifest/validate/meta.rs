//! `metadata` (`k8s.io/apimachinery/pkg/api/validation/objectmeta.go`).

use super::{Sink, invalid, required, text};
use crate::manifest::place::Place;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// Which names a kind takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::manifest) enum NameRule {
    /// An RFC 1123 subdomain: most kinds.
    Subdomain,
    /// An RFC 1123 label: Namespaces, Services and StatefulSets.
    Label,
    /// No rule is known: kinds of other APIs.
    Any,
}

/// Checks name, namespace and labels.
pub(in crate::manifest) fn object_meta(
    sink: &mut Sink,
    place: &Place<'_>,
    meta: &ObjectMeta,
    rule: NameRule,
) {
    let name = meta.name.as_deref().unwrap_or_default();
    let generated = meta.generate_name.as_deref().unwrap_or_default();
    if name.is_empty() {
        let at = place.field("name");
        if generated.is_empty() {
            required(sink, &at, "`name` or `generateName` is required");
        } else {
            // A generated name may end with a hyphen: a suffix follows.
            check_name(sink, &place.field("generateName"), generated.trim_end_matches('-'), rule);
        }
    } else {
        check_name(sink, &place.field("name"), name, rule);
    }
    if let Some(namespace) = meta.namespace.as_deref().filter(|text| !text.is_empty()) {
        let at = place.field("namespace");
        for fault in text::dns_label(namespace) {
            invalid(sink, &at, namespace, &fault);
        }
    }
    labels(sink, &place.field("labels"), meta.labels.as_ref());
    let annotations = place.field("annotations");
    for key in meta.annotations.iter().flatten().map(|(key, _)| key) {
        // Annotation keys may be in upper case (`ValidateAnnotations`).
        for fault in text::qualified_name(&key.to_lowercase()) {
            invalid(sink, &annotations.shown_at(annotations.key_span(key)), key, &fault);
        }
    }
    let finalizers = place.field("finalizers");
    for (i, name) in meta.finalizers.iter().flatten().enumerate() {
        for fault in text::qualified_name(name) {
            invalid(sink, &finalizers.index(i), name, &fault);
        }
    }
    let owners = place.field("ownerReferences");
    for (i, owner) in meta.owner_references.iter().flatten().enumerate() {
        let at = owners.index(i);
        for (key, value) in [
            ("apiVersion", &owner.api_version),
            ("kind", &owner.kind),
            ("name", &owner.name),
            ("uid", &owner.uid),
        ] {
            if value.is_empty() {
                required(sink, &at.field(key), "");
            }
        }
    }
}

fn check_name(sink: &mut Sink, place: &Place<'_>, name: &str, rule: NameRule) {
    let faults = match rule {
        NameRule::Subdomain => text::dns_subdomain(name),
        NameRule::Label => text::dns_label(name),
        NameRule::Any => Vec::new(),
    };
    for fault in faults {
        invalid(sink, place, name, &fault);
    }
}

/// Checks a map of labels: keys, then values.
pub(super) fn labels(
    sink: &mut Sink,
    place: &Place<'_>,
    labels: Option<&BTreeMap<String, String>>,
) {
    for (key, value) in labels.into_iter().flatten() {
        for fault in text::qualified_name(key) {
            let at = place.shown_at(place.key_span(key));
            invalid(sink, &at, key, &fault);
        }
        for fault in text::label_value(value) {
            let at = place.shown_at(place.child_span(key));
            invalid(sink, &at, value, &fault);
        }
    }
}
