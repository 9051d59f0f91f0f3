//! Aligned columns.

use std::fmt::Write as _;

/// Cells longer than this do not widen their column: one long cell must not pad a million rows.
const WIDEST: usize = 64;

/// A table without lines, as kubectl prints it: a header in capitals, columns two spaces apart.
/// Nothing is wrapped or cut, and no line ends with spaces: the output is for pipes as well.
pub(super) fn plain(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count().min(WIDEST));
        }
    }
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (width, cell) in widths.iter().zip(cells) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&mut header.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

/// The same, two spaces in.
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

/// `1 workload`, `2 workloads`
pub(super) fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}
