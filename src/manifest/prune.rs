//! What of a stored object has no part in any answer.
//!
//! A server has checked it already, and newer servers print fields that this program does not know.
//! Neither reader looks at it: here it is cut away before an object is decoded.

use super::kinds::Used;
use super::node::{Entry, Node, Value};

/// Fields of `metadata` that are the server's business.
pub(super) const METADATA: [&[u8]; 7] = [
    b"creationTimestamp",
    b"deletionGracePeriodSeconds",
    b"deletionTimestamp",
    b"generation",
    b"managedFields",
    b"resourceVersion",
    b"selfLink",
];

/// Fields of a pod's `spec` that count.
pub(super) const POD_SPEC: [&[u8]; 6] = [
    b"containers",
    b"hostAliases",
    b"hostNetwork",
    b"initContainers",
    b"nodeName",
    b"restartPolicy",
];

/// Fields of a container that count.
pub(super) const CONTAINER: [&[u8]; 4] = [b"image", b"name", b"ports", b"restartPolicy"];

/// Fields of a pod's `status` that count.
pub(super) const POD_STATUS: [&[u8]; 5] = [b"hostIP", b"hostIPs", b"phase", b"podIP", b"podIPs"];

/// Whether an object comes from a server, which has accepted it.
pub(super) fn is_stored(object: &Node) -> bool {
    let uid = object.get("metadata").and_then(|metadata| metadata.get("uid"));
    uid.is_some_and(|uid| !uid.is_null())
}

/// A stored object of a kind that dumps are full of, without what does not count.
pub(super) fn pruned(object: &Node, kind: Used) -> Node {
    map_entries(object, &|entry| match (&*entry.key, kind) {
        ("metadata", _) => Some(without(&entry.value, &METADATA)),
        ("spec" | "status", Used::Namespace) => None,
        ("spec", Used::Pod) => Some(map_entries(&only(&entry.value, &POD_SPEC), &|entry| {
            let containers = matches!(&*entry.key, "containers" | "initContainers");
            match &entry.value.value {
                Value::Sequence(items) if containers => {
                    let items = items.iter().map(|item| only(item, &CONTAINER)).collect();
                    Some(Node { span: entry.value.span, value: Value::Sequence(items) })
                }
                _ => Some(entry.value.clone()),
            }
        })),
        ("status", Used::Pod) => Some(only(&entry.value, &POD_STATUS)),
        _ => Some(entry.value.clone()),
    })
}

/// Kinds that dumps are full of.
pub(super) fn is_pruned(kind: Used) -> bool {
    matches!(kind, Used::Pod | Used::Namespace | Used::NetworkPolicy)
}

fn only(node: &Node, keys: &[&[u8]]) -> Node {
    map_entries(node, &|entry| keys.contains(&entry.key.as_bytes()).then(|| entry.value.clone()))
}

fn without(node: &Node, keys: &[&[u8]]) -> Node {
    map_entries(node, &|entry| (!keys.contains(&entry.key.as_bytes())).then(|| entry.value.clone()))
}

/// A mapping with other values, or without some; anything else as it is.
fn map_entries(node: &Node, change: &dyn Fn(&Entry) -> Option<Node>) -> Node {
    let Value::Mapping(entries) = &node.value else { return node.clone() };
    let entries = entries.iter().filter_map(|entry| {
        let value = change(entry)?;
        Some(Entry { key: entry.key.clone(), key_span: entry.key_span, value })
    });
    Node { span: node.span, value: Value::Mapping(entries.collect()) }
}
