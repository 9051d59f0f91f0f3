//! YAML text to a [`Node`] tree, as kubectl's YAML library reads it.
//!
//! saphyr-parser gives events with positions; this file gives them go-yaml's meaning: its scalars,
//! tags, merge keys (in document order, later wins), duplicate keys (last wins) and its bound on
//! aliases. No recursion here; and trees are at most [`MAX_DEPTH`] deep, aliases written out, so that
//! later stages may recurse.

use super::fault::{Fault, fail, syntax};
use super::mapping::MappingBuilder;
use super::node::{Entry, Node, Value, shorten};
use super::positions::Positions;
use super::scalar;
use crate::diagnostic::{Code, Diagnostic, SourceId, Span};
use rustc_hash::FxHashMap;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use std::sync::Arc;

/// No Kubernetes object nests deeper than a few dozen levels; beyond this a document is refused.
/// (The API server's own bound is 10,000.)
pub(crate) const MAX_DEPTH: usize = 400;

/// How many nodes the anchors of one document may hold: some 100 MB.
const MAX_ANCHORED: u64 = 1_000_000;

/// What one YAML document says, and what is to be said about it.
#[derive(Default)]
pub(crate) struct Parsed {
    /// The document, or `None` if it is empty or could not be read.
    pub(crate) node: Option<Node>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// It has anchors.
    pub(crate) anchored: bool,
}

/// Reads the first YAML document of `text`, which starts at byte `base` of `source`.
pub(crate) fn parse(source: SourceId, base: u32, text: &str) -> Parsed {
    let mut builder = Builder {
        at: Positions::new(source, base, text),
        stack: Vec::new(),
        anchors: FxHashMap::default(),
        root: None,
        decoded: 0,
        aliased: 0,
        anchored: 0,
        diagnostics: Vec::new(),
    };
    if let Some(at) = control_character(text) {
        let at = base.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
        let mut fault = syntax(Span::new(source, at, at), "control characters are not allowed");
        if text.contains('\0') {
            fault = fault.help(
                "the text holds zero bytes: is it UTF-16 or UTF-32 without a byte order mark?",
            );
        }
        builder.diagnostics.push(fault);
        return builder.refused();
    }
    let mut parser = Parser::new_from_str(text);
    // kubectl reads one document of each piece between `---` lines.
    let mut documents = 0;
    loop {
        match parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => break,
            Some(Ok((Event::DocumentStart(_), span))) => {
                documents += 1;
                if documents > 1 {
                    let span = builder.at.span(span);
                    builder.diagnostics.push(
                        Diagnostic::new(
                            Code::IgnoredText,
                            "kubectl reads the first document only and ignores this one",
                        )
                        .at(span, "everything from here to the next `---`")
                        .help("start the next document with a line `---`"),
                    );
                    break;
                }
            }
            Some(Ok((event, span))) => {
                if let Err(problem) = builder.event(event, span) {
                    builder.diagnostics.push(*problem);
                    return builder.refused();
                }
            }
            Some(Err(error)) => {
                let problem = builder.scan_error(&error);
                builder.diagnostics.push(problem);
                return builder.refused();
            }
        }
    }
    if let Some(at) = stray_tab(text) {
        let at = base.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
        builder.diagnostics.push(
            syntax(Span::new(source, at, at), "found character that cannot start any token")
                .help("a line outside of quotes and blocks must not start with a tab"),
        );
        return builder.refused();
    }
    let node = builder.root.take().map(|built| built.node);
    Parsed { node, diagnostics: builder.diagnostics, anchored: builder.anchored > 0 }
}

/// The first character that go-yaml's reader refuses (`readerc.go`), even in a comment.
fn control_character(text: &str) -> Option<usize> {
    let suspicious =
        |b: u8| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r') || b == 0x7f || b == 0xc2;
    if !text.bytes().any(suspicious) {
        return None;
    }
    text.char_indices()
        .find(|&(_, c)| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}'))
        .map(|(at, _)| at)
}

/// The first line in block style that starts with a tab and holds nothing else, or a comment.
/// YAML allows it, and go-yaml does not: the scanner takes a tab there for the start of a token.
fn stray_tab(text: &str) -> Option<usize> {
    let mut candidates: Vec<usize> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
        let rest = &line[blank..];
        if let Some(tab) = line[..blank].find('\t')
            && (rest.trim().is_empty() || rest.starts_with('#'))
        {
            candidates.push(start + tab);
        }
        start += line.len();
    }
    if candidates.is_empty() {
        return None;
    }
    // Scalars and flow collections may hold such lines. A second pass finds where these are; it is
    // rare enough to cost nothing.
    let mut positions = Positions::new(SourceId::default(), 0, text);
    let mut parser = Parser::new_from_str(text);
    let (mut flow, mut flow_start) = (0_usize, 0);
    while let Some(Ok((event, span))) = parser.next_event() {
        let inside = match event {
            Event::Scalar(..) => Some(positions.span(span)),
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let span = positions.span(span);
                if flow > 0 || positions.starts_with(span, '[') || positions.starts_with(span, '{')
                {
                    if flow == 0 {
                        flow_start = span.start;
                    }
                    flow += 1;
                }
                None
            }
            Event::SequenceEnd | Event::MappingEnd if flow > 0 => {
                flow -= 1;
                let end = positions.span(span).end;
                (flow == 0).then(|| Span::new(SourceId::default(), flow_start, end))
            }
            Event::StreamEnd => break,
            _ => None,
        };
        if let Some(inside) = inside {
            let from = candidates.partition_point(|&at| at < inside.start as usize);
            let to = candidates.partition_point(|&at| at < inside.end as usize);
            if from < to {
                candidates.drain(from..to);
            }
        }
    }
    candidates.first().copied()
}

/// A finished node and how many nodes it stands for with aliases written out.
#[derive(Clone)]
struct Built {
    node: Node,
    size: u64,
    /// How many levels it has, itself included.
    depth: usize,
}

enum Frame {
    Sequence {
        anchor: usize,
        start: Span,
        items: Vec<Node>,
        size: u64,
        depth: usize,
        flow: bool,
        /// Where what it holds ends.
        end: u32,
    },
    Mapping {
        anchor: usize,
        start: Span,
        map: MappingBuilder,
        key: Option<Key>,
        size: u64,
        depth: usize,
        flow: bool,
        /// Where what it holds ends.
        end: u32,
    },
}

impl Frame {
    fn is_flow(&self) -> bool {
        match self {
            Self::Sequence { flow, .. } | Self::Mapping { flow, .. } => *flow,
        }
    }
}

enum Key {
    Plain(Arc<str>, Span),
    /// The merge key `<<`.
    Merge(Span),
}

struct Builder<'t> {
    at: Positions<'t>,
    stack: Vec<Frame>,
    anchors: FxHashMap<usize, Built>,
    root: Option<Built>,
    /// Nodes decoded, and those of them that came from aliases, as go-yaml counts.
    decoded: u64,
    aliased: u64,
    /// Nodes that anchors hold.
    anchored: u64,
    diagnostics: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn refused(self) -> Parsed {
        Parsed { diagnostics: self.diagnostics, ..Parsed::default() }
    }

    fn event(&mut self, event: Event<'_>, span: saphyr_parser::Span) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let mut span = self.at.span(span);
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    // The parser counts blank lines below it.
                    span = self.at.trimmed(span);
                    if text.is_empty() {
                        span.end = span.start;
                    }
                }
                self.decoded += 1;
                // go-yaml's `isMerge`: plain and untagged, or tagged as a merge.
                let merge_tag =
                    tag.as_deref().is_some_and(|t| t.is_yaml_core_schema() && t.suffix == "merge");
                let untagged = matches!(style, ScalarStyle::Plain) && tag.is_none();
                let is_merge = text == "<<" && (untagged || merge_tag);
                if is_merge && self.takes_key() {
                    self.push_key(Key::Merge(span));
                    return Ok(());
                }
                if matches!(style, ScalarStyle::Plain)
                    && text.starts_with(':')
                    && self.stack.last().is_some_and(Frame::is_flow)
                {
                    return fail(syntax(span, "did not find expected node content").help(
                        "in flow style (`{}`, `[]`) a value that starts with `:` needs quotes",
                    ));
                }
                let value = scalar_value(&text, style, tag.as_deref(), span)?;
                self.complete(anchor, Built { node: Node { span, value }, size: 1, depth: 1 })
            }
            Event::SequenceStart(anchor, _) => {
                let start = self.at.span(span);
                self.open(start)?;
                let flow = self.at.starts_with(start, '[') || self.in_flow();
                self.stack.push(Frame::Sequence {
                    anchor,
                    start,
                    items: Vec::new(),
                    size: 1,
                    depth: 0,
                    flow,
                    end: start.end,
                });
                Ok(())
            }
            Event::MappingStart(anchor, _) => {
                let start = self.at.span(span);
                self.open(start)?;
                let flow = self.at.starts_with(start, '{') || self.in_flow();
                let map = MappingBuilder::default();
                self.stack.push(Frame::Mapping {
                    anchor,
                    start,
                    map,
                    key: None,
                    size: 1,
                    depth: 0,
                    flow,
                    end: start.end,
                });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let closing = self.at.span(span).end;
                match self.stack.pop() {
                    Some(Frame::Sequence { anchor, start, items, size, depth, flow, end }) => {
                        // In block style nothing closes it: it ends where its last value does.
                        let end = if flow { closing } else { end };
                        let span = Span::new(start.source, start.start, end);
                        let node = Node { span, value: Value::Sequence(items) };
                        self.complete(anchor, Built { node, size, depth: depth + 1 })
                    }
                    Some(Frame::Mapping { anchor, start, map, size, depth, flow, end, .. }) => {
                        let end = if flow { closing } else { end };
                        let span = Span::new(start.source, start.start, end);
                        let node = Node { span, value: Value::Mapping(map.into_entries()) };
                        self.complete(anchor, Built { node, size, depth: depth + 1 })
                    }
                    None => Ok(()),
                }
            }
            Event::Alias(anchor) => {
                let span = self.at.span(span);
                let Some(built) = self.anchors.get(&anchor) else {
                    return fail(syntax(span, "an alias inside of the value it stands for"));
                };
                let built = built.clone();
                self.decoded += 1 + built.size;
                self.aliased += built.size;
                if too_many_aliases(self.decoded, self.aliased) {
                    return fail(
                        Diagnostic::new(
                            Code::ExcessiveInput,
                            "the document contains excessive aliasing",
                        )
                        .at(span, "written out, the aliases up to here are most of the document"),
                    );
                }
                // What reads the tree later recurses: aliases must not deepen it beyond the bound.
                if self.stack.len() + built.depth > MAX_DEPTH {
                    return fail(too_deep(span));
                }
                self.complete(0, built)?;
                self.reach(span);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn in_flow(&self) -> bool {
        self.stack.last().is_some_and(Frame::is_flow)
    }

    fn open(&mut self, span: Span) -> Result<(), Fault> {
        self.decoded += 1;
        if self.stack.len() >= MAX_DEPTH {
            return fail(too_deep(span));
        }
        Ok(())
    }

    fn takes_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame::Mapping { key: None, .. }))
    }

    /// Something in the innermost open collection ends here.
    fn reach(&mut self, span: Span) {
        // Nothing at all after a key has a place, too: somewhere below.
        if span.start < span.end
            && let Some(Frame::Sequence { end, .. } | Frame::Mapping { end, .. }) =
                self.stack.last_mut()
        {
            *end = span.end;
        }
    }

    fn push_key(&mut self, new: Key) {
        if let Some(Frame::Mapping { key, size, .. }) = self.stack.last_mut() {
            *key = Some(new);
            *size += 1;
        }
    }

    /// Hands a finished node to the collection that it stands in.
    fn complete(&mut self, anchor: usize, built: Built) -> Result<(), Fault> {
        if anchor != 0 {
            // Each anchor keeps a copy of its value, and anchors nest.
            self.anchored += built.size;
            if self.anchored > MAX_ANCHORED {
                return fail(
                    Diagnostic::new(
                        Code::ExcessiveInput,
                        "the anchors of the document cover too much",
                    )
                    .at(built.node.span, "with this one they hold more than any manifest needs"),
                );
            }
            self.anchors.insert(anchor, built.clone());
        }
        self.reach(built.node.span);
        match self.stack.last_mut() {
            None => {
                self.root = Some(built);
                Ok(())
            }
            Some(Frame::Sequence { items, size, depth, .. }) => {
                *depth = built.depth.max(*depth);
                items.push(built.node);
                *size += built.size;
                Ok(())
            }
            Some(Frame::Mapping { key: key @ None, size, .. }) => {
                let span = built.node.span;
                let Some(text) = scalar::key_text(&built.node.value) else {
                    let found = built.node.describe();
                    return fail(syntax(span, format!("{found} cannot be a key")));
                };
                *key = Some(Key::Plain(text, span));
                *size += built.size;
                Ok(())
            }
            Some(Frame::Mapping { key, map, size, depth, .. }) => {
                *depth = built.depth.max(*depth);
                *size += built.size;
                match key.take() {
                    Some(Key::Plain(key, key_span)) => {
                        map.set(Entry { key, key_span, value: built.node }, &mut self.diagnostics);
                        Ok(())
                    }
                    Some(Key::Merge(span)) => map.merge(span, built.node, &mut self.diagnostics),
                    None => Ok(()),
                }
            }
        }
    }

    fn scan_error(&mut self, error: &ScanError) -> Diagnostic {
        let at = self.at.offset(error.marker().index());
        let span = Span::new(self.at.source, at, at);
        let info = error.info();
        let mut problem = syntax(span, shorten(info));
        if info.ends_with("tab") || info.contains("tabs") {
            problem = problem.help("indent with spaces; YAML does not take tabs");
        }
        problem
    }
}

fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::ExcessiveInput,
        format!("the document is nested deeper than {MAX_DEPTH} levels"),
    )
    .at(span, "this level is one too many")
}

/// go-yaml's bound (`decode.go`, `allowedAliasRatio`): up to 400,000 nodes nearly all may come
/// from aliases, from 4,000,000 on a tenth, in between linearly.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn too_many_aliases(decoded: u64, aliased: u64) -> bool {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let (decoded, aliased) = (decoded as f64, aliased as f64);
    let allowed = 0.99 - 0.89 * ((decoded - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
    aliased > 100.0 && decoded > 1000.0 && aliased / decoded > allowed
}

fn scalar_value(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    span: Span,
) -> Result<Value, Fault> {
    let string = || Value::String(text.into());
    let plain = matches!(style, ScalarStyle::Plain);
    let Some(tag) = tag else {
        return Ok(if plain { scalar::resolve(text) } else { string() });
    };
    if !tag.is_yaml_core_schema() {
        return Ok(string());
    }
    let resolved = scalar::resolve(text);
    let fits = match (tag.suffix.as_str(), &resolved) {
        ("null", Value::Null)
        | ("bool", Value::Bool(_))
        | ("int", Value::Int(_) | Value::UInt(_))
        | ("float", Value::Float(_)) => true,
        #[expect(clippy::cast_precision_loss, reason = "the tag asks for a float")]
        ("float", Value::Int(value)) => return Ok(Value::Float(*value as f64)),
        ("null" | "bool" | "int" | "float", _) => false,
        _ => return Ok(string()),
    };
    if fits {
        Ok(resolved)
    } else {
        fail(syntax(span, format!("cannot read `{}` as `!!{}`", shorten(text), tag.suffix)))
    }
}
