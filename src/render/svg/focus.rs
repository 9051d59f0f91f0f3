//! One end in the middle: who reaches it on the left, whom it reaches on the right.

use super::graph::{Anchor, At, Curve, HEIGHT, Ways, draw_curves, end, label, legend};
use super::{Frame, Svg, shortened, to_f64, width_of};
use crate::analysis::{Link, Picture, PictureEnd};
use std::collections::BTreeMap;

/// Draws a picture whose ends have columns.
pub(in crate::render) fn focus_svg(picture: &Picture, frame: &Frame) -> String {
    let mut svg = Svg::new();
    let mut columns: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (at, own) in picture.ends.iter().enumerate() {
        columns.entry(own.column).or_default().push(at);
    }
    let gap = 14.0;
    let tallest = columns.values().map(Vec::len).max().unwrap_or(0);
    let height = to_f64(tallest) * (HEIGHT + gap) - gap;
    let mut places = vec![At::default(); picture.ends.len()];
    let mut x = 0.0;
    let top = 26.0;
    for (&column, members) in &columns {
        let heading = match column {
            0 => String::new(),
            -1 => "reach it".into(),
            1 => "it reaches".into(),
            far if far < 0 => format!("reach it in {} steps", -far),
            far => format!("it reaches in {far} steps"),
        };
        // By where the ends of the next column towards the middle stand, where these are placed already.
        let mut order: Vec<(f64, usize)> = members
            .iter()
            .map(|&at| {
                let near = picture.links.iter().filter_map(|link| {
                    let other = if link.source == at {
                        link.destination
                    } else if link.destination == at {
                        link.source
                    } else {
                        return None;
                    };
                    (picture.ends[other].column < column).then(|| places[other].y)
                });
                let near: Vec<f64> = near.collect();
                let middle = if near.is_empty() {
                    0.0
                } else {
                    near.iter().sum::<f64>() / to_f64(near.len())
                };
                (middle, at)
            })
            .collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let names = members.iter().map(|&at| width_of(&shortened(&full(picture, at), 38), 12.0));
        let width = names.fold(60.0, f64::max) + 24.0;
        let own = to_f64(members.len()) * (HEIGHT + gap) - gap;
        let mut y = top + (height - own) / 2.0;
        svg.text("label-muted", (x, 12.0), 11.0, " font-weight=\"600\"", &heading);
        for (_, at) in order {
            places[at] = At { x, y, width, height: HEIGHT };
            y += HEIGHT + gap;
        }
        x += width + 170.0;
    }
    // Names stand without the boxes of their namespaces here: they say it themselves.
    let named = |(at, own): (usize, &PictureEnd)| {
        let mut own = own.clone();
        (own.name, own.namespace) = (full(picture, at), None);
        own
    };
    let ends = picture.ends.iter().enumerate().map(named).collect();
    let shown = Picture { ends, ..picture.clone() };
    let curve = |(at, link): (usize, &Link)| Curve {
        from: Anchor::End(link.source),
        to: Anchor::End(link.destination),
        links: vec![at],
    };
    let curves: Vec<Curve> = shown.links.iter().enumerate().map(curve).collect();
    let of: Vec<usize> = (0..places.len()).collect();
    let ways = Ways { ends: &places, boxes: &places, of: &of, places: None };
    let labels = draw_curves(&shown, &curves, &ways, frame.id, &mut svg);
    for (at, place) in places.iter().enumerate() {
        end(&shown, at, *place, None, &mut svg);
    }
    svg.body.push_str(&labels);
    legend(&shown, &mut svg);
    svg.finish(
        frame,
        "One end in the middle; who reaches it on the left, whom it reaches on the right.",
    )
}

fn full(picture: &Picture, at: usize) -> String {
    let own = &picture.ends[at];
    match &own.namespace {
        Some(namespace) => format!("{namespace}/{}", label(picture, at)),
        None => label(picture, at),
    }
}
