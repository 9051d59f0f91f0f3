//! The same program as a kubectl plugin: `kubectl reach can …`.

use mimalloc::MiMalloc;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    kubereach::cli::main("kubectl reach")
}
