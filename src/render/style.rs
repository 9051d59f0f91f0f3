//! How output looks: colours, symbols, width.

use anstyle::{AnsiColor, Style};

/// What the terminal can show.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Only ASCII symbols.
    pub ascii: bool,
    /// Columns to fill at most.
    pub width: usize,
}

impl Default for Look {
    fn default() -> Self {
        Self { ascii: false, width: 120 }
    }
}

impl Look {
    /// `→`
    pub fn arrow(self) -> &'static str {
        if self.ascii { "->" } else { "→" }
    }
}

const GREEN: Style = AnsiColor::Green.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// A verdict's word in its colour; the word alone says it, too.
pub(super) fn verdict(word: &str) -> String {
    let style = match word {
        "allowed" => GREEN,
        "denied" => RED,
        _ => YELLOW,
    };
    format!("{style}{word}{style:#}")
}

pub(super) fn dim(text: &str) -> String {
    format!("{DIM}{text}{DIM:#}")
}

pub(super) fn bold(text: &str) -> String {
    format!("{BOLD}{text}{BOLD:#}")
}

pub(super) fn loud(text: &str) -> String {
    format!("{YELLOW}{text}{YELLOW:#}")
}

/// Pads a text that may hold escape codes to a width of its own characters.
pub(super) fn pad(styled: &str, plain: &str, width: usize) -> String {
    let own = plain.chars().count();
    format!("{styled}{}", " ".repeat(width.saturating_sub(own)))
}
