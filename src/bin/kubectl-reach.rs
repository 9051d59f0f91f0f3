//! The same program as a kubectl plugin: `kubectl reach can …`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubereach::cli::main("kubectl reach")
}
