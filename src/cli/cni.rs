//! `kubereach cni`

use super::Status;
use super::args::{CniArgs, Global, InventoryFormat};
use super::console;
use crate::enforcement::Enforcement;
use crate::render;

/// Tells which CNI there is and what it makes of the policies. Not knowing which is status 3.
pub(super) fn run(args: &CniArgs, global: &Global) -> Status {
    let world = match console::open(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    match args.output {
        InventoryFormat::Text => console::print(&render::cni_text(world)),
        InventoryFormat::Json => console::print_json(&render::cni_json(world)),
    }
    let unknown = world.cni.as_ref().is_none_or(|cni| {
        cni.profile.enforcement == Enforcement::Unknown || world.policies.dataplane.unknown_enforcer
    });
    if unknown { Status::Undetermined } else { Status::Success }
}
