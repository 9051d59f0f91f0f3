//! JSON as kubectl prints it: a key or an item on each line, indented by four.

use super::cursor::{Cursor, Frame, Read, Unusual, Word, spaces, starts_with};

/// How far each level is indented.
const STEP: usize = 4;

/// The length of a whole number that a text starts with.
fn integer(text: &[u8]) -> Option<usize> {
    let sign = usize::from(text.starts_with(b"-"));
    let digits = &text[sign..];
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    // Fractions and exponents are for the full reader, and so is what may be out of range.
    let usual = (1..=15).contains(&count) && (count == 1 || digits[0] != b'0');
    usual.then_some(sign + count)
}

/// A place in JSON.
#[derive(Clone, Copy)]
pub(super) struct Json<'t> {
    text: &'t [u8],
    at: usize,
    /// The indentation of the line that the value at hand starts on.
    indent: usize,
    end: usize,
}

impl<'t> Json<'t> {
    /// At an object's opening brace, on a line that is indented so far.
    pub(super) fn new(text: &'t [u8], at: usize, indent: usize) -> Self {
        Self { text, at, indent, end: at }
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn open(&mut self, brackets: [u8; 2]) -> Read<Frame<'t>> {
        let start = self.at;
        self.at += 2;
        if starts_with(self.text, start, &brackets) {
            self.end = self.at;
            Ok(Frame::empty(start))
        } else if starts_with(self.text, start, &[brackets[0], b'\n']) {
            Ok(Frame::new(self.indent + STEP, start))
        } else {
            Err(Unusual)
        }
    }

    /// Moves to the next line of a collection; false behind its closing bracket.
    fn next(&mut self, frame: &mut Frame<'t>, closing: u8) -> Read<bool> {
        if frame.empty {
            return Ok(false);
        }
        let more = if std::mem::take(&mut frame.first) {
            true
        } else {
            let more = self.byte(self.at) == b',';
            self.at += usize::from(more);
            if self.byte(self.at) != b'\n' {
                return Err(Unusual);
            }
            self.at += 1;
            more
        };
        let indent = if more { frame.indent } else { frame.indent - STEP };
        if spaces(self.text, self.at) != indent {
            return Err(Unusual);
        }
        self.at += indent;
        self.indent = frame.indent;
        if more {
            return Ok(true);
        }
        if self.byte(self.at) != closing {
            return Err(Unusual);
        }
        self.at += 1;
        self.end = self.at;
        Ok(false)
    }

    /// The end of a string that starts here: the place behind its closing quote.
    fn string_end(&self, start: usize) -> Read<usize> {
        let mut at = start + 1;
        loop {
            // Most strings are short.
            at += self.text[at..].iter().position(|b| matches!(b, b'"' | b'\\')).ok_or(Unusual)?;
            if self.text[at] == b'"' {
                return Ok(at + 1);
            }
            at += match self.byte(at + 1) {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                b'u' => {
                    let digits = self.text.get(at + 2..at + 6).ok_or(Unusual)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return Err(Unusual);
                    }
                    6
                }
                _ => return Err(Unusual),
            };
        }
    }

    /// The end of a scalar that starts here.
    fn scalar_end(&self, start: usize) -> Read<usize> {
        let rest = self.text.get(start..).ok_or(Unusual)?;
        match rest.first() {
            Some(b'"') => {
                let end = self.string_end(start)?;
                if memchr::memchr(b'\n', &self.text[start..end]).is_some() {
                    return Err(Unusual);
                }
                Ok(end)
            }
            Some(b't') if rest.starts_with(b"true") => Ok(start + 4),
            Some(b'f') if rest.starts_with(b"false") => Ok(start + 5),
            Some(b'n') if rest.starts_with(b"null") => Ok(start + 4),
            Some(b'0'..=b'9' | b'-') => Ok(start + integer(rest).ok_or(Unusual)?),
            _ => Err(Unusual),
        }
    }

    /// A key that starts here: its end, and where its value starts.
    fn key(&self, start: usize) -> Read<(usize, usize)> {
        if self.byte(start) != b'"' {
            return Err(Unusual);
        }
        let end = self.scalar_end(start)?;
        if starts_with(self.text, end, b": ") { Ok((end, end + 2)) } else { Err(Unusual) }
    }
}

impl<'t> Cursor<'t> for Json<'t> {
    fn behind_key(&self, level: usize, at: usize) -> Self {
        Self { at, indent: self.indent + STEP * (level + 1), ..*self }
    }

    fn is_bare_word(word: &[u8], after: u8) -> bool {
        matches!(after, b',' | b'\n') && integer(word) == Some(word.len())
    }

    fn text(&self) -> &'t [u8] {
        self.text
    }

    // After an object, behind its closing brace.
    fn position(&self) -> usize {
        self.at
    }

    fn open_mapping(&mut self) -> Read<Frame<'t>> {
        self.open(*b"{}")
    }

    fn next_key(&mut self, frame: &mut Frame<'t>) -> Read<Option<Word<'t>>> {
        if !self.next(frame, b'}')? {
            return Ok(None);
        }
        let start = self.at;
        let (end, value) = self.key(start)?;
        let text = &self.text[start + 1..end - 1];
        if text.contains(&b'\\') {
            return Err(Unusual);
        }
        self.at = value;
        self.end = end;
        Ok(Some(Word { text, quoted: true, start, end }))
    }

    fn open_sequence(&mut self) -> Read<Frame<'t>> {
        self.open(*b"[]")
    }

    fn next_item(&mut self, frame: &mut Frame<'t>) -> Read<bool> {
        self.next(frame, b']')
    }

    fn scalar(&mut self) -> Read<Word<'t>> {
        let start = self.at;
        let end = self.scalar_end(start)?;
        let quoted = self.text[start] == b'"';
        let text = if quoted { &self.text[start + 1..end - 1] } else { &self.text[start..end] };
        if text.contains(&b'\\') || text == b"null" && !quoted {
            return Err(Unusual);
        }
        (self.at, self.end) = (end, end);
        Ok(Word { text, quoted, start, end })
    }

    fn skip(&mut self) -> Read<()> {
        // What is open, innermost last, a bit each: set for an object.
        let (mut open, mut depth) = (0_u64, 0_u32);
        let mut at = self.at;
        loop {
            // A value starts here.
            match self.byte(at) {
                bracket @ (b'{' | b'[') => {
                    let object = bracket == b'{';
                    let closing = if object { b'}' } else { b']' };
                    if self.byte(at + 1) == closing {
                        at += 2;
                    } else if self.byte(at + 1) == b'\n' && depth < 64 {
                        open = open << 1 | u64::from(object);
                        depth += 1;
                        at = self.next_line(at + 1, depth, open & 1 == 1)?;
                        continue;
                    } else {
                        return Err(Unusual);
                    }
                }
                _ => at = self.scalar_end(at)?,
            }
            // It has ended, and perhaps what holds it.
            while depth > 0 && self.byte(at) == b'\n' {
                depth -= 1;
                let indent = self.indent + STEP * depth as usize;
                let closing = if open & 1 == 1 { b'}' } else { b']' };
                if spaces(self.text, at + 1) != indent || self.byte(at + 1 + indent) != closing {
                    return Err(Unusual);
                }
                open >>= 1;
                at += indent + 2;
            }
            if depth == 0 {
                (self.at, self.end) = (at, at);
                return Ok(());
            }
            if self.byte(at) != b',' || self.byte(at + 1) != b'\n' {
                return Err(Unusual);
            }
            at = self.next_line(at + 1, depth, open & 1 == 1)?;
        }
    }

    fn skip_string(&mut self) -> Read<()> {
        if self.byte(self.at) == b'"' { self.skip() } else { Err(Unusual) }
    }

    fn end(&self) -> usize {
        self.end
    }
}

impl Json<'_> {
    /// From the line break before a line of a collection to the value on that line.
    fn next_line(&self, line_break: usize, depth: u32, object: bool) -> Read<usize> {
        let indent = self.indent + STEP * depth as usize;
        let start = line_break + 1;
        if spaces(self.text, start) != indent {
            return Err(Unusual);
        }
        if object { Ok(self.key(start + indent)?.1) } else { Ok(start + indent) }
    }
}
