//! The `kubereach` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubereach::cli::main("kubereach")
}
