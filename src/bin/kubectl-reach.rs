//! The same program as a kubectl plugin: `kubectl reach can …`.

use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kubereach::cli::main("kubectl reach")
}
