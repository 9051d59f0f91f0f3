//! Which policies and rules nobody would miss: each is taken away, and the tests are asked whether they notice.

use super::check::{Asker, Status, check};
use super::file::{Expectation, Wanted};
use crate::analysis::divergence::Engines;
use crate::analysis::endpoint::resolve_endpoint;
use crate::analysis::words::Words;
use crate::analysis::world::World;
use crate::cluster::PodId;
use crate::diagnostic::Location;
use crate::engine::Peer;
use crate::policy::{Direction, PolicyId, PolicySet};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

/// How much of the policies the expectations are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// How many policies and rules there are.
    pub total: usize,
    /// Those whose loss no expectation notices, by their places.
    pub unnoticed: Vec<Unnoticed>,
}

/// A policy or rule whose loss no expectation notices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unnoticed {
    /// Where it stands.
    pub place: Location,
    /// `db-from-api, ingress rule 2`, or `default-deny` for a policy as a whole.
    pub what: String,
}

impl Coverage {
    /// How many of the policies and rules are noticed.
    pub fn noticed(&self) -> usize {
        self.total - self.unnoticed.len()
    }

    /// The same in percent, rounded down: 100 is all of them.
    pub fn percent(&self) -> usize {
        (self.noticed() * 100).checked_div(self.total).unwrap_or(100)
    }
}

/// What was found of each policy and rule so far: whether its loss is noticed.
pub(super) type Found = BTreeMap<Unnoticed, bool>;

impl From<Found> for Coverage {
    fn from(found: Found) -> Self {
        let total = found.len();
        let unnoticed = found.into_iter().filter(|(_, noticed)| !noticed).map(|(own, _)| own);
        Self { total, unnoticed: unnoticed.collect() }
    }
}

/// What is taken away.
#[derive(Clone, Copy)]
enum Loss {
    Policy(PolicyId),
    /// A rule, by its place in the list of a direction: one may be compiled to several.
    Rule(PolicyId, Direction, usize),
}

impl Loss {
    fn all(policies: &PolicySet) -> Vec<Self> {
        let mut out = Vec::new();
        for at in 0..policies.policies.len() {
            let id = PolicyId::new(at);
            out.push(Self::Policy(id));
            for direction in Direction::ALL {
                let own = &policies.policy(id).rules[direction.index()];
                let places: BTreeSet<usize> =
                    own.iter().map(|&rule| policies.rule(rule).index).collect();
                out.extend(places.into_iter().map(|at| Self::Rule(id, direction, at)));
            }
        }
        out
    }

    fn policy(self) -> PolicyId {
        match self {
            Self::Policy(id) | Self::Rule(id, ..) => id,
        }
    }

    /// The policies without it.
    fn from(self, policies: &PolicySet) -> PolicySet {
        let mut left = policies.clone();
        match self {
            Self::Policy(id) => {
                for tier in left.tiers.iter_mut().chain(&mut left.firewalls) {
                    tier.policies.retain(|own| *own != id);
                }
            }
            Self::Rule(id, direction, at) => {
                let rules = &left.rules;
                if let Some(policy) = left.policies.get_mut(id.index()) {
                    let own = &mut policy.rules[direction.index()];
                    own.retain(|rule| rules[rule.index()].index != at);
                }
            }
        }
        left
    }

    fn describe(self, world: &World) -> Unnoticed {
        let policies = &world.declared;
        let words = Words::declared(world);
        let policy = policies.policy(self.policy());
        let name = words.policy_name(self.policy());
        let name = match policy.namespace {
            Some(id) => format!("{}/{name}", world.cluster.namespace(id).name),
            None => name,
        };
        match self {
            Self::Policy(_) => Unnoticed { place: world.sources.locate(policy.span), what: name },
            Self::Rule(_, direction, at) => {
                let own = policy.rules[direction.index()].iter();
                let own = own.map(|&id| policies.rule(id)).find(|rule| rule.index == at);
                let span = own.map_or(policy.span, |rule| rule.span);
                let what = format!("{name}, {direction} rule {}", at + 1);
                Unnoticed { place: world.sources.locate(span), what }
            }
        }
    }
}

/// An expectation that holds.
pub(super) struct Checked<'f> {
    /// The folder of its file.
    pub(super) folder: &'f Path,
    /// What must hold.
    pub(super) expectation: &'f Expectation,
    /// What it was checked under, where that is one of several.
    pub(super) label: Option<String>,
}

/// Takes each policy and rule away that was not missed so far, and notes whether an expectation that holds with
/// it does not hold without. `world` is left as it was.
pub(super) fn coverage(world: &mut World, expectations: &[Checked<'_>], found: &mut Found) {
    let about: Vec<Option<HashSet<PodId>>> =
        expectations.iter().map(|own| pods(world, own.expectation)).collect();
    for loss in Loss::all(&world.declared) {
        let what = loss.describe(world);
        if found.get(&what) == Some(&true) {
            continue;
        }
        let subject = &world.declared.policy(loss.policy()).subject;
        let selected: HashSet<PodId> = world
            .cluster
            .pod_ids()
            .filter(|&id| {
                let pod = world.cluster.pod(id);
                subject.matches(pod, world.cluster.namespace(pod.namespace)) != Some(false)
            })
            .collect();
        let near: Vec<&Checked<'_>> = expectations
            .iter()
            .zip(&about)
            .filter(|(_, pods)| pods.as_ref().is_none_or(|own| !own.is_disjoint(&selected)))
            .map(|(own, _)| own)
            .collect();
        if near.is_empty() {
            found.entry(what).or_insert(false);
            continue;
        }
        let whole = world.declared.clone();
        world.redeclare(loss.from(&whole));
        let engines = Engines::new(world);
        let asker = Asker::new(world, &engines, near.iter().map(|own| own.expectation));
        let missed = near.par_iter().any(|own| {
            let label = own.label.as_deref();
            check(&asker, own.expectation, own.folder, label, false).status != Status::Passed
        });
        drop(asker);
        drop(engines);
        world.redeclare(whole);
        *found.entry(what).or_insert(false) |= missed;
    }
}

/// The pods that an expectation is about; `None` if it may be about any.
fn pods(world: &World, own: &Expectation) -> Option<HashSet<PodId>> {
    match own.wanted {
        Wanted::Pairs { .. } | Wanted::Isolated { .. } | Wanted::Table { .. } => {}
        Wanted::OnlyFrom { .. } | Wanted::OnlyTo { .. } | Wanted::Unchanged { .. } => return None,
    }
    let ends = own.wanted.ends().into_iter().filter_map(|name| resolve_endpoint(world, name).ok());
    let members = ends.flat_map(|end| end.members);
    let pods = members.filter_map(|member| match member.peer {
        Peer::Pod(id) => Some(id),
        Peer::Node(..) | Peer::External(_) | Peer::Name(..) => None,
    });
    Some(pods.collect())
}
