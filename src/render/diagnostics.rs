//! Diagnostics as compilers show them.

use super::style::Look;
use crate::diagnostic::{Diagnostic, Label, Severity, SourceMap, Span};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::collections::BTreeSet;
use std::ops::Range;

/// Every finding, with the lines that it is about.
pub fn diagnostics(sources: &SourceMap, found: &[&Diagnostic], look: Look) -> String {
    let renderer = renderer(look);
    let mut out = String::new();
    for diagnostic in found {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let report = Report {
            level,
            code: Some(diagnostic.code.name()),
            title: &diagnostic.message,
            labels: diagnostic.primary.iter().chain(&diagnostic.secondary).collect(),
            notes: diagnostic.notes.iter().map(|note| (Level::NOTE, note.as_str())).collect(),
            help: diagnostic.help.as_deref(),
        };
        out.push_str(&report.render(sources, &renderer));
        out.push_str("\n\n");
    }
    out
}

/// What prints reports for a terminal.
pub(super) fn renderer(look: Look) -> Renderer {
    let decor = if look.ascii { DecorStyle::Ascii } else { DecorStyle::Unicode };
    Renderer::styled().decor_style(decor).term_width(look.width)
}

/// Something to say, with the lines that it is about.
pub(super) struct Report<'r> {
    pub(super) level: Level<'r>,
    /// The stable name of what is said.
    pub(super) code: Option<&'r str>,
    pub(super) title: &'r str,
    /// The place that it is about, then others.
    pub(super) labels: Vec<&'r Label>,
    pub(super) notes: Vec<(Level<'r>, &'r str)>,
    pub(super) help: Option<&'r str>,
}

impl Report<'_> {
    pub(super) fn render(self, sources: &SourceMap, renderer: &Renderer) -> String {
        let title = self.level.primary_title(self.title);
        let title = match self.code {
            Some(code) => title.id(code),
            None => title,
        };
        let mut group = Group::with_title(title);
        let labels: Vec<Label> = self
            .labels
            .into_iter()
            .map(|own| Label { span: telling(sources, own.span), text: own.text.clone() })
            .collect();
        let mut rest: Vec<(usize, &Label)> = labels.iter().enumerate().collect();
        // The snippet of the primary place comes first; places near to it share it.
        while let Some(&(_, first)) = rest.first() {
            let (near, far): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|(_, label)| is_near(sources, first.span, label.span));
            rest = far;
            if is_long_line(sources, first.span) {
                group = place_only(sources, group, first);
                continue;
            }
            let Some(excerpt) = Excerpt::around(sources, near.iter().map(|(_, label)| label.span))
            else {
                continue;
            };
            let path = excerpt.path.clone();
            // Line ends of Windows are shown as such by no one.
            let text = excerpt.text.replace('\r', " ");
            let mut snippet = Snippet::source(text).line_start(excerpt.line).path(path);
            for (index, label) in near {
                let kind =
                    if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                let annotation = kind.span(excerpt.range(label.span));
                snippet = snippet.annotation(if label.text.is_empty() {
                    annotation
                } else {
                    annotation.label(label.text.as_str())
                });
            }
            group = group.element(snippet);
        }
        for (level, note) in self.notes {
            group = group.element(level.message(note));
        }
        if let Some(help) = self.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }
}

/// Where to point for a mapping or a list that starts a line above its first key: at that key.
fn telling(sources: &SourceMap, span: Span) -> Span {
    let Some(source) = sources.source(span.source) else { return span };
    let bytes = source.bytes();
    let rest = bytes.get(span.start as usize..).unwrap_or_default();
    let Some((b'{' | b'[', rest)) = rest.split_first() else { return span };
    let blank = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let breaks = rest.get(..blank).is_some_and(|blank| blank.contains(&b'\n'));
    let moved = u32::try_from(blank + 1).map(|by| span.start.saturating_add(by));
    match moved {
        Ok(start) if breaks && start < span.end => Span::new(span.source, start, span.end),
        _ => span,
    }
}

/// Lines longer than this (JSON without line breaks) are not shown: the place has to do.
const LONG: usize = 2_000;

fn is_long_line(sources: &SourceMap, span: Span) -> bool {
    let Some(source) = sources.source(span.source) else { return false };
    let bytes = source.bytes();
    let at = (span.start as usize).min(bytes.len());
    let before = bytes[..at].iter().rev().take(LONG).take_while(|b| **b != b'\n').count();
    let after = bytes[at..].iter().take(LONG).take_while(|b| **b != b'\n').count();
    before + after >= LONG
}

fn place_only<'g>(sources: &SourceMap, group: Group<'g>, label: &'g Label) -> Group<'g> {
    let place = sources.locate(label.span);
    let origin = Origin::path(place.path.to_string())
        .line(place.line as usize)
        .char_column(place.column as usize);
    let group = group.element(origin);
    if label.text.is_empty() {
        group
    } else {
        group.element(Level::NOTE.message(label.text.as_str()))
    }
}

/// Places within this many lines are shown in one snippet.
const NEAR: u32 = 24;

fn is_near(sources: &SourceMap, a: Span, b: Span) -> bool {
    a.source == b.source && sources.locate(a).line.abs_diff(sources.locate(b).line) <= NEAR
}

/// A few lines of a source: whole files can be large.
struct Excerpt<'s> {
    text: &'s str,
    path: String,
    /// The number of its first line.
    line: usize,
    /// Where it starts in the source.
    start: usize,
}

impl<'s> Excerpt<'s> {
    fn around(sources: &'s SourceMap, spans: impl Iterator<Item = Span>) -> Option<Self> {
        let spans: Vec<Span> = spans.collect();
        let source = sources.source(spans.first()?.source)?;
        let bytes = source.bytes();
        let first = spans.iter().map(|span| span.start as usize).min()?.min(bytes.len());
        // Of a label that spans many lines the first one is shown.
        let last = spans.iter().map(|span| span.start as usize).max()?.min(bytes.len());
        let line_end = |b: &u8| *b == b'\n';
        let start = bytes[..first].iter().rposition(line_end).map_or(0, |at| at + 1);
        let end = bytes[last..].iter().position(line_end).map_or(bytes.len(), |at| last + at);
        let location =
            sources.locate(Span::new(spans.first()?.source, u32::try_from(start).ok()?, 0));
        let path = match &location.template {
            Some(template) => format!("{} ({template})", source.name),
            None => source.name.to_string(),
        };
        Some(Self { text: source.slice(start, end)?, path, line: location.line as usize, start })
    }

    /// The part of a span that is on its first line; an empty span marks one character.
    fn range(&self, span: Span) -> Range<usize> {
        let from = (span.start as usize).saturating_sub(self.start).min(self.text.len());
        let line_end = self.text[from..].find('\n').map_or(self.text.len(), |at| from + at);
        let to = (span.end as usize).saturating_sub(self.start).clamp(from, line_end);
        let trimmed = without_comment(&self.text[from..to]).trim_end().len();
        let to = if trimmed == 0 {
            self.text[from..]
                .chars()
                .next()
                .filter(|&c| c != '\n')
                .map_or(from, |c| from + c.len_utf8())
        } else {
            from + trimmed
        };
        from..to
    }
}

/// A line of YAML without the comment at its end.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before == ' ' => return &line[..at],
            (None, '"' | '\'') => quote = Some(c),
            (Some(own), c) if own == c => quote = None,
            _ => {}
        }
        before = c;
    }
    line
}

/// The last words about a faulty input: how many errors, the way on, and where to read more.
pub fn summary(found: &[Diagnostic], objects: usize, look: Look) -> String {
    let errors: Vec<&Diagnostic> =
        found.iter().filter(|own| own.severity == Severity::Error).collect();
    let s = if errors.len() == 1 { "" } else { "s" };
    let o = if objects == 1 { "" } else { "s" };
    let text = format!(
        "{} error{s} in {objects} object{o}; no answer is given, as it could be wrong",
        errors.len()
    );
    let codes: BTreeSet<&str> = errors.iter().map(|own| own.code.name()).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    let more = match codes.as_slice() {
        [one] => format!("`kubereach explain-code {one}` says more"),
        many => format!("`kubereach explain-code CODE` says more: {}", many.join(", ")),
    };
    let group = Group::with_title(Level::ERROR.primary_title(text.as_str()))
        .element(
            Level::HELP.message("`--skip-invalid` answers without the broken objects and says so"),
        )
        .element(Level::NOTE.message(more.as_str()));
    renderer(look).render(&[group])
}
