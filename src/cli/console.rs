//! What every verb does: load, report what is wrong, print.

use super::Status;
use super::args::{CniArg, DirectionArg, FilterArgs, Global, Input};
use crate::analysis::{Filter, Given, Options, PortQuery, World, resolve_endpoint};
use crate::cluster::{Assumptions, Overlay, edit};
use crate::diagnostic::{Code, Diagnostic, Severity, SourceMap};
use crate::engine::Peer;
use crate::manifest::{
    GitFile, InputPath, Known, Loaded, RenderError, load_texts, render_chart, render_kustomization,
};
use crate::net::ConnectionSet;
use crate::policy::Direction;
use crate::render::{self, Look, SideNames};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Read, Write};
use std::sync::OnceLock;
use std::time::Duration;

/// Loads the input and reports what is wrong with it. `Err` is the status to end with.
pub(super) fn open(input: &Input, global: &Global) -> Result<&'static mut World, Status> {
    if matches!(input.cni, Some(CniArg::All)) {
        return Err(usage_error("`--cni all` is for `can`: name one CNI", None));
    }
    open_any(input, global)
}

/// The same, for a verb that answers for every CNI as well.
pub(super) fn open_any(input: &Input, global: &Global) -> Result<&'static mut World, Status> {
    let world = read(input, global)?;
    report(world, global);
    if world.errors() > 0 && !world.options.skip_invalid {
        // Nothing to answer with is its own message; broken objects need the way on.
        if world.objects > 0 {
            error_line(&render::summary(&world.diagnostics, world.objects, look(global)));
        }
        return Err(Status::Error);
    }
    if world.cluster.pods.is_empty() && world.errors() > 0 {
        let left = world.left_out().broken;
        let message =
            format!("nothing is left to answer with: {left} broken objects were left out");
        return Err(usage_error(&message, None));
    }
    Ok(world)
}

/// Loads the input without judging it. `Err` is about the edits that were asked for.
///
/// There is one world, and it lasts as long as the program does: to take a large one apart piece by
/// piece would cost as much as an answer.
pub(super) fn read(input: &Input, global: &Global) -> Result<&'static mut World, Status> {
    read_parts(input, Parts::default(), global)
}

/// The same with further parts.
pub(super) fn read_parts(
    input: &Input,
    parts: Parts,
    global: &Global,
) -> Result<&'static mut World, Status> {
    let progress = progress(global);
    let (loaded, overlay) = load_parts(input, parts, &Known::default())?;
    let world = World::new(loaded, options(input, overlay));
    progress.finish_and_clear();
    kept(world)
}

/// What a side is made of beside what the arguments name.
#[derive(Default)]
pub(super) struct Parts {
    /// Further inputs: where `-f` names something, they are applied over that.
    pub(super) more: Vec<InputPath>,
    /// The same of files that are in memory.
    pub(super) files: Vec<GitFile>,
    /// What is edited, in place of what the arguments say.
    pub(super) overlay: Option<Overlay>,
}

/// Loads two sides that are mostly the same. What the first holds is then known, and the arguments and parts of the
/// second may depend on it.
pub(super) fn read_sides(
    (input, parts): (&Input, Parts),
    second: impl FnOnce(&Known) -> Result<(Input, Parts), Status>,
    global: &Global,
    known: &mut Known,
) -> Result<[&'static mut World; 2], Status> {
    let progress = progress(global);
    let (before, overlay) = load_parts(input, parts, known)?;
    known.add(&before);
    let before = (before, options(input, overlay));
    let (input, parts) = second(known)?;
    let (after, overlay) = load_parts(&input, parts, known)?;
    let after = (after, options(&input, overlay));
    let (before, after) =
        rayon::join(|| World::new(before.0, before.1), || World::new(after.0, after.1));
    progress.finish_and_clear();
    Ok([kept(before)?, kept(after)?])
}

/// Tells of edits that cannot be made, and keeps the world otherwise.
fn kept(world: World) -> Result<&'static mut World, Status> {
    for error in &world.edit_errors {
        usage_error(&error.message, error.help.as_deref());
    }
    if world.edit_errors.is_empty() { Ok(Box::leak(Box::new(world))) } else { Err(Status::Error) }
}

/// What the command line gives beside test files.
pub(super) fn given(input: &Input) -> Result<Given, Status> {
    let overlay = input.overlay.edits().map_err(|message| usage_error(&message, None))?;
    let paths = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect();
    let mut stdin = Vec::new();
    if input.filename.iter().chain(&input.overlay.apply).any(|text| text == "-") {
        share_standard_input();
        stdin.extend(STDIN.get().into_iter().flatten());
    }
    Ok(Given {
        inputs: paths(&input.filename),
        files: rendered(input)?,
        apply: paths(&input.overlay.apply),
        stdin,
        options: options(input, overlay),
    })
}

/// What `-k` and `--helm` render.
fn rendered(input: &Input) -> Result<Vec<GitFile>, Status> {
    let failed = |error: RenderError| usage_error(&error.message, error.help.as_deref());
    if !input.values.is_empty() && input.helm.is_empty() {
        return Err(usage_error("`--values` are those of a chart", Some("add `--helm CHART`")));
    }
    let mut rendered = Vec::new();
    for folder in &input.kustomize {
        rendered.push(render_kustomization(folder).map_err(failed)?);
    }
    for chart in &input.helm {
        let namespace = input.namespace.as_deref();
        rendered.push(render_chart(chart, &input.values, namespace).map_err(failed)?);
    }
    Ok(rendered)
}

/// What a side is made of, with all edits made.
pub(super) fn load_objects(input: &Input, parts: Parts, known: &Known) -> Result<Loaded, Status> {
    let (mut loaded, overlay) = load_parts(input, parts, known)?;
    let Options { assumptions, .. } = options(input, overlay.clone());
    let resources = std::mem::take(&mut loaded.resources);
    loaded.resources = edit(resources, &loaded.applied, &overlay, &assumptions).0;
    loaded.applied.clear();
    Ok(loaded)
}

fn load_parts(
    input: &Input,
    Parts { more, files, overlay }: Parts,
    known: &Known,
) -> Result<(Loaded, Overlay), Status> {
    let edited = overlay.is_none();
    let overlay = match overlay {
        Some(overlay) => overlay,
        None => input.overlay.edits().map_err(|message| usage_error(&message, None))?,
    };
    let mut paths: Vec<InputPath> =
        input.filename.iter().map(|text| text.as_str().into()).collect();
    let mut over: Vec<InputPath> = Vec::new();
    if paths.is_empty() && input.kustomize.is_empty() && input.helm.is_empty() {
        paths.extend(more);
    } else {
        over.extend(more);
    }
    if edited {
        over.extend(input.overlay.apply.iter().map(|text| InputPath::from(text.as_str())));
    }
    let rendered = rendered(input)?;
    // Of a side that stands alone nothing is applied over anything.
    let alone = input.filename.is_empty() && rendered.is_empty();
    let files = if alone { [files, Vec::new()] } else { [rendered, files] };
    let loaded = match STDIN.get() {
        Some(bytes) => load_texts(&paths, &over, files, &mut bytes.as_slice(), known),
        None => load_texts(&paths, &over, files, &mut io::stdin(), known),
    };
    Ok((loaded, overlay))
}

/// Standard input, where more than one side needs it.
static STDIN: OnceLock<Vec<u8>> = OnceLock::new();

/// Reads standard input for all sides. One that cannot be read is told of by the side that wants it.
pub(super) fn share_standard_input() {
    let mut bytes = Vec::new();
    if io::stdin().read_to_end(&mut bytes).is_ok() {
        STDIN.get_or_init(|| bytes);
    }
}

fn options(input: &Input, overlay: Overlay) -> Options {
    let mut assumptions = Assumptions {
        pod_cidrs: input.pod_cidr.clone(),
        include_finished: input.include_finished,
        resolved: input.resolve.clone(),
        ..Assumptions::default()
    };
    if let Some(namespace) = &input.namespace {
        assumptions.default_namespace = namespace.as_str().into();
    }
    Options {
        assumptions,
        cni: match &input.cni {
            Some(CniArg::One(cni)) => Some(cni.clone()),
            Some(CniArg::All) | None => None,
        },
        distribution: input.distribution,
        as_declared: false,
        skip_invalid: input.skip_invalid,
        ignore_unsupported: input.ignore_unsupported,
        family: input.family.map(Into::into),
        namespace_given: input.namespace.is_some(),
        overlay,
    }
}

/// Reports what is wrong with two sides, of the first one errors alone: what else is to be said is said of the
/// second. False if there are errors that nothing can be said with.
pub(super) fn report_sides(
    before: &World,
    after: &World,
    names: &SideNames,
    global: &Global,
) -> bool {
    // A side without any object is the other one's beginning, or end.
    let is_empty = |world: &World| world.diagnostics.iter().any(|own| own.code == Code::NoObjects);
    let both_empty = is_empty(before) && is_empty(after);
    let mut fine = true;
    for (world, name, only_errors) in [(before, &names.before, true), (after, &names.after, false)]
    {
        let wanted = |own: &&Diagnostic| own.code != Code::NoObjects || both_empty;
        let is_error = |own: &&Diagnostic| own.severity == Severity::Error;
        let errors = world.diagnostics.iter().filter(wanted).filter(is_error).count();
        if !only_errors || errors > 0 {
            if errors > 0 {
                note(&format!("of {name}:"));
            }
            report_those(world, global, |own| wanted(own) && (!only_errors || is_error(own)));
        }
        if errors > 0 && !world.options.skip_invalid {
            fine = false;
            error_line(&render::summary(&world.diagnostics, world.objects, look(global)));
        }
    }
    fine
}

/// A spinner on a terminal, once loading takes as long as half a second.
fn progress(global: &Global) -> ProgressBar {
    let bar = ProgressBar::hidden();
    if global.quiet || !io::stderr().is_terminal() {
        return bar;
    }
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message("reading manifests");
    let later = bar.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        if !later.is_finished() {
            later.set_draw_target(ProgressDrawTarget::stderr());
            later.enable_steady_tick(Duration::from_millis(200));
        }
    });
    bar
}

/// Prints diagnostics to standard error: errors always, warnings unless quiet, notes if verbose.
pub(super) fn report(world: &World, global: &Global) {
    report_those(world, global, |_| true);
}

fn report_those(world: &World, global: &Global, wanted: impl Fn(&&Diagnostic) -> bool) {
    let shown = |diagnostic: &&Diagnostic| match diagnostic.severity {
        Severity::Error => true,
        Severity::Warning => !global.quiet,
        Severity::Note => global.verbose,
    };
    let found: Vec<&Diagnostic> = world.diagnostics.iter().filter(shown).filter(&wanted).collect();
    if found.is_empty() {
        return;
    }
    // One mistake in a generator can be a hundred thousand findings.
    let cap = 300;
    let more = found.len().saturating_sub(cap);
    let shown = found.get(..found.len() - more).unwrap_or_default();
    let mut text = render::diagnostics(&world.sources, shown, look(global));
    if more > 0 {
        text.push_str(&format!("… and {more} more findings like these\n\n"));
    }
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Reports what is wrong with texts that are no manifests.
pub(super) fn report_faults(sources: &SourceMap, faults: &[Diagnostic], global: &Global) {
    if faults.is_empty() {
        return;
    }
    let all: Vec<&Diagnostic> = faults.iter().collect();
    let text = render::diagnostics(sources, &all, look(global));
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

pub(super) fn look(global: &Global) -> Look {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let width = terminal_size::terminal_size().map_or(120, |(width, _)| usize::from(width.0));
    Look { ascii: global.ascii || dumb, width: width.max(60) }
}

/// Prints an answer. A reader that went away (`| head`) is no error; a full disk is.
pub(super) fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    finish(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Prints an answer without colours piece by piece, and returns what the writer has to say of it.
pub(super) fn print_by<R: Default>(write: impl FnOnce(&mut dyn Write) -> io::Result<R>) -> R {
    let mut out = io::BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let (said, result) = match write(&mut out) {
        Ok(said) => (said, out.flush()),
        Err(error) => (R::default(), Err(error)),
    };
    finish(result);
    said
}

/// Prints bytes as they are.
pub(super) fn print_bytes(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    finish(out.write_all(bytes).and_then(|()| out.flush()));
}

/// Prints one JSON document.
pub(super) fn print_json(value: &serde_json::Value) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut out = io::stdout().lock();
    finish(writeln!(out, "{text}").and_then(|()| out.flush()));
}

fn finish(result: io::Result<()>) {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = usage_error(&format!("cannot write the answer: {error}"), None);
            // An answer that nobody got must not look like one.
            std::process::exit(2);
        }
        _ => {}
    }
}

/// Says something beside the answer.
pub(super) fn note(text: &str) {
    error_line(&format!("\x1b[1;32mnote\x1b[0m: {text}"));
}

fn error_line(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Says what is wrong with an argument.
pub(super) fn usage_error(message: &str, help: Option<&str>) -> Status {
    let mut text = format!("\x1b[1;31merror\x1b[0m: {message}");
    if let Some(help) = help {
        text.push_str(&format!("\n\x1b[1;36mhelp\x1b[0m: {help}"));
    }
    error_line(&text);
    Status::Error
}

/// Reads ports, or says which one cannot be read.
pub(super) fn ports(texts: &[String]) -> Result<Vec<PortQuery>, Status> {
    texts
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|error: crate::analysis::PortError| usage_error(&error.to_string(), None))
        })
        .collect()
}

/// Reads the filter of `list` and `graph`.
pub(super) fn filter(world: &World, input: &Input, args: &FilterArgs) -> Result<Filter, Status> {
    let mut found = Filter { open: args.all, ..Filter::default() };
    if let Some(namespace) = &input.namespace {
        if world.cluster.find_namespace(namespace).is_none_or(|id| {
            !world.cluster.workloads.iter().any(|workload| workload.namespace == id)
        }) {
            let message = format!("namespace `{namespace}` has no workload in the input");
            return Err(usage_error(&message, None));
        }
        found.namespace = Some(namespace.clone());
    }
    if let Some(text) = &args.workload {
        let end = resolve_endpoint(world, text)
            .map_err(|error| usage_error(&error.message, error.help.as_deref()))?;
        let pods = end.members.iter().filter_map(|member| match member.peer {
            Peer::Pod(id) => Some(id),
            Peer::Node(..) | Peer::External(_) | Peer::Name(..) => None,
        });
        let pods: std::collections::BTreeSet<_> = pods.collect();
        if pods.is_empty() {
            let help = "the filter takes workloads, pods, labels and Services";
            return Err(usage_error(&format!("`{text}` has no pods"), Some(help)));
        }
        found.pods = Some(pods);
    }
    if !args.port.is_empty() {
        let mut set = ConnectionSet::empty();
        for port in ports(&args.port)? {
            match port.numbers() {
                Some(numbers) => set = set.union(&numbers),
                None => return Err(usage_error("the filter takes port numbers", None)),
            }
        }
        found.ports = Some(set);
    }
    if args.direction.is_some() && found.namespace.is_none() && found.pods.is_none() {
        let help = "add `-n NAMESPACE` or `--workload END`: the direction is seen from there";
        return Err(usage_error("`--direction` needs something to look from", Some(help)));
    }
    found.direction = args.direction.map(|direction| match direction {
        DirectionArg::Ingress => Direction::Ingress,
        DirectionArg::Egress => Direction::Egress,
    });
    Ok(found)
}
