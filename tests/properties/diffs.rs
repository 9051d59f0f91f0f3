//! A diff of two worlds says where they differ, all of it and nothing else.

use super::clusters::{Parts, Random, admin_policy, change, parts};
use kubereach::analysis::{Diff, DiffEnd, Options, World, WorldDiffRow, diff};
use kubereach::cluster::{Addresses, PodId};
use kubereach::enforcement::Cni;
use kubereach::engine::reference::Flow;
use kubereach::engine::{Decision, Model, Peer, Step, Verdict, common_families, trace};
use kubereach::manifest::Loaded;
use kubereach::net::{Family, IpSet, Protocol};
use kubereach::policy::PolicyKind;
use rayon::prelude::*;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

fn world(parts: Parts, cni: Option<&str>) -> World {
    let loaded =
        Loaded { resources: parts.resources, set_aside: parts.set_aside, ..Loaded::default() };
    let options = Options {
        assumptions: parts.assumptions,
        as_declared: cni.is_none(),
        cni: cni.map(|name| Cni::parse(name).expect("a CNI")),
        ..Options::default()
    };
    World::new(loaded, options)
}

fn clusters() -> u64 {
    let wanted = std::env::var("KUBEREACH_CLUSTERS").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(1_500)
}

/// The pods of a world by workload and name.
fn end_of(world: &World, id: PodId) -> (String, String) {
    let pod = world.cluster.pod(id);
    (world.cluster.workload_name(pod.workload), pod.name.to_string())
}

fn covers(end: &DiffEnd, world: &World, peer: &Peer) -> bool {
    match (end, peer) {
        (DiffEnd::Workload { name, pods }, Peer::Pod(id)) => {
            let (workload, pod) = end_of(world, *id);
            **name == *workload && pods.as_ref().is_none_or(|pods| pods.contains(&pod))
        }
        (DiffEnd::External(set), Peer::External(own)) => own.is_subset(set),
        _ => false,
    }
}

fn row<'d>(
    found: &'d Diff,
    world: &World,
    source: &Peer,
    destination: &Peer,
    family: Family,
) -> Option<&'d WorldDiffRow> {
    let mut rows = found.rows.iter().filter(|row| {
        row.family.is_none_or(|own| own == family)
            && covers(&row.source, world, source)
            && covers(&row.destination, world, destination)
    });
    let first = rows.next();
    assert!(rows.next().is_none(), "two rows are about one pair");
    first
}

/// Whether policies decide a direction of a connection otherwise, and one of them can be named.
fn has_cause(worlds: [&World; 2], flows: &[Flow; 2]) -> bool {
    let traces = [0, 1]
        .map(|side: usize| trace(&worlds[side].cluster, &worlds[side].policies, &flows[side]));
    if traces.iter().any(|trace| trace.shortcut.is_some()) {
        return false;
    }
    // What no policy selects is closed by some: then one that selects it is the cause.
    let named = |own: &Step| {
        matches!(own, Step::Rule(_) | Step::Denied(_) | Step::Isolated(_) | Step::Closed)
    };
    let mut directions = traces[0].directions.iter().zip(&traces[1].directions);
    directions
        .any(|(old, new)| old.decision != new.decision && (named(&old.step) || named(&new.step)))
}

/// The rule that allows a direction which was denied.
fn opening_rule(worlds: [&World; 2], flows: &[Flow; 2]) -> Option<String> {
    let traces = [0, 1]
        .map(|side: usize| trace(&worlds[side].cluster, &worlds[side].policies, &flows[side]));
    if traces.iter().any(|trace| trace.shortcut.is_some()) {
        return None;
    }
    let mut directions = traces[0].directions.iter().zip(&traces[1].directions);
    directions.find_map(|(old, new)| match new.step {
        Step::Rule(id) if old.decision == Decision::Denied => {
            let rule = worlds[1].policies.rule(id);
            let policy = worlds[1].policies.policy(rule.policy);
            let kind = match policy.kind {
                PolicyKind::NetworkPolicy => String::new(),
                kind => format!("{kind} "),
            };
            Some(format!("{kind}{}, rule {}", policy.name, rule.index + 1))
        }
        _ => None,
    })
}

#[test]
fn a_diff_is_where_two_worlds_differ() {
    let (same, different) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let caused = AtomicUsize::new(0);
    (0..clusters()).into_par_iter().for_each(|seed| {
        let mut r = Random::new(seed);
        let mut before = parts(&mut r);
        for at in 0..r.below(4) {
            before.resources.push(admin_policy(&mut r, at));
        }
        let mut after = before.clone();
        for _ in 0..=r.below(2) {
            change(&mut r, &mut after.resources);
        }
        let cnis = [
            "cilium@1.18",
            "cilium,enable-policy=always",
            "calico",
            "ovn-kubernetes",
            "kube-network-policies,variant=npa-v1alpha2",
            "aws-vpc-cni,policy=strict",
        ];
        let cni = if r.one_in(2) { Some(*r.pick(&cnis)) } else { None };
        let (old, new) = (world(before.clone(), cni), world(after, cni));
        let found = diff(&old, &new);
        let policies = [&old.policies, &new.policies];
        let models = [Model::new(&old.cluster, policies[0]), Model::new(&new.cluster, policies[1])];
        // Pods that are on both sides, with addresses of their own: nodes are free on their own terms.
        let pods: Vec<[PodId; 2]> = new
            .cluster
            .pod_ids()
            .filter(|&id| !new.cluster.pod(id).host_network)
            .filter_map(|id| {
                let same = |&other: &PodId| {
                    end_of(&old, other) == end_of(&new, id) && !old.cluster.pod(other).host_network
                };
                Some([old.cluster.pod_ids().find(same)?, id])
            })
            .collect();
        let addresses: Vec<IpAddr> = ["8.8.8.8", "203.0.113.9", "10.1.2.3", "2001:db8::1", "fd00:1::1"]
            .iter()
            .map(|text| text.parse().expect("an address"))
            .filter(|&own| {
                old.cluster.owner_of(own).is_none() && new.cluster.owner_of(own).is_none()
            })
            .collect();
        let outside = addresses.iter().map(|&own| {
            let peer = Peer::External(IpSet::address(own));
            [peer.clone(), peer]
        });
        let ends: Vec<[Peer; 2]> =
            pods.iter().map(|ids| ids.map(Peer::Pod)).chain(outside).collect();
        for source in &ends {
            for destination in &ends {
                let both_out = matches!((&source[0], &destination[0]), (Peer::External(_), Peer::External(_)));
                if source == destination || both_out {
                    continue;
                }
                let families = [0, 1].map(|side| {
                    let cluster = models[side].cluster();
                    let mut common = common_families(cluster, &source[side], &destination[side]);
                    // Of a pod without a known address the first family is what lists are about.
                    let unknown = |peer: &Peer| {
                        matches!(peer, Peer::Pod(id) if cluster.pod(*id).addresses == Addresses::Unknown)
                    };
                    for end in [&source[side], &destination[side]] {
                        if unknown(end) {
                            common.truncate(1);
                            common.retain(|family| end.families(cluster).first() == Some(family));
                        }
                    }
                    common
                });
                for family in Family::ALL {
                    // What one side cannot say is not what this is about.
                    if !families.iter().all(|all| all.contains(&family)) {
                        continue;
                    }
                    let verdict = |side: usize| -> Verdict {
                        models[side].verdict(&source[side], &destination[side], family)
                    };
                    let (before, after) = (verdict(0), verdict(1));
                    let row = row(&found, &new, &source[1], &destination[1], family);
                    let about = || format!("seed {seed} {cni:?}: {source:?} {destination:?} {family}");
                    match row {
                        None => {
                            let [before, after] =
                                [&before, &after].map(|own| own.apart_from(&found.apart));
                            assert_eq!(before, after, "{}", about());
                            same.fetch_add(1, Ordering::Relaxed);
                        }
                        Some(row) => {
                            assert_eq!(*row.before, before, "{}", about());
                            assert_eq!(*row.after, after, "{}", about());
                            assert_ne!(before, after, "{}", about());
                            let compared = |own: &Verdict| own.apart_from(&found.apart);
                            let parts = compared(&before).differing(&compared(&after));
                            let flows = |protocol: Protocol, port: u16| {
                                [0, 1].map(|side: usize| Flow {
                                    source: source[side].clone(),
                                    destination: destination[side].clone(),
                                    family,
                                    protocol,
                                    port,
                                })
                            };
                            for (protocol, port, _) in parts.ranges() {
                                let flows = flows(protocol, port);
                                if has_cause([&old, &new], &flows) {
                                    assert!(!row.causes.is_empty(), "no cause: {}", about());
                                    caused.fetch_add(1, Ordering::Relaxed);
                                }
                                // Of several pods one is traced.
                                let single = [0, 1].iter().all(|&side: &usize| {
                                    let cluster = &[&old, &new][side].cluster;
                                    [&source[side], &destination[side]].iter().all(|end| match end {
                                        Peer::Pod(id) => {
                                            let own = cluster.pod(*id).workload;
                                            cluster.workload(own).pods.len() == 1
                                        }
                                        _ => false,
                                    })
                                });
                                if let (true, Some(rule)) = (single, opening_rule([&old, &new], &flows)) {
                                    let told = row.causes.iter().any(|own| own.after && own.text == rule);
                                    assert!(told, "{rule} is not in {:?}: {}", row.causes, about());
                                }
                            }
                            different.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }
        }
    });
    let (same, different) = (same.into_inner(), different.into_inner());
    let caused = caused.into_inner();
    println!("{same} pairs alike, {different} not, {caused} of them by a policy");
    assert!(same > 1_000 && different > 1_000 && caused > 1_000, "{same} {different} {caused}");
}

#[test]
fn a_diff_mirrors_the_one_of_the_other_direction() {
    let mut rows = 0;
    for seed in 0..1_000 {
        let mut r = Random::new(seed);
        let before = parts(&mut r);
        let mut after = before.clone();
        change(&mut r, &mut after.resources);
        change(&mut r, &mut after.resources);
        let (old, new) = (world(before, None), world(after, None));
        let itself = diff(&old, &old);
        assert!(itself.rows.is_empty() && itself.looked_at == 0, "seed {seed}: {:#?}", itself.rows);
        let (there, back) = (diff(&old, &new), diff(&new, &old));
        assert_eq!(there.added_workloads, back.removed_workloads, "seed {seed}");
        assert_eq!(there.removed_namespaces, back.added_namespaces, "seed {seed}");
        let plain = |found: &Diff, turned: bool| {
            let mut rows: Vec<WorldDiffRow> = found.rows.clone();
            for row in &mut rows {
                row.causes = [].into();
                if turned {
                    std::mem::swap(&mut row.before, &mut row.after);
                }
            }
            rows.sort();
            rows
        };
        assert_eq!(plain(&there, false), plain(&back, true), "seed {seed}");
        rows += there.rows.len();
    }
    assert!(rows > 1_000, "{rows}");
}
