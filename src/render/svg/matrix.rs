//! Sources down, destinations across.

use super::{Frame, Svg, escape, link_ids, node_ids, number, shortened, state, told, width_of};
use crate::analysis::{Level, Picture};
use crate::policy::Direction;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Names longer than this are cut; the whole is in their tooltip.
const LONGEST: usize = 40;

/// Where each end stands: in rows and columns of one size, with a gap between namespaces.
struct Grid {
    cell: f64,
    at: Vec<f64>,
    size: f64,
}

impl Grid {
    fn new(picture: &Picture) -> Self {
        let cell = match picture.ends.len() {
            0..=30 => 22.0,
            31..=60 => 18.0,
            61..=130 => 14.0,
            _ => 11.0,
        };
        let mut at = Vec::with_capacity(picture.ends.len());
        let mut place = 0.0;
        for (index, end) in picture.ends.iter().enumerate() {
            let other = index.checked_sub(1).is_some_and(|before| {
                let before = &picture.ends[before];
                let whole = picture.level == Level::Namespaces;
                before.namespace.is_some() != end.namespace.is_some()
                    || !whole && before.namespace != end.namespace
            });
            if other {
                place += 6.0;
            }
            at.push(place);
            place += cell;
        }
        Self { cell, at, size: place }
    }
}

/// A matrix: nothing of the picture is left out, and cells without a link say that nothing is allowed.
pub(in crate::render) fn matrix_svg(picture: &Picture, frame: &Frame) -> String {
    let grid = Grid::new(picture);
    let mut svg = Svg::new();
    let font = (grid.cell * 0.62).clamp(8.0, 12.0);
    let name = |at: usize| shortened(&picture.ends[at].full_name(), LONGEST);
    let names: Vec<String> = (0..picture.ends.len()).map(name).collect();
    let longest = names.iter().map(|name| width_of(name, font)).fold(0.0, f64::max);
    let left = longest + 22.0;
    // Names of columns lean by 60 degrees.
    let top = longest * 0.87 + 22.0;
    let lean = longest * 0.5;
    svg.text("label-muted", (left - 8.0, top - 6.0), 10.0, " text-anchor=\"end\"", "from ↓   to →");
    let mut links: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (at, link) in picture.links.iter().enumerate() {
        links.entry((link.source, link.destination)).or_default().push(at);
    }
    names_of_ends(picture, &grid, &names, (left, top), font, &mut svg);
    background(picture, &grid, (left, top), &mut svg);
    let dense = picture.ends.len() > 60;
    let is_change = picture.links.iter().any(|link| link.turn.is_some());
    let mut seen: BTreeSet<&'static str> = BTreeSet::new();
    let huge = picture.ends.len() > HUGE;
    for source in 0..picture.ends.len() {
        let mut run = Run::default();
        for destination in 0..picture.ends.len() {
            let (x, y) = (left + grid.at[destination], top + grid.at[source]);
            let (from, to) = (&picture.ends[source], &picture.ends[destination]);
            let open = if from.is_inside() || to.is_inside() {
                from.unclosed(Direction::Egress) * to.unclosed(Direction::Ingress)
            } else {
                0
            };
            let of = from.parts * to.parts;
            match links.get(&(source, destination)) {
                Some(own) => {
                    seen.extend(cell(picture, &grid, own, open, (x, y), frame.id, &mut svg));
                }
                None if open > 0 && !is_change && !(from.beside && to.beside) => {
                    seen.insert("open");
                    let some = open < of;
                    let inset = if some { grid.cell * 0.25 } else { 1.0 };
                    if huge {
                        run.add((x, y), grid.cell, inset, &mut svg);
                        continue;
                    }
                    let pair = pair_ids(picture, source, destination);
                    let _ = write!(
                        svg.body,
                        "<rect class=\"cell-all\" fill-opacity=\".38\" data-p=\"{pair}\" {}><title>{}</title></rect>",
                        square((x, y), grid.cell, inset),
                        escape(&format!(
                            "{} → {}: every port{}, as no policy selects either end",
                            from.full_name(),
                            to.full_name(),
                            if some { format!(" for {open} of {of} pairs") } else { String::new() }
                        ))
                    );
                }
                None if !dense
                    && (from.is_inside() || to.is_inside())
                    && !(from.beside && to.beside)
                    && source != destination =>
                {
                    let pair = pair_ids(picture, source, destination);
                    let _ = write!(
                        svg.body,
                        "<rect class=\"cell-none\" data-p=\"{pair}\" {}/>",
                        square((x, y), grid.cell, 1.0)
                    );
                }
                None => {}
            }
        }
        run.flush(grid.cell, &mut svg);
    }
    svg.reach(left + grid.size + lean.max(0.0) + 10.0, top + grid.size + 10.0);
    legend(picture, &seen, frame.id, &mut svg);
    svg.finish(frame, "A matrix of sources (rows) and destinations (columns).")
}

/// Of a matrix with more ends than these, cells that are open by default are drawn as one where they touch: a million
/// of them would be a hundred megabytes.
const HUGE: usize = 130;

/// Cells of one row that touch and look alike.
#[derive(Default)]
struct Run(Option<(f64, f64, f64, f64)>);

impl Run {
    fn add(&mut self, (x, y): (f64, f64), cell: f64, inset: f64, svg: &mut Svg) {
        match &mut self.0 {
            // Over the gap between two namespaces as well.
            Some((_, end, _, own)) if x - *end < 6.5 && (*own - inset).abs() < 0.1 => {
                *end = x + cell;
            }
            _ => {
                self.flush(cell, svg);
                self.0 = Some((x, x + cell, y, inset));
            }
        }
    }

    fn flush(&mut self, cell: f64, svg: &mut Svg) {
        let Some((start, end, y, inset)) = self.0.take() else { return };
        let _ = write!(
            svg.body,
            "<rect class=\"cell-all\" fill-opacity=\".38\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            number(start + inset),
            number(y + inset),
            number(end - start - 2.0 * inset),
            number(cell - 2.0 * inset)
        );
    }
}

fn names_of_ends(
    picture: &Picture,
    grid: &Grid,
    names: &[String],
    (left, top): (f64, f64),
    font: f64,
    svg: &mut Svg,
) {
    for (at, (end, name)) in picture.ends.iter().zip(names).enumerate() {
        let place = grid.at[at];
        let (x, y) = (left - 10.0, top + place + grid.cell / 2.0 + font * 0.35);
        let class = if end.is_inside() { "label" } else { "label-muted" };
        let title = escape(&full(picture, at));
        let ids = node_ids(picture, at);
        let _ = write!(
            svg.body,
            "<text class=\"{class}\" data-n=\"{ids}\" x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"end\"><title>{title}</title>{}</text>",
            number(x),
            number(y),
            number(font),
            escape(name)
        );
        let (x, y) = (left + place + grid.cell / 2.0 + font * 0.3, top - 8.0);
        let _ = write!(
            svg.body,
            "<text class=\"{class}\" data-n=\"{ids}\" transform=\"translate({} {}) rotate(-60)\" font-size=\"{}\"><title>{title}</title>{}</text>",
            number(x),
            number(y),
            number(font),
            escape(name)
        );
        for (direction, x, y) in [
            (Direction::Egress, left - 4.5, top + place + grid.cell / 2.0),
            (Direction::Ingress, left + place + grid.cell / 2.0, top - 3.5),
        ] {
            if end.is_open(direction) {
                let _ = write!(
                    svg.body,
                    "<circle class=\"badge\" cx=\"{}\" cy=\"{}\" r=\"2.5\"/>",
                    number(x),
                    number(y)
                );
            }
        }
    }
}

/// What a name stands for, in full.
fn full(picture: &Picture, at: usize) -> String {
    let end = &picture.ends[at];
    let mut text = end.full_name();
    if end.workloads > 1 {
        let few: Vec<&str> = end.members.iter().take(20).map(String::as_str).collect();
        let more = end.members.len() - few.len();
        let _ = write!(text, ": {}", few.join(", "));
        if more > 0 {
            let _ = write!(text, " and {more} more");
        }
    }
    for (direction, what) in [(Direction::Egress, "may reach"), (Direction::Ingress, "accepts")] {
        if end.is_open(direction) {
            let _ = write!(text, "; {what} everything: no policy selects it for {direction}");
        }
    }
    text
}

/// The ground of the cells, for each two namespaces.
fn background(picture: &Picture, grid: &Grid, (left, top): (f64, f64), svg: &mut Svg) {
    if picture.ends.len() <= 60 {
        return;
    }
    let mut bands: Vec<(f64, f64)> = Vec::new();
    for (at, &start) in grid.at.iter().enumerate() {
        match bands.last_mut() {
            Some((_, end)) if at > 0 && start - grid.at[at - 1] <= grid.cell + 0.1 => {
                *end = start + grid.cell;
            }
            _ => bands.push((start, start + grid.cell)),
        }
    }
    for (y, bottom) in &bands {
        for (x, right) in &bands {
            let _ = write!(
                svg.body,
                "<rect class=\"cell-none\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                number(left + x),
                number(top + y),
                number(right - x),
                number(bottom - y)
            );
        }
    }
}

/// A cell with a link, and what kinds of marks it has.
fn cell(
    picture: &Picture,
    grid: &Grid,
    links: &[usize],
    open: usize,
    (x, y): (f64, f64),
    id: &str,
    svg: &mut Svg,
) -> Vec<&'static str> {
    let own = || links.iter().map(|&at| &picture.links[at]);
    let states: BTreeSet<&'static str> = own().map(state).collect();
    // Several links of two ends are changes of two families.
    let state = match states.first() {
        Some(only) if states.len() == 1 => only,
        _ => "changed",
    };
    let mut seen = vec![state];
    let inset = if state == "some" { grid.cell * 0.22 } else { 1.0 };
    let ids: Vec<String> = links.iter().map(|&at| link_ids(picture, at)).collect();
    let title: Vec<String> = own().map(|link| told(picture, link)).collect();
    let _ = write!(
        svg.body,
        "<g data-e=\"{}\"><title>{}</title>",
        ids.join(" "),
        escape(&title.join("; "))
    );
    if state == "some" {
        let _ = write!(svg.body, "<rect class=\"cell-none\" {}/>", square((x, y), grid.cell, 1.0));
    }
    let _ = write!(svg.body, "<rect class=\"cell-{state}\" {}/>", square((x, y), grid.cell, inset));
    if own().any(|link| !link.verdict.unknown.is_empty()) {
        seen.push("unknown");
        let _ =
            write!(svg.body, "<rect fill=\"url(#hatch{id})\" {}/>", square((x, y), grid.cell, 1.0));
    }
    let sign = match state {
        "added" => "+",
        "removed" => "−",
        "changed" => "~",
        _ => "",
    };
    if !sign.is_empty() {
        let attributes = " text-anchor=\"middle\" font-weight=\"700\" fill=\"#fff\"";
        svg.text(
            "sign",
            (x + grid.cell / 2.0, y + grid.cell / 2.0 + grid.cell * 0.24),
            grid.cell * 0.7,
            attributes,
            sign,
        );
    }
    svg.body.push_str("</g>");
    // Pairs of it that no policy closes are told beside it.
    if open > 0 && picture.level == Level::Namespaces {
        seen.push("open");
        let _ = write!(
            svg.body,
            "<rect class=\"cell-all\" fill-opacity=\".38\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"3\"/>",
            number(x + 1.0),
            number(y + grid.cell - 4.0),
            number(grid.cell - 2.0)
        );
    }
    seen
}

/// Where a square stands that leaves so much of its cell free on each side.
fn square((x, y): (f64, f64), cell: f64, inset: f64) -> String {
    format!(
        "x=\"{}\" y=\"{}\" width=\"{2}\" height=\"{2}\"",
        number(x + inset),
        number(y + inset),
        number(cell - 2.0 * inset)
    )
}

/// A pair without a link; of what joins several ends none, as it would be many pairs.
fn pair_ids(picture: &Picture, source: usize, destination: usize) -> String {
    let one = |at: usize| match picture.ends[at].ids.as_slice() {
        [] => Some(at),
        [own] => Some(*own),
        _ => None,
    };
    match (one(source), one(destination)) {
        (Some(from), Some(to)) => format!("n{from} n{to}"),
        _ => String::new(),
    }
}

fn legend(picture: &Picture, seen: &BTreeSet<&'static str>, id: &str, svg: &mut Svg) {
    let mut entries: Vec<(&str, String)> = Vec::new();
    for (state, text) in [
        ("all", "every port"),
        ("some", "some ports, or some pairs"),
        ("unknown", "undetermined (hatched)"),
        ("open", "every port: no policy selects either end"),
        ("added", "opens (+)"),
        ("removed", "closes (−)"),
        ("changed", "other ports (~)"),
    ] {
        if seen.contains(state) {
            entries.push((state, text.to_owned()));
        }
    }
    let none = picture.links.iter().all(|link| link.turn.is_none());
    if none {
        let text = match (picture.unenforced, &picture.filter) {
            (true, _) => "undetermined, as nobody knows whether policies are enforced",
            (false, Some(_)) => "nothing of what was asked for is allowed",
            (false, None) => "nothing is allowed",
        };
        entries.push(("none", text.into()));
    }
    if picture.ends.iter().any(|end| Direction::ALL.iter().any(|&own| end.is_open(own))) {
        entries.push(("badge", "no policy for this direction".into()));
    }
    let most = svg.width.max(520.0);
    let (mut x, mut y) = (0.0, svg.height + 14.0);
    for (state, text) in entries {
        let width = 18.0 + width_of(&text, 11.0) + 18.0;
        if x > 0.0 && x + width > most {
            (x, y) = (0.0, y + 18.0);
        }
        let _ = match state {
            "badge" => write!(
                svg.body,
                "<circle class=\"badge\" cx=\"{}\" cy=\"{}\" r=\"3\"/>",
                number(x + 6.0),
                number(y - 4.0)
            ),
            "open" => write!(
                svg.body,
                "<rect class=\"cell-all\" fill-opacity=\".38\" x=\"{}\" y=\"{}\" width=\"12\" height=\"12\"/>",
                number(x),
                number(y - 10.0)
            ),
            "some" => write!(
                svg.body,
                "<rect class=\"cell-none\" x=\"{0}\" y=\"{1}\" width=\"12\" height=\"12\"/><rect class=\"cell-some\" x=\"{2}\" y=\"{3}\" width=\"7\" height=\"7\"/>",
                number(x),
                number(y - 10.0),
                number(x + 2.5),
                number(y - 7.5)
            ),
            "unknown" => write!(
                svg.body,
                "<rect class=\"cell-unknown\" x=\"{0}\" y=\"{1}\" width=\"12\" height=\"12\"/><rect fill=\"url(#hatch{id})\" x=\"{0}\" y=\"{1}\" width=\"12\" height=\"12\"/>",
                number(x),
                number(y - 10.0)
            ),
            _ => write!(
                svg.body,
                "<rect class=\"cell-{state}\" x=\"{}\" y=\"{}\" width=\"12\" height=\"12\"/>",
                number(x),
                number(y - 10.0)
            ),
        };
        svg.text("label-muted", (x + 18.0, y), 11.0, "", &text);
        svg.reach(x + width, y + 4.0);
        x += width;
    }
}
