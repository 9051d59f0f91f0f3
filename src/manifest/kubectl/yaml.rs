//! YAML in block style, as kubectl prints it: mappings indented by two, sequences not indented.

use super::super::scalar;
use super::cursor::{
    Cursor, Frame, Read, Unusual, Word, is_of_word, line_end, spaces, starts_with,
};
use memchr::{memchr, memchr_iter, memchr2, memchr2_iter, memchr3_iter, memrchr};

/// A place in YAML.
#[derive(Clone, Copy)]
pub(super) struct Yaml<'t> {
    text: &'t [u8],
    at: usize,
    /// The column of the mapping that the value at hand is in, or where the item at hand starts.
    column: usize,
    /// The value at hand follows a dash, or is the document: it starts right here.
    here: bool,
    end: usize,
}

impl<'t> Yaml<'t> {
    /// At the start of an object's text, which ends where the text does or at a line that is indented
    /// less. `column` is that of the object's keys.
    pub(super) fn new(text: &'t [u8], at: usize, column: usize) -> Self {
        Self { text, at, column, here: true, end: at }
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(b'\n')
    }

    /// Moves behind a value that ends here, which must end its line.
    fn finish_line(&mut self, end: usize) -> Read<()> {
        if self.byte(end) != b'\n' {
            return Err(Unusual);
        }
        self.end = end;
        self.at = self.text.len().min(end + 1);
        Ok(())
    }

    /// Moves to a value that stands behind a key on its line; false if nothing does.
    fn reach_value(&mut self) -> Read<bool> {
        if self.here {
            self.here = false;
            return Ok(true);
        }
        match self.byte(self.at) {
            b'\n' => Ok(false),
            b' ' if !matches!(self.byte(self.at + 1), b' ' | b'\n' | b'#') => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(Unusual),
        }
    }

    fn empty(&mut self) -> Read<Frame<'t>> {
        let start = self.at;
        self.finish_line(start + 2)?;
        Ok(Frame::empty(start))
    }

    /// The end of a quoted scalar that starts here: the place behind its closing quote.
    fn quoted_end(&self, start: usize, limit: usize) -> Read<usize> {
        let quote = self.text[start];
        let mut at = start + 1;
        loop {
            let rest = self.text.get(at..limit).ok_or(Unusual)?;
            if quote == b'"' {
                at += memchr2(b'"', b'\\', rest).ok_or(Unusual)?;
                if self.text[at] == b'\\' {
                    at += 2;
                    continue;
                }
            } else {
                at += memchr(b'\'', rest).ok_or(Unusual)?;
                if self.byte(at + 1) == b'\'' {
                    at += 2;
                    continue;
                }
            }
            return Ok(at + 1);
        }
    }

    /// Checks that no quote or bracket in passed-over lines reaches beyond them.
    ///
    /// In block style a scalar starts after a key's `: `, after the dashes of items, or on a line of
    /// its own. Quotes and brackets elsewhere are part of a plain scalar. So: one that follows
    /// anything but a space is harmless; one that starts a value must be closed, and end its line;
    /// anything else is for the full reader.
    fn closed(&self, start: usize, end: usize) -> Read<()> {
        let region = &self.text[start..end];
        let before =
            |at: usize, back: usize| at.checked_sub(back).map_or(b'\n', |at| self.text[at]);
        let mut done = start;
        let mut block_scalars = None;
        for at in memchr3_iter(b'"', b'\'', b'{', region).map(|at| start + at) {
            if at < done || before(at, 1) != b' ' {
                continue;
            }
            if self.text[at] == b'{' {
                if !starts_with(self.text, at, b"{}\n") {
                    return Err(Unusual);
                }
                continue;
            }
            let line = memrchr(b'\n', &self.text[..at]).map_or(0, |end| end + 1);
            let lead = &self.text[line..at];
            let starts = match before(at, 2) {
                b':' => true,
                b'-' => lead.iter().all(|b| matches!(b, b' ' | b'-')),
                _ => false,
            };
            if !starts {
                return Err(Unusual);
            }
            done = self.quoted_end(at, end)?;
            if self.byte(done) != b'\n' {
                return Err(Unusual);
            }
            if line_end(self.text, at) < done {
                // The text of a block scalar, the second line of a plain one and a comment may hold
                // anything: were it taken for such a quote, lines that do count would go unseen. A
                // plain scalar has no `: ` in it.
                let blocks = block_scalars.get_or_insert_with(|| {
                    memchr2_iter(b'|', b'>', region).any(|at| before(start + at, 1) == b' ')
                });
                if *blocks || before(at, 2) != b':' || lead.contains(&b'#') {
                    return Err(Unusual);
                }
            }
        }
        for at in memchr_iter(b'[', region).map(|at| start + at) {
            if before(at, 1) == b' ' && !starts_with(self.text, at, b"[]\n") {
                return Err(Unusual);
            }
        }
        Ok(())
    }
}

/// A byte that plain scalars are read with: none that starts anything else, no space.
fn is_plain(byte: u8) -> bool {
    is_of_word(byte) || byte == b','
}

impl<'t> Cursor<'t> for Yaml<'t> {
    fn behind_key(&self, level: usize, at: usize) -> Self {
        Self { at, column: self.column + 2 * level, here: false, ..*self }
    }

    fn is_bare_word(word: &[u8], after: u8) -> bool {
        let starts = |first: &u8| first.is_ascii_alphanumeric() || *first == b'/';
        after == b'\n' && word.first().is_some_and(starts) && !word.ends_with(b":")
    }

    fn text(&self) -> &'t [u8] {
        self.text
    }

    // After an object, the start of the line that follows it.
    fn position(&self) -> usize {
        self.at
    }

    fn open_mapping(&mut self) -> Read<Frame<'t>> {
        let column = if self.here { self.column } else { self.column + 2 };
        if self.reach_value()? {
            if starts_with(self.text, self.at, b"{}") {
                return self.empty();
            }
            // A mapping starts on its key's line only where it is an item or the document.
            if column != self.column {
                return Err(Unusual);
            }
        } else {
            self.at += 1;
            if spaces(self.text, self.at) != column {
                return Err(Unusual);
            }
            self.at += column;
        }
        Ok(Frame::new(column, self.at))
    }

    fn next_key(&mut self, frame: &mut Frame<'t>) -> Read<Option<Word<'t>>> {
        if frame.empty {
            return Ok(None);
        }
        if !std::mem::take(&mut frame.first) {
            let indent = spaces(self.text, self.at);
            let blank = self.byte(self.at + indent) == b'\n';
            if self.at >= self.text.len() || indent < frame.indent && !blank {
                return Ok(None);
            }
            if indent != frame.indent {
                return Err(Unusual);
            }
            self.at += indent;
        }
        let start = self.at;
        let rest = &self.text[start..];
        let length = rest.iter().position(|&b| !is_plain(b) || b == b':').ok_or(Unusual)?;
        let key = &rest[..length];
        let legal = key.first().is_some_and(u8::is_ascii_alphabetic) && rest[length] == b':';
        if !legal || !matches!(self.byte(start + length + 1), b' ' | b'\n') {
            return Err(Unusual);
        }
        self.at = start + length + 1;
        (self.column, self.here) = (frame.indent, false);
        self.end = start + length;
        Ok(Some(Word { text: key, quoted: false, start, end: start + length }))
    }

    fn open_sequence(&mut self) -> Read<Frame<'t>> {
        if self.here {
            return Err(Unusual);
        }
        if self.reach_value()? {
            return if starts_with(self.text, self.at, b"[]") {
                self.empty()
            } else {
                Err(Unusual)
            };
        }
        let column = self.column;
        let start = self.at + 1 + column;
        if spaces(self.text, self.at + 1) != column || !starts_with(self.text, start, b"- ") {
            return Err(Unusual);
        }
        self.at += 1;
        Ok(Frame::new(column, start))
    }

    fn next_item(&mut self, frame: &mut Frame<'t>) -> Read<bool> {
        if frame.empty || self.at >= self.text.len() {
            return Ok(false);
        }
        let indent = spaces(self.text, self.at);
        let next = self.byte(self.at + indent);
        if next == b'\n' || indent > frame.indent {
            return Err(Unusual);
        }
        if indent < frame.indent || next != b'-' {
            return Ok(false);
        }
        if self.byte(self.at + indent + 1) != b' ' {
            return Err(Unusual);
        }
        self.at += indent + 2;
        (self.column, self.here) = (indent + 2, true);
        Ok(true)
    }

    fn scalar(&mut self) -> Read<Word<'t>> {
        if !self.reach_value()? {
            return Err(Unusual);
        }
        let start = self.at;
        let end = line_end(self.text, start);
        let line = &self.text[start..end];
        let first = *line.first().ok_or(Unusual)?;
        let word = if matches!(first, b'"' | b'\'') {
            let inner = line.get(1..line.len() - 1).ok_or(Unusual)?;
            let quotes = line.len() < 2 || line[line.len() - 1] != first;
            if quotes || inner.iter().any(|&b| b == first || b == b'\\') {
                return Err(Unusual);
            }
            Word { text: inner, quoted: true, start, end }
        } else {
            let legal = first.is_ascii_alphanumeric() || matches!(first, b'/' | b'.' | b'_');
            if !legal || line.ends_with(b":") || !line.iter().copied().all(is_plain) {
                return Err(Unusual);
            }
            Word { text: line, quoted: false, start, end }
        };
        // A line that goes on with the scalar is indented further: no key and no item starts there.
        self.finish_line(end)?;
        Ok(word)
    }

    fn skip(&mut self) -> Read<()> {
        let start = self.at;
        let column = self.column;
        if self.here {
            return Err(Unusual);
        }
        // Items of a sequence may stand in the column of its key, if nothing stands beside that.
        let items = !self.reach_value()?;
        let block = !items && matches!(self.byte(self.at), b'|' | b'>');
        if block {
            // What a block scalar holds is not read at all; an indicator of its indentation, or a
            // comment, is unusual.
            let header = &self.text[self.at + 1..line_end(self.text, self.at)];
            if !matches!(header, b"" | b"-" | b"+") {
                return Err(Unusual);
            }
        }
        let mut at = line_end(self.text, self.at);
        let mut last = at;
        // The first line of a block scalar says how far all of them are indented.
        let mut content = 0;
        while at < self.text.len() {
            let line = at + 1;
            let indent = spaces(self.text, line);
            if block {
                let blank = self.text.get(line + indent) == Some(&b'\n');
                if blank && indent > 0 || !blank && column < indent && indent < content {
                    return Err(Unusual);
                }
                if content == 0 && !blank {
                    content = indent;
                }
            }
            if indent <= column {
                let next = self.text.get(line + indent).copied();
                if next == Some(b'\n') {
                    at = line + indent;
                    continue;
                }
                let item =
                    items && indent == column && starts_with(self.text, line + indent, b"- ");
                if !item {
                    break;
                }
            }
            at = line_end(self.text, line);
            last = at;
        }
        if !block {
            self.closed(start, (last + 1).min(self.text.len()))?;
        }
        self.end = last;
        self.at = (at + 1).min(self.text.len());
        Ok(())
    }

    fn skip_string(&mut self) -> Read<()> {
        let line = &self.text[self.at..line_end(self.text, self.at)];
        let [b' ', value @ ..] = line else { return Err(Unusual) };
        let start = self.at + 1;
        let end = match value.first() {
            Some(b'"' | b'\'') => Some(self.quoted_end(start, self.text.len())?),
            // What makes up a block scalar is a string, whatever it is.
            Some(b'|' | b'>') => None,
            Some(b) if b.is_ascii_alphanumeric() || *b == b'/' => {
                let text = std::str::from_utf8(value).map_err(|_| Unusual)?;
                let odd = text.contains(" #") || text.contains(": ") || text.ends_with(':');
                if odd || !scalar::is_string(text) {
                    return Err(Unusual);
                }
                Some(start + value.len())
            }
            _ => return Err(Unusual),
        };
        self.skip()?;
        // Nothing may follow that goes on with it.
        if end.is_none_or(|end| end == self.end) { Ok(()) } else { Err(Unusual) }
    }

    fn end(&self) -> usize {
        self.end
    }
}
