//! What every verb does: load, report what is wrong, print.

use super::Status;
use super::args::{CniArg, DirectionArg, FilterArgs, Global, Input};
use crate::analysis::{Filter, Options, PortQuery, World, resolve_endpoint};
use crate::cluster::Assumptions;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::Peer;
use crate::manifest::{InputPath, load_over};
use crate::net::ConnectionSet;
use crate::policy::Direction;
use crate::render::{self, Look};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
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
    let overlay = input.overlay.edits().map_err(|message| usage_error(&message, None))?;
    let paths: Vec<InputPath> = input.filename.iter().map(|text| text.as_str().into()).collect();
    let progress = progress(global);
    let over: Vec<InputPath> =
        input.overlay.apply.iter().map(|text| text.as_str().into()).collect();
    let loaded = load_over(&paths, &over, &mut io::stdin());
    let mut assumptions = Assumptions {
        pod_cidrs: input.pod_cidr.clone(),
        include_finished: input.include_finished,
        resolved: input.resolve.clone(),
        ..Assumptions::default()
    };
    if let Some(namespace) = &input.namespace {
        assumptions.default_namespace = namespace.as_str().into();
    }
    let world = World::new(
        loaded,
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
        },
    );
    progress.finish_and_clear();
    for error in &world.edit_errors {
        usage_error(&error.message, error.help.as_deref());
    }
    if world.edit_errors.is_empty() { Ok(Box::leak(Box::new(world))) } else { Err(Status::Error) }
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
    let shown = |diagnostic: &&Diagnostic| match diagnostic.severity {
        Severity::Error => true,
        Severity::Warning => !global.quiet,
        Severity::Note => global.verbose,
    };
    let found: Vec<&Diagnostic> = world.diagnostics.iter().filter(shown).collect();
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
