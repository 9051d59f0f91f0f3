//! Pieces of YAML to type: what a help proposes must be read as it is meant.

use crate::cluster::{ClusterState, Requirement};
use crate::cluster::{Operator, PodId, Selector};
use crate::manifest::is_string;
use crate::net::Protocol;
use crate::policy::{NamespaceMatch, PodsMatch};

/// The label that every namespace has of itself.
pub(super) const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// A label's value, in quotes where YAML would read it as something else.
pub(super) fn value(text: &str) -> String {
    if is_string(text) { text.to_owned() } else { format!("\"{text}\"") }
}

/// `app: web`
pub(super) fn pair(key: &str, text: &str) -> String {
    format!("{key}: {}", value(text))
}

/// `{matchLabels: {app: web}}`
pub(super) fn selector(selector: &Selector) -> String {
    requirements(selector.requirements())
}

fn requirements(list: &[Requirement]) -> String {
    let (mut labels, mut expressions) = (Vec::new(), Vec::new());
    for own in list {
        match (own.operator, own.values.as_slice()) {
            (Operator::In, [only]) => labels.push(pair(&own.key, only)),
            (operator, values) => {
                let word = match operator {
                    Operator::In => "In",
                    Operator::NotIn => "NotIn",
                    Operator::Exists => "Exists",
                    Operator::DoesNotExist => "DoesNotExist",
                };
                let mut text = format!("{{key: {}, operator: {word}", own.key);
                if !values.is_empty() {
                    let values: Vec<String> = values.iter().map(|own| value(own)).collect();
                    text.push_str(&format!(", values: [{}]", values.join(", ")));
                }
                text.push('}');
                expressions.push(text);
            }
        }
    }
    let mut parts = Vec::new();
    if !labels.is_empty() {
        parts.push(format!("matchLabels: {{{}}}", labels.join(", ")));
    }
    if !expressions.is_empty() {
        parts.push(format!("matchExpressions: [{}]", expressions.join(", ")));
    }
    format!("{{{}}}", parts.join(", "))
}

/// `{matchLabels: {kubernetes.io/metadata.name: shop}}`
pub(super) fn namespace(name: &str) -> String {
    format!("{{matchLabels: {{{}}}}}", pair(NAMESPACE_NAME, name))
}

/// A peer of its own for a pod that one fails by labels: the same but for these. `None` where one of these is
/// not a label that can be had.
pub(super) fn peer_for(cluster: &ClusterState, wanted: &PodsMatch, pod: PodId) -> Option<String> {
    let labels = &cluster.pod(pod).labels;
    let mut list = wanted.pods.requirements().to_vec();
    for own in list.iter_mut().filter(|own| !own.holds(labels)) {
        if own.operator != Operator::In {
            return None;
        }
        own.values = vec![labels.get(&own.key)?.clone()];
    }
    // Who asks for one pod asks for all of these labels.
    let pods = requirements(&list);
    Some(match &wanted.namespaces {
        NamespaceMatch::Is(_) => format!("- podSelector: {pods}"),
        NamespaceMatch::Labelled(own) => {
            format!("- {{namespaceSelector: {}, podSelector: {pods}}}", selector(own))
        }
    })
}

/// A peer of one pod's kind: by its namespace, and by the labels that name what it is.
pub(super) fn peer_of(cluster: &ClusterState, pod: PodId) -> String {
    const NAMES: [&str; 4] = ["app.kubernetes.io/name", "app", "k8s-app", "name"];
    let own = cluster.pod(pod);
    let space = namespace(&cluster.namespace(own.namespace).name);
    let name = NAMES.iter().find_map(|key| own.labels.get(key).map(|value| pair(key, value)));
    match name {
        Some(name) => {
            format!("- {{namespaceSelector: {space}, podSelector: {{matchLabels: {{{name}}}}}}}")
        }
        None => format!("- namespaceSelector: {space}"),
    }
}

/// A port of a rule: `port: 80`, `{protocol: UDP, port: 53}`.
pub(super) fn port(protocol: Protocol, number: u16) -> String {
    match protocol {
        Protocol::Tcp => format!("port: {number}"),
        other => format!("{{protocol: {}, port: {number}}}", other.api_name()),
    }
}
