//! `blast-radius` and `paths`: hop by hop.

use super::style::{Look, bold, dim, loud};
use super::table::count;
use crate::analysis::{Hop, Picture, Radius, Reached, Way, Ways, ports_label, row_reasons};
use crate::analysis::{Listing, World};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What connections are read from: the ends, and the list that they draw.
#[derive(Clone, Copy)]
pub struct Ground<'w> {
    /// The world.
    pub world: &'w World,
    /// The list.
    pub listing: &'w Listing,
    /// Its picture.
    pub picture: &'w Picture,
}

impl Ground<'_> {
    fn name(&self, at: usize) -> String {
        self.picture.ends[at].full_name()
    }

    /// The rules that open a hop, and where they stand.
    fn rules(&self, hop: &Hop) -> Vec<(String, String)> {
        let Some(at) = hop.link else {
            return vec![("no policy selects either end".into(), String::new())];
        };
        let row = self.picture.links[at].rows.first().and_then(|&row| self.listing.rows.get(row));
        let reasons = row.map(|row| row_reasons(self.world, row)).unwrap_or_default();
        let told = reasons.into_iter().filter(|reason| reason.rule.is_some());
        told.map(|reason| {
            let place = reason.span.map(|span| self.world.sources.locate(span).to_string());
            (reason.text, place.unwrap_or_default())
        })
        .collect()
    }

    fn hop_json(&self, hop: &Hop) -> Value {
        let rules: Vec<Value> = self
            .rules(hop)
            .into_iter()
            .map(|(text, at)| json!({ "text": text, "at": (!at.is_empty()).then_some(at) }))
            .collect();
        json!({
            "source": self.name(hop.source),
            "destination": self.name(hop.destination),
            "ports": super::json::ports(&hop.ports),
            "certain": hop.sure,
            "note": hop.link.and_then(|at| self.picture.links[at].note.as_ref()),
            "rules": rules,
        })
    }
}

/// What is to be known of all hops.
fn footer(ground: &Ground<'_>) -> String {
    let mut out = format!("\n  {}\n", dim(&super::picture::enforced(ground.world)));
    if ground.picture.unenforced {
        out.push_str("  what policies deny may be reached as well: nobody knows whether anything enforces them\n");
    }
    if let Some(note) = super::picture::on_nodes(ground.world, ground.listing) {
        let note = note.trim_end_matches('.').replacen("Not drawn", "not followed", 1);
        let _ = writeln!(out, "  {}", dim(&note));
    }
    out
}

fn ports(ground: &Ground<'_>, hop: &Hop) -> String {
    let ports = ports_label(&hop.ports);
    let ports = if hop.sure { ports } else { format!("undetermined {ports}") };
    // Where the families differ, which one it is.
    let note = hop.link.and_then(|at| ground.picture.links[at].note.as_ref());
    note.map_or(ports.clone(), |note| format!("{ports} ({note})"))
}

/// Hop by hop, what is reached, on which ports and through what.
pub fn radius_text(ground: &Ground<'_>, found: &Radius, source: &str, look: Look) -> String {
    let mut out = format!(
        "{}, if it is taken over, reaches {} of {} other workloads\n",
        bold(source),
        found.workloads,
        found.others
    );
    let most = found.reached.iter().map(|own| own.hops).max().unwrap_or(0);
    for hops in 1..=most {
        let own: Vec<&Reached> = found.reached.iter().filter(|own| own.hops == hops).collect();
        let _ = writeln!(out, "\n{}", bold(&count(hops, "hop")));
        let rows: Vec<[String; 3]> = own
            .iter()
            .map(|own| {
                let first = own.last.first();
                let through = match (hops, first) {
                    (1, _) | (_, None) => String::new(),
                    (_, Some(first)) => {
                        let more = own.last.len() - 1 + own.more;
                        let more =
                            if more > 0 { format!(" and {more} more") } else { String::new() };
                        format!("through {}{more}", ground.name(first.source))
                    }
                };
                let mut said = first.map(|hop| ports(ground, hop)).unwrap_or_default();
                match own.sure_hops {
                    None if first.is_some_and(|hop| hop.sure) => {
                        said.push_str(" (after an undetermined hop)");
                    }
                    Some(sure) if sure > hops => {
                        let _ = write!(said, " (for sure in {})", count(sure, "hop"));
                    }
                    _ => {}
                }
                [ground.name(own.end), said, through]
            })
            .collect();
        let width =
            |at: usize| rows.iter().map(|row| row[at].chars().count().min(60)).max().unwrap_or(0);
        let (first, second) = (width(0), width(1));
        for [name, said, through] in &rows {
            let name = super::table::pad(name, first);
            let said = super::table::pad(said, second);
            let through = if through.is_empty() { String::new() } else { dim(through) };
            let _ = writeln!(out, "{}", format!("  {name}  {said}  {through}").trim_end());
        }
    }
    if found.reached.is_empty() {
        out.push_str("nothing is reached from it\n");
    }
    let maybe = found.reached.iter().filter(|own| own.sure_hops.is_none()).count();
    if maybe > 0 {
        let _ = writeln!(
            out,
            "\n{}",
            loud(&format!(
                "of {} it is undetermined whether they are reached",
                count(maybe, "end")
            ))
        );
    }
    out.push_str(&footer(ground));
    out.replace('→', look.arrow())
}

/// The same as one JSON document.
pub fn radius_json(ground: &Ground<'_>, found: &Radius, source: &str) -> Value {
    let reached: Vec<Value> = found
        .reached
        .iter()
        .map(|own| {
            json!({
                "name": ground.name(own.end),
                "members": ground.picture.ends[own.end].members,
                "hops": own.hops,
                "certainHops": own.sure_hops,
                "moreOpen": own.more,
                "last": own.last.iter().map(|hop| ground.hop_json(hop)).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "schema": "kubereach/blast-radius/v1",
        "source": source,
        "enforcement": super::json::enforcement(ground.world),
        "otherWorkloads": found.others,
        "reached": reached,
    })
}

/// The ways, each hop with its ports and rules.
pub fn ways_text(
    ground: &Ground<'_>,
    found: &Ways,
    [source, destination]: [&str; 2],
    most: usize,
    look: Look,
) -> String {
    let arrow = look.arrow();
    let mut out = match found.ways.first() {
        None => {
            format!("{source} does not reach {destination} in {} or fewer\n", count(most, "hop"))
        }
        Some(way) => format!("{source} reaches {destination} in {}\n", count(way.len(), "hop")),
    };
    for (index, way) in found.ways.iter().enumerate() {
        let _ = writeln!(out, "\n{}", bold(&format!("{}. {}", index + 1, count(way.len(), "hop"))));
        for hop in way {
            let _ = writeln!(
                out,
                "  {} {arrow} {}  {}",
                ground.name(hop.source),
                ground.name(hop.destination),
                if hop.sure { ports(ground, hop) } else { loud(&ports(ground, hop)) }
            );
            for (rule, place) in ground.rules(hop) {
                let place = if place.is_empty() { place } else { format!("  {}", dim(&place)) };
                let _ = writeln!(out, "      {rule}{place}");
            }
        }
    }
    if found.more {
        out.push_str("\nand more (`--most N` prints N)\n");
    }
    if found.gave_up {
        let text =
            "the search was stopped: there may be others (fewer `--hops` are searched in full)";
        let _ = writeln!(out, "\n{}", loud(text));
    }
    out.push_str(&footer(ground));
    out
}

/// The same as one JSON document.
pub fn ways_json(ground: &Ground<'_>, found: &Ways, [source, destination]: [&str; 2]) -> Value {
    let way = |own: &Way| own.iter().map(|hop| ground.hop_json(hop)).collect::<Vec<_>>();
    json!({
        "schema": "kubereach/paths/v1",
        "source": source,
        "destination": destination,
        "enforcement": super::json::enforcement(ground.world),
        "paths": found.ways.iter().map(way).collect::<Vec<_>>(),
        "more": found.more,
        "searchStopped": found.gave_up,
    })
}
