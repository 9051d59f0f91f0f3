//! `kubereach graph`

use super::Status;
use super::args::{Global, GraphArgs, GraphFormat};
use super::console;
use crate::analysis::{list, listed_policies};
use crate::engine::Model;
use crate::render;

pub(super) fn run(args: &GraphArgs, global: &Global) -> Status {
    let world = match console::open(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let filter = match console::filter(world, &args.input, &args.filter) {
        Ok(filter) => filter,
        Err(status) => return status,
    };
    let policies = listed_policies(world);
    let model = Model::new(&world.cluster, &policies);
    let listing = list(world, &model, &filter);
    let mut inputs = args.input.filename.clone();
    inputs.sort();
    let title = inputs.join(" ");
    let text = match args.output {
        GraphFormat::Dot => render::dot(world, &listing, &title),
    };
    match &args.out {
        None => console::print(&text),
        Some(path) => {
            if let Err(error) = std::fs::write(path, text) {
                let message = format!("cannot write `{}`: {error}", path.display());
                return console::usage_error(&message, None);
            }
        }
    }
    if listing.unenforced || listing.rows.iter().any(|row| !row.verdict.unknown.is_empty()) {
        Status::Undetermined
    } else {
        Status::Success
    }
}
