//! What an enforcer makes of policies: declared to effective, habit by habit.
//!
//! Each habit is a rewrite of the IR. What rests on a version or a setting that is not known is
//! rewritten so that both outcomes stay possible: a rule is kept for what holds either way, and one in
//! doubt stands for the difference.

mod peers;
mod policies;
mod ports;

use super::cni::Cni;
use super::profile::{Enforcement, Habit, NamedPorts, When};
use crate::cluster::{ClusterState, PodId};
use crate::diagnostic::Span;
use crate::net::{ConnectionSet, Family, IpSet, Protocol};
use crate::policy::{
    Certainty, Direction, EffectId, Peers, PolicyId, PolicyKind, PolicySet, PortMatch, Ports, Rule,
    RuleId,
};
use std::collections::HashSet;
use std::sync::Arc;

/// Something that an enforcer makes of policies that they do not say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// What.
    pub effect: EffectId,
    /// Whether that is known; else it rests on a version or a setting that nobody has named.
    pub sure: bool,
    /// The policy that it is about; `None`: all.
    pub policy: Option<PolicyId>,
    /// The rule that it is about.
    pub rule: Option<RuleId>,
    /// What it means there, in a few words.
    pub text: String,
    /// Where that stands.
    pub span: Option<Span>,
}

/// What an enforcer makes of policies.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The policies as it enforces them.
    pub policies: PolicySet,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// Rewrites policies as an enforcer enforces them.
pub fn enforce(declared: &PolicySet, cluster: &ClusterState, cni: &Cni) -> Effective {
    enforce_without(declared, cluster, cni, &[])
}

/// The same, as if the enforcer had not some of its habits: what these do is the difference.
pub fn enforce_without(
    declared: &PolicySet,
    cluster: &ClusterState,
    cni: &Cni,
    without: &[EffectId],
) -> Effective {
    let mut work = Rewrite {
        set: declared.clone(),
        origins: (0..declared.rules.len()).map(RuleId::new).collect(),
        cluster,
        host_network: cluster.pod_ids().filter(|&id| cluster.pod(id).host_network).collect(),
        cni,
        without,
        changes: Vec::new(),
    };
    match cni.profile.enforcement {
        Enforcement::Unknown => work.know_nothing(),
        Enforcement::Ignored if !without.contains(&EffectId::PoliciesIgnored) => work.ignore(),
        Enforcement::Ignored => {}
        Enforcement::Enforced => {
            if !without.contains(&EffectId::ForeignPolicyIgnored) {
                work.foreign_policies();
            }
            if !without.contains(&EffectId::ApiIgnored) {
                work.apis();
            }
            for own in cni.profile.traits {
                let certainty = cni.holds(&own.when);
                // What becomes of names is two effects there, of which either may be left out.
                let both = own.habit == Habit::NamedPorts(NamedPorts::All);
                if certainty != Certainty::No && (both || !without.contains(&own.habit.effect())) {
                    work.apply(own.habit, certainty == Certainty::Yes, &own.when);
                }
                if work.set.ignored {
                    break;
                }
            }
        }
    }
    // What is made of both halves of a rule is told once.
    let mut told = HashSet::new();
    work.changes.retain(|change| told.insert(change.clone()));
    Effective { policies: work.set, changes: work.changes }
}

/// A rewrite at work.
struct Rewrite<'a> {
    set: PolicySet,
    /// The rule that each is made of.
    origins: Vec<RuleId>,
    cluster: &'a ClusterState,
    /// Pods on their node's network: few, and asked about for each rule.
    host_network: Vec<PodId>,
    cni: &'a Cni,
    without: &'a [EffectId],
    changes: Vec<Change>,
}

impl Rewrite<'_> {
    fn apply(&mut self, habit: Habit, sure: bool, when: &When) {
        match habit {
            Habit::EnforcesNothing if sure => self.ignore(),
            Habit::EnforcesNothing => {
                self.set.dataplane.unknown_enforcer = true;
                let why = format!("it may enforce nothing: {}", self.open_setting(when));
                self.note(habit.effect(), false, &why, None);
            }
            Habit::IgnoresNetworkPolicies if sure => self.ignore_network_policies(),
            Habit::IgnoresNetworkPolicies => {
                for id in self.network_policies() {
                    let why = self.open_setting(when);
                    self.doubt_policy(habit.effect(), id, format!("it may have no effect: {why}"));
                }
            }
            Habit::ClosesTheUnselected(closed) => {
                self.set.dataplane.closed = closed;
                self.note(habit.effect(), sure, "what no policy allows is denied", None);
            }
            Habit::ResolvesSidecarPorts => self.resolve_sidecar_ports(),
            Habit::UnlistedDirection { isolates } => self.unlisted_direction(isolates, sure, when),
            Habit::NamedPorts(habit) => self.named_ports(habit, sure, when),
            Habit::NarrowsEndPort => self.narrow_end_port(sure, when),
            Habit::BlocksReach { pods, nodes } => self.blocks_reach(pods, nodes, sure, when),
            Habit::Rejects(features) => self.reject(features, true, sure, when),
            Habit::RejectsAnywhere(features) => self.reject(features, false, sure, when),
            Habit::DropsSctp => self.drop_sctp(sure, when),
            Habit::LeavesFamily(family) => self.leave_family(family, sure),
            Habit::ReachesOwnNode => {
                let certainty = if sure { Certainty::Yes } else { Certainty::Maybe };
                self.set.dataplane.reaches_own_node = certainty;
                let text = "a pod always reaches its own node, whatever egress policies say";
                self.note(habit.effect(), sure, text, None);
            }
            Habit::SelectsHostNetwork { with_pod_selector } => {
                self.select_host_network(with_pod_selector);
            }
            Habit::LeaksDirections => self.leak_directions(),
            Habit::SharesBlockSets => self.share_block_sets(),
            Habit::NarrowsIpv6Any => self.narrow_ipv6_any(),
            Habit::LetsExceptOverride => self.let_except_override(),
            Habit::LimitsPorts(limit) => self.limit_ports(limit),
            Habit::TakesEmptySelectorForAny => self.take_empty_selector_for_any(),
            Habit::HidesBaseline => self.hide_baseline(sure),
            Habit::LimitsPriority(limit) => self.limit_priority(limit),
            Habit::LacksNodesAndNames => self.lack_nodes_and_names(),
            Habit::LeavesSomeNodes => self.leave_some_nodes(),
            Habit::JudgesBeforeTranslation => {
                self.set.dataplane.before_translation = true;
                let text = "a Service is reached where its own selector is what the rule selects";
                self.note(habit.effect(), true, text, None);
            }
        }
    }

    fn note(&mut self, effect: EffectId, sure: bool, text: &str, span: Option<Span>) {
        let text = text.to_owned();
        self.changes.push(Change { effect, sure, policy: None, rule: None, text, span });
    }

    fn note_policy(&mut self, effect: EffectId, id: PolicyId, text: String) {
        let span = Some(self.set.policy(id).span);
        self.changes.push(Change { effect, sure: true, policy: Some(id), rule: None, text, span });
    }

    /// Notes what becomes of a rule, on the rule as well.
    fn note_rule(&mut self, effect: EffectId, sure: bool, id: RuleId, text: String, span: Span) {
        let Some(rule) = self.set.rules.get_mut(id.index()) else { return };
        if !rule.effects.contains(&effect) {
            rule.effects.push(effect);
        }
        let sure =
            sure && self.set.policies.get(rule.policy.index()).is_none_or(|p| p.doubt.is_none());
        let policy = Some(rule.policy);
        let rule = self.origins.get(id.index()).copied();
        self.changes.push(Change { effect, sure, policy, rule, text, span: Some(span) });
    }

    /// What must be known for a condition to be decided.
    fn open_setting(&self, when: &When) -> String {
        let name = self.cni.name();
        match when {
            When::From(_) | When::Before(_) => {
                format!("that depends on its version (`--cni {name}@VERSION`)")
            }
            When::Is(option, _) | When::Said(option, _) => {
                format!("that depends on `{option}` (`--cni {name},{option}=…`)")
            }
            When::All(list) | When::Any(list) => {
                let open = list.iter().find(|when| self.cni.holds(when) == Certainty::Maybe);
                open.map(|when| self.open_setting(when)).unwrap_or_default()
            }
            When::Unverified => "nobody has verified it".to_owned(),
            When::Always => String::new(),
        }
    }

    /// The rules of NetworkPolicies in a direction, or in both.
    fn rules_of(&self, direction: Option<Direction>) -> Vec<RuleId> {
        let kept: Vec<PolicyId> =
            self.set.tiers.iter().flat_map(|tier| &tier.policies).copied().collect();
        kept.into_iter()
            .map(|id| self.set.policy(id))
            .filter(|policy| policy.kind == PolicyKind::NetworkPolicy)
            .flat_map(|policy| {
                Direction::ALL
                    .into_iter()
                    .filter(|own| direction.is_none_or(|wanted| wanted == *own))
                    .flat_map(|own| policy.rules[own.index()].iter().copied())
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Adds a rule that is made of another one to its policy.
    fn add_rule(&mut self, of: RuleId, rule: Rule) {
        let id = RuleId::new(self.set.rules.len());
        let (policy, direction) = (rule.policy, rule.direction);
        self.set.rules.push(rule);
        self.origins.push(self.origins.get(of.index()).copied().unwrap_or(of));
        if let Some(policy) = self.set.policies.get_mut(policy.index()) {
            policy.rules[direction.index()].push(id);
        }
    }

    /// Splits a rule: what holds either way stays, and what may hold as well is in doubt.
    fn doubt_ports(&mut self, id: RuleId, sure: Ports, maybe: Ports, why: String) {
        let Some(rule) = self.set.rules.get_mut(id.index()) else { return };
        let doubtful = Rule { ports: maybe, doubt: Some(why.into()), ..rule.clone() };
        rule.ports = sure;
        self.add_rule(id, doubtful);
    }

    /// The same for peers.
    fn doubt_peers(&mut self, id: RuleId, sure: Peers, maybe: Peers, why: String) {
        let Some(rule) = self.set.rules.get_mut(id.index()) else { return };
        let doubtful = Rule { peers: maybe, doubt: Some(why.into()), ..rule.clone() };
        rule.peers = sure;
        self.add_rule(id, doubtful);
    }

    /// Takes a policy out of its tier.
    fn take_out(&mut self, effect: EffectId, gone: &[PolicyId]) {
        for tier in self.set.tiers.iter_mut().chain(&mut self.set.firewalls) {
            tier.policies.retain(|id| !gone.contains(id));
        }
        self.set.inert.extend(gone.iter().map(|&id| (id, effect)));
    }

    fn all_policies(&self) -> Vec<PolicyId> {
        let tiers = self.set.tiers.iter().chain(&self.set.firewalls);
        tiers.flat_map(|tier| tier.policies.iter().copied()).collect()
    }

    fn resolve_sidecar_ports(&mut self) {
        self.set.dataplane.sidecar_port_names = true;
        let ports = self.cluster.pods.iter().flat_map(|pod| pod.ports.iter());
        let declared: HashSet<(Protocol, &str)> = ports
            .filter(|port| port.sidecar)
            .filter_map(|port| Some((port.protocol, port.name.as_deref()?)))
            .collect();
        let named: Vec<(RuleId, Span)> = self
            .rules_of(None)
            .into_iter()
            .filter_map(|id| {
                let Ports::Of(list) = &self.set.rule(id).ports else { return None };
                let named = list.iter().find(|port| match &port.matches {
                    PortMatch::Named { protocol, name } => declared.contains(&(*protocol, &**name)),
                    PortMatch::Numbers(_) => false,
                })?;
                Some((id, named.span))
            })
            .collect();
        for (id, span) in named {
            let text = "port names that init containers declare count".to_owned();
            self.note_rule(EffectId::SidecarPortNames, true, id, text, span);
        }
    }

    fn drop_sctp(&mut self, sure: bool, when: &When) {
        let sctp = ConnectionSet::protocol(Protocol::Sctp);
        if sure {
            self.set.dataplane.dropped = sctp;
            self.note(EffectId::SctpDropped, true, "SCTP is dropped, whatever policies say", None);
        } else {
            // What is denied is so for every protocol; whether a rule can let this one through is open.
            self.set.dataplane.maybe_dropped = sctp;
            let text = format!("SCTP may be dropped: {}", self.open_setting(when));
            self.note(EffectId::SctpDropped, false, &text, None);
        }
    }

    fn leave_family(&mut self, family: Family, sure: bool) {
        let (at, text) = match family {
            Family::V4 => (0, "IPv4 is not policed: policies hold for IPv6 only"),
            Family::V6 => (1, "IPv6 is not policed: policies hold for IPv4 only"),
        };
        self.set.dataplane.unpoliced[at] = if sure { Certainty::Yes } else { Certainty::Maybe };
        self.note(Habit::LeavesFamily(family).effect(), sure, text, None);
    }

    /// Pods on nodes that the enforcer does not run on.
    fn leave_some_nodes(&mut self) {
        let is = |node: &crate::cluster::Node, key: &str, value: &str| {
            node.labels.get(key).is_some_and(|own| **own == *value)
        };
        let left: Vec<PodId> = self
            .cluster
            .pod_ids()
            .filter(|&id| {
                let pod = self.cluster.pod(id);
                let node = pod.node.map(|id| self.cluster.node(id));
                !pod.host_network
                    && (pod.labels.get("eks.amazonaws.com/fargate-profile").is_some()
                        || node.is_some_and(|node| {
                            is(node, "eks.amazonaws.com/compute-type", "fargate")
                                || is(node, "kubernetes.io/os", "windows")
                        }))
            })
            .collect();
        for &id in &left {
            let pod = self.cluster.pod(id);
            let text = format!("{} runs on a node that is not policed", self.cluster.pod_name(id));
            self.note(EffectId::UnpolicedPods, true, &text, Some(pod.span));
        }
        self.set.dataplane.left_alone = left;
    }

    fn hide_baseline(&mut self, sure: bool) {
        if sure {
            self.set.dataplane.hidden_baseline = true;
            let text =
                "a NetworkPolicy of the other direction keeps the Baseline tier from being asked";
            self.note(EffectId::HiddenBaseline, true, text, None);
        }
    }

    fn named_ports(&mut self, habit: NamedPorts, sure: bool, when: &When) {
        match habit {
            NamedPorts::All => self.named_ports_all(),
            NamedPorts::None => self.named_ports_none(),
            NamedPorts::OfSelected => self.named_ports_of_selected(),
            NamedPorts::OnePerCluster => self.named_ports_one_per_cluster(sure, when),
            NamedPorts::OnePerNamespace => self.named_ports_one_per_namespace(),
            NamedPorts::OfOwnNamespace => self.named_ports_of_own_namespace(),
        }
    }
}

/// The name that a text of an IR has.
fn shared(text: &str) -> Arc<str> {
    text.into()
}

/// The addresses of a set outside of another, if any.
fn outside(set: &IpSet, of: &IpSet) -> Option<IpSet> {
    let rest = set.difference(of);
    (!rest.is_empty()).then_some(rest)
}
