//! Bytes to text, and text to the pieces that kubectl reads one by one.

use crate::diagnostic::{Code, Diagnostic, SourceId, Span};
use std::sync::Arc;

/// Decodes a file: UTF-8 (a byte order mark is dropped), or UTF-16 with one. Invalid bytes become
/// U+FFFD, as in kubectl; the offset of the first is returned with the text. `None` if the bytes are
/// the text already.
pub(super) fn decode(bytes: &[u8]) -> Option<(String, Option<u32>)> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Some(lossy(rest)),
        [0xff, 0xfe, rest @ ..] => Some(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Some(utf16(rest, u16::from_be_bytes)),
        _ if std::str::from_utf8(bytes).is_ok() => None,
        _ => Some(lossy(bytes)),
    }
}

fn lossy(bytes: &[u8]) -> (String, Option<u32>) {
    let at = std::str::from_utf8(bytes).err();
    let at = at.map(|error| u32::try_from(error.valid_up_to()).unwrap_or(u32::MAX));
    (String::from_utf8_lossy(bytes).into_owned(), at)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> (String, Option<u32>) {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    let text = String::from_utf16_lossy(&units);
    let at = text.find(char::REPLACEMENT_CHARACTER).and_then(|at| u32::try_from(at).ok());
    (text, at)
}

pub(super) fn invalid_utf8(source: SourceId, at: u32) -> Diagnostic {
    Diagnostic::new(Code::InvalidUtf8, "bytes that are not valid UTF-8 were replaced by U+FFFD")
        .at(Span::new(source, at, at), "the first is here")
        .note("kubectl does the same, and the API server then refuses names and labels with them")
}

/// A part of a text that kubectl reads as a document of its own.
pub(super) struct Piece<'t> {
    /// Where it starts, in bytes.
    pub(super) start: u32,
    pub(super) text: &'t str,
}

/// Splits YAML at lines that start with `---`, as kubectl does before it parses
/// (`k8s.io/apimachinery/pkg/util/yaml`, `YAMLReader`): even inside of a block scalar. Such a line
/// may hold nothing else but a comment; the offsets of lines that do are returned.
pub(super) fn pieces(text: &str) -> (Vec<Piece<'_>>, Vec<u32>) {
    let mut out = Vec::new();
    let mut bad = Vec::new();
    let mut start = 0;
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let mut separator = if text.starts_with("---") { Some(0) } else { find_separator(text, 0) };
    while let Some(at) = separator {
        let line_end = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
        let after = text[at + 3..line_end].trim();
        if !after.is_empty() && !after.starts_with('#') {
            bad.push(offset(at));
        }
        out.push(Piece { start: offset(start), text: &text[start..at] });
        start = line_end;
        separator = if text[start..].starts_with("---") {
            Some(start)
        } else {
            find_separator(text, start)
        };
    }
    out.push(Piece { start: offset(start), text: &text[start..] });
    out.retain(|piece| !piece.text.trim_ascii().is_empty());
    (out, bad)
}

fn find_separator(text: &str, from: usize) -> Option<usize> {
    text[from..].find("\n---").map(|at| from + at + 1)
}

/// The template that Helm rendered a document from: its `# Source:` comment, which stands before
/// the first line of content.
pub(super) fn helm_source(piece: &str) -> Option<Arc<str>> {
    let comments = piece.lines().map(str::trim).take_while(|l| l.is_empty() || l.starts_with('#'));
    comments.filter_map(|line| line.strip_prefix("# Source: ")).last().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        pieces(text).0.into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn documents_are_split_as_kubectl_splits_them() {
        for (text, want, why) in [
            ("a: 1\n---\nb: 2\n", vec!["a: 1\n", "b: 2\n"], "the usual form"),
            ("---\na: 1\n---\n---\n", vec!["a: 1\n"], "empty documents are skipped"),
            ("a: 1\r\n---\r\nb: 2", vec!["a: 1\r\n", "b: 2"], "CRLF"),
            ("a: 1\n--- # note\nb: 2", vec!["a: 1\n", "b: 2"], "a comment after it"),
            ("a: |\n  x\n---\n  y\n", vec!["a: |\n  x\n", "  y\n"], "even in a block scalar"),
            ("a: 1\n ---\nb: 2\n", vec!["a: 1\n ---\nb: 2\n"], "an indented one is text"),
            ("", vec![], "an empty file"),
        ] {
            assert_eq!(texts(text), want, "{why}");
        }
        assert_eq!(pieces("a: 1\n-----\nb: 2\n").1, [5], "a longer one is refused");
    }

    #[test]
    fn helm_says_which_template_a_document_comes_from() {
        assert_eq!(
            helm_source("# Source: c/templates/a.yaml\na: 1").as_deref(),
            Some("c/templates/a.yaml")
        );
        assert_eq!(helm_source("a: 1\n# Source: no\n"), None);
    }
}
