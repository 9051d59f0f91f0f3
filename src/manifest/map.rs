//! Files as bytes.

use crate::diagnostic::Bytes;
use memmap2::Mmap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// From this size on a file is mapped: below it, a copy costs less.
const MAP_FROM: u64 = 1 << 20;

/// Reads or maps a file.
pub(super) fn read(path: &Path) -> io::Result<Bytes> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.len() >= MAP_FROM {
        return Ok(Arc::new(map(&file)?));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Arc::new(bytes))
}

/// Maps a regular file.
#[expect(unsafe_code, reason = "a copy of a dump costs as much as all that is done with it")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the bytes must not change while they are borrowed, which no program can promise of a
    // file. As in ripgrep, it is taken for granted that nobody writes to an input while it is read. All
    // accesses are checked ones to plain bytes, and what was once UTF-8 is checked again wherever it is
    // used as text, so that a file that does change gives a wrong reading and nothing worse; one that
    // is cut short ends the process.
    unsafe { Mmap::map(file) }
}
