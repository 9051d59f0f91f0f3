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

pub use profile::{CniProfile, Enforcement, Support};
pub use profiles::{PROFILES, find};

use crate::policy::{PolicyKind, PolicySet};

/// Rewrites policies as an enforcer enforces them; without a profile they mean what they declare.
pub fn enforce(declared: PolicySet, profile: Option<&CniProfile>) -> PolicySet {
    let Some(profile) = profile else {
        return declared;
    };
    let Enforcement::Enforced { sidecar_port_names, .. } = profile.enforcement else {
        // Nothing is enforced, hidden policies neither.
        return PolicySet { ignored: true, ..PolicySet::default() };
    };
    let mut set = declared;
    set.dataplane.sidecar_port_names = sidecar_port_names;
    let PolicySet { tiers, firewalls, policies, inert, .. } = &mut set;
    for tier in tiers.iter_mut().chain(firewalls) {
        tier.policies.retain(|&id| {
            let Some(policy) = policies.get_mut(id.index()) else { return false };
            let known = profile.others.iter().find(|(kind, _)| *kind == policy.kind);
            match known {
                _ if policy.kind == PolicyKind::NetworkPolicy => {}
                Some((_, Support::Enforced)) => {}
                Some((_, Support::Depends(why))) => policy.doubt = Some((*why).into()),
                None => {
                    inert.push(id);
                    return false;
                }
            }
            true
        });
    }
    set
}
