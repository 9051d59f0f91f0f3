//! `kubereach list`

use super::Status;
use super::args::{Global, ListArgs, ListFormat};
use super::console;
use crate::analysis::list;
use crate::engine::Model;
use crate::render;

pub(super) fn run(args: &ListArgs, global: &Global) -> Status {
    let world = match console::open(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let mut filter = match console::filter(&world, &args.input, &args.filter) {
        Ok(filter) => filter,
        Err(status) => return status,
    };
    filter.rules = matches!(args.output, ListFormat::Wide | ListFormat::Json | ListFormat::Yaml);
    let model = Model::new(&world.cluster, &world.policies);
    let listing = list(&world, &model, &filter);
    match args.output {
        ListFormat::Text => {
            console::print(&render::listing_text(&world, &listing, false, !args.filter.all));
        }
        ListFormat::Wide => console::print(&render::listing_text(&world, &listing, true, false)),
        ListFormat::Json => console::print_json(&render::listing_json(&world, &listing)),
        ListFormat::Yaml => {
            let value = render::listing_json(&world, &listing);
            console::print(&serde_yaml::to_string(&value).unwrap_or_default());
        }
        ListFormat::Csv => console::print(&render::listing_csv(&world, &listing)),
        ListFormat::Md => console::print(&render::listing_markdown(&world, &listing)),
    }
    if listing.rows.iter().any(|row| !row.unknown.is_empty()) {
        Status::Undetermined
    } else {
        Status::Success
    }
}
