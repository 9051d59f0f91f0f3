//! Pages of codes.

use super::style::{bold, loud};
use super::table;
use crate::analysis::{HintCode, hint_page};
use crate::diagnostic::{Code, Severity, page};
use crate::policy::EffectId;

/// Every code, a line each.
pub fn codes_text() -> String {
    let row = |name: &str, text: &str| vec![name.to_owned(), one_line(text)];
    let mut out = String::new();
    let findings: Vec<Vec<String>> =
        Code::ALL.iter().map(|code| row(code.name(), code.summary())).collect();
    out.push_str(&table::plain(&["FINDING", "ABOUT THE INPUT"], &findings));
    let hints: Vec<Vec<String>> =
        HintCode::ALL.iter().map(|code| row(code.name(), code.summary())).collect();
    out.push('\n');
    out.push_str(&table::plain(&["HINT", "IN AN EXPLANATION"], &hints));
    let effects: Vec<Vec<String>> =
        EffectId::ALL.iter().map(|effect| row(effect.name(), effect.words())).collect();
    out.push('\n');
    out.push_str(&table::plain(&["EFFECT", "WHAT THE ENFORCER DOES"], &effects));
    out.push_str("\n`kubereach explain-code CODE` says why, with an example, and what to do\n");
    out
}

/// Doc comments are joined line by line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A page for a terminal: what stands between fences is set in instead.
fn indented(page: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
            continue;
        }
        let indent = if inside && !line.is_empty() { "    " } else { "" };
        out.push_str(&format!("{indent}{line}\n"));
    }
    out
}

/// The page of a finding.
pub fn code_text(code: Code) -> String {
    let severity = match code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    format!("{}\n\n{}", loud(&format!("{severity}[{code}]")), indented(page(code)))
}

/// The page of a hint.
pub fn hint_text(code: HintCode) -> String {
    format!("{}\n\n{}", bold(&format!("hint[{code}]")), indented(hint_page(code)))
}
