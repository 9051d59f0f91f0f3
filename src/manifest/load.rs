//! From paths to resources.

use super::clue::Clue;
use super::discover::{self, InputPath, Unread};
use super::item::{Collected, Item, Reason, SetAside};
use super::json::JsonReader;
use super::kustomize::{self, Kustomization};
use super::node::Node;
use super::object;
use super::resource::Resource;
use super::template::{self, TemplateFile};
use super::{text, yaml};
use crate::diagnostic::{Code, Diagnostic, Severity, SourceId, SourceMap, Span};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
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
    let mut diagnostics = Vec::new();
    let mut unread = Vec::new();
    let files = discover::files(inputs, &mut unread);
    let mut texts: Vec<FileText> = Vec::new();
    if inputs.contains(&InputPath::Stdin) {
        let mut bytes = Vec::new();
        match stdin.read_to_end(&mut bytes) {
            Ok(_) => texts.extend(file_text(Path::new("<stdin>"), bytes, &mut diagnostics)),
            Err(error) => unread.push(Unread::new(Path::new("<stdin>"), &error)),
        }
    }
    let read: Vec<_> = files.par_iter().map(std::fs::read).collect();
    for (path, read) in files.iter().zip(read) {
        match read {
            Ok(bytes) => texts.extend(file_text(path, bytes, &mut diagnostics)),
            Err(error) => unread.push(Unread::new(path, &error)),
        }
    }
    let mut loaded = assemble(&texts, diagnostics, unread.is_empty());
    for Unread { path, diagnostic } in unread {
        // What was not read may hold policies.
        let source = loaded.sources.add(path.to_string_lossy().into(), "".into());
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
    let mut diagnostics = Vec::new();
    let text = file_text(Path::new(name), bytes.to_vec(), &mut diagnostics);
    assemble(&Vec::from_iter(text), diagnostics, true)
}

struct FileText {
    path: PathBuf,
    text: Arc<str>,
    replaced_at: Option<u32>,
}

fn file_text(path: &Path, bytes: Vec<u8>, diagnostics: &mut Vec<Diagnostic>) -> Option<FileText> {
    if bytes.len() > MAX_SOURCE {
        diagnostics.push(
            Diagnostic::new(
                Code::ExcessiveInput,
                format!("`{}` is larger than 4 GiB", path.display()),
            )
            .help("split it, or leave out kinds that have no part in the answer"),
        );
        return None;
    }
    let (text, replaced_at) = text::decode(bytes);
    Some(FileText { path: path.to_path_buf(), text: text.into(), replaced_at })
}

/// What one piece of one file holds.
#[derive(Default)]
struct PieceResult {
    collected: Collected,
    kustomization: Option<Kustomization>,
    /// It is not YAML; `Span` says where the piece is.
    broken: Option<Span>,
}

/// `complete` says that nothing is known to be missing.
fn assemble(files: &[FileText], diagnostics: Vec<Diagnostic>, complete: bool) -> Loaded {
    let mut loaded = Loaded { diagnostics, files: files.len(), ..Loaded::default() };
    let ids: Vec<SourceId> = files
        .iter()
        .map(|file| {
            let name = file.path.to_string_lossy();
            loaded.sources.add(name.into(), Arc::clone(&file.text))
        })
        .collect();
    let results: Vec<Vec<PieceResult>> =
        files.par_iter().zip(&ids).map(|(file, &id)| read_file(file, id)).collect();

    let patches = patch_files(files, &results);
    let paths: Vec<PathBuf> = files.iter().map(|file| normal(&file.path)).collect();
    let mut templates = Vec::new();
    let mut items = Vec::new();
    for ((file, &id), pieces) in files.iter().zip(&ids).zip(results) {
        if let Some(at) = file.replaced_at {
            loaded.diagnostics.push(text::invalid_utf8(id, at));
        }
        let whole = Span::new(id, 0, 0);
        if patches.contains(&normal(&file.path)) {
            // A patch of a policy makes another policy of it than the one that is read.
            let policy = file.text.contains("NetworkPolicy");
            let (reason, what) = if policy {
                (Reason::UnsupportedPolicy, "a kustomize patch of a policy")
            } else {
                (Reason::NotAnObject, "a kustomize patch")
            };
            items.push(Item::SetAside(SetAside {
                reason,
                what: what.into(),
                group: None,
                kind: None,
                namespace: None,
                span: whole,
            }));
            continue;
        }
        // Only a piece that cannot be read may be a template: elsewhere `{{` is text.
        let action = pieces.iter().filter_map(|piece| piece.broken).find_map(|span| {
            let text = file.text.get(span.start as usize..span.end as usize)?;
            let at = template::first_action(&file.path, text)?;
            u32::try_from(at).ok().map(|at| span.start.saturating_add(at))
        });
        if let Some(at) = action {
            let span = Span::new(id, at, at + 2);
            templates.push(TemplateFile { path: &file.path, text: &file.text, span });
            continue;
        }
        note_templates(&mut loaded.sources, id, &file.text);
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
                    items.push(Item::SetAside(SetAside {
                        reason: Reason::UnsupportedPolicy,
                        what: "a kustomization that is not rendered".into(),
                        group: None,
                        kind: None,
                        namespace: None,
                        span: label.span,
                    }));
                }
                loaded.diagnostics.extend(warning);
            }
            loaded.diagnostics.extend(piece.collected.diagnostics);
            items.extend(piece.collected.items);
            loaded.clues.extend(piece.collected.clues);
            if let Some(span) = piece.broken {
                items.push(Item::SetAside(unreadable_piece(&loaded.sources, span)));
            }
        }
    }
    template::report(&templates, &mut items, &mut loaded.diagnostics);
    for item in items {
        match item {
            Item::Used(resource) => loaded.resources.push(*resource),
            Item::SetAside(set_aside) => loaded.set_aside.push(set_aside),
        }
    }
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

fn read_file(file: &FileText, id: SourceId) -> Vec<PieceResult> {
    let name =
        file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if file.text.trim_start().starts_with('{')
        && let Some(results) = read_json(id, &file.text)
    {
        return results;
    }
    read_yaml(id, 0, &file.text, &name)
}

/// Reads the text from byte `base` on as YAML.
fn read_yaml(id: SourceId, base: usize, text: &str, name: &str) -> Vec<PieceResult> {
    let offset = |at: usize| u32::try_from(base + at).unwrap_or(u32::MAX);
    let (pieces, bad_separators) = text::pieces(&text[base..]);
    let mut results: Vec<PieceResult> = pieces
        .par_iter()
        .map(|piece| {
            let start = offset(piece.start as usize);
            let parsed = yaml::parse(id, start, piece.text);
            let mut result = PieceResult::default();
            if parsed.diagnostics.iter().any(|d| d.severity == Severity::Error) {
                let end = offset(piece.start as usize + piece.text.len());
                result.broken = Some(Span::new(id, start, end));
            }
            result.collected.diagnostics = merge_duplicates(parsed.diagnostics);
            if let Some(node) = parsed.node {
                take(&mut result, &node, name);
            }
            result
        })
        .collect();
    for at in bad_separators {
        let mut result = PieceResult::default();
        let start = base + at as usize;
        let line = text[start..].lines().next().unwrap_or_default();
        let span = Span::new(id, offset(at as usize), offset(at as usize + line.len()));
        result.collected.diagnostics.push(
            Diagnostic::new(
                Code::Syntax,
                "not valid YAML: text after the document separator `---`",
            )
            .at(span, "kubectl refuses the file from here on"),
        );
        result.broken = Some(span);
        results.push(result);
    }
    results
}

fn take(result: &mut PieceResult, node: &Node, file_name: &str) {
    if node.is_null() {
        return;
    }
    result.kustomization = kustomize::read(node, file_name);
    if result.kustomization.is_none() {
        object::document(&mut result.collected, node);
    } else {
        result.collected.items.push(Item::SetAside(SetAside {
            reason: Reason::Irrelevant,
            what: "a kustomization".into(),
            group: None,
            kind: Some("Kustomization".into()),
            namespace: None,
            span: node.span,
        }));
    }
}

/// Reads a file as JSON; `None` if it is to be tried as YAML.
fn read_json(id: SourceId, text: &str) -> Option<Vec<PieceResult>> {
    let mut reader = JsonReader::new(id, text);
    let mut results: Vec<PieceResult> = Vec::new();
    loop {
        let start = reader.position();
        match reader.next_value() {
            None => return Some(results),
            Some(Ok(node)) => {
                let mut result = PieceResult::default();
                let found = std::mem::take(&mut reader.diagnostics);
                result.collected.diagnostics = merge_duplicates(found);
                take(&mut result, &node, "");
                results.push(result);
            }
            Some(Err(error)) => {
                // kubectl tries YAML if it has read one object at the most.
                if results.len() <= 1 && !error.excessive {
                    if results.is_empty() {
                        return None;
                    }
                    results.extend(read_yaml(id, start, text, ""));
                    return Some(results);
                }
                let mut result = PieceResult::default();
                result.collected.diagnostics.push(reader.diagnostic(&error));
                let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                result.broken = Some(Span::new(id, offset(start), offset(text.len())));
                results.push(result);
                return Some(results);
            }
        }
    }
}

/// Two objects in one document give a duplicate key for each of their fields: one finding, not
/// five.
fn merge_duplicates(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let top = |d: &Diagnostic, key: &str| {
        d.code == Code::DuplicateKey && d.message.starts_with(&format!("the key `{key}` "))
    };
    if !found.iter().any(|d| top(d, "apiVersion")) || !found.iter().any(|d| top(d, "kind")) {
        return found;
    }
    let Some(at) = found.iter().position(|d| top(d, "apiVersion")) else {
        return found;
    };
    let first = found.swap_remove(at);
    found.retain(|d| d.code != Code::DuplicateKey);
    let mut merged = Diagnostic::new(
        Code::MissingSeparator,
        "two objects in one document: only the last one counts",
    );
    merged.primary = first.primary.map(|label| crate::diagnostic::Label {
        text: "a line `---` is missing above".into(),
        ..label
    });
    merged.secondary = first.secondary;
    found.push(
        merged.help("without it kubectl applies the fields of the last object only, in silence"),
    );
    found
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
fn patch_files(files: &[FileText], results: &[Vec<PieceResult>]) -> BTreeSet<PathBuf> {
    let mut out = BTreeSet::new();
    for (file, pieces) in files.iter().zip(results) {
        let folder = file.path.parent().unwrap_or(Path::new(""));
        for patch in pieces.iter().filter_map(|p| p.kustomization.as_ref()).flat_map(|k| &k.patches)
        {
            out.insert(normal(&folder.join(patch)));
        }
    }
    // A file that is a resource as well is an object.
    for (file, pieces) in files.iter().zip(results) {
        let folder = file.path.parent().unwrap_or(Path::new(""));
        let kustomizations = pieces.iter().filter_map(|p| p.kustomization.as_ref());
        for resource in kustomizations.flat_map(|k| &k.resources) {
            out.remove(&normal(&folder.join(resource)));
        }
    }
    out
}

/// The path without `.` and `..`, as text: enough to compare paths below one root.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}
