//! `kubereach diff`

use super::Status;
use super::args::{CniArg, DiffArgs, DiffFormat, FailOn, Global, Input};
use super::console::{self, Parts};
use crate::analysis::{
    Diff, DiffRow, RowTurn, Stage, Turn, WorldDiffRow, cni_diff, diff, relabelled, rollout,
};
use crate::cluster::{ObjectName, Overlay};
use crate::enforcement::Cni;
use crate::manifest::{
    GitError, GitFile, InputPath, Known, Loaded, RenderError, Resource, git_files, git_has,
    git_range, git_working_files, render_folder, render_revisions,
};
use crate::render::{self, SideNames};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

pub(super) fn run(args: &DiffArgs, global: &Global) -> Status {
    if matches!(args.input.cni, Some(CniArg::All)) {
        let help = "`--cni` is of the first side, `--to-cni` of the second";
        return console::usage_error("`--cni all` is for `can`: name one CNI", Some(help));
    }
    if !args.paths.is_empty() && args.git.is_none() {
        let help = "`kubereach diff --git main...HEAD -- deploy/`";
        return console::usage_error("paths after `--` go with `--git`", Some(help));
    }
    if args.render && args.base.is_none() && args.git.is_none() {
        let help = "`-k DIR` and `--helm CHART` render what is not one of two sides";
        return console::usage_error(
            "`--render` goes with BASE and HEAD, or with `--git`",
            Some(help),
        );
    }
    let edits = args.input.overlay.is_asked();
    let inputs = args.input.filename.iter().chain(&args.input.overlay.apply);
    if inputs.chain(&args.base).chain(&args.head).any(|path| path == "-") {
        console::share_standard_input();
    }
    match (&args.base, &args.head, &args.git, &args.to_cni) {
        (Some(base), Some(head), ..) => {
            if base == "-" && head == "-" {
                return console::usage_error("standard input cannot be both sides", None);
            }
            let names = SideNames { before: base.clone(), after: head.clone(), revisions: false };
            match [base, head].map(|path| named(args, path)) {
                [Ok(before), Ok(after)] => compare(args, global, &[before, after], &names),
                [Err(error), _] | [_, Err(error)] => {
                    console::usage_error(&error.message, error.help.as_deref())
                }
            }
        }
        (_, _, Some(range), _) => match revisions(range, args) {
            Ok((sides, names)) => compare(args, global, &sides, &names),
            Err(error) => console::usage_error(&error.message, error.help.as_deref()),
        },
        _ if args.input.filename.is_empty()
            && args.input.kustomize.is_empty()
            && args.input.helm.is_empty() =>
        {
            let help = "`diff BASE HEAD`, `diff --git main...HEAD`, `diff -f DUMP --apply FILE`, `diff -f PATH --to-cni CNI`";
            console::usage_error("what is to be compared?", Some(help))
        }
        (.., Some(cni)) if !edits => between_cnis(args, cni, global),
        _ if edits || args.to_cni.is_some() => {
            let names = SideNames {
                before: "as it is".into(),
                after: "as it would be".into(),
                revisions: false,
            };
            compare(args, global, &[Side::AsIs, Side::AsItWouldBe], &names)
        }
        _ => {
            let help = "add `--apply FILE` or another edit, `--to-cni CNI`, or BASE and HEAD";
            console::usage_error("there is only one side", Some(help))
        }
    }
}

/// What one side is made of, beside what `-f` names.
enum Side {
    /// Inputs, and files that are in memory.
    Of(Vec<InputPath>, Vec<GitFile>),
    /// What `-f` names, without the edits.
    AsIs,
    /// The same with them.
    AsItWouldBe,
}

/// A side that is a path, rendered if that was asked for.
fn named(args: &DiffArgs, path: &str) -> Result<Side, RenderError> {
    if args.render {
        let namespace = args.input.namespace.as_deref();
        let file = render_folder(Path::new(path), &args.input.values, namespace)?;
        return Ok(Side::Of(Vec::new(), vec![file]));
    }
    Ok(Side::Of(vec![path.into()], Vec::new()))
}

fn revisions(range: &str, args: &DiffArgs) -> Result<([Side; 2], SideNames), RenderError> {
    let (before, head) = git_range(range).map_err(git_failed)?;
    // What is rendered may go by another name than a manifest.
    for path in args.paths.iter().filter(|_| !args.render) {
        let is_in = |name: &str| git_has(name, path).map_err(git_failed);
        let in_head = match &head {
            Some(head) => is_in(head)?,
            None => Path::new(path).exists(),
        };
        if !in_head && !is_in(&before)? {
            let message = format!("no manifest is called or below `{path}` on either side");
            return Err(git_failed(GitError(message)));
        }
    }
    let after = head.clone().unwrap_or_else(|| "working tree".to_owned());
    let names = SideNames { before: before.clone(), after, revisions: true };
    let revisions = [Some(&*before), head.as_deref()];
    if args.render {
        let namespace = args.input.namespace.as_deref();
        let rendered = render_revisions(revisions, &args.paths, &args.input.values, namespace)?;
        for (path, side) in &rendered.plain {
            let name = if *side == 0 { &names.before } else { &names.after };
            console::note(&format!(
                "`{path}` of {name} is neither a kustomization nor a chart: its files are read as they are"
            ));
        }
        return Ok((rendered.sides.map(|files| Side::Of(Vec::new(), files)), names));
    }
    let of = |name: Option<&str>| match name {
        Some(name) => git_files(name, &args.paths).map(|files| Side::Of(Vec::new(), files)),
        None => git_working_files(&args.paths).map(|(files, missing)| {
            Side::Of(files.into_iter().map(InputPath::Path).collect(), missing)
        }),
    };
    let [before, after] = revisions.map(of);
    Ok(([before.map_err(git_failed)?, after.map_err(git_failed)?], names))
}

fn git_failed(error: GitError) -> RenderError {
    let help = "write `--git main...HEAD`, `--git A..B`, or `--git HEAD` for the working tree";
    RenderError { help: Some(help.into()), ..error.into() }
}

/// The arguments of one side.
fn input_of(args: &DiffArgs, cni: Option<&Cni>) -> Input {
    let cni = cni.cloned().map(Into::into).or(args.input.cni.clone());
    let mut input = Input { cni, ..args.input.clone() };
    if args.render && input.helm.is_empty() {
        // They are those of the sides.
        input.values.clear();
    }
    input
}

/// What a side adds to what `-f` names.
fn parts(own: &Side) -> Parts {
    match own {
        Side::AsIs => Parts { overlay: Some(Overlay::default()), ..Parts::default() },
        Side::AsItWouldBe => Parts::default(),
        Side::Of(inputs, files) => {
            Parts { more: inputs.clone(), files: files.clone(), overlay: None }
        }
    }
}

/// The objects of a side once more, with all edits made.
fn reload(args: &DiffArgs, own: &Side, cni: Option<&Cni>, known: &Known) -> Option<Loaded> {
    console::load_objects(&input_of(args, cni), parts(own), known).ok()
}

/// Objects that the first side has and the second has no more, where both are applied over what `-f` names and
/// that has them as well: the change takes them away there, too.
fn left_behind(
    args: &DiffArgs,
    sides: &[Side; 2],
    known: &Known,
) -> Result<BTreeSet<Named>, Status> {
    if args.input.filename.is_empty() || matches!(sides, [Side::AsIs, _]) {
        return Ok(BTreeSet::new());
    }
    let names = |input: &Input, parts: Parts| -> Result<BTreeSet<Named>, Status> {
        let parts = Parts { overlay: Some(Overlay::default()), ..parts };
        let loaded = console::load_objects(input, parts, known)?;
        Ok(loaded.resources.iter().map(Named::of).collect())
    };
    let input = input_of(args, None);
    let alone = Input { filename: Vec::new(), ..input.clone() };
    let [first, second] = [names(&alone, parts(&sides[0]))?, names(&alone, parts(&sides[1]))?];
    let gone: BTreeSet<Named> = first.difference(&second).cloned().collect();
    if gone.is_empty() {
        return Ok(gone);
    }
    let base = names(&input, Parts::default())?;
    Ok(gone.intersection(&base).cloned().collect())
}

/// An object by kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named(String, Option<String>, String);

impl Named {
    fn of(own: &Resource) -> Self {
        let (meta, (_, kind)) = (own.meta(), own.group_kind());
        let namespace = meta.namespace.as_ref().map(ToString::to_string);
        Self(kind.to_owned(), namespace, meta.name.to_string())
    }

    /// As `--delete` takes it.
    fn object(&self) -> Option<ObjectName> {
        let text = match &self.1 {
            Some(namespace) => format!("{}/{namespace}/{}", self.0, self.2),
            None => format!("{}/{}", self.0, self.2),
        };
        ObjectName::parse(&text).ok()
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.1 {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.0, self.2),
            None => write!(f, "{} {}", self.0, self.2),
        }
    }
}

fn compare(args: &DiffArgs, global: &Global, sides: &[Side; 2], names: &SideNames) -> Status {
    // Most of the second side stands in the first one, too. To take it apart at the end would cost more than it is.
    let known = Box::leak(Box::new(Known::default()));
    let mut left = BTreeSet::new();
    let mut second = args.clone();
    let worlds = console::read_sides(
        (&input_of(args, None), parts(&sides[0])),
        |known| {
            left = left_behind(args, sides, known)?;
            second.input.overlay.delete.extend(left.iter().filter_map(Named::object));
            Ok((input_of(&second, args.to_cni.as_ref()), parts(&sides[1])))
        },
        global,
        known,
    );
    let [before, after] = match worlds {
        Ok(worlds) => worlds,
        Err(status) => return status,
    };
    if !console::report_sides(before, after, names, global) {
        return Status::Error;
    }
    let mut found = diff(before, after);
    if !left.is_empty() {
        let gone: Vec<String> = left.iter().map(ToString::to_string).collect();
        console::note(&format!(
            "{} has no more: {}; on that side what `-f` names goes without",
            names.after,
            gone.join(", ")
        ));
    }
    let changed = relabelled(before, after);
    if !changed.is_empty() {
        let again = [(args, &sides[0], None), (&second, &sides[1], args.to_cni.as_ref())];
        if let [Some(old), Some(new)] = again.map(|(args, own, cni)| reload(args, own, cni, known))
        {
            let (before, after) =
                (Stage { world: before, loaded: &old }, Stage { world: after, loaded: &new });
            found.breaks = rollout(before, after, &changed);
        }
    }
    let ascii = console::look(global).ascii;
    match args.output {
        DiffFormat::Text => console::print(&render::diff_text(&found, names, ascii)),
        DiffFormat::Json => console::print_json(&render::diff_json(&found, names)),
        DiffFormat::Md => console::print(&render::diff_markdown(&found, names)),
        DiffFormat::Github => console::print(&render::diff_github(&found)),
    }
    status(&found, &args.fail_on)
}

/// 0 if nothing is different that the gate is about, 1 if something is, 3 if it cannot be said whether.
fn status(found: &Diff, gate: &[FailOn]) -> Status {
    if gate.contains(&FailOn::None) {
        return Status::Success;
    }
    let fails = |row: &WorldDiffRow| {
        let turn = row.turn();
        gate.iter().any(|wanted| match wanted {
            FailOn::Any => turn != RowTurn::Undetermined,
            // Of these other things than a row tell.
            FailOn::None | FailOn::Internet | FailOn::Breaks => false,
            FailOn::Added => turn == RowTurn::Added,
            FailOn::Removed => turn == RowTurn::Removed,
            FailOn::Changed => turn == RowTurn::Changed,
            FailOn::Opens => !row.opens().is_empty(),
            FailOn::Closes => !row.closes().is_empty(),
        })
    };
    let internet = gate.contains(&FailOn::Internet) && found.opened_to_internet() > 0;
    let objects = gate.contains(&FailOn::Any)
        && !(found.added_workloads.is_empty()
            && found.removed_workloads.is_empty()
            && found.added_namespaces.is_empty()
            && found.removed_namespaces.is_empty());
    let breaks = gate.iter().any(|own| matches!(own, FailOn::Any | FailOn::Breaks));
    let breaks = breaks && !found.breaks.is_empty();
    if internet || objects || breaks || found.rows.iter().any(fails) {
        Status::Denied
    } else if found.rows.iter().any(|row| row.before.unknown != row.after.unknown)
        || !found.apart.is_empty()
        || found.unread
    {
        Status::Undetermined
    } else {
        Status::Success
    }
}

/// Compares two CNIs on the same manifests: 0 if nothing changes, 1 if something does, 3 if it cannot be
/// said whether.
fn between_cnis(args: &DiffArgs, cni: &Cni, global: &Global) -> Status {
    let world = match console::open(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let diff = cni_diff(world, world.cni.as_ref(), Some(cni));
    match args.output {
        DiffFormat::Text | DiffFormat::Github => {
            console::print(&render::cni_diff_text(world, &diff));
        }
        DiffFormat::Json => console::print_json(&render::cni_diff_json(world, &diff)),
        DiffFormat::Md => console::print(&render::cni_diff_markdown(world, &diff)),
    }
    let known = |row: &DiffRow| row.change.turn() != Turn::Undetermined;
    let same = diff.rows.is_empty() && diff.apart.is_empty();
    if same || args.fail_on.contains(&FailOn::None) {
        Status::Success
    } else if diff.rows.iter().any(known) {
        Status::Denied
    } else {
        Status::Undetermined
    }
}
