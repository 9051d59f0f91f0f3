//! Every verdict of the fast engine is the reference's, and traces tell the same story.

use super::clusters::{PORTS, Random, cluster, name};
use kubereach::cluster::{ClusterState, PodId, Selector};
use kubereach::engine::reference::{Flow, evaluate};
use kubereach::engine::{
    Change, Decision, Model, NewPolicy, Pairs, Peer, Step, common_families, trace,
};
use kubereach::net::{ConnectionSet, DomainPattern, IpSet, Protocol, Wildcard};
use kubereach::policy::{
    Action, Certainty, Closed, Combine, Direction, NamespaceMatch, PeerForm, PeerMatch,
    PeerSelector, Peers, Placed, PodsMatch, Policy, PolicyId, PolicyKind, PolicySet, PortMatch,
    PortSelector, Ports, Reach, Rule, RuleId, Tier, TierName, compile,
};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

fn clusters() -> u64 {
    let wanted = std::env::var("KUBEREACH_CLUSTERS").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(3_000)
}

/// Ends that may ask: pods, nodes, addresses outside cut where rules cut them.
pub(super) fn peers(model: &Model<'_>) -> Vec<Peer> {
    let cluster = model.cluster();
    // Pods weigh more: between addresses there is nothing to decide.
    let pods: Vec<Peer> = cluster.pod_ids().map(Peer::Pod).collect();
    let mut peers: Vec<Peer> = pods.iter().cycle().take(pods.len() * 4).cloned().collect();
    for id in cluster.node_ids() {
        peers.push(Peer::Node(id, None));
        peers.extend(cluster.node(id).addresses.iter().map(|&a| Peer::Node(id, Some(a))));
    }
    for block in ["203.0.113.0/24", "2001:db8::/32", "8.8.8.8/32", "10.0.0.0/12"] {
        let set = IpSet::block(block.parse().expect("a block"));
        let owned =
            cluster.owned_addresses().fold(IpSet::empty(), |all, a| all.union(&IpSet::address(a)));
        peers.extend(model.atoms(&set.difference(&owned)).into_iter().map(Peer::External));
    }
    for text in ["api.example.com", "www.example.com", "b.org"] {
        peers.push(Peer::Name(name(text), None));
        for address in ["203.0.113.7", "10.3.3.3", "2001:db8::7"] {
            peers.push(Peer::Name(name(text), Some(address.parse().expect("an address"))));
        }
    }
    peers
}

/// A connection between some of these ends; `None` if they have no family in common.
pub(super) fn flow(r: &mut Random, cluster: &ClusterState, peers: &[Peer]) -> Option<Flow> {
    let (source, destination) = (r.pick(peers).clone(), r.pick(peers).clone());
    let &family = common_families(cluster, &source, &destination).first()?;
    let (protocol, port) = (*r.pick(&Protocol::ALL), *r.pick(&PORTS));
    Some(Flow { source, destination, family, protocol, port })
}

/// Adds ordered tiers above and below, and firewalls beside them, as the other policy APIs have them.
pub(super) fn add_tiers(r: &mut Random, set: &mut PolicySet) {
    for name in [TierName::Admin, TierName::Baseline, TierName::Firewall, TierName::Firewall] {
        let mut policies = Vec::new();
        // Few priorities: some policies share one.
        let mut orders: Vec<u16> =
            (0..r.below(4)).map(|_| u16::try_from(r.below(3)).expect("small")).collect();
        orders.sort_unstable();
        for (at, order) in orders.into_iter().enumerate() {
            let id = PolicyId::new(set.policies.len());
            let subject = pods_match(r, set);
            let mut rules = [Vec::new(), Vec::new()];
            for direction in Direction::ALL {
                // A firewall has no ingress.
                if name == TierName::Firewall && direction == Direction::Ingress {
                    continue;
                }
                for index in 0..r.below(4) {
                    rules[direction.index()].push(RuleId::new(set.rules.len()));
                    let rule = rule(r, set, id, direction, index);
                    set.rules.push(rule);
                }
            }
            set.policies.push(Policy {
                kind: PolicyKind::AdminNetworkPolicy,
                namespace: None,
                name: format!("admin{at}").into(),
                subject,
                isolates: [false, false],
                counts: [true, true],
                rules,
                order,
                doubt: r.one_in(12).then(|| "nobody knows".into()),
                span: kubereach::diagnostic::Span::default(),
            });
            policies.push(id);
        }
        let tier = Tier { name, combine: Combine::FirstMatch, policies };
        match name {
            TierName::Firewall => set.firewalls.push(tier),
            name => *set.tiers.iter_mut().find(|tier| tier.name == name).expect("a tier") = tier,
        }
    }
}

/// A selector of one of the set's own rules, or one of everything.
fn pods_match(r: &mut Random, set: &PolicySet) -> PodsMatch {
    let known: Vec<&PodsMatch> = set
        .rules
        .iter()
        .filter_map(|rule| match &rule.peers {
            Peers::Of(list) => Some(list),
            Peers::Any => None,
        })
        .flatten()
        .filter_map(|selector| match &selector.matches {
            PeerMatch::Pods(pods) => Some(pods),
            _ => None,
        })
        .collect();
    if known.is_empty() || r.one_in(3) {
        let everything = Selector::everything();
        return PodsMatch {
            namespaces: NamespaceMatch::Labelled(everything.clone()),
            pods: everything,
        };
    }
    (*r.pick(&known)).clone()
}

fn rule(
    r: &mut Random,
    set: &PolicySet,
    policy: PolicyId,
    direction: Direction,
    index: usize,
) -> Rule {
    let span = kubereach::diagnostic::Span::default();
    let peer = |r: &mut Random| {
        let kind = r.below(6);
        let matches = if kind == 0 {
            let star = *r.pick(&[Wildcard::Labels, Wildcard::OneLabel]);
            let name = *r.pick(&["api.example.com", "*.example.com", "node.example.com", "a.org"]);
            PeerMatch::Domains(vec![DomainPattern::new(name, star)])
        } else if kind == 1 {
            PeerMatch::Nodes(pods_match(r, set).pods)
        } else if kind == 2 {
            let block =
                *r.pick(&["0.0.0.0/0", "10.244.0.0/16", "::/0", "203.0.113.0/24", "10.250.0.1/32"]);
            let reach = Reach { pods: !r.one_in(3), nodes: !r.one_in(3) };
            PeerMatch::Addresses(IpSet::block(block.parse().expect("a block")), reach)
        } else {
            PeerMatch::Pods(pods_match(r, set))
        };
        PeerSelector { matches, form: PeerForm::Other, span }
    };
    let port = |r: &mut Random| {
        let protocol = *r.pick(&Protocol::ALL);
        let matches = match r.below(3) {
            0 => PortMatch::Named { protocol, name: "http".into() },
            1 => PortMatch::Numbers(ConnectionSet::range(protocol, 53, *r.pick(&PORTS))),
            _ => PortMatch::Numbers(ConnectionSet::port(protocol, *r.pick(&PORTS))),
        };
        PortSelector { matches, first: None, span }
    };
    Rule {
        policy,
        direction,
        index,
        name: None,
        own: if r.one_in(8) { Some(vec![peer(r).matches]) } else { None },
        effects: Vec::new(),
        doubt: r.one_in(15).then(|| "nobody knows".into()),
        action: *r.pick(&[Action::Allow, Action::Deny, Action::Pass]),
        // A rule of an admin policy always names its peers.
        peers: Peers::Of((0..=r.below(2)).map(|_| peer(r)).collect()),
        ports: if r.one_in(2) {
            Ports::Any
        } else {
            Ports::Of((0..=r.below(2)).map(|_| port(r)).collect())
        },
        span,
    }
}

/// What enforcers do that no policy says.
pub(super) fn habits(r: &mut Random, cluster: &ClusterState, set: &mut PolicySet) {
    let dataplane = &mut set.dataplane;
    dataplane.sidecar_port_names = r.one_in(2);
    dataplane.reaches_own_node =
        *r.pick(&[Certainty::No, Certainty::No, Certainty::Maybe, Certainty::Yes]);
    dataplane.hidden_baseline = r.one_in(4);
    dataplane.unknown_enforcer = r.one_in(12);
    dataplane.closed = match r.below(16) {
        0 => Closed::EachDirection,
        1 | 2 => Closed::Unselected,
        _ => Closed::Never,
    };
    dataplane.left_alone = cluster.pod_ids().filter(|_| r.one_in(10)).collect();
    dataplane.unpoliced[1] =
        *r.pick(&[Certainty::No, Certainty::No, Certainty::Maybe, Certainty::Yes]);
    match r.below(8) {
        0 => dataplane.dropped = ConnectionSet::protocol(Protocol::Sctp),
        1 => dataplane.maybe_dropped = ConnectionSet::protocol(Protocol::Sctp),
        _ => {}
    }
    for policy in &mut set.policies {
        if r.one_in(6) {
            let at = r.below(2);
            policy.counts[at] = true;
            policy.isolates[at] |= r.one_in(2) && !policy.rules[at].is_empty();
        }
    }
    for rule in &mut set.rules {
        let Peers::Of(list) = &mut rule.peers else { continue };
        if r.one_in(10) {
            let placed = Placed {
                nodes: cluster.node_ids().filter(|_| r.one_in(2)).collect(),
                unplaced: cluster
                    .pod_ids()
                    .filter(|&id| cluster.pod(id).host_network && cluster.pod(id).node.is_none())
                    .filter(|_| r.one_in(2))
                    .collect(),
                doubtful: cluster
                    .pod_ids()
                    .filter(|&id| cluster.pod(id).host_network)
                    .filter(|_| r.one_in(4))
                    .collect(),
            };
            list.push(PeerSelector {
                matches: PeerMatch::Placed(placed),
                form: PeerForm::Other,
                span: kubereach::diagnostic::Span::default(),
            });
        }
    }
}

/// Compares the engines on one cluster; returns how many verdicts were compared.
fn compare(seed: u64, tiers: bool) -> usize {
    let mut r = Random::new(seed);
    let cluster = cluster(&mut r);
    let mut policies = compile(&cluster);
    habits(&mut r, &cluster, &mut policies);
    if tiers {
        add_tiers(&mut r, &mut policies);
    }
    let mut model = Model::new(&cluster, &policies);
    // Rows that are kept, and rows that are not.
    if r.one_in(3) {
        model = model.with_row_budget(0);
    }
    let peers = peers(&model);
    let mut compared = 0;
    for _ in 0..24 {
        let (source, destination) = (r.pick(&peers).clone(), r.pick(&peers).clone());
        for family in common_families(&cluster, &source, &destination) {
            let verdict = model.verdict(&source, &destination, family);
            let all = verdict.allowed.union(&verdict.unknown).union(&verdict.denied());
            assert_eq!(all, ConnectionSet::all(), "seed {seed}: the sets are a partition");
            assert!(verdict.allowed.intersection(&verdict.unknown).is_empty(), "seed {seed}");
            for protocol in Protocol::ALL {
                // Every port at which some rule begins or ends, and those beside it.
                for port in PORTS
                    .into_iter()
                    .flat_map(|p| [p.saturating_sub(1).max(1), p, p.saturating_add(1)])
                {
                    let flow = Flow {
                        source: source.clone(),
                        destination: destination.clone(),
                        family,
                        protocol,
                        port,
                    };
                    let wanted = evaluate(&cluster, &policies, &flow);
                    let found = verdict.on(protocol, port);
                    assert_eq!(
                        found, wanted,
                        "seed {seed}, tiers {tiers}: {flow:?}\n{:#?}",
                        cluster.policies
                    );
                    if let (Peer::Pod(a), Peer::Pod(b)) = (&source, &destination) {
                        let decided = model.decide(*a, *b, family, protocol, port);
                        assert_eq!(decided, wanted, "seed {seed}: a point of {flow:?}");
                    }
                    compared += 1;
                }
            }
            // A model of the two ends alone says the same.
            let mut pods: Vec<PodId> = [&source, &destination]
                .into_iter()
                .filter_map(|peer| if let Peer::Pod(id) = peer { Some(*id) } else { None })
                .collect();
            pods.sort_unstable();
            pods.dedup();
            let small = Model::of_pods(&cluster, &policies, &pods);
            assert_eq!(small.verdict(&source, &destination, family), verdict, "seed {seed}");
        }
    }
    compared
}

#[test]
fn the_engines_agree_on_network_policies() {
    let compared = AtomicUsize::new(0);
    let clusters = clusters();
    (0..clusters).into_par_iter().for_each(|seed| {
        compared.fetch_add(compare(seed, false), Ordering::Relaxed);
    });
    println!("{clusters} clusters, {compared:?} verdicts compared, no difference");
    assert!(compared.into_inner() as u64 > clusters * 100);
}

#[test]
fn the_engines_agree_on_ordered_tiers() {
    let compared = AtomicUsize::new(0);
    let clusters = clusters();
    (0..clusters).into_par_iter().for_each(|seed| {
        compared.fetch_add(compare(seed ^ 0x5555_0000, true), Ordering::Relaxed);
    });
    println!("{clusters} clusters with admin tiers, {compared:?} verdicts compared, no difference");
    assert!(compared.into_inner() as u64 > clusters * 100);
}

#[test]
fn the_engines_see_all_kinds_of_verdicts() {
    // A generator that yields only one kind would prove nothing.
    let mut counts = [0_usize; 3];
    for seed in 0..300 {
        let mut r = Random::new(seed);
        let cluster = cluster(&mut r);
        let policies = compile(&cluster);
        let model = Model::new(&cluster, &policies);
        let peers = peers(&model);
        for _ in 0..10 {
            let (a, b) = (r.pick(&peers), r.pick(&peers));
            if let Some(&family) = common_families(&cluster, a, b).first() {
                counts[match model.verdict(a, b, family).on(Protocol::Tcp, 80) {
                    Decision::Allowed => 0,
                    Decision::Denied => 1,
                    Decision::Unknown => 2,
                }] += 1;
            }
        }
    }
    assert!(counts.iter().all(|&count| count > 100), "{counts:?}");
}

#[test]
fn traces_fold_to_the_verdict() {
    for seed in 0..6_000 {
        let mut r = Random::new(seed);
        let cluster = cluster(&mut r);
        let mut policies = compile(&cluster);
        if r.one_in(2) {
            add_tiers(&mut r, &mut policies);
        }
        if r.one_in(2) {
            habits(&mut r, &cluster, &mut policies);
        }
        let model = Model::new(&cluster, &policies);
        let peers = peers(&model);
        for _ in 0..8 {
            let Some(flow) = flow(&mut r, &cluster, &peers) else { continue };
            let trace = trace(&cluster, &policies, &flow);
            let folded = match &trace.shortcut {
                Some(Step::Loopback) => Decision::Allowed,
                Some(Step::Unknown(..)) => Decision::Unknown,
                Some(_) => Decision::Denied,
                None => trace
                    .directions
                    .iter()
                    .map(|d| told_by(&d.step))
                    .fold(Decision::Allowed, Decision::and),
            };
            assert_eq!(folded, trace.decision, "seed {seed}: {trace:#?}");
            // The step that is shown is one that the direction's own verdict allows.
            for direction in &trace.directions {
                if trace.shortcut.is_none() {
                    assert_eq!(
                        told_by(&direction.step),
                        direction.decision,
                        "seed {seed}: {trace:#?}"
                    );
                }
                let rule = |id: RuleId| policies.rule(id).action;
                match direction.step {
                    Step::Rule(id) => assert_eq!(rule(id), Action::Allow, "seed {seed}"),
                    Step::Denied(id) => assert_eq!(rule(id), Action::Deny, "seed {seed}"),
                    _ => {}
                }
                assert!(direction.passed.iter().all(|&id| rule(id) == Action::Pass), "seed {seed}");
            }
        }
    }
}

/// The verdict that a step tells.
fn told_by(step: &Step) -> Decision {
    match step {
        Step::Isolated(_)
        | Step::Denied(_)
        | Step::NoCommonFamily
        | Step::Dropped
        | Step::Closed => Decision::Denied,
        Step::Unknown(..) => Decision::Unknown,
        _ => Decision::Allowed,
    }
}

#[test]
fn more_policies_allow_rules_never_close_and_isolation_never_opens() {
    // Union semantics: adding an allow rule to an isolating policy can only open.
    for seed in 0..500 {
        let mut r = Random::new(seed);
        let cluster = cluster(&mut r);
        let before = compile(&cluster);
        if before.policies.is_empty() {
            continue;
        }
        let mut after = before.clone();
        let policy = PolicyId::new(r.below(after.policies.len()));
        for direction in Direction::ALL {
            if after.policy(policy).isolates[direction.index()] {
                let id = RuleId::new(after.rules.len());
                after.rules.push(Rule {
                    policy,
                    direction,
                    index: 99,
                    name: None,
                    doubt: None,
                    own: None,
                    effects: Vec::new(),
                    action: Action::Allow,
                    peers: Peers::Any,
                    ports: Ports::Any,
                    span: kubereach::diagnostic::Span::default(),
                });
                after.policies[policy.index()].rules[direction.index()].push(id);
            }
        }
        let (closed, open) = (Model::new(&cluster, &before), Model::new(&cluster, &after));
        let peers = peers(&closed);
        for _ in 0..10 {
            let (a, b) = (r.pick(&peers), r.pick(&peers));
            for family in common_families(&cluster, a, b) {
                let (old, new) = (closed.verdict(a, b, family), open.verdict(a, b, family));
                assert!(old.allowed.is_subset(&new.allowed), "seed {seed}: {a:?} {b:?}");
            }
        }
    }
}

/// A policy of one of the kinds that a random cluster has, for a cluster with the same namespaces.
fn new_policy(r: &mut Random, cluster: &ClusterState, set: &PolicySet) -> Option<NewPolicy> {
    let ordinary: Vec<PolicyId> = (0..set.policies.len())
        .map(PolicyId::new)
        .filter(|&id| set.policy(id).kind == PolicyKind::NetworkPolicy)
        .collect();
    if ordinary.is_empty() {
        return None;
    }
    // Parts of several policies that are there: subject of one, rules of another.
    let (a, b) = (set.policy(*r.pick(&ordinary)), set.policy(*r.pick(&ordinary)));
    let mut policy = a.clone();
    policy.isolates = [r.one_in(2), r.one_in(2)];
    policy.counts = policy.isolates;
    if r.one_in(4) {
        policy.subject.pods = Selector::everything();
    }
    if r.one_in(4) && !cluster.namespaces.is_empty() {
        policy.subject.namespaces = NamespaceMatch::Is(kubereach::cluster::NamespaceId::new(
            r.below(cluster.namespaces.len()),
        ));
    }
    let rules = Direction::ALL.map(|direction| {
        let rules = b.rules[direction.index()].iter().map(|&id| set.rule(id).clone());
        rules.filter(|_| !r.one_in(3)).collect()
    });
    Some(NewPolicy { policy, rules })
}

/// The policies with a change made.
fn changed(set: &PolicySet, change: &Change) -> PolicySet {
    let mut set = set.clone();
    let put = |set: &mut PolicySet, id: PolicyId, new: &NewPolicy| {
        let mut policy = new.policy.clone();
        policy.rules = Default::default();
        for direction in Direction::ALL {
            for rule in &new.rules[direction.index()] {
                policy.rules[direction.index()].push(RuleId::new(set.rules.len()));
                set.rules.push(Rule { policy: id, ..rule.clone() });
            }
        }
        if id.index() == set.policies.len() {
            set.policies.push(policy);
            let tier = set.tiers.iter_mut().find(|tier| tier.combine == Combine::Union);
            tier.expect("a tier").policies.push(id);
        } else {
            set.policies[id.index()] = policy;
        }
    };
    match change {
        Change::Remove(id) => {
            for tier in &mut set.tiers {
                tier.policies.retain(|own| own != id);
            }
        }
        Change::Replace(id, new) => put(&mut set, *id, new),
        Change::Add(new) => {
            let id = PolicyId::new(set.policies.len());
            put(&mut set, id, new);
        }
    }
    set
}

#[test]
fn what_if_tells_what_a_compile_would() {
    let (compared, uncompiled) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let clusters = clusters();
    (0..clusters).into_par_iter().for_each(|seed| {
        let mut r = Random::new(seed ^ 0x3333_0000);
        let cluster = cluster(&mut r);
        let mut policies = compile(&cluster);
        if r.one_in(2) {
            habits(&mut r, &cluster, &mut policies);
        }
        if r.one_in(2) {
            add_tiers(&mut r, &mut policies);
        }
        let Some(new) = new_policy(&mut r, &cluster, &policies) else { return };
        let union = policies.tiers.iter().find(|tier| tier.combine == Combine::Union);
        let ids = &union.expect("a tier").policies;
        let change = match r.below(3) {
            _ if ids.is_empty() => Change::Add(new),
            0 => Change::Remove(*r.pick(ids)),
            1 => Change::Replace(*r.pick(ids), new),
            _ => Change::Add(new),
        };
        let model = Model::editable(&cluster, &policies);
        let Ok(delta) = model.what_if(&change) else {
            uncompiled.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let policies = changed(&policies, &change);
        let after = Model::new(&cluster, &policies);
        for a in cluster.pod_ids() {
            for b in cluster.pod_ids() {
                let (source, destination) = (Peer::Pod(a), Peer::Pod(b));
                for family in common_families(&cluster, &source, &destination) {
                    let said =
                        [&model, &after].map(|m| m.directions(&source, &destination, family));
                    for (at, direction) in Direction::ALL.into_iter().enumerate() {
                        let (own, other) = if at == 0 { (a, b) } else { (b, a) };
                        let (own, other) = (model.class_of(own), model.class_of(other));
                        let told = delta.of(own, direction, other, family);
                        let (old, new) = (&said[0][at], &said[1][at]);
                        match told {
                            Some([x, y]) => {
                                assert_eq!(
                                    (x, y),
                                    (old, new),
                                    "seed {seed} {direction} {change:?}"
                                );
                            }
                            None => assert_eq!(old, new, "seed {seed} {direction} {change:?}"),
                        }
                        compared.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    });
    println!("{compared:?} rows and ends compared, {uncompiled:?} changes need a compile");
    assert!(compared.into_inner() as u64 > clusters * 20);
    assert!((uncompiled.into_inner() as u64) < clusters / 3);
}

/// Lists of a few ends ask every row, those of many are told which: they say the same.
#[test]
fn a_list_of_a_few_ends_says_what_one_of_all_says() {
    let pairs = AtomicUsize::new(0);
    (0..clusters()).into_par_iter().for_each(|seed| {
        let mut r = Random::new(seed);
        let cluster = cluster(&mut r);
        let policies = compile(&cluster);
        let model = Model::new(&cluster, &policies);
        let open = r.one_in(2);
        let [few, all] =
            [0, usize::MAX].map(|asked| Pairs::beside(&model, None, None, open, asked));
        for at in 0..all.workloads.len() {
            for direction in Direction::ALL {
                let (few, all) = (few.workloads_of(at, direction), all.workloads_of(at, direction));
                assert_eq!(few, all, "seed {seed}: {at} {direction}");
                pairs.fetch_add(all.len(), Ordering::Relaxed);
            }
        }
    });
    assert!(pairs.into_inner() > 1_000);
}
