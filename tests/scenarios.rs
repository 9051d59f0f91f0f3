//! Every scenario holds, and its picture in `graphs/` is not stale.

#![expect(clippy::expect_used, reason = "helpers of tests, which say what they found")]

mod common;

use common::{root, scenarios};
use kubereach::analysis::{Engines, Filter, Scenario, World, check, list, run_scenario};
use kubereach::enforcement::{Cni, PROFILES, enforce_without, page};
use kubereach::engine::Model;
use kubereach::manifest::{InputPath, load};
use kubereach::policy::EffectId;
use kubereach::render;
use std::collections::BTreeSet;
use std::fs;

#[test]
fn every_expectation_holds() {
    let (mut expectations, mut failures) = (0, Vec::new());
    for folder in scenarios() {
        let result =
            run_scenario(&folder.join("scenario.yaml")).unwrap_or_else(|error| panic!("{error}"));
        expectations += result.expectations;
        for failure in result.failures {
            failures.push(format!("{}: {}: {}", result.name, failure.name, failure.message));
        }
    }
    println!("{expectations} expectations");
    assert!(expectations > 200, "only {expectations} expectations were found");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_scenario_is_a_document() {
    for folder in scenarios() {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let readme = fs::read_to_string(folder.join("README.md")).expect(name);
        assert!(readme.contains("kubereach "), "{name}: the README shows no command");
        let scenario =
            Scenario::read(&folder.join("scenario.yaml")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(scenario.metadata.name, name);
        assert!(scenario.expectations.len() >= 5, "{name} has few expectations");
    }
}

/// A rule that no expectation notices the loss of is a rule that nobody tests.
#[test]
fn the_loss_of_a_scenarios_policies_is_noticed() {
    for folder in scenarios() {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let scenario =
            Scenario::read(&folder.join("scenario.yaml")).unwrap_or_else(|e| panic!("{e}"));
        let flannel = scenario
            .run_with(&folder, Cni::parse("flannel").as_ref().ok())
            .unwrap_or_else(|e| panic!("{e}"));
        assert!(!flannel.failures.is_empty(), "{name} holds without any policy");
    }
}

/// Each habit of an enforcer has an expectation that does not hold without it.
#[test]
fn every_divergence_is_noticed() {
    let mut noticed: BTreeSet<EffectId> = BTreeSet::new();
    for folder in scenarios() {
        let scenario =
            Scenario::read(&folder.join("scenario.yaml")).unwrap_or_else(|e| panic!("{e}"));
        for expectation in &scenario.expectations {
            let Some(name) = &expectation.cni else { continue };
            let cni = Cni::parse(name).unwrap_or_else(|e| panic!("{e}"));
            let loaded = load(&[InputPath::Path(folder.clone())], &mut std::io::empty());
            let options = scenario.options(Some(cni.clone())).unwrap_or_else(|e| panic!("{e}"));
            let mut world = World::new(loaded, options);
            let effects: BTreeSet<EffectId> = world.changes.iter().map(|c| c.effect).collect();
            for effect in effects.difference(&noticed.clone()) {
                let without = enforce_without(&world.declared, &world.cluster, &cni, &[*effect]);
                (world.policies, world.changes) = (without.policies, without.changes);
                if check(&world, &Engines::new(&world), expectation).is_err() {
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
    let mut expected: BTreeSet<&str> = BTreeSet::new();
    for folder in scenarios() {
        let scenario =
            Scenario::read(&folder.join("scenario.yaml")).unwrap_or_else(|e| panic!("{e}"));
        let names = scenario.expectations.iter().filter_map(|e| e.cni.as_deref());
        expected.extend(
            names.map(|name| Cni::parse(name).unwrap_or_else(|e| panic!("{e}")).profile.name),
        );
    }
    for profile in PROFILES {
        assert!(expected.contains(profile.name), "no scenario is about {}", profile.name);
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

#[test]
fn graphs_are_not_stale() {
    // `KUBEREACH_UPDATE=1 cargo test --test scenarios` writes them anew.
    let update = std::env::var_os("KUBEREACH_UPDATE").is_some();
    let mut expected = Vec::new();
    for folder in scenarios() {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let scenario =
            Scenario::read(&folder.join("scenario.yaml")).unwrap_or_else(|e| panic!("{e}"));
        let loaded = load(&[InputPath::Path(folder)], &mut std::io::empty());
        let cni = scenario.cni.as_deref().and_then(|name| Cni::parse(name).ok());
        let world = World::new(loaded, scenario.options(cni).unwrap_or_else(|e| panic!("{e}")));
        let model = Model::new(&world.cluster, &world.policies);
        let listing = list(&world, &model, &Filter::default());
        let drawn = render::dot(&world, &listing, &format!("scenarios/{name}"));
        let path = root().join("graphs").join(format!("{name}.dot"));
        if update {
            fs::write(&path, &drawn).expect("graphs/ can be written");
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(stored, drawn, "{} is stale", path.display());
        expected.push(path);
    }
    for entry in fs::read_dir(root().join("graphs")).expect("graphs/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "dot") {
            assert!(expected.contains(&path), "{} belongs to no scenario", path.display());
        }
    }
}
