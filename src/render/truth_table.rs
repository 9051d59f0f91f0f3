//! `matrix`, as the Kubernetes network policy tests print it.

use super::table;
use crate::analysis::{TruthTable, World};
use crate::engine::Decision;

fn mark(cell: Option<Decision>) -> &'static str {
    match cell {
        Some(Decision::Allowed) => ".",
        Some(Decision::Denied) => "X",
        Some(Decision::Unknown) => "?",
        None => "-",
    }
}

/// Sources down, destinations across: `.` allowed, `X` denied, `?` undetermined, `-` no such port.
pub fn truth_table_text(world: &World, found: &TruthTable) -> String {
    let mut header = vec!["FROM / TO"];
    header.extend(found.names.iter().map(String::as_str));
    let rows = found.names.iter().zip(&found.cells).map(|(name, cells)| {
        let marks = cells.iter().map(|&cell| mark(cell).to_owned());
        std::iter::once(name.clone()).chain(marks).collect()
    });
    let mut out = table::plain(&header, &rows.collect::<Vec<Vec<String>>>());
    let footer = format!("{}{}", super::can::left_out(world), super::list::enforced_by(world));
    if !footer.is_empty() {
        out.push('\n');
        out.push_str(&footer);
    }
    out
}

/// The same as CSV, with whole words.
pub fn truth_table_csv(found: &TruthTable) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let _ = writer.write_record(["src", "dst", "verdict"]);
    for (from, cells) in found.names.iter().zip(&found.cells) {
        for (to, cell) in found.names.iter().zip(cells) {
            let word = match cell {
                Some(Decision::Allowed) => "allowed",
                Some(Decision::Denied) => "denied",
                Some(Decision::Unknown) => "undetermined",
                None => "no-such-port",
            };
            let _ = writer.write_record([from.as_str(), to, word]);
        }
    }
    super::questions::finish_csv(writer)
}
