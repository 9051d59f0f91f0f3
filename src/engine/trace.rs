//! Why a connection is allowed or denied: which policies were asked, and what each rule said.
//!
//! Provenance lives here alone; the set algebra never carries it.

use super::matching::{self, Matched};
use super::miss::{PeerMiss, peer_misses};
use super::peer::Peer;
use super::reference::{self, Flow};
use super::verdict::{Decision, Unknown};
use crate::cluster::{ClusterState, PodId};
use crate::net::{ConnectionSet, Family};
use crate::policy::{
    Action, Certainty, Combine, Direction, Peers, PolicyId, PolicySet, Ports, Rule, RuleId, Tier,
    TierName,
};

/// The whole decision about one connection.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The connection.
    pub flow: Flow,
    /// The verdict.
    pub decision: Decision,
    /// What decides without policies: a pod talks to itself, the ends have no address family in common,
    /// or the dataplane drops the connection.
    pub shortcut: Option<Step>,
    /// Egress of the source, then ingress of the destination.
    pub directions: [DirectionTrace; 2],
}

/// One direction of it.
#[derive(Clone, Debug)]
pub struct DirectionTrace {
    /// Which.
    pub direction: Direction,
    /// Its verdict.
    pub decision: Decision,
    /// What decided.
    pub step: Step,
    /// Rules that left the connection to a later tier.
    pub passed: Vec<RuleId>,
    /// A rule of the Baseline tier decided, and NetworkPolicies select the pod for the other direction
    /// alone: the API can be read as if these kept the Baseline tier from being asked.
    pub past_network_policies: bool,
    /// Every policy that selects the pod in this direction, in order of evaluation.
    pub policies: Vec<PolicyTrace>,
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A pod always reaches itself.
    Loopback,
    /// The ends have no address family in common.
    NoCommonFamily,
    /// This end is no pod: no policy selects it.
    NotAPod,
    /// This end is on its node's network: no policy selects it.
    HostNetwork,
    /// The source is the node that the destination runs on.
    OwnNode,
    /// No policy decides: everything is allowed.
    Default,
    /// Nothing enforces policies: everything is allowed.
    NotEnforced,
    /// The enforcer leaves the pod alone: everything is allowed.
    LeftAlone,
    /// The enforcer leaves the address family alone: everything is allowed.
    FamilyNotPoliced,
    /// No policy decides, and the enforcer denies what none allows.
    Closed,
    /// The dataplane drops the connection, whatever policies say.
    Dropped,
    /// A rule allows it.
    Rule(RuleId),
    /// A rule denies it.
    Denied(RuleId),
    /// Policies isolate the pod, and no rule allows it.
    Isolated(Vec<PolicyId>),
    /// It cannot be said; the rule is the one whose match is not known, if it is one.
    Unknown(Unknown, Option<RuleId>),
}

impl Step {
    /// The verdict that it tells.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Isolated(_)
            | Self::Denied(_)
            | Self::NoCommonFamily
            | Self::Closed
            | Self::Dropped => Decision::Denied,
            Self::Unknown(..) => Decision::Unknown,
            Self::Loopback
            | Self::NotAPod
            | Self::HostNetwork
            | Self::OwnNode
            | Self::Default
            | Self::NotEnforced
            | Self::LeftAlone
            | Self::FamilyNotPoliced
            | Self::Rule(_) => Decision::Allowed,
        }
    }
}

/// What one policy said.
#[derive(Clone, Debug)]
pub struct PolicyTrace {
    /// The policy.
    pub policy: PolicyId,
    /// Whether it is about the pod: it is, or that cannot be said.
    pub selects: Outcome,
    /// Whether it was asked: no earlier tier, and no earlier policy of an ordered one, had decided.
    pub asked: bool,
    /// Its rules, in order.
    pub rules: Vec<RuleTrace>,
}

/// What one rule said.
#[derive(Clone, Debug)]
pub struct RuleTrace {
    /// The rule.
    pub rule: RuleId,
    /// Whether it is about the other end, and does what it says.
    pub peer: Outcome,
    /// Whether it is about the port.
    pub port: bool,
    /// Whether it was asked: its policy was, and no earlier rule had decided.
    pub asked: bool,
    /// What each of its peer selectors said, in order; none where it is about everybody.
    pub peers: Vec<PeerTrace>,
    /// Which of its port selectors have the port, in order; none where it is about every port.
    pub ports: Vec<bool>,
}

/// What one peer selector of a rule said.
#[derive(Clone, Debug)]
pub struct PeerTrace {
    /// Whether it matches the other end.
    pub outcome: Outcome,
    /// Where it does not: everything that keeps it from matching.
    pub misses: Vec<PeerMiss>,
}

/// A yes, a no, or neither with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It matches.
    Matches,
    /// It does not.
    Fails,
    /// It cannot be said.
    Unknown(Unknown),
}

impl From<Outcome> for Matched {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Matches => Self::Yes,
            Outcome::Fails => Self::No,
            Outcome::Unknown(why) => Self::Unknown(why),
        }
    }
}

impl From<Matched> for Outcome {
    fn from(matched: Matched) -> Self {
        match matched {
            Matched::Yes => Self::Matches,
            Matched::No => Self::Fails,
            Matched::Unknown(why) => Self::Unknown(why),
        }
    }
}

/// Evaluates a connection and keeps what every rule said.
pub fn trace(cluster: &ClusterState, policies: &PolicySet, flow: &Flow) -> Trace {
    let decision = reference::evaluate(cluster, policies, flow);
    let has = |peer: &Peer| peer.families(cluster).contains(&flow.family);
    let directions =
        Direction::ALL.map(|direction| trace_direction(cluster, policies, flow, direction));
    let allowed = directions.iter().all(|direction| direction.decision == Decision::Allowed);
    let shortcut = if !has(&flow.source) || !has(&flow.destination) {
        Some(Step::NoCommonFamily)
    } else if matching::is_loopback(cluster, &flow.source, &flow.destination) {
        Some(Step::Loopback)
    } else {
        // What policies deny is told first.
        match reference::dropped(cluster, policies, flow) {
            Certainty::Yes if decision == Decision::Denied && allowed => Some(Step::Dropped),
            Certainty::Yes if directions.iter().all(|d| d.decision != Decision::Denied) => {
                Some(Step::Dropped)
            }
            Certainty::Maybe if allowed => Some(Step::Unknown(Unknown::Dropped, None)),
            _ => None,
        }
    };
    Trace { flow: flow.clone(), decision, shortcut, directions }
}

/// The same of one direction, as if the other one and the dataplane had nothing to say.
pub fn trace_direction(
    cluster: &ClusterState,
    policies: &PolicySet,
    flow: &Flow,
    direction: Direction,
) -> DirectionTrace {
    let (end, other) = match direction {
        Direction::Egress => (&flow.source, &flow.destination),
        Direction::Ingress => (&flow.destination, &flow.source),
    };
    let decision = reference::direction(cluster, policies, flow, direction);
    let mut out = DirectionTrace {
        direction,
        decision,
        step: Step::Default,
        passed: Vec::new(),
        past_network_policies: false,
        policies: Vec::new(),
    };
    let Some(pod) = end.subject(cluster) else {
        let host = matches!(end, Peer::Pod(_));
        out.step = if host { Step::HostNetwork } else { Step::NotAPod };
        return out;
    };
    let own_node = matching::is_own_node(cluster, policies, direction, pod, other);
    let mut walk = Walk { cluster, policies, flow, direction, pod, found: Found::default() };
    walk.tiers(&policies.tiers);
    let mut found = std::mem::take(&mut walk.found);
    out.policies = std::mem::take(&mut found.policies);
    out.passed = std::mem::take(&mut found.passed);
    let blind = |firewall: bool| {
        let mut spots = policies.blind.iter().filter(|blind| blind.firewall == firewall);
        spots.find(|blind| blind.reaches(cluster.pod(pod)))
    };
    if let Matched::Unknown(why) = own_node {
        // Only what would be denied rests on it.
        found.doubts.push((why, None));
        found.allow.get_or_insert((Step::OwnNode, false));
    }
    let unpoliced = policies.dataplane.unpoliced(flow.family);
    let mut step = match (own_node, blind(false)) {
        _ if unpoliced == Certainty::Yes => Step::FamilyNotPoliced,
        _ if policies.dataplane.leaves_alone(pod) => Step::LeftAlone,
        (Matched::Yes, _) => Step::OwnNode,
        (_, Some(blind)) => Step::Unknown(Unknown::BlindSpot(blind.spot), None),
        _ if policies.ignored => Step::NotEnforced,
        _ => found.step(),
    };
    // A firewall's word counts where the tiers do not deny already.
    let outside = direction == Direction::Egress && other.subject(cluster).is_none();
    if outside && !matches!(step, Step::FamilyNotPoliced | Step::LeftAlone | Step::OwnNode) {
        if let (Decision::Allowed, Some(blind)) = (step.decision(), blind(true)) {
            step = Step::Unknown(Unknown::BlindSpot(blind.spot), None);
        }
        for firewall in &policies.firewalls {
            walk.tiers(std::slice::from_ref(firewall));
            let mut found = std::mem::take(&mut walk.found);
            out.policies.append(&mut found.policies);
            let own = found.step();
            let stronger = match own.decision() {
                Decision::Denied => step.decision() != Decision::Denied,
                Decision::Unknown => step.decision() == Decision::Allowed,
                Decision::Allowed => step == Step::Default,
            };
            if stronger {
                step = own;
            }
        }
    }
    if step.decision() == Decision::Denied {
        if policies.dataplane.unknown_enforcer {
            step = Step::Unknown(Unknown::Enforcer, None);
        } else if unpoliced == Certainty::Maybe {
            step = Step::Unknown(Unknown::Family, None);
        }
    }
    out.past_network_policies = past_network_policies(&walk, &step);
    out.step = step;
    out
}

/// Whether the Baseline tier decided about a pod that NetworkPolicies select for the other direction
/// alone.
fn past_network_policies(walk: &Walk<'_>, step: &Step) -> bool {
    let (Step::Rule(id) | Step::Denied(id)) = step else { return false };
    let policy = walk.policies.rule(*id).policy;
    let has = |tier: &Tier, name| tier.name == name && tier.policies.contains(&policy);
    if !walk.policies.tiers.iter().any(|tier| has(tier, TierName::Baseline)) {
        return false;
    }
    let own = walk.policies.tiers.iter().filter(|tier| tier.name == TierName::NetworkPolicy);
    own.flat_map(|tier| &tier.policies).any(|&id| {
        matching::pods(walk.cluster, &walk.policies.policy(id).subject, walk.pod) != Matched::No
    })
}

/// The tiers as the reference evaluator walks them, with what decided.
struct Walk<'a> {
    cluster: &'a ClusterState,
    policies: &'a PolicySet,
    flow: &'a Flow,
    direction: Direction,
    pod: PodId,
    found: Found,
}

/// What may decide.
#[derive(Default)]
struct Found {
    /// What allows, and whether it does so for sure.
    allow: Option<(Step, bool)>,
    /// What denies, and whether it does so for sure.
    deny: Option<(Step, bool)>,
    /// What is not known, in the order of evaluation.
    doubts: Vec<(Unknown, Option<RuleId>)>,
    passed: Vec<RuleId>,
    policies: Vec<PolicyTrace>,
}

impl Found {
    fn note(place: &mut Option<(Step, bool)>, step: Step, sure: bool) {
        if place.as_ref().is_none_or(|(_, before)| sure && !before) {
            *place = Some((step, sure));
        }
    }

    fn step(self) -> Step {
        match (self.allow, self.deny, self.doubts.first()) {
            (Some(_), Some(_), Some((why, rule))) => Step::Unknown(*why, *rule),
            // Both come with a doubt: a tie is one.
            (Some((step, _)), _, _) | (None, Some((step, _)), _) => step,
            (None, None, _) => Step::Default,
        }
    }
}

impl Walk<'_> {
    fn tiers(&mut self, tiers: &[Tier]) {
        let mut asked = true;
        for tier in tiers {
            let mut traces = self.policy_traces(tier, asked);
            if asked {
                asked = match tier.combine {
                    Combine::FirstMatch => self.first_match(&mut traces),
                    Combine::Union => self.union(tier, &traces),
                };
            }
            self.found.policies.extend(traces);
        }
        let firewall = tiers.iter().all(|tier| tier.name == TierName::Firewall);
        if !asked {
            return;
        }
        let closed = if firewall {
            Matched::No
        } else {
            matching::closed(self.cluster, self.policies, self.pod)
        };
        match closed {
            Matched::Yes => Found::note(&mut self.found.deny, Step::Closed, true),
            Matched::No => Found::note(&mut self.found.allow, Step::Default, true),
            Matched::Unknown(why) => {
                Found::note(&mut self.found.deny, Step::Closed, false);
                Found::note(&mut self.found.allow, Step::Default, false);
                self.found.doubts.push((why, None));
            }
        }
    }

    fn about(&self, policy: PolicyId) -> Matched {
        matching::policy(self.cluster, self.policies, policy, self.pod)
    }

    fn peer(&self, rule: RuleId) -> Matched {
        matching::peers(self.cluster, self.policies.rule(rule), self.other(), self.flow.family)
    }

    /// Whether a rule that counts is about both ends.
    fn matches(&self, id: RuleId) -> Matched {
        let rule = self.policies.rule(id);
        matching::own(self.cluster, rule, self.pod, self.flow.family)
            .and(self.peer(id))
            .and(matching::effect(self.policies, id))
    }

    fn other(&self) -> &Peer {
        match self.direction {
            Direction::Egress => &self.flow.destination,
            Direction::Ingress => &self.flow.source,
        }
    }

    /// Whether each port selector of a rule has the port.
    fn ports(&self, rule: &Rule) -> Vec<bool> {
        let Ports::Of(list) = &rule.ports else { return Vec::new() };
        let to = &self.flow.destination;
        list.iter()
            .map(|port| {
                let set = matching::port_set(self.cluster, self.policies, &port.matches, to);
                set.contains(self.flow.protocol, self.flow.port)
            })
            .collect()
    }

    fn rule_trace(&self, id: RuleId, asked: bool) -> RuleTrace {
        let rule = self.policies.rule(id);
        let peers = match &rule.peers {
            Peers::Any => Vec::new(),
            Peers::Of(list) => list
                .iter()
                .map(|selector| {
                    let (other, family) = (self.other(), self.flow.family);
                    let outcome =
                        matching::peer(self.cluster, &selector.matches, other, family).into();
                    let misses = match outcome {
                        Outcome::Fails => peer_misses(self.cluster, &selector.matches, other),
                        Outcome::Matches | Outcome::Unknown(_) => Vec::new(),
                    };
                    PeerTrace { outcome, misses }
                })
                .collect(),
        };
        let ports = self.ports(rule);
        RuleTrace {
            rule: id,
            peer: self.matches(id).into(),
            port: matches!(rule.ports, Ports::Any) || ports.contains(&true),
            asked,
            peers,
            ports,
        }
    }

    /// What the policies of a tier that have a part in this direction of the pod say.
    fn policy_traces(&self, tier: &Tier, asked: bool) -> Vec<PolicyTrace> {
        let at = self.direction.index();
        let mut out = Vec::new();
        for &id in &tier.policies {
            let policy = self.policies.policy(id);
            let part = match tier.combine {
                Combine::Union => policy.has_part(self.direction),
                Combine::FirstMatch => !policy.rules[at].is_empty(),
            };
            let selects = if part { self.about(id) } else { Matched::No };
            if selects == Matched::No {
                continue;
            }
            // In an ordered tier whoever is asked says so itself.
            let asked = asked && tier.combine == Combine::Union;
            let rules = policy.rules[at].iter().map(|&rule| self.rule_trace(rule, asked));
            let rules = rules.collect();
            out.push(PolicyTrace { policy: id, selects: selects.into(), asked, rules });
        }
        out
    }

    fn first_match(&mut self, traces: &mut [PolicyTrace]) -> bool {
        let mut passed = false;
        let policies = self.policies;
        let order = |trace: &PolicyTrace| policies.policy(trace.policy).order;
        for rivals in traces.chunk_by_mut(|a, b| order(a) == order(b)) {
            let mut decided: Vec<(PolicyId, Action)> = Vec::new();
            for trace in rivals {
                trace.asked = true;
                let policy = trace.policy;
                let about = self.about(policy);
                for rule in &mut trace.rules {
                    rule.asked = true;
                    if !rule.port {
                        continue;
                    }
                    let id = rule.rule;
                    let matched = about.and(rule.peer.into());
                    if matched == Matched::No {
                        continue;
                    }
                    let sure = matched == Matched::Yes;
                    if let Matched::Unknown(why) = matched {
                        self.found.doubts.push((why, Some(id)));
                    }
                    let action = policies.rule(id).action;
                    match action {
                        Action::Allow => {
                            Found::note(&mut self.found.allow, Step::Rule(id), sure);
                        }
                        Action::Deny => {
                            Found::note(&mut self.found.deny, Step::Denied(id), sure);
                        }
                        Action::Pass => {
                            passed = true;
                            self.found.passed.push(id);
                        }
                    }
                    if let Some((rival, _)) =
                        decided.iter().find(|(rival, other)| *rival != policy && *other != action)
                    {
                        self.found.doubts.push((Unknown::Tie(*rival, policy), None));
                    }
                    if sure {
                        decided.push((policy, action));
                        break;
                    }
                }
            }
            if !decided.is_empty() {
                return passed;
            }
        }
        true
    }

    fn union(&mut self, tier: &Tier, traces: &[PolicyTrace]) -> bool {
        let (mut isolated, mut allowed) = (Matched::No, Matched::No);
        for trace in traces {
            let about = self.about(trace.policy);
            if let Matched::Unknown(why) = about {
                self.found.doubts.push((why, None));
            }
            let policy = self.policies.policy(trace.policy);
            if policy.isolates[self.direction.index()] {
                isolated = isolated.or(about);
            }
            if !policy.counts[self.direction.index()] {
                continue;
            }
            for rule in trace.rules.iter().filter(|rule| rule.port) {
                let matched = about.and(rule.peer.into());
                match matched {
                    Matched::No => continue,
                    Matched::Yes => {
                        Found::note(&mut self.found.allow, Step::Rule(rule.rule), true);
                    }
                    Matched::Unknown(why) => {
                        self.found.doubts.push((why, Some(rule.rule)));
                        Found::note(&mut self.found.allow, Step::Rule(rule.rule), false);
                    }
                }
                allowed = allowed.or(matched);
            }
        }
        if allowed == Matched::Yes {
            return false;
        }
        if isolated != Matched::No {
            let sure = isolated == Matched::Yes;
            Found::note(&mut self.found.deny, Step::Isolated(isolating(traces)), sure);
        }
        if isolated == Matched::Yes {
            return false;
        }
        if self.policies.dataplane.hidden_baseline {
            let selected =
                tier.policies.iter().map(|&id| self.about(id)).fold(Matched::No, Matched::or);
            if selected != Matched::No {
                Found::note(&mut self.found.allow, Step::Default, selected == Matched::Yes);
                if let Matched::Unknown(why) = selected {
                    self.found.doubts.push((why, None));
                }
                return selected != Matched::Yes;
            }
        }
        true
    }
}

/// Isolating policies, those with rules first: they are what the author meant for the pod.
fn isolating(traces: &[PolicyTrace]) -> Vec<PolicyId> {
    let (with, without): (Vec<_>, Vec<_>) =
        traces.iter().partition(|policy| !policy.rules.is_empty());
    with.into_iter().chain(without).map(|policy| policy.policy).collect()
}

/// The connections to a destination that the ports of a rule are about.
pub fn ports_to(
    cluster: &ClusterState,
    policies: &PolicySet,
    rule: RuleId,
    destination: &Peer,
) -> ConnectionSet {
    matching::rule_ports(cluster, policies, policies.rule(rule), destination)
}

/// Which rules of a direction are about a peer, in the order of the set; `None` where that cannot be said of one.
pub fn matching_rules(
    cluster: &ClusterState,
    policies: &PolicySet,
    direction: Direction,
    other: &Peer,
    family: Family,
) -> Option<Vec<bool>> {
    let rules = policies.rules.iter().filter(|rule| rule.direction == direction);
    let each = rules.map(|rule| match matching::peers(cluster, rule, other, family) {
        Matched::Yes => Some(true),
        Matched::No => Some(false),
        Matched::Unknown(_) => None,
    });
    each.collect()
}

/// What a rule says of a connection, whether or not its policy selects the pod or is enforced.
pub fn ask(
    cluster: &ClusterState,
    policies: &PolicySet,
    flow: &Flow,
    id: RuleId,
) -> Option<RuleTrace> {
    let direction = policies.rule(id).direction;
    let end = match direction {
        Direction::Egress => &flow.source,
        Direction::Ingress => &flow.destination,
    };
    let pod = end.subject(cluster)?;
    let walk = Walk { cluster, policies, flow, direction, pod, found: Found::default() };
    Some(walk.rule_trace(id, false))
}
