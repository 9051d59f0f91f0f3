//! Tests of policy sets: their schema, their snapshots, and what they cost.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "helpers of tests, which say what they found"
)]

mod common;

use boon::{Compiler, Schemas};
use common::{root, scenarios};
use kubereach::analysis::{Given, RunOptions, Snapshot, Status, find_tests, read_tests, run_tests};
use kubereach::diagnostic::SourceMap;
use kubereach::render;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn value_of(path: &Path) -> serde_json::Value {
    let text = fs::read_to_string(path).expect("a test file");
    serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn test_files_are_as_the_published_schema_says() {
    let mut compiler = Compiler::new();
    let schema = serde_json::from_str(render::TEST_SCHEMA).expect("a schema");
    compiler.add_resource("test.json", schema).unwrap_or_else(|e| panic!("{e}"));
    let mut schemas = Schemas::new();
    let schema = compiler.compile("test.json", &mut schemas).unwrap_or_else(|e| panic!("{e:#}"));
    let mut files: Vec<PathBuf> =
        scenarios().iter().map(|folder| folder.join("scenario.yaml")).collect();
    let suite = root().join("tests/cli/input/suite");
    files.extend(["shop", "broken"].map(|name| suite.join(format!("{name}.reach.yaml"))));
    for path in files {
        schemas
            .validate(&value_of(&path), schema)
            .unwrap_or_else(|e| panic!("{}: {e:#}", path.display()));
    }
    // What the reader refuses the schema refuses, too.
    let faults = root().join("tests/cli/input/suite-faults/faults.reach.yaml");
    assert!(schemas.validate(&value_of(&faults), schema).is_err());
    let whole = "
apiVersion: kubereach/v1
kind: ReachabilityTest
expectations: ";
    for (text, fine) in [
        ("[{name: a, from: a, to: b, port: 80, verdict: allowed}]", true),
        ("[{name: a, from: [a], to: [b], port: [80, 53/udp], verdict: denied, pairs: some}]", true),
        ("[{name: a, to: b, onlyFrom: []}]", true),
        ("[{name: a, from: b, onlyTo: [c], cni: [calico, flannel]}]", true),
        ("[{name: a, isolated: [a, [b, c]]}]", true),
        ("[{name: a, unchanged: x.snap, namespace: shop}]", true),
        ("[{name: a, table: \"x\\na .\"}]", true),
        ("[{name: a}]", false),
        ("[]", false),
        ("[{name: a, from: a, verdict: allowed}]", false),
        ("[{name: a, isolated: [a]}]", false),
        ("[{name: a, from: a, to: b, verdict: allow}]", false),
        ("[{name: a, to: b, onlyFrom: c, isolated: [a, b]}]", false),
        ("[{name: a, to: b, onlyFrom: c, mayMatchNothing: 1}]", false),
        ("{name: a}", false),
    ] {
        let folder = scratch("schema");
        let path = folder.join("a.reach.yaml");
        fs::write(&path, format!("{whole}{text}\n")).expect("a file");
        let by_schema = schemas.validate(&value_of(&path), schema).is_ok();
        let by_reader = read_tests(&[path], &mut SourceMap::default()).1.is_empty();
        assert_eq!((by_schema, by_reader), (fine, fine), "{text}");
    }
}

/// A folder of its own, empty.
fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("suite-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn kubereach(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubereach"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("kubereach runs")
}

#[test]
fn a_snapshot_is_written_held_to_and_accepted_anew() {
    let folder = scratch("snapshot");
    let suite = root().join("tests/cli/input/suite");
    for name in ["cluster.yaml", "policies.yaml"] {
        fs::copy(suite.join(name), folder.join(name)).expect("a copy");
    }
    fs::write(
        folder.join("all.reach.yaml"),
        "apiVersion: kubereach/v1\nkind: ReachabilityTest\ncni: [declared, flannel]\n\
         expectations: [{name: nothing changes, unchanged: all.snap}]\n",
    )
    .expect("a test");
    let status = |arguments: &[&str]| {
        let found = kubereach(&folder, arguments);
        (found.status.code(), String::from_utf8_lossy(&found.stdout).into_owned())
    };
    let (code, text) = status(&["test"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("there is no snapshot `all.declared.snap`"), "{text}");
    assert_eq!(status(&["test", "--update"]).0, Some(0));
    assert_eq!(status(&["test"]).0, Some(0));
    let [declared, flannel] = ["declared", "flannel"].map(|name| {
        let path = folder.join(format!("all.{name}.snap"));
        let text = fs::read_to_string(path).expect("a snapshot");
        Snapshot::parse(&text).expect("a snapshot that can be read")
    });
    assert!(!declared.connections.is_empty() && flannel.connections.is_empty());
    // A rule more is a line more, and accepting it is one command.
    let policies = fs::read_to_string(folder.join("policies.yaml")).expect("policies");
    let wider =
        policies.replacen("ports: [{port: 5432}]", "ports: [{port: 5432}, {port: 9187}]", 1);
    fs::write(folder.join("policies.yaml"), wider).expect("policies");
    let (code, text) = status(&["test"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("0 added, 0 removed, 1 changed"), "{text}");
    assert!(text.contains("shop/deploy/api → shop/sts/db  tcp/5432 → tcp/5432,9187"), "{text}");
    assert_eq!(status(&["test", "--update"]).0, Some(0));
    assert_eq!(status(&["test"]).0, Some(0));
}

/// A snapshot of every scenario is read as it is written, and one of other policies is another one.
#[test]
fn snapshots_of_scenarios_tell_policies_apart() {
    let folder = scratch("scenarios");
    let mut told = 0;
    for scenario in scenarios() {
        let name = scenario.file_name().and_then(|name| name.to_str()).expect("a name");
        let path = folder.join(format!("{name}.reach.yaml"));
        fs::write(
            &path,
            format!(
                "apiVersion: kubereach/v1\nkind: ReachabilityTest\nmanifests: ['{}']\ncni: declared\n\
                 expectations: [{{name: nothing changes, unchanged: {name}.snap}}]\n",
                scenario.display()
            ),
        )
        .expect("a test");
        let (files, faults) = read_tests(&[path], &mut SourceMap::default());
        assert!(faults.is_empty(), "{faults:#?}");
        let update = RunOptions { update: true, ..RunOptions::default() };
        let written = run_tests(&files, &Given::default(), &update);
        assert_eq!(written.count(Status::Passed), 1, "{name}: {:#?}", written.files);
        let held = run_tests(&files, &Given::default(), &RunOptions::default());
        assert_eq!(held.count(Status::Passed), 1, "{name}: {:#?}", held.files);
        let covered = RunOptions { coverage: true, ..RunOptions::default() };
        let coverage = run_tests(&files, &Given::default(), &covered).coverage.expect("coverage");
        told += coverage.noticed();
    }
    assert!(told > 500, "the loss of {told} policies and rules shows");
}

/// Each of these once passed, or was told of wrongly, in a way that a reader would have trusted.
#[test]
fn what_is_not_so_does_not_hold() {
    let pods = "
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: a, labels: {app: db}}
spec: {containers: [{name: c, image: i, ports: [{name: pg, containerPort: 5432}]}]}
status: {podIPs: [{ip: 10.0.0.2}, {ip: \"fd00::2\"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: a, labels: {app: web}}
spec: {containers: [{name: c, image: i}]}
status: {podIPs: [{ip: 10.0.0.3}, {ip: \"fd00::3\"}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: a}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{ipBlock: {cidr: \"::/0\"}}], ports: [{port: 80}]}]
";
    for (expectation, status, why) in [
        (
            "from: a/pod/web, to: a/pod/db, port: 80, verdict: denied",
            Some(Status::Failed),
            "open over IPv6 alone",
        ),
        (
            "from: a/pod/web, to: a/pod/db, port: 80, verdict: allowed",
            Some(Status::Failed),
            "closed over IPv4, which comes first",
        ),
        (
            "from: a/pod/web, to: a/pod/db, port: 81, verdict: denied",
            Some(Status::Passed),
            "closed",
        ),
        ("to: a/pod/db, port: gp, onlyFrom: []", Some(Status::Failed), "no port of that name"),
        ("to: a/pod/db, port: 80, onlyFrom: ['::/0']", Some(Status::Passed), "what the rule says"),
        ("to: a/pod/db, port: 81, onlyFrom: []", Some(Status::Passed), "closed to all"),
        ("unchanged: x.snap, namespace: aa", Some(Status::Failed), "no such namespace"),
        ("table: \"a/pod/db a/pod/web\\na/pod/web X\"", None, "a mark is missing"),
        ("table: \"| to | a/pod/db |\\n| a/pod/web |  |\"", None, "a cell is empty"),
        ("isolated: [[], a/pod/db]", None, "an empty group"),
        ("from: a/pod/web, to: a/pod/db, verdict: denied, verdict: allowed", None, "twice"),
        ("to: a/pod/db, port: [], onlyFrom: []", None, "no port is every port"),
    ] {
        let folder = scratch("holds");
        fs::write(folder.join("m.yaml"), pods).expect("manifests");
        let path = folder.join("t.reach.yaml");
        let text = format!(
            "apiVersion: kubereach/v1\nkind: ReachabilityTest\ncni: declared\n\
             expectations: [{{name: it, {expectation}}}]\n"
        );
        fs::write(&path, text).expect("a test");
        let (files, _) = read_tests(&[path], &mut SourceMap::default());
        let run = run_tests(&files, &Given::default(), &RunOptions::default());
        let found = run.files.first().and_then(|file| file.outcomes.first());
        assert_eq!(found.map(|own| own.status), status, "{why}: {expectation}: {found:#?}");
    }
}

#[test]
fn no_file_but_a_snapshot_is_overwritten() {
    let folder = scratch("overwrite");
    let suite = root().join("tests/cli/input/suite");
    for name in ["cluster.yaml", "policies.yaml"] {
        fs::copy(suite.join(name), folder.join(name)).expect("a copy");
    }
    let test = "apiVersion: kubereach/v1\nkind: ReachabilityTest\n\
                expectations: [{name: it, unchanged: policies.yaml}]\n";
    fs::write(folder.join("a.reach.yaml"), test).expect("a test");
    let before = fs::read(folder.join("policies.yaml")).expect("policies");
    let found = kubereach(&folder, &["test", "--update"]);
    assert_eq!(found.status.code(), Some(1), "{found:?}");
    assert_eq!(fs::read(folder.join("policies.yaml")).expect("policies"), before);
}

#[test]
fn tests_are_found_by_their_names() {
    let suite = root().join("tests/cli/input/suite");
    let found = find_tests(&[suite.clone(), suite.join("shop.reach.yaml")]).expect("tests");
    let names: Vec<&str> =
        found.iter().filter_map(|path| path.file_name().and_then(|name| name.to_str())).collect();
    assert_eq!(names, ["broken.reach.yaml", "live.netassert.yaml", "shop.reach.yaml"]);
    assert!(find_tests(&[suite.join("nothing")]).is_err());
}
