//! Where what an enforcer does parts from what policies declare, and which of its habits is the cause.

use super::endpoint::Endpoint;
use super::world::World;
use crate::cluster::PodId;
use crate::diagnostic::Span;
use crate::enforcement::{Change, Cni, Effective, enforce_without};
use crate::engine::reference::{Flow, evaluate};
use crate::engine::{Decision, Model, Peer, Step, Trace, Verdict, trace};
use crate::net::{ConnectionSet, Family};
use crate::policy::{Direction, EffectId, PolicyId, PolicySet, PortMatch, Ports, Rule};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Of what was asked, that of which it cannot be said what they declare.
    pub unknown: ConnectionSet,
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
    effects: BTreeSet<EffectId>,
    /// The policies as the enforcer would have them without some of its habits, as far as asked.
    without: Mutex<HashMap<Vec<EffectId>, Arc<PolicySet>>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.effect)
    }
}

impl<'a> Engines<'a> {
    /// Compiles the policies of a world.
    pub fn new(world: &'a World) -> Self {
        Self::of(world, world.cni.as_ref(), &world.policies, &world.changes, &all_pods(world))
    }

    /// The same for questions about these ends alone: policies that select none of their pods are not
    /// looked at.
    pub fn between(world: &'a World, ends: &[&Endpoint]) -> Self {
        let members = ends.iter().flat_map(|end| &end.members);
        let pods: BTreeSet<PodId> = members
            .filter_map(|member| match member.peer {
                Peer::Pod(id) => Some(id),
                Peer::Node(..) | Peer::External(_) | Peer::Name(..) => None,
            })
            .collect();
        let pods: Vec<PodId> = pods.into_iter().collect();
        Self::of(world, world.cni.as_ref(), &world.policies, &world.changes, &pods)
    }

    /// The same for another CNI than the world's own.
    pub(super) fn under(world: &'a World, cni: Option<&'a Cni>, effective: &'a Effective) -> Self {
        Self::of(world, cni, &effective.policies, &effective.changes, &all_pods(world))
    }

    fn of(
        world: &'a World,
        cni: Option<&'a Cni>,
        policies: &'a PolicySet,
        changes: &'a [Change],
        pods: &[PodId],
    ) -> Self {
        let differs = !changes.is_empty() || policies.dataplane.unknown_enforcer;
        Self {
            world,
            cni,
            changes,
            effective: Model::of_pods(&world.cluster, policies, pods),
            declared: differs.then(|| Model::of_pods(&world.cluster, &world.declared, pods)),
            effects: changes.iter().map(|change| change.effect).collect(),
            without: Mutex::default(),
        }
    }

    /// Compiles what questions about many pods ask for, before several threads ask.
    pub fn compile(&self) {
        self.effective.compile();
        if let Some(declared) = &self.declared {
            declared.compile();
        }
    }

    /// The policies as they are enforced.
    pub fn effective(&self) -> &Model<'a> {
        &self.effective
    }

    /// Two pods with equal keys are alike to every question.
    pub(super) fn class_of(&self, pod: PodId) -> (u32, u32) {
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
        let parts = declared.differing(effective).intersection(asked);
        let (protocol, port, _) = parts.ranges().next()?;
        Some(Divergence {
            declared: declared.on(protocol, port),
            effective: effective.on(protocol, port),
            port: format!("{protocol}/{port}"),
            allowed: declared.allowed.intersection(asked),
            unknown: declared.unknown.intersection(asked),
            causes: self.causes(source, destination, family, &parts, effective),
        })
    }

    /// Why the verdict on a pair is not the declared one: the habits that decide for any of these ports.
    pub(super) fn causes(
        &self,
        source: &Peer,
        destination: &Peer,
        family: Family,
        parts: &ConnectionSet,
        effective: &Verdict,
    ) -> Vec<Cause> {
        let mut causes: Vec<Cause> = Vec::new();
        // Where there are many ranges, more of them have no more causes.
        for (protocol, port, _) in parts.ranges().take(8) {
            let (source, destination) = (source.clone(), destination.clone());
            let flow = Flow { source, destination, family, protocol, port };
            for cause in self.causes_of(&flow, effective.on(protocol, port)) {
                if !causes.contains(&cause) {
                    causes.push(cause);
                }
            }
        }
        causes
    }

    /// The habits without which the verdict would be another one; if none alone is, the fewest that are
    /// together.
    fn causes_of(&self, flow: &Flow, effective: Decision) -> Vec<Cause> {
        let (world, Some(cni)) = (self.world, self.cni) else { return Vec::new() };
        let differs = |without: &[EffectId]| {
            let policies = self.without(cni, without);
            evaluate(&world.cluster, &policies, flow) != effective
        };
        // Where the enforcer does what is declared there is nothing to explain.
        if evaluate(&world.cluster, &world.declared, flow) == effective {
            return Vec::new();
        }
        let mut found: Vec<EffectId> =
            self.effects.iter().copied().filter(|effect| differs(&[*effect])).collect();
        let sides = [&world.declared, self.effective.policies()];
        let traces = sides.map(|policies| trace(&world.cluster, policies, flow));
        let about: BTreeSet<PolicyId> = traces.iter().flat_map(involved).collect();
        let decisive: Vec<RulePlace> = sides
            .into_iter()
            .zip(&traces)
            .flat_map(|(policies, trace)| deciding(policies, trace))
            .collect();
        if found.is_empty() {
            found.extend(&self.effects);
            if differs(&found) {
                for effect in &self.effects {
                    let fewer: Vec<EffectId> =
                        found.iter().copied().filter(|own| own != effect).collect();
                    if differs(&fewer) {
                        found = fewer;
                    }
                }
            }
        }
        // Habits build on each other: one that is nowhere near would only stand in for another.
        let near = |change: &&Change| change.policy.is_none_or(|id| about.contains(&id));
        let here: BTreeSet<EffectId> =
            self.changes.iter().filter(near).map(|change| change.effect).collect();
        if found.iter().any(|effect| here.contains(effect)) {
            found.retain(|effect| here.contains(effect));
        }
        found.into_iter().map(|effect| self.cause(effect, &about, &decisive, flow)).collect()
    }

    fn without(&self, cni: &Cni, effects: &[EffectId]) -> Arc<PolicySet> {
        let mut known = self.without.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.entry(effects.to_vec()).or_insert_with(|| {
            let world = self.world;
            Arc::new(enforce_without(&world.declared, &world.cluster, cni, effects).policies)
        });
        Arc::clone(found)
    }

    /// What a habit means for the rule that decides, else for a policy that has a part in the flow.
    fn cause(
        &self,
        effect: EffectId,
        about: &BTreeSet<PolicyId>,
        decisive: &[RulePlace],
        flow: &Flow,
    ) -> Cause {
        let declared = &self.world.declared;
        let own = || self.changes.iter().filter(|change| change.effect == effect);
        let near = || own().filter(|change| change.policy.is_some_and(|id| about.contains(&id)));
        let has_port = |change: &&Change| {
            let rule = change.rule.map(|id| declared.rule(id));
            rule.is_none_or(|rule| match &rule.ports {
                Ports::Any => true,
                Ports::Of(list) => list.iter().any(|port| match &port.matches {
                    PortMatch::Numbers(set) => set.contains(flow.protocol, flow.port),
                    PortMatch::Named { protocol, .. } => *protocol == flow.protocol,
                }),
            })
        };
        let decides = |change: &&Change| match (change.rule, change.policy) {
            (Some(id), _) => decisive.contains(&place_of(declared.rule(id))),
            (None, Some(policy)) => decisive.iter().any(|(own, ..)| *own == policy),
            (None, None) => false,
        };
        let change = near()
            .find(decides)
            .or_else(|| near().find(has_port))
            .or_else(|| near().next())
            .or_else(|| own().find(|change| change.policy.is_none()))
            .or(own().next());
        Cause {
            effect,
            text: change.map(|change| change.text.clone()).unwrap_or_default(),
            span: change.and_then(|change| change.span),
        }
    }
}

fn all_pods(world: &World) -> Vec<PodId> {
    world.cluster.pod_ids().collect()
}

/// Where a rule stands: what is made of one rule keeps its place.
type RulePlace = (PolicyId, Direction, usize);

fn place_of(rule: &Rule) -> RulePlace {
    (rule.policy, rule.direction, rule.index)
}

/// The rules that decide, of policies that a trace is of.
fn deciding<'p>(policies: &'p PolicySet, trace: &'p Trace) -> impl Iterator<Item = RulePlace> {
    trace.directions.iter().filter_map(|direction| match direction.step {
        Step::Rule(id) | Step::Denied(id) | Step::Unknown(_, Some(id)) => {
            Some(place_of(policies.rule(id)))
        }
        _ => None,
    })
}

/// The policies that have a part in a decision.
fn involved(trace: &Trace) -> impl Iterator<Item = PolicyId> {
    trace.directions.iter().flat_map(|d| &d.policies).map(|policy| policy.policy)
}
