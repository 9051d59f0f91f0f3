//! Pictures as SVG, by a layout of our own: no program beside this one is needed to see them.
//!
//! ```text
//!   Picture ─ matrix ─▶ cells by source and destination, the form for more than twenty ends
//!           ─ graph  ─▶ boxes by namespace, curves between them (layout)
//!           ─ focus  ─▶ columns around one end
//! ```
//!
//! Colours are those of Okabe and Ito, which colour-blind readers tell apart, and none says anything alone: a cell
//! for some ports is smaller, one that is undetermined is hatched, a change has a sign. A picture that stands alone
//! has its style and follows the reader's light or dark; one in a page has the page's.

mod focus;
mod graph;
mod layout;
mod matrix;

pub(super) use focus::focus_svg;
pub(super) use graph::graph_svg;
pub(super) use matrix::matrix_svg;

use crate::analysis::{Link, Picture};
use std::fmt::Write as _;

/// What stands around a picture.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// What it is of.
    pub title: String,
    /// Whose reading of the policies it shows, and how much of how much.
    pub subtitle: String,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// How it is to be seen.
    pub place: Place,
    /// What tells it apart from other pictures of a page: letters.
    pub id: &'static str,
}

/// Where a picture is to be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Alone, light or dark as the reader likes it.
    #[default]
    Alone,
    /// Alone, and light: for programs that know no media queries.
    Light,
    /// In a page, which has a style and a heading.
    Page,
}

const LIGHT: [&str; 12] = [
    "#ffffff", "#1b1f24", "#5b6470", "#d3d8de", "#f5f6f8", "#0072b2", "#7cc4ec", "#eceef1",
    "#e69f00", "#009e73", "#d55e00", "#cc79a7",
];
const DARK: [&str; 12] = [
    "#14171b", "#e3e6ea", "#9aa4b0", "#363d47", "#1c2026", "#56b4e9", "#1f6590", "#22272e",
    "#e69f00", "#1fbf92", "#f0803c", "#dc95bd",
];

fn rules(colours: [&str; 12]) -> String {
    let [bg, fg, muted, line, band, all, some, none, unknown, added, removed, changed] = colours;
    format!(
        ".bg{{fill:{bg}}}.title,.label{{fill:{fg}}}.sub,.label-muted{{fill:{muted}}}\
         .band{{fill:{band};stroke:{line}}}.node{{fill:{bg};stroke:{muted}}}\
         .edge{{stroke:{all}}}.arrow{{fill:{all}}}.edge-some{{stroke:{all}}}.edge-unknown{{stroke:{unknown}}}\
         .edge-added{{stroke:{added}}}.edge-removed{{stroke:{removed}}}.edge-changed{{stroke:{changed}}}\
         .badge{{fill:{removed}}}.line{{stroke:{line}}}\
         .cell-all{{fill:{all}}}.cell-some{{fill:{some}}}.cell-none{{fill:{none}}}.cell-unknown{{fill:{unknown}}}\
         .cell-added{{fill:{added}}}.cell-removed{{fill:{removed}}}.cell-changed{{fill:{changed}}}"
    )
}

/// The width of a character, in pixels for each pixel of height, and then some: fonts differ.
const WIDTH: f64 = 0.58;

/// A picture in the making.
struct Svg {
    body: String,
    width: f64,
    height: f64,
}

impl Svg {
    fn new() -> Self {
        Self { body: String::new(), width: 0.0, height: 0.0 }
    }

    /// Makes room for a place.
    fn reach(&mut self, x: f64, y: f64) {
        self.width = self.width.max(x);
        self.height = self.height.max(y);
    }

    fn text(&mut self, class: &str, (x, y): (f64, f64), size: f64, attributes: &str, text: &str) {
        let _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" font-size=\"{size}\"{attributes}>{}</text>",
            number(x),
            number(y),
            escape(text)
        );
    }

    /// The whole, with what stands around it.
    fn finish(self, frame: &Frame, what: &str) -> String {
        let alone = frame.place != Place::Page;
        let margin = if alone { 16.0 } else { 4.0 };
        let top = if alone { 52.0 } else { 4.0 };
        let notes: Vec<&String> = if alone { frame.notes.iter().collect() } else { Vec::new() };
        let bottom = 16.0 * to_f64(notes.len());
        let longest = notes.iter().map(|note| width_of(note, 11.0)).fold(0.0, f64::max);
        let heading =
            width_of(&frame.title, 15.0).max(width_of(&frame.subtitle, 12.0)).max(longest);
        let inner = if alone { self.width.max(heading) } else { self.width };
        let width = inner + 2.0 * margin;
        let height = self.height + top + margin + bottom;
        let (w, h) = (number(width), number(height));
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" font-family=\"system-ui, 'Segoe UI', Roboto, Arial, 'DejaVu Sans', sans-serif\">"
        );
        if alone {
            let _ = write!(out, "<title>{}</title>", escape(&frame.title));
        }
        let _ = write!(out, "<desc>{}</desc>", escape(&format!("{what} {}", frame.subtitle)));
        if alone {
            let mut style = format!(
                "{}.edge{{fill:none;stroke-width:1.4}}.hit{{fill:none;stroke:none}}.edge-unknown{{stroke-dasharray:5 3}}.edge-removed{{stroke-dasharray:2 3}}.title{{font-weight:600}}.line{{fill:none}}",
                rules(LIGHT)
            );
            if frame.place == Place::Alone {
                let _ = write!(style, "@media (prefers-color-scheme:dark){{{}}}", rules(DARK));
            }
            let _ = write!(
                out,
                "<style>{style}</style><rect class=\"bg\" width=\"{w}\" height=\"{h}\"/>"
            );
        }
        let id = frame.id;
        let _ = write!(
            out,
            "<defs><pattern id=\"hatch{id}\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"2\" height=\"5\" fill=\"#fff\" fill-opacity=\".75\"/></pattern>\
             <marker id=\"tip{id}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"arrow\" d=\"M0 0L8 4L0 8z\"/></marker></defs>"
        );
        if alone {
            let _ = write!(
                out,
                "<text class=\"title\" x=\"{margin}\" y=\"24\" font-size=\"15\">{}</text><text class=\"sub\" x=\"{margin}\" y=\"42\" font-size=\"12\">{}</text>",
                escape(&frame.title),
                escape(&frame.subtitle)
            );
        }
        let _ = write!(out, "<g transform=\"translate({margin} {top})\">{}</g>", self.body);
        for (at, note) in notes.iter().enumerate() {
            let y = self.height + top + 16.0 * (to_f64(at) + 1.0);
            let _ = write!(
                out,
                "<text class=\"sub\" x=\"{margin}\" y=\"{}\" font-size=\"11\">{}</text>",
                number(y),
                escape(note)
            );
        }
        out.push_str("</svg>\n");
        out
    }
}

/// A number without a tail.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[expect(clippy::cast_precision_loss, reason = "counts of what is drawn")]
fn to_f64(count: usize) -> f64 {
    count as f64
}

fn width_of(text: &str, size: f64) -> f64 {
    to_f64(text.chars().count()) * size * WIDTH
}

/// Text and attributes: what XML takes, without control characters.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// At most so many characters of a name: its end tells it from others, and says how many it stands for.
fn shortened(text: &str, most: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    if all.len() <= most {
        return text.to_owned();
    }
    let tail = most / 3;
    let head: String = all[..most - tail - 1].iter().collect();
    let tail: String = all[all.len() - tail..].iter().collect();
    format!("{}…{}", head.trim_end(), tail.trim_start())
}

/// What a page knows an end by: the places of what it joins.
fn node_ids(picture: &Picture, at: usize) -> String {
    joined('n', &picture.ends[at].ids, at)
}

/// The same of a link.
fn link_ids(picture: &Picture, at: usize) -> String {
    joined('e', &picture.links[at].ids, at)
}

fn joined(letter: char, ids: &[usize], at: usize) -> String {
    if ids.is_empty() {
        return format!("{letter}{at}");
    }
    let ids: Vec<String> = ids.iter().map(|id| format!("{letter}{id}")).collect();
    ids.join(" ")
}

/// The class of a link: `all`, `some`, `unknown`, or what a change makes of it.
fn state(link: &Link) -> &'static str {
    match super::picture::state(link) {
        "undetermined" => "unknown",
        other => other,
    }
}

/// What a link is, in words: the tooltip.
fn told(picture: &Picture, link: &Link) -> String {
    let [from, to] = [link.source, link.destination].map(|at| picture.ends[at].full_name());
    let mut text = format!("{from} → {to}: {}", link.label());
    for remark in link.remarks() {
        let _ = write!(text, " ({remark})");
    }
    text
}
