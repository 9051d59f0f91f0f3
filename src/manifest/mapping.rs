//! A mapping in the making: duplicate keys (the last one counts) and merge keys (where they stand).

use super::fault::{Fault, fail, syntax};
use super::node::{Entry, Node, Value};
use crate::diagnostic::{Code, Diagnostic, Span};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Keys in the order of their first mention, each once.
#[derive(Default)]
pub(super) struct MappingBuilder {
    entries: Vec<Entry>,
    /// Where each key is, and whether it came from a merge; kept only once there are many keys.
    index: FxHashMap<Arc<str>, usize>,
    merged: FxHashSet<usize>,
}

impl MappingBuilder {
    const INDEX_FROM: usize = 16;

    fn find(&mut self, key: &str) -> Option<usize> {
        if self.entries.len() < Self::INDEX_FROM {
            return self.entries.iter().position(|entry| &*entry.key == key);
        }
        if self.index.len() != self.entries.len() {
            let keys = self.entries.iter().enumerate();
            self.index = keys.map(|(at, entry)| (Arc::clone(&entry.key), at)).collect();
        }
        self.index.get(key).copied()
    }

    fn append(&mut self, entry: Entry) {
        if self.entries.len() >= Self::INDEX_FROM {
            self.index.insert(Arc::clone(&entry.key), self.entries.len());
        }
        self.entries.push(entry);
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Sets a key that stands in the text. The last of several counts.
    pub(super) fn set(&mut self, entry: Entry, diagnostics: &mut Vec<Diagnostic>) {
        let Some(at) = self.find(&entry.key) else {
            return self.append(entry);
        };
        let Some(existing) = self.entries.get_mut(at) else {
            return;
        };
        if !self.merged.remove(&at) {
            diagnostics.push(
                Diagnostic::new(
                    Code::DuplicateKey,
                    format!("the key `{}` stands twice; the last one counts", entry.key),
                )
                .at(entry.key_span, "this one counts")
                .also_at(existing.key_span, "this one has no effect"),
            );
        }
        *existing = entry;
    }

    /// `<<: value`: go-yaml merges where the key stands, so a merge replaces keys above it.
    pub(super) fn merge(
        &mut self,
        merge: Span,
        value: Node,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Result<(), Fault> {
        let span = value.span;
        let maps = match value.value {
            Value::Mapping(entries) => vec![entries],
            // Earlier maps take precedence: merge them last.
            Value::Sequence(items) => {
                let mut maps = Vec::with_capacity(items.len());
                for item in items.into_iter().rev() {
                    let Value::Mapping(entries) = item.value else {
                        return fail(syntax(
                            item.span,
                            "`<<` takes a mapping or a list of mappings",
                        ));
                    };
                    maps.push(entries);
                }
                maps
            }
            _ => return fail(syntax(span, "`<<` takes a mapping or a list of mappings")),
        };
        for entry in maps.into_iter().flatten() {
            if let Some(at) = self.find(&entry.key) {
                if let Some(existing) = self.entries.get_mut(at) {
                    if !self.merged.contains(&at) {
                        diagnostics.push(
                            Diagnostic::new(
                                Code::DuplicateKey,
                                format!(
                                    "`<<` replaces the key `{}` that stands above it",
                                    entry.key
                                ),
                            )
                            .at(merge, "kubectl merges here, against the YAML rule")
                            .also_at(existing.key_span, "this one has no effect")
                            .help("put `<<` first in its mapping"),
                        );
                    }
                    self.merged.insert(at);
                    *existing = entry;
                }
            } else {
                self.merged.insert(self.entries.len());
                self.append(entry);
            }
        }
        Ok(())
    }
}
