//! Aligned columns.

use std::fmt::Write as _;

/// Cells longer than this do not widen their column: one long cell must not pad a million rows.
const WIDEST: usize = 64;

/// A table without lines, as kubectl prints it: a header in capitals, columns two spaces apart.
/// Nothing is wrapped or cut, and no line ends with spaces: the output is for pipes as well.
pub(super) fn plain(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths = widths(header);
    for row in rows {
        widen(&mut widths, row);
    }
    let mut out = line(&widths, header);
    for row in rows {
        out.push_str(&line(&widths, row));
    }
    out
}

/// The widths of the columns of a header.
pub(super) fn widths(header: &[&str]) -> Vec<usize> {
    header.iter().map(|cell| cell.chars().count()).collect()
}

/// Makes room for a row.
pub(super) fn widen(widths: &mut [usize], row: &[impl AsRef<str>]) {
    for (width, cell) in widths.iter_mut().zip(row) {
        *width = (*width).max(cell.as_ref().chars().count().min(WIDEST));
    }
}

/// One line of a table.
pub(super) fn line(widths: &[usize], row: &[impl AsRef<str>]) -> String {
    let mut text = String::new();
    for (width, cell) in widths.iter().zip(row) {
        let cell = cell.as_ref();
        text.push_str(cell);
        let blank = width.saturating_sub(cell.chars().count()) + 2;
        text.extend(std::iter::repeat_n(' ', blank));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A cell filled up to a width.
pub(super) fn pad(cell: &str, width: usize) -> String {
    let blank = width.saturating_sub(cell.chars().count());
    format!("{cell}{}", " ".repeat(blank))
}

/// The same as [`plain`], two spaces in.
pub(super) fn indented(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = String::new();
    for line in plain(header, rows).lines() {
        let _ = writeln!(out, "  {line}");
    }
    out
}

/// A cell of a Markdown table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Text that Markdown takes as it is.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Between backticks nothing has a meaning.
    let mut code = false;
    for c in text.chars() {
        code ^= c == '`';
        if !code && matches!(c, '*' | '_' | '<' | '[' | ']' | '~' | '#' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// `1 workload`, `2 workloads`
pub(super) fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}
