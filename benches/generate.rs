//! Writes a made-up dump: `cargo bench --bench generate -- 10k > 10k.yaml`.

mod support;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let Some(shape) = wanted.as_deref().and_then(support::shape) else {
        let names: Vec<&str> = support::SHAPES.iter().map(|shape| shape.name).collect();
        let _ = writeln!(io::stderr(), "which dump? one of {}", names.join(", "));
        return ExitCode::from(2);
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match shape.write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
