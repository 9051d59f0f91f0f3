//! One document to resources: the envelope, lists, and each kind's own type.

use super::item::{Collected, Envelope, Reason, SetAside, invalid_reason};
use super::kinds::{Kind, classify, group_of, sounds_like_policy};
use super::node::{Node, Value};
use super::place::Place;
use super::read::{read, third_party};
use crate::diagnostic::{Code, Diagnostic};

/// Reads one document.
pub(crate) fn document(out: &mut Collected, node: &Node) {
    object(out, node, None, 0);
}

/// Reads an item of a `v1 List`.
pub(crate) fn item(out: &mut Collected, node: &Node) {
    object(out, node, None, 1);
}

/// `parent` is the (apiVersion, kind) that a typed list gives to items that state none.
fn object(out: &mut Collected, node: &Node, parent: Option<(&str, &str)>, depth: usize) {
    let text = |key: &str| node.get(key).and_then(Node::as_str).filter(|text| !text.is_empty());
    let (api_version, kind) = match (text("apiVersion"), text("kind"), parent) {
        (Some(version), Some(kind), _) => (version, kind),
        // kubectl takes a `List` without a version.
        (None, Some("List"), _) => ("v1", "List"),
        (None, None, Some(parent)) if matches!(node.value, Value::Mapping(_)) => parent,
        (version, kind, _) => return no_object(out, node, version, kind, depth > 0),
    };
    let metadata = node.get("metadata");
    let field = |key: &str| metadata.and_then(|m| m.get(key)).and_then(Node::as_str);
    let envelope = Envelope {
        api_version,
        kind,
        namespace: field("namespace").filter(|text| !text.is_empty()),
        name: field("name").or_else(|| field("generateName")).unwrap_or_default(),
    };
    let span = metadata.and_then(|m| m.get("name")).map_or(node.span, |name| name.span);
    out.clues.extend(super::clue::read(node, &envelope, span));
    match classify(api_version, kind) {
        Kind::Used(used) => read(out, node, envelope, used),
        Kind::List => list(out, node, envelope, depth),
        Kind::UnsupportedPolicy => {
            out.diagnostics.push(
                Diagnostic::new(
                    Code::UnsupportedPolicy,
                    format!("`{envelope}` is a policy that kubereach does not evaluate yet"),
                )
                .at(span, "answers for the pods in its reach are undetermined")
                .help("`--ignore-unsupported` answers as if it were not there"),
            );
            out.set_aside(Reason::UnsupportedPolicy, &envelope, span);
        }
        Kind::MeshPolicy => {
            out.diagnostics.push(
                Diagnostic::new(
                    Code::MeshPolicy,
                    format!("`{envelope}` acts above the transport layer and is not considered"),
                )
                .at(span, "what it denies may be shown as allowed"),
            );
            out.set_aside(Reason::Mesh, &envelope, span);
        }
        Kind::Retired { current } => {
            out.diagnostics.push(
                Diagnostic::new(
                    Code::RetiredApi,
                    format!("`{api_version}` has no `{kind}` any more: servers refuse it"),
                )
                .at(node.get("apiVersion").map_or(span, |n| n.span), "retired")
                .help(format!("write `apiVersion: {current}` and check the fields against it")),
            );
            let reason = invalid_reason(kind);
            out.set_aside(reason, &envelope, span);
        }
        Kind::WrongVersion { current } => {
            out.diagnostics.push(
                Diagnostic::new(
                    Code::InvalidEnvelope,
                    format!("`{api_version}` has no kind `{kind}`"),
                )
                .at(
                    node.get("apiVersion").map_or(span, |n| n.span),
                    format!("did you mean `{current}`?"),
                ),
            );
            out.set_aside(invalid_reason(kind), &envelope, span);
        }
        Kind::Unheard { nearest } => {
            let label = nearest.map_or("unknown kind".into(), |k| format!("did you mean `{k}`?"));
            out.diagnostics.push(
                Diagnostic::new(
                    Code::InvalidEnvelope,
                    format!("`{api_version}` has no kind `{kind}`"),
                )
                .at(node.get("kind").map_or(span, |n| n.span), label),
            );
            // Most of what the networking group has is policies.
            let networking = group_of(api_version) == "networking.k8s.io";
            let reason = if networking { Reason::InvalidPolicy } else { Reason::InvalidObject };
            out.set_aside(reason, &envelope, span);
        }
        // kubectl takes anything with `items` for a list.
        Kind::Irrelevant if holds_objects(node) => list(out, node, envelope, depth),
        Kind::Irrelevant => third_party(out, node, envelope, span),
    }
}

/// Whether `items` is a list of objects that say what they are.
fn holds_objects(node: &Node) -> bool {
    let items = node.get("items").map(Node::items).unwrap_or_default();
    items.iter().any(|item| item.get("kind").is_some() && item.get("apiVersion").is_some())
}

/// A document, or an item of a list, without `apiVersion` and `kind`.
fn no_object(
    out: &mut Collected,
    node: &Node,
    version: Option<&str>,
    kind: Option<&str>,
    in_list: bool,
) {
    let known = |kind: &str| {
        sounds_like_policy(kind)
            || ["v1", "apps/v1", "batch/v1", "networking.k8s.io/v1"]
                .iter()
                .any(|version| matches!(classify(version, kind), Kind::Used(_)))
    };
    // A policy that lost its first lines must not become a note.
    let policy_like = node.get("spec").is_some_and(|spec| spec.get("podSelector").is_some());
    let ours = |version: &str| matches!(group_of(version), "networking.k8s.io" | "apps" | "batch");
    let has = |key: &str| node.get(key).is_some();
    let says_what = |item: &Node| item.get("kind").is_some() && item.get("apiVersion").is_some();
    let objects = node.items().iter().any(says_what);
    let core = version == Some("v1") && (has("metadata") || has("items"));
    let broken = match (version, kind) {
        _ if objects => Some("a list of objects is no document: kubectl refuses it"),
        _ if in_list => Some("an item of a list is no Kubernetes object"),
        (None, Some(kind)) if known(kind) && has("apiVersion") => {
            Some("`apiVersion` must be a string")
        }
        (None, Some(kind)) if known(kind) => Some("`apiVersion` is missing"),
        (Some(version), None) if ours(version) || core => {
            Some(if has("kind") { "`kind` must be a string" } else { "`kind` is missing" })
        }
        _ if policy_like => {
            Some("this looks like a NetworkPolicy, and `apiVersion` or `kind` is missing")
        }
        _ => None,
    };
    let policy = objects
        || in_list
        || policy_like
        || kind.is_some_and(sounds_like_policy)
        || version.is_some_and(|version| group_of(version) == "networking.k8s.io")
        || has("items");
    let (reason, what) = if let Some(problem) = broken {
        let mut fault = Diagnostic::new(Code::InvalidEnvelope, problem).at(node.span, "here");
        if objects {
            fault = fault.help(
                "separate the objects by lines `---`, or put them into the `items` of a `v1 List`",
            );
        }
        out.diagnostics.push(fault);
        let reason = if policy { Reason::Unreadable } else { Reason::InvalidObject };
        (reason, "something that is no object")
    } else {
        out.diagnostics.push(
            Diagnostic::new(
                Code::NotAnObject,
                "not a Kubernetes object: no `apiVersion` and `kind`",
            )
            .at(node.span, "set aside"),
        );
        (Reason::NotAnObject, "no Kubernetes object")
    };
    out.set_aside.push(SetAside {
        reason,
        what: what.into(),
        group: None,
        kind: kind.map(Into::into),
        namespace: None,
        span: node.span,
    });
}

fn list(out: &mut Collected, node: &Node, envelope: Envelope<'_>, depth: usize) {
    let item_kind = envelope.kind.strip_suffix("List").filter(|kind| !kind.is_empty());
    let parent = item_kind.map(|kind| (envelope.api_version, kind));
    let Some(items) = node.get("items") else {
        out.diagnostics.push(
            Diagnostic::new(Code::RequiredValue, format!("`{}` has no `items`", envelope.kind))
                .at(node.span, "a list without `items`"),
        );
        out.set_aside(Reason::Unreadable, &envelope, node.span);
        return;
    };
    match &items.value {
        Value::Null => {}
        // Lists inside of lists are legal; nobody nests them deeply.
        Value::Sequence(items) if depth < 8 => {
            for item in items {
                object(out, item, parent, depth + 1);
            }
        }
        Value::Sequence(_) => {
            out.diagnostics.push(
                Diagnostic::new(Code::ExcessiveInput, "lists of lists are nested too deep")
                    .at(node.span, "the ninth list inside of another"),
            );
            out.set_aside(Reason::Unreadable, &envelope, node.span);
        }
        _ => {
            let place = Place::root(node);
            out.diagnostics.push(
                Diagnostic::new(Code::InvalidType, "`items` must be a list of objects")
                    .at(place.child_span("items"), "expected a list"),
            );
            out.set_aside(Reason::Unreadable, &envelope, node.span);
        }
    }
}
