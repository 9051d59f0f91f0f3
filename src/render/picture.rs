//! `graph`: one picture in the languages that draw it.

use super::svg::{Frame, Place, escape, focus_svg, graph_svg, matrix_svg};
use crate::analysis::{
    EndKind, Level, Link, Listing, Picture, Reason, RowTurn, Share, Shown, View, World, ports_label,
};
use crate::net::ConnectionSet;
use crate::policy::Direction;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dot_writer::{Attributes, DotWriter, RankDirection, Shape, Style};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

/// The JSON Schema of `graph -o json`.
pub const GRAPH_SCHEMA: &str = include_str!("graph.schema.json");

/// A picture's surroundings.
#[derive(Clone)]
pub struct Drawing<'w> {
    /// The world that it is of.
    pub world: &'w World,
    /// The list that it draws, if it is of one.
    pub listing: Option<&'w Listing>,
    /// What stands around it.
    pub frame: Frame,
}

impl Drawing<'_> {
    /// The same with what is to be said of a picture: how much of how much it draws, and its notes.
    #[must_use]
    pub fn of(&self, picture: &Picture) -> Self {
        let mut own = self.clone();
        if let Some(filter) = &picture.filter {
            let _ = write!(own.frame.subtitle, "; only {filter}");
        }
        if self.listing.is_some() {
            let connections = picture.connections;
            let drawn = &mut own.frame.subtitle;
            let _ = write!(drawn, "; {connections} of {connections} connections drawn");
            if picture.links.len() != connections {
                let _ = write!(drawn, " in {}", super::table::count(picture.links.len(), "link"));
            }
            if picture.open_pairs > 0 {
                let _ = write!(
                    drawn,
                    "; {} of {} pairs of workloads open by default",
                    picture.open_pairs, picture.pairs
                );
            }
        }
        for note in &picture.notes {
            if !own.frame.notes.contains(note) {
                own.frame.notes.push(note.clone());
            }
        }
        own
    }
}

/// Whose reading of the policies a picture shows.
pub fn enforced(world: &World) -> String {
    match &world.cni {
        None => "as declared".to_owned(),
        Some(cni) if world.policies.ignored => format!("{cni} ignores all policies"),
        Some(cni) => format!("enforced by {cni}"),
    }
}

/// What no list and no picture says: nodes, and what is on their networks, always reach the pods that run there.
pub fn on_nodes(world: &World, listing: &Listing) -> Option<String> {
    if listing.on_nodes.is_empty() {
        return None;
    }
    let names: Vec<String> =
        listing.on_nodes.iter().take(3).map(|&id| world.cluster.workload_name(id)).collect();
    let more = listing.on_nodes.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!(
        "Not drawn: a node, and so {}{more} on it, always reaches the pods that run there.",
        names.join(", ")
    ))
}

/// A picture as SVG, in its form.
pub fn picture_svg(drawing: &Drawing<'_>, shown: &Shown) -> String {
    let draw = match shown.view {
        View::Matrix => matrix_svg,
        View::Focus => focus_svg,
        View::Overview | View::Workloads | View::Diff => graph_svg,
    };
    draw(&shown.picture, &drawing.of(&shown.picture).frame)
}

/// A picture of boxes for Graphviz.
pub fn picture_dot(drawing: &Drawing<'_>, picture: &Picture) -> String {
    let mut bytes = Vec::new();
    {
        let mut writer = DotWriter::from(&mut bytes);
        let mut graph = writer.digraph();
        graph.set_rank_direction(RankDirection::LeftRight);
        let frame = &drawing.of(picture).frame;
        let mut label = format!("{}: {}", frame.title, frame.subtitle);
        for note in &frame.notes {
            let _ = write!(label, "\n{note}");
        }
        graph.set("label", &super::dot::quote(&label), false).set("labelloc", "t", false);
        graph.node_attributes().set_shape(Shape::Rectangle);
        for (at, end) in picture.ends.iter().enumerate() {
            let mut node = graph.node_named(format!("n{at}"));
            let mut label = end.full_name();
            if end.kind == EndKind::Namespace {
                let _ = write!(label, "\n{}", super::table::count(end.workloads, "workload"));
            }
            for badge in badges(picture, at) {
                let _ = write!(label, "\n{badge}");
            }
            node.set("label", &super::dot::quote(&label), false);
            if !end.is_inside() {
                node.set("shape", "ellipse", false);
            }
        }
        for link in &picture.links {
            let edge = graph.edge(format!("n{}", link.source), format!("n{}", link.destination));
            let mut attributes = edge.attributes();
            let (sign, colour) = change(link);
            let label = format!("{sign}{}", told(link));
            attributes.set("label", &super::dot::quote(&label), false);
            if let Some(colour) = colour {
                attributes.set("color", &super::dot::quote(colour), false);
            } else if link.share() == Share::Undetermined {
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

/// What is open of an end without any policy, in words.
fn badges(picture: &Picture, at: usize) -> Vec<String> {
    let end = &picture.ends[at];
    let words =
        [(Direction::Ingress, "accepts everything"), (Direction::Egress, "reaches everything")];
    let open =
        words.into_iter().filter_map(|(direction, text)| match end.open[direction.index()] {
            0 => None,
            _ if end.is_open(direction) => Some(text.to_owned()),
            some => Some(format!("{some} {text}")),
        });
    open.collect()
}

/// The sign and the colour of a change.
fn change(link: &Link) -> (&'static str, Option<&'static str>) {
    match link.turn {
        Some((RowTurn::Added, _)) => ("+ ", Some("#0072b2")),
        Some((RowTurn::Removed, _)) => ("− ", Some("#d55e00")),
        Some((RowTurn::Changed, _)) => ("~ ", Some("#009e73")),
        Some((RowTurn::Undetermined, _)) => ("? ", None),
        None => ("", None),
    }
}

/// The label of a link with its remarks, each on its line.
fn told(link: &Link) -> String {
    let mut lines = vec![link.label()];
    lines.extend(link.remarks());
    lines.join("\n")
}

/// GitHub draws no more edges of a Mermaid picture than 500, and no longer text than 50,000 characters.
const MOST_EDGES: usize = 450;
const LONGEST: usize = 48_000;

/// A picture in Mermaid: in GitHub's limits, by moving up a level where it is too large.
pub fn mermaid(drawing: &Drawing<'_>, picture: &Picture, wish: Option<View>) -> String {
    let fits = |text: &String, picture: &Picture| {
        picture.links.len() <= MOST_EDGES && text.len() <= LONGEST
    };
    if wish != Some(View::Overview) {
        let own = if wish == Some(View::Focus) { picture.clone() } else { picture.collapsed() };
        let text = flowchart(&drawing.of(&own).frame, &own, &[]);
        if fits(&text, &own) {
            return text;
        }
    }
    let spaces = picture.namespaces();
    let mut notes = Vec::new();
    if wish != Some(View::Overview) {
        notes.push("Drawn by namespace: more than Mermaid draws on GitHub otherwise.".to_owned());
    }
    let text = flowchart(&drawing.of(&spaces).frame, &spaces, &notes);
    if fits(&text, &spaces) {
        return text;
    }
    let classes = spaces.collapsed();
    notes.push("Namespaces that nothing tells apart are drawn as one.".to_owned());
    let text = flowchart(&drawing.of(&classes).frame, &classes, &notes);
    if fits(&text, &classes) {
        return text;
    }
    let message = format!(
        "No picture: {} namespaces and ends outside with {} links are more than Mermaid draws on GitHub; `-o svg` draws them.",
        spaces.ends.len(),
        spaces.links.len()
    );
    let empty = Picture { level: Level::Namespaces, ..Picture::default() };
    flowchart(&drawing.frame, &empty, &[message])
}

fn flowchart(frame: &Frame, picture: &Picture, notes: &[String]) -> String {
    let mut out = String::from("flowchart LR\n");
    for text in [&frame.title, &frame.subtitle].into_iter().chain(&frame.notes).chain(notes) {
        let _ = writeln!(out, "  %% {}", text.replace('\n', " "));
    }
    // What is to be known stands in the picture: comments are not seen.
    for (at, note) in notes.iter().enumerate() {
        let _ = writeln!(out, "  note{at}[/{}/]", super::diff::quoted(note));
    }
    let mut spaces: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for (at, end) in picture.ends.iter().enumerate() {
        let boxed = picture.level == Level::Workloads;
        spaces.entry(end.namespace.as_deref().filter(|_| boxed)).or_default().push(at);
    }
    for (index, (space, members)) in spaces.into_iter().enumerate() {
        let indent = if let Some(space) = space {
            let _ = writeln!(out, "  subgraph s{index}[{}]", super::diff::quoted(space));
            "    "
        } else {
            "  "
        };
        for at in members {
            let end = &picture.ends[at];
            let mut name = if space.is_some() { end.name.clone() } else { end.full_name() };
            if end.kind == EndKind::Namespace {
                let _ = write!(name, "<br>{}", super::table::count(end.workloads, "workload"));
            }
            for badge in badges(picture, at) {
                let _ = write!(name, "<br>{badge}");
            }
            let label = super::diff::quoted(&name).replace("#lt;br>", "<br>");
            let _ = if end.is_inside() {
                writeln!(out, "{indent}n{at}[{label}]")
            } else {
                writeln!(out, "{indent}n{at}([{label}])")
            };
        }
        if space.is_some() {
            out.push_str("  end\n");
        }
    }
    for link in &picture.links {
        let dashed = matches!(link.turn, Some((RowTurn::Removed | RowTurn::Undetermined, _)))
            || link.turn.is_none() && link.share() == Share::Undetermined;
        let arrow = if dashed { "-.->" } else { "-->" };
        let (sign, _) = change(link);
        let label = super::diff::quoted(&format!("{sign}{}", told(link).replace('\n', "<br>")));
        let label = label.replace("#lt;br>", "<br>");
        let _ = writeln!(out, "  n{} {arrow}|{label}| n{}", link.source, link.destination);
    }
    for (at, link) in picture.links.iter().enumerate() {
        let (_, Some(colour)) = change(link) else { continue };
        let _ = writeln!(out, "  linkStyle {at} stroke:{colour},stroke-width:2px");
    }
    out
}

fn kind(kind: EndKind) -> &'static str {
    match kind {
        EndKind::Outside => "outside",
        EndKind::Name => "name",
        EndKind::Nodes => "nodes",
        EndKind::Workload => "workload",
        EndKind::Class => "class",
        EndKind::Namespace => "namespace",
    }
}

fn turn(turn: RowTurn) -> &'static str {
    match turn {
        RowTurn::Added => "added",
        RowTurn::Removed => "removed",
        RowTurn::Changed => "changed",
        RowTurn::Undetermined => "undetermined",
    }
}

/// What a link is drawn as: its share of the ports and pairs, or what a change makes of it.
pub(super) fn state(link: &Link) -> &'static str {
    match (&link.turn, link.share()) {
        (Some((own, _)), _) => turn(*own),
        (None, Share::All) => "all",
        (None, Share::Some) => "some",
        (None, Share::Undetermined) => "undetermined",
    }
}

/// Nodes and links: the form that `NetworkX` calls node-link data, and D3 takes.
pub fn picture_json(drawing: &Drawing<'_>, picture: &Picture, wish: Option<View>) -> Value {
    let shown = match wish {
        Some(View::Overview) => picture.namespaces(),
        Some(View::Focus | View::Diff) | None => picture.clone(),
        Some(View::Matrix | View::Workloads) => picture.collapsed(),
    };
    let about = drawing.of(&shown);
    let nodes: Vec<Value> = shown
        .ends
        .iter()
        .enumerate()
        .map(|(at, end)| {
            json!({
                "id": format!("n{at}"),
                "name": end.full_name(),
                "kind": kind(end.kind),
                "namespace": end.namespace,
                "members": end.members,
                "blocks": end.blocks(),
                "workloads": end.workloads,
                "openIngress": end.open[Direction::Ingress.index()],
                "openEgress": end.open[Direction::Egress.index()],
                "column": end.column,
            })
        })
        .collect();
    let links: Vec<Value> = shown
        .links
        .iter()
        .map(|link| {
            json!({
                "source": format!("n{}", link.source),
                "target": format!("n{}", link.destination),
                "allowed": super::json::ports(&link.verdict.allowed),
                "undetermined": super::json::ports(&link.verdict.unknown),
                "pairs": link.pairs,
                "of": link.of,
                "uniform": link.uniform,
                "change": link.turn.as_ref().map(|(own, _)| turn(*own)),
                "before": link.turn.as_ref().map(|(_, before)| super::json::ports(before)),
                "note": link.note,
                "label": link.label(),
            })
        })
        .collect();
    json!({
        "schema": "kubereach/graph/v1",
        "directed": true,
        "multigraph": true,
        "graph": {
            "title": about.frame.title,
            "subtitle": about.frame.subtitle,
            "notes": about.frame.notes,
            "connections": shown.connections,
            "pairs": shown.pairs,
            "openPairs": shown.open_pairs,
            "level": if shown.level == Level::Namespaces { "namespaces" } else { "workloads" },
        },
        "nodes": nodes,
        "links": links,
    })
}

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Why a link is there, in words.
#[derive(Clone, Debug)]
pub struct Why {
    /// The direction that it is about, if it is about one.
    pub direction: Option<Direction>,
    /// What decides.
    pub text: String,
    /// Where that stands.
    pub place: Option<String>,
}

impl Why {
    /// Of a reason of a world.
    pub fn of(world: &World, reason: &Reason) -> Self {
        let place = reason.span.map(|span| world.sources.locate(span).to_string());
        Self { direction: reason.direction, text: reason.text.clone(), place }
    }
}

/// One self-contained page: every view of a picture that can be read, and behind each link why it is there.
/// `reasons` are those of its links, as far as they were asked for; `arguments` are what a command line about the
/// same input starts with; the view that is wished for is the first.
pub fn page(
    drawing: &Drawing<'_>,
    picture: &Picture,
    reasons: &[Vec<Why>],
    arguments: &[String],
    wish: Option<View>,
) -> String {
    let mut views: Vec<(&'static str, &'static str, String)> = Vec::new();
    let frame = |id: &'static str| Frame { place: Place::Page, id, ..drawing.frame.clone() };
    let spaces = picture.namespaces();
    let is_change = picture.links.iter().any(|link| link.turn.is_some());
    let boxes = picture.shown(Some(View::Workloads)).view == View::Workloads;
    if boxes && (picture.ends.len() <= 22 || is_change) {
        views.push(("workloads", "Workloads", graph_svg(picture, &frame("w"))));
    }
    views.push(("matrix", "Matrix", matrix_svg(picture, &frame("m"))));
    if picture.level == Level::Workloads && !is_change {
        if spaces.shown(Some(View::Overview)).view == View::Overview && spaces.ends.len() <= 40 {
            views.push(("overview", "Namespaces", graph_svg(&spaces, &frame("o"))));
        } else {
            views.push(("overview", "Namespaces", matrix_svg(&spaces, &frame("o"))));
        }
    }
    if boxes && views.iter().all(|(id, ..)| *id != "workloads") {
        views.push(("workloads", "Workloads", graph_svg(picture, &frame("w"))));
    }
    let sections: String = views.iter().fold(String::new(), |out, (id, title, svg)| {
        out + &format!(
            "<section class=\"view\" id=\"view-{id}\" aria-label=\"{title}\">{svg}</section>\n"
        )
    });
    let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(Sha256::digest(text.as_bytes())));
    let csp = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    if let Some(wish) = wish {
        views.sort_by_key(|(id, ..)| *id != wish.name());
    }
    let about = drawing.of(picture);
    let mut subtitle = about.frame.subtitle.clone();
    for note in &about.frame.notes {
        let _ = write!(subtitle, ". {}", note.trim_end_matches('.'));
    }
    let data = page_data(drawing, picture, reasons, (&subtitle, arguments), &views);
    let data = serde_json::to_string(&data).unwrap_or_default().replace('<', "\\u003c");
    let (title, subtitle) = (escape(&drawing.frame.title), escape(&subtitle));
    // In one pass: what a placeholder is filled with is not filled again.
    let mut out = String::with_capacity(PAGE.len() + data.len() + sections.len());
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        out.push_str(match name {
            "title" => &title,
            "subtitle" => &subtitle,
            "csp" => &csp,
            "style" => STYLE,
            "views" => &sections,
            "data" => &data,
            "script" => SCRIPT,
            _ => "",
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn page_data(
    drawing: &Drawing<'_>,
    picture: &Picture,
    reasons: &[Vec<Why>],
    (subtitle, arguments): (&str, &[String]),
    views: &[(&'static str, &'static str, String)],
) -> Value {
    let nodes: Vec<Value> = picture
        .ends
        .iter()
        .enumerate()
        .map(|(at, end)| {
            json!({
                "id": format!("n{at}"),
                "label": end.full_name(),
                "namespace": end.namespace,
                "kind": kind(end.kind),
                "members": end.members,
                "openIngress": end.is_open(Direction::Ingress),
                "openEgress": end.is_open(Direction::Egress),
                "arg": argument(end),
                "out": end.unclosed(Direction::Egress) == end.parts,
                "in": end.unclosed(Direction::Ingress) == end.parts,
            })
        })
        .collect();
    let mut known: HashMap<(Option<&'static str>, String, Option<String>), usize> = HashMap::new();
    let mut texts: Vec<Value> = Vec::new();
    let ranges = |set: &ConnectionSet| -> Vec<Value> {
        set.ranges().map(|(protocol, first, last)| json!([protocol.name(), first, last])).collect()
    };
    let edges: Vec<Value> = picture
        .links
        .iter()
        .enumerate()
        .map(|(at, link)| {
            let why: Vec<usize> = reasons
                .get(at)
                .into_iter()
                .flatten()
                .map(|reason| {
                    let direction = reason.direction.map(|own| match own {
                        Direction::Egress => "egress",
                        Direction::Ingress => "ingress",
                    });
                    let place = reason.place.clone();
                    let next = texts.len();
                    let key = (direction, reason.text.clone(), place.clone());
                    *known.entry(key).or_insert_with(|| {
                        texts.push(
                            json!({ "direction": direction, "text": reason.text, "at": place }),
                        );
                        next
                    })
                })
                .collect();
            let mut notes: Vec<String> = link.note.iter().cloned().collect();
            if link.of > 1 {
                notes.push(format!("{} of {} pairs", link.pairs, link.of));
            }
            if !link.uniform {
                notes.push("not the same for all".into());
            }
            let ports = match &link.turn {
                Some(_) => link.label(),
                None if link.verdict.allowed.is_empty() => String::new(),
                None => ports_label(&link.verdict.allowed),
            };
            let all = match &link.turn {
                Some((_, before)) => link.verdict.allowed.union(before),
                None => link.verdict.allowed.clone(),
            };
            json!({
                "id": format!("e{at}"),
                "source": format!("n{}", link.source),
                "target": format!("n{}", link.destination),
                "ports": ports,
                "ranges": ranges(&all),
                "undetermined": if link.verdict.unknown.is_empty() { String::new() } else { ports_label(&link.verdict.unknown) },
                "state": state(link),
                "why": why,
                "note": notes.join("; "),
            })
        })
        .collect();
    let views: Vec<Value> =
        views.iter().map(|(id, title, _)| json!({ "id": id, "title": title })).collect();
    json!({
        "title": drawing.frame.title,
        "subtitle": subtitle,
        "args": arguments,
        "none": match (picture.unenforced, &picture.filter) {
            (true, _) => "undetermined: nobody knows whether policies are enforced",
            (false, Some(_)) => "nothing of what was asked for is allowed",
            (false, None) => "nothing is allowed",
        },
        "states": {
            "all": "every port",
            "some": if picture.level == Level::Namespaces { "some ports, or some pairs" } else { "some ports" },
        },
        "nodes": nodes,
        "edges": edges,
        "reasons": texts,
        "views": views,
    })
}

/// An end as `explain` takes it.
fn argument(end: &crate::analysis::PictureEnd) -> String {
    match end.kind {
        EndKind::Namespace => format!("ns/{}", end.namespace.as_deref().unwrap_or_default()),
        EndKind::Outside => end.first_address().unwrap_or_else(|| end.name.clone()),
        _ => end.members.first().cloned().unwrap_or_else(|| end.name.clone()),
    }
}
