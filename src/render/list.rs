//! `list`, for people and spreadsheets.

use super::style::loud;
use super::table::{self, cell, count};
use crate::analysis::{Length, Listing, Row, RowEnd, World};
use crate::cluster::WorkloadId;
use crate::enforcement::Enforcement;
use crate::net::{ConnectionSet, Family};
use crate::policy::Certainty;
use std::collections::{BTreeMap, BTreeSet};

/// A table; rows that differ in their source only are joined where they cover a whole namespace.
pub fn listing_text(world: &World, listing: &Listing, wide: bool, joined: bool) -> String {
    let mut out = String::new();
    if listing.rows.is_empty() {
        out.push_str("no connection to list\n");
    } else {
        let rows = if joined { join(world, &listing.rows) } else { each(world, &listing.rows) };
        let mut header = vec!["SOURCE", "DESTINATION", "PORTS"];
        let undetermined = rows.iter().any(|row| !row.unknown.is_empty());
        if undetermined {
            header.push("UNDETERMINED");
        }
        if wide {
            header.push("FIRST RULES");
        }
        let cells: Vec<Vec<String>> = rows
            .into_iter()
            .map(|row| {
                let mut cells = vec![row.source, row.destination, row.ports];
                if undetermined {
                    cells.push(row.unknown);
                }
                if wide {
                    cells.push(row.rules);
                }
                cells
            })
            .collect();
        out.push_str(&table::plain(&header, &cells));
    }
    out.push_str(&footer(world, listing));
    out
}

/// Which CNI is taken to enforce the policies, if one was named.
pub(super) fn enforced_by(world: &World) -> String {
    let Some(cni) = &world.cni else { return String::new() };
    if world.policies.ignored {
        let policies = match world.declared_policies() {
            1 => "1 policy has no effect".to_owned(),
            n => format!("{n} policies have no effect"),
        };
        return loud(&format!(
            "{cni} does not enforce NetworkPolicies: {policies}, everything is allowed\n"
        ));
    }
    if cni.profile.enforcement == Enforcement::Unknown {
        let text =
            "whether anything enforces policies is not known: what they deny is undetermined\n";
        return format!("{}{}", loud(text), super::can::basis(world));
    }
    format!("{}{}", super::can::basis(world), super::can::inert(world))
}

/// What the table leaves out, and how much it shows of how much.
fn footer(world: &World, listing: &Listing) -> String {
    let mut out = String::from("\n");
    out.push_str(&super::can::left_out(world));
    out.push_str(&enforced_by(world));
    if world.policies.ignored {
        return out;
    }
    if listing.open_pairs > 0 {
        out.push_str(&format!(
            "open by default: {} of {} pairs of workloads in the input, as no policy selects the source for egress or the destination for ingress (`--all` lists them)\n",
            listing.open_pairs, listing.pairs
        ));
        out.push_str(&format!(
            "  workloads that accept everything: {}; that may reach everything: {}\n",
            listing.open_ingress.len(),
            listing.open_egress.len()
        ));
    }
    if !listing.on_nodes.is_empty() {
        let names: Vec<String> =
            listing.on_nodes.iter().take(5).map(|&id| world.cluster.workload_name(id)).collect();
        let more = listing.on_nodes.len().saturating_sub(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        out.push_str(&format!(
            "not listed: a node, and so {}{more} on it, always reaches the pods that run on it\n",
            names.join(", ")
        ));
    }
    match world.policies.dataplane.reaches_own_node {
        Certainty::No => {}
        Certainty::Maybe => {
            out.push_str(
                "not listed: nobody has verified whether a pod always reaches its own node\n",
            );
        }
        Certainty::Yes => {
            out.push_str("not listed: a pod always reaches the node that it runs on\n");
        }
    }
    out
}

struct Shown {
    source: String,
    destination: String,
    ports: String,
    unknown: String,
    rules: String,
}

/// Ports, and the family if they are about one.
fn ports(row: &Row) -> String {
    let set = if row.allowed.is_empty() { "-".into() } else { row.allowed.to_string() };
    match row.family {
        Some(family) => format!("{set} ({family} only)"),
        None => set,
    }
}

fn or_empty(set: &ConnectionSet) -> String {
    if set.is_empty() { String::new() } else { set.to_string() }
}

fn each(world: &World, rows: &[Row]) -> Vec<Shown> {
    rows.iter()
        .map(|row| Shown {
            source: row.source.name(world, Length::Short),
            destination: row.destination.name(world, Length::Short),
            ports: ports(row),
            unknown: or_empty(&row.unknown),
            rules: rules(world, row),
        })
        .collect()
}

/// The rules that open the row: the first of each end.
fn rules(world: &World, row: &Row) -> String {
    row.rules
        .iter()
        .map(|(text, span)| format!("{text} {}", world.sources.locate(*span)))
        .collect::<Vec<_>>()
        .join("; ")
}

/// What rows must share to be joined.
type Key<'r> = (&'r RowEnd, &'r ConnectionSet, &'r ConnectionSet, Option<Family>);

/// Joins rows with equal destination and ports: all workloads of a namespace become `shop/*`.
fn join(world: &World, rows: &[Row]) -> Vec<Shown> {
    let mut namespaces: BTreeMap<&str, Vec<WorkloadId>> = BTreeMap::new();
    for id in world.cluster.workload_ids() {
        let workload = world.cluster.workload(id);
        if !workload.pods.is_empty() {
            let name = &*world.cluster.namespace(workload.namespace).name;
            namespaces.entry(name).or_default().push(id);
        }
    }
    let mut by_destination: BTreeMap<Key<'_>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = (&row.destination, &row.allowed, &row.unknown, row.family);
        by_destination.entry(key).or_default().push(row);
    }
    let mut out = Vec::new();
    for ((destination, ..), rows) in by_destination {
        let target = match destination {
            RowEnd::Workload { id, .. } => Some(*id),
            RowEnd::Nodes(_) | RowEnd::External(_) | RowEnd::Names(_) => None,
        };
        let whole: BTreeSet<WorkloadId> = rows
            .iter()
            .filter_map(|row| match row.source {
                RowEnd::Workload { id, pods: None } => Some(id),
                _ => None,
            })
            .collect();
        let mut names: Vec<String> = Vec::new();
        let mut covered = BTreeSet::new();
        let candidates: BTreeSet<&str> = whole
            .iter()
            .map(|&id| &*world.cluster.namespace(world.cluster.workload(id).namespace).name)
            .collect();
        for namespace in candidates {
            let Some(members) = namespaces.get(namespace) else { continue };
            let others = members.iter().filter(|id| Some(**id) != target);
            if others.clone().count() > 1 && others.clone().all(|id| whole.contains(id)) {
                // A workload's own pods are part of its namespace, too.
                let own = members.iter().filter(|id| whole.contains(id));
                let number = own.clone().count();
                names.push(format!("{namespace}/* ({})", count(number, "workload")));
                covered.extend(own.copied());
            }
        }
        for row in &rows {
            let inside =
                matches!(row.source, RowEnd::Workload { id, pods: None } if covered.contains(&id));
            if !inside {
                names.push(row.source.name(world, Length::Short));
            }
        }
        let Some(first) = rows.first() else { continue };
        for source in names {
            out.push(Shown {
                source,
                destination: destination.name(world, Length::Short),
                ports: ports(first),
                unknown: or_empty(&first.unknown),
                rules: String::new(),
            });
        }
    }
    out
}

/// The rows as CSV.
pub fn listing_csv(world: &World, listing: &Listing) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let _ = writer.write_record(["source", "destination", "allowed", "undetermined", "family"]);
    for row in &listing.rows {
        let _ = writer.write_record([
            row.source.name(world, Length::Full),
            row.destination.name(world, Length::Full),
            or_empty(&row.allowed),
            or_empty(&row.unknown),
            row.family.map(|family| family.to_string()).unwrap_or_default(),
        ]);
    }
    super::questions::finish_csv(writer)
}

/// The rows as a Markdown table.
pub fn listing_markdown(world: &World, listing: &Listing) -> String {
    let mut out =
        String::from("| Source | Destination | Ports | Undetermined |\n|---|---|---|---|\n");
    for row in join(world, &listing.rows) {
        out.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            cell(&row.source),
            cell(&row.destination),
            cell(&row.ports),
            cell(&row.unknown)
        ));
    }
    out.push_str(&footer(world, listing));
    out
}
