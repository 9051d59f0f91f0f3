//! What is known of a CNI, as data.

use crate::policy::PolicyKind;

/// A network plugin, or a network policy enforcer beside one.
#[derive(Clone, Copy, Debug)]
pub struct CniProfile {
    /// The name that `--cni` takes.
    pub name: &'static str,
    /// Other names that `--cni` takes.
    pub aliases: &'static [&'static str],
    /// What it does with NetworkPolicies.
    pub enforcement: Enforcement,
    /// What it does with policies of other APIs; those that are not here have no effect.
    pub others: &'static [(PolicyKind, Support)],
    /// Where that is written: a path in the project's repository, or its documentation.
    pub source: &'static str,
}

/// Whether an API other than NetworkPolicy is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It is.
    Enforced,
    /// That depends on something that `--cni NAME` does not say: on this.
    Depends(&'static str),
}

/// What a CNI does with NetworkPolicies.
#[derive(Clone, Copy, Debug)]
pub enum Enforcement {
    /// It accepts them and does nothing: every connection is allowed.
    Ignored,
    /// It enforces them.
    Enforced {
        /// Whether names of ports that init containers (sidecars) declare resolve.
        sidecar_port_names: bool,
        /// Where it is known to depart from what policies declare, in ways that are not modelled.
        departures: &'static [&'static str],
    },
}
