//! Whole texts: a `List`, cut into chunks that are read in parallel, or one object.

use super::super::item::Collected;
use super::super::json::JsonReader;
use super::super::known::{Course, Known};
use super::super::resource::Resource;
use super::super::{object, yaml as full};
use super::cursor::{Cursor, starts_with};
use super::json::Json;
use super::meta::Memory;
use super::replica::Original;
use super::yaml::Yaml;
use crate::diagnostic::{PartLines, SourceId};
use memchr::memmem;
use rayon::prelude::*;
use std::ops::Range;

/// How a list is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Yaml,
    Json,
}

impl Format {
    /// Everything before the first item.
    fn head(self) -> &'static [u8] {
        match self {
            Self::Yaml => b"apiVersion: v1\nitems:\n",
            Self::Json => b"{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n",
        }
    }

    /// Everything after the last item: servers of old printed a `selfLink`, too.
    fn tails(self) -> [&'static [u8]; 2] {
        match self {
            Self::Yaml => [
                b"kind: List\nmetadata:\n  resourceVersion: \"\"\n",
                b"kind: List\nmetadata:\n  resourceVersion: \"\"\n  selfLink: \"\"\n",
            ],
            Self::Json => [
                b"    ],\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n",
                b"    ],\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\",\n        \"selfLink\": \"\"\n    }\n}\n",
            ],
        }
    }

    /// Where in an item its object starts.
    fn indent(self) -> usize {
        match self {
            Self::Yaml => 2,
            Self::Json => 8,
        }
    }

    /// How an item starts.
    fn opening(self) -> &'static [u8] {
        match self {
            Self::Yaml => b"- ",
            Self::Json => b"        {\n",
        }
    }
}

/// A list that kubectl printed.
pub(in crate::manifest) struct Printed {
    /// What its chunks hold, in order.
    pub(in crate::manifest) chunks: Vec<Collected>,
    /// The lines of its parts.
    pub(in crate::manifest) lines: Vec<PartLines>,
}

/// Reads what `kubectl get -o yaml` or `-o json` prints of several objects, or `None` if the text is
/// anything else: then the full reader has to read all of it.
pub(in crate::manifest) fn list(source: SourceId, text: &[u8], known: &Known) -> Option<Printed> {
    let format = [Format::Yaml, Format::Json].into_iter().find(|f| text.starts_with(f.head()))?;
    let tail = format.tails().into_iter().find(|tail| text.ends_with(tail))?;
    let body = format.head().len()..text.len() - tail.len();
    // The tail starts a line.
    if !text.get(body.clone())?.ends_with(b"\n") {
        return None;
    }
    let chunks = chunks(text, format, body.clone())?;
    let Range { start, end } = body;
    let read = |range: Range<usize>| {
        let last = range.end == end;
        let upto = &text[..range.end];
        let chunk = Chunk { source, text: upto, format, start: range.start, last, known };
        let read = match format {
            Format::Yaml => chunk.read(|at| Yaml::new(upto, at, 2)),
            Format::Json => chunk.read(|at| Json::new(upto, at, 8)),
        };
        Some((read?, PartLines::count(text, range)))
    };
    // Policies take longer than pods, and stand together: whoever is done takes single chunks of others.
    let read = chunks.into_par_iter().with_max_len(1).map(read);
    let (chunks, mut lines): (Vec<Collected>, Vec<PartLines>) =
        read.collect::<Option<Vec<_>>>()?.into_iter().unzip();
    lines.extend([0..start, end..text.len()].map(|part| PartLines::count(text, part)));
    Some(Printed { chunks, lines })
}

/// Pieces of a list at the borders of items: enough for every thread, few enough to remember much.
fn chunks(text: &[u8], format: Format, body: Range<usize>) -> Option<Vec<Range<usize>>> {
    let wanted = body.len() / (rayon::current_num_threads() * 8);
    let size = wanted.clamp(64 << 10, 2 << 20);
    let opening = [b"\n", format.opening()].concat();
    let finder = memmem::Finder::new(&opening);
    let mut chunks = Vec::new();
    let mut start = body.start;
    while start < body.end {
        let from = body.end.min(start + size);
        let end = finder.find(&text[from..body.end]).map_or(body.end, |at| from + at + 1);
        chunks.push(start..end);
        start = end;
    }
    starts_with(text, body.start, format.opening()).then_some(chunks)
}

/// Whether there is nothing but printable ASCII and line breaks.
fn is_clean(text: &[u8]) -> bool {
    // One pass without a branch: the compiler makes vector instructions of it.
    let odd = |b: u8| u8::from(b.wrapping_sub(b' ') > b'~' - b' ') & u8::from(b != b'\n');
    text.chunks(4096).all(|part| part.iter().fold(0, |found, &b| found | odd(b)) == 0)
}

/// Some items of a list.
struct Chunk<'t> {
    source: SourceId,
    /// The text up to the end of the chunk.
    text: &'t [u8],
    format: Format,
    start: usize,
    /// It holds the last item of the list.
    last: bool,
    known: &'t Known,
}

impl<'t> Chunk<'t> {
    /// Reads the items, each of which has its object at a cursor of its own.
    fn read<C: Cursor<'t>>(&self, cursor: impl Fn(usize) -> C) -> Option<Collected> {
        let mut out = Collected::default();
        let mut memory = Memory::default();
        let mut original = None;
        let opening = [b"\n", self.format.opening()].concat();
        let finder = memmem::Finder::new(&opening);
        let mut course = Course::default();
        let mut at = self.start;
        while at < self.text.len() {
            if !starts_with(self.text, at, self.format.opening()) {
                return None;
            }
            let next = || finder.find(&self.text[at..]).map_or(self.text.len(), |end| at + end + 1);
            let start = at + self.format.indent();
            // What is known, and what is alike, need not be looked at.
            let fast = self
                .known_item(start, &mut course)
                .or_else(|| self.replica(original.as_ref()?, start, &mut memory))
                .or_else(|| {
                    let usual = is_clean(&self.text[at..next()]);
                    usual.then(|| self.item(cursor(start), &mut memory, &mut original))?
                });
            at = if let Some((resource, end)) = fast {
                out.used.push(resource);
                end
            } else {
                let end = next();
                self.read_fully(&mut out, at..end)?;
                end
            };
        }
        Some(out)
    }

    /// An item that was read already, with the place of the next one.
    fn known_item(&self, start: usize, course: &mut Course) -> Option<(Resource, usize)> {
        let (resource, end) = self.known.find(self.source, self.text, start, course)?;
        let end = match self.format {
            Format::Yaml => starts_with(self.text, end, b"\n").then_some(end + 1)?,
            Format::Json => end,
        };
        Some((resource, self.next_item(end)?))
    }

    /// A replica of a pod that was read before it, with the place of the next item.
    fn replica<C: Cursor<'t>>(
        &self,
        original: &Original<C>,
        start: usize,
        memory: &mut Memory<'t>,
    ) -> Option<(Resource, usize)> {
        let (pod, end) = original.replica(start, memory, self.source)?;
        Some((Resource::Pod(Box::new(pod)), self.next_item(end)?))
    }

    /// Reads one item if it is of the usual form; with the place of the next one.
    fn item<C: Cursor<'t>>(
        &self,
        mut cursor: C,
        memory: &mut Memory<'t>,
        original: &mut Option<Original<C>>,
    ) -> Option<(Resource, usize)> {
        let start = cursor;
        let resource = super::object(&mut cursor, memory, self.source).ok()?;
        if let Resource::Pod(pod) = &resource {
            *original = Some(Original::new(start, &cursor, pod, memory));
        }
        Some((resource, self.next_item(cursor.position())?))
    }

    /// Where the item starts that follows an object, or the text ends.
    fn next_item(&self, end: usize) -> Option<usize> {
        let end = match self.format {
            Format::Yaml => end,
            Format::Json => end + self.separator(end)?.len(),
        };
        let is_next = end == self.text.len() || starts_with(self.text, end, self.format.opening());
        is_next.then_some(end)
    }

    /// What stands between two items of JSON, or after the last one.
    fn separator(&self, at: usize) -> Option<&'static [u8]> {
        let rest = &self.text[at..];
        let separator: &[u8] = if self.last && rest == b"\n" { b"\n" } else { b",\n" };
        rest.starts_with(separator).then_some(separator)
    }

    /// Reads one item by the full reader. `None` if it is not to be understood by itself: an anchor
    /// may be meant elsewhere, and an error in one item is one of the whole text.
    fn read_fully(&self, out: &mut Collected, range: Range<usize>) -> Option<()> {
        let start = u32::try_from(range.start).ok()?;
        let text = std::str::from_utf8(&self.text[range.clone()]).ok()?;
        match self.format {
            Format::Yaml => {
                if !is_one_item(text) {
                    return None;
                }
                let parsed = full::parse(self.source, start, text);
                let node =
                    parsed.node.filter(|_| !parsed.anchored && parsed.diagnostics.is_empty())?;
                let [item] = node.items() else { return None };
                object::item(out, item);
            }
            Format::Json => {
                let mut reader = JsonReader::at(self.source, start, text);
                let node = reader.next_value()?.ok()?;
                let end = range.start + reader.position();
                let whole = end + self.separator(end)?.len() == range.end;
                if !whole || !reader.diagnostics.is_empty() {
                    return None;
                }
                object::item(out, &node);
            }
        }
        Some(())
    }
}

/// Whether no line but the first starts at the margin, whatever YAML may take for the end of a line: a
/// `...` would end the whole document, a key would be one of the list.
fn is_one_item(text: &str) -> bool {
    let bytes = text.as_bytes();
    let margin = |at: usize| {
        let next = bytes.get(at + 1).copied();
        match bytes[at] {
            b'\n' => !matches!(next, None | Some(b' ' | b'\n' | b'\r')),
            _ => next != Some(b'\n'),
        }
    };
    !memchr::memchr2_iter(b'\n', b'\r', bytes).any(margin)
        && !text.contains(['\u{85}', '\u{2028}', '\u{2029}'])
}

/// Reads a document of its own, if it is one object of the usual form.
pub(in crate::manifest) fn document(
    source: SourceId,
    text: &[u8],
    range: Range<usize>,
    known: &Known,
) -> Option<Resource> {
    let piece = text.get(range.clone())?;
    if let Some((resource, end)) = known.find(source, text, range.start, &mut Course::anywhere())
        && matches!(text.get(end..range.end), Some(b"" | b"\n"))
    {
        return Some(resource);
    }
    if !piece.starts_with(b"apiVersion: ") || !is_clean(piece) {
        return None;
    }
    let mut memory = Memory::default();
    let mut cursor = Yaml::new(&text[..range.end], range.start, 0);
    let resource = super::object(&mut cursor, &mut memory, source).ok()?;
    (cursor.position() == range.end).then_some(resource)
}
