//! Where what an enforcer does parts from what policies declare, and which of its habits is the cause.

use super::world::World;
use crate::cluster::PodId;
use crate::diagnostic::Span;
use crate::enforcement::{Change, Cni, Effective, enforce_without};
use crate::engine::reference::{Flow, evaluate};
use crate::engine::{Decision, Model, Peer, Trace, Verdict, trace};
use crate::net::{ConnectionSet, Family};
use crate::policy::{EffectId, PolicyId, PolicySet};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// A connection on which the enforcer and the policies differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// What the policies declare.
    pub declared: Decision,
    /// What the enforcer does.
    pub effective: Decision,
    /// The port that it is about.
    pub port: String,
    /// Of what was asked, what the policies declare allowed.
    pub allowed: ConnectionSet,
    /// Why: each alone, or all together.
    pub causes: Vec<Cause>,
}

/// A habit of an enforcer that changes an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// Which.
    pub effect: EffectId,
    /// What it means for the policy at hand.
    pub text: String,
    /// Where that stands.
    pub span: Option<Span>,
}

/// What answers questions: the policies as they are enforced, and beside them as they are declared
/// where these differ.
pub struct Engines<'a> {
    world: &'a World,
    cni: Option<&'a Cni>,
    changes: &'a [Change],
    effective: Model<'a>,
    declared: Option<Model<'a>>,
    /// The policies as the enforcer would have them without one of its habits.
    without: Vec<(EffectId, OnceLock<PolicySet>)>,
}

impl<'a> Engines<'a> {
    /// Compiles the policies of a world.
    pub fn new(world: &'a World) -> Self {
        Self::of(world, world.cni.as_ref(), &world.policies, &world.changes)
    }

    /// The same for another CNI than the world's own.
    pub(super) fn under(world: &'a World, cni: Option<&'a Cni>, effective: &'a Effective) -> Self {
        Self::of(world, cni, &effective.policies, &effective.changes)
    }

    fn of(
        world: &'a World,
        cni: Option<&'a Cni>,
        policies: &'a PolicySet,
        changes: &'a [Change],
    ) -> Self {
        let effects: BTreeSet<EffectId> = changes.iter().map(|c| c.effect).collect();
        let differs = !changes.is_empty() || policies.dataplane.unknown_enforcer;
        Self {
            world,
            cni,
            changes,
            effective: Model::new(&world.cluster, policies),
            declared: differs.then(|| Model::new(&world.cluster, &world.declared)),
            without: effects.into_iter().map(|effect| (effect, OnceLock::new())).collect(),
        }
    }

    /// The policies as they are enforced.
    pub fn effective(&self) -> &Model<'a> {
        &self.effective
    }

    /// Two pods with equal keys are alike to every question.
    pub(super) fn class_of(&self, pod: PodId) -> (usize, usize) {
        let declared = self.declared.as_ref().map_or(0, |model| model.class_of(pod));
        (self.effective.class_of(pod), declared)
    }

    /// Cuts addresses where rules cut them, enforced or declared.
    pub(super) fn atoms(&self, set: &crate::net::IpSet) -> Vec<crate::net::IpSet> {
        let atoms = self.effective.atoms(set);
        match &self.declared {
            None => atoms,
            Some(model) => atoms.iter().flat_map(|atom| model.atoms(atom)).collect(),
        }
    }

    /// Where the verdict on a pair is not the declared one, as far as asked.
    pub(super) fn divergence(
        &self,
        source: &Peer,
        destination: &Peer,
        family: Family,
        asked: &ConnectionSet,
        effective: &Verdict,
    ) -> Option<Divergence> {
        let declared = self.declared.as_ref()?.verdict(source, destination, family);
        let differs = |a: &ConnectionSet, b: &ConnectionSet| {
            a.difference(b).union(&b.difference(a)).intersection(asked)
        };
        let parts = differs(&declared.allowed, &effective.allowed)
            .union(&differs(&declared.unknown, &effective.unknown));
        let (protocol, port, _) = parts.ranges().next()?;
        let flow = Flow {
            source: source.clone(),
            destination: destination.clone(),
            family,
            protocol,
            port,
        };
        Some(Divergence {
            declared: declared.on(protocol, port),
            effective: effective.on(protocol, port),
            port: format!("{protocol}/{port}"),
            allowed: declared.allowed.intersection(asked),
            causes: self.causes(&flow, effective.on(protocol, port)),
        })
    }

    /// The habits without which the verdict would be another one; if none alone is, all that there are.
    pub(super) fn causes(&self, flow: &Flow, effective: Decision) -> Vec<Cause> {
        let (world, Some(cni)) = (self.world, self.cni) else { return Vec::new() };
        let mut alone: Vec<EffectId> = Vec::new();
        for (effect, cell) in &self.without {
            let policies = cell.get_or_init(|| {
                enforce_without(&world.declared, &world.cluster, cni, &[*effect]).policies
            });
            if evaluate(&world.cluster, policies, flow) != effective {
                alone.push(*effect);
            }
        }
        let about = involved(&trace(&world.cluster, &world.declared, flow));
        let near = |change: &&Change| change.policy.is_none_or(|id| about.contains(&id));
        let here: BTreeSet<EffectId> =
            self.changes.iter().filter(near).map(|change| change.effect).collect();
        if alone.is_empty() {
            alone.extend(&here);
        } else if alone.iter().any(|effect| here.contains(effect)) {
            // Habits build on each other: one that is nowhere near would only stand in for another.
            alone.retain(|effect| here.contains(effect));
        }
        alone.into_iter().map(|effect| cause(self.changes, effect, &about)).collect()
    }
}

/// The policies that have a part in a decision.
fn involved(trace: &Trace) -> BTreeSet<PolicyId> {
    trace.directions.iter().flat_map(|d| &d.policies).map(|policy| policy.policy).collect()
}

/// What a habit means for these policies.
fn cause(changes: &[Change], effect: EffectId, about: &BTreeSet<PolicyId>) -> Cause {
    let own = || changes.iter().filter(|change| change.effect == effect);
    let near = own().find(|change| change.policy.is_some_and(|id| about.contains(&id)));
    let change = near.or_else(|| own().find(|change| change.policy.is_none())).or(own().next());
    Cause {
        effect,
        text: change.map(|change| change.text.clone()).unwrap_or_default(),
        span: change.and_then(|change| change.span),
    }
}
