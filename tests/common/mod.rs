//! What several tests need of the repository.

use kubereach::analysis::TestFile;
use kubereach::diagnostic::SourceMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of the scenarios, in order.
pub(crate) fn scenarios() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("scenarios")).expect("the folder of scenarios");
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// What the scenario of a folder expects.
#[expect(clippy::panic, reason = "says what it found")]
#[allow(dead_code, reason = "not every test that finds scenarios reads them")]
pub(crate) fn expected(folder: &Path) -> TestFile {
    TestFile::read(&folder.join("scenario.yaml"), &mut SourceMap::default())
        .unwrap_or_else(|faults| panic!("{}: {faults:#?}", folder.display()))
}
