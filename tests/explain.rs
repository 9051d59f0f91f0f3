//! Explanations of every question that a scenario asks: they say what `can` says, and are as their schema
//! has them.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "helpers of tests, which say what they found"
)]

mod common;

use boon::{Compiler, Schemas};
use common::{expected, root, scenarios};
use kubereach::analysis::{
    Answer, Engines, Explanation, PortQuery, Wanted, World, can, explain, resolve_endpoint,
};
use kubereach::enforcement::Cni;
use kubereach::engine::{Decision, Outcome};
use kubereach::manifest::{InputPath, load};
use kubereach::policy::Action;
use kubereach::render::{self, Look};
use std::fs;

#[test]
fn explanations_agree_with_answers_and_with_their_schema() {
    let mut compiler = Compiler::new();
    let schema = serde_json::from_str(render::EXPLAIN_SCHEMA).unwrap_or_else(|e| panic!("{e}"));
    compiler.add_resource("explain.json", schema).unwrap_or_else(|e| panic!("{e}"));
    let mut schemas = Schemas::new();
    let schema = compiler.compile("explain.json", &mut schemas).unwrap_or_else(|e| panic!("{e:#}"));
    let mut seen = [0; 4];
    for folder in scenarios() {
        let scenario = expected(&folder);
        for name in
            [None, Some("flannel"), Some("cilium@1.18"), Some("aws-vpc-cni"), Some("unknown")]
        {
            let cni = name.map(|name| Cni::parse(name).unwrap_or_else(|e| panic!("{e}")));
            let options = scenario.options(cni);
            let loaded = load(&[InputPath::Path(folder.clone())], &mut std::io::empty());
            let world = World::new(loaded, options);
            let engines = Engines::new(&world);
            let mut asked = Vec::new();
            for expectation in &scenario.expectations {
                let Wanted::Pairs { from, to, ports, .. } = &expectation.wanted else { continue };
                let each: Vec<&[PortQuery]> =
                    if ports.is_empty() { vec![&[]] } else { ports.chunks(1).collect() };
                for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (from, to))) {
                    let questions =
                        each.iter().map(|ports| (from.clone(), to.clone(), ports.to_vec()));
                    asked.extend(questions.map(|own| (&*expectation.name, own)));
                }
            }
            // Whole namespaces, too: of these some get through and some do not.
            let spaces = world.cluster.namespace_ids();
            let ends: Vec<String> = spaces
                .filter(|&id| world.cluster.pods_in(id).next().is_some())
                .map(|id| format!("ns/{}", world.cluster.namespace(id).name))
                .collect();
            for (from, to) in ends.iter().zip(ends.iter().rev()) {
                asked.push(("namespaces", (from.clone(), to.clone(), Vec::new())));
            }
            for (name_of, (from, to, ports)) in asked {
                let about = format!("{}: {name_of} ({name:?})", folder.display());
                let found = question(&world, &engines, &from, &to, &ports, &about);
                seen[match found.answer.answer {
                    Answer::Allowed => 0,
                    Answer::Denied => 1,
                    Answer::Partly => 2,
                    Answer::Undetermined => 3,
                }] += 1;
                let document = render::explain_json(&world, &found);
                schemas
                    .validate(&document, schema)
                    .unwrap_or_else(|e| panic!("{about}: {e:#}\n{document:#}"));
            }
        }
    }
    assert!(seen.iter().all(|&count| count > 20), "{seen:?}");
}

fn question(
    world: &World,
    engines: &Engines<'_>,
    from: &str,
    to: &str,
    ports: &[PortQuery],
    about: &str,
) -> Explanation {
    let end = |text| resolve_endpoint(world, text).unwrap_or_else(|e| panic!("{about}: {e}"));
    let (source, destination) = (end(from), end(to));
    let found = explain(world, engines, &source, &destination, ports)
        .unwrap_or_else(|e| panic!("{about}: {e}"));
    let answer = can(world, engines, &source, &destination, ports)
        .unwrap_or_else(|e| panic!("{about}: {e}"));
    assert_eq!(answer.answer, found.answer.answer, "{about}");
    assert_eq!(answer.groups.len(), found.cases.len(), "{about}");
    for (group, case) in answer.groups.iter().zip(&found.cases) {
        assert!(
            group.reasons.is_empty() || !case.outright.is_empty() || !case.directions.is_empty(),
            "{about}: nothing is explained"
        );
        for side in &case.directions {
            let rules = || side.policies.iter().flat_map(|policy| &policy.rules);
            let matching = |action: Action| {
                rules().any(|rule| {
                    rule.asked && rule.outcome == Outcome::Matches && rule.action == action
                })
            };
            // The account of all rules says the same as the reason.
            match side.reason.code {
                "rule" => assert!(matching(Action::Allow), "{about}: {side:#?}"),
                "denied-by-rule" => assert!(matching(Action::Deny), "{about}: {side:#?}"),
                "isolated" => {
                    assert_eq!(side.reason.decision, Decision::Denied, "{about}");
                    assert!(!matching(Action::Allow), "{about}: {side:#?}");
                    let asked = side.policies.iter().filter(|policy| policy.asked);
                    assert!(asked.into_iter().any(|policy| policy.isolates), "{about}: {side:#?}");
                }
                _ => {}
            }
        }
    }
    // Every way to print it ends.
    let look = Look::default();
    for text in [
        render::explain_text(world, &found, look),
        render::explain_brief(world, &found, look),
        render::explain_markdown(world, &found),
    ] {
        assert!(text.contains(found.answer.answer.word()), "{about}: {text}");
    }
    found
}

/// On each of the mistakes that people make, what is wrong is on the first screen.
#[test]
fn the_first_screen_names_the_mistake() {
    let mistakes = [
        ("bare-pod-selector", "hint[other-namespace]"),
        ("block-over-pods", "declared allowed: cilium"),
        ("disjoint-ports", "hint[disjoint-ports]"),
        ("dns-egress", "hint[no-name-resolution]"),
        ("load-balancer", "hint[address-outside]"),
        ("named-port", "hint[port-name-unresolved]"),
        ("namespace-label", "hint[namespace-label]"),
        ("or-for-and", "hint[two-items]"),
        ("policy-types", "hint[direction-without-rules]"),
        ("ports-own-rule", "hint[split-rule]"),
        ("protocol", "hint[protocol-differs]"),
        ("service-port", "hint[service-port]"),
        ("subject-typo", "hint[subject-selects-nothing]"),
        ("version-label", "hint[label-differs]"),
        ("webhook", "hint[host-network-peer]"),
    ];
    for (name, hint) in mistakes {
        let path = root().join("scenarios").join(format!("mistake-{name}")).join("README.md");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        // The transcripts are held to the program by another test.
        let (_, output) =
            text.split_once("$ kubereach explain").unwrap_or_else(|| panic!("{name}: no question"));
        let screen: Vec<&str> = output.lines().take(30).collect();
        assert!(screen.iter().any(|line| line.contains(hint)), "{name}: {}", screen.join("\n"));
    }
}
