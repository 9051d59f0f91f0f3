//! Every code has a page, and its example and repair do what the page says.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "helpers of tests, which say what they found"
)]

use kubereach::analysis::{
    Engines, HintCode, Options, PortQuery, World, explain, hint_page, resolve_endpoint,
};
use kubereach::diagnostic::{Code, Severity, page};
use kubereach::enforcement::Cni;
use kubereach::manifest::{InputPath, load};
use kubereach::policy::EffectId;
use std::collections::BTreeSet;

/// The blocks of a page that are in a language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let start = format!("```{language}\n");
    page.split(&start)
        .skip(1)
        .map(|rest| rest.split_once("\n```").expect("the end of a block").0)
        .collect()
}

fn world(text: &str, cni: Option<Cni>) -> World {
    let loaded = load(&[InputPath::Stdin], &mut text.as_bytes());
    World::new(loaded, Options { cni, ..Options::default() })
}

fn has_parts(page: &str, name: &str) {
    let mut rest = page;
    for part in ["Why: ", "Example:\n", "Fix: "] {
        let (before, after) =
            rest.split_once(part).unwrap_or_else(|| panic!("{name}: no `{part}` in order"));
        assert!(before.trim().len() > 40, "{name}: nothing before `{part}`");
        rest = after;
    }
}

#[test]
fn names_are_unique() {
    let findings = Code::ALL.iter().map(|code| code.name());
    let hints = HintCode::ALL.iter().map(|code| code.name());
    let effects = EffectId::ALL.iter().map(|effect| effect.name());
    let all: Vec<&str> = findings.chain(hints).chain(effects).collect();
    let unique: BTreeSet<&&str> = all.iter().collect();
    assert_eq!(unique.len(), all.len(), "a name stands for two things");
}

#[test]
fn findings_are_as_their_pages_say() {
    let mut shown = 0;
    for code in Code::ALL {
        let page = page(*code);
        has_parts(page, code.name());
        match blocks(page, "yaml").as_slice() {
            // What is about files and folders cannot be shown so.
            [] => {}
            [example, repaired] => {
                shown += 1;
                let found = world(example, None).diagnostics;
                assert!(found.iter().any(|own| own.code == *code), "{code}: {found:#?}");
                let found = world(repaired, None).diagnostics;
                let left: Vec<_> =
                    found.iter().filter(|own| own.severity != Severity::Note).collect();
                assert!(left.is_empty(), "{code}, repaired: {left:#?}");
            }
            others => panic!("{code}: {} blocks of YAML", others.len()),
        }
    }
    assert!(shown >= Code::ALL.len() - 5, "only {shown} pages have an example");
}

/// The hints of a question that a page shows.
fn hints(text: &str, command: &str) -> BTreeSet<HintCode> {
    let mut words = command.split_whitespace();
    let (mut ends, mut ports, mut cni): (Vec<&str>, Vec<PortQuery>, _) = (vec![], vec![], None);
    while let Some(word) = words.next() {
        match word {
            "$" | "kubereach" | "explain" => {}
            "-f" => assert_eq!(words.next(), Some("example.yaml")),
            "--port" => {
                let port = words.next().expect("a port");
                ports.push(port.parse().unwrap_or_else(|e| panic!("{command}: {e}")));
            }
            "--cni" => {
                let name = words.next().expect("a CNI");
                cni = Some(Cni::parse(name).unwrap_or_else(|e| panic!("{command}: {e}")));
            }
            end => ends.push(end),
        }
    }
    let world = world(text, cni);
    let errors: Vec<_> =
        world.diagnostics.iter().filter(|own| own.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{command}: {errors:#?}");
    let [source, destination] = ends.as_slice() else { panic!("{command}: two ends") };
    let end = |text| resolve_endpoint(&world, text).unwrap_or_else(|e| panic!("{command}: {e}"));
    let (source, destination) = (end(source), end(destination));
    let engines = Engines::between(&world, &[&source, &destination]);
    let found = explain(&world, &engines, &source, &destination, &ports)
        .unwrap_or_else(|e| panic!("{command}: {e}"));
    let of_cases = found
        .cases
        .iter()
        .flat_map(|case| case.directions.iter().flat_map(|side| &side.hints).chain(&case.hints));
    of_cases.chain(&found.hints).map(|hint| hint.code).collect()
}

#[test]
fn hints_are_as_their_pages_say() {
    for code in HintCode::ALL {
        let page = hint_page(*code);
        has_parts(page, code.name());
        let [example, repaired] = blocks(page, "yaml")[..] else {
            panic!("{code}: an example and its repair")
        };
        let [command] = blocks(page, "console")[..] else { panic!("{code}: one question") };
        let found = hints(example, command);
        assert!(found.contains(code), "{code}: {found:?}");
        let found = hints(repaired, command);
        assert!(!found.contains(code), "{code}, repaired: {found:?}");
    }
}
