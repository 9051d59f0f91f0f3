//! Where text came from: bytes to file, line and column.

use crate::lazy::once;
use rayon::prelude::*;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The bytes of a source: a string in memory, or a file that is mapped.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A source, by its place in the [`SourceMap`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u32);

impl SourceId {
    /// Its place among the sources, from 0.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

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
pub struct Source {
    /// The path as the user gave it, or `<stdin>`.
    pub name: Arc<str>,
    bytes: Bytes,
    /// What is counted once somebody asks for a line: most runs ask for a few, or none.
    counts: OnceLock<Counts>,
    /// Documents that carry Helm's `# Source:` comment: (start of document, template).
    templates: Vec<(u32, Arc<str>)>,
}

/// What stands before every [`STRIDE`]th byte: a place is then found without walking a file.
struct Counts {
    /// How many lines end there.
    lines: Vec<u32>,
    /// How many characters, where they are not as many as the bytes: of a line that is the whole file.
    characters: OnceLock<Option<Vec<u32>>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every text that was read, so that spans can be shown.
#[derive(Debug, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// Adds a text and returns its id. Texts are at most 4 GiB: the reader checks.
    pub fn add(&mut self, name: Arc<str>, bytes: Bytes) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(Source { name, bytes, counts: OnceLock::new(), templates: Vec::new() });
        id
    }

    /// Gives a source its text, decoded.
    pub fn set_bytes(&mut self, source: SourceId, bytes: &Bytes) {
        if let Some(source) = self.sources.get_mut(source.index()) {
            source.bytes = Arc::clone(bytes);
        }
    }

    /// Gives a source what was counted of it while it was read: of parts that make up all of its text.
    pub fn set_lines(&mut self, source: SourceId, parts: &[PartLines]) {
        if let Some(source) = self.sources.get_mut(source.index()) {
            let mut each = vec![0; source.bytes().len().div_ceil(STRIDE)];
            for part in parts {
                for (all, own) in each.iter_mut().skip(part.first).zip(&part.ended) {
                    *all += own;
                }
            }
            let counts = Counts { lines: running(&each), characters: OnceLock::new() };
            source.counts = OnceLock::from(counts);
        }
    }

    /// Notes that the document at `start` (and those up to the next such note) comes from a Helm
    /// template. `None` ends the reach of an earlier note. Calls come in ascending order.
    pub fn set_template(&mut self, source: SourceId, start: u32, template: Option<Arc<str>>) {
        if let Some(source) = self.sources.get_mut(source.index()) {
            source.templates.push((start, template.unwrap_or_default()));
        }
    }

    /// The ids of all sources, in the order in which they were added.
    pub fn ids(&self) -> impl Iterator<Item = SourceId> + use<> {
        (0..u32::try_from(self.sources.len()).unwrap_or(u32::MAX)).map(SourceId)
    }

    /// The source of an id.
    pub fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(id.index())
    }

    /// File, line and column of the first byte of a span.
    pub fn locate(&self, span: Span) -> Location {
        let Some(source) = self.source(span.source) else {
            return Location { path: "<unknown>".into(), line: 0, column: 0, template: None };
        };
        let (line, line_start) = source.line_of(span.start as usize);
        let at = source.templates.partition_point(|&(start, _)| start <= span.start);
        let template = at.checked_sub(1).and_then(|at| source.templates.get(at));
        Location {
            path: Arc::clone(&source.name),
            line,
            column: source.characters_between(line_start, span.start as usize) + 1,
            template: template.map(|(_, name)| Arc::clone(name)).filter(|name| !name.is_empty()),
        }
    }

    /// The text of a span; empty if it is not text.
    pub fn text(&self, span: Span) -> &str {
        self.source(span.source)
            .and_then(|source| source.slice(span.start as usize, span.end as usize))
            .unwrap_or("")
    }
}

/// The distance of counted places.
const STRIDE: usize = 1 << 16;

/// How many lines end in a part of a text. To count them takes little where the part has just been read.
#[derive(Debug)]
pub struct PartLines {
    /// The stride that the part starts in.
    first: usize,
    /// From that one on, in each.
    ended: Vec<usize>,
}

impl PartLines {
    /// Counts the lines that end in a part of a text.
    pub fn count(text: &[u8], part: Range<usize>) -> Self {
        let first = part.start / STRIDE;
        let strides = first..part.end.div_ceil(STRIDE).max(first);
        let within = |stride: usize| {
            let (start, end) = (stride * STRIDE, (stride + 1) * STRIDE);
            line_ends(text, start.max(part.start), end.min(part.end))
        };
        Self { first, ended: strides.map(within).collect() }
    }
}

/// For every stride what was counted before it, of what was counted in each.
fn running(each: &[usize]) -> Vec<u32> {
    let before = each.iter().scan(0, |all, count| {
        let before = *all;
        *all += count;
        Some(offset(before))
    });
    before.collect()
}

/// How many lines end between two places. A carriage return alone ends a line, too.
fn line_ends(bytes: &[u8], start: usize, end: usize) -> usize {
    let lone = |at: usize| bytes.get(start + at + 1).is_some_and(|&next| next != b'\n');
    let part = &bytes[start..end];
    memchr::memchr_iter(b'\n', part).count()
        + memchr::memchr_iter(b'\r', part).filter(|&at| lone(at)).count()
}

impl Source {
    /// The decoded text. All of it is UTF-8, unless it is a file that changed while it was read.
    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// The same, to be kept.
    pub fn shared(&self) -> &Bytes {
        &self.bytes
    }

    /// A part of the text, if it is one.
    pub fn slice(&self, start: usize, end: usize) -> Option<&str> {
        std::str::from_utf8(self.bytes().get(start..end)?).ok()
    }

    fn counts(&self) -> &Counts {
        once(&self.counts, || {
            let lines = self.running(|start, end| line_ends(self.bytes(), start, end));
            Counts { lines, characters: OnceLock::new() }
        })
    }

    /// For every counted place what was counted before it.
    fn running(&self, count: impl Fn(usize, usize) -> usize + Sync) -> Vec<u32> {
        let size = self.bytes().len();
        let strides = size.div_ceil(STRIDE);
        let each = (0..strides)
            .into_par_iter()
            .map(|stride| count(stride * STRIDE, size.min((stride + 1) * STRIDE)));
        running(&each.collect::<Vec<usize>>())
    }

    /// The number of the line that a byte is on, from 1, and where that line starts.
    fn line_of(&self, at: usize) -> (u32, usize) {
        let bytes = self.bytes();
        let at = at.min(bytes.len());
        let (from, counted) = place(&self.counts().lines, at);
        let line = counted + offset(line_ends(bytes, from, at)) + 1;
        let ends_line = |&end: &usize| {
            bytes[end] == b'\n' || bytes.get(end + 1).is_some_and(|&next| next != b'\n')
        };
        let mut ends = memchr::memchr2_iter(b'\n', b'\r', &bytes[..at]).rev();
        (line, ends.find(ends_line).map_or(0, |end| end + 1))
    }

    /// How many characters stand between two places.
    fn characters_between(&self, start: usize, end: usize) -> u32 {
        let bytes = self.bytes();
        let end = end.min(bytes.len());
        if end - start < 4 * STRIDE {
            return offset(characters_of(&bytes[start..end]));
        }
        let counts = once(&self.counts().characters, || {
            let ascii = bytes.is_ascii();
            (!ascii).then(|| self.running(|start, end| characters_of(&bytes[start..end])))
        });
        let Some(counts) = counts else { return offset(end - start) };
        let before = |at| {
            let (from, counted) = place(counts, at);
            counted + offset(characters_of(&bytes[from..at]))
        };
        before(end) - before(start)
    }
}

/// The nearest counted place before a byte, and what was counted there.
fn place(counts: &[u32], at: usize) -> (usize, u32) {
    let stride = (at / STRIDE).min(counts.len().saturating_sub(1));
    (stride * STRIDE, counts.get(stride).copied().unwrap_or(0))
}

fn characters_of(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b & 0xc0 != 0x80).count()
}

/// Offsets fit in 32 bits: the reader refuses larger texts.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was counted in parts is what is counted of the whole.
    #[test]
    fn lines_that_were_counted_in_parts_are_the_same() {
        let ends = ["\n", "\r\n", "\r", "", " \n\r", "x"];
        let text: String =
            (0..40_000_usize).map(|at| ends[at * at % 7 % ends.len()].to_owned() + "ab").collect();
        assert!(text.len() > 2 * STRIDE);
        let locate = |parts: Option<&[usize]>| -> Vec<(u32, u32)> {
            let mut sources = SourceMap::default();
            let id = sources.add("x".into(), Arc::new(text.clone().into_bytes()));
            if let Some(parts) = parts {
                let parts =
                    parts.windows(2).map(|two| PartLines::count(text.as_bytes(), two[0]..two[1]));
                sources.set_lines(id, &parts.collect::<Vec<_>>());
            }
            let places = (0..text.len()).step_by(997).chain([text.len()]);
            let places = places.map(|at| sources.locate(Span::new(id, offset(at), offset(at))));
            places.map(|place| (place.line, place.column)).collect()
        };
        let whole = locate(None);
        let end = text.len();
        let cut = text.find("\r\n").map_or(1, |at| at + 1);
        for parts in
            [&[0, end][..], &[0, 0, cut, STRIDE, STRIDE, STRIDE + 1, 2 * STRIDE - 1, end, end]]
        {
            assert_eq!(locate(Some(parts)), whole, "{parts:?}");
        }
    }
}
