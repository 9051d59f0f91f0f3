//! `diff` between two sets of manifests.

use super::github::{data, property};
use super::style::{bold, dim, loud, verdict};
use super::table::{self, cell, count, escape};
use crate::analysis::{
    Break, BreakEnd, Diff, DiffCause, DiffEnd, Generation, Joined, RowTurn, WorldDiffRow,
};
use crate::engine::Verdict;
use crate::net::ConnectionSet;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The two sides as they are called: `main` and `HEAD`, or two paths.
#[derive(Clone, Debug)]
pub struct SideNames {
    /// The first.
    pub before: String,
    /// The second.
    pub after: String,
    /// Places on the first side are said to be there: a path alone is one of the working tree.
    pub revisions: bool,
}

impl SideNames {
    fn place(&self, cause: &DiffCause) -> Option<String> {
        let place = cause.place.as_ref()?;
        Some(if cause.after || !self.revisions {
            place.to_string()
        } else {
            format!("{place} at {}", self.before)
        })
    }
}

/// What a cause does: one of the first side is gone.
fn told(cause: &DiffCause) -> String {
    if cause.after { cause.text.clone() } else { format!("removed: {}", cause.text) }
}

fn sign(turn: RowTurn) -> &'static str {
    match turn {
        RowTurn::Added => "+",
        RowTurn::Removed => "-",
        RowTurn::Changed => "~",
        RowTurn::Undetermined => "?",
    }
}

fn word(turn: RowTurn) -> &'static str {
    match turn {
        RowTurn::Added => "added",
        RowTurn::Removed => "removed",
        RowTurn::Changed => "changed",
        RowTurn::Undetermined => "undetermined",
    }
}

fn ports(set: &ConnectionSet) -> String {
    if set.is_all() { "every port".into() } else { set.to_string() }
}

fn side(own: &Verdict) -> String {
    match (own.allowed.is_empty(), own.unknown.is_empty()) {
        (true, true) => "none".into(),
        (false, true) => ports(&own.allowed),
        (true, false) => format!("undetermined on {}", ports(&own.unknown)),
        (false, false) => {
            format!("{}, undetermined on {}", ports(&own.allowed), ports(&own.unknown))
        }
    }
}

/// What changes: `tcp/80`, `tcp/80 → tcp/80,8443`.
fn what(row: &Joined, arrow: &str) -> String {
    let mut out = match row.turn {
        RowTurn::Added => side(&row.after),
        RowTurn::Removed => side(&row.before),
        RowTurn::Changed | RowTurn::Undetermined => {
            format!("{} {arrow} {}", side(&row.before), side(&row.after))
        }
    };
    if let Some(family) = row.family {
        out.push_str(&format!(" ({family} only)"));
    }
    out
}

/// How many rows of each kind there are, in words.
fn tally(rows: &[Joined]) -> String {
    let mut counts: BTreeMap<RowTurn, usize> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.turn).or_default() += 1;
    }
    let parts: Vec<String> =
        counts.iter().map(|(turn, number)| format!("{number} {}", word(*turn))).collect();
    parts.join(", ")
}

/// The difference, for people.
pub fn diff_text(diff: &Diff, names: &SideNames, ascii: bool) -> String {
    let arrow = if ascii { "->" } else { "→" };
    let rows = diff.joined();
    let mut out = objects(diff);
    let lines: Vec<[String; 4]> = rows
        .iter()
        .map(|row| {
            let sizes = diff.namespace_sizes();
            let first = row.causes.first();
            [
                format!("{} {}", sign(row.turn), row.sources.name(sizes)),
                format!("{arrow} {}", row.destinations.name(sizes)),
                what(row, arrow),
                first.map(told).unwrap_or_default(),
            ]
        })
        .collect();
    let mut widths = [0; 4];
    for line in &lines {
        table::widen(&mut widths, line);
    }
    for (line, row) in lines.iter().zip(&rows) {
        let colour = match row.turn {
            RowTurn::Added => "allowed",
            RowTurn::Removed => "denied",
            RowTurn::Changed | RowTurn::Undetermined => "undetermined",
        };
        let [source, destination, what, cause] = line;
        let mark = sign(row.turn);
        let source =
            table::pad(source, widths[0]).replacen(mark, &verdict(colour).replace(colour, mark), 1);
        let mut text = format!(
            "{source}  {}  {}  {}",
            table::pad(destination, widths[1]),
            table::pad(what, widths[2]),
            table::pad(cause, widths[3])
        );
        if let Some(place) = row.causes.first().and_then(|cause| names.place(cause)) {
            text.push_str(&format!("  {}", dim(&place)));
        }
        out.push_str(&format!("{}\n", text.trim_end()));
        for cause in row.causes.iter().skip(1) {
            let indent = widths[0] + widths[1] + widths[2] + 6;
            let place = names.place(cause).map(|place| format!("  {}", dim(&place)));
            out.push_str(&format!(
                "{}{}{}\n",
                " ".repeat(indent),
                table::pad(&told(cause), widths[3]),
                place.unwrap_or_default()
            ));
        }
    }
    if rows.is_empty() {
        out.push_str(nothing(
            diff,
            ["no change: every connection is as it was", "nothing that is known changes"],
        ));
        out.push('\n');
    } else {
        out.push_str(&format!("\n{}", tally(&rows)));
        match diff.opened_to_internet() {
            0 => {}
            1 => out.push_str(&loud("; 1 workload is opened to the internet")),
            n => out.push_str(&loud(&format!("; {n} workloads are opened to the internet"))),
        }
        out.push('\n');
    }
    out.push_str(&breaks(diff, names, arrow));
    for note in notes(diff, names) {
        out.push_str(&format!("  {}\n", loud(&note)));
    }
    out
}

/// What is there before and after, and not in between.
fn breaks(diff: &Diff, names: &SideNames, arrow: &str) -> String {
    if diff.breaks.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "\n{}\n",
        loud("while pods are replaced, old and new ones under old and new policies:")
    );
    for own in &diff.breaks {
        let mark = verdict("denied").replace("denied", "!");
        out.push_str(&format!(
            "{mark} {} {arrow} {}  {} breaks {}\n",
            sources(own),
            own.destination.name(),
            ports(&own.ports),
            under(own)
        ));
        for cause in &own.causes {
            let place = place_of(own, cause, names).map(|place| format!("  {}", dim(&place)));
            out.push_str(&format!("    {}{}\n", cause.text, place.unwrap_or_default()));
        }
    }
    out
}

/// The first few sources.
fn sources(own: &Break) -> String {
    let names: Vec<String> = own.sources.iter().map(BreakEnd::name).collect();
    match names.len().saturating_sub(3) {
        0 | 1 => names.join(", "),
        more => format!("{} and {more} more", names[..3].join(", ")),
    }
}

fn under(own: &Break) -> String {
    let policies =
        own.policies.map_or("the old and the new".to_owned(), |own| format!("the {}", own.word()));
    format!("under {policies} policies")
}

/// Where a policy stands, with the revision if that is not the one at hand.
fn place_of(own: &Break, cause: &DiffCause, names: &SideNames) -> Option<String> {
    let place = cause.place.as_ref()?;
    Some(if own.policies == Some(Generation::Old) && names.revisions {
        format!("{place} at {}", names.before)
    } else {
        place.to_string()
    })
}

fn objects(diff: &Diff) -> String {
    let mut out = String::new();
    for (sign, colour, what, list) in [
        ("+", "allowed", "namespace", &diff.added_namespaces),
        ("-", "denied", "namespace", &diff.removed_namespaces),
        ("+", "allowed", "workload", &diff.added_workloads),
        ("-", "denied", "workload", &diff.removed_workloads),
    ] {
        let mark = verdict(colour).replace(colour, sign);
        for name in list.iter().take(20) {
            out.push_str(&format!("{mark} {what} {}\n", bold(name)));
        }
        if list.len() > 20 {
            out.push_str(&format!("{mark} and {} more\n", count(list.len() - 20, what)));
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// What to say where no row differs: for sure, or of what is known.
fn nothing<'t>(diff: &Diff, [sure, known]: [&'t str; 2]) -> &'t str {
    let same_objects = diff.added_workloads.is_empty()
        && diff.removed_workloads.is_empty()
        && diff.added_namespaces.is_empty()
        && diff.removed_namespaces.is_empty();
    match (diff.unread, same_objects) {
        (true, _) => known,
        (false, true) => sure,
        // Objects that are new or gone are a change, if none of connections.
        (false, false) => sure.split_once(": ").map_or(sure, |(_, rest)| rest),
    }
}

fn notes(diff: &Diff, names: &SideNames) -> Vec<String> {
    let mut out = Vec::new();
    if diff.unread {
        out.push(
            "not everything was understood (see above), and what was not may have changed"
                .to_owned(),
        );
    }
    for (unenforced, name) in diff.unenforced.iter().zip([&names.before, &names.after]) {
        if *unenforced {
            out.push(format!(
                "whether anything enforces the policies of {name} is not known: what they allow is compared"
            ));
        }
    }
    if !diff.apart.is_empty() {
        out.push(format!(
            "not compared: {}, of which it cannot be said what becomes of it",
            diff.apart
        ));
    }
    out
}

fn end(own: &DiffEnd) -> Value {
    match own {
        DiffEnd::Workload { name, pods } => {
            json!({ "display": own.name(), "workload": **name, "pods": pods })
        }
        DiffEnd::Node(name) => json!({ "display": own.name(), "node": name }),
        DiffEnd::External(set) => {
            let blocks: Vec<String> = set.to_blocks().iter().map(ToString::to_string).collect();
            json!({ "display": own.name(), "blocks": blocks })
        }
        DiffEnd::Name(name) => json!({ "display": own.name(), "domainName": name }),
    }
}

fn row(names: &SideNames, row: &WorldDiffRow) -> Value {
    let side = |own: &Verdict| {
        json!({
            "allowed": super::json::ports(&own.allowed),
            "undetermined": super::json::ports(&own.unknown),
        })
    };
    let causes: Vec<Value> = row
        .causes
        .iter()
        .map(|cause| {
            json!({
                "side": if cause.after { &names.after } else { &names.before },
                "removed": !cause.after,
                "text": cause.text,
                "at": cause.place.as_ref().map(super::json::location),
            })
        })
        .collect();
    json!({
        "change": word(row.turn()),
        "source": end(&row.source),
        "destination": end(&row.destination),
        "family": row.family.map(|family| family.to_string()),
        "before": side(&row.before),
        "after": side(&row.after),
        "opens": super::json::ports(&row.opens()),
        "closes": super::json::ports(&row.closes()),
        "causes": causes,
    })
}

/// The JSON Schema (draft 2020-12) of what [`diff_json`] makes.
pub const DIFF_SCHEMA: &str = include_str!("diff.schema.json");

/// The difference as JSON, row by row, as [`DIFF_SCHEMA`] describes it.
pub fn diff_json(diff: &Diff, names: &SideNames) -> Value {
    let rows: Vec<Value> = diff.rows.iter().map(|own| row(names, own)).collect();
    json!({
        "schema": "kubereach/diff/v1",
        "before": names.before,
        "after": names.after,
        "addedNamespaces": diff.added_namespaces,
        "removedNamespaces": diff.removed_namespaces,
        "addedWorkloads": diff.added_workloads,
        "removedWorkloads": diff.removed_workloads,
        "openedToInternet": diff.opened_to_internet(),
        "notCompared": super::json::ports(&diff.apart),
        "mayDifferUnread": diff.unread,
        "enforcementUnknown": { "before": diff.unenforced[0], "after": diff.unenforced[1] },
        "connections": rows,
        "breaks": diff.breaks.iter().map(broken).collect::<Vec<_>>(),
    })
}

fn broken(own: &Break) -> Value {
    let causes: Vec<Value> = own
        .causes
        .iter()
        .map(|cause| {
            json!({ "text": cause.text, "at": cause.place.as_ref().map(super::json::location) })
        })
        .collect();
    json!({
        "sources": own.sources.iter().map(break_end).collect::<Vec<_>>(),
        "destination": break_end(&own.destination),
        "ports": super::json::ports(&own.ports),
        "policies": own.policies.map(Generation::word),
        "causes": causes,
    })
}

fn break_end(own: &BreakEnd) -> Value {
    json!({ "end": end(&own.end), "pods": own.pods.map(Generation::word) })
}

/// A comment on GitHub holds so many characters.
const COMMENT: usize = 65_536;

/// GitHub draws no more edges of a Mermaid picture than this; a picture is for the eye.
const EDGES: usize = 40;

/// The difference for a pull request: a table, and a picture of only what changed.
pub fn diff_markdown(diff: &Diff, names: &SideNames) -> String {
    let rows = diff.joined();
    let tail = markdown_tail(diff, names);
    // A backtick in the name of a file would end the code that it stands in.
    let [before, after] = [&names.before, &names.after].map(|own| own.replace(['`', '\n'], " "));
    let mut out = format!("### Reachability: `{before}` → `{after}`\n\n");
    for (what, list) in [
        ("Namespaces added", &diff.added_namespaces),
        ("Namespaces removed", &diff.removed_namespaces),
        ("Workloads added", &diff.added_workloads),
        ("Workloads removed", &diff.removed_workloads),
    ] {
        if !list.is_empty() {
            let shown: Vec<String> = list.iter().take(20).map(|name| format!("`{name}`")).collect();
            let more = list.len().saturating_sub(20);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            out.push_str(&format!("{what}: {}{more}\n\n", shown.join(", ")));
        }
    }
    if rows.is_empty() {
        out.push_str(nothing(
            diff,
            ["No change: every connection is as it was", "Nothing that is known changes"],
        ));
        out.push_str(".\n");
    } else {
        out.push_str(&format!("**{}**", tally(&rows)));
        match diff.opened_to_internet() {
            0 => {}
            1 => out.push_str("; 1 workload is opened to the internet"),
            n => out.push_str(&format!("; {n} workloads are opened to the internet")),
        }
        out.push_str(
            "\n\n| | Source | Destination | Ports | Why | Where |\n|---|---|---|---|---|---|\n",
        );
        // What stands below the table needs room as well.
        let mut below = mermaid(diff, &rows);
        if out.len() + below.len() + tail.len() > COMMENT / 2 {
            below = "(no picture: it would take the room of the table)\n".into();
        }
        let room = COMMENT.saturating_sub(out.len() + below.len() + tail.len() + 100);
        let mut used = 0;
        for (at, row) in rows.iter().enumerate() {
            let line = markdown_row(diff, names, row);
            used += line.len();
            if used > room {
                let rest = rows.len() - at;
                out.push_str(&format!("\n…and {rest} more, for which there is no room here\n"));
                break;
            }
            out.push_str(&line);
        }
        out.push('\n');
        out.push_str(&below);
    }
    out.push_str(&tail);
    out
}

/// What stands below the table: what breaks in between, and what else is to be known.
fn markdown_tail(diff: &Diff, names: &SideNames) -> String {
    let mut out = String::new();
    if !diff.breaks.is_empty() {
        out.push_str("\nWhile pods are replaced, old and new ones under old and new policies:\n\n");
        for own in diff.breaks.iter().take(20) {
            out.push_str(&format!(
                "- {} → {} breaks on {} {}\n",
                escape(&sources(own)),
                escape(&own.destination.name()),
                short(&ports(&own.ports)),
                under(own)
            ));
        }
        if diff.breaks.len() > 20 {
            out.push_str(&format!("- and {} more\n", diff.breaks.len() - 20));
        }
    }
    for note in notes(diff, names) {
        out.push_str(&format!("\n{}\n", escape(&short(&note))));
    }
    out
}

/// At most so much of a text: a cell of a thousand ports is for nobody.
fn short(text: &str) -> String {
    const MOST: usize = 600;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn markdown_row(diff: &Diff, names: &SideNames, row: &Joined) -> String {
    let sizes = diff.namespace_sizes();
    let mut causes: Vec<String> = row.causes.iter().map(|cause| escape(&told(cause))).collect();
    // The same words may be about several places.
    causes.dedup();
    let places: Vec<String> = row
        .causes
        .iter()
        .filter_map(|cause| names.place(cause))
        .map(|place| format!("`{place}`"))
        .collect();
    format!(
        "| `{}` {} | {} | {} | {} | {} | {} |\n",
        sign(row.turn),
        word(row.turn),
        cell(&escape(&row.sources.name(sizes))),
        cell(&escape(&row.destinations.name(sizes))),
        cell(&escape(&short(&what(row, "→")))),
        cell(&causes.join("<br>")),
        cell(&places.join("<br>"))
    )
}

/// A picture of what changed, where it is not too much for one.
fn mermaid(diff: &Diff, rows: &[Joined]) -> String {
    if rows.len() > EDGES {
        return format!("(no picture: {} changes are too many for one)\n", rows.len());
    }
    let sizes = diff.namespace_sizes();
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    let mut edges = String::new();
    let mut styles = String::new();
    for (at, row) in rows.iter().enumerate() {
        let mut id = |name: String| {
            let next = ids.len();
            *ids.entry(name).or_insert(next)
        };
        let (from, to) = (id(row.sources.name(sizes)), id(row.destinations.name(sizes)));
        let line = match row.turn {
            RowTurn::Added | RowTurn::Changed => "-->",
            RowTurn::Removed | RowTurn::Undetermined => "-.->",
        };
        let label = quoted(&format!("{} {}", sign(row.turn), what(row, "→")));
        edges.push_str(&format!("  n{from} {line}|{label}| n{to}\n"));
        let colour = match row.turn {
            RowTurn::Added => "#0072b2",
            RowTurn::Removed => "#d55e00",
            RowTurn::Changed => "#009e73",
            RowTurn::Undetermined => "#999999",
        };
        styles.push_str(&format!("  linkStyle {at} stroke:{colour},stroke-width:2px\n"));
    }
    let mut nodes: Vec<(&String, &usize)> = ids.iter().collect();
    nodes.sort_by_key(|(_, id)| **id);
    let nodes: Vec<String> =
        nodes.into_iter().map(|(name, id)| format!("  n{id}[{}]\n", quoted(name))).collect();
    let nodes = nodes.concat();
    format!("```mermaid\nflowchart LR\n{nodes}{edges}{styles}```\n")
}

/// A label of Mermaid: in quotes, with entities for what would end it.
pub(super) fn quoted(text: &str) -> String {
    let text = text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;");
    format!("\"{text}\"")
}

/// The difference as annotations of a GitHub workflow, at the rules of the second side; the first ten are
/// shown by GitHub.
pub fn diff_github(diff: &Diff) -> String {
    let rows = diff.joined();
    let mut out = String::new();
    if !rows.is_empty() {
        let opened = match diff.opened_to_internet() {
            0 => String::new(),
            1 => "; 1 workload is opened to the internet".to_owned(),
            many => format!("; {many} workloads are opened to the internet"),
        };
        let text = format!("{}{opened}", tally(&rows));
        out.push_str(&format!("::notice title=reachability::{}\n", data(&text)));
    }
    for row in &rows {
        let sizes = diff.namespace_sizes();
        let text = format!(
            "{} {} → {}  {}",
            word(row.turn),
            row.sources.name(sizes),
            row.destinations.name(sizes),
            what(row, "→")
        );
        let mut why: Vec<String> = row.causes.iter().map(told).collect();
        why.dedup();
        let text = if why.is_empty() { text } else { format!("{text}: {}", why.join("; ")) };
        let place = row.causes.iter().find(|cause| cause.after).and_then(|own| own.place.as_ref());
        // What a program rendered, or came by standard input, is no file of the repository.
        let place = place.filter(|place| !place.path.starts_with('<'));
        let place = place.map(|place| {
            format!("file={},line={},col={},", property(&place.path), place.line, place.column)
        });
        out.push_str(&format!(
            "::warning {}title={}::{}\n",
            place.unwrap_or_default(),
            property(&format!("reachability {}", word(row.turn))),
            data(&text)
        ));
    }
    for own in &diff.breaks {
        let text = format!(
            "{} → {} breaks on {} {} while pods are replaced",
            sources(own),
            own.destination.name(),
            ports(&own.ports),
            under(own)
        );
        out.push_str(&format!("::warning title=reachability breaks::{}\n", data(&text)));
    }
    out
}
