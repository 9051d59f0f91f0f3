//! `kubereach blast-radius` and `kubereach paths`

use super::Status;
use super::args::{Global, HopFormat, PathsArgs, RadiusArgs};
use super::console;
use crate::analysis::{
    EndpointError, Filter, Listing, Picture, Shown, View, World, blast_radius, list,
    listed_policies, resolve_endpoint, ways,
};
use crate::engine::Model;
use crate::render::{self, Drawing, Frame, Ground};

pub(super) fn radius(args: &RadiusArgs, global: &Global) -> Status {
    let world = match console::open(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let (listing, picture) = ground(world);
    let ground = Ground { world, listing: &listing, picture: &picture };
    let found = resolve_endpoint(world, &args.source).map(|source| {
        let found = blast_radius(&picture, &source, args.hops);
        (source.name, found)
    });
    let (source, found) = match found {
        Ok(found) => found,
        Err(error) => return wrong(&error),
    };
    let frame = || {
        let hops = match args.hops {
            Some(hops) => format!(" in at most {hops} hops"),
            None => String::new(),
        };
        Frame {
            title: format!("What {source} reaches{hops}, if it is taken over"),
            subtitle: render::enforced(world),
            ..Frame::default()
        }
    };
    match args.output {
        HopFormat::Text => {
            console::print(&render::radius_text(&ground, &found, &source, console::look(global)));
        }
        HopFormat::Json => console::print_json(&render::radius_json(&ground, &found, &source)),
        HopFormat::Svg | HopFormat::Mermaid => {
            let drawn = found.picture(&picture).collapsed();
            let drawing = Drawing { world, listing: None, frame: frame() };
            console::print(&if args.output == HopFormat::Svg {
                let shown = Shown { view: View::Focus, picture: drawn };
                render::picture_svg(&drawing, &shown)
            } else {
                render::mermaid(&drawing, &drawn, Some(View::Focus))
            });
        }
    }
    let maybe = found.reached.iter().any(|own| own.sure_hops.is_none());
    if maybe || picture.unenforced { Status::Undetermined } else { Status::Success }
}

pub(super) fn paths(args: &PathsArgs, global: &Global) -> Status {
    let ports = match console::ports(&args.port) {
        Ok(ports) => ports,
        Err(status) => return status,
    };
    let world = match console::open(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let (listing, picture) = ground(world);
    let ground = Ground { world, listing: &listing, picture: &picture };
    let found = resolve_endpoint(world, &args.source).and_then(|source| {
        let destination = resolve_endpoint(world, &args.destination)?;
        let most = usize::from(args.hops);
        let found = ways(&picture, [&source, &destination], &ports, most, args.most)?;
        Ok((source.name, destination.name, found))
    });
    let (source, destination, found) = match found {
        Ok(found) => found,
        Err(error) => return wrong(&error),
    };
    let ends = [source.as_str(), destination.as_str()];
    match args.output {
        HopFormat::Json => console::print_json(&render::ways_json(&ground, &found, ends)),
        HopFormat::Text => {
            let look = console::look(global);
            console::print(&render::ways_text(&ground, &found, ends, args.hops.into(), look));
        }
        HopFormat::Svg | HopFormat::Mermaid => {
            let help = "`kubereach blast-radius` draws what is reached, hop by hop";
            return console::usage_error("ways are text or JSON", Some(help));
        }
    }
    let sure = found.ways.iter().any(|way| way.iter().all(|hop| hop.sure));
    match (sure, found.ways.is_empty() && !picture.unenforced && !found.gave_up) {
        (true, _) => Status::Success,
        (false, true) => Status::Denied,
        (false, false) => Status::Undetermined,
    }
}

/// Every connection that a policy has a part in; what is open by default is known of its ends.
fn ground(world: &World) -> (Listing, Picture) {
    let policies = listed_policies(world);
    let model = Model::new(&world.cluster, &policies);
    let listing = list(world, &model, &Filter::default());
    let picture = Picture::new(world, &listing, None);
    (listing, picture)
}

fn wrong(error: &EndpointError) -> Status {
    console::usage_error(&error.message, error.help.as_deref())
}
