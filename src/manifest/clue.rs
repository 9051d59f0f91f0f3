//! What objects say of the cluster's network: which programs run on its nodes, and how they are set.
//!
//! Most of it is of no use, so little is kept: containers of DaemonSets and of what runs on its node's
//! network, and the settings of a few objects by name.

use super::item::Envelope;
use super::kinds::group_of;
use super::node::{Node, Value};
use crate::diagnostic::Span;
use std::sync::Arc;

/// An object that may tell which CNI a cluster has.
#[derive(Clone, Debug)]
pub struct Clue {
    /// The API group.
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The namespace, as written.
    pub namespace: Option<Arc<str>>,
    /// The name.
    pub name: Arc<str>,
    /// It comes from a server.
    pub stored: bool,
    /// The containers of its pods.
    pub containers: Vec<ContainerClue>,
    /// Settings: (path, value, place).
    pub settings: Vec<(Arc<str>, Arc<str>, Span)>,
    /// Where its name stands.
    pub span: Span,
}

/// A container.
#[derive(Clone, Debug)]
pub struct ContainerClue {
    /// `name`
    pub name: Arc<str>,
    /// `image`
    pub image: Arc<str>,
    /// `command` and `args`, with their places.
    pub args: Vec<(Arc<str>, Span)>,
    /// `env` with their places; `valueFrom` for a value from elsewhere.
    pub env: Vec<(Arc<str>, Arc<str>, Span)>,
    /// Where it stands.
    pub span: Span,
}

/// ConfigMaps with settings of a CNI.
const CONFIG_MAPS: [&str; 4] =
    ["amazon-vpc-cni", "antrea-config", "cilium-config", "ovnkube-config"];

/// Other objects with settings of a CNI: (group, kind).
const SETTINGS: [(&str, &str); 4] = [
    ("config.openshift.io", "Network"),
    ("operator.openshift.io", "Network"),
    ("crd.projectcalico.org", "FelixConfiguration"),
    ("projectcalico.org", "FelixConfiguration"),
];

/// What an object tells, if anything.
pub(super) fn read(node: &Node, envelope: &Envelope<'_>, span: Span) -> Option<Clue> {
    let spec = node.get("spec");
    let on_node = |spec: Option<&Node>| {
        let value = spec.and_then(|spec| spec.get("hostNetwork")).map(|node| &node.value);
        matches!(value, Some(Value::Bool(true)))
    };
    let template = || spec?.get("template")?.get("spec");
    let group = group_of(envelope.api_version);
    let system = envelope.namespace == Some("kube-system");
    let (pods, settings) = match (group, envelope.kind) {
        ("apps", "DaemonSet") => (template(), Vec::new()),
        ("apps", "Deployment") => {
            (template().filter(|spec| system || on_node(Some(spec))), Vec::new())
        }
        // Anybody can run something on a node's network: what counts are the system's own, and the
        // pods of DaemonSets.
        ("", "Pod") => {
            let own = system || of_daemon_set(node);
            (spec.filter(|spec| own && on_node(Some(spec))), Vec::new())
        }
        ("", "Node") => (None, of_node(node)),
        ("rbac.authorization.k8s.io", "ClusterRole") if envelope.name == "kindnet" => (
            None,
            vec![("networkpolicies".into(), may_read_policies(node).to_string().into(), span)],
        ),
        ("", "ConfigMap") if CONFIG_MAPS.contains(&envelope.name) => {
            let mut found = Vec::new();
            flatten("", node.get("data")?, 1, &mut found);
            (None, found)
        }
        known if SETTINGS.contains(&known) => {
            let mut found = Vec::new();
            for part in ["spec", "status"] {
                if let Some(part_node) = node.get(part) {
                    flatten(&format!("{part}."), part_node, 4, &mut found);
                }
            }
            (None, found)
        }
        _ => return None,
    };
    let containers: Vec<ContainerClue> = pods
        .and_then(|spec| spec.get("containers"))
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .map(container)
        .collect();
    let stored = node.get("metadata").and_then(|m| m.get("uid")).is_some_and(|uid| !uid.is_null());
    let telling = !containers.is_empty() || !settings.is_empty();
    (telling || envelope.kind == "Node").then(|| Clue {
        group: group.into(),
        kind: envelope.kind.into(),
        namespace: envelope.namespace.map(Into::into),
        name: envelope.name.into(),
        stored,
        containers,
        settings,
        span,
    })
}

/// Whether a role grants to read NetworkPolicies: what enforces them needs that.
fn may_read_policies(role: &Node) -> bool {
    let rules = role.get("rules").map(Node::items).unwrap_or_default().iter();
    let resources = rules.filter_map(|rule| rule.get("resources")).flat_map(Node::items);
    resources.into_iter().any(|name| name.as_str() == Some("networkpolicies"))
}

fn of_daemon_set(pod: &Node) -> bool {
    let owners = pod.get("metadata").and_then(|m| m.get("ownerReferences")).map(Node::items);
    let mut kinds = owners.unwrap_or_default().iter().filter_map(|owner| owner.get("kind"));
    kinds.any(|kind| kind.as_str() == Some("DaemonSet"))
}

fn text(node: &Node, key: &str) -> Arc<str> {
    node.get(key).and_then(Node::as_str).unwrap_or_default().into()
}

fn container(node: &Node) -> ContainerClue {
    let list = |key: &str| node.get(key).map(Node::items).unwrap_or_default().iter();
    let args = list("command").chain(list("args"));
    let env = list("env").filter_map(|item| {
        // What comes from elsewhere is there, and not known.
        let elsewhere = item.get("valueFrom").map(|_| "valueFrom");
        let value = item.get("value").and_then(Node::as_str).or(elsewhere)?;
        Some((text(item, "name"), value.into(), item.span))
    });
    ContainerClue {
        name: text(node, "name"),
        image: text(node, "image"),
        args: args.filter_map(|arg| Some((arg.as_str()?.into(), arg.span))).collect(),
        env: env.collect(),
        span: node.get("image").map_or(node.span, |image| image.span),
    }
}

/// Labels and annotations that CNIs and distributions set on nodes.
fn of_node(node: &Node) -> Vec<(Arc<str>, Arc<str>, Span)> {
    let metadata = node.get("metadata");
    let maps = ["labels", "annotations"].into_iter().filter_map(|key| metadata?.get(key));
    maps.flat_map(Node::entries)
        .filter(|entry| {
            entry.key.starts_with("k3s.io/") || &*entry.key == "node.kubernetes.io/instance-type"
        })
        .filter_map(|entry| {
            Some((Arc::clone(&entry.key), entry.value.as_str()?.into(), entry.key_span))
        })
        .collect()
}

/// Scalars of a mapping, down to a depth, by their paths. Of a file in a string, each line with a key
/// and a value: `antrea-controller.conf:AdminNetworkPolicy`.
fn flatten(prefix: &str, node: &Node, depth: usize, out: &mut Vec<(Arc<str>, Arc<str>, Span)>) {
    for entry in node.entries() {
        let path = format!("{prefix}{}", entry.key);
        match &entry.value.value {
            Value::String(file) if file.contains('\n') => {
                for line in file.lines().filter(|line| !line.trim_start().starts_with('#')) {
                    if let Some((key, value)) = line.split_once(['=', ':']) {
                        let path = format!("{path}:{}", key.trim());
                        out.push((path.into(), value.trim().into(), entry.value.span));
                    }
                }
            }
            Value::String(value) if value.len() <= 200 => {
                out.push((path.into(), Arc::clone(value), entry.value.span));
            }
            Value::Bool(value) => {
                out.push((path.into(), value.to_string().into(), entry.value.span));
            }
            Value::Mapping(_) if depth > 1 => {
                flatten(&format!("{path}."), &entry.value, depth - 1, out);
            }
            _ => {}
        }
    }
}
