//! `kubereach inventory`

use super::Status;
use super::args::{Global, InventoryArgs, InventoryFormat};
use super::console;
use crate::analysis::inventory;
use crate::engine::Model;
use crate::render;

/// Takes stock of faulty input as well: that is what it is for. The status still says so.
pub(super) fn run(args: &InventoryArgs, global: &Global) -> Status {
    let world = match console::read(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    console::report(world, global);
    let model = Model::new(&world.cluster, &world.policies);
    let found = inventory(world, &model);
    match args.output {
        InventoryFormat::Text => {
            console::print(&render::inventory_text(world, &found));
        }
        InventoryFormat::Json => console::print_json(&render::inventory_json(world, &found)),
    }
    if world.errors() > 0 && !world.options.skip_invalid { Status::Error } else { Status::Success }
}
