//! The recorded data beside this file, or more of the same kind.

use flate2::read::GzDecoder;
use std::fs::File;
use std::io::Read;

/// The lines of `file`, or of the file that the environment variable `other` names.
pub(crate) fn text(other: &str, file: &str) -> String {
    let path = std::env::var(other)
        .unwrap_or_else(|_| format!("{}/tests/corpus/{file}", env!("CARGO_MANIFEST_DIR")));
    let packed = File::open(&path).expect(&path);
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).expect("the corpus is compressed text");
    text
}
