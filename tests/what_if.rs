//! What would be if an object were deleted or applied is what is without or with it.

#![expect(clippy::expect_used, reason = "helpers of tests, which say what they found")]

mod common;

use boon::{Compiler, Schemas};
use common::scenarios;
use kubereach::analysis::{Filter, Options, RowTurn, World, diff, list};
use kubereach::cluster::{ObjectName, Overlay};
use kubereach::enforcement::Cni;
use kubereach::engine::Model;
use kubereach::manifest::{InputPath, Loaded, Resource, load, load_over};
use kubereach::render::{self, SideNames};
use std::path::{Path, PathBuf};

fn loaded(folder: &Path) -> Loaded {
    load(&[InputPath::Path(folder.to_path_buf())], &mut std::io::empty())
}

/// Every connection of a world, but for what says where policies stand.
fn connections(world: &World) -> serde_json::Value {
    let model = Model::new(&world.cluster, &world.policies);
    let filter = Filter { open: true, ..Filter::default() };
    render::listing_json(world, &list(world, &model, &filter))["connections"].take()
}

#[test]
fn deleting_and_applying_are_each_others_inverse() {
    let mut policies = 0;
    for folder in scenarios() {
        let before =
            World::new(loaded(&folder), Options { as_declared: true, ..Options::default() });
        let before = connections(&before);
        let all = loaded(&folder);
        for at in 0..all.resources.len() {
            let Resource::NetworkPolicy(policy) = &all.resources[at] else { continue };
            policies += 1;
            let name = &policy.meta.name;
            let about = format!("{}: {name}", folder.display());
            let namespace = policy.meta.namespace.as_deref().unwrap_or("default");
            let text = format!("netpol/{namespace}/{name}");
            let overlay = Overlay {
                delete: vec![ObjectName::parse(&text).unwrap_or_else(|e| panic!("{about}: {e}"))],
                ..Overlay::default()
            };
            let options = Options { as_declared: true, overlay, ..Options::default() };
            let deleted = World::new(loaded(&folder), options);
            assert!(deleted.edit_errors.is_empty(), "{about}: {:?}", deleted.edit_errors);
            let mut without = loaded(&folder);
            without.resources.remove(at);
            let options = Options { as_declared: true, ..Options::default() };
            let without = World::new(without, options);
            assert_eq!(connections(&deleted), connections(&without), "{about}");
            // Its own file applied over the rest brings it back.
            let source = all.sources.source(policy.meta.span.source).expect("a source");
            let file = InputPath::Path(PathBuf::from(&*source.name));
            let options = Options { as_declared: true, ..Options::default() };
            let whole = InputPath::Path(folder.clone());
            let again = load_over(&[whole], &[file], &mut std::io::empty());
            assert!(!again.applied.is_empty(), "{about}");
            assert_eq!(connections(&World::new(again, options)), before, "{about}");
        }
    }
    assert!(policies > 150, "{policies}");
}

#[test]
fn nothing_differs_from_itself() {
    for folder in scenarios() {
        for cni in [None, Some("calico"), Some("cilium@1.18"), Some("aws-vpc-cni"), Some("unknown")]
        {
            let world = || {
                let cni = cni.map(|name| Cni::parse(name).expect("a CNI"));
                let options = Options { as_declared: cni.is_none(), cni, ..Options::default() };
                World::new(loaded(&folder), options)
            };
            let found = diff(&world(), &world());
            assert!(found.rows.is_empty(), "{} {cni:?}: {:#?}", folder.display(), found.rows);
            assert_eq!(found.looked_at, 0, "{} {cni:?}", folder.display());
        }
    }
}

/// A policy that goes is told by what it opened and closed: what is listed without it, and not with it.
#[test]
fn a_diff_is_the_difference_of_two_lists() {
    let mut compiler = Compiler::new();
    let schema = serde_json::from_str(render::DIFF_SCHEMA).expect("a schema");
    compiler.add_resource("diff.json", schema).expect("a schema");
    let mut schemas = Schemas::new();
    let schema = compiler.compile("diff.json", &mut schemas).expect("a schema");
    let names = SideNames { before: "a".into(), after: "b".into(), revisions: true };
    let mut changes = 0;
    for folder in scenarios() {
        let all = loaded(&folder);
        let options = || Options { as_declared: true, ..Options::default() };
        let before = World::new(loaded(&folder), options());
        for at in 0..all.resources.len() {
            if !matches!(all.resources[at], Resource::NetworkPolicy(_)) {
                continue;
            }
            let mut without = loaded(&folder);
            without.resources.remove(at);
            let after = World::new(without, options());
            let found = diff(&before, &after);
            let lists = [&before, &after].map(connections);
            let about = format!("{}: {}", folder.display(), all.resources[at].meta().name);
            // The lists differ where the diff says so, and only then.
            assert_eq!(found.rows.is_empty(), lists[0] == lists[1], "{about}");
            changes += usize::from(!found.rows.is_empty());
            let sure = found.rows.iter().filter(|row| row.turn() != RowTurn::Undetermined);
            for row in sure {
                assert!(!row.causes.is_empty(), "{about}: nothing causes {row:?}");
            }
            let document = render::diff_json(&found, &names);
            schemas.validate(&document, schema).unwrap_or_else(|e| panic!("{about}: {e:#}"));
            for text in [
                render::diff_text(&found, &names, false),
                render::diff_markdown(&found, &names),
                render::diff_github(&found),
            ] {
                assert!(
                    found.rows.is_empty()
                        || text.contains("moved")
                        || text.contains("added")
                        || text.contains("changed")
                        || text.contains("undetermined"),
                    "{about}: {text}"
                );
            }
        }
    }
    assert!(changes > 100, "{changes}");
}
