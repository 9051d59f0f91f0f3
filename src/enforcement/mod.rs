//! What a CNI makes of policies: declared to effective.
//!
//! Input: the declared [`PolicySet`](crate::policy::PolicySet), the cluster and a [`Cni`]: a
//! [`CniProfile`] with version and settings. Output: the effective set, and every [`Change`] between
//! the two. An enforcer's habits are rewrites of the policies, so that the engine, traces and pictures
//! never learn of them.
//!
//! ```text
//!   profiles/*.rs ─▶ CniProfile ─ version, settings ─▶ Cni
//!   clues of a cluster ─ detect ─▶ Cni, with evidence;  --distribution ─▶ Cni
//!   PolicySet (declared) ─ enforce(cni) ─▶ PolicySet (effective), Vec<Change>
//! ```

mod cni;
mod detect;
mod distribution;
mod profile;
mod profiles;
mod readings;
mod rewrite;

pub use cni::{Cni, CniError, Version, find};
pub use detect::{Detected, Evidence, detect};
pub use distribution::{DISTRIBUTIONS, Distribution};
pub use profile::{
    CniOption, CniProfile, Enforcement, Feature, From, Habit, NamedPorts, OpenConnections, Reading,
    Sign, Trait, When,
};
pub use profiles::PROFILES;
pub use rewrite::{Change, Effective, enforce, enforce_without};

use crate::diagnostic::page_of;
use crate::policy::EffectId;

/// Every divergence, described.
const PAGES: &str = include_str!("divergences.md");

/// What a divergence is, who has it, an example, and what to do.
pub fn page(effect: EffectId) -> &'static str {
    page_of(PAGES, effect.name())
}
