//! `kubereach matrix`

use super::Status;
use super::args::{Global, MatrixArgs, MatrixFormat};
use super::console;
use crate::analysis::truth_table;
use crate::engine::{Decision, Model};
use crate::render;

/// Nobody reads a larger table, and a machine can ask `can --questions`.
const LARGEST: usize = 3_000;

pub(super) fn run(args: &MatrixArgs, global: &Global) -> Status {
    let port = match args.port.parse() {
        Ok(port) => port,
        Err(error) => {
            let error: crate::analysis::PortError = error;
            return console::usage_error(&error.to_string(), None);
        }
    };
    let world = match console::open(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let within = args.within.as_deref().or(args.input.namespace.as_deref());
    let pods = world.cluster.pods.iter().filter(|pod| {
        within.is_none_or(|name| *world.cluster.namespace(pod.namespace).name == *name)
    });
    let pods = pods.count();
    if pods > LARGEST {
        let message = format!("{pods} pods would make a table of {} cells", pods * pods);
        let help = format!("narrow it with `--in NAMESPACE`; the limit is {LARGEST} pods");
        return console::usage_error(&message, Some(&help));
    }
    let model = Model::new(&world.cluster, &world.policies);
    let table = truth_table(world, &model, &port, within);
    if table.names.is_empty() {
        let place = within.map(|name| format!(" in namespace `{name}`")).unwrap_or_default();
        return console::usage_error(&format!("there are no pods{place}"), None);
    }
    match args.output {
        MatrixFormat::Text => console::print(&render::truth_table_text(world, &table)),
        MatrixFormat::Json => console::print_json(&render::truth_table_json(world, &table)),
        MatrixFormat::Csv => console::print(&render::truth_table_csv(&table)),
    }
    if table.cells.iter().flatten().any(|cell| *cell == Some(Decision::Unknown)) {
        Status::Undetermined
    } else {
        Status::Success
    }
}
