//! The parts of a run, one by one: `cargo bench --bench parts`.

mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kubereach::cluster::{Assumptions, resolve};
use kubereach::engine::Model;
use kubereach::manifest::{Readers, load_text, load_text_by};
use kubereach::policy::compile;
use std::hint::black_box;

fn reading(criterion: &mut Criterion) {
    let Some(shape) = support::shape("1k") else { return };
    let text = shape.text();
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.sample_size(10);
    group.bench_function("what kubectl prints", |b| {
        b.iter(|| load_text("dump.yaml", black_box(text.as_bytes())));
    });
    group.bench_function("arbitrary YAML", |b| {
        b.iter(|| load_text_by(Readers::Full, "dump.yaml", black_box(text.as_bytes())));
    });
    group.finish();
}

fn compiling(criterion: &mut Criterion) {
    for name in ["1k", "10k", "dense", "blocks", "ports"] {
        let Some(shape) = support::shape(name) else { continue };
        let loaded = load_text("dump.yaml", shape.text().as_bytes());
        let assumptions = Assumptions::default();
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        group.bench_function("resolve", |b| {
            b.iter_batched(
                || loaded.resources.clone(),
                |resources| resolve(resources, &[], &loaded.sources, &assumptions),
                BatchSize::LargeInput,
            );
        });
        let (cluster, _) = resolve(loaded.resources.clone(), &[], &loaded.sources, &assumptions);
        let policies = compile(&cluster);
        group.bench_function("sort into classes", |b| {
            b.iter(|| Model::new(black_box(&cluster), &policies));
        });
        group.bench_function("compile every row", |b| {
            b.iter(|| Model::new(black_box(&cluster), &policies).compile());
        });
        group.finish();
    }
}

criterion_group!(parts, reading, compiling);
criterion_main!(parts);
