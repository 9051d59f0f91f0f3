//! Answers as JSON: one document with a `schema` that names its version.

use crate::analysis::{
    Basis, CanAnswer, Divergence, Hint, Inventory, Length, Listing, Reason, RowEnd, TruthTable,
    World,
};
use crate::diagnostic::{Location, Span};
use crate::enforcement::Change;
use crate::engine::Decision;
use crate::net::ConnectionSet;
use crate::policy::PolicyId;
use serde_json::{Value, json};

pub(super) fn place(world: &World, span: Span) -> Value {
    location(&world.sources.locate(span))
}

/// A place that is known already.
pub(super) fn location(location: &Location) -> Value {
    let mut value =
        json!({ "path": &*location.path, "line": location.line, "column": location.column });
    if let Some(template) = &location.template {
        value["template"] = json!(&**template);
    }
    value
}

fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "allowed",
        Decision::Denied => "denied",
        Decision::Unknown => "undetermined",
    }
}

/// Ranges by protocol: `[{"protocol":"TCP","port":80,"endPort":90}]`.
pub(super) fn ports(set: &ConnectionSet) -> Value {
    set.ranges()
        .map(|(protocol, first, last)| {
            json!({ "protocol": protocol.api_name(), "port": first, "endPort": last })
        })
        .collect()
}

/// What the user asked to go on without, and what would be otherwise.
pub(super) fn left_out(world: &World) -> Value {
    let left = world.left_out();
    let mut value = json!({ "broken": left.broken, "unsupportedPolicies": left.unsupported });
    if !world.edits.is_empty() {
        value["asIf"] = json!(world.edits);
    }
    value
}

/// The CNI, and how sure that is.
pub(super) fn enforcement(world: &World) -> Value {
    let Some(cni) = &world.cni else {
        return json!({ "cni": null, "certainty": "assumed", "enforces": true });
    };
    let enforces = if world.policies.ignored {
        json!(false)
    } else if world.policies.dataplane.unknown_enforcer {
        Value::Null
    } else {
        json!(true)
    };
    let options: serde_json::Map<String, Value> =
        cni.options.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let inert = world.policies.inert.iter().map(|&(id, effect)| {
        let mut value = policy_ref(world, id);
        value["effect"] = json!(effect.name());
        value
    });
    let inert: Vec<Value> = inert.collect();
    let evidence = world.evidence.iter();
    let evidence: Vec<Value> = evidence
        .map(|found| json!({ "text": found.text, "at": place(world, found.span) }))
        .collect();
    json!({
        "cni": cni.name(),
        "version": cni.version.map(|version| version.to_string()),
        "options": options,
        "certainty": match world.basis {
            Basis::Asserted => "asserted",
            Basis::Distribution(_) => "distribution",
            Basis::Detected => "detected",
            Basis::Assumed => "assumed",
        },
        "evidence": evidence,
        "enforces": enforces,
        "inert": inert,
    })
}

fn divergence(world: &World, divergence: &Divergence) -> Value {
    let causes = divergence.causes.iter().map(|cause| {
        json!({
            "effect": cause.effect.name(),
            "text": cause.text,
            "at": cause.span.map(|span| place(world, span)),
        })
    });
    let causes: Vec<Value> = causes.collect();
    json!({
        "port": divergence.port,
        "declared": decision(divergence.declared),
        "effective": decision(divergence.effective),
        "causes": causes,
    })
}

fn policy_ref(world: &World, id: PolicyId) -> Value {
    let policy = world.policies.policy(id);
    let namespace = policy.namespace.map(|id| &*world.cluster.namespace(id).name);
    json!({ "kind": policy.kind.name(), "namespace": namespace, "name": &*policy.name })
}

pub(super) fn reason(world: &World, reason: &Reason) -> Value {
    let names: Vec<Value> = reason.policies.iter().map(|&id| policy_ref(world, id)).collect();
    let mut value = json!({
        "direction": reason.direction.map(|d| d.to_string()),
        "verdict": decision(reason.decision),
        "code": reason.code,
        "text": reason.text,
        "policies": names,
        "rule": reason.rule.map(|id| world.policies.rule(id).index + 1),
        "at": reason.span.map(|span| place(world, span)),
    });
    if !reason.passed.is_empty() {
        let passed = reason.passed.iter();
        value["passed"] =
            passed.map(|(text, span)| json!({ "text": text, "at": place(world, *span) })).collect();
    }
    if let Some(reading) = reason.reading {
        value["reading"] = json!(reading);
    }
    if let Some(hint) = &reason.nearest {
        value["nearest"] = self::hint(world, hint);
    }
    value
}

/// What nearly matched, or is not plain.
pub(super) fn hint(world: &World, hint: &Hint) -> Value {
    json!({
        "code": hint.code.name(),
        "text": hint.text,
        "at": hint.span.map(|span| place(world, span)),
        "help": hint.help,
    })
}

/// An answer of `can`.
pub fn can_json(world: &World, answer: &CanAnswer) -> Value {
    let groups: Vec<Value> = answer
        .groups
        .iter()
        .map(|group| {
            let reasons: Vec<Value> = group.reasons.iter().map(|r| reason(world, r)).collect();
            json!({
                "verdict": group.answer.word(),
                "sources": group.sources,
                "destinations": group.destinations,
                "pairs": group.pairs,
                "family": group.family.map(|family| family.to_string()),
                "allowed": ports(&group.allowed),
                "undetermined": ports(&group.unknown),
                "explained": group.explained,
                "divergence": group.divergence.as_ref().map(|found| divergence(world, found)),
                "reasons": reasons,
            })
        })
        .collect();
    json!({
        "schema": "kubereach/can/v1",
        "verdict": answer.answer.word(),
        "source": answer.source,
        "destination": answer.destination,
        "port": answer.port,
        "pairs": answer.pairs,
        "allowedPairs": answer.allowed_pairs,
        "groups": groups,
        "notes": answer.service_notes.iter().chain(&answer.notes).collect::<Vec<_>>(),
        "assumedPrivateAddress": answer.assumed_address,
        "enforcement": enforcement(world),
        "leftOut": left_out(world),
    })
}

pub(super) fn end(world: &World, end: &RowEnd) -> Value {
    match end {
        RowEnd::Workload { id, pods } => {
            let workload = world.cluster.workload(*id);
            let pods = pods.as_ref().map(|pods| {
                pods.iter().map(|&pod| world.cluster.pod(pod).name.to_string()).collect::<Vec<_>>()
            });
            json!({
                "display": end.name(world, Length::Full),
                "namespace": &*world.cluster.namespace(workload.namespace).name,
                "kind": &*workload.kind,
                "name": &*workload.name,
                "pods": pods,
            })
        }
        RowEnd::Nodes(ids) => {
            let names: Vec<&str> = ids.iter().map(|&id| &*world.cluster.node(id).name).collect();
            json!({ "display": end.name(world, Length::Full), "nodes": names })
        }
        RowEnd::Names(names) => {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            json!({ "display": end.name(world, Length::Full), "domainNames": names })
        }
        RowEnd::External(addresses) => {
            let blocks: Vec<String> =
                addresses.to_blocks().iter().map(ToString::to_string).collect();
            json!({ "display": end.name(world, Length::Full), "blocks": blocks })
        }
    }
}

/// A listing.
pub fn listing_json(world: &World, listing: &Listing) -> Value {
    let rows: Vec<Value> = listing
        .rows
        .iter()
        .map(|row| {
            json!({
                "source": end(world, &row.source),
                "destination": end(world, &row.destination),
                "allowed": ports(&row.verdict.allowed),
                "undetermined": ports(&row.verdict.unknown),
                "family": row.family.map(|family| family.to_string()),
                "rules": row.rules.iter().map(|(text, span)| {
                    json!({ "text": text, "at": place(world, *span) })
                }).collect::<Vec<_>>(),
            })
        })
        .collect();
    let names = |ids: &[crate::cluster::WorkloadId]| -> Vec<String> {
        ids.iter().map(|&id| world.cluster.workload_name(id)).collect()
    };
    json!({
        "schema": "kubereach/list/v1",
        "enforcement": enforcement(world),
        "leftOut": left_out(world),
        "pairs": listing.pairs,
        "openPairs": listing.open_pairs,
        "notListed": if listing.unenforced { "undetermined" } else { "denied" },
        "onNodeNetwork": names(&listing.on_nodes),
        "openForIngress": names(&listing.open_ingress),
        "openForEgress": names(&listing.open_egress),
        "connections": rows,
    })
}

/// A truth table.
pub fn truth_table_json(world: &World, table: &TruthTable) -> Value {
    let rows: Vec<Value> = table
        .names
        .iter()
        .zip(&table.cells)
        .map(|(name, cells)| {
            let cells: Vec<Option<&str>> = cells.iter().map(|cell| cell.map(decision)).collect();
            json!({ "source": name, "verdicts": cells })
        })
        .collect();
    json!({
        "schema": "kubereach/matrix/v1",
        "enforcement": enforcement(world),
        "leftOut": left_out(world),
        "destinations": table.names,
        "rows": rows,
    })
}

/// An inventory.
pub fn inventory_json(world: &World, inventory: &Inventory) -> Value {
    let namespaces: Vec<Value> = inventory
        .namespaces
        .iter()
        .map(|n| {
            json!({
                "name": n.name, "labels": n.labels, "declared": n.declared,
                "pods": n.pods, "policies": n.policies,
            })
        })
        .collect();
    let workloads: Vec<Value> = inventory
        .workloads
        .iter()
        .map(|w| {
            json!({
                "name": w.name, "pods": w.pods, "labels": w.labels, "ports": w.ports,
                "hostNetwork": w.host_network,
                "egressPolicies": w.policies[0], "ingressPolicies": w.policies[1],
                "at": place(world, w.span),
            })
        })
        .collect();
    let policies: Vec<Value> = inventory
        .policies
        .iter()
        .map(|p| {
            json!({
                "kind": p.kind.name(), "name": p.name, "priority": p.priority,
                "podSelector": p.selector, "namespaceSelector": p.namespaces, "pods": p.pods,
                "isolatesEgress": p.isolates[0], "isolatesIngress": p.isolates[1],
                "egressRules": p.rules[0], "ingressRules": p.rules[1],
                "at": place(world, p.span),
            })
        })
        .collect();
    let services: Vec<Value> = inventory
        .services
        .iter()
        .map(|(name, pods, span)| json!({ "name": name, "pods": pods, "at": place(world, *span) }))
        .collect();
    let nodes: Vec<Value> = inventory
        .nodes
        .iter()
        .map(|(name, ips)| json!({ "name": name, "addresses": ips }))
        .collect();
    let concerns: Vec<Value> = inventory
        .concerns
        .iter()
        .map(|(what, reason, span)| {
            json!({ "what": what, "reason": super::inventory::reason_name(*reason), "at": place(world, *span) })
        })
        .collect();
    let others: Vec<Value> = inventory
        .not_objects
        .iter()
        .map(|(what, span)| json!({ "what": what, "at": place(world, *span) }))
        .collect();
    json!({
        "schema": "kubereach/inventory/v1",
        "enforcement": enforcement(world),
        "leftOut": left_out(world),
        "namespaces": namespaces,
        "workloads": workloads,
        "policies": policies,
        "services": services,
        "nodes": nodes,
        "finishedPods": inventory.finished,
        "setAside": concerns,
        "irrelevant": inventory.irrelevant,
        "notObjects": others,
    })
}

/// Which CNI there is, and what it makes of the policies.
pub fn cni_json(world: &World) -> Value {
    let changes: Vec<Value> =
        world.changes.iter().map(|change| self::change(world, change)).collect();
    json!({
        "schema": "kubereach/cni/v1",
        "enforcement": enforcement(world),
        "changes": changes,
    })
}

/// What an enforcer makes of a policy or a rule.
pub(super) fn change(world: &World, change: &Change) -> Value {
    let rule = change.rule.map(|id| world.declared.rule(id));
    json!({
        "effect": change.effect.name(),
        "certain": change.sure,
        "policy": change.policy.map(|id| policy_ref(world, id)),
        "direction": rule.map(|rule| rule.direction.to_string()),
        "rule": rule.map(|rule| rule.index + 1),
        "text": change.text,
        "at": change.span.map(|span| place(world, span)),
    })
}
