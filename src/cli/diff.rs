//! `kubereach diff`

use super::Status;
use super::args::{DiffArgs, DiffFormat, Global};
use super::console;
use crate::analysis::{DiffRow, Turn, cni_diff};
use crate::render;

/// Compares two CNIs on the same manifests: 0 if nothing changes, 1 if something does, 3 if it cannot be
/// said whether.
pub(super) fn run(args: &DiffArgs, global: &Global) -> Status {
    let world = match console::open(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let diff = cni_diff(world, world.cni.as_ref(), Some(&args.to_cni));
    match args.output {
        DiffFormat::Text => console::print(&render::cni_diff_text(world, &diff)),
        DiffFormat::Json => console::print_json(&render::cni_diff_json(world, &diff)),
        DiffFormat::Md => console::print(&render::cni_diff_markdown(world, &diff)),
    }
    let known = |row: &DiffRow| row.change.turn() != Turn::Undetermined;
    if diff.rows.is_empty() && diff.apart.is_empty() {
        Status::Success
    } else if diff.rows.iter().any(known) {
        Status::Denied
    } else {
        Status::Undetermined
    }
}
