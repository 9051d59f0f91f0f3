//! Texts that are no manifests: tests and what else is written in YAML beside them.

use super::node::Node;
use super::text;
use super::yaml;
use crate::diagnostic::{Code, Diagnostic, SourceMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use walkdir::WalkDir;

/// Reads every document of a file. What cannot be read is told of, and keeps nothing else from being read.
pub(crate) fn documents(path: &Path, sources: &mut SourceMap) -> (Vec<Node>, Vec<Diagnostic>) {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("cannot read `{}`: {error}", path.display());
            return (Vec::new(), vec![Diagnostic::new(Code::UnreadableInput, message)]);
        }
    };
    let decoded = text::decode(&bytes);
    let text = match &decoded {
        Some((text, _)) => text.clone(),
        None => String::from_utf8_lossy(&bytes).into_owned(),
    };
    let name = path.strip_prefix(".").unwrap_or(path).to_string_lossy().into();
    let id = sources.add(name, Arc::new(text.clone()));
    let mut diagnostics = Vec::new();
    if let Some((_, Some(at))) = decoded {
        diagnostics.push(text::invalid_utf8(id, at));
    }
    let (pieces, _) = text::pieces(&text);
    let nodes = pieces.into_iter().filter_map(|piece| {
        let parsed = yaml::parse(id, piece.start, piece.text);
        diagnostics.extend(parsed.diagnostics);
        parsed.node
    });
    (nodes.collect(), diagnostics)
}

/// The files below a folder whose names a test accepts, in order; hidden folders hold none.
pub fn files_below(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, String> {
    let hidden = |name: &str| name.starts_with('.');
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    let walk = walk.filter_entry(|entry| {
        entry.depth() == 0 || !entry.file_name().to_str().is_some_and(hidden)
    });
    let mut out = Vec::new();
    for entry in walk {
        match entry {
            Ok(entry) => {
                let name = entry.file_name().to_str().unwrap_or_default();
                if entry.file_type().is_file() && wanted(name) {
                    out.push(entry.into_path());
                }
            }
            Err(error) if error.loop_ancestor().is_some() => {}
            // A link to nowhere that has another name is nobody's test.
            Err(error)
                if error.path().is_some_and(|path| {
                    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                    path.is_symlink() && !wanted(name)
                }) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(out)
}

/// Writes a text into a file.
pub fn write_text(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(path, text)
}

/// The files that a pattern with `*`, `?`, `[…]` or `**` stands for, in order.
pub fn files_matching(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let found = glob::glob(pattern).map_err(|error| error.to_string())?;
    found.collect::<Result<Vec<PathBuf>, _>>().map_err(|error| error.to_string())
}
