//! The specification, written as code: one connection at a time, in the order of the text.
//!
//! Slow and obviously right; the fast engine must equal it (property tests). When they differ, read
//! this one first, against the Kubernetes documentation.

use super::matching::{self, Matched};
use super::peer::Peer;
use super::verdict::Decision;
use crate::cluster::{ClusterState, PodId};
use crate::net::{ConnectionSet, Family, Protocol};
use crate::policy::{
    Action, Certainty, Combine, Direction, PolicyId, PolicySet, RuleId, Tier, TierName,
};

/// One connection.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Who connects.
    pub source: Peer,
    /// To whom.
    pub destination: Peer,
    /// With addresses of which family.
    pub family: Family,
    /// The protocol.
    pub protocol: Protocol,
    /// The destination's port.
    pub port: u16,
}

/// Whether a connection is allowed: the source's egress and the destination's ingress must both
/// allow it. Replies need no permission.
pub fn evaluate(cluster: &ClusterState, policies: &PolicySet, flow: &Flow) -> Decision {
    let common = |peer: &Peer| peer.families(cluster).contains(&flow.family);
    if !common(&flow.source) || !common(&flow.destination) {
        return Decision::Denied;
    }
    if matching::is_loopback(cluster, &flow.source, &flow.destination) {
        return Decision::Allowed;
    }
    let decision = direction(cluster, policies, flow, Direction::Egress).and(direction(
        cluster,
        policies,
        flow,
        Direction::Ingress,
    ));
    match dropped(cluster, policies, flow) {
        Certainty::Yes => Decision::Denied,
        Certainty::Maybe => decision.and(Decision::Unknown),
        Certainty::No => decision,
    }
}

/// Whether the dataplane drops a connection, whatever policies say: only at pods with an address of
/// their own.
pub(super) fn dropped(cluster: &ClusterState, policies: &PolicySet, flow: &Flow) -> Certainty {
    let has = |set: &ConnectionSet| set.contains(flow.protocol, flow.port);
    let pods = [&flow.source, &flow.destination];
    if pods.iter().all(|peer| peer.subject(cluster).is_none()) {
        Certainty::No
    } else if has(&policies.dataplane.dropped) {
        Certainty::Yes
    } else if has(&policies.dataplane.maybe_dropped) {
        Certainty::Maybe
    } else {
        Certainty::No
    }
}

/// What may come out: with everything known it is one of the two.
#[derive(Default)]
struct Outcomes {
    allow: bool,
    deny: bool,
}

impl Outcomes {
    fn decision(&self) -> Decision {
        match (self.allow, self.deny) {
            (true, true) => Decision::Unknown,
            (true, false) => Decision::Allowed,
            (false, _) => Decision::Denied,
        }
    }
}

/// The decision of one direction.
pub fn direction(
    cluster: &ClusterState,
    policies: &PolicySet,
    flow: &Flow,
    direction: Direction,
) -> Decision {
    let (end, other) = match direction {
        Direction::Egress => (&flow.source, &flow.destination),
        Direction::Ingress => (&flow.destination, &flow.source),
    };
    // Policies are about pods with an address of their own.
    let Some(pod) = end.subject(cluster) else {
        return Decision::Allowed;
    };
    let unpoliced = policies.dataplane.unpoliced(flow.family);
    if unpoliced == Certainty::Yes || policies.dataplane.leaves_alone(pod) {
        return Decision::Allowed;
    }
    let mut outcomes = Outcomes::default();
    match matching::is_own_node(cluster, policies, direction, pod, other) {
        Matched::Yes => return Decision::Allowed,
        Matched::No => {}
        Matched::Unknown(_) => outcomes.allow = true,
    }
    // What may be a policy may allow or deny anything.
    let blind = |firewall: bool| {
        let mut spots = policies.blind.iter().filter(|blind| blind.firewall == firewall);
        spots.any(|blind| blind.reaches(cluster.pod(pod)))
    };
    let hidden = blind(false);
    let mut decision = if hidden {
        Decision::Unknown
    } else {
        walk(cluster, policies, flow, direction, pod, &policies.tiers, outcomes)
    };
    // Firewalls have a say of their own in what leaves a pod for anywhere but another pod: whatever
    // allows a connection, each of them must allow it, too.
    if direction == Direction::Egress && other.subject(cluster).is_none() {
        if blind(true) {
            decision = decision.and(Decision::Unknown);
        }
        for firewall in &policies.firewalls {
            let tiers = std::slice::from_ref(firewall);
            let own = Outcomes::default();
            decision = decision.and(walk(cluster, policies, flow, direction, pod, tiers, own));
        }
    }
    if unpoliced == Certainty::Maybe || policies.dataplane.unknown_enforcer {
        decision = decision.or_unknown();
    }
    decision
}

/// Asks tiers in their order, until one decides.
fn walk(
    cluster: &ClusterState,
    policies: &PolicySet,
    flow: &Flow,
    direction: Direction,
    pod: PodId,
    tiers: &[Tier],
    mut outcomes: Outcomes,
) -> Decision {
    for tier in tiers {
        let next = match tier.combine {
            Combine::FirstMatch => {
                first_match(cluster, policies, flow, direction, pod, tier, &mut outcomes)
            }
            Combine::Union => union(cluster, policies, flow, direction, pod, tier, &mut outcomes),
        };
        if !next {
            return outcomes.decision();
        }
    }
    // No tier decided. A firewall has nothing to say then, whatever the enforcer's default is.
    let firewall = tiers.iter().all(|tier| tier.name == TierName::Firewall);
    match if firewall { Matched::No } else { matching::closed(cluster, policies, pod) } {
        Matched::Yes => outcomes.deny = true,
        Matched::No => outcomes.allow = true,
        Matched::Unknown(_) => (outcomes.allow, outcomes.deny) = (true, true),
    }
    outcomes.decision()
}

/// Whether a rule matches the connection.
fn rule_matches(cluster: &ClusterState, policies: &PolicySet, flow: &Flow, id: RuleId) -> Matched {
    let rule = policies.rule(id);
    let (end, other) = match rule.direction {
        Direction::Egress => (&flow.source, &flow.destination),
        Direction::Ingress => (&flow.destination, &flow.source),
    };
    let Some(pod) = end.subject(cluster) else { return Matched::No };
    let ports = matching::rule_ports(cluster, policies, rule, &flow.destination);
    let port = if ports.contains(flow.protocol, flow.port) { Matched::Yes } else { Matched::No };
    matching::own(cluster, rule, pod, flow.family)
        .and(matching::peers(cluster, rule, other, flow.family))
        .and(port)
        .and(matching::effect(policies, id))
}

/// Returns whether the next tier may be asked.
fn first_match(
    cluster: &ClusterState,
    policies: &PolicySet,
    flow: &Flow,
    direction: Direction,
    pod: PodId,
    tier: &Tier,
    outcomes: &mut Outcomes,
) -> bool {
    let mut passed = false;
    let equal = |a: &PolicyId, b: &PolicyId| policies.policy(*a).order == policies.policy(*b).order;
    for rivals in tier.policies.chunk_by(equal) {
        // Of policies of equal priority that match, any one may decide.
        let mut decided = false;
        for &policy in rivals {
            let about = matching::policy(cluster, policies, policy, pod);
            // A policy about other pods has no say.
            if about == Matched::No {
                continue;
            }
            for &id in &policies.policy(policy).rules[direction.index()] {
                let matched = about.and(rule_matches(cluster, policies, flow, id));
                if matched == Matched::No {
                    continue;
                }
                match policies.rule(id).action {
                    Action::Allow => outcomes.allow = true,
                    Action::Deny => outcomes.deny = true,
                    // The next tier is asked; if the rule only may match, also later rules are.
                    Action::Pass => passed = true,
                }
                if matched == Matched::Yes {
                    decided = true;
                    break;
                }
            }
        }
        if decided {
            return passed;
        }
    }
    true
}

/// Returns whether the next tier may be asked.
fn union(
    cluster: &ClusterState,
    policies: &PolicySet,
    flow: &Flow,
    direction: Direction,
    pod: PodId,
    tier: &Tier,
    outcomes: &mut Outcomes,
) -> bool {
    let mut isolated = Matched::No;
    let mut allowed = Matched::No;
    let mut selected = Matched::No;
    for &id in &tier.policies {
        let policy = policies.policy(id);
        let about = matching::policy(cluster, policies, id, pod);
        // A policy about other pods has no say.
        if about == Matched::No {
            continue;
        }
        selected = selected.or(about);
        if policy.isolates[direction.index()] {
            isolated = isolated.or(about);
        }
        // Rules of a direction that the policy does not isolate have no effect.
        if !policy.counts[direction.index()] {
            continue;
        }
        for &rule in &policy.rules[direction.index()] {
            allowed = allowed.or(about.and(rule_matches(cluster, policies, flow, rule)));
        }
    }
    match allowed {
        Matched::Yes => {
            outcomes.allow = true;
            return false;
        }
        Matched::Unknown(_) => outcomes.allow = true,
        Matched::No => {}
    }
    if isolated != Matched::No {
        outcomes.deny = true;
    }
    if isolated == Matched::Yes {
        return false;
    }
    // To some enforcers a policy of the other direction is the last word as well.
    if policies.dataplane.hidden_baseline && selected != Matched::No {
        outcomes.allow = true;
        return selected != Matched::Yes;
    }
    true
}
