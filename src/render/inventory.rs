//! `inventory`, for people.

use super::style::{bold, dim, loud};
use super::table;
use crate::analysis::{Inventory, World};
use crate::diagnostic::Span;
use crate::manifest::Reason;
use crate::policy::PolicyKind;

/// The word for why something was set aside.
pub(super) fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::Irrelevant => "irrelevant",
        Reason::NotAnObject => "not-an-object",
        Reason::Mesh => "mesh-policy",
        Reason::UnsupportedPolicy => "unsupported-policy",
        Reason::InvalidPolicy => "invalid-policy",
        Reason::InvalidObject => "invalid-object",
        Reason::Unreadable => "unreadable",
    }
}

/// Tables of everything, most important first.
pub fn inventory_text(world: &World, inventory: &Inventory) -> String {
    let at = |span: Span| world.sources.locate(span).to_string();
    let mut out = String::new();
    let mut section = |title: &str, header: &[&str], rows: Vec<Vec<String>>| {
        if rows.is_empty() {
            return;
        }
        out.push_str(&bold(title));
        out.push('\n');
        out.push_str(&table::indented(header, &rows));
        out.push('\n');
    };
    section(
        "Policies",
        &["NAME", "SELECTS", "PODS", "EGRESS", "INGRESS", "WHERE"],
        inventory
            .policies
            .iter()
            .map(|p| {
                let union = p.kind == PolicyKind::NetworkPolicy;
                let side = |direction: usize| match (p.isolates[direction], p.rules[direction]) {
                    (false, _) if union => "-".to_owned(),
                    (false, 0) => "-".to_owned(),
                    (true, 0) => "nothing".to_owned(),
                    (_, 1) => "1 rule".to_owned(),
                    (_, n) => format!("{n} rules"),
                };
                let kind = if union { String::new() } else { format!("{} ", p.kind) };
                let priority = p.priority.map(|n| format!(", priority {n}")).unwrap_or_default();
                vec![
                    format!("{kind}{}{priority}", p.name),
                    match &p.namespaces {
                        None => p.selector.clone(),
                        Some(namespaces) => format!("{} in namespaces {namespaces}", p.selector),
                    },
                    p.pods.to_string(),
                    side(0),
                    side(1),
                    at(p.span),
                ]
            })
            .collect(),
    );
    section(
        "Workloads",
        &["NAME", "PODS", "LABELS", "PORTS", "POLICIES", "WHERE"],
        inventory
            .workloads
            .iter()
            .map(|w| {
                let pods = w.pods.map_or("template".to_owned(), |count| count.to_string());
                let policies = if w.host_network {
                    "host network: none apply".to_owned()
                } else {
                    format!("{} egress, {} ingress", w.policies[0], w.policies[1])
                };
                let ports = if w.ports.is_empty() { "-".to_owned() } else { w.ports.clone() };
                vec![w.name.clone(), pods, w.labels.join(" | "), ports, policies, at(w.span)]
            })
            .collect(),
    );
    section(
        "Namespaces",
        &["NAME", "PODS", "POLICIES", "LABELS"],
        inventory
            .namespaces
            .iter()
            .map(|n| {
                let labels = match (n.declared, n.labels.as_str()) {
                    (false, _) => "unknown: no Namespace object".to_owned(),
                    (true, "") => "-".to_owned(),
                    (true, labels) => labels.to_owned(),
                };
                vec![n.name.clone(), n.pods.to_string(), n.policies.to_string(), labels]
            })
            .collect(),
    );
    section(
        "Services",
        &["NAME", "PODS", "WHERE"],
        inventory
            .services
            .iter()
            .map(|(name, pods, span)| vec![name.clone(), pods.to_string(), at(*span)])
            .collect(),
    );
    section(
        "Nodes",
        &["NAME", "ADDRESSES"],
        inventory
            .nodes
            .iter()
            .map(|(name, ips)| {
                vec![name.clone(), if ips.is_empty() { "unknown".into() } else { ips.clone() }]
            })
            .collect(),
    );
    section(
        "Set aside, and it matters",
        &["WHAT", "WHY", "WHERE"],
        inventory
            .concerns
            .iter()
            .map(|(what, reason, span)| {
                vec![what.clone(), reason_name(*reason).to_owned(), at(*span)]
            })
            .collect(),
    );
    if inventory.finished > 0 {
        out.push_str(&format!("Finished pods left out: {}\n", inventory.finished));
    }
    if !inventory.irrelevant.is_empty() {
        let kinds: Vec<String> =
            inventory.irrelevant.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        out.push_str(&format!("Objects with no part in it: {}\n", kinds.join(", ")));
    }
    if !inventory.not_objects.is_empty() {
        out.push_str(&format!(
            "Documents that are no Kubernetes objects: {}\n",
            inventory.not_objects.len()
        ));
        for (what, span) in inventory.not_objects.iter().take(20) {
            out.push_str(&dim(&format!("  {} ({what})\n", at(*span))));
        }
        let more = inventory.not_objects.len().saturating_sub(20);
        if more > 0 {
            out.push_str(&dim(&format!("  and {more} more (`-o json` lists them)\n")));
        }
    }
    if inventory.policies.iter().any(|p| p.pods == 0) {
        out.push_str(&loud("Some policies select no pod of the input.\n"));
    }
    out
}
