//! The table of `benches/README.md`: whole runs of the program on made-up dumps, each beside `wc -l` of
//! the same file, and what a model in memory answers.
//!
//! `cargo bench --bench table` takes the shapes `1k` and `10k`; others by name:
//! `cargo bench --bench table -- 1k 10k 100k`, worst cases by `own-classes dense blocks ports`. A file is
//! taken as it is, with two ends: `-- dump.yaml,team-0/deploy/web,team-1/deploy/api`.

mod support;

use kubereach::cluster::{Assumptions, PodId, resolve};
use kubereach::engine::{Change, Decision, Model, NewPolicy};
use kubereach::manifest::{InputPath, load};
use kubereach::net::{Family, Protocol};
use kubereach::policy::{Direction, PolicyId, PolicySet, compile};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 11;

fn main() -> io::Result<()> {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let words = if words.is_empty() { vec!["1k".into(), "10k".into()] } else { words };
    let folder = std::env::temp_dir().join("kubereach-table");
    std::fs::create_dir_all(&folder)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "median of {RUNS} runs; in brackets, times `wc -l` of the same file in this run"
    )?;
    for word in words {
        let (path, ends) = dump(&folder, &word)?;
        let bytes = std::fs::metadata(&path)?.len();
        writeln!(out, "\n{word}: {} MB", bytes / 1_000_000)?;
        let lines = median(&mut || run(Command::new("wc").arg("-l").arg(&path)));
        let mut show = |what: &str, time: Duration| {
            let ratio = time.as_secs_f64() / lines.as_secs_f64();
            let time = match time.as_nanos() {
                ns @ 0..10_000 => format!("{ns} ns"),
                ns @ 10_000..1_000_000 => format!("{} µs", ns / 1000),
                _ => format!("{:.1} ms", time.as_secs_f64() * 1e3),
            };
            writeln!(out, "  {what:48} {time:>10}  ({ratio:.2})")
        };
        show("wc -l", lines)?;
        let program = || Command::new(env!("CARGO_BIN_EXE_kubereach"));
        let can = |path: &Path| {
            let mut command = program();
            command.arg("can").args(&ends).args(["--port", "8000", "--cni", "calico", "-f"]);
            command.arg(path);
            command
        };
        show("can, cold", median(&mut || run(&mut can(&path))))?;
        if let Some(json) = as_json(&path, bytes)? {
            show("can, cold, from JSON", median(&mut || run(&mut can(&json))))?;
        }
        let list = |form: &'static [&'static str]| {
            median(&mut || {
                run(program().arg("list").args(form).args(["--cni", "calico", "-f"]).arg(&path))
            })
        };
        show("list", list(&[]))?;
        show("list, one line per pair (csv)", list(&["-o", "csv"]))?;
        in_memory(&path, &mut show)?;
        match peak(&can(&path)) {
            Some(kib) => {
                let beyond = kib.saturating_sub(bytes / 1024) / 1024;
                writeln!(out, "  {:48} {beyond:>6} MiB", "memory beyond the file, can")?;
            }
            None => writeln!(out, "  memory: no `/usr/bin/time` here")?,
        }
    }
    Ok(())
}

/// Writes the dump of a shape once, or takes a file as it is.
fn dump(folder: &Path, word: &str) -> io::Result<(PathBuf, Vec<String>)> {
    if let Some(shape) = support::shape(word) {
        let path = folder.join(format!("{word}.yaml"));
        let mut file = BufWriter::new(File::create(&path)?);
        shape.write(&mut file)?;
        file.flush()?;
        return Ok((path, shape.ends().to_vec()));
    }
    let mut parts = word.split(',').map(str::to_owned);
    let path = parts.next().unwrap_or_default().into();
    Ok((path, parts.collect()))
}

/// The same dump as `kubectl get -o json` prints it, beside the YAML; of a large one that takes too much
/// memory.
fn as_json(path: &Path, bytes: u64) -> io::Result<Option<PathBuf>> {
    if bytes > 100_000_000 {
        return Ok(None);
    }
    let value: serde_json::Value =
        serde_yaml::from_reader(File::open(path)?).map_err(io::Error::other)?;
    let json = std::env::temp_dir().join("kubereach-table").join("dump.json");
    let mut file = BufWriter::new(File::create(&json)?);
    let form = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut file, form))?;
    file.write_all(b"\n")?;
    file.flush()?;
    Ok(Some(json))
}

fn run(command: &mut Command) -> Duration {
    let start = Instant::now();
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    start.elapsed()
}

fn median(run: &mut dyn FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| run()).collect();
    times.sort();
    times[RUNS / 2]
}

/// Peak memory of a command in KiB, mapped files included.
fn peak(command: &Command) -> Option<u64> {
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%M"]).arg(command.get_program()).args(command.get_args());
    let output = timed.output().ok()?;
    String::from_utf8(output.stderr).ok()?.lines().last()?.trim().parse().ok()
}

/// What takes place without reading anything.
fn in_memory(
    path: &Path,
    show: &mut dyn FnMut(&str, Duration) -> io::Result<()>,
) -> io::Result<()> {
    let loaded = load(&[InputPath::Path(path.to_owned())], &mut io::empty());
    let assumptions = Assumptions::default();
    let (cluster, _) = resolve(loaded.resources, &loaded.set_aside, &loaded.sources, &assumptions);
    let policies = compile(&cluster);
    let compiled = median(&mut || {
        let start = Instant::now();
        Model::new(&cluster, &policies).compile();
        start.elapsed()
    });
    show("compile every row, model in memory", compiled)?;

    let model = Model::new(&cluster, &policies);
    model.compile();
    let count = cluster.pods.len();
    let mut seed = 1_u64;
    let mut pod = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        PodId::new(usize::try_from(seed >> 33).unwrap_or(0) % count)
    };
    let pairs: Vec<(PodId, PodId)> = (0..1_000_000).map(|_| (pod(), pod())).collect();
    let start = Instant::now();
    let open = pairs
        .iter()
        .filter(|(a, b)| model.decide(*a, *b, Family::V4, Protocol::Tcp, 8000) == Decision::Allowed)
        .count();
    let each = start.elapsed() / 1_000_000;
    show(&format!("hot point query ({open} of a million allowed)"), each)?;

    let model = Model::editable(&cluster, &policies);
    let mut times: Vec<Duration> = (0..2000)
        .filter_map(|at| {
            let change = edit(&policies, at * 7919, at * 104_729 + 13)?;
            let start = Instant::now();
            model.what_if(&change).ok()?;
            Some(start.elapsed())
        })
        .collect();
    times.sort();
    if let (Some(median), Some(late)) =
        (times.get(times.len() / 2), times.get(times.len() * 99 / 100))
    {
        show(&format!("what-if of one policy, median of {}", times.len()), *median)?;
        show("what-if of one policy, 99th percentile", *late)?;
    }
    Ok(())
}

/// One policy with the rules of another.
fn edit(policies: &PolicySet, at: usize, other: usize) -> Option<Change> {
    let count = policies.policies.len();
    let id = PolicyId::new(at.checked_rem(count)?);
    let other = policies.policy(PolicyId::new(other % count));
    let mut policy = policies.policy(id).clone();
    (policy.isolates, policy.counts) = (other.isolates, other.counts);
    let rules = Direction::ALL.map(|direction| {
        let ids = other.rules[direction.index()].iter();
        ids.map(|&id| policies.rule(id).clone()).collect()
    });
    Some(Change::Replace(id, NewPolicy { policy, rules }))
}
