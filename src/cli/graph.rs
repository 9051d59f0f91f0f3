//! `kubereach graph`

use super::Status;
use super::args::{CniArg, DirectionArg, Global, GraphArgs, GraphFormat, ViewArg};
use super::console;
use crate::analysis::{
    Diff, DiffCause, Filter, Link, Picture, Shown, View, World, diff, list, listed_policies,
    resolve_endpoint,
};
use crate::cluster::{Overlay, PodId, WorkloadId};
use crate::engine::{Model, Peer};
use crate::render::{self, Drawing, Frame, Why};
use std::collections::BTreeSet;
use std::path::Path;

/// Up to so many workloads a focus is drawn from all pairs, open ones too; beyond, from those of the focus.
const ALL_PAIRS: usize = 400;

pub(super) fn run(args: &GraphArgs, global: &Global) -> Status {
    let format = match format(args) {
        Ok(format) => format,
        Err(status) => return status,
    };
    if args.view == Some(ViewArg::Diff) && !args.input.overlay.is_asked() {
        let help = "add `--apply FILE`, `--delete OBJECT` or another edit; `kubereach diff` compares two trees";
        return console::usage_error(
            "`--view diff` draws what edits change, and there are none",
            Some(help),
        );
    }
    // A difference reads it for each of its sides.
    if args.view == Some(ViewArg::Diff)
        && args.input.filename.iter().chain(&args.input.overlay.apply).any(|path| path == "-")
    {
        console::share_standard_input();
    }
    let filtered = asked(args).is_some();
    if args.view == Some(ViewArg::Diff) && filtered {
        let help = "leave the filter out, or ask `kubereach diff`";
        return console::usage_error(
            "`--view diff` draws every change, and takes no filter",
            Some(help),
        );
    }
    let world = match console::open(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let filter = match console::filter(world, &args.input, &args.filter) {
        Ok(filter) => filter,
        Err(status) => return status,
    };
    let mut inputs = args.input.filename.clone();
    let folders = args.input.kustomize.iter().chain(&args.input.helm);
    inputs.extend(folders.map(|own| own.to_string_lossy().into_owned()));
    inputs.sort();
    let title = inputs.join(" ");
    if args.view == Some(ViewArg::Diff) {
        return change(args, global, world, format, title);
    }
    let pods = match args.focus.as_deref().map(|text| focus(world, text)).transpose() {
        Ok(pods) => pods,
        Err(status) => return status,
    };
    let filter = match &pods {
        None => filter,
        Some(_) if world.cluster.workloads.len() <= ALL_PAIRS => Filter { open: true, ..filter },
        Some(pods) => Filter { open: true, pods: Some(pods.clone()), ..filter },
    };
    let policies = listed_policies(world);
    let model = Model::new(&world.cluster, &policies);
    let listing = list(world, &model, &filter);
    let undetermined =
        listing.unenforced || listing.rows.iter().any(|row| !row.verdict.unknown.is_empty());
    let only = only(world, &filter);
    let mut picture = Picture::new(world, &listing, only.as_ref());
    picture.filter = asked(args);
    picture.notes.extend(render::on_nodes(world, &listing));
    let mut title = title;
    if let (Some(pods), Some(name)) = (&pods, &args.focus) {
        picture = picture.focus(pods, usize::from(args.depth));
        picture.filter = Some(match args.depth {
            1 => format!("who reaches {name} and whom it reaches"),
            depth => format!("who reaches {name} and whom it reaches in {depth} steps"),
        });
        title = format!("{name} in {title}");
        if world.cluster.workloads.len() > ALL_PAIRS && args.depth > 1 {
            picture.notes.push(format!(
                "Drawn are connections of `{name}` itself: beyond {ALL_PAIRS} workloads further steps are not (`kubereach blast-radius` tells them)."
            ));
        }
    }
    let wish = match (args.view, &pods) {
        (_, Some(_)) => Some(View::Focus),
        (Some(ViewArg::Matrix), _) => Some(View::Matrix),
        (Some(ViewArg::Overview), _) => Some(View::Overview),
        (Some(ViewArg::Workloads), _) => Some(View::Workloads),
        // Languages of boxes and arrows have no matrix.
        (_, None) if matches!(format, GraphFormat::Mermaid | GraphFormat::Json) => {
            Some(View::Workloads)
        }
        (_, None) => None,
    };
    let drawing = Drawing { world, listing: Some(&listing), frame: frame(world, &picture, title) };
    // Graphviz draws the list as it is: it finds the places itself.
    if format == GraphFormat::Dot && matches!(wish, None | Some(View::Workloads)) {
        return written(
            args,
            render::dot(world, &listing, &drawing.frame.title).into(),
            undetermined,
        );
    }
    let status = match draw(format, &drawing, &picture, wish, (&arguments(args), None)) {
        Ok(bytes) => written(args, bytes, undetermined),
        Err(message) => console::usage_error(&message, None),
    };
    // The process ends here: to take large ones apart would only cost time.
    std::mem::forget((model, listing, picture));
    status
}

/// The language that was asked for, or that the name of the file shows.
fn format(args: &GraphArgs) -> Result<GraphFormat, Status> {
    if let Some(format) = args.output {
        return Ok(format);
    }
    let ending = args.out.as_deref().and_then(Path::extension);
    match ending.map(|own| own.to_string_lossy().to_ascii_lowercase()).as_deref() {
        None | Some("dot" | "gv") => Ok(GraphFormat::Dot),
        Some("svg") => Ok(GraphFormat::Svg),
        Some("html" | "htm") => Ok(GraphFormat::Html),
        Some("mmd" | "mermaid") => Ok(GraphFormat::Mermaid),
        Some("json") => Ok(GraphFormat::Json),
        #[cfg(feature = "png")]
        Some("png") => Ok(GraphFormat::Png),
        #[cfg(not(feature = "png"))]
        Some("png") => {
            let help = "`cargo install kubereach --features png`; `-o svg` needs nothing";
            Err(console::usage_error("this program was built without PNG", Some(help)))
        }
        Some(other) => {
            let message = format!("no picture has the ending `.{other}`");
            Err(console::usage_error(&message, Some("`-o FORMAT` says which language it is to be")))
        }
    }
}

fn draw(
    format: GraphFormat,
    drawing: &Drawing<'_>,
    picture: &Picture,
    wish: Option<View>,
    (arguments, found): (&[String], Option<&Diff>),
) -> Result<Vec<u8>, String> {
    Ok(match format {
        GraphFormat::Dot => {
            let shown = picture.shown(Some(wish.unwrap_or(View::Workloads)));
            if shown.view == View::Matrix {
                return Err("Graphviz draws no matrix: `-o svg` does, and `--view overview` has few enough boxes".into());
            }
            render::picture_dot(drawing, &shown.picture).into()
        }
        GraphFormat::Mermaid => {
            if wish == Some(View::Matrix) {
                return Err("Mermaid draws no matrix: `-o svg` does".into());
            }
            render::mermaid(drawing, picture, wish).into()
        }
        GraphFormat::Svg => svg(drawing, &picture.shown(wish)).into(),
        GraphFormat::Html => {
            let base = picture.base();
            let reasons: Vec<Vec<Why>> = match (drawing.listing, found) {
                (Some(listing), _) => base
                    .reasons(drawing.world, listing)
                    .iter()
                    .map(|own| own.iter().map(|reason| Why::of(drawing.world, reason)).collect())
                    .collect(),
                (None, Some(found)) => base.links.iter().map(|link| causes(found, link)).collect(),
                (None, None) => Vec::new(),
            };
            render::page(drawing, &base, &reasons, arguments, wish).into()
        }
        GraphFormat::Json => {
            let value = render::picture_json(drawing, picture, wish);
            let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
            text.push('\n');
            text.into()
        }
        #[cfg(feature = "png")]
        GraphFormat::Png => {
            let light = Frame { place: render::Place::Light, ..drawing.frame.clone() };
            let light = Drawing { frame: light, ..drawing.clone() };
            render::png(&svg(&light, &picture.shown(wish)))?
        }
    })
}

/// What causes a link of a difference.
fn causes(found: &Diff, link: &Link) -> Vec<Why> {
    let rows = link.rows.iter().filter_map(|&at| found.rows.get(at)).take(1);
    let of = |cause: &DiffCause| Why {
        direction: None,
        text: if cause.after { cause.text.clone() } else { format!("removed: {}", cause.text) },
        place: cause.place.as_ref().map(ToString::to_string),
    };
    rows.flat_map(|row| row.causes.iter().map(of)).collect()
}

/// What a command line about the same input starts with.
fn arguments(args: &GraphArgs) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let input = &args.input;
    let mut add = |flag: &str, values: &[String]| {
        out.push(flag.to_owned());
        out.extend(values.iter().cloned());
    };
    let path = |own: &Path| own.to_string_lossy().into_owned();
    for file in &input.filename {
        add("-f", std::slice::from_ref(file));
    }
    for folder in &input.kustomize {
        add("-k", &[path(folder)]);
    }
    for chart in &input.helm {
        add("--helm", &[path(chart)]);
    }
    for values in &input.values {
        add("--values", &[path(values)]);
    }
    if let Some(CniArg::One(cni)) = &input.cni {
        add("--cni", &[cni.to_string()]);
    }
    if let Some(distribution) = input.distribution {
        add("--distribution", &[distribution.name.to_owned()]);
    }
    for block in &input.pod_cidr {
        add("--pod-cidr", &[block.to_string()]);
    }
    for (name, address) in &input.resolve {
        add("--resolve", &[format!("{name}={address}")]);
    }
    for (asked, flag) in [
        (input.skip_invalid, "--skip-invalid"),
        (input.ignore_unsupported, "--ignore-unsupported"),
        (input.include_finished, "--include-finished"),
    ] {
        if asked {
            add(flag, &[]);
        }
    }
    for file in &input.overlay.apply {
        add("--apply", std::slice::from_ref(file));
    }
    for object in &input.overlay.delete {
        add("--delete", &[object.to_string()]);
    }
    for pair in input.overlay.label.chunks_exact(2) {
        add("--label", pair);
    }
    for pair in input.overlay.namespace_label.chunks_exact(2) {
        add("--namespace-label", pair);
    }
    for (name, pods) in &input.overlay.scale {
        add("--scale", &[format!("{name}={pods}")]);
    }
    out
}

/// What is asked for in words, if not everything is drawn.
fn asked(args: &GraphArgs) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    parts
        .extend(args.input.namespace.iter().map(|name| format!("connections of namespace {name}")));
    parts.extend(args.filter.workload.iter().map(|end| format!("connections of {end}")));
    parts.extend(args.filter.direction.map(|own| match own {
        DirectionArg::Ingress => "into it".to_owned(),
        DirectionArg::Egress => "out of it".to_owned(),
    }));
    if !args.filter.port.is_empty() {
        parts.push(format!("port {}", args.filter.port.join(", ")));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn svg(drawing: &Drawing<'_>, shown: &Shown) -> String {
    render::picture_svg(drawing, shown)
}

/// What the edits open and close.
fn change(
    args: &GraphArgs,
    global: &Global,
    after: &World,
    format: GraphFormat,
    title: String,
) -> Status {
    let as_is = console::Parts { overlay: Some(Overlay::default()), ..console::Parts::default() };
    let before = console::read_parts(&args.input, as_is, global);
    let before = match before {
        Ok(world) => world,
        Err(status) => return status,
    };
    let found = diff(before, after);
    let picture = Picture::of_diff(&found);
    let frame = Frame {
        subtitle: format!(
            "as if: {}; {}",
            after.edits.join(", "),
            match picture.links.len() {
                0 => "no connection changes".to_owned(),
                1 => "1 connection changes".to_owned(),
                many => format!("{many} connections change"),
            }
        ),
        notes: picture.notes.clone(),
        title,
        ..Frame::default()
    };
    let drawing = Drawing { world: after, listing: None, frame };
    match draw(format, &drawing, &picture, Some(View::Diff), (&arguments(args), Some(&found))) {
        Ok(bytes) => {
            let unknown = found.rows.iter().any(|row| row.before.unknown != row.after.unknown);
            written(args, bytes, unknown || !found.apart.is_empty() || found.unread)
        }
        Err(message) => console::usage_error(&message, None),
    }
}

/// The pods that a focus is about.
fn focus(world: &World, text: &str) -> Result<BTreeSet<PodId>, Status> {
    let end = resolve_endpoint(world, text)
        .map_err(|error| console::usage_error(&error.message, error.help.as_deref()))?;
    let pods = end.members.iter().filter_map(|member| match member.peer {
        Peer::Pod(id) => Some(id),
        Peer::Node(..) | Peer::External(_) | Peer::Name(..) => None,
    });
    let pods: BTreeSet<PodId> = pods.collect();
    if pods.is_empty() {
        let message = format!("`{text}` has no pods to draw");
        return Err(console::usage_error(
            &message,
            Some("a focus is a workload, a pod, labels or a Service"),
        ));
    }
    Ok(pods)
}

/// The workloads that are drawn with or without a link; `None`: all.
fn only(world: &World, filter: &Filter) -> Option<BTreeSet<WorkloadId>> {
    if filter.namespace.is_none() && filter.pods.is_none() {
        return None;
    }
    let cluster = &world.cluster;
    let of_space = filter.namespace.as_deref().and_then(|name| cluster.find_namespace(name));
    let spaces = of_space.into_iter().flat_map(|id| cluster.workloads_in(id));
    let pods = filter.pods.iter().flatten().map(|&pod| cluster.pod(pod).workload);
    Some(spaces.chain(pods).collect())
}

/// What stands around a picture of a list.
fn frame(world: &World, picture: &Picture, title: String) -> Frame {
    let subtitle = render::enforced(world);
    let mut notes = picture.notes.clone();
    if picture.unenforced {
        notes.push("Drawn is what policies allow: nobody knows whether anything enforces them, so all else is undetermined.".into());
    }
    if !world.edits.is_empty() {
        notes.push(format!("As if: {}.", world.edits.join(", ")));
    }
    let left = world.left_out();
    if left.broken + left.unsupported > 0 {
        notes.push(format!(
            "{} objects are left out, as was asked for.",
            left.broken + left.unsupported
        ));
    }
    Frame { title, subtitle, notes, ..Frame::default() }
}

fn written(args: &GraphArgs, bytes: Vec<u8>, undetermined: bool) -> Status {
    match &args.out {
        None => console::print_bytes(&bytes),
        Some(path) => {
            if let Err(error) = std::fs::write(path, bytes) {
                let message = format!("cannot write `{}`: {error}", path.display());
                return console::usage_error(&message, None);
            }
        }
    }
    if undetermined { Status::Undetermined } else { Status::Success }
}
