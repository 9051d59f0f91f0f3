//! What a real API server accepted, refused and stored (`tests/corpus/README.md`), case by case.
//!
//! Departures, adjudicated: what depends on the state or settings of that one cluster, and one
//! thing that kubectl's YAML library refuses although YAML allows it (see `DEPARTURES`).

#![expect(clippy::expect_used, reason = "helpers of tests, which say what they found")]

mod corpus;

use kubereach::cluster::{Assumptions, resolve};
use kubereach::diagnostic::{Code, Severity};
use kubereach::manifest::{Loaded, load_text};
use kubereach::policy::compile;
use serde_json::Value;

/// (case, why kubereach accepts what was refused there)
const DEPARTURES: &[(&str, &str)] = &[
    ("np0-ns-not-existing", "whether a namespace exists is known to the cluster alone"),
    ("ns-exists", "whether an object exists already is known to the cluster alone"),
    ("svc-clusterip-out-of-range", "the service range is a setting of the cluster"),
    ("svc-nodeport-low", "the range of node ports is a setting of the cluster"),
];

fn cases() -> Vec<Value> {
    let text = corpus::text("KUBEREACH_VALIDATION", "api-validation.jsonl.gz");
    let all = text.lines().map(|line| serde_json::from_str(line).expect("a line is a JSON object"));
    all.collect()
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn load_case(case: &Value) -> Loaded {
    let bytes = match case["raw_hex"].as_str() {
        Some(hex) => (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hexadecimal digits"))
            .collect(),
        None => text_of(&case["yaml"]).as_bytes().to_vec(),
    };
    load_text("case.yaml", &bytes)
}

fn errors(loaded: &Loaded) -> Vec<&str> {
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    errors.map(|d| d.message.as_str()).collect()
}

#[test]
fn what_the_server_refuses_is_an_error_and_nothing_else_is() {
    let (mut agree, mut differ) = (0, Vec::new());
    for case in cases() {
        let id = text_of(&case["id"]);
        let loaded = load_case(&case);
        let refused = text_of(&case["verdict"]) != "accepted";
        let departs = DEPARTURES.iter().any(|(departure, _)| *departure == id);
        if (loaded.errors() > 0) == (refused && !departs) {
            agree += 1;
        } else {
            differ.push(format!("{id}: {} there, here {:?}", case["verdict"], errors(&loaded)));
        }
    }
    println!("{agree} cases agree");
    assert!(agree > 400, "only {agree} cases");
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}

#[test]
fn every_error_has_a_place() {
    for case in cases() {
        let loaded = load_case(&case);
        for diagnostic in loaded.diagnostics.iter().filter(|d| d.code != Code::NoObjects) {
            let label = diagnostic
                .primary
                .as_ref()
                .unwrap_or_else(|| panic!("{}: {}", case["id"], diagnostic.message));
            let place = loaded.sources.locate(label.span);
            assert!(place.line >= 1 && place.column >= 1, "{}: {diagnostic:?}", case["id"]);
        }
    }
}

/// The version of a kind of policies.
fn policy_version(kind: &str) -> Option<&'static str> {
    match kind {
        "NetworkPolicy" => Some("networking.k8s.io/v1"),
        "AdminNetworkPolicy" | "BaselineAdminNetworkPolicy" => {
            Some("policy.networking.k8s.io/v1alpha1")
        }
        "ClusterNetworkPolicy" => Some("policy.networking.k8s.io/v1alpha2"),
        _ => None,
    }
}

/// The fields that the server's message names: `spec.ingress[0].ports[0].port`.
fn fields(message: &str) -> Vec<String> {
    let mut out = Vec::new();
    for part in message.split(' ') {
        let part = part.trim_start_matches('[').trim_end_matches(':').trim_end_matches(',');
        if (part.starts_with("spec.") || part.starts_with("metadata.")) && !part.contains('"') {
            out.push(part.to_owned());
        }
    }
    out
}

#[test]
fn every_field_that_the_server_names_is_named() {
    let mut checked = 0;
    for case in cases() {
        let message = text_of(&case["message"]);
        let departs = DEPARTURES.iter().any(|(id, _)| *id == text_of(&case["id"]));
        let policy = policy_version(text_of(&case["kind"])).is_some();
        if !policy || !message.contains("is invalid: ") || departs {
            continue;
        }
        let loaded = load_case(&case);
        let ours = errors(&loaded).join("\n");
        for field in fields(message) {
            assert!(
                ours.contains(&format!("`{field}`")),
                "{}: {field} is not among\n{ours}\n\n{message}",
                case["id"]
            );
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} fields");
}

#[test]
fn policies_mean_what_the_server_stored() {
    let mut compared = 0;
    for case in cases() {
        let stored = &case["stored"];
        let kind = text_of(&case["kind"]);
        let Some(version) = policy_version(kind) else { continue };
        if text_of(&case["verdict"]) != "accepted" || stored.is_null() {
            continue;
        }
        let object = serde_json::json!({
            "apiVersion": version, "kind": kind,
            "metadata": stored["metadata"], "spec": stored["spec"],
        });
        let ours = meaning(&load_case(&case));
        let theirs = meaning(&load_text("stored.json", object.to_string().as_bytes()));
        let first = theirs.first().unwrap_or_else(|| panic!("{}: nothing stored", case["id"]));
        assert!(ours.contains(first), "{}:\n{ours:#?}\nstored: {first}", case["id"]);
        compared += 1;
    }
    assert!(compared > 100, "only {compared} policies");
}

/// What the policies of a text say, without where they say it.
fn meaning(loaded: &Loaded) -> Vec<String> {
    let (cluster, _) = resolve(
        loaded.resources.clone(),
        &loaded.set_aside,
        &loaded.sources,
        &Assumptions::default(),
    );
    let set = compile(&cluster);
    set.policies
        .iter()
        .map(|policy| {
            let namespace = policy.namespace.map(|id| cluster.namespace(id).name.to_string());
            let rules: Vec<String> = policy
                .rules
                .iter()
                .flatten()
                .map(|&id| {
                    let rule = set.rule(id);
                    let peers = match &rule.peers {
                        kubereach::policy::Peers::Any => "any".to_owned(),
                        kubereach::policy::Peers::Of(list) => {
                            let shown = list.iter().map(|peer| match &peer.matches {
                                kubereach::policy::PeerMatch::Addresses(set, _) => set.to_string(),
                                kubereach::policy::PeerMatch::Placed(_) => String::new(),
                                kubereach::policy::PeerMatch::Nodes(nodes) => {
                                    format!("nodes {nodes}")
                                }
                                kubereach::policy::PeerMatch::Domains(names) => {
                                    format!("{names:?}")
                                }
                                kubereach::policy::PeerMatch::Pods(pods) => {
                                    let namespaces = match &pods.namespaces {
                                        kubereach::policy::NamespaceMatch::Is(_) => {
                                            "own".to_owned()
                                        }
                                        kubereach::policy::NamespaceMatch::Labelled(s) => {
                                            s.to_string()
                                        }
                                    };
                                    format!("{namespaces}:{}", pods.pods)
                                }
                            });
                            shown.collect::<Vec<_>>().join(";")
                        }
                    };
                    let ports = match &rule.ports {
                        kubereach::policy::Ports::Any => "any".to_owned(),
                        kubereach::policy::Ports::Of(list) => list
                            .iter()
                            .map(|port| format!("{:?}", port.matches))
                            .collect::<Vec<_>>()
                            .join(";"),
                    };
                    format!("{}: {:?} {peers} on {ports}", rule.direction, rule.action)
                })
                .collect();
            let among = match &policy.subject.namespaces {
                kubereach::policy::NamespaceMatch::Is(_) => "own".to_owned(),
                kubereach::policy::NamespaceMatch::Labelled(selector) => selector.to_string(),
            };
            format!(
                "{namespace:?}/{} {} selects {among}:{} isolates {:?} {rules:?}",
                policy.name, policy.order, policy.subject.pods, policy.isolates
            )
        })
        .collect()
}
