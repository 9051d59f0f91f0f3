//! The rules of the ordered policy APIs, one by one: each test is named after the rule it holds.
//!
//! Sources: the comments of `apis/v1alpha1/*.go` and `apis/v1alpha2/clusternetworkpolicy_types.go` and the
//! CustomResourceDefinitions of kubernetes-sigs/network-policy-api; `go-controller/pkg/ovn/egressfirewall.go`
//! of ovn-kubernetes; `pkg/network/node/` of openshift/sdn.

#![expect(clippy::panic, reason = "helpers of tests, which say what they found")]

use kubereach::analysis::Answer::{self, Allowed, Denied, Undetermined};
use kubereach::analysis::{Engines, Options, World, can, resolve_endpoint};
use kubereach::diagnostic::{Code, Severity};
use kubereach::manifest::load_text;

/// Two tenants with a web pod each that says where it is, one on its node's network, and the nodes.
const CLUSTER: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: red, labels: {tenant: red}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: blue, labels: {tenant: blue}}}
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {role: worker}}
status: {addresses: [{type: InternalIP, address: 10.1.0.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2, labels: {role: control}}
status: {addresses: [{type: InternalIP, address: 10.1.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: red, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
status: {podIPs: [{ip: 10.2.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: blue, labels: {app: web}}
spec: {nodeName: n2, containers: [{name: c, image: i, ports: [{name: http, containerPort: 9090, protocol: UDP}]}]}
status: {podIPs: [{ip: 10.2.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: blue, labels: {app: agent}}
spec: {nodeName: n2, hostNetwork: true, containers: [{name: c, image: i}]}
status: {podIPs: [{ip: 10.1.0.2}]}
";

fn world(policies: &[String]) -> World {
    let text = format!("{CLUSTER}---\n{}", policies.join("\n---\n"));
    World::new(load_text("rules.yaml", text.as_bytes()), Options::default())
}

fn ask(world: &World, from: &str, to: &str, port: &str) -> Answer {
    let end = |text| resolve_endpoint(world, text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let engines = Engines::new(world);
    let port = port.parse().unwrap_or_else(|e| panic!("{port}: {e}"));
    let answer = can(world, &engines, &end(from), &end(to), &[port]);
    answer.unwrap_or_else(|e| panic!("{from} {to}: {e}")).answer
}

/// The answer where the policies are without a fault.
fn answer(policies: &[String], from: &str, to: &str, port: &str) -> Answer {
    let world = world(policies);
    assert_eq!(world.errors(), 0, "{:?}", world.diagnostics);
    ask(&world, from, to, port)
}

/// Whether the API server refuses a policy.
fn refused(policy: &str) -> bool {
    world(&[policy.to_owned()]).errors() > 0
}

fn warnings(policy: &str) -> Vec<Code> {
    let world = world(&[policy.to_owned()]);
    assert_eq!(world.errors(), 0, "{policy}: {:?}", world.diagnostics);
    let found = world.diagnostics.iter().filter(|d| d.severity == Severity::Warning);
    found.map(|diagnostic| diagnostic.code).collect()
}

const EVERYBODY: &str = "subject: {namespaces: {}}";

fn anp(name: &str, priority: u32, rest: &str) -> String {
    format!(
        "{{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {{name: {name}}}, spec: {{priority: {priority}, {rest}}}}}"
    )
}

fn banp(rest: &str) -> String {
    format!(
        "{{apiVersion: policy.networking.k8s.io/v1alpha1, kind: BaselineAdminNetworkPolicy, metadata: {{name: default}}, spec: {{{rest}}}}}"
    )
}

fn cnp(name: &str, tier: &str, priority: u32, rest: &str) -> String {
    format!(
        "{{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {{name: {name}}}, spec: {{tier: {tier}, priority: {priority}, {rest}}}}}"
    )
}

fn np(namespace: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: np, namespace: {namespace}}}, spec: {{podSelector: {{}}, {spec}}}}}"
    )
}

fn firewall(namespace: &str, rules: &str) -> String {
    format!(
        "{{apiVersion: k8s.ovn.org/v1, kind: EgressFirewall, metadata: {{name: default, namespace: {namespace}}}, spec: {{egress: [{rules}]}}}}"
    )
}

fn egress_network_policy(name: &str, rules: &str) -> String {
    format!(
        "{{apiVersion: network.openshift.io/v1, kind: EgressNetworkPolicy, metadata: {{name: {name}, namespace: red}}, spec: {{egress: [{rules}]}}}}"
    )
}

/// `from` or `to` everybody, with this action.
fn ingress(action: &str) -> String {
    format!("ingress: [{{action: {action}, from: [{{namespaces: {{}}}}]}}]")
}

fn egress(action: &str, peer: &str) -> String {
    format!("egress: [{{action: {action}, to: [{peer}]}}]")
}

#[test]
fn the_priority_is_required_from_0_to_1000_and_the_lower_one_wins() {
    assert!(refused(&anp("a", 1001, EVERYBODY)));
    assert!(!refused(&anp("a", 1000, EVERYBODY)) && !refused(&anp("a", 0, EVERYBODY)));
    assert!(refused(
        "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: a}, spec: {subject: {namespaces: {}}}}"
    ));
    for (first, second, want) in [("Allow", "Deny", Allowed), ("Deny", "Allow", Denied)] {
        // Neither the name nor the place in the file counts.
        let policies = [
            anp("a", 20, &format!("{EVERYBODY}, {}", ingress(second))),
            anp("z", 10, &format!("{EVERYBODY}, {}", ingress(first))),
        ];
        assert_eq!(answer(&policies, "red/web", "blue/web", "80"), want, "{first} first");
    }
}

#[test]
fn ties_of_priority_are_undefined_and_warned_of() {
    let tie = |action: &str| {
        [
            cnp("a", "Admin", 10, &format!("{EVERYBODY}, {}", ingress("Accept"))),
            cnp("b", "Admin", 10, &format!("{EVERYBODY}, {}", ingress(action))),
        ]
    };
    assert_eq!(answer(&tie("Deny"), "red/web", "blue/web", "80"), Undetermined);
    assert_eq!(answer(&tie("Accept"), "red/web", "blue/web", "80"), Allowed, "both say so");
    let codes = |world: &World| world.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>();
    assert_eq!(codes(&world(&tie("Deny"))), [Code::PriorityTie]);
    // Of other tiers and other pods there is no tie.
    let apart = [
        cnp("a", "Admin", 10, &format!("{EVERYBODY}, {}", ingress("Accept"))),
        cnp("b", "Baseline", 10, &format!("{EVERYBODY}, {}", ingress("Deny"))),
    ];
    assert_eq!(codes(&world(&apart)), []);
    let pods = [
        anp(
            "a",
            10,
            &format!(
                "subject: {{namespaces: {{matchLabels: {{tenant: red}}}}}}, {}",
                ingress("Deny")
            ),
        ),
        anp(
            "b",
            10,
            &format!(
                "subject: {{namespaces: {{matchLabels: {{tenant: blue}}}}}}, {}",
                ingress("Allow")
            ),
        ),
    ];
    assert_eq!(codes(&world(&pods)), []);
}

#[test]
fn actions_are_allow_deny_and_pass_and_accept_in_the_newer_api() {
    for (action, old, new) in [
        ("Allow", true, false),
        ("Accept", false, true),
        ("Deny", true, true),
        ("Pass", true, true),
    ] {
        let rest = format!("{EVERYBODY}, {}", ingress(action));
        assert_eq!(!refused(&anp("a", 1, &rest)), old, "{action}");
        assert_eq!(!refused(&cnp("a", "Admin", 1, &rest)), new, "{action}");
    }
    assert!(refused(&anp("a", 1, &format!("{EVERYBODY}, {}", ingress("deny")))));
}

#[test]
fn the_baseline_is_one_object_named_default_without_priority_and_pass() {
    assert!(!refused(&banp(&format!("{EVERYBODY}, {}", ingress("Deny")))));
    assert!(refused(&banp(&format!("{EVERYBODY}, {}", ingress("Pass")))));
    assert!(refused(&banp(&format!("priority: 1, {EVERYBODY}"))));
    assert!(refused(&banp(EVERYBODY).replace("name: default", "name: other")));
    let names = "egress: [{action: Allow, to: [{domainNames: [a.example.com]}]}]";
    assert!(refused(&banp(&format!("{EVERYBODY}, {names}"))));
}

#[test]
fn a_subject_is_exactly_one_of_namespaces_and_pods() {
    for (subject, fine) in [
        ("{}", false),
        ("{namespaces: {}}", true),
        ("{pods: {namespaceSelector: {}, podSelector: {}}}", true),
        ("{namespaces: {}, pods: {namespaceSelector: {}, podSelector: {}}}", false),
        ("{pods: {namespaceSelector: {}}}", false),
    ] {
        assert_eq!(!refused(&anp("a", 1, &format!("subject: {subject}"))), fine, "{subject}");
    }
    // The newer API takes a missing namespaceSelector for every namespace.
    let every = format!("subject: {{pods: {{podSelector: {{}}}}}}, {}", ingress("Deny"));
    assert!(refused(&anp("a", 1, &every)));
    assert_eq!(answer(&[cnp("a", "Admin", 1, &every)], "red/web", "blue/web", "80"), Denied);
}

#[test]
fn pods_on_their_nodes_network_are_no_subjects_and_no_peers() {
    let closed = [anp(
        "a",
        1,
        &format!("{EVERYBODY}, {}, {}", ingress("Deny"), egress("Deny", "{namespaces: {}}")),
    )];
    assert_eq!(answer(&closed, "blue/agent", "red/web", "80"), Allowed, "neither subject nor peer");
    assert_eq!(answer(&closed, "red/web", "blue/agent", "80"), Allowed, "nor as a destination");
    assert_eq!(answer(&closed, "red/web", "blue/web", "80"), Denied, "the rule is in force");
}

#[test]
fn lists_and_names_have_limits() {
    let many = |item: &str, count: usize| vec![item; count].join(", ");
    let rule = "{action: Deny, from: [{namespaces: {}}]}";
    let with = |rest: &str| format!("{EVERYBODY}, ingress: [{rest}]");
    for (count, old, new) in
        [(25, true, true), (26, true, false), (100, true, false), (101, false, false)]
    {
        let rules = with(&many(rule, count));
        let peers = with(&format!("{{action: Deny, from: [{}]}}", many("{namespaces: {}}", count)));
        for rest in [&rules, &peers] {
            assert_eq!(!refused(&anp("a", 1, rest)), old, "{count}");
            assert_eq!(!refused(&cnp("a", "Admin", 1, rest)), new, "{count}");
        }
        let ports = many("{portNumber: {port: 80}}", count);
        let ports =
            with(&format!("{{action: Deny, from: [{{namespaces: {{}}}}], ports: [{ports}]}}"));
        assert_eq!(!refused(&anp("a", 1, &ports)), old, "{count} ports");
        let protocols = many("{tcp: {destinationPort: {number: 80}}}", count);
        let protocols = with(&format!(
            "{{action: Deny, from: [{{namespaces: {{}}}}], protocols: [{protocols}]}}"
        ));
        assert_eq!(!refused(&cnp("a", "Admin", 1, &protocols)), new, "{count} protocols");
        let name = "n".repeat(count);
        let named = with(&format!("{{name: {name}, action: Deny, from: [{{namespaces: {{}}}}]}}"));
        assert_eq!(!refused(&anp("a", 1, &named)), old, "a name of {count}");
        let networks: Vec<String> = (0..count).map(|i| format!("10.0.{i}.0/24")).collect();
        let networks = format!(
            "{EVERYBODY}, {}",
            egress("Deny", &format!("{{networks: [{}]}}", networks.join(", ")))
        );
        assert_eq!(!refused(&anp("a", 1, &networks)), count <= 25, "{count} networks");
    }
    assert!(refused(&anp("a", 1, &with("{action: Deny, from: []}"))), "a rule needs a peer");
    let none = "{action: Deny, from: [{namespaces: {}}], ports: []}";
    assert!(refused(&anp("a", 1, &with(none))), "and a list of ports a port");
}

#[test]
fn the_first_matching_rule_wins_and_nothing_is_isolated() {
    let rules = "ingress: [
        {action: Allow, from: [{namespaces: {}}], ports: [{portNumber: {port: 80}}]},
        {action: Deny, from: [{namespaces: {}}], ports: [{portRange: {start: 80, end: 90}}]}]";
    let policies = [anp("a", 1, &format!("{EVERYBODY}, {rules}"))];
    assert_eq!(answer(&policies, "red/web", "blue/web", "80"), Allowed);
    assert_eq!(answer(&policies, "red/web", "blue/web", "81"), Denied);
    assert_eq!(answer(&policies, "red/web", "blue/web", "91"), Allowed, "no rule is about it");
    assert_eq!(answer(&policies, "red/web", "blue/web", "80/udp"), Allowed, "TCP is the default");
}

#[test]
fn ingress_peers_are_pods_alone() {
    for peer in ["{networks: [10.0.0.0/8]}", "{nodes: {}}", "{domainNames: [a.example.com]}"] {
        let rest = format!("{EVERYBODY}, ingress: [{{action: Deny, from: [{peer}]}}]");
        assert!(refused(&anp("a", 1, &rest)) && refused(&cnp("a", "Admin", 1, &rest)), "{peer}");
    }
    let policies = [anp("a", 1, &format!("{EVERYBODY}, {}", ingress("Deny")))];
    assert_eq!(answer(&policies, "203.0.113.1", "red/web", "80"), Allowed, "an address is none");
}

#[test]
fn nodes_match_the_addresses_of_nodes_by_their_labels() {
    let control = egress("Deny", "{nodes: {matchLabels: {role: control}}}");
    for policy in [
        anp("a", 1, &format!("{EVERYBODY}, {control}")),
        cnp("a", "Admin", 1, &format!("{EVERYBODY}, {control}")),
    ] {
        let policies = [policy];
        assert_eq!(answer(&policies, "red/web", "node/n2", "80"), Denied);
        assert_eq!(answer(&policies, "red/web", "10.1.0.2", "80"), Denied, "by address");
        assert_eq!(
            answer(&policies, "red/web", "blue/agent", "80"),
            Denied,
            "on the node's network"
        );
        assert_eq!(answer(&policies, "red/web", "blue/web", "80"), Allowed, "not what runs there");
        assert_eq!(answer(&policies, "red/web", "10.1.0.1", "80"), Allowed, "another node");
    }
}

#[test]
fn networks_match_pods_too_and_host_bits_are_ignored() {
    let policies = [cnp(
        "a",
        "Admin",
        1,
        &format!("{EVERYBODY}, {}", egress("Deny", "{networks: [10.2.0.77/16]}")),
    )];
    assert_eq!(answer(&policies, "red/web", "blue/web", "80"), Denied);
    assert_eq!(answer(&policies, "red/web", "10.3.0.1", "80"), Allowed);
}

#[test]
fn domain_names_are_for_allowing() {
    let names =
        |action: &str| format!("{EVERYBODY}, {}", egress(action, "{domainNames: [a.example.com]}"));
    assert_eq!(warnings(&anp("a", 1, &names("Allow"))), []);
    for action in ["Deny", "Pass"] {
        assert_eq!(warnings(&anp("a", 1, &names(action))), [Code::UndefinedRule], "{action}");
    }
    let policies = [anp("a", 1, &names("Deny"))];
    assert_eq!(answer(&policies, "red/web", "a.example.com", "443"), Undetermined);
    assert_eq!(answer(&policies, "red/web", "b.example.com", "443"), Allowed);
}

#[test]
fn selectors_are_not_checked_by_the_server_and_match_nothing() {
    for selector in [
        "{matchExpressions: [{key: tenant, operator: Gt, values: ['1']}]}",
        "{matchExpressions: [{key: tenant, operator: In}]}",
        "{matchExpressions: [{key: tenant, operator: NotIn, values: []}]}",
        "{matchExpressions: [{key: tenant, operator: in, values: [red]}]}",
        "{matchExpressions: [{key: tenant, operator: Exists, values: [red]}]}",
        "{matchExpressions: [{key: 'a b', operator: DoesNotExist}]}",
        "{matchLabels: {tenant: 'two words'}}",
    ] {
        let policy = anp(
            "a",
            1,
            &format!(
                "{EVERYBODY}, ingress: [{{action: Deny, from: [{{namespaces: {selector}}}]}}]"
            ),
        );
        assert_eq!(warnings(&policy), [Code::VoidSelector], "{selector}");
        assert_eq!(answer(&[policy], "red/web", "blue/web", "80"), Allowed, "{selector}");
        let subject =
            anp("a", 1, &format!("subject: {{namespaces: {selector}}}, {}", ingress("Deny")));
        assert_eq!(answer(&[subject], "red/web", "blue/web", "80"), Allowed, "{selector}");
    }
}

#[test]
fn a_key_with_nothing_after_it_widens_the_rule() {
    let label = anp(
        "a",
        1,
        "subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {matchLabels: {tenant: }}}]}]",
    );
    assert_eq!(warnings(&label), [Code::EmptyWidens]);
    assert_eq!(answer(&[label], "red/web", "blue/web", "80"), Denied);
    for (policy, key) in [
        (
            anp(
                "a",
                1,
                "subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], ports: }]",
            ),
            "ports",
        ),
        (
            cnp(
                "a",
                "Admin",
                1,
                "subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], protocols: }]",
            ),
            "protocols",
        ),
    ] {
        assert_eq!(warnings(&policy), [Code::EmptyWidens], "{key}");
        assert_eq!(answer(&[policy], "red/web", "blue/web", "80"), Denied, "{key}");
    }
}

#[test]
fn peers_that_are_not_known_fail_closed() {
    // A server whose API is a later one has stored it.
    let stored = |action: &str| {
        cnp(
            "a, uid: 00000000-0000-0000-0000-000000000000",
            "Admin",
            1,
            &format!("{EVERYBODY}, {}", egress(action, "{services: {}}")),
        )
    };
    for (action, want) in [("Accept", Allowed), ("Deny", Denied), ("Pass", Denied)] {
        assert_eq!(warnings(&stored(action)), [Code::FailsClosed], "{action}");
        assert_eq!(answer(&[stored(action)], "red/web", "8.8.8.8", "53/udp"), want, "{action}");
    }
    // Accept matches nothing, rather than everything: a Deny behind it counts.
    let both = [
        stored("Accept"),
        cnp("b", "Admin", 2, &format!("{EVERYBODY}, {}", egress("Deny", "{namespaces: {}}"))),
    ];
    assert_eq!(answer(&both, "red/web", "blue/web", "80"), Denied);
    // Before it is stored the server refuses it.
    assert!(refused(&cnp(
        "a",
        "Admin",
        1,
        &format!("{EVERYBODY}, {}", egress("Deny", "{services: {}}"))
    )));
    assert!(refused(&cnp("a", "Admin", 1, &format!("{EVERYBODY}, {}", egress("Deny", "{}")))));
}

#[test]
fn a_port_is_exactly_one_of_number_range_and_name() {
    let with = |port: &str| {
        anp(
            "a",
            1,
            &format!(
                "{EVERYBODY}, ingress: [{{action: Deny, from: [{{namespaces: {{}}}}], ports: [{port}]}}]"
            ),
        )
    };
    for port in [
        "{}",
        "{portNumber: {port: 80}, namedPort: http}",
        "{portNumber: {port: 0}}",
        "{portNumber: {port: '80'}}",
        "{portRange: {start: 80}}",
    ] {
        assert!(refused(&with(port)), "{port}");
    }
    // A reversed range and a protocol that nobody has are taken, and match nothing.
    for port in [
        "{portRange: {start: 90, end: 80}}",
        "{portNumber: {port: 80, protocol: tcp}}",
        "{portNumber: {port: 80, protocol: ''}}",
    ] {
        assert_eq!(warnings(&with(port)), [Code::VoidPort], "{port}");
        assert_eq!(answer(&[with(port)], "red/web", "blue/web", "80"), Allowed, "{port}");
    }
}

#[test]
fn a_named_port_is_the_containers_number_and_protocol() {
    for policy in [
        anp(
            "a",
            1,
            "subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{namedPort: http}]}]",
        ),
        cnp(
            "a",
            "Admin",
            1,
            "subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{destinationNamedPort: http}]}]",
        ),
    ] {
        let policies = [policy];
        assert_eq!(answer(&policies, "blue/web", "red/web", "8080"), Denied);
        assert_eq!(answer(&policies, "blue/web", "red/web", "8080/udp"), Allowed);
        assert_eq!(answer(&policies, "blue/web", "red/web", "9090"), Allowed);
        assert_eq!(answer(&policies, "red/web", "blue/web", "9090/udp"), Denied);
    }
}

#[test]
fn a_named_port_does_not_go_with_peers_that_have_none() {
    for peer in ["{networks: [10.0.0.0/8]}", "{nodes: {}}", "{domainNames: [a.example.com]}"] {
        let rest = |ports: &str| {
            format!(
                "{EVERYBODY}, egress: [{{action: Allow, to: [{{namespaces: {{}}}}, {peer}], {ports}}}]"
            )
        };
        assert!(refused(&anp("a", 1, &rest("ports: [{namedPort: http}]"))), "{peer}");
        assert!(!refused(&anp("a", 1, &rest("ports: [{portNumber: {port: 80}}]"))), "{peer}");
    }
}

#[test]
fn shapes_of_the_first_bundle_are_refused_with_what_they_would_do_now() {
    for field in [
        "namespaceSelector: {matchLabels: {tenant: red}}",
        "sameLabels: [tenant]",
        "notSameLabels: [tenant]",
    ] {
        for policy in [
            anp(
                "a",
                1,
                &format!(
                    "{EVERYBODY}, ingress: [{{action: Allow, from: [{{namespaces: {{{field}}}}}]}}]"
                ),
            ),
            anp("a", 1, &format!("subject: {{namespaces: {{{field}}}}}")),
        ] {
            let world = world(&[policy]);
            let fault = world.diagnostics.iter().find(|d| d.code == Code::UnknownField);
            let notes = &fault.expect(field).notes;
            assert!(
                notes.iter().any(|note| note.contains("matches every namespace")),
                "{field}: {notes:?}"
            );
        }
    }
}

#[test]
fn tiers_have_priorities_of_their_own_and_many_objects_each() {
    let policies = [
        cnp("late", "Admin", 900, &format!("{EVERYBODY}, {}", ingress("Deny"))),
        cnp("early", "Baseline", 0, &format!("{EVERYBODY}, {}", ingress("Accept"))),
        cnp("other", "Baseline", 1, &format!("{EVERYBODY}, {}", ingress("Deny"))),
    ];
    assert_eq!(answer(&policies, "red/web", "blue/web", "80"), Denied, "the Admin tier is first");
    assert_eq!(answer(&policies[1..], "red/web", "blue/web", "80"), Allowed, "0 before 1");
    assert!(refused(&cnp("a", "NetworkPolicy", 1, EVERYBODY)));
}

#[test]
fn pass_in_the_baseline_leads_to_the_default_of_the_cluster() {
    let policies = [
        cnp("a", "Baseline", 1, &format!("{EVERYBODY}, {}", ingress("Pass"))),
        cnp("b", "Baseline", 2, &format!("{EVERYBODY}, {}", ingress("Deny"))),
    ];
    assert_eq!(answer(&policies, "red/web", "blue/web", "80"), Allowed);
    assert_eq!(answer(&policies[1..], "red/web", "blue/web", "80"), Denied);
}

#[test]
fn a_range_begins_before_it_ends_and_a_protocol_says_something() {
    let with = |protocol: &str| {
        cnp(
            "a",
            "Admin",
            1,
            &format!(
                "{EVERYBODY}, ingress: [{{action: Deny, from: [{{namespaces: {{}}}}], protocols: [{protocol}]}}]"
            ),
        )
    };
    for (protocol, fine) in [
        ("{tcp: {destinationPort: {range: {start: 80, end: 81}}}}", true),
        ("{tcp: {destinationPort: {range: {start: 80, end: 80}}}}", false),
        ("{tcp: {destinationPort: {range: {start: 81, end: 80}}}}", false),
        ("{tcp: {}}", false),
        ("{tcp: {destinationPort: {}}}", false),
        ("{tcp: {destinationPort: {number: 80}}, udp: {destinationPort: {number: 80}}}", false),
        ("{icmp: {}}", false),
        ("{}", false),
    ] {
        assert_eq!(!refused(&with(protocol)), fine, "{protocol}");
    }
    let range = [with("{sctp: {destinationPort: {range: {start: 80, end: 81}}}}")];
    assert_eq!(answer(&range, "red/web", "blue/web", "81/sctp"), Denied);
    assert_eq!(answer(&range, "red/web", "blue/web", "81"), Allowed);
}

#[test]
fn a_star_stands_for_one_label_or_more_and_never_for_the_bare_domain() {
    let policies = [cnp(
        "a",
        "Admin",
        1,
        &format!(
            "{EVERYBODY}, egress: [{{action: Accept, to: [{{domainNames: ['*.example.com']}}]}}, {{action: Deny, to: [{{networks: [0.0.0.0/0, '::/0']}}]}}]"
        ),
    )];
    for (name, want) in [
        ("a.example.com", Allowed),
        ("a.b.example.com", Allowed),
        ("example.com", Denied),
        ("aexample.com", Denied),
    ] {
        assert_eq!(answer(&policies, "red/web", name, "443"), want, "{name}");
    }
    assert_eq!(
        answer(&policies, "red/web", "8.8.8.8", "443"),
        Undetermined,
        "it may be one of them"
    );
    for name in ["com", "*", "a.*.com", "**.com", "a..com"] {
        let rest =
            format!("{EVERYBODY}, {}", egress("Accept", &format!("{{domainNames: ['{name}']}}")));
        assert!(refused(&cnp("a", "Admin", 1, &rest)), "{name}");
    }
}

#[test]
fn a_pod_to_its_own_address_is_not_subject_to_policies() {
    let policies = [cnp(
        "a",
        "Admin",
        1,
        &format!("{EVERYBODY}, {}, {}", ingress("Deny"), egress("Deny", "{networks: [0.0.0.0/0]}")),
    )];
    assert_eq!(answer(&policies, "red/web", "10.2.0.1", "80"), Allowed);
}

#[test]
fn accept_and_deny_of_the_admin_tier_are_final() {
    let open = np("blue", "ingress: [{}]");
    let closed = np("blue", "policyTypes: [Ingress]");
    let admin = |action: &str| anp("a", 1, &format!("{EVERYBODY}, {}", ingress(action)));
    assert_eq!(answer(&[admin("Deny"), open], "red/web", "blue/web", "80"), Denied);
    assert_eq!(answer(&[admin("Allow"), closed], "red/web", "blue/web", "80"), Allowed);
}

#[test]
fn pass_and_no_match_lead_to_network_policies_whose_word_is_final() {
    let admin = |action: &str, port: u16| {
        anp(
            "a",
            1,
            &format!(
                "{EVERYBODY}, ingress: [{{action: {action}, from: [{{namespaces: {{}}}}], ports: [{{portNumber: {{port: {port}}}}}]}}]"
            ),
        )
    };
    let baseline = |action: &str| banp(&format!("{EVERYBODY}, {}", ingress(action)));
    let open = np("blue", "ingress: [{}]");
    let closed = np("blue", "policyTypes: [Ingress]");
    for admin in [admin("Pass", 80), admin("Deny", 81)] {
        assert_eq!(
            answer(&[admin.clone(), open.clone(), baseline("Deny")], "red/web", "blue/web", "80"),
            Allowed
        );
        assert_eq!(
            answer(&[admin, closed.clone(), baseline("Allow")], "red/web", "blue/web", "80"),
            Denied
        );
    }
    // Pass leaves the tier: no other policy of it is asked.
    let second = anp("b", 2, &format!("{EVERYBODY}, {}", ingress("Deny")));
    assert_eq!(answer(&[admin("Pass", 80), second], "red/web", "blue/web", "80"), Allowed);
}

#[test]
fn the_baseline_is_asked_where_no_network_policy_speaks_and_allow_is_the_default() {
    let baseline = |action: &str| banp(&format!("{EVERYBODY}, {}", ingress(action)));
    assert_eq!(answer(&[baseline("Deny")], "red/web", "blue/web", "80"), Denied);
    assert_eq!(answer(&[baseline("Allow")], "red/web", "blue/web", "80"), Allowed);
    let silent = banp(&format!(
        "{EVERYBODY}, ingress: [{{action: Deny, from: [{{namespaces: {{}}}}], ports: [{{portNumber: {{port: 81}}}}]}}]"
    ));
    assert_eq!(answer(&[silent], "red/web", "blue/web", "80"), Allowed);
}

#[test]
fn a_network_policy_of_the_other_direction_does_not_hide_the_baseline() {
    let policies = [
        np("blue", "policyTypes: [Egress], egress: [{}]"),
        banp(&format!("{EVERYBODY}, {}", ingress("Deny"))),
    ];
    assert_eq!(answer(&policies, "red/web", "blue/web", "80"), Denied);
}

#[test]
fn both_directions_must_allow() {
    let policies = [
        anp(
            "a",
            1,
            &format!(
                "subject: {{namespaces: {{matchLabels: {{tenant: red}}}}}}, {}",
                egress("Allow", "{namespaces: {}}")
            ),
        ),
        anp(
            "b",
            2,
            &format!(
                "subject: {{namespaces: {{matchLabels: {{tenant: blue}}}}}}, {}",
                ingress("Deny")
            ),
        ),
    ];
    assert_eq!(answer(&policies, "red/web", "blue/web", "80"), Denied);
    assert_eq!(answer(&policies[..1], "red/web", "blue/web", "80"), Allowed);
}

#[test]
fn an_egress_firewall_is_one_a_namespace_named_default() {
    let rule = "{type: Deny, to: {cidrSelector: 0.0.0.0/0}}";
    assert!(!refused(&firewall("red", rule)));
    assert!(refused(&firewall("red", rule).replace("name: default", "name: other")));
    for to in [
        "{}",
        "{cidrSelector: 10.0.0.0/8, dnsName: a.example.com}",
        "{nodeSelector: {}, dnsName: a.example.com}",
        "{dnsName: 'a b'}",
    ] {
        assert!(refused(&firewall("red", &format!("{{type: Deny, to: {to}}}"))), "{to}");
    }
    assert!(refused(&firewall("red", "{type: Drop, to: {cidrSelector: 10.0.0.0/8}}")));
    assert!(refused(&firewall(
        "red",
        "{type: Deny, to: {cidrSelector: 10.0.0.0/8}, ports: [{port: 80}]}"
    )));
}

#[test]
fn the_first_rule_of_a_firewall_decides_and_what_none_matches_is_allowed() {
    let rules = "{type: Allow, to: {cidrSelector: 8.8.8.0/24}, ports: [{protocol: UDP, port: 53}]}, {type: Deny, to: {cidrSelector: 8.8.0.0/16}}";
    let policies = [firewall("red", rules)];
    for (to, port, want) in [
        ("8.8.8.8", "53/udp", Allowed),
        ("8.8.8.8", "53", Denied),
        ("8.8.4.4", "53/udp", Denied),
        ("9.9.9.9", "53/udp", Allowed),
    ] {
        assert_eq!(answer(&policies, "red/web", to, port), want, "{to} {port}");
    }
    assert_eq!(answer(&policies, "blue/web", "8.8.4.4", "53/udp"), Allowed, "another namespace");
    assert_eq!(
        answer(&policies, "8.8.4.4", "red/web", "80"),
        Allowed,
        "what comes in is none of its business"
    );
}

#[test]
fn a_firewall_never_touches_what_goes_from_pod_to_pod() {
    let policies = [firewall("red", "{type: Deny, to: {cidrSelector: 0.0.0.0/0}}")];
    assert_eq!(answer(&policies, "red/web", "blue/web", "80"), Allowed);
    assert_eq!(answer(&policies, "red/web", "10.2.0.2", "80"), Allowed, "by its address");
    assert_eq!(
        answer(&policies, "red/web", "blue/agent", "80"),
        Denied,
        "on its node's network it is outside"
    );
    assert_eq!(answer(&policies, "red/web", "node/n1", "6443"), Denied, "and so is the API server");
}

#[test]
fn a_firewalls_node_selector_is_the_addresses_of_nodes() {
    let policies = [firewall(
        "red",
        "{type: Allow, to: {nodeSelector: {matchLabels: {role: control}}}}, {type: Deny, to: {cidrSelector: 10.0.0.0/8}}",
    )];
    assert_eq!(answer(&policies, "red/web", "10.1.0.2", "6443"), Allowed);
    assert_eq!(answer(&policies, "red/web", "10.1.0.1", "6443"), Denied);
}

#[test]
fn a_firewalls_star_stands_for_exactly_one_label() {
    let policies = [firewall(
        "red",
        "{type: Allow, to: {dnsName: '*.example.com'}}, {type: Deny, to: {cidrSelector: 0.0.0.0/0}}, {type: Deny, to: {cidrSelector: '::/0'}}",
    )];
    for (name, want) in
        [("a.example.com", Allowed), ("a.b.example.com", Denied), ("example.com", Denied)]
    {
        assert_eq!(answer(&policies, "red/web", name, "443"), want, "{name}");
    }
}

#[test]
fn one_broken_rule_breaks_the_whole_firewall() {
    let policy = firewall(
        "red",
        "{type: Deny, to: {cidrSelector: 0.0.0.0/0}}, {type: Deny, to: {cidrSelector: 10.0.0.0}}",
    );
    assert_eq!(warnings(&policy), [Code::BrokenFirewall]);
    assert_eq!(answer(&[policy], "red/web", "8.8.8.8", "53"), Allowed);
}

#[test]
fn what_the_crd_of_the_firewall_takes_for_a_type_drops() {
    let policy = firewall("red", "{type: Allowed, to: {cidrSelector: 0.0.0.0/0}}");
    assert_eq!(warnings(&policy), [Code::UndefinedRule]);
    assert_eq!(answer(&[policy], "red/web", "8.8.8.8", "53"), Denied);
}

#[test]
fn an_egress_network_policy_is_ipv4_without_ports() {
    let deny = "{type: Deny, to: {cidrSelector: 8.8.0.0/16}}";
    assert_eq!(answer(&[egress_network_policy("a", deny)], "red/web", "8.8.8.8", "53"), Denied);
    assert_eq!(answer(&[egress_network_policy("a", deny)], "red/web", "9.9.9.9", "53"), Allowed);
    assert_eq!(
        answer(
            &[egress_network_policy("a", "{type: Deny, to: {cidrSelector: 10.0.0.0/8}}")],
            "red/web",
            "blue/web",
            "80"
        ),
        Allowed
    );
    assert!(refused(&egress_network_policy("a", "{type: Deny, to: {cidrSelector: '::/0'}}")));
    assert!(refused(&egress_network_policy(
        "a",
        "{type: Deny, to: {cidrSelector: 10.0.0.0/8}, ports: []}"
    )));
}

#[test]
fn two_egress_network_policies_in_one_namespace_drop_everything_outside() {
    let two = [
        egress_network_policy("a", "{type: Allow, to: {cidrSelector: 0.0.0.0/0}}"),
        egress_network_policy("b", "{type: Allow, to: {cidrSelector: 0.0.0.0/0}}"),
    ];
    assert_eq!(answer(&two, "red/web", "8.8.8.8", "53"), Denied);
    assert_eq!(answer(&two, "red/web", "blue/web", "80"), Allowed, "pods are not outside");
    // One without rules is none.
    let one = [two[0].clone(), egress_network_policy("b", "")];
    assert_eq!(answer(&one, "red/web", "8.8.8.8", "53"), Allowed);
}

#[test]
fn the_block_0_0_0_0_32_of_an_egress_network_policy_is_every_address() {
    let policies = [egress_network_policy("a", "{type: Deny, to: {cidrSelector: 0.0.0.0/32}}")];
    assert_eq!(answer(&policies, "red/web", "8.8.8.8", "53"), Denied);
}

#[test]
fn an_administrators_allow_does_not_get_past_a_firewall() {
    let policies = [
        anp("a", 1, &format!("{EVERYBODY}, {}", egress("Allow", "{networks: [0.0.0.0/0]}"))),
        firewall("red", "{type: Deny, to: {cidrSelector: 8.8.0.0/16}}"),
    ];
    assert_eq!(answer(&policies, "red/web", "8.8.8.8", "53"), Denied);
    assert_eq!(answer(&policies, "blue/web", "8.8.8.8", "53"), Allowed);
}
