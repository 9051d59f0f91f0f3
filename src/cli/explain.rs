//! `kubereach explain` and `kubereach explain-code`

use super::Status;
use super::args::{ExplainArgs, ExplainFormat, Global, Subject};
use super::can::status;
use super::console;
use crate::analysis::{EndpointError, Engines, explain, resolve_endpoint};
use crate::render;

pub(super) fn run(args: &ExplainArgs, global: &Global) -> Status {
    // What is wrong with the arguments is said before a long load.
    let ports = match console::ports(&args.port) {
        Ok(ports) => ports,
        Err(status) => return status,
    };
    let world = match console::open(&args.input, global) {
        Ok(world) => world,
        Err(status) => return status,
    };
    let found = resolve_endpoint(world, &args.source).and_then(|source| {
        let destination = resolve_endpoint(world, &args.destination)?;
        let engines = Engines::between(world, &[&source, &destination]);
        explain(world, &engines, &source, &destination, &ports)
    });
    match found {
        Err(EndpointError { message, help }) => console::usage_error(&message, help.as_deref()),
        Ok(found) => {
            let look = console::look(global);
            match args.output {
                ExplainFormat::Json => console::print_json(&render::explain_json(world, &found)),
                ExplainFormat::Md => console::print(&render::explain_markdown(world, &found)),
                ExplainFormat::Text if args.brief => {
                    console::print(&render::explain_brief(world, &found, look));
                }
                ExplainFormat::Text => console::print(&render::explain_text(world, &found, look)),
            }
            status(found.answer.answer)
        }
    }
}

/// The page of a code, or the list of all.
pub(super) fn page(code: Option<Subject>) -> String {
    match code {
        None => render::codes_text(),
        Some(Subject::Finding(code)) => render::code_text(code),
        Some(Subject::Hint(code)) => render::hint_text(code),
        Some(Subject::Effect(effect)) => render::effect_text(effect),
    }
}
