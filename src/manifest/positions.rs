//! Positions of the YAML parser, which counts characters, as byte spans.

use crate::diagnostic::{SourceId, Span};

/// Turns the parser's character positions into byte spans. The parser's positions mostly ascend,
/// so a cursor that moves forward finds each in constant time; ASCII text needs no cursor.
pub(super) struct Positions<'t> {
    pub(super) source: SourceId,
    base: u32,
    text: &'t str,
    ascii: bool,
    chars: usize,
    bytes: usize,
}

impl<'t> Positions<'t> {
    pub(super) fn new(source: SourceId, base: u32, text: &'t str) -> Self {
        Self { source, base, text, ascii: text.is_ascii(), chars: 0, bytes: 0 }
    }

    pub(super) fn offset(&mut self, index: usize) -> u32 {
        let bytes = if self.ascii {
            index.min(self.text.len())
        } else {
            if index < self.chars {
                // Walk back: the start of a block collection is known only at its first item.
                let back = self.text[..self.bytes].char_indices().rev();
                let steps = self.chars - index;
                self.bytes = back.take(steps).last().map_or(0, |(at, _)| at);
            } else {
                let ahead = self.text[self.bytes..].chars().take(index - self.chars);
                self.bytes += ahead.map(char::len_utf8).sum::<usize>();
            }
            self.chars = index;
            self.bytes
        };
        self.base.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    pub(super) fn span(&mut self, span: saphyr_parser::Span) -> Span {
        let start = self.offset(span.start.index());
        let end = self.offset(span.end.index());
        Span::new(self.source, start, end)
    }

    /// A span without the blank space at its end.
    pub(super) fn trimmed(&self, span: Span) -> Span {
        let range = (span.start - self.base) as usize..(span.end - self.base) as usize;
        let text = self.text.get(range).unwrap_or_default();
        let blank = u32::try_from(text.len() - text.trim_end().len()).unwrap_or(0);
        Span::new(span.source, span.start, span.end - blank)
    }

    pub(super) fn starts_with(&self, span: Span, wanted: char) -> bool {
        let at = (span.start - self.base) as usize;
        self.text.get(at..).is_some_and(|rest| rest.starts_with(wanted))
    }
}
