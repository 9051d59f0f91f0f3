//! Kustomizations found among the files: their patches are no objects, and what they change is not
//! applied here.

use super::node::Node;
use crate::diagnostic::{Code, Diagnostic, Span};

/// What a kustomization would do to the files beside it.
#[derive(Default)]
pub(super) struct Kustomization {
    /// Files that hold patches, relative to the kustomization.
    pub(super) patches: Vec<String>,
    /// Fields that change objects: `namespace`, `patches`, …
    pub(super) changes: Vec<&'static str>,
    /// What it is made of: files and folders relative to it, and addresses.
    pub(super) resources: Vec<String>,
    pub(super) span: Option<Span>,
}

/// Fields of a kustomization that change who reaches whom.
const CHANGES: [&str; 13] = [
    "commonLabels",
    "components",
    "generators",
    "helmCharts",
    "labels",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "patches",
    "patchesJson6902",
    "patchesStrategicMerge",
    "replacements",
    "transformers",
];

/// Reads a document if it is a kustomization: by its kind, or by the name of its file.
pub(super) fn read(node: &Node, file_name: &str) -> Option<Kustomization> {
    let text = |key: &str| node.get(key).and_then(Node::as_str);
    let by_kind = text("apiVersion").is_some_and(|v| v.starts_with("kustomize.config.k8s.io/"));
    let by_name = matches!(file_name, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
        && text("apiVersion").is_none();
    if !by_kind && !by_name {
        return None;
    }
    let mut patches = Vec::new();
    for item in node.get("patchesStrategicMerge").map(Node::items).into_iter().flatten() {
        patches.extend(item.as_str().map(str::to_owned));
    }
    for key in ["patches", "patchesJson6902"] {
        for item in node.get(key).map(Node::items).into_iter().flatten() {
            patches.extend(item.get("path").and_then(Node::as_str).map(str::to_owned));
        }
    }
    let resources = ["resources", "bases"]
        .into_iter()
        .flat_map(|key| node.get(key).map(Node::items).unwrap_or_default())
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect();
    let changes = CHANGES.into_iter().filter(|key| node.get(key).is_some_and(|v| !v.is_null()));
    Some(Kustomization { patches, changes: changes.collect(), resources, span: Some(node.span) })
}

/// The warning that its changes are not applied, and which of its resources were not read.
pub(super) fn warning(
    kustomization: &Kustomization,
    folder: &str,
    unread: &[&str],
) -> Option<Diagnostic> {
    let span = kustomization.span?;
    let quoted = |names: &[&str]| {
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    let mut parts = Vec::new();
    if !kustomization.changes.is_empty() {
        let are = if kustomization.changes.len() == 1 { "is" } else { "are" };
        parts.push(format!("its {} {are} not applied", quoted(&kustomization.changes)));
    }
    if !unread.is_empty() {
        parts.push(format!("its resources {} were not read", quoted(unread)));
    }
    if parts.is_empty() {
        return None;
    }
    let folder = if folder.is_empty() { "." } else { folder };
    let message = format!("this kustomization is not rendered: {}", parts.join(", and "));
    Some(
        Diagnostic::new(Code::UnrenderedKustomization, message)
            .at(span, "what is deployed is not what is read")
            .help(format!(
                "render it: `-k {folder}`, in `diff` `--render`; or take the files as they stand with `--ignore-unsupported`"
            )),
    )
}
