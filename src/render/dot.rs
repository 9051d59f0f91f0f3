//! `graph -o dot`: namespaces as clusters, workloads as nodes.

use crate::analysis::{Length, Listing, RowEnd, World};
use crate::cluster::{WorkloadId, short_kind};
use dot_writer::{Attributes, DotWriter, RankDirection, Shape, Style};
use std::collections::BTreeMap;

/// The listing as a Graphviz graph. Same listing, same bytes.
pub fn dot(world: &World, listing: &Listing, title: &str) -> String {
    // dot-writer writes ids as they are and panics on I/O errors: quote, and write to memory.
    let mut bytes = Vec::new();
    {
        let mut writer = DotWriter::from(&mut bytes);
        let mut graph = writer.digraph();
        graph.set_rank_direction(RankDirection::LeftRight);
        let drawn = listing.rows.len();
        let cni = super::picture::enforced(world);
        let open = listing.open_pairs;
        let left = world.left_out();
        let left = match left.broken + left.unsupported {
            0 => String::new(),
            n => format!("; {n} objects left out"),
        };
        let edits = match world.edits.as_slice() {
            [] => String::new(),
            edits => format!("; as if: {}", edits.join(", ")),
        };
        let label = format!(
            "{title}: {cni}; {drawn} connections drawn, {open} of {} pairs of workloads open by default{left}{edits}",
            listing.pairs
        );
        graph.set("label", &quote(&label), false);
        graph.set("fontname", "\"Helvetica\"", false);
        graph.set("labelloc", "t", false);
        graph.node_attributes().set_shape(Shape::Rectangle).set("fontname", "\"Helvetica\"", false);
        graph
            .edge_attributes()
            .set("fontname", "\"Helvetica\"", false)
            .set("fontsize", "10", false);

        let mut by_namespace: BTreeMap<&str, Vec<WorkloadId>> = BTreeMap::new();
        for id in world.cluster.workload_ids() {
            let workload = world.cluster.workload(id);
            if !workload.pods.is_empty() {
                by_namespace
                    .entry(&world.cluster.namespace(workload.namespace).name)
                    .or_default()
                    .push(id);
            }
        }
        for (namespace, ids) in by_namespace {
            let mut cluster = graph.cluster();
            cluster.set("label", &quote(namespace), false);
            cluster.set_style(Style::Rounded);
            for id in ids {
                let workload = world.cluster.workload(id);
                let mut label = format!(
                    "{}/{}",
                    short_kind(Some(&workload.group), &workload.kind),
                    workload.name
                );
                let mut badges = Vec::new();
                if listing.open_ingress.contains(&id) {
                    badges.push("accepts everything");
                }
                if listing.open_egress.contains(&id) {
                    badges.push("reaches everything");
                }
                if !badges.is_empty() {
                    label = format!("{label}\n{}", badges.join("\n"));
                }
                cluster.node_named(node_id(id)).set("label", &quote(&label), false);
            }
        }
        // Ends that are no workloads, by their names: nodes, and addresses outside.
        let mut others: BTreeMap<String, String> = BTreeMap::new();
        let connections = listing.graph();
        for end in connections.node_weights() {
            if !matches!(end, RowEnd::Workload { .. }) {
                let next = format!("x{}", others.len());
                others.entry(end.name(world, Length::Full)).or_insert(next);
            }
        }
        for (name, id) in &others {
            let mut node = graph.node_named(id.as_str());
            node.set("shape", "ellipse", false).set("label", &quote(name), false);
        }
        for row in connections.edge_weights().filter_map(|&at| listing.rows.get(at)) {
            let end = |end: &RowEnd| match end {
                RowEnd::Workload { id, .. } => node_id(*id),
                other => others.get(&other.name(world, Length::Full)).cloned().unwrap_or_default(),
            };
            let mut label = row.verdict.allowed.to_string();
            if row.verdict.allowed.is_empty() {
                label = format!("undetermined: {}", row.verdict.unknown);
            } else if !row.verdict.unknown.is_empty() {
                label = format!("{label}\nundetermined: {}", row.verdict.unknown);
            }
            if let Some(family) = row.family {
                label = format!("{label}\n{family} only");
            }
            for (side, name) in [(&row.source, "from"), (&row.destination, "to")] {
                if let RowEnd::Workload { pods: Some(pods), .. } = side {
                    let names: Vec<&str> =
                        pods.iter().map(|&pod| &*world.cluster.pod(pod).name).collect();
                    label = format!("{label}\n{name} {}", names.join(", "));
                }
            }
            let edge = graph.edge(end(&row.source), end(&row.destination));
            let mut attributes = edge.attributes();
            attributes.set("label", &quote(&label), false);
            if row.verdict.allowed.is_empty() {
                attributes.set_style(Style::Dashed);
            }
        }
    }
    let mut text = String::from_utf8(bytes).unwrap_or_default();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn node_id(id: WorkloadId) -> String {
    format!("w{}", id.index())
}

/// A quoted DOT string: quotes and backslashes escaped, line ends as `\n`.
pub(super) fn quote(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
