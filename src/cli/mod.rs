//! The command line: arguments, one file for each verb, exit statuses.
//!
//! ```text
//!   args ─▶ console (load, resolve, report) ─▶ can | explain | list | matrix | graph | paths | cni | diff | test | inventory ─▶ Status
//! ```

mod args;
mod can;
mod cni;
mod console;
mod diff;
mod explain;
mod graph;
mod inventory;
mod list;
mod matrix;
mod paths;
mod test;

use crate::render;
use args::{Cli, SchemaOf, Verb};
use clap::{CommandFactory, FromArgMatches};
use std::process::ExitCode;

/// Exit statuses, as documented in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Allowed, or done.
    Success = 0,
    /// Denied, for some pairs or all.
    Denied = 1,
    /// The arguments or the input are wrong.
    Error = 2,
    /// It cannot be said.
    Undetermined = 3,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Runs the program under the name that users call it by (`kubereach`, `kubectl reach`).
pub fn main(name: &'static str) -> ExitCode {
    let command = command().bin_name(name);
    let cli = match command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; anything else is wrong usage.
            let status = if error.use_stderr() { Status::Error } else { Status::Success };
            let _ = error.print();
            return status.into();
        }
    };
    run(cli, name).into()
}

/// The command line. Every verb that reads manifests needs some; `diff` has sides of its own, and tests name theirs.
fn command() -> clap::Command {
    let has_input =
        |verb: &clap::Command| verb.get_arguments().any(|own| own.get_id() == "filename");
    Cli::command().mut_subcommands(|verb| {
        if matches!(verb.get_name(), "diff" | "test") || !has_input(&verb) {
            return verb;
        }
        verb.mut_arg("filename", |own| own.required_unless_present_any(["kustomize", "helm"]))
    })
}

fn run(cli: Cli, name: &'static str) -> Status {
    cli.global.color.write_global();
    match cli.verb {
        Verb::Can(args) => can::run(&args, &cli.global),
        Verb::Explain(args) => explain::run(&args, &cli.global),
        Verb::List(args) => list::run(&args, &cli.global),
        Verb::Matrix(args) => matrix::run(&args, &cli.global),
        Verb::Graph(args) => graph::run(&args, &cli.global),
        Verb::Paths(args) => paths::paths(&args, &cli.global),
        Verb::BlastRadius(args) => paths::radius(&args, &cli.global),
        Verb::Cni(args) => cni::run(&args, &cli.global),
        Verb::Inventory(args) => inventory::run(&args, &cli.global),
        Verb::Diff(args) => diff::run(&args, &cli.global),
        Verb::Test(args) => test::run(&args, &cli.global),
        Verb::Effects { name } => {
            console::print(&name.map_or_else(render::effects_text, render::effect_text));
            Status::Success
        }
        Verb::ExplainCode { code } => {
            console::print(&explain::page(code));
            Status::Success
        }
        Verb::Schema { document } => {
            console::print(match document {
                SchemaOf::Explain => render::EXPLAIN_SCHEMA,
                SchemaOf::Diff => render::DIFF_SCHEMA,
                SchemaOf::Graph => render::GRAPH_SCHEMA,
                SchemaOf::Test => render::TEST_SCHEMA,
            });
            Status::Success
        }
        Verb::Completions { shell } => {
            let mut command = command();
            let name = name.replace(' ', "-");
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, name, &mut script);
            console::print(&String::from_utf8_lossy(&script));
            Status::Success
        }
    }
}
