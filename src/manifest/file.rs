//! One file to the objects in it.

use super::item::{Collected, Reason, SetAside};
use super::json::JsonReader;
use super::known::Known;
use super::kubectl::Printed;
use super::kustomize::{self, Kustomization};
use super::node::Node;
use super::{kubectl, object, text, yaml};
use crate::diagnostic::{Bytes, Code, Diagnostic, PartLines, Severity, SourceId, Span};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// The full reader alone: the judge of the other one.
    Full,
    /// What kubectl prints by the fast reader, all else by the full one.
    Both,
}

/// A file as it was read.
pub(super) struct RawFile {
    pub(super) path: PathBuf,
    pub(super) bytes: Bytes,
}

/// What a file holds.
pub(super) struct FileRead {
    pub(super) path: PathBuf,
    /// The text, decoded.
    pub(super) bytes: Bytes,
    /// Where the first byte was that is no text.
    pub(super) replaced_at: Option<u32>,
    pub(super) pieces: Vec<PieceResult>,
    /// The lines of a list that kubectl printed, which is neither a template nor a kustomization.
    pub(super) printed: Option<Vec<PartLines>>,
}

impl FileRead {
    /// How many objects have a part in the answer.
    pub(super) fn used(&self) -> usize {
        self.pieces.iter().map(|piece| piece.collected.used.len()).sum()
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8((*self.bytes).as_ref()).unwrap_or_default()
    }
}

/// What one piece of one file holds.
#[derive(Default)]
pub(super) struct PieceResult {
    pub(super) collected: Collected,
    pub(super) kustomization: Option<Kustomization>,
    /// It is not YAML; `Span` says where the piece is.
    pub(super) broken: Option<Span>,
}

/// Reads a file, whose text is the source `id`.
pub(super) fn read(file: RawFile, id: SourceId, readers: Readers, known: &Known) -> FileRead {
    let RawFile { path, bytes } = file;
    if readers == Readers::Both
        && let Some(Printed { chunks, lines }) = kubectl::list(id, (*bytes).as_ref(), known)
    {
        let pieces = chunks.into_iter();
        let pieces = pieces.map(|collected| PieceResult { collected, ..PieceResult::default() });
        return FileRead {
            path,
            bytes,
            replaced_at: None,
            pieces: pieces.collect(),
            printed: Some(lines),
        };
    }
    let (bytes, replaced_at) = match text::decode((*bytes).as_ref()) {
        None => (bytes, None),
        Some((text, at)) => (Arc::new(text) as Bytes, at),
    };
    let mut read = FileRead { path, bytes, replaced_at, pieces: Vec::new(), printed: None };
    let text = read.text();
    let name = read.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let json =
        text.trim_start().starts_with('{').then(|| read_json(id, text, readers, known)).flatten();
    read.pieces =
        json.unwrap_or_else(|| read_yaml(id, 0, text, &name.unwrap_or_default(), (readers, known)));
    read
}

/// Reads the text from byte `base` on as YAML.
fn read_yaml(
    id: SourceId,
    base: usize,
    text: &str,
    name: &str,
    (readers, known): (Readers, &Known),
) -> Vec<PieceResult> {
    let offset = |at: usize| u32::try_from(base + at).unwrap_or(u32::MAX);
    let (pieces, bad_separators) = text::pieces(&text[base..]);
    let mut results: Vec<PieceResult> = pieces
        .par_iter()
        .map(|piece| {
            let at = base + piece.start as usize;
            let start = offset(piece.start as usize);
            let mut result = PieceResult::default();
            let range = at..at + piece.text.len();
            if readers == Readers::Both
                && let Some(resource) = kubectl::document(id, text.as_bytes(), range, known)
            {
                result.collected.used.push(resource);
                return result;
            }
            let parsed = yaml::parse(id, start, piece.text);
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
        result.collected.set_aside.push(SetAside {
            reason: Reason::Irrelevant,
            what: "a kustomization".into(),
            group: None,
            kind: Some("Kustomization".into()),
            namespace: None,
            span: node.span,
        });
    }
}

/// Reads a file as JSON; `None` if it is to be tried as YAML.
fn read_json(
    id: SourceId,
    text: &str,
    readers: Readers,
    known: &Known,
) -> Option<Vec<PieceResult>> {
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
                    results.extend(read_yaml(id, start, text, "", (readers, known)));
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
