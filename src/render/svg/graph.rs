//! Boxes and curves: workloads in the boxes of their namespaces, or namespaces alone.

use super::layout::{Boxes, Places};
use super::{
    Frame, Svg, escape, link_ids, node_ids, number, shortened, state, to_f64, told, width_of,
};
use crate::analysis::{EndKind, Level, Link, Picture};
use crate::policy::Direction;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The height of an end, and what is between two.
pub(super) const HEIGHT: f64 = 26.0;
const GAP: f64 = 10.0;
/// Between columns there is room for curves and their labels.
const COLUMN: f64 = 150.0;
/// Of more curves than these the ports are told in tooltips alone.
const LABELLED: usize = 60;
const FONT: f64 = 12.0;

/// Where something stands.
#[derive(Clone, Copy, Default)]
pub(super) struct At {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl At {
    fn middle(self) -> f64 {
        self.y + self.height / 2.0
    }

    fn right(self) -> f64 {
        self.x + self.width
    }
}

/// What a curve leaves from, or comes to: an end, or the box of a namespace where it is the same for all of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Anchor {
    End(usize),
    Space(usize),
}

/// A curve: one link, or several that say the same.
pub(super) struct Curve {
    pub(super) from: Anchor,
    pub(super) to: Anchor,
    pub(super) links: Vec<usize>,
}

/// What is drawn as a box: a namespace with its ends, or one end.
struct Spaces {
    members: Vec<Vec<usize>>,
    of: Vec<usize>,
    boxed: Vec<bool>,
}

impl Spaces {
    fn new(picture: &Picture) -> Self {
        let mut own =
            Self { members: Vec::new(), of: vec![0; picture.ends.len()], boxed: Vec::new() };
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, end) in picture.ends.iter().enumerate() {
            let space = end.namespace.as_deref().filter(|_| picture.level == Level::Workloads);
            let place = if let Some(&place) = space.and_then(|space| known.get(space)) {
                place
            } else {
                own.members.push(Vec::new());
                own.boxed.push(space.is_some());
                own.members.len() - 1
            };
            if let Some(space) = space {
                known.insert(space, place);
            }
            own.members[place].push(at);
            own.of[at] = place;
        }
        own
    }

    fn space(&self, anchor: Anchor) -> usize {
        match anchor {
            Anchor::End(at) => self.of[at],
            Anchor::Space(place) => place,
        }
    }

    /// The curves of all links: where every end of a namespace has the same link to one end, or from it, one curve
    /// from the box is all of them.
    fn curves(&self, picture: &Picture) -> Vec<Curve> {
        let content = |link: &Link| (link.label(), state(link), link.note.clone());
        let mut left: BTreeSet<usize> = (0..picture.links.len()).collect();
        let mut out = Vec::new();
        for towards in [false, true] {
            let mut groups: BTreeMap<(usize, usize, _), Vec<usize>> = BTreeMap::new();
            for &at in &left {
                let link = &picture.links[at];
                let (many, one) = if towards {
                    (link.destination, link.source)
                } else {
                    (link.source, link.destination)
                };
                let space = self.of[many];
                if self.boxed[space] && self.of[one] != space {
                    groups.entry((space, one, content(link))).or_default().push(at);
                }
            }
            for ((space, one, _), links) in groups {
                if links.len() < 2 || links.len() < self.members[space].len() {
                    continue;
                }
                for at in &links {
                    left.remove(at);
                }
                let (from, to) = if towards {
                    (Anchor::End(one), Anchor::Space(space))
                } else {
                    (Anchor::Space(space), Anchor::End(one))
                };
                out.push(Curve { from, to, links });
            }
        }
        let single = left.into_iter().map(|at| {
            let link = &picture.links[at];
            let (from, to) = (Anchor::End(link.source), Anchor::End(link.destination));
            Curve { from, to, links: vec![at] }
        });
        out.extend(single);
        out.sort_by_key(|curve| curve.links.first().copied());
        out
    }
}

/// Draws ends as boxes, those of one namespace in a larger one, and each link as a curve.
pub(in crate::render) fn graph_svg(picture: &Picture, frame: &Frame) -> String {
    let mut svg = Svg::new();
    let spaces = Spaces::new(picture);
    let mut curves = spaces.curves(picture);
    // What a namespace does within itself is written on its box.
    let within = within(picture);
    curves.retain(|curve| curve.links.iter().all(|at| !within.values().any(|(own, _)| own == at)));
    let height_of = |at: usize| if within.contains_key(&at) { HEIGHT + 14.0 } else { HEIGHT };
    let width_of_end = |at: usize| {
        let inner = within.get(&at).map_or(0.0, |(_, text)| width_of(text, 9.5));
        width_of(&shortened(&label(picture, at), 38), FONT).max(inner) + 24.0
    };
    let size = |own: usize| -> (f64, f64) {
        let members = &spaces.members[own];
        let inner = members.iter().map(|&at| width_of_end(at)).fold(60.0, f64::max);
        let height = members.iter().map(|&at| height_of(at) + GAP).sum::<f64>() - GAP;
        if spaces.boxed[own] {
            let title = picture.ends[members[0]].namespace.as_deref().unwrap_or_default();
            (inner.max(width_of(title, 11.0)) + 24.0, height + 40.0)
        } else {
            (inner, height)
        }
    };
    let mut edges: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for curve in &curves {
        *edges.entry((spaces.space(curve.from), spaces.space(curve.to))).or_default() += 1;
    }
    let sizes: Vec<(f64, f64)> = (0..spaces.members.len()).map(size).collect();
    let places = Boxes { sizes: sizes.clone(), edges }.placed(COLUMN);
    let mut ends = vec![At::default(); picture.ends.len()];
    let mut boxes = vec![At::default(); spaces.members.len()];
    let mut put = |own: usize, (x, y): (f64, f64), ends: &mut [At], svg: &mut Svg| {
        boxes[own] = At { x, y, width: sizes[own].0, height: sizes[own].1 };
        place(picture, &spaces.members[own], spaces.boxed[own], boxes[own], &height_of, ends, svg);
    };
    for (own, place) in places.boxes.iter().enumerate() {
        if let Some(place) = place {
            put(own, *place, &mut ends, &mut svg);
        }
    }
    // What has no link to another box stands below, side by side.
    let most = places.size.0.max(900.0);
    let below = if places.size.1 > 0.0 { places.size.1 + 36.0 } else { 0.0 };
    let (mut x, mut y, mut line) = (0.0, below, 0.0_f64);
    for own in (0..sizes.len()).filter(|own| places.boxes[*own].is_none()) {
        let (width, height) = sizes[own];
        if x > 0.0 && x + width > most {
            (x, y, line) = (0.0, y + line + 24.0, 0.0);
        }
        put(own, (x, y), &mut ends, &mut svg);
        x += width + 60.0;
        line = line.max(height);
    }
    let ways = Ways { ends: &ends, boxes: &boxes, of: &spaces.of, places: Some(&places) };
    let labels = draw_curves(picture, &curves, &ways, frame.id, &mut svg);
    for (at, place) in ends.iter().enumerate() {
        end(picture, at, *place, within.get(&at), &mut svg);
    }
    svg.body.push_str(&labels);
    legend(picture, &mut svg);
    let what = match picture.level {
        Level::Workloads => {
            "Workloads, in the boxes of their namespaces, and who may connect to whom."
        }
        Level::Namespaces => "Namespaces, and between which of them workloads may connect.",
    };
    svg.finish(frame, what)
}

/// Of namespaces: the link of each to itself, and what is written of it.
fn within(picture: &Picture) -> BTreeMap<usize, (usize, String)> {
    let links = picture.links.iter().enumerate();
    let own = links
        .filter(|(_, link)| picture.level == Level::Namespaces && link.source == link.destination);
    own.map(|(at, link)| {
        let text = format!(
            "within: {} of {} pairs, {}",
            link.pairs,
            link.of,
            shortened(&link.label(), 24)
        );
        (link.source, (at, text))
    })
    .collect()
}

/// What is written on an end.
pub(super) fn label(picture: &Picture, at: usize) -> String {
    let end = &picture.ends[at];
    match (end.kind, picture.level) {
        (EndKind::Namespace, _) => {
            let space = end.namespace.as_deref().unwrap_or_default();
            let s = if end.workloads == 1 { "" } else { "s" };
            format!("{space} ({} workload{s})", end.workloads)
        }
        _ => end.name.clone(),
    }
}

fn place(
    picture: &Picture,
    members: &[usize],
    is_space: bool,
    own: At,
    height_of: &dyn Fn(usize) -> f64,
    ends: &mut [At],
    svg: &mut Svg,
) {
    svg.reach(own.right(), own.y + own.height);
    let (mut top, inset) = if is_space { (own.y + 28.0, 12.0) } else { (own.y, 0.0) };
    if is_space {
        let name = picture.ends[members[0]].namespace.as_deref().unwrap_or_default();
        let _ = write!(
            svg.body,
            "<rect class=\"band\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
            number(own.x),
            number(own.y),
            number(own.width),
            number(own.height)
        );
        svg.text("label-muted", (own.x + 12.0, own.y + 18.0), 11.0, " font-weight=\"600\"", name);
    }
    for &at in members {
        ends[at] =
            At { x: own.x + inset, y: top, width: own.width - 2.0 * inset, height: height_of(at) };
        top += height_of(at) + GAP;
    }
}

/// One end: what is outside is round.
pub(super) fn end(
    picture: &Picture,
    at: usize,
    place: At,
    within: Option<&(usize, String)>,
    svg: &mut Svg,
) {
    let own = &picture.ends[at];
    let round = if own.is_inside() { 4.0 } else { HEIGHT / 2.0 };
    let mut title = own.full_name();
    if own.members.len() > 1 {
        let few: Vec<&str> = own.members.iter().take(20).map(String::as_str).collect();
        let more = own.members.len() - few.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = write!(title, ": {}{more}", few.join(", "));
    }
    let _ = write!(
        svg.body,
        "<g data-n=\"{}\"><title>{}</title><rect class=\"node\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{round}\"/>",
        node_ids(picture, at),
        escape(&title),
        number(place.x),
        number(place.y),
        number(place.width),
        number(place.height)
    );
    let name = shortened(&label(picture, at), 38);
    svg.text(
        "label",
        (place.x + place.width / 2.0, place.y + HEIGHT / 2.0 + 4.0),
        FONT,
        " text-anchor=\"middle\"",
        &name,
    );
    for (direction, x) in
        [(Direction::Ingress, place.x), (Direction::Egress, place.x + place.width)]
    {
        if own.is_inside() && own.open[direction.index()] > 0 {
            let _ = write!(
                svg.body,
                "<circle class=\"badge\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
                number(x),
                number(place.middle()),
                if own.is_open(direction) { 4 } else { 2 }
            );
        }
    }
    svg.body.push_str("</g>");
    if let Some((link, text)) = within {
        let _ = write!(
            svg.body,
            "<g data-e=\"{}\"><title>{}</title>",
            link_ids(picture, *link),
            escape(&told(picture, &picture.links[*link]))
        );
        let at = (place.x + place.width / 2.0, place.y + HEIGHT + 6.0);
        svg.text("label-muted", at, 9.5, " text-anchor=\"middle\"", text);
        svg.body.push_str("</g>");
    }
    svg.reach(place.x + place.width, place.y + place.height);
}

/// Which side of a box a curve leaves from, or comes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Flank {
    Left,
    Right,
}

/// What curves run between.
pub(super) struct Ways<'w> {
    pub(super) ends: &'w [At],
    pub(super) boxes: &'w [At],
    /// The box of each end.
    pub(super) of: &'w [usize],
    pub(super) places: Option<&'w Places>,
}

impl Ways<'_> {
    fn at(&self, anchor: Anchor) -> At {
        match anchor {
            Anchor::End(at) => self.ends[at],
            Anchor::Space(place) => self.boxes[place],
        }
    }

    fn space(&self, anchor: Anchor) -> usize {
        match anchor {
            Anchor::End(at) => self.of[at],
            Anchor::Space(place) => place,
        }
    }

    fn flanks(&self, curve: &Curve) -> (Flank, Flank) {
        let (from, to) = (self.at(curve.from), self.at(curve.to));
        if to.x > from.right() {
            (Flank::Right, Flank::Left)
        } else if from.x > to.right() {
            (Flank::Left, Flank::Right)
        } else {
            (Flank::Right, Flank::Right)
        }
    }

    /// The points that a curve goes through, and where it is level: pairs of (x, y), each but the ends of a lane
    /// with a bend on either side.
    fn points(&self, curve: &Curve, offsets: [f64; 3]) -> Vec<(f64, f64)> {
        let (from, to) = (self.at(curve.from), self.at(curve.to));
        let (leave, come) = self.flanks(curve);
        let x_of = |own: At, flank: Flank| if flank == Flank::Left { own.x } else { own.right() };
        let (y1, mut y2) = (from.middle() + offsets[0], to.middle() + offsets[1]);
        if curve.from == curve.to {
            y2 = from.middle() + 9.0;
        }
        let mut points = vec![(x_of(from, leave), y1)];
        if leave != come
            && let Some(places) = self.places
        {
            let leftwards = leave == Flank::Left;
            let lanes = places.lanes(self.space(curve.from), self.space(curve.to), leftwards);
            for (first, second, middle) in lanes {
                points.push((first, middle + offsets[2]));
                points.push((second, middle + offsets[2]));
            }
        }
        points.push((x_of(to, come), y2));
        points
    }
}

/// A curve at a side of a box: the height of its other end, its place, whether it leaves from here.
type Tied = (i64, usize, bool);

/// Where on a box each curve is tied: curves at one side of it are spread, in the order of their other ends; and
/// how far it is from the middle of a lane.
fn offsets(curves: &[Curve], ways: &Ways<'_>) -> Vec<[f64; 3]> {
    let mut at_side: BTreeMap<(Anchor, Flank), Vec<Tied>> = BTreeMap::new();
    let mut in_lane: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (at, curve) in curves.iter().enumerate() {
        let (leave, come) = ways.flanks(curve);
        #[expect(clippy::cast_possible_truncation, reason = "a place in a picture")]
        let height = |anchor: Anchor| (ways.at(anchor).middle() * 10.0) as i64;
        at_side.entry((curve.from, leave)).or_default().push((height(curve.to), at, true));
        at_side.entry((curve.to, come)).or_default().push((height(curve.from), at, false));
        let (a, b) = (ways.space(curve.from), ways.space(curve.to));
        in_lane.entry((a.min(b), a.max(b))).or_default().push(at);
    }
    let mut out = vec![[0.0; 3]; curves.len()];
    for ((anchor, _), list) in &mut at_side {
        list.sort_unstable();
        let room = (ways.at(*anchor).height - 8.0).min(160.0);
        let step = (room / to_f64(list.len())).min(8.0);
        let start = -step * (to_f64(list.len()) - 1.0) / 2.0;
        for (index, &(_, curve, is_source)) in list.iter().enumerate() {
            out[curve][usize::from(!is_source)] = start + step * to_f64(index);
        }
    }
    for list in in_lane.values() {
        let step = (4.0 * to_f64(list.len().min(12)) / to_f64(list.len())).min(4.0);
        let start = -step * (to_f64(list.len()) - 1.0) / 2.0;
        for (index, &curve) in list.iter().enumerate() {
            out[curve][2] = start + step * to_f64(index);
        }
    }
    out
}

/// Draws all curves. Returns their labels, which stand above everything else.
pub(super) fn draw_curves(
    picture: &Picture,
    curves: &[Curve],
    ways: &Ways<'_>,
    id: &str,
    svg: &mut Svg,
) -> String {
    let offsets = offsets(curves, ways);
    let mut taken: Vec<(f64, f64, f64)> =
        ways.ends.iter().map(|own| (own.x, own.y + 6.0, own.width)).collect();
    let mut labels = String::new();
    for (curve, offsets) in curves.iter().zip(offsets) {
        let points = ways.points(curve, offsets);
        let mut path = format!("M{} {}", number(points[0].0), number(points[0].1));
        // The bends, by their four points: labels stand on them.
        let mut bends: Vec<[(f64, f64); 4]> = Vec::new();
        for (index, two) in points.windows(2).enumerate() {
            let [(x1, y1), (x2, y2)] = *two else { continue };
            if index % 2 == 1 {
                let _ = write!(path, "H{}", number(x2));
                continue;
            }
            let same_side = points.len() == 2 && ways.flanks(curve) == (Flank::Right, Flank::Right);
            let (c1, c2) = if same_side {
                let bend = 36.0 + (y2 - y1).abs() * 0.18;
                (x1.max(x2) + bend, x1.max(x2) + bend)
            } else {
                let bend = (x2 - x1).abs() * 0.5;
                if x2 > x1 { (x1 + bend, x2 - bend) } else { (x1 - bend, x2 + bend) }
            };
            let _ = write!(
                path,
                "C{} {} {} {} {} {}",
                number(c1),
                number(y1),
                number(c2),
                number(y2),
                number(x2),
                number(y2)
            );
            bends.push([(x1, y1), (c1, y1), (c2, y2), (x2, y2)]);
            svg.reach(c1.max(c2).max(x1).max(x2) - 12.0, y1.max(y2) + 6.0);
        }
        let link = &picture.links[curve.links[0]];
        let state = state(link);
        let title: Vec<String> =
            curve.links.iter().take(12).map(|&at| told(picture, &picture.links[at])).collect();
        let more = curve.links.len() - title.len();
        let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
        let ids: Vec<String> = curve.links.iter().map(|&at| link_ids(picture, at)).collect();
        let ids = ids.join(" ");
        let weight = if curve.links.len() > 1 { " stroke-width=\"2.4\"" } else { "" };
        let _ = write!(
            svg.body,
            "<g data-e=\"{ids}\"><title>{}</title><path class=\"hit\" d=\"{path}\"/><path class=\"edge edge-{state}\" d=\"{path}\"{weight} marker-end=\"url(#tip{id})\"/></g>",
            escape(&format!("{}{more}", title.join("\n")))
        );
        if curves.len() <= LABELLED {
            let mut text = shortened(&link.label(), 24);
            if picture.level == Level::Namespaces {
                let of = if link.pairs < link.of {
                    format!("{} of {}", link.pairs, link.of)
                } else {
                    "all pairs".into()
                };
                text = format!("{of}: {}", shortened(&link.label(), 18));
            }
            label_of(&bends, &text, &ids, &mut taken, &mut labels, svg);
        }
    }
    labels
}

/// Puts a label on a curve where it hides the least of others and of boxes.
fn label_of(
    bends: &[[(f64, f64); 4]],
    text: &str,
    ids: &str,
    taken: &mut Vec<(f64, f64, f64)>,
    labels: &mut String,
    svg: &mut Svg,
) {
    let width = width_of(text, 9.5) + 6.0;
    let mut best: Option<(f64, f64, f64)> = None;
    for bend in bends {
        for t in [0.5, 0.38, 0.62, 0.26, 0.74, 0.16, 0.84] {
            let u = 1.0 - t;
            let on = |a: f64, b: f64, c: f64, d: f64| {
                u * u * u * a + 3.0 * u * u * t * b + 3.0 * u * t * t * c + t * t * t * d
            };
            let x = on(bend[0].0, bend[1].0, bend[2].0, bend[3].0) - width / 2.0;
            let y = on(bend[0].1, bend[1].1, bend[2].1, bend[3].1) - 7.0;
            let hidden: f64 = taken
                .iter()
                .map(|(other_x, other_y, other_width)| {
                    let wide = (x + width).min(other_x + other_width) - x.max(*other_x);
                    let high = 13.0 - (y - other_y).abs();
                    wide.max(0.0) * high.max(0.0)
                })
                .sum();
            if best.is_none_or(|(least, ..)| hidden < least - 0.5) {
                best = Some((hidden, x, y));
            }
        }
    }
    let Some((_, x, y)) = best else { return };
    taken.push((x, y, width));
    let _ = write!(
        labels,
        "<g data-e=\"{ids}\"><rect class=\"cell-none\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"13\" rx=\"3\"/><text class=\"label\" x=\"{}\" y=\"{}\" font-size=\"9.5\" text-anchor=\"middle\">{}</text></g>",
        number(x),
        number(y),
        number(width),
        number(x + width / 2.0),
        number(y + 10.0),
        escape(text)
    );
    svg.reach(x + width + 4.0, y + 14.0);
}

/// What marks mean, of those that are there.
pub(super) fn legend(picture: &Picture, svg: &mut Svg) {
    let states: BTreeSet<&str> = picture.links.iter().map(state).collect();
    let mut entries: Vec<(&str, &str)> = Vec::new();
    for (state, text) in [
        ("unknown", "undetermined (dashed)"),
        ("added", "opens"),
        ("removed", "closes (dotted)"),
        ("changed", "other ports"),
    ] {
        if states.contains(state) {
            entries.push((state, text));
        }
    }
    if picture.ends.iter().any(|end| end.open[Direction::Ingress.index()] > 0) {
        entries.push((
            "badge",
            "left: accepts everything, as no policy selects it for ingress (small: some of it)",
        ));
    }
    if picture.ends.iter().any(|end| end.open[Direction::Egress.index()] > 0) {
        entries.push((
            "badge",
            "right: may reach everything, as no policy selects it for egress (small: some of it)",
        ));
    }
    let y = svg.height + 26.0;
    let (mut x, mut y) = (0.0, y);
    let most = svg.width.max(600.0);
    for (state, text) in entries {
        let width = 30.0 + width_of(text, 11.0) + 16.0;
        if x > 0.0 && x + width > most {
            (x, y) = (0.0, y + 18.0);
        }
        let _ = if state == "badge" {
            write!(
                svg.body,
                "<circle class=\"badge\" cx=\"{}\" cy=\"{}\" r=\"4\"/>",
                number(x + 12.0),
                number(y - 4.0)
            )
        } else {
            write!(
                svg.body,
                "<path class=\"edge edge-{state}\" d=\"M{0} {1}H{2}\"/>",
                number(x),
                number(y - 4.0),
                number(x + 24.0)
            )
        };
        svg.text("label-muted", (x + 30.0, y), 11.0, "", text);
        svg.reach(x + width, y + 4.0);
        x += width;
    }
}
