//! From paths to resources.

use super::clue::Clue;
use super::discover::{self, InputPath, Unread, normal};
use super::file::{self, FileRead, RawFile, Readers};
use super::item::{Reason, SetAside};
use super::known::Known;
use super::kustomize;
use super::resource::Resource;
use super::template::{self, TemplateFile};
use super::{map, text};
use crate::diagnostic::{Bytes, Code, Diagnostic, Severity, SourceId, SourceMap, Span};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The texts, for locations and snippets.
    pub sources: SourceMap,
    /// Objects with a part in the answer, in the order of files and of their places there.
    pub resources: Vec<Resource>,
    /// Everything else, in the same order.
    pub set_aside: Vec<SetAside>,
    /// What tells which CNI the cluster has, in the same order.
    pub clues: Vec<Clue>,
    /// What is to be said of the input, in the same order.
    pub diagnostics: Vec<Diagnostic>,
    /// How many files were read, standard input being one.
    pub files: usize,
    /// The sources of what is to be applied over the rest.
    pub applied: BTreeSet<SourceId>,
}

impl Loaded {
    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
    }
}

/// Sources above this size are refused: positions are kept in 32 bits.
const MAX_SOURCE: usize = u32::MAX as usize - 1;

/// Reads files, folders and standard input.
pub fn load(inputs: &[InputPath], stdin: &mut dyn Read) -> Loaded {
    load_over(inputs, &[], stdin)
}

/// The same, with further inputs whose objects are to be applied over the others'.
pub fn load_over(inputs: &[InputPath], over: &[InputPath], stdin: &mut dyn Read) -> Loaded {
    load_texts(inputs, over, [Vec::new(), Vec::new()], stdin, &Known::default())
}

/// The same, with files that are in memory already: beside the inputs, and to be applied over them. What is
/// known need not be read again: it makes no difference but to the time.
pub fn load_texts(
    inputs: &[InputPath],
    over: &[InputPath],
    more: [Vec<(PathBuf, Vec<u8>)>; 2],
    stdin: &mut dyn Read,
    known: &Known,
) -> Loaded {
    let mut diagnostics = Vec::new();
    let mut unread = Vec::new();
    let applied = discover::files(over, &mut unread);
    let mut files = discover::files(inputs, &mut unread);
    // What is named twice is applied: to apply what is there already changes nothing.
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let twice: BTreeSet<PathBuf> = applied.iter().map(real).collect();
    if !twice.is_empty() {
        files.retain(|path| !twice.contains(&real(path)));
    }
    let first_applied = files.len();
    files.extend(applied);
    let stdin_applied = over.contains(&InputPath::Stdin);
    let mut texts: Vec<RawFile> = Vec::new();
    if inputs.contains(&InputPath::Stdin) || stdin_applied {
        let mut bytes = Vec::new();
        match stdin.read_to_end(&mut bytes) {
            Ok(_) => texts.extend(raw_file("<stdin>".into(), Arc::new(bytes), &mut diagnostics)),
            Err(error) => unread.push(Unread::new(Path::new("<stdin>"), &error)),
        }
    }
    let mut is_applied = vec![stdin_applied; texts.len()];
    for (files, applied) in more.into_iter().zip([false, true]) {
        for (path, bytes) in files {
            texts.extend(raw_file(path, Arc::new(bytes), &mut diagnostics));
            is_applied.resize(texts.len(), applied);
        }
    }
    let read: Vec<_> = files.par_iter().map(|path| map::read(path)).collect();
    for (at, (path, read)) in files.iter().zip(read).enumerate() {
        match read {
            Ok(bytes) => {
                // `-f .` names files as everybody else does.
                let name = path.strip_prefix(".").unwrap_or(path).to_path_buf();
                texts.extend(raw_file(name, bytes, &mut diagnostics));
            }
            Err(error) => unread.push(Unread::new(path, &error)),
        }
        is_applied.resize(texts.len(), at >= first_applied);
    }
    let mut loaded = assemble(texts, (Readers::Both, known), diagnostics, unread.is_empty());
    let ids = loaded.sources.ids().zip(is_applied);
    loaded.applied = ids.filter(|(_, applied)| *applied).map(|(id, _)| id).collect();
    for Unread { path, diagnostic } in unread {
        // What was not read may hold policies.
        let source = loaded.sources.add(path.to_string_lossy().into(), Arc::new(""));
        loaded.set_aside.push(SetAside {
            reason: Reason::Unreadable,
            what: "a file that could not be read".into(),
            group: None,
            kind: None,
            namespace: None,
            span: Span::new(source, 0, 0),
        });
        loaded.diagnostics.push(diagnostic);
    }
    loaded
}

/// Reads a text that is no manifest: a file, or standard input.
pub fn read_text(path: &InputPath) -> std::io::Result<String> {
    match path {
        InputPath::Path(path) => std::fs::read_to_string(path),
        InputPath::Stdin => std::io::read_to_string(std::io::stdin()),
    }
}

/// Reads one text that is already in memory, under a name: for tests and for other programs.
pub fn load_text(name: &str, bytes: &[u8]) -> Loaded {
    load_text_by(Readers::Both, name, bytes)
}

/// The same by the given readers.
pub fn load_text_by(readers: Readers, name: &str, bytes: &[u8]) -> Loaded {
    let mut diagnostics = Vec::new();
    let text = raw_file(name.into(), Arc::new(bytes.to_vec()), &mut diagnostics);
    assemble(Vec::from_iter(text), (readers, &Known::default()), diagnostics, true)
}

fn raw_file(path: PathBuf, bytes: Bytes, diagnostics: &mut Vec<Diagnostic>) -> Option<RawFile> {
    if (*bytes).as_ref().len() > MAX_SOURCE {
        diagnostics.push(
            Diagnostic::new(
                Code::ExcessiveInput,
                format!("`{}` is larger than 4 GiB", path.display()),
            )
            .help("split it, or leave out kinds that have no part in the answer"),
        );
        return None;
    }
    Some(RawFile { path, bytes })
}

/// `complete` says that nothing is known to be missing.
fn assemble(
    files: Vec<RawFile>,
    (readers, known): (Readers, &Known),
    diagnostics: Vec<Diagnostic>,
    complete: bool,
) -> Loaded {
    let mut loaded = Loaded { diagnostics, files: files.len(), ..Loaded::default() };
    let ids: Vec<SourceId> = files
        .iter()
        .map(|file| loaded.sources.add(file.path.to_string_lossy().into(), Arc::clone(&file.bytes)))
        .collect();
    let mut files: Vec<FileRead> = files
        .into_par_iter()
        .zip(&ids)
        .map(|(file, &id)| file::read(file, id, readers, known))
        .collect();
    let patches = patch_files(&files);
    let paths: Vec<PathBuf> = files.iter().map(|file| normal(&file.path)).collect();
    let mut templates = Vec::new();
    loaded.resources.reserve_exact(files.iter().map(FileRead::used).sum());
    let pieces: Vec<_> = files.iter_mut().map(|file| std::mem::take(&mut file.pieces)).collect();
    for ((file, &id), pieces) in files.iter().zip(&ids).zip(pieces) {
        loaded.sources.set_bytes(id, &file.bytes);
        if let Some(lines) = &file.printed {
            loaded.sources.set_lines(id, lines);
        }
        if let Some(at) = file.replaced_at {
            loaded.diagnostics.push(text::invalid_utf8(id, at));
        }
        let whole = Span::new(id, 0, 0);
        if patches.contains(&normal(&file.path)) {
            // A patch of a policy makes another policy of it than the one that is read.
            let policy = file.text().contains("NetworkPolicy");
            let (reason, what) = if policy {
                (Reason::UnsupportedPolicy, "a kustomize patch of a policy")
            } else {
                (Reason::NotAnObject, "a kustomize patch")
            };
            loaded.set_aside.push(SetAside {
                reason,
                what: what.into(),
                group: None,
                kind: None,
                namespace: None,
                span: whole,
            });
            continue;
        }
        // Only a piece that cannot be read may be a template: elsewhere `{{` is text.
        let action = pieces.iter().filter_map(|piece| piece.broken).find_map(|span| {
            let text = file.text().get(span.start as usize..span.end as usize)?;
            let at = template::first_action(&file.path, text)?;
            u32::try_from(at).ok().map(|at| span.start.saturating_add(at))
        });
        if let Some(at) = action {
            let span = Span::new(id, at, at + 2);
            templates.push(TemplateFile { path: &file.path, text: file.text(), span });
            continue;
        }
        if file.printed.is_none() {
            note_templates(&mut loaded.sources, id, file.text());
        }
        for piece in pieces {
            if let Some(kustomization) = &piece.kustomization {
                let folder =
                    file.path.parent().map(|p| p.display().to_string()).unwrap_or_default();
                let unread: Vec<&str> = kustomization
                    .resources
                    .iter()
                    .filter(|resource| {
                        let wanted = normal(&file.path.with_file_name(resource));
                        !paths.iter().any(|path| path.starts_with(&wanted))
                    })
                    .map(String::as_str)
                    .collect();
                let warning = kustomize::warning(kustomization, &folder, &unread);
                if let Some(label) = warning.as_ref().and_then(|w| w.primary.as_ref()) {
                    loaded.set_aside.push(SetAside {
                        reason: Reason::UnsupportedPolicy,
                        what: "a kustomization that is not rendered".into(),
                        group: None,
                        kind: None,
                        namespace: None,
                        span: label.span,
                    });
                }
                loaded.diagnostics.extend(warning);
            }
            loaded.diagnostics.extend(piece.collected.diagnostics);
            loaded.resources.extend(piece.collected.used);
            loaded.set_aside.extend(piece.collected.set_aside);
            loaded.clues.extend(piece.collected.clues);
            if let Some(span) = piece.broken {
                loaded.set_aside.push(unreadable_piece(&loaded.sources, span));
            }
        }
    }
    template::report(&templates, &mut loaded.set_aside, &mut loaded.diagnostics);
    if loaded.resources.is_empty() && loaded.errors() == 0 && complete {
        let files = loaded.files;
        let message = match files {
            0 => "no YAML or JSON file to read".to_owned(),
            1 => "no Kubernetes object with a part in the answer".to_owned(),
            _ => format!("no Kubernetes object with a part in the answer in {files} files"),
        };
        loaded.diagnostics.push(
            Diagnostic::new(Code::NoObjects, message)
                .help("`-f` takes files, folders (read recursively: .yaml .yml .json) and `-`"),
        );
    }
    loaded.diagnostics.sort_by_key(Diagnostic::sort_key);
    loaded
}

/// What is known of a piece that is not YAML.
fn unreadable_piece(sources: &SourceMap, span: Span) -> SetAside {
    let text = sources.text(span);
    let kind = text.lines().find_map(|line| line.strip_prefix("kind:")).map(str::trim);
    let reason =
        if template::may_hold_policy(text) { Reason::Unreadable } else { Reason::InvalidObject };
    SetAside {
        reason,
        what: kind.map_or("unreadable text".into(), |kind| format!("an unreadable {kind}").into()),
        group: None,
        kind: kind.map(Into::into),
        namespace: None,
        span: Span::new(span.source, span.start, span.start),
    }
}

fn note_templates(sources: &mut SourceMap, id: SourceId, text: &str) {
    if !text.contains("# Source: ") {
        return;
    }
    for piece in text::pieces(text).0 {
        sources.set_template(id, piece.start, text::helm_source(piece.text));
    }
}

/// Files that kustomizations use as patches.
fn patch_files(files: &[FileRead]) -> BTreeSet<PathBuf> {
    let mut out = BTreeSet::new();
    let kustomizations = || {
        files.iter().flat_map(|file| {
            let folder = file.path.parent().unwrap_or(Path::new(""));
            file.pieces.iter().filter_map(move |p| Some((folder, p.kustomization.as_ref()?)))
        })
    };
    for (folder, kustomization) in kustomizations() {
        out.extend(kustomization.patches.iter().map(|patch| normal(&folder.join(patch))));
    }
    // A file that is a resource as well is an object.
    for (folder, kustomization) in kustomizations() {
        for resource in &kustomization.resources {
            out.remove(&normal(&folder.join(resource)));
        }
    }
    out
}
