//! Tests of policy sets: what must hold, beside the manifests that it is about.
//!
//! ```text
//!   *.reach.yaml ─ file ─▶ TestFile ─ run ─▶ FileRun { Outcome … } ─▶ render
//!   NetAssert    ─ netassert ─▶ ┘      │
//!                                      ├─ check     one expectation under one world
//!                                      ├─ snapshot  reachability as it was accepted
//!                                      └─ coverage  which rules nobody would miss
//! ```
//!
//! Input: paths of test files, and what the command line gives beside them. Output: an [`Outcome`] for every
//! expectation under every CNI that it is to hold for, in the order of the files. An expectation that is about
//! nothing fails: it would hold for any policies.

mod check;
mod coverage;
mod file;
mod init;
mod netassert;
mod only;
mod run;
mod snapshot;

pub use check::{Counterexample, Outcome, Status, check_one};
pub use coverage::{Coverage, Unnoticed};
pub use file::{Expectation, Expected, Quantifier, TestFile, Under, Wanted};
pub use init::{FirstTest, first_test};
pub use run::{FileRun, Given, RunOptions, SuiteRun, find_tests, read_tests, run_tests};
pub use snapshot::{Snapshot, SnapshotChange};
