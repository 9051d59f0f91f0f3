//! What a CNI makes of policies: declared to effective.
//!
//! Input: the declared [`PolicySet`] and a [`CniProfile`]. Output: the effective [`PolicySet`].
//! An enforcer's habits are a rewrite of the policies, so that the engine, traces and pictures
//! never learn of them.
//!
//! ```text
//!   PolicySet (declared) ─ enforce(profile) ─▶ PolicySet (effective)
//! ```

mod profile;
mod profiles;

pub use profile::{CniProfile, Enforcement};
pub use profiles::{PROFILES, find};

use crate::policy::PolicySet;

/// Rewrites policies as an enforcer enforces them; without a profile they mean what they declare.
pub fn enforce(declared: PolicySet, profile: Option<&CniProfile>) -> PolicySet {
    let Some(profile) = profile else {
        return declared;
    };
    match profile.enforcement {
        // Nothing is enforced, hidden policies neither.
        Enforcement::Ignored => PolicySet { ignored: true, ..PolicySet::default() },
        Enforcement::Enforced { sidecar_port_names, .. } => {
            PolicySet { sidecar_port_names, ..declared }
        }
    }
}
