//! Every scenario holds, and its picture in `graphs/` is not stale.

#![expect(clippy::expect_used, reason = "helpers of tests, which say what they found")]

mod common;

use common::{expected, root, scenarios};
use kubereach::analysis::{
    Expectation, Filter, Given, Options, Picture, RunOptions, Shown, Status, SuiteRun, Under, View,
    World, blast_radius, check_one, find_tests, first_test, list, read_tests, resolve_endpoint,
    run_tests,
};
use kubereach::cluster::{ObjectName, Overlay};
use kubereach::diagnostic::SourceMap;
use kubereach::enforcement::{Cni, PROFILES, enforce_without, page};
use kubereach::engine::Model;
use kubereach::manifest::{InputPath, Resource, load};
use kubereach::policy::EffectId;
use kubereach::render::{self, Drawing, Frame};
use std::collections::BTreeSet;
use std::fs;

fn run(options: &RunOptions, given: &Given) -> SuiteRun {
    let found = find_tests(&[root().join("scenarios")]).expect("scenarios");
    let (files, faults) = read_tests(&found, &mut SourceMap::default());
    assert!(faults.is_empty(), "{faults:#?}");
    run_tests(&files, given, options)
}

#[test]
fn every_expectation_holds() {
    let done = run(&RunOptions::default(), &Given::default());
    let errors: Vec<_> = done.files.iter().filter_map(|file| file.error.as_ref()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let missed: Vec<String> = done
        .files
        .iter()
        .flat_map(|file| &file.outcomes)
        .filter(|own| own.status != Status::Passed)
        .map(|own| format!("{}: {}: {:#?}", own.place, own.name, own.counterexamples))
        .collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    let holds = done.count(Status::Passed);
    println!("{holds} expectations");
    assert!(holds > 1_000, "only {holds} expectations were found");
}

#[test]
fn every_scenario_is_a_document() {
    for folder in scenarios() {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let readme = fs::read_to_string(folder.join("README.md")).expect(name);
        assert!(readme.contains("kubereach "), "{name}: the README shows no command");
        let scenario = expected(&folder);
        assert_eq!(scenario.name, name);
        assert!(!scenario.description.is_empty(), "{name} says nothing of itself");
        assert!(scenario.expectations.len() >= 5, "{name} has few expectations");
    }
}

/// A rule that no expectation notices the loss of is a rule that nobody tests.
#[test]
fn the_loss_of_a_scenarios_policies_is_noticed() {
    for folder in scenarios() {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let loaded = load(&[InputPath::Path(folder.clone())], &mut std::io::empty());
        let scenario = expected(&folder);
        let flannel = Cni::parse("flannel").expect("a CNI");
        let world = World::new(loaded, scenario.options(Some(flannel)));
        let holds = |own: &&Expectation| check_one(&world, own).status == Status::Passed;
        let holds = scenario.expectations.iter().filter(holds).count();
        assert!(holds < scenario.expectations.len(), "{name} holds without any policy");
    }
}

/// The coverage report lists exactly the policies without which every expectation holds, as deleting each by hand
/// shows.
#[test]
fn coverage_is_what_deleting_shows() {
    let (mut noticed, mut unnoticed) = (0, 0);
    for folder in scenarios() {
        let path = folder.join("scenario.yaml");
        let (files, _) = read_tests(&[path], &mut SourceMap::default());
        let options = RunOptions { coverage: true, ..RunOptions::default() };
        let coverage =
            run_tests(&files, &Given::default(), &options).coverage.expect("a coverage report");
        let loaded = load(&[InputPath::Path(folder.clone())], &mut std::io::empty());
        for resource in &loaded.resources {
            let Resource::NetworkPolicy(policy) = resource else { continue };
            let namespace = policy.meta.namespace.as_deref().unwrap_or("default");
            let name = format!("netpol/{namespace}/{}", policy.meta.name);
            let overlay = Overlay {
                delete: vec![ObjectName::parse(&name).expect("a name")],
                ..Overlay::default()
            };
            let given =
                Given { options: Options { overlay, ..Options::default() }, ..Given::default() };
            let done = run_tests(&files, &given, &RunOptions::default());
            let all_hold = done.count(Status::Passed) == files[0].expectations.len();
            let what = format!("{namespace}/{}", policy.meta.name);
            let listed = coverage.unnoticed.iter().any(|own| own.what == what);
            assert_eq!(listed, all_hold, "{}: {what}", folder.display());
            if listed { unnoticed += 1 } else { noticed += 1 }
        }
    }
    println!("{noticed} policies are missed, {unnoticed} are not");
    assert!(noticed > 200 && unnoticed > 10, "{noticed} {unnoticed}");
}

/// What a first test file says holds, and what it leaves out it tells of.
#[test]
fn a_first_test_holds() {
    let mut expectations = 0;
    for folder in scenarios() {
        let loaded = load(&[InputPath::Path(folder.clone())], &mut std::io::empty());
        let world = World::new(loaded, expected(&folder).options(None));
        let first = first_test(&world, None);
        assert!(
            !first.expectations.is_empty() || !first.notes.is_empty(),
            "{}: nothing is said",
            folder.display()
        );
        for own in &first.expectations {
            let outcome = check_one(&world, own);
            assert_eq!(outcome.status, Status::Passed, "{}: {outcome:#?}", folder.display());
            expectations += 1;
        }
    }
    assert!(expectations > 500, "{expectations}");
}

/// Each habit of an enforcer has an expectation that does not hold without it.
#[test]
fn every_divergence_is_noticed() {
    let mut noticed: BTreeSet<EffectId> = BTreeSet::new();
    for folder in scenarios() {
        let scenario = expected(&folder);
        for expectation in &scenario.expectations {
            let Some(Under::Cni(cni)) = expectation.under.first().cloned() else { continue };
            let loaded = load(&[InputPath::Path(folder.clone())], &mut std::io::empty());
            let options = scenario.options(Some(cni.clone()));
            let mut world = World::new(loaded, options);
            let effects: BTreeSet<EffectId> = world.changes.iter().map(|c| c.effect).collect();
            for effect in effects.difference(&noticed.clone()) {
                let without = enforce_without(&world.declared, &world.cluster, &cni, &[*effect]);
                (world.policies, world.changes) = (without.policies, without.changes);
                if check_one(&world, expectation).status != Status::Passed {
                    noticed.insert(*effect);
                }
                world.switch(cni.clone());
            }
        }
    }
    let missing: Vec<&str> =
        EffectId::ALL.iter().filter(|e| !noticed.contains(e)).map(|e| e.name()).collect();
    assert!(missing.is_empty(), "no expectation fails without {}", missing.join(", "));
}

/// Each CNI has an expectation of its own.
#[test]
fn every_cni_is_expected_something_of() {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for folder in scenarios() {
        let scenario = expected(&folder);
        for under in scenario.expectations.iter().flat_map(|own| &own.under) {
            if let Under::Cni(cni) = under {
                known.insert(cni.profile.name);
            }
        }
    }
    for profile in PROFILES {
        assert!(known.contains(profile.name), "no scenario is about {}", profile.name);
    }
}

#[test]
fn every_divergence_has_a_page() {
    for effect in EffectId::ALL {
        let page = page(*effect);
        assert!(page.len() > 100, "{effect} has no page worth the name: {page}");
        for part in ["Who:", "Do:"] {
            assert!(page.contains(part), "the page of {effect} does not say `{part}`");
        }
    }
}

/// Every picture of `graphs/`: its name, and what it is.
fn pictures() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for folder in scenarios() {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let scenario = expected(&folder);
        let loaded = load(&[InputPath::Path(folder.clone())], &mut std::io::empty());
        let cni = scenario.under.first().and_then(|under| match under {
            Under::Cni(cni) => Some(cni.clone()),
            Under::Declared => None,
        });
        let world = World::new(loaded, scenario.options(cni));
        let model = Model::new(&world.cluster, &world.policies);
        let listing = list(&world, &model, &Filter::default());
        let title = format!("scenarios/{name}");
        out.push((format!("{name}.dot"), render::dot(&world, &listing, &title)));
        let picture = Picture::new(&world, &listing, None);
        let frame = Frame { title, subtitle: render::enforced(&world), ..Frame::default() };
        let drawing = Drawing { world: &world, listing: Some(&listing), frame };
        let svg = |shown: &Shown| render::picture_svg(&drawing, shown);
        out.push((format!("{name}.svg"), svg(&picture.shown(None))));
        if name == "shop" {
            let boxes = picture.shown(Some(View::Workloads));
            out.push(("shop-workloads.svg".into(), svg(&boxes)));
            out.push(("shop-overview.svg".into(), svg(&picture.shown(Some(View::Overview)))));
            out.push(("shop.mmd".into(), render::mermaid(&drawing, &picture, None)));
            let web = resolve_endpoint(&world, "shop/deploy/web").expect("web");
            let radius = blast_radius(&picture, &web, None);
            let frame = Frame {
                title: "What shop/deploy/web reaches, if it is taken over".into(),
                ..drawing.frame.clone()
            };
            let drawing = Drawing { listing: None, frame, ..drawing.clone() };
            let picture = radius.picture(&picture).collapsed();
            let shown = Shown { view: View::Focus, picture };
            out.push(("shop-blast-radius.svg".into(), render::picture_svg(&drawing, &shown)));
        }
    }
    out
}

#[test]
fn graphs_are_not_stale() {
    // `KUBEREACH_UPDATE=1 cargo test --test scenarios` writes them anew.
    let update = std::env::var_os("KUBEREACH_UPDATE").is_some();
    let folder = root().join("graphs");
    let mut names = BTreeSet::new();
    for (name, drawn) in pictures() {
        let path = folder.join(&name);
        if update {
            fs::write(&path, &drawn).expect("graphs/ can be written");
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == drawn, "{} is stale", path.display());
        names.insert(name);
    }
    for entry in fs::read_dir(folder).expect("graphs/") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(names.contains(&name), "graphs/{name} belongs to no scenario");
    }
}
