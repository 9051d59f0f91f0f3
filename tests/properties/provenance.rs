//! What a trace says of every selector, rule and policy tells the verdict by itself: it is folded here a
//! third time, from its leaves.

use super::clusters::{Random, cluster};
use super::engines::{add_tiers, flow, habits, peers};
use kubereach::cluster::ClusterState;
use kubereach::engine::{
    Decision, DirectionTrace, Model, Outcome, Peer, PeerMiss, PolicyTrace, RuleTrace, Step, Trace,
    trace,
};
use kubereach::policy::{
    Action, Certainty, Closed, Combine, Direction, Peers, PolicySet, Ports, TierName, compile,
};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Truth {
    No,
    Maybe,
    Yes,
}

fn truth(outcome: Outcome) -> Truth {
    match outcome {
        Outcome::Matches => Truth::Yes,
        Outcome::Fails => Truth::No,
        Outcome::Unknown(_) => Truth::Maybe,
    }
}

#[derive(Default)]
struct Found {
    allow: bool,
    deny: bool,
}

impl Found {
    fn decision(&self) -> Decision {
        match (self.allow, self.deny) {
            (true, true) => Decision::Unknown,
            (true, false) => Decision::Allowed,
            (false, _) => Decision::Denied,
        }
    }
}

/// Whether a rule matches, from what its selectors say.
fn rule(policies: &PolicySet, said: &RuleTrace, seed: u64) -> Truth {
    let rule = policies.rule(said.rule);
    let peers = match &rule.peers {
        Peers::Any => Truth::Yes,
        Peers::Of(list) => {
            assert_eq!(list.len(), said.peers.len(), "seed {seed}");
            said.peers.iter().map(|peer| truth(peer.outcome)).max().unwrap_or(Truth::No)
        }
    };
    let ports = match &rule.ports {
        Ports::Any => true,
        Ports::Of(list) => {
            assert_eq!(list.len(), said.ports.len(), "seed {seed}");
            said.ports.contains(&true)
        }
    };
    assert_eq!(ports, said.port, "seed {seed}: the ports of a rule");
    for peer in &said.peers {
        // What does not match says why, and nothing else does.
        assert_eq!(peer.outcome == Outcome::Fails, !peer.misses.is_empty(), "seed {seed}");
    }
    let peers = if rule.doubt.is_some() { peers.min(Truth::Maybe) } else { peers };
    match &rule.own {
        // What the pod itself must match is no leaf of a trace.
        Some(_) => assert!(truth(said.peer) <= peers, "seed {seed}: the peers of a rule"),
        None => assert_eq!(truth(said.peer), peers, "seed {seed}: the peers of a rule"),
    }
    if ports { truth(said.peer) } else { Truth::No }
}

/// One tier; whether the next one is asked.
fn tier(
    policies: &PolicySet,
    combine: Combine,
    direction: Direction,
    traces: &[&PolicyTrace],
    found: &mut Found,
    seed: u64,
) -> bool {
    let asked = |trace: &&&PolicyTrace| trace.asked;
    match combine {
        Combine::FirstMatch => {
            let (mut passed, mut decided) = (false, false);
            for trace in traces.iter().filter(asked) {
                for said in trace.rules.iter().filter(|rule| rule.asked) {
                    let matched = truth(trace.selects).min(rule(policies, said, seed));
                    if matched == Truth::No {
                        continue;
                    }
                    match policies.rule(said.rule).action {
                        Action::Allow => found.allow = true,
                        Action::Deny => found.deny = true,
                        Action::Pass => passed = true,
                    }
                    decided |= matched == Truth::Yes;
                }
            }
            passed || !decided
        }
        Combine::Union => {
            let (mut isolated, mut allowed) = (Truth::No, Truth::No);
            for trace in traces.iter().filter(asked) {
                let policy = policies.policy(trace.policy);
                if policy.isolates[direction.index()] {
                    isolated = isolated.max(truth(trace.selects));
                }
                for said in &trace.rules {
                    let matched = truth(trace.selects).min(rule(policies, said, seed));
                    if policy.counts[direction.index()] {
                        allowed = allowed.max(matched);
                    }
                }
            }
            found.allow |= allowed != Truth::No;
            if allowed == Truth::Yes {
                return false;
            }
            found.deny |= isolated != Truth::No;
            isolated != Truth::Yes
        }
    }
}

/// The decision of a direction, by what its leaves say; `None` where more than policies has a say.
fn folded(
    cluster: &ClusterState,
    policies: &PolicySet,
    whole: &Trace,
    side: &DirectionTrace,
    seed: u64,
) -> Option<Decision> {
    let (own, other) = match side.direction {
        Direction::Egress => (&whole.flow.source, &whole.flow.destination),
        Direction::Ingress => (&whole.flow.destination, &whole.flow.source),
    };
    let Peer::Pod(pod) = own else { return None };
    let on_node = |peer: &Peer| match peer {
        Peer::Pod(id) => cluster.pod(*id).host_network,
        Peer::Node(..) => true,
        Peer::External(_) | Peer::Name(..) => false,
    };
    let habits = &policies.dataplane;
    let beside = on_node(own)
        || on_node(other)
        || habits.leaves_alone(*pod)
        || habits.unpoliced(whole.flow.family) != Certainty::No
        || habits.hidden_baseline
        || habits.closed != Closed::Never
        || habits.unknown_enforcer
        || policies.ignored
        || !policies.blind.is_empty();
    if beside {
        return None;
    }
    let of = |list: &[kubereach::policy::PolicyId]| -> Vec<&PolicyTrace> {
        side.policies.iter().filter(|trace| list.contains(&trace.policy)).collect()
    };
    let mut found = Found::default();
    let mut next = true;
    for own in &policies.tiers {
        let traces = of(&own.policies);
        if next {
            next = tier(policies, own.combine, side.direction, &traces, &mut found, seed);
        } else {
            assert!(traces.iter().all(|trace| !trace.asked), "seed {seed}: a tier was asked");
        }
    }
    found.allow |= next;
    let mut decision = found.decision();
    let outside = side.direction == Direction::Egress && !matches!(other, Peer::Pod(_));
    for own in policies.firewalls.iter().filter(|_| outside) {
        assert_eq!(own.name, TierName::Firewall);
        let mut found = Found::default();
        let traces = of(&own.policies);
        let next = tier(policies, own.combine, side.direction, &traces, &mut found, seed);
        found.allow |= next;
        decision = decision.and(found.decision());
    }
    Some(decision)
}

#[test]
fn leaves_fold_to_the_verdict() {
    let (mut compared, mut misses) = ([0_usize; 3], 0_usize);
    for seed in 0..6_000 {
        let mut r = Random::new(seed);
        let cluster = cluster(&mut r);
        let mut policies = compile(&cluster);
        if r.one_in(2) {
            add_tiers(&mut r, &mut policies);
        }
        if r.one_in(3) {
            habits(&mut r, &cluster, &mut policies);
        }
        let model = Model::new(&cluster, &policies);
        let peers = peers(&model);
        for _ in 0..8 {
            let Some(flow) = flow(&mut r, &cluster, &peers) else { continue };
            let whole = trace(&cluster, &policies, &flow);
            for side in &whole.directions {
                for peer in side.policies.iter().flat_map(|p| &p.rules).flat_map(|r| &r.peers) {
                    misses += peer.misses.len();
                    for miss in &peer.misses {
                        is_so(&cluster, miss, seed);
                    }
                }
                if side.step == Step::OwnNode {
                    continue;
                }
                if let Some(decision) = folded(&cluster, &policies, &whole, side, seed) {
                    assert_eq!(decision, side.decision, "seed {seed}: {whole:#?}");
                    compared[match decision {
                        Decision::Allowed => 0,
                        Decision::Denied => 1,
                        Decision::Unknown => 2,
                    }] += 1;
                }
            }
        }
    }
    assert!(compared.iter().all(|&count| count > 100), "{compared:?}");
    assert!(misses > 10_000, "{misses}");
}

/// What keeps a selector from matching is as the cluster has it.
fn is_so(cluster: &ClusterState, miss: &PeerMiss, seed: u64) {
    let said = match miss {
        PeerMiss::PodLabel { wanted, pod } => !wanted.holds(&cluster.pod(*pod).labels),
        PeerMiss::NamespaceLabel { wanted, pod } => {
            let namespace = cluster.namespace(cluster.pod(*pod).namespace);
            let known = namespace.declared || &*wanted.key == "kubernetes.io/metadata.name";
            !wanted.holds(&namespace.labels) && (known || wanted.is_void())
        }
        PeerMiss::OtherNamespace { wanted, pod } => cluster.pod(*pod).namespace != *wanted,
        _ => true,
    };
    assert!(said, "seed {seed}: {miss:?}");
}
