//! Verdicts of SIG-Network's engine on the policies of cluster administrators (`tests/corpus/README.md`).
//!
//! Departures, adjudicated; each is a way in which that engine and the text of the API part:
//!
//! - `np-other-direction`: a NetworkPolicy that selects the pod for the other direction keeps the engine
//!   from asking the Baseline tier. The text can be read either way; NetworkPolicies isolate per
//!   direction, and the API project's own policy-assistant goes on. kubereach goes on, and says so.
//! - `nodes-by-pod`: in v1alpha1 the engine takes `nodes` for the pods on these nodes. The text: "nodes …
//!   by matching on the IPs present in the node.Status.Addresses field". kubereach goes by the text.
//! - `named-port-any`: in v1alpha1 the engine takes a named port for every port of a pod that has the
//!   name. The text: "namedPort selects a port on a pod(s) based on name".
//! - *A pod and its own node* (`own_node_probes`): ingress from there is always allowed, as for
//!   NetworkPolicies (`tests/ground_truth.rs`); the engine has no such exception. Egress to there is
//!   filtered: the Kubernetes documentation exempts it in one sentence, and real packets (the `packets`
//!   column of the other corpus) are dropped; where the recording goes by that sentence it is set apart.
//! - *Ties*: of policies of equal priority the engine goes by name; the API leaves it open, and kubereach
//!   answers "undetermined" where they differ.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests, which say what they found"
)]

mod corpus;

use kubereach::cluster::{AddressOwner, Assumptions, ClusterState, resolve};
use kubereach::enforcement::{Cni, enforce};
use kubereach::engine::{Decision, Model, Peer, reference, reference::Flow};
use kubereach::manifest::load_text;
use kubereach::net::{Family, IpSet, Protocol};
use kubereach::policy::compile;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn peer(cluster: &ClusterState, end: &str) -> Peer {
    if let Ok(address) = end.parse::<IpAddr>() {
        return match cluster.owner_of(address) {
            Some(AddressOwner::Pod(id)) => Peer::Pod(id),
            Some(AddressOwner::Node(id)) => Peer::Node(id, Some(address)),
            None => Peer::External(IpSet::address(address)),
        };
    }
    let (namespace, name) = end.split_once('/').expect("namespace/name");
    let pod = cluster.pod_ids().find(|&id| {
        let pod = cluster.pod(id);
        &*pod.name == name && &*cluster.namespace(pod.namespace).name == namespace
    });
    Peer::Pod(pod.expect(end))
}

/// Whether policies are about the end.
fn is_pod(cluster: &ClusterState, peer: &Peer) -> bool {
    matches!(peer, Peer::Pod(id) if !cluster.pod(*id).host_network)
}

/// "The pair uses one address family: IPv4 unless an end is an IPv6 address."
fn family(source: &str, destination: &str) -> Family {
    let six = |end: &str| end.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
    if six(source) || six(destination) { Family::V6 } else { Family::V4 }
}

/// The probes for which the recording says that the text of the API wants the opposite.
fn reversed(set: &Value, key: &str) -> BTreeSet<u64> {
    let classes = set[key].as_object().into_iter().flatten();
    classes
        .flat_map(|(_, list)| list.as_array().into_iter().flatten())
        .filter_map(Value::as_u64)
        .collect()
}

#[derive(Default)]
struct Tally {
    compared: usize,
    by_the_text: usize,
    ties: usize,
    own_node: usize,
    exempt: usize,
    wrong: Vec<String>,
}

fn compare(variable: &str, file: &str) -> Tally {
    let mut tally = Tally::default();
    for line in corpus::text(variable, file).lines() {
        let set: Value = serde_json::from_str(line).expect("a line is a JSON object");
        let list =
            serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": set["objects"] });
        let loaded = load_text("set.json", list.to_string().as_bytes());
        assert_eq!(loaded.errors(), 0, "set {}: {:?}", set["id"], loaded.diagnostics);
        let (cluster, _) =
            resolve(loaded.resources, &loaded.set_aside, &loaded.sources, &Assumptions::default());
        assert!(cluster.blind_spots.is_empty(), "set {}", set["id"]);
        let policies = compile(&cluster);
        let model = Model::new(&cluster, &policies);
        for (key, differs) in
            [("probes", "spec_differs"), ("own_node_probes", "own_node_spec_differs")]
        {
            let reversed = reversed(&set, differs);
            for (at, probe) in set[key].as_array().into_iter().flatten().enumerate() {
                let (source, destination) = (text(&probe[0]), text(&probe[1]));
                let family = family(source, destination);
                let protocol = Protocol::from_api(text(&probe[3])).expect("a protocol");
                let port = u16::try_from(probe[2].as_u64().expect("a port")).expect("a port");
                let flow = Flow {
                    source: peer(&cluster, source),
                    destination: peer(&cluster, destination),
                    family,
                    protocol,
                    port,
                };
                let found = reference::evaluate(&cluster, &policies, &flow);
                let fast =
                    model.verdict(&flow.source, &flow.destination, family).on(protocol, port);
                assert_eq!(found, fast, "the engines differ: set {} {probe}", set["id"]);
                let mut wanted = text(&probe[4]) == "allow";
                if reversed.contains(&(at as u64)) {
                    tally.by_the_text += 1;
                    wanted = !wanted;
                }
                let tied = set["features"].as_array().is_some_and(|f| f.contains(&"tie".into()));
                if key == "own_node_probes" {
                    tally.own_node += 1;
                    // What comes from the pod's own node is let in; what goes there is filtered.
                    let inward = !is_pod(&cluster, &flow.source);
                    if inward && found == Decision::Allowed
                        || !inward && reversed.contains(&(at as u64))
                    {
                        tally.exempt += 1;
                        continue;
                    }
                }
                tally.compared += 1;
                match found {
                    Decision::Unknown if tied => tally.ties += 1,
                    Decision::Allowed if wanted => {}
                    Decision::Denied if !wanted => {}
                    _ => tally
                        .wrong
                        .push(format!("set {}: {key} {at} {probe} is {found:?}", set["id"])),
                }
            }
        }
    }
    println!(
        "{file}: {} compared ({} by the text of the API, {} with a pod's own node, {} of them set apart), {} undetermined for a tie, {} differ",
        tally.compared,
        tally.by_the_text,
        tally.own_node,
        tally.exempt,
        tally.ties,
        tally.wrong.len()
    );
    tally
}

fn assert_agrees(tally: &Tally) {
    assert!(tally.compared > 1_000, "only {} verdicts compared", tally.compared);
    assert!(tally.ties * 100 < tally.compared, "{} ties", tally.ties);
    let few = &tally.wrong[..tally.wrong.len().min(20)];
    assert!(tally.wrong.is_empty(), "{} differ:\n{}", tally.wrong.len(), few.join("\n"));
}

/// kubereach's name for that engine, whose reading of the Baseline tier is a habit of it.
#[test]
fn as_kube_network_policies_the_baseline_is_hidden_as_recorded() {
    let cni = Cni::parse("kube-network-policies,variant=npa-v1alpha2").expect("a CNI");
    let mut probes = 0;
    for line in corpus::text("KUBEREACH_ADMIN_V1ALPHA2", "admin-v1alpha2.jsonl.gz").lines() {
        let set: Value = serde_json::from_str(line).expect("a line is a JSON object");
        let list =
            serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": set["objects"] });
        let loaded = load_text("set.json", list.to_string().as_bytes());
        let (cluster, _) =
            resolve(loaded.resources, &loaded.set_aside, &loaded.sources, &Assumptions::default());
        let policies = enforce(&compile(&cluster), &cluster, &cni).policies;
        for probe in set["probes"].as_array().into_iter().flatten() {
            let (source, destination) = (text(&probe[0]), text(&probe[1]));
            let flow = Flow {
                source: peer(&cluster, source),
                destination: peer(&cluster, destination),
                family: family(source, destination),
                protocol: Protocol::from_api(text(&probe[3])).expect("a protocol"),
                port: u16::try_from(probe[2].as_u64().expect("a port")).expect("a port"),
            };
            let found = reference::evaluate(&cluster, &policies, &flow);
            let wanted =
                if text(&probe[4]) == "allow" { Decision::Allowed } else { Decision::Denied };
            probes += 1;
            // A tie is left open by the API, whatever that engine does.
            let fine = found == wanted || found == Decision::Unknown;
            assert!(fine, "set {} {probe} is {found:?}", set["id"]);
        }
    }
    assert!(probes > 1_000, "only {probes} probes");
}

#[test]
fn verdicts_on_v1alpha1_are_those_of_the_reference_engine() {
    assert_agrees(&compare("KUBEREACH_ADMIN_V1ALPHA1", "admin-v1alpha1.jsonl.gz"));
}

#[test]
fn verdicts_on_v1alpha2_are_those_of_the_reference_engine() {
    assert_agrees(&compare("KUBEREACH_ADMIN_V1ALPHA2", "admin-v1alpha2.jsonl.gz"));
}

#[test]
fn the_recordings_have_verdicts_of_both_kinds() {
    for (variable, file) in [
        ("KUBEREACH_ADMIN_V1ALPHA1", "admin-v1alpha1.jsonl.gz"),
        ("KUBEREACH_ADMIN_V1ALPHA2", "admin-v1alpha2.jsonl.gz"),
    ] {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in corpus::text(variable, file).lines() {
            let set: Value = serde_json::from_str(line).expect("a line is a JSON object");
            for probe in set["probes"].as_array().into_iter().flatten() {
                *counts.entry(text(&probe[4]).to_owned()).or_default() += 1;
            }
        }
        for verdict in ["allow", "deny"] {
            let count = counts.get(verdict).copied().unwrap_or(0);
            assert!(count > 500, "{file} {verdict}: {count}");
        }
    }
}
