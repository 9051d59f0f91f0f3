//! Where text came from: bytes to file, line and column.

use std::fmt;
use std::sync::Arc;

/// A source, by its place in the [`SourceMap`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u32);

/// A half-open range of bytes in the decoded text of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The source.
    pub source: SourceId,
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of a source.
    pub fn new(source: SourceId, start: u32, end: u32) -> Self {
        Self { source, start, end: end.max(start) }
    }
}

/// A place as people write it: `path:line:column`, both counted from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// The path as the user gave it, or `<stdin>`.
    pub path: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The template that Helm rendered this document from (its `# Source:` comment).
    pub template: Option<Arc<str>>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)?;
        if let Some(template) = &self.template {
            write!(f, " ({template})")?;
        }
        Ok(())
    }
}

/// One text that was read.
#[derive(Debug)]
pub struct Source {
    /// The path as the user gave it, or `<stdin>`.
    pub name: Arc<str>,
    /// The decoded text.
    pub text: Arc<str>,
    /// Byte offsets of line starts, ascending; the first is 0.
    line_starts: Vec<u32>,
    /// For text that is not ASCII, how many characters stand before every [`STRIDE`]th byte: a
    /// column is then found without walking a line that may be the whole file.
    characters: Option<Vec<u32>>,
    /// Documents that carry Helm's `# Source:` comment: (start of document, template).
    templates: Vec<(u32, Arc<str>)>,
}

/// Every text that was read, so that spans can be shown.
#[derive(Debug, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// Adds a text and returns its id. Texts are at most 4 GiB: the reader checks.
    pub fn add(&mut self, name: Arc<str>, text: Arc<str>) -> SourceId {
        let bytes = text.as_bytes();
        // A carriage return alone ends a line, too.
        let ends = bytes.iter().enumerate().filter(|&(at, &b)| {
            b == b'\n' || b == b'\r' && bytes.get(at + 1).is_some_and(|&next| next != b'\n')
        });
        let line_starts = std::iter::once(0).chain(ends.map(|(at, _)| offset(at + 1))).collect();
        let characters = (!text.is_ascii()).then(|| {
            let mut count = 0;
            let starts = |b: &&u8| **b & 0xc0 != 0x80;
            bytes
                .chunks(STRIDE)
                .map(|chunk| {
                    let before = count;
                    count += offset(chunk.iter().filter(starts).count());
                    before
                })
                .collect()
        });
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(Source { name, text, line_starts, characters, templates: Vec::new() });
        id
    }

    /// Notes that the document at `start` (and those up to the next such note) comes from a Helm
    /// template. `None` ends the reach of an earlier note. Calls come in ascending order.
    pub fn set_template(&mut self, source: SourceId, start: u32, template: Option<Arc<str>>) {
        if let Some(source) = self.sources.get_mut(source.0 as usize) {
            source.templates.push((start, template.unwrap_or_default()));
        }
    }

    /// The source of an id.
    pub fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(id.0 as usize)
    }

    /// File, line and column of the first byte of a span.
    pub fn locate(&self, span: Span) -> Location {
        let Some(source) = self.source(span.source) else {
            return Location { path: "<unknown>".into(), line: 0, column: 0, template: None };
        };
        let line = source.line_starts.partition_point(|&start| start <= span.start).max(1);
        let line_start = source.line_starts.get(line - 1).copied().unwrap_or(0) as usize;
        let at = source.templates.partition_point(|&(start, _)| start <= span.start);
        let template = at.checked_sub(1).and_then(|at| source.templates.get(at));
        Location {
            path: Arc::clone(&source.name),
            line: offset(line),
            column: source.characters_before(span.start as usize)
                - source.characters_before(line_start)
                + 1,
            template: template.map(|(_, name)| Arc::clone(name)).filter(|name| !name.is_empty()),
        }
    }

    /// The text of a span.
    pub fn text(&self, span: Span) -> &str {
        self.source(span.source)
            .and_then(|source| source.text.get(span.start as usize..span.end as usize))
            .unwrap_or("")
    }
}

/// The distance of counted places in text that is not ASCII.
const STRIDE: usize = 1024;

impl Source {
    /// How many characters stand before a byte.
    fn characters_before(&self, at: usize) -> u32 {
        let at = at.min(self.text.len());
        let Some(counts) = &self.characters else { return offset(at) };
        let chunk = at / STRIDE;
        let (counted, from) = match counts.get(chunk) {
            Some(&count) => (count, chunk * STRIDE),
            None => (counts.last().copied().unwrap_or(0), counts.len().saturating_sub(1) * STRIDE),
        };
        let rest = self.text.as_bytes().get(from..at).unwrap_or_default();
        counted + offset(rest.iter().filter(|b| **b & 0xc0 != 0x80).count())
    }
}

/// Offsets fit in 32 bits: the reader refuses larger texts.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
