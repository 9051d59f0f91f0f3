//! The fast engine against the reference, on random clusters; and the laws of the set algebra.
//!
//! A nightly-sized run, with the seeds of a failing cluster printed:
//!
//! ```text
//! KUBEREACH_CLUSTERS=1000000 cargo test --release --test properties -- --nocapture the_engines_agree
//! ```

#![expect(clippy::expect_used, reason = "helpers of tests, which say what they found")]

mod clusters;
mod diffs;
mod engines;
mod laws;
mod provenance;
mod readers;
