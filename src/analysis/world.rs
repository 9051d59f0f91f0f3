//! Everything that questions are asked of: loaded, resolved, compiled, enforced.

use crate::cluster::{Assumptions, ClusterState, EditError, Overlay, edit, resolve};
use crate::diagnostic::{Diagnostic, Severity, SourceMap};
use crate::enforcement::{
    Change, Cni, Detected, Distribution, Effective, Evidence, detect, enforce,
};
use crate::manifest::{Loaded, Reason, SetAside};
use crate::net::Family;
use crate::policy::{PolicySet, compile, ties};

/// What the user decides about the whole run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What is taken for granted.
    pub assumptions: Assumptions,
    /// The CNI, if one is named.
    pub cni: Option<Cni>,
    /// The distribution, if one is named.
    pub distribution: Option<&'static Distribution>,
    /// Policies mean what they declare, whatever the input shows of a CNI.
    pub as_declared: bool,
    /// Answer without the objects that have errors.
    pub skip_invalid: bool,
    /// Answer as if policies that are not evaluated were not there.
    pub ignore_unsupported: bool,
    /// Answer for this family only.
    pub family: Option<Family>,
    /// `-n` was given: bare names and selectors are looked up there.
    pub namespace_given: bool,
    /// What would be otherwise.
    pub overlay: Overlay,
}

/// What it rests on which CNI is taken to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The user says so.
    Asserted,
    /// The user names a distribution, which comes with it.
    Distribution(&'static Distribution),
    /// The input shows it.
    Detected,
    /// Nobody says anything: policies mean what they declare.
    Assumed,
}

/// What an answer goes without, as the user asked it to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Objects and files with errors.
    pub broken: usize,
    /// Policies that are not evaluated.
    pub unsupported: usize,
}

/// A resolved cluster with its effective policies.
#[derive(Debug)]
pub struct World {
    /// The texts.
    pub sources: SourceMap,
    /// The cluster.
    pub cluster: ClusterState,
    /// The CNI that is taken to be there, if any.
    pub cni: Option<Cni>,
    /// What that rests on.
    pub basis: Basis,
    /// What in the input tells so.
    pub evidence: Vec<Evidence>,
    /// The policies as they are written.
    pub declared: PolicySet,
    /// The policies as the CNI enforces them.
    pub policies: PolicySet,
    /// What the CNI makes of them.
    pub changes: Vec<Change>,
    /// What was set aside.
    pub set_aside: Vec<SetAside>,
    /// What is to be said of the input.
    pub diagnostics: Vec<Diagnostic>,
    /// What is otherwise than in the input, as the user asked for it, in words.
    pub edits: Vec<String>,
    /// Edits that the user asked for and that cannot be made.
    pub edit_errors: Vec<EditError>,
    /// How many objects were read, used or not.
    pub objects: usize,
    /// How many files were read.
    pub files: usize,
    /// What the user decided.
    pub options: Options,
}

impl World {
    /// Resolves, compiles and enforces what was loaded.
    pub fn new(loaded: Loaded, options: Options) -> Self {
        let mut loaded = loaded;
        let objects = loaded.resources.len()
            + loaded
                .set_aside
                .iter()
                .filter(|item| !matches!(item.reason, Reason::NotAnObject | Reason::Unreadable))
                .count();
        let mut resources = std::mem::take(&mut loaded.resources);
        let mut edit_errors = Vec::new();
        let names = loaded.applied.iter().filter_map(|&id| loaded.sources.source(id));
        let mut edits: Vec<String> =
            names.map(|source| format!("applied {}", source.name)).collect();
        edits.extend(options.overlay.words());
        if !options.overlay.is_empty() || !loaded.applied.is_empty() {
            (resources, edit_errors) =
                edit(resources, &loaded.applied, &options.overlay, &options.assumptions);
        }
        let (mut cluster, found) =
            resolve(resources, &loaded.set_aside, &loaded.sources, &options.assumptions);
        loaded.diagnostics.extend(found);
        if options.ignore_unsupported {
            cluster.blind_spots.retain(|spot| spot.reason != Reason::UnsupportedPolicy);
        }
        let declared = compile(&cluster);
        // The user's word, then what the input shows, then what policies declare.
        let mut evidence = Vec::new();
        let (cni, basis) = match (&options.cni, options.distribution) {
            (Some(cni), _) => (Some(cni.clone()), Basis::Asserted),
            (None, Some(named)) => (named.cni(), Basis::Distribution(named)),
            (None, None) if options.as_declared => (None, Basis::Assumed),
            (None, None) => match detect(&loaded.clues) {
                Some(Detected { cni, evidence: found, diagnostics }) => {
                    loaded.diagnostics.extend(diagnostics);
                    evidence = found;
                    (Some(cni), Basis::Detected)
                }
                None => (None, Basis::Assumed),
            },
        };
        let Effective { policies, changes } = effective(&declared, &cluster, cni.as_ref());
        loaded.diagnostics.extend(ties(&cluster, &policies));
        loaded.diagnostics.sort_by_key(Diagnostic::sort_key);
        Self {
            sources: loaded.sources,
            cluster,
            cni,
            basis,
            evidence,
            declared,
            policies,
            changes,
            set_aside: loaded.set_aside,
            diagnostics: loaded.diagnostics,
            edits,
            edit_errors,
            objects,
            files: loaded.files,
            options,
        }
    }

    /// The same world with another CNI.
    pub fn switch(&mut self, cni: Cni) {
        let Effective { policies, changes } = enforce(&self.declared, &self.cluster, &cni);
        (self.policies, self.changes) = (policies, changes);
        (self.cni, self.basis) = (Some(cni), Basis::Asserted);
        self.evidence.clear();
    }

    /// The same world with its policies as they are declared, whatever enforces them.
    pub fn declare(&mut self) {
        self.policies = self.declared.clone();
        (self.cni, self.basis) = (None, Basis::Assumed);
        self.changes.clear();
        self.evidence.clear();
    }

    /// The same world with other policies, as its CNI enforces them.
    pub(super) fn redeclare(&mut self, declared: PolicySet) {
        let Effective { policies, changes } =
            effective(&declared, &self.cluster, self.cni.as_ref());
        (self.declared, self.policies, self.changes) = (declared, policies, changes);
    }

    /// How many errors the input has.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// What the user asked to go on without.
    pub fn left_out(&self) -> LeftOut {
        let count = |wanted: fn(Reason) -> bool| {
            self.set_aside.iter().filter(|item| wanted(item.reason)).count()
        };
        let mut left = LeftOut::default();
        if self.options.skip_invalid && self.errors() > 0 {
            left.broken = self.cluster.left_out_twice
                + count(|reason| {
                    matches!(
                        reason,
                        Reason::InvalidObject | Reason::InvalidPolicy | Reason::Unreadable
                    )
                });
        }
        if self.options.ignore_unsupported {
            left.unsupported = count(|reason| reason == Reason::UnsupportedPolicy);
        }
        left
    }

    /// How many policies the input has, whatever the CNI makes of them.
    pub fn declared_policies(&self) -> usize {
        self.cluster.policy_count()
    }
}

/// What a CNI makes of policies; without one they are as declared.
pub(super) fn effective(
    declared: &PolicySet,
    cluster: &ClusterState,
    cni: Option<&Cni>,
) -> Effective {
    match cni {
        Some(cni) => enforce(declared, cluster, cni),
        None => Effective { policies: declared.clone(), changes: Vec::new() },
    }
}
