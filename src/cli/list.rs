//! `kubereach list`

use super::Status;
use super::args::{Global, ListArgs, ListFormat};
use super::console;
use crate::analysis::{Lister, list, listed_policies};
use crate::engine::Model;
use crate::render::{self, ListStyle};

pub(super) fn run(args: &ListArgs, global: &Global) -> Status {
    let world = match console::open(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let mut filter = match console::filter(world, &args.input, &args.filter) {
        Ok(filter) => filter,
        Err(status) => return status,
    };
    filter.rules = matches!(args.output, ListFormat::Wide | ListFormat::Json | ListFormat::Yaml);
    let policies = listed_policies(world);
    let model = Model::new(&world.cluster, &policies);
    let style = match args.output {
        ListFormat::Text if args.filter.all => Some(ListStyle::Each),
        ListFormat::Text => Some(ListStyle::Joined),
        ListFormat::Wide => Some(ListStyle::Wide),
        ListFormat::Csv => Some(ListStyle::Csv),
        ListFormat::Json | ListFormat::Yaml | ListFormat::Md => None,
    };
    let undetermined = if let Some(style) = style {
        let lister = Lister::new(world, &model, &filter);
        let (undetermined, footer) =
            console::print_by(|out| render::write_listing(world, &lister, style, out));
        console::print(&footer);
        if style == ListStyle::Csv && lister.is_unenforced() && !global.quiet {
            console::note(
                "what policies deny is not listed, and undetermined: nobody knows whether anything enforces them (`--cni NAME`)",
            );
        }
        undetermined || lister.is_unenforced()
    } else {
        let listing = list(world, &model, &filter);
        match args.output {
            ListFormat::Md => console::print(&render::listing_markdown(world, &listing)),
            ListFormat::Yaml => {
                let value = render::listing_json(world, &listing);
                console::print(&serde_yaml::to_string(&value).unwrap_or_default());
            }
            _ => console::print_json(&render::listing_json(world, &listing)),
        }
        listing.unenforced || listing.rows.iter().any(|row| !row.verdict.unknown.is_empty())
    };
    // The process ends here: to take a large model apart would only cost time.
    std::mem::forget(model);
    if undetermined { Status::Undetermined } else { Status::Success }
}
