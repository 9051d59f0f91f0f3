//! `diff` between two CNIs.

use super::style::{bold, dim, verdict};
use super::table::{self, cell, count};
use crate::analysis::{Cause, CniDiff, DiffChange, DiffRow, Length, RuleDiff, Turn, World};
use crate::net::ConnectionSet;
use serde_json::{Value, json};

/// How many differences of each kind there are.
#[derive(Default)]
struct Tally {
    added: usize,
    removed: usize,
    changed: usize,
    undetermined: usize,
}

/// The sign of a row: what the second CNI opens, closes, or changes.
fn sign(row: &DiffRow, tally: &mut Tally) -> &'static str {
    let (mark, number) = match row.change.turn() {
        Turn::Opened => ("+", &mut tally.added),
        Turn::Closed => ("-", &mut tally.removed),
        Turn::Changed => ("~", &mut tally.changed),
        Turn::Undetermined => ("?", &mut tally.undetermined),
    };
    *number += 1;
    mark
}

/// What a row is about, where that is not all: a family, the pod's own node.
fn only(change: &DiffChange) -> String {
    let mut out = String::new();
    if change.own_node {
        out.push_str(" (its own node)");
    }
    if let Some(family) = change.family {
        out.push_str(&format!(" ({family} only)"));
    }
    out
}

/// What is allowed and what is not known, in words.
fn side(allowed: &ConnectionSet, unknown: &ConnectionSet) -> String {
    match (allowed.is_empty(), unknown.is_empty()) {
        (true, true) => "none".into(),
        (false, true) => ports(allowed),
        (true, false) => format!("undetermined on {}", ports(unknown)),
        (false, false) => format!("{}, undetermined on {}", ports(allowed), ports(unknown)),
    }
}

fn ports(set: &ConnectionSet) -> String {
    if set.is_all() { "every port".into() } else { set.to_string() }
}

fn rule_row(world: &World, diff: &CniDiff, rule: &RuleDiff) -> Vec<String> {
    let mut row = vec![if rule.after { diff.after.clone() } else { diff.before.clone() }];
    row.extend(super::cni::row(world, &rule.change));
    row
}

/// The differences: of policies and rules, then of connections, each with its causes below.
pub fn cni_diff_text(world: &World, diff: &CniDiff) -> String {
    let mut out = format!("{} → {}\n", bold(&diff.before), bold(&diff.after));
    if !diff.rules.is_empty() {
        let rows: Vec<Vec<String>> =
            diff.rules.iter().map(|rule| rule_row(world, diff, rule)).collect();
        out.push_str("\nPolicies and rules that mean something else\n");
        out.push_str(&table::indented(&["CNI", "EFFECT", "WHERE", "POLICY", "WHAT"], &rows));
    }
    for name in &diff.unsure {
        out.push_str(&format!(
            "\nwhether {name} enforces anything is not known: what policies deny is undetermined\n"
        ));
    }
    if !diff.apart.is_empty() {
        out.push_str(&format!(
            "\nnot compared: {}, of which it cannot be said what becomes of it\n",
            diff.apart
        ));
    }
    out.push_str("\nConnections\n");
    let mut tally = Tally::default();
    for row in &diff.rows {
        let mark = sign(row, &mut tally);
        let change = &row.change;
        let before = side(&change.before, &change.unknown_before);
        let after = side(&change.after, &change.unknown_after);
        let mut what = match mark {
            "+" => after,
            "-" => before,
            _ => format!("{before} → {after}"),
        };
        what.push_str(&only(change));
        let colour = match mark {
            "+" => "allowed",
            "-" => "denied",
            _ => "undetermined",
        };
        out.push_str(&format!(
            "  {} {} → {}  {}\n",
            verdict(colour).replace(colour, mark),
            row.source.name(world, Length::Short),
            row.destination.name(world, Length::Short),
            what.trim()
        ));
        for (cni, cause) in &change.causes {
            let place = cause.span.map(|span| format!("  {}", world.sources.locate(span)));
            let place = place.unwrap_or_default();
            out.push_str(&format!("      {cni}: {cause}{}\n", dim(&place)));
        }
    }
    if diff.rows.is_empty() {
        out.push_str("  no difference\n");
        return out;
    }
    let mut parts = Vec::new();
    for (number, word) in [
        (tally.added, "opened"),
        (tally.removed, "closed"),
        (tally.changed, "changed"),
        (tally.undetermined, "undetermined"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    out.push_str(&format!("\n{}: {}\n", count(diff.rows.len(), "difference"), parts.join(", ")));
    out
}

/// The differences as JSON.
pub fn cni_diff_json(world: &World, diff: &CniDiff) -> Value {
    let cause = |(cni, cause): &(String, Cause)| {
        json!({
            "cni": cni,
            "effect": cause.effect.name(),
            "text": cause.text,
            "at": cause.span.map(|span| super::json::place(world, span)),
        })
    };
    let rows: Vec<Value> = diff
        .rows
        .iter()
        .map(|row| {
            let change = &row.change;
            json!({
                "source": super::json::end(world, &row.source),
                "destination": super::json::end(world, &row.destination),
                "before": super::json::ports(&change.before),
                "after": super::json::ports(&change.after),
                "undeterminedBefore": super::json::ports(&change.unknown_before),
                "undeterminedAfter": super::json::ports(&change.unknown_after),
                "change": match change.turn() {
                    Turn::Opened => "opened",
                    Turn::Closed => "closed",
                    Turn::Changed => "changed",
                    Turn::Undetermined => "undetermined",
                },
                "family": change.family.map(|family| family.to_string()),
                "ownNode": change.own_node,
                "causes": change.causes.iter().map(cause).collect::<Vec<_>>(),
            })
        })
        .collect();
    let rules: Vec<Value> = diff
        .rules
        .iter()
        .map(|rule| {
            let mut value = super::json::change(world, &rule.change);
            value["cni"] = json!(if rule.after { &diff.after } else { &diff.before });
            value
        })
        .collect();
    json!({
        "schema": "kubereach/cni-diff/v1",
        "before": diff.before,
        "after": diff.after,
        "rules": rules,
        "notCompared": super::json::ports(&diff.apart),
        "rows": rows,
    })
}

/// The differences as two Markdown tables, of rules and of connections.
pub fn cni_diff_markdown(world: &World, diff: &CniDiff) -> String {
    if diff.rules.is_empty() && diff.rows.is_empty() {
        return format!("No difference between {} and {}.\n", diff.before, diff.after);
    }
    let mut out = String::new();
    if !diff.rules.is_empty() {
        out.push_str("| CNI | Effect | Where | Policy | What |\n|---|---|---|---|---|\n");
        for rule in &diff.rules {
            let row = rule_row(world, diff, rule);
            let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        out.push('\n');
    }
    out.push_str(&format!(
        "| | Source | Destination | {} | {} | Why |\n|---|---|---|---|---|---|\n",
        cell(&diff.before),
        cell(&diff.after)
    ));
    let mut tally = Tally::default();
    for row in &diff.rows {
        let why: Vec<String> =
            row.change.causes.iter().map(|(cni, cause)| format!("{cni}: {cause}")).collect();
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            sign(row, &mut tally),
            cell(&row.source.name(world, Length::Short)),
            cell(&(row.destination.name(world, Length::Short) + &only(&row.change))),
            side(&row.change.before, &row.change.unknown_before),
            side(&row.change.after, &row.change.unknown_after),
            cell(&why.join("; "))
        ));
    }
    out
}
