//! How much work a fixed input takes, counted: allocations, not seconds.
//!
//! A figure above its bound is a change that makes every run slower; one far below it is a bound to be
//! lowered.

#![expect(clippy::expect_used, reason = "a helper of a test, which says what it found")]

#[path = "../benches/support/mod.rs"]
mod support;

use allocation_counter::measure;
use kubereach::cluster::{Assumptions, resolve};
use kubereach::engine::Model;
use kubereach::manifest::load_text;
use kubereach::policy::compile;

/// Counts what happens on this thread: the pool has no other.
fn on_one_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    pool.expect("a pool of this thread").install(work)
}

#[test]
fn work_stays_within_its_bounds() {
    let shape = support::shape("1k").expect("a shape");
    let text = shape.text();
    let pods = shape.pods() as u64;
    let policies = (shape.namespaces * shape.policies) as u64;
    on_one_thread(|| {
        let mut counted = Vec::new();
        let mut loaded = None;
        let info = measure(|| loaded = Some(load_text("dump.yaml", text.as_bytes())));
        let loaded = loaded.expect("it was read");
        assert_eq!(loaded.diagnostics, []);
        counted.push(("reading a pod", info.count_total / pods, 11));

        let mut resolved = None;
        let info = measure(|| {
            resolved = Some(resolve(
                loaded.resources,
                &loaded.set_aside,
                &loaded.sources,
                &Assumptions::default(),
            ));
        });
        let (cluster, _) = resolved.expect("it was resolved");
        assert_eq!(cluster.pods.len(), shape.pods());
        counted.push(("resolving a pod", info.count_total / pods, 6));

        let set = compile(&cluster);
        let info = measure(|| Model::new(&cluster, &set).compile());
        counted.push(("compiling a policy and its pods", info.count_total / policies, 40));
        for (what, count, bound) in counted {
            println!("{what}: {count} allocations");
            assert!(count <= bound, "{what} takes {count} allocations, more than {bound}");
        }
    });
}
