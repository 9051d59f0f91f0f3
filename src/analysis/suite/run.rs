//! From paths of test files to outcomes.

use super::check::{Asker, Outcome, Status, check};
use super::coverage::{self, Checked, Coverage, coverage};
use super::file::{Expectation, TestFile, Under};
use crate::analysis::divergence::Engines;
use crate::analysis::world::{Basis, Options, World};
use crate::cluster::{Assumptions, Overlay};
use crate::diagnostic::{Diagnostic, SourceMap};
use crate::manifest::{
    InputPath, Known, files_below, files_matching, is_test_file, load_texts, read_text,
};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// What the command line gives beside the test files.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Manifests, in place of those that a file names.
    pub inputs: Vec<InputPath>,
    /// Manifests that are in memory, such as rendered ones, in place of those that a file names.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// What is applied over the manifests of every file.
    pub apply: Vec<InputPath>,
    /// Standard input, if it is an input.
    pub stdin: Vec<u8>,
    /// What the user decides about the whole run; a CNI is in place of what files say.
    pub options: Options,
}

/// How tests are run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Only expectations of which the path of the file or the name holds one of these.
    pub filters: Vec<String>,
    /// Stop at the first that does not hold.
    pub fail_fast: bool,
    /// Write snapshots anew.
    pub update: bool,
    /// Look for policies and rules that nobody would miss.
    pub coverage: bool,
}

/// What became of a test file.
#[derive(Debug)]
pub struct FileRun {
    /// The file.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// Whose reading of policies it was checked under, where it is one for the whole file: `calico`, `calico, as
    /// the manifests show`, `what the policies declare`.
    pub reading: Option<String>,
    /// What became of its expectations, in their order.
    pub outcomes: Vec<Outcome>,
    /// Why there is no outcome.
    pub error: Option<String>,
}

/// What became of all.
#[derive(Debug, Default)]
pub struct SuiteRun {
    /// By file, in their order.
    pub files: Vec<FileRun>,
    /// The worlds whose manifests have errors, or edits that cannot be made.
    pub broken: Vec<World>,
    /// Which policies and rules are missed, if that was asked for.
    pub coverage: Option<Coverage>,
    /// Some were not run, as one before them did not hold.
    pub stopped: bool,
}

impl SuiteRun {
    /// How many expectations have a status.
    pub fn count(&self, status: Status) -> usize {
        let all = self.files.iter().flat_map(|file| &file.outcomes);
        all.filter(|outcome| outcome.status == status).count()
    }
}

/// Whether a file below a folder is a test, by its name.
fn is_test(name: &str) -> bool {
    is_test_file(name) || name == "scenario.yaml"
}

/// The test files that paths name: files as they are, and of folders those called `*.reach.yaml`,
/// `*.netassert.yaml` or `scenario.yaml`, each once, in order.
pub fn find_tests(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut out: Vec<PathBuf> = Vec::new();
    for path in paths {
        if path.is_dir() {
            // Others have files of that name as well.
            let is_ours = |path: &PathBuf| {
                path.file_name().is_none_or(|name| name != "scenario.yaml")
                    || read_text(&InputPath::Path(path.clone()))
                        .is_ok_and(|text| text.contains("ReachabilityTest"))
            };
            out.extend(files_below(path, is_test)?.into_iter().filter(is_ours));
        } else if path.exists() {
            out.push(path.clone());
        } else {
            return Err(format!("no file or folder `{}`", path.display()));
        }
    }
    let mut out: Vec<PathBuf> = out.iter().map(|path| clean(path)).collect();
    let mut known = std::collections::HashSet::new();
    out.retain(|path| known.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    Ok(out)
}

/// `a/./b` → `a/b`, so that places print well.
fn clean(path: &Path) -> PathBuf {
    let parts = path.components().filter(|own| !matches!(own, Component::CurDir));
    let clean: PathBuf = parts.collect();
    if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean }
}

/// Reads test files. What is wrong with them is returned beside those that are right.
pub fn read_tests(paths: &[PathBuf], sources: &mut SourceMap) -> (Vec<TestFile>, Vec<Diagnostic>) {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for path in paths {
        match TestFile::read(path, sources) {
            Ok(file) => files.push(file),
            Err(found) => faults.extend(found),
        }
    }
    (files, faults)
}

impl SuiteRun {
    /// Adds the files that could not be read, so that no report is silent about them.
    pub fn add_unread(&mut self, paths: &[PathBuf], faults: &[Diagnostic], sources: &SourceMap) {
        for path in paths {
            if self.files.iter().any(|file| file.path == *path) {
                continue;
            }
            let name = path.strip_prefix(".").unwrap_or(path).to_string_lossy();
            let own = faults.iter().find_map(|fault| {
                let place = sources.locate(fault.primary.as_ref()?.span);
                (*place.path == *name).then(|| format!("{place}: {}", fault.message))
            });
            self.files.push(FileRun {
                path: path.clone(),
                name: String::new(),
                reading: None,
                outcomes: Vec::new(),
                error: Some(own.unwrap_or_else(|| "the test file cannot be read".into())),
            });
        }
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
    }
}

/// An expectation: its file, and its place there.
type Asked = (usize, usize);

/// One set of manifests, and what is to hold for it.
struct Job<'f> {
    inputs: Vec<InputPath>,
    apply: Vec<InputPath>,
    overlay: Overlay,
    namespace: Option<String>,
    assumptions: Assumptions,
    /// By what it is to hold for; `None` is what the input shows.
    under: Vec<(Option<Under>, Vec<Asked>)>,
    files: &'f [TestFile],
    error: Option<String>,
}

/// Runs the expectations of files.
pub fn run_tests(files: &[TestFile], given: &Given, options: &RunOptions) -> SuiteRun {
    let jobs = jobs(files, given, options);
    let stop = AtomicBool::new(false);
    let run = |job: &Job<'_>| {
        if options.fail_fast && stop.load(Ordering::Relaxed) {
            return None;
        }
        let done = job.run(given, options);
        if done.failed {
            stop.store(true, Ordering::Relaxed);
        }
        Some(done)
    };
    let done: Vec<Option<Done>> = if options.fail_fast {
        jobs.iter().map(run).collect()
    } else {
        jobs.par_iter().map(run).collect()
    };
    let mut out = SuiteRun::default();
    let mut outcomes: Vec<Vec<(usize, usize, Outcome)>> =
        files.iter().map(|_| Vec::new()).collect();
    let mut errors: Vec<Option<String>> = files.iter().map(|_| None).collect();
    let mut covered = coverage::Found::new();
    let mut shown: Vec<Option<String>> = files.iter().map(|_| None).collect();
    for (job, done) in jobs.iter().zip(done) {
        let Some(done) = done else {
            out.stopped = true;
            continue;
        };
        out.stopped |= done.stopped;
        for (file, at, order, outcome) in done.outcomes {
            outcomes[file].push((at, order, outcome));
        }
        for (what, noticed) in done.coverage {
            *covered.entry(what).or_insert(false) |= noticed;
        }
        for (file, _) in job.under.iter().flat_map(|(_, own)| own) {
            shown[*file].clone_from(&done.shown);
        }
        if let Some(error) = done.error {
            let about = job.under.iter().flat_map(|(_, own)| own);
            for (file, _) in about {
                errors[*file] = Some(error.clone());
            }
        }
        out.broken.extend(done.broken);
    }
    for (((file, mut found), error), shown) in files.iter().zip(outcomes).zip(errors).zip(shown) {
        let asserted = given.options.cni.is_some() || given.options.distribution.is_some();
        let reading = match file.under.as_slice() {
            [own] if !asserted => Some(own.to_string()),
            [_, _, ..] if !asserted => None,
            _ => shown,
        };
        found.sort_by_key(|(at, order, _)| (*at, *order));
        let outcomes = found.into_iter().map(|(_, _, outcome)| outcome).collect();
        let (path, name) = (file.path.clone(), file.name.clone());
        out.files.push(FileRun { path, name, reading, outcomes, error });
    }
    out.coverage = options.coverage.then(|| covered.into());
    out
}

impl TestFile {
    /// Whether an expectation is asked for.
    pub fn is_wanted(&self, own: &Expectation, filters: &[String]) -> bool {
        let path = self.path.to_string_lossy();
        let is_in = |text: &String| path.contains(text) || own.name.contains(text);
        filters.is_empty() || filters.iter().any(is_in)
    }
}

fn jobs<'f>(files: &'f [TestFile], given: &Given, options: &RunOptions) -> Vec<Job<'f>> {
    let mut jobs: Vec<Job<'f>> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (at, file) in files.iter().enumerate() {
        let wanted = |(_, own): &(usize, &Expectation)| file.is_wanted(own, &options.filters);
        let expectations: Vec<_> = file.expectations.iter().enumerate().filter(wanted).collect();
        if expectations.is_empty() {
            continue;
        }
        let (inputs, apply, error) = inputs(file, given);
        let mut assumptions = given.options.assumptions.clone();
        for (name, address) in &file.resolve {
            assumptions.resolved.push((name.clone(), *address));
        }
        let namespace = if given.options.namespace_given { None } else { file.namespace.clone() };
        if let Some(name) = &namespace {
            assumptions.default_namespace = name.as_str().into();
        }
        let overlay = joined(&file.overlay, &given.options.overlay);
        let key =
            format!("{inputs:?} {apply:?} {overlay:?} {namespace:?} {:?} {error:?}", file.resolve);
        let job = *known.entry(key).or_insert_with(|| {
            jobs.push(Job {
                inputs,
                apply,
                overlay,
                namespace,
                assumptions,
                under: Vec::new(),
                files,
                error,
            });
            jobs.len() - 1
        });
        let asserted = given.options.cni.is_some() || given.options.distribution.is_some();
        for (place, own) in expectations {
            let of_file = if asserted { &[][..] } else { &file.under[..] };
            let own = if own.under.is_empty() { of_file } else { &own.under[..] };
            let each: Vec<Option<Under>> = match own {
                [] => vec![None],
                several => several.iter().cloned().map(Some).collect(),
            };
            for under in each {
                let list = &mut jobs[job].under;
                match list.iter_mut().find(|(other, _)| *other == under) {
                    Some((_, places)) => places.push((at, place)),
                    None => list.push((under, vec![(at, place)])),
                }
            }
        }
    }
    // What the input shows is there before anything is switched.
    for job in &mut jobs {
        job.under.sort_by_key(|(under, _)| under.is_some());
    }
    jobs
}

fn joined(file: &Overlay, given: &Overlay) -> Overlay {
    let mut all = file.clone();
    all.delete.extend(given.delete.iter().cloned());
    all.scale.extend(given.scale.iter().cloned());
    all.labels.extend(given.labels.iter().cloned());
    all.namespace_labels.extend(given.namespace_labels.iter().cloned());
    all
}

/// The manifests of a file, and what is applied over them: what the command line names, else what the file
/// names, else its folder.
fn inputs(file: &TestFile, given: &Given) -> (Vec<InputPath>, Vec<InputPath>, Option<String>) {
    let folder = file.path.parent().filter(|own| !own.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut error = None;
    let is_own = |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_test);
    let mut paths = |names: &[String]| -> Vec<InputPath> {
        let mut out = Vec::new();
        for name in names {
            let path = clean(&folder.join(name));
            let text = path.to_string_lossy();
            if !path.exists() && text.contains(['*', '?', '[']) {
                match files_matching(&text) {
                    Ok(found) if found.is_empty() => {
                        error = Some(format!("no file matches `{name}`"));
                    }
                    // A pattern of manifests may match the tests beside them.
                    Ok(found) => out.extend(
                        found.into_iter().filter(|path| !is_own(path)).map(InputPath::Path),
                    ),
                    Err(reason) => error = Some(format!("`{name}`: {reason}")),
                }
            } else {
                out.push(InputPath::Path(path));
            }
        }
        out
    };
    let mut apply = paths(&file.apply);
    apply.extend(given.apply.iter().cloned());
    let inputs = if !given.inputs.is_empty() || !given.files.is_empty() {
        given.inputs.clone()
    } else {
        match &file.manifests {
            Some(names) => paths(names),
            None => vec![InputPath::Path(clean(folder))],
        }
    };
    (inputs, apply, error)
}

/// What became of a job.
#[derive(Default)]
struct Done {
    /// File, place among its expectations, order of what it holds for, outcome.
    outcomes: Vec<(usize, usize, usize, Outcome)>,
    error: Option<String>,
    /// Whose reading of policies it is where nothing names one.
    shown: Option<String>,
    broken: Option<World>,
    coverage: coverage::Found,
    failed: bool,
    stopped: bool,
}

impl Job<'_> {
    fn run(&self, given: &Given, options: &RunOptions) -> Done {
        let mut done = Done::default();
        if let Some(error) = &self.error {
            return Done { error: Some(error.clone()), failed: true, ..done };
        }
        let files = [given.files.clone(), Vec::new()];
        let loaded = load_texts(
            &self.inputs,
            &self.apply,
            files,
            &mut given.stdin.as_slice(),
            &Known::default(),
        );
        let world_options = Options {
            assumptions: self.assumptions.clone(),
            overlay: self.overlay.clone(),
            namespace_given: given.options.namespace_given || self.namespace.is_some(),
            ..given.options.clone()
        };
        let mut world = World::new(loaded, world_options);
        let errors = world.errors();
        if errors > 0 && !world.options.skip_invalid || !world.edit_errors.is_empty() {
            let error = match world.edit_errors.first() {
                Some(own) => own.message.clone(),
                None => format!(
                    "the manifests have {errors} error{}",
                    if errors == 1 { "" } else { "s" }
                ),
            };
            return Done { error: Some(error), broken: Some(world), failed: true, ..done };
        }
        let by = |cni: &crate::enforcement::Cni| match world.basis {
            Basis::Detected => format!("{}, as the manifests show", cni.brief()),
            Basis::Asserted | Basis::Distribution(_) | Basis::Assumed => cni.brief(),
        };
        done.shown = Some(world.cni.as_ref().map_or_else(|| Under::Declared.to_string(), by));
        for (order, (under, places)) in self.under.iter().enumerate() {
            match under {
                None => {}
                Some(Under::Declared) => world.declare(),
                Some(Under::Cni(cni)) => world.switch(cni.clone()),
            }
            self.check(&mut world, (order, under.as_ref()), places, options, &mut done);
            if done.stopped || options.fail_fast && done.failed {
                break;
            }
        }
        done
    }

    fn check(
        &self,
        world: &mut World,
        (order, under): (usize, Option<&Under>),
        places: &[(usize, usize)],
        options: &RunOptions,
        done: &mut Done,
    ) {
        let own = |&(file, at): &(usize, usize)| {
            let file = &self.files[file];
            (file.path.parent().unwrap_or(Path::new("")), &file.expectations[at])
        };
        let label = under.map(|under| match under {
            Under::Declared => "declared".to_owned(),
            Under::Cni(cni) => cni.to_string(),
        });
        let engines = Engines::new(world);
        let asker = Asker::new(world, &engines, places.iter().map(|place| own(place).1));
        let one = |place: &(usize, usize)| {
            let (folder, expectation) = own(place);
            // What holds for one reading of the policies alone needs no word of it.
            let file = &self.files[place.0];
            let several = file.under.len() > 1 || !expectation.under.is_empty();
            let label = label.as_deref().filter(|_| several);
            let mut outcome = check(&asker, expectation, folder, label, options.update);
            outcome.under = label.map(str::to_owned);
            (place.0, place.1, order, outcome)
        };
        let holds = |outcome: &Outcome| outcome.status <= Status::Skipped;
        let mut outcomes = Vec::with_capacity(places.len());
        if options.fail_fast {
            for place in places {
                outcomes.push(one(place));
                if outcomes.last().is_some_and(|(.., outcome)| !holds(outcome)) {
                    done.stopped = outcomes.len() < places.len();
                    break;
                }
            }
        } else {
            places.par_iter().map(one).collect_into_vec(&mut outcomes);
        }
        drop(asker);
        drop(engines);
        done.failed |= outcomes.iter().any(|(.., outcome)| !holds(outcome));
        if options.coverage {
            let passed = outcomes.iter().filter(|(.., outcome)| outcome.status == Status::Passed);
            let passed: Vec<_> = passed
                .map(|(file, at, _, outcome)| {
                    let (folder, expectation) = own(&(*file, *at));
                    Checked { folder, expectation, label: outcome.under.clone() }
                })
                .collect();
            coverage(world, &passed, &mut done.coverage);
        }
        done.outcomes.append(&mut outcomes);
    }
}
