//! Verdicts of real implementations (`tests/corpus/README.md`), one by one.
//!
//! Departures, adjudicated:
//!
//! - *A pod and itself.* SIG-Network's engine denies it like any other connection; real packets never
//!   reach its filter. The Kubernetes documentation: a pod cannot block access to itself. kubereach
//!   allows; `packets` is the judge.
//! - *A pod's own node.* Real packets from it are not filtered, and the documentation says that
//!   NetworkPolicies do not block them; the engine alone would. kubereach allows.
//! - *The recording's machine.* All pods of the `packets` recording run on one machine that plays
//!   node1; node2 and the outside are one namespace beside it. So traffic of node1 is unfiltered even
//!   to pods that say they run on node2, and traffic of node2 is filtered even to its own pods.
//!   kubereach goes by `spec.nodeName`.
//! - *Finished pods.* The engine counts `Succeeded` pods as pods (upstream leaves it open), Calico
//!   takes their address for an outside one. kubereach leaves them out, as Calico does, and keeps
//!   them with `--include-finished`.
//! - *Named ports of sidecars* resolve on Calico and not in the engine: a trait of the enforcer.
//! - *SCTP on Cilium* is dropped by the dataplane unless `enable-sctp` is set; the recording is of the policy
//!   repository, before any dataplane. kubereach answers "undetermined" where policies allow it and
//!   nobody says what the setting is, and as recorded with `enable-sctp=true`.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests, which say what they found"
)]

mod corpus;

use kubereach::cluster::{AddressOwner, Assumptions, ClusterState, NodeId, PodId, resolve};
use kubereach::enforcement::{Cni, enforce};
use kubereach::engine::{Decision, Model, Peer, common_families, reference, reference::Flow};
use kubereach::manifest::load_text;
use kubereach::net::{Family, IpSet, Protocol};
use kubereach::policy::{PolicySet, compile};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

struct Set {
    id: u64,
    /// With finished pods, as the reference engine has it.
    with_finished: ClusterState,
    /// Without them, as Calico and kubereach have it.
    running: ClusterState,
    addresses: BTreeMap<String, Vec<IpAddr>>,
    probes: Vec<Value>,
}

fn sets() -> Vec<Set> {
    corpus::text("KUBEREACH_VERDICTS", "np-verdicts.jsonl.gz")
        .lines()
        .map(|line| {
            let set: Value = serde_json::from_str(line).expect("a line is a JSON object");
            let list =
                serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": set["objects"] });
            let loaded = load_text("set.json", list.to_string().as_bytes());
            assert_eq!(loaded.errors(), 0, "set {}: {:?}", set["id"], loaded.diagnostics);
            let state = |include_finished| {
                let assumptions = Assumptions { include_finished, ..Assumptions::default() };
                resolve(loaded.resources.clone(), &loaded.set_aside, &loaded.sources, &assumptions)
                    .0
            };
            let mut addresses = BTreeMap::new();
            for object in
                set["objects"].as_array().into_iter().flatten().filter(|o| o["kind"] == "Pod")
            {
                let name = format!(
                    "{}/{}",
                    text(&object["metadata"]["namespace"]),
                    text(&object["metadata"]["name"])
                );
                let ips = object["status"]["podIPs"].as_array().into_iter().flatten();
                addresses.insert(name, ips.filter_map(|ip| text(&ip["ip"]).parse().ok()).collect());
            }
            Set {
                id: set["id"].as_u64().unwrap_or_default(),
                with_finished: state(true),
                running: state(false),
                addresses,
                probes: set["probes"].as_array().cloned().unwrap_or_default(),
            }
        })
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Set {
    /// A name is that pod; the name of a pod that is left out, its address.
    fn peer(&self, cluster: &ClusterState, end: &str, family: Family) -> Peer {
        if let Ok(address) = end.parse() {
            return by_address(cluster, address);
        }
        let (namespace, name) = end.split_once('/').expect("namespace/name");
        let pod = cluster.pod_ids().find(|&id| {
            let pod = cluster.pod(id);
            &*pod.name == name && &*cluster.namespace(pod.namespace).name == namespace
        });
        if let Some(pod) = pod {
            return Peer::Pod(pod);
        }
        let own = &self.addresses[end];
        let address = own.iter().find(|a| Family::of(**a) == family).expect("an address");
        by_address(cluster, *address)
    }

    fn families(&self, end: &str) -> Vec<Family> {
        match end.parse() {
            Ok(address) => vec![Family::of(address)],
            Err(_) => self.addresses[end].iter().map(|&a| Family::of(a)).collect(),
        }
    }

    /// An address gives the family; of two names, the first that the source has and the destination
    /// has as well.
    fn family(&self, source: &str, destination: &str) -> Family {
        let theirs = self.families(destination);
        let ours = self.families(source);
        *ours.iter().find(|family| theirs.contains(family)).expect("a common family")
    }
}

fn by_address(cluster: &ClusterState, address: IpAddr) -> Peer {
    match cluster.owner_of(address) {
        Some(AddressOwner::Pod(id)) => Peer::Pod(id),
        Some(AddressOwner::Node(id)) => Peer::Node(id, Some(address)),
        None => Peer::External(IpSet::address(address)),
    }
}

fn node_of(cluster: &ClusterState, peer: &Peer) -> Option<NodeId> {
    match peer {
        Peer::Node(id, _) => Some(*id),
        Peer::Pod(id) if cluster.pod(*id).host_network => cluster.pod(*id).node,
        _ => None,
    }
}

fn is_node(cluster: &ClusterState, node: Option<NodeId>, name: &str) -> bool {
    node.is_some_and(|id| &*cluster.node(id).name == name)
}

/// A filtered pod, if the end is one.
fn pod_of(cluster: &ClusterState, peer: &Peer) -> Option<PodId> {
    match peer {
        Peer::Pod(id) if !cluster.pod(*id).host_network => Some(*id),
        _ => None,
    }
}

/// Counts of one judge: compared, and set apart by the class of departure.
#[derive(Default)]
struct Tally {
    compared: usize,
    apart: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

fn compare(
    judge: &str,
    finished: bool,
    policies_of: impl Fn(&ClusterState) -> PolicySet,
    departs: impl Fn(&ClusterState, &Peer, &Peer) -> Option<&'static str>,
) -> Tally {
    let mut tally = Tally::default();
    for set in sets() {
        let cluster = if finished { &set.with_finished } else { &set.running };
        let policies = policies_of(cluster);
        let model = Model::new(cluster, &policies);
        for probe in &set.probes {
            let Some(wanted) = probe[4][judge].as_str() else { continue };
            let (source, destination) = (text(&probe[0]), text(&probe[1]));
            let family = set.family(source, destination);
            let protocol = Protocol::from_api(text(&probe[3])).expect("a protocol");
            let port = u16::try_from(probe[2].as_u64().expect("a port")).expect("a port");
            let flow = Flow {
                source: set.peer(cluster, source, family),
                destination: set.peer(cluster, destination, family),
                family,
                protocol,
                port,
            };
            let found = reference::evaluate(cluster, &policies, &flow);
            let fast = model.verdict(&flow.source, &flow.destination, family).on(protocol, port);
            assert_eq!(found, fast, "the engines differ: set {} {probe}", set.id);
            if let Some(class) = departs(cluster, &flow.source, &flow.destination) {
                *tally.apart.entry(class).or_default() += 1;
                continue;
            }
            tally.compared += 1;
            let agrees =
                found == if wanted == "allow" { Decision::Allowed } else { Decision::Denied };
            if !agrees {
                tally.wrong.push(format!("set {}: {probe} is {found:?}", set.id));
            }
        }
    }
    println!(
        "{judge}: {} compared, set apart {:?}, {} differ",
        tally.compared,
        tally.apart,
        tally.wrong.len()
    );
    tally
}

fn assert_agrees(tally: &Tally, least: usize) {
    assert!(tally.compared >= least, "only {} verdicts compared", tally.compared);
    assert!(
        tally.wrong.is_empty(),
        "{} differ:\n{}",
        tally.wrong.len(),
        tally.wrong[..tally.wrong.len().min(20)].join("\n")
    );
}

#[test]
fn verdicts_are_those_of_the_reference_engine() {
    let tally = compare("knp", true, compile, |cluster, source, destination| {
        if source == destination {
            return Some("a pod and itself");
        }
        let own = pod_of(cluster, destination).and_then(|pod| cluster.pod(pod).node);
        (own.is_some() && node_of(cluster, source) == own).then_some("a pod's own node")
    });
    assert_agrees(&tally, 4_000);
}

#[test]
fn verdicts_are_those_of_real_packets() {
    let tally = compare("packets", true, compile, |cluster, source, destination| {
        let from = node_of(cluster, source);
        let to = pod_of(cluster, destination)?;
        let own = from.is_some() && from == cluster.pod(to).node;
        let odd = is_node(cluster, from, "node1") && !own || is_node(cluster, from, "node2") && own;
        odd.then_some("the recording's machine")
    });
    assert_agrees(&tally, 1_000);
}

/// The policies as `--cni` has them.
fn enforced(cni: &str) -> impl Fn(&ClusterState) -> PolicySet {
    let cni = Cni::parse(cni).expect("a CNI");
    move |cluster| enforce(&compile(cluster), cluster, &cni).policies
}

#[test]
fn verdicts_are_those_of_calico() {
    let tally = compare("calico", false, enforced("calico@3.34"), |_, _, _| None);
    assert_agrees(&tally, 4_000);
}

#[test]
fn verdicts_are_those_of_cilium() {
    // The recorded policy repository has no dataplane, which would drop SCTP unless it is told not to.
    let tally = compare("cilium", false, enforced("cilium@1.20,enable-sctp=true"), |_, _, _| None);
    assert_agrees(&tally, 3_000);
}

#[test]
fn verdicts_of_cilium_hold_but_for_sctp_without_a_word_on_it() {
    let tally = compare("cilium", false, enforced("cilium@1.20"), |_, _, _| None);
    let sctp = |wrong: &&String| wrong.contains("\"SCTP\"") && wrong.ends_with("is Unknown");
    let others: Vec<&String> = tally.wrong.iter().filter(|wrong| !sctp(wrong)).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn every_judge_has_verdicts_of_both_kinds() {
    // A corpus of one answer would prove nothing.
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for set in sets() {
        for probe in &set.probes {
            for (judge, verdict) in probe[4].as_object().into_iter().flatten() {
                *counts.entry((judge.clone(), verdict.to_string())).or_default() += 1;
            }
        }
    }
    for judge in ["knp", "packets", "calico", "cilium"] {
        for verdict in ["\"allow\"", "\"deny\""] {
            let count = counts.get(&(judge.into(), verdict.into())).copied().unwrap_or(0);
            assert!(count > 200, "{judge} {verdict}: {count}");
        }
    }
}

#[test]
fn families_follow_the_order_of_the_source() {
    for set in sets().into_iter().take(20) {
        for probe in &set.probes {
            let (source, destination) = (text(&probe[0]), text(&probe[1]));
            if source.contains('/') && destination.contains('/') {
                let cluster = &set.with_finished;
                let family = set.family(source, destination);
                let (a, b) =
                    (set.peer(cluster, source, family), set.peer(cluster, destination, family));
                let first = common_families(cluster, &a, &b).first().copied();
                assert_eq!(first, Some(family), "set {} {probe}", set.id);
            }
        }
    }
}
