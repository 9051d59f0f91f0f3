//! A place in an object's text that moves over its values, whichever format they are in.

use super::super::scalar;

/// Something that the full reader has to look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unusual;

/// What was read, or a hand-over.
pub(super) type Read<T> = Result<T, Unusual>;

/// Moves over the values of one object. After a key, or at an item, exactly one of `scalar`,
/// `open_mapping`, `open_sequence` and `skip` is called.
pub(super) trait Cursor<'t>: Copy {
    /// The text that it moves over.
    fn text(&self) -> &'t [u8];

    /// Where it is.
    fn position(&self) -> usize;

    /// Enters a mapping.
    fn open_mapping(&mut self) -> Read<Frame<'t>>;

    /// The next key; `None` after the last one.
    fn next_key(&mut self, frame: &mut Frame<'t>) -> Read<Option<Word<'t>>>;

    /// Enters a sequence.
    fn open_sequence(&mut self) -> Read<Frame<'t>>;

    /// Moves to the next item; false after the last one.
    fn next_item(&mut self, frame: &mut Frame<'t>) -> Read<bool>;

    /// Reads a scalar that is not null.
    fn scalar(&mut self) -> Read<Word<'t>>;

    /// Passes over a value of any kind.
    fn skip(&mut self) -> Read<()>;

    /// Passes over a value that is a string for sure.
    fn skip_string(&mut self) -> Read<()>;

    /// Behind a key of a mapping that lies so many levels inside the object that this is the start of.
    fn behind_key(&self, level: usize, at: usize) -> Self;

    /// Whether a word of no quotes that ends its line, or has a byte behind it, changes nothing but itself when
    /// another such word stands there.
    fn is_bare_word(word: &[u8], after: u8) -> bool;

    /// The next key of a mapping whose keys are fields: kubectl sorts them, so none stands twice.
    fn next_field(&mut self, frame: &mut Frame<'t>) -> Read<Option<Word<'t>>> {
        let key = self.next_key(frame)?;
        if let Some(key) = key {
            // The first letters decide most of the time.
            let (a, b) = (frame.last_key.first(), key.text.first());
            if a > b || a == b && frame.last_key >= key.text {
                return Err(Unusual);
            }
            frame.last_key = key.text;
        }
        Ok(key)
    }

    /// Where what was read last ends.
    fn end(&self) -> usize;

    /// The text from another place of this cursor up to here.
    fn since(&self, earlier: &Self) -> &'t [u8] {
        &self.text()[earlier.position()..self.position()]
    }
}

/// A collection that is being read.
pub(super) struct Frame<'t> {
    /// How far its keys or items are indented.
    pub(super) indent: usize,
    pub(super) start: usize,
    /// None of its keys or items has been reached.
    pub(super) first: bool,
    pub(super) empty: bool,
    /// The field that was read last.
    last_key: &'t [u8],
}

impl Frame<'_> {
    /// One with something in it.
    pub(super) fn new(indent: usize, start: usize) -> Self {
        Self { indent, start, first: true, empty: false, last_key: b"" }
    }

    pub(super) fn empty(start: usize) -> Self {
        Self { empty: true, ..Self::new(0, start) }
    }
}

/// A key or a scalar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'t> {
    /// The text without quotes.
    pub(super) text: &'t [u8],
    pub(super) quoted: bool,
    /// Where it starts and ends, with quotes.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'t> Word<'t> {
    fn raw(self) -> Read<&'t str> {
        std::str::from_utf8(self.text).map_err(|_| Unusual)
    }

    /// It as a string, if it is one.
    pub(super) fn string(self) -> Read<&'t str> {
        let text = self.raw()?;
        if self.quoted || scalar::is_string(text) { Ok(text) } else { Err(Unusual) }
    }

    /// The same of a string that says something.
    pub(super) fn filled(self) -> Read<&'t str> {
        if self.text.is_empty() { Err(Unusual) } else { self.string() }
    }

    /// It as a whole number without sign or leading zeros.
    pub(super) fn number(self) -> Read<u32> {
        let text = self.text;
        let digits = !text.is_empty() && text.len() <= 9 && text.iter().all(u8::is_ascii_digit);
        if self.quoted || !digits || text.len() > 1 && text[0] == b'0' {
            return Err(Unusual);
        }
        self.raw()?.parse().map_err(|_| Unusual)
    }

    /// It as a port number.
    pub(super) fn port(self) -> Read<u16> {
        u16::try_from(self.number()?).ok().filter(|&port| port > 0).ok_or(Unusual)
    }

    /// It as a boolean.
    pub(super) fn boolean(self) -> Read<bool> {
        match self.text {
            b"true" if !self.quoted => Ok(true),
            b"false" if !self.quoted => Ok(false),
            _ => Err(Unusual),
        }
    }
}

/// A byte of plain words: none that starts or ends anything, no space.
pub(super) fn is_of_word(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < table.len() {
            #[expect(clippy::cast_possible_truncation, reason = "it is below 256")]
            let own = byte as u8;
            table[byte] = own.is_ascii_alphanumeric()
                || matches!(own, b'_' | b'.' | b'/' | b'@' | b'+' | b'=' | b':' | b'-');
            byte += 1;
        }
        table
    };
    TABLE[usize::from(byte)]
}

/// What follows, if the text goes on so.
pub(super) fn starts_with(text: &[u8], at: usize, wanted: &[u8]) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with(wanted))
}

/// How many spaces stand at a place.
pub(super) fn spaces(text: &[u8], at: usize) -> usize {
    let mut count = 0;
    // Eight at a time: this is asked of every line.
    while let Some(eight) = text.get(at + count..).and_then(|rest| rest.first_chunk::<8>()) {
        let others = u64::from_le_bytes(*eight) ^ u64::from_le_bytes(*b"        ");
        if others != 0 {
            return count + others.trailing_zeros() as usize / 8;
        }
        count += 8;
    }
    count + text[(at + count).min(text.len())..].iter().take_while(|b| **b == b' ').count()
}

/// The end of the line that a place is on: its line break, or the end of the text.
pub(super) fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |end| at + end)
}
