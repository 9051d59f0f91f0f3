//! What would be if an object were deleted or applied is what is without or with it.

#![expect(clippy::expect_used, reason = "helpers of tests, which say what they found")]

use kubereach::analysis::{Filter, Options, World, list};
use kubereach::cluster::{ObjectName, Overlay};
use kubereach::engine::Model;
use kubereach::manifest::{InputPath, Loaded, Resource, load, load_over};
use kubereach::render;
use std::fs;
use std::path::{Path, PathBuf};

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(folder).expect("the folder of scenarios");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

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
