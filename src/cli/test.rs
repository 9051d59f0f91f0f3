//! `kubereach test`

use super::Status;
use super::args::{CniArg, Global, TestArgs, TestFormat};
use super::console;
use crate::analysis::{
    RunOptions, Status as Outcome, SuiteRun, TestFile, find_tests, first_test, read_tests,
    run_tests,
};
use crate::diagnostic::SourceMap;
use crate::render;
use std::path::PathBuf;

pub(super) fn run(args: &TestArgs, global: &Global) -> Status {
    if matches!(args.input.cni, Some(CniArg::All)) {
        return console::usage_error(
            "`--cni all` is for `can`: a test file names several CNIs",
            None,
        );
    }
    if args.init {
        return init(args, global);
    }
    let given = match console::given(&args.input) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let here = [PathBuf::from(".")];
    let paths = if args.paths.is_empty() { &here[..] } else { &args.paths[..] };
    let found = match find_tests(paths) {
        Ok(found) => found,
        Err(message) => return console::usage_error(&message, None),
    };
    if found.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        let message = format!("no test below {}", names.join(", "));
        let help = "tests are called `*.reach.yaml`, `*.netassert.yaml` or `scenario.yaml`; `kubereach test --init -f MANIFESTS` writes a first one";
        return console::usage_error(&message, Some(help));
    }
    let mut sources = SourceMap::default();
    let (files, faults) = read_tests(&found, &mut sources);
    console::report_faults(&sources, &faults, global);
    let options = RunOptions {
        filters: args.filter.clone(),
        fail_fast: args.fail_fast,
        update: args.update,
        coverage: args.coverage,
    };
    if args.list {
        console::print(&render::suite_list(names(&files, &options.filters)));
        return if faults.is_empty() { Status::Success } else { Status::Error };
    }
    let mut run = run_tests(&files, &given, &options);
    if !faults.is_empty() {
        run.add_unread(&found, &faults, &sources);
    }
    for world in &run.broken {
        console::report(world, global);
    }
    match args.output {
        TestFormat::Text => {
            console::print(&render::suite_text(&run, global.verbose, console::look(global)));
        }
        TestFormat::Json => console::print_json(&render::suite_json(&run)),
        TestFormat::Junit => console::print(&render::suite_junit(&run)),
        TestFormat::Tap => console::print(&render::suite_tap(&run)),
        TestFormat::Github => console::print(&render::suite_github(&run)),
    }
    let nothing = run.files.iter().all(|file| file.outcomes.is_empty() && file.error.is_none());
    if nothing && faults.is_empty() {
        let filters: Vec<String> = args.filter.iter().map(|text| format!("`{text}`")).collect();
        let message = format!("no expectation is called {}", filters.join(" or "));
        return console::usage_error(&message, Some("`--list` prints their names"));
    }
    if !faults.is_empty() {
        return Status::Error;
    }
    status(&run, args)
}

/// Prints a first test file.
fn init(args: &TestArgs, global: &Global) -> Status {
    let input = &args.input;
    if input.filename.is_empty() && input.kustomize.is_empty() && input.helm.is_empty() {
        let help = "`kubereach test --init -f deploy/ > deploy.reach.yaml`";
        return console::usage_error("`--init` needs manifests", Some(help));
    }
    if input.overlay.is_asked() {
        let message = "`--init` writes what holds, and edits are of one run";
        return console::usage_error(
            message,
            Some("leave the edits out; a test has its own: `whatIf`"),
        );
    }
    let world = match console::open(input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let first = first_test(world, input.namespace.as_deref());
    if first.expectations.is_empty() {
        for note in &first.notes {
            console::note(note);
        }
        let message = "no policy closes anything here: there is nothing to hold to";
        return console::usage_error(message, None);
    }
    let files = input.filename.iter().filter(|own| *own != "-").cloned();
    let files: Vec<String> = files.collect();
    let cni = input.cni.as_ref().and(world.cni.as_ref()).map(ToString::to_string);
    console::print(&render::first_test_yaml(&first, &files, cni.as_deref()));
    Status::Success
}

/// The worst of what became of them.
fn status(run: &SuiteRun, args: &TestArgs) -> Status {
    let uncovered = run.coverage.as_ref().is_some_and(|own| own.percent() < args.coverage_at_least);
    if run.files.iter().any(|file| file.error.is_some()) {
        Status::Error
    } else if run.count(Outcome::Failed) > 0 || uncovered {
        Status::Denied
    } else if run.count(Outcome::Undetermined) > 0 {
        Status::Undetermined
    } else {
        Status::Success
    }
}

fn names<'f>(
    files: &'f [TestFile],
    filters: &'f [String],
) -> impl Iterator<Item = (String, &'f str)> {
    files.iter().flat_map(move |file| {
        let wanted = file.expectations.iter().filter(move |own| file.is_wanted(own, filters));
        wanted.map(|own| (file.path.display().to_string(), own.name.as_str()))
    })
}
