//! JSON text to [`Node`] trees with positions: one object, or several one after another.
//!
//! `serde_json` gives no positions of keys and values, and the YAML parser does not take two objects
//! in a row; so this is a reader of RFC 8259 of our own. It accepts exactly what Go's
//! `encoding/json` accepts; anything else is left to the YAML reader, as kubectl does.

use super::node::{Entry, Node, Value};
use super::yaml::MAX_DEPTH;
use crate::diagnostic::{Code, Diagnostic, SourceId, Span};
use std::sync::Arc;

/// Why a text is not JSON, and where.
pub(crate) struct JsonError {
    pub(crate) at: usize,
    pub(crate) reason: &'static str,
    /// The text is JSON, and too deep: there is no use in trying YAML.
    pub(crate) excessive: bool,
}

/// Reads values from a text.
pub(crate) struct JsonReader<'t> {
    source: SourceId,
    /// Where the text starts in the source.
    base: u32,
    text: &'t str,
    at: usize,
    depth: usize,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl<'t> JsonReader<'t> {
    pub(crate) fn new(source: SourceId, text: &'t str) -> Self {
        Self::at(source, 0, text)
    }

    /// Of a text that starts at byte `base` of its source.
    pub(crate) fn at(source: SourceId, base: u32, text: &'t str) -> Self {
        Self { source, base, text, at: 0, depth: 0, diagnostics: Vec::new() }
    }

    /// Where the reader stands in the text, in bytes.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next value, or `None` at the end of the text.
    pub(crate) fn next_value(&mut self) -> Option<Result<Node, JsonError>> {
        self.skip_space();
        if self.at == self.text.len() {
            return None;
        }
        Some(self.value())
    }

    fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T, JsonError> {
        Err(JsonError { at: self.at, reason, excessive: false })
    }

    fn span(&self, start: usize) -> Span {
        let offset = |at: usize| self.base.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
        Span::new(self.source, offset(start), offset(self.at))
    }

    // Recursion is bounded by MAX_DEPTH.
    fn value(&mut self) -> Result<Node, JsonError> {
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => return self.fail("expected a value"),
            None => return self.fail("the text ends where a value is due"),
        };
        Ok(Node { span: self.span(start), value })
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Value, JsonError>,
    ) -> Result<Value, JsonError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let reason = "the document is nested too deep";
            return Err(JsonError { at: self.at, reason, excessive: true });
        }
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, JsonError> {
        let mut map = super::mapping::MappingBuilder::default();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Mapping(Vec::new()));
        }
        loop {
            self.skip_space();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return self.fail("expected a key in double quotes");
            }
            let key = self.string()?;
            let key_span = self.span(start);
            self.skip_space();
            if self.peek() != Some(b':') {
                return self.fail("expected `:`");
            }
            self.at += 1;
            self.skip_space();
            let value = self.value()?;
            map.set(Entry { key, key_span, value }, &mut self.diagnostics);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Mapping(map.into_entries()));
                }
                _ => return self.fail("expected `,` or `}`"),
            }
        }
    }

    fn array(&mut self) -> Result<Value, JsonError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Sequence(items));
        }
        loop {
            self.skip_space();
            items.push(self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Sequence(items));
                }
                _ => return self.fail("expected `,` or `]`"),
            }
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        let digits = |reader: &mut Self| {
            let from = reader.at;
            while matches!(reader.peek(), Some(b'0'..=b'9')) {
                reader.at += 1;
            }
            reader.at > from
        };
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else if !digits(self) {
            return self.fail("expected a digit");
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            if !digits(self) {
                return self.fail("expected a digit");
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !digits(self) {
                return self.fail("expected a digit");
            }
        }
        let text = &self.text[start..self.at];
        if integer && let Ok(value) = text.parse() {
            return Ok(Value::Int(value));
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Value::Float(value)),
            _ => self.fail("the number is out of range"),
        }
    }

    fn string(&mut self) -> Result<Arc<str>, JsonError> {
        self.at += 1;
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(text.into());
                }
                b'\\' => return self.escaped_string(start),
                0..=0x1f => return self.fail("a control character in a string"),
                _ => self.at += 1,
            }
        }
        self.fail("the string does not end")
    }

    /// The slow path: from the first backslash on.
    fn escaped_string(&mut self, start: usize) -> Result<Arc<str>, JsonError> {
        let mut out = self.text[start..self.at].to_owned();
        loop {
            let plain = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            out.push_str(&self.text[plain..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out.into());
                }
                Some(b'\\') => {
                    let backslash = self.at;
                    self.at += 1;
                    let escape = self.peek();
                    self.at += 1;
                    out.push(match escape {
                        Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
                        Some(b'b') => '\u{8}',
                        Some(b'f') => '\u{c}',
                        Some(b'n') => '\n',
                        Some(b'r') => '\r',
                        Some(b't') => '\t',
                        Some(b'u') => self.unicode_escape()?,
                        _ => {
                            self.at = backslash;
                            return self.fail("an unknown escape in a string");
                        }
                    });
                }
                Some(_) => return self.fail("a control character in a string"),
                None => return self.fail("the string does not end"),
            }
        }
    }

    /// After `\u`. Go replaces lone surrogates by U+FFFD.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let high = self.four_digits()?;
        if (0xd800..0xdc00).contains(&high) && self.text[self.at..].starts_with("\\u") {
            let back = self.at;
            self.at += 2;
            let low = self.four_digits()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4);
        let code = digits
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match code {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.fail("expected four hexadecimal digits"),
        }
    }

    /// The diagnostic of an error that is the user's to mend.
    pub(crate) fn diagnostic(&self, error: &JsonError) -> Diagnostic {
        let at = self.base.saturating_add(u32::try_from(error.at).unwrap_or(u32::MAX));
        let code = if error.excessive { Code::ExcessiveInput } else { Code::Syntax };
        let span = Span::new(self.source, at, at);
        Diagnostic::new(code, format!("not valid JSON: {}", error.reason)).at(span, "")
    }
}
