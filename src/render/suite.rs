//! What became of tests: for people, and as `JUnit`, TAP, JSON and GitHub annotations.

use super::github::{data, property};
use super::json::location;
use super::style::{Look, bold, dim, loud, verdict};
use super::table::count;
use crate::analysis::{
    Counterexample, Coverage, FileRun, FirstTest, Outcome, PortQuery, Status, SuiteRun, Wanted,
};
use crate::cluster::PortRef;
use crate::net::Protocol;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The JSON Schema of test files: editors complete them by it.
pub const TEST_SCHEMA: &str = include_str!("test.schema.json");

fn word(status: Status) -> &'static str {
    match status {
        Status::Passed => "ok",
        Status::Failed => "FAIL",
        Status::Undetermined => "?",
        Status::Skipped => "skip",
    }
}

fn coloured(status: Status) -> String {
    let word = word(status);
    let padded = format!("{word:<4}");
    match status {
        Status::Passed => verdict("allowed").replace("allowed", &padded),
        Status::Failed => verdict("denied").replace("denied", &padded),
        Status::Undetermined | Status::Skipped => loud(&padded),
    }
}

fn name(outcome: &Outcome) -> String {
    // One line, whatever the file says.
    let own = outcome.name.replace(char::is_control, " ");
    match &outcome.under {
        Some(under) => format!("{own} [{under}]"),
        None => own,
    }
}

/// File by file; what holds is listed where `all` says so.
pub fn suite_text(run: &SuiteRun, all: bool, look: Look) -> String {
    let mut out = String::new();
    for file in &run.files {
        out.push_str(&file_text(file, all, look));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    if let Some(coverage) = &run.coverage {
        out.push_str(&coverage_text(coverage));
        out.push('\n');
    }
    if run.files.iter().any(|file| !file.outcomes.is_empty() || file.error.is_some()) {
        out.push_str(&tally(run));
    }
    out
}

fn file_text(file: &FileRun, all: bool, look: Look) -> String {
    let path = file.path.display();
    if let Some(error) = &file.error {
        let word = verdict("denied").replace("denied", "error");
        return format!("{word} {}\n        {error}\n", bold(&path.to_string()));
    }
    let Some(worst) = file.outcomes.iter().map(|own| own.status).max() else {
        return String::new();
    };
    let holds = file.outcomes.iter().filter(|own| own.status == Status::Passed).count();
    let total = file.outcomes.len();
    let tally = if holds == total {
        count(total, "expectation")
    } else {
        format!("{holds} of {total} expectations hold")
    };
    let tally = match &file.reading {
        Some(reading) => format!("{tally}, by {reading}"),
        None => tally,
    };
    let mut out = format!("{} {}  {}\n", coloured(worst), bold(&path.to_string()), dim(&tally));
    for outcome in &file.outcomes {
        let notes = || outcome.notes.iter().map(|note| format!("         note: {note}\n"));
        if outcome.status == Status::Passed {
            if all || !outcome.notes.is_empty() {
                let pairs = dim(&count(outcome.pairs, "pair"));
                let _ = writeln!(out, "  {} {}  {pairs}", coloured(outcome.status), name(outcome));
                out.extend(notes());
            }
            continue;
        }
        let _ = writeln!(
            out,
            "  {} {}  {}",
            coloured(outcome.status),
            name(outcome),
            dim(&outcome.place.to_string())
        );
        for line in detail(outcome, look) {
            let _ = writeln!(out, "         {line}");
        }
        out.extend(notes());
    }
    out
}

/// The counterexamples, a line each, and below each what decides.
fn detail(outcome: &Outcome, look: Look) -> Vec<String> {
    let mut out = Vec::new();
    for example in &outcome.counterexamples {
        out.push(example.text.replace('→', look.arrow()));
        out.extend(
            reasons(example)
                .into_iter()
                .map(|line| format!("  {}", line.replace('→', look.arrow()))),
        );
    }
    if outcome.more > 0 {
        out.push(format!("and {} more", outcome.more));
    }
    out
}

fn reasons(example: &Counterexample) -> Vec<String> {
    let width = example.reasons.iter().map(|(what, ..)| what.chars().count()).max().unwrap_or(0);
    let line = |(what, text, place): &(String, String, Option<crate::diagnostic::Location>)| {
        let place = place.as_ref().map(|place| format!("  {}", dim(&place.to_string())));
        format!("{what:<width$}  {text}{}", place.unwrap_or_default())
    };
    example.reasons.iter().map(line).collect()
}

fn coverage_text(coverage: &Coverage) -> String {
    let mut out = format!(
        "coverage: the loss of {} of {} is noticed ({} %)\n",
        coverage.noticed(),
        match coverage.total {
            1 => "1 policy or rule".to_owned(),
            total => format!("{total} policies and rules"),
        },
        coverage.percent()
    );
    for own in &coverage.unnoticed {
        let _ = writeln!(out, "  nobody would miss {}  {}", own.what, dim(&own.place.to_string()));
    }
    out
}

/// The last line.
fn tally(run: &SuiteRun) -> String {
    let [passed, skipped, undetermined, failed] =
        [Status::Passed, Status::Skipped, Status::Undetermined, Status::Failed]
            .map(|status| run.count(status));
    let errors = run.files.iter().filter(|file| file.error.is_some()).count();
    let total = passed + skipped + undetermined + failed;
    let mut parts = vec![format!("{passed} of {total} expectations hold")];
    for (number, text) in
        [(failed, "failed"), (undetermined, "cannot be decided"), (skipped, "skipped")]
    {
        if number > 0 {
            parts.push(format!("{number} {text}"));
        }
    }
    if errors > 0 {
        parts.push(format!("{} could not be run", count(errors, "file")));
    }
    if run.stopped {
        parts.push("the others were not run".into());
    }
    format!("{}\n", parts.join(", "))
}

/// The names of expectations, with their files.
pub fn suite_list<'n>(names: impl Iterator<Item = (String, &'n str)>) -> String {
    names.fold(String::new(), |out, (path, name)| out + &format!("{path}: {name}\n"))
}

/// A first test file, with what it does not hold as comments. Manifests are those that the user named.
pub fn first_test_yaml(first: &FirstTest, manifests: &[String], cni: Option<&str>) -> String {
    let mut out = String::from(
        "# What holds today, by `kubereach test --init`: keep what is meant, and change what is not.\n",
    );
    for note in &first.notes {
        let _ = writeln!(out, "# {}", note.replace('\n', " "));
    }
    let one = |list: &[String]| match list {
        [one] => json!(one),
        several => json!(several),
    };
    let ports = |list: &[PortQuery]| match list {
        [PortQuery { protocol: Some(Protocol::Tcp), port: PortRef::Number(port), last: None }] => {
            json!(port)
        }
        several => one(&several.iter().map(ToString::to_string).collect::<Vec<_>>()),
    };
    let expectations: Vec<Value> = first
        .expectations
        .iter()
        .filter_map(|own| {
            let (subject, about, list, only, asked) = match &own.wanted {
                Wanted::OnlyFrom { to, ports, only } => ("to", to, "onlyFrom", only, ports),
                Wanted::OnlyTo { from, ports, only } => ("from", from, "onlyTo", only, ports),
                _ => return None,
            };
            let mut value = json!({ "name": own.name, subject: one(about) });
            if !asked.is_empty() {
                value["port"] = ports(asked);
            }
            value[list] = json!(only);
            Some(value)
        })
        .collect();
    let mut test = json!({ "apiVersion": "kubereach/v1", "kind": "ReachabilityTest" });
    if !manifests.is_empty() {
        test["manifests"] = json!(manifests);
    }
    if let Some(cni) = cni {
        test["cni"] = json!(cni);
    }
    test["expectations"] = json!(expectations);
    out.push_str(&serde_yaml::to_string(&test).unwrap_or_default());
    out
}

/// The counterexample as plain text: nothing is coloured there.
fn plain(outcome: &Outcome) -> String {
    let text = detail(outcome, Look::default()).join("\n");
    anstream::adapter::strip_str(&text).to_string()
}

fn first(outcome: &Outcome) -> String {
    outcome.counterexamples.first().map(|own| own.text.clone()).unwrap_or_default()
}

/// `JUnit`: a suite for each file. What cannot be decided is skipped, with its reason.
pub fn suite_junit(run: &SuiteRun) -> String {
    let mut report = Report::new("kubereach");
    for file in &run.files {
        let path = file.path.to_string_lossy();
        let mut suite = TestSuite::new(&*path);
        if let Some(error) = &file.error {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(&**error);
            let mut case = TestCase::new("manifests", status);
            case.set_classname(&*path);
            suite.add_test_case(case);
        }
        for outcome in &file.outcomes {
            let mut status = match outcome.status {
                Status::Passed => TestCaseStatus::success(),
                Status::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
                Status::Undetermined | Status::Skipped => TestCaseStatus::skipped(),
            };
            if outcome.status != Status::Passed {
                status.set_message(first(outcome));
                status.set_description(plain(outcome));
            }
            if outcome.status == Status::Failed {
                status.set_type("reachability");
            }
            let mut case = TestCase::new(name(outcome), status);
            case.set_classname(&*path);
            case.extra.insert("file".into(), (&*outcome.place.path).into());
            case.extra.insert("line".into(), outcome.place.line.to_string().into());
            suite.add_test_case(case);
        }
        if suite.tests > 0 {
            report.add_test_suite(suite);
        }
    }
    report.to_string().unwrap_or_default()
}

/// TAP, version 14, with a YAML block below what does not hold.
pub fn suite_tap(run: &SuiteRun) -> String {
    let cases = |file: &FileRun| file.outcomes.len() + usize::from(file.error.is_some());
    let total: usize = run.files.iter().map(cases).sum();
    let mut out = format!("TAP version 14\n1..{total}\n");
    let mut number = 0;
    // `#` starts a directive, and a backslash keeps it from doing so.
    let escape = |text: &str| text.replace('\\', "\\\\").replace('#', "\\#").replace('\n', " ");
    for file in &run.files {
        let path = file.path.display();
        if let Some(error) = &file.error {
            number += 1;
            let _ = writeln!(out, "not ok {number} - {}", escape(&format!("{path}: {error}")));
        }
        for outcome in &file.outcomes {
            number += 1;
            let title = escape(&format!("{path}: {}", name(outcome)));
            let _ = match outcome.status {
                Status::Passed => writeln!(out, "ok {number} - {title}"),
                Status::Failed => writeln!(out, "not ok {number} - {title}"),
                Status::Undetermined | Status::Skipped => {
                    writeln!(out, "ok {number} - {title} # SKIP {}", escape(&first(outcome)))
                }
            };
            if outcome.status == Status::Failed {
                let block = json!({
                    "message": first(outcome),
                    "severity": "fail",
                    "at": { "file": &*outcome.place.path, "line": outcome.place.line },
                    "detail": plain(outcome),
                });
                let text = serde_yaml::to_string(&block).unwrap_or_default();
                let _ = writeln!(out, "  ---");
                for line in text.lines() {
                    let _ = writeln!(out, "  {line}");
                }
                let _ = writeln!(out, "  ...");
            }
        }
    }
    out
}

/// One JSON document.
pub fn suite_json(run: &SuiteRun) -> Value {
    let example = |own: &Counterexample| {
        let reasons: Vec<Value> = own
            .reasons
            .iter()
            .map(|(what, text, place)| {
                json!({ "about": what, "text": text, "at": place.as_ref().map(location) })
            })
            .collect();
        json!({ "text": own.text, "reasons": reasons })
    };
    let outcome = |own: &Outcome| {
        json!({
            "name": own.name,
            "at": location(&own.place),
            "cni": own.under,
            "status": match own.status {
                Status::Passed => "passed",
                Status::Failed => "failed",
                Status::Undetermined => "undetermined",
                Status::Skipped => "skipped",
            },
            "pairs": own.pairs,
            "counterexamples": own.counterexamples.iter().map(example).collect::<Vec<_>>(),
            "more": own.more,
            "notes": own.notes,
        })
    };
    let files: Vec<Value> = run
        .files
        .iter()
        .map(|file| {
            json!({
                "path": file.path.to_string_lossy(),
                "name": file.name,
                "enforcedBy": file.reading,
                "error": file.error,
                "expectations": file.outcomes.iter().map(outcome).collect::<Vec<_>>(),
            })
        })
        .collect();
    let coverage = run.coverage.as_ref().map(|own| {
        let unnoticed: Vec<Value> = own
            .unnoticed
            .iter()
            .map(|own| json!({ "what": own.what, "at": location(&own.place) }))
            .collect();
        json!({ "total": own.total, "noticed": own.noticed(), "unnoticed": unnoticed })
    });
    json!({
        "schema": "kubereach/test/v1",
        "passed": run.count(Status::Passed),
        "failed": run.count(Status::Failed),
        "undetermined": run.count(Status::Undetermined),
        "skipped": run.count(Status::Skipped),
        "stopped": run.stopped,
        "files": files,
        "coverage": coverage,
    })
}

/// Annotations of a GitHub workflow: of each kind GitHub shows ten of a step, so the tally comes first.
pub fn suite_github(run: &SuiteRun) -> String {
    let mut out = format!("::notice title=reachability tests::{}\n", data(tally(run).trim_end()));
    for file in &run.files {
        let path = file.path.to_string_lossy();
        if let Some(error) = &file.error {
            let _ =
                writeln!(out, "::error file={},title=manifests::{}", property(&path), data(error));
        }
        for outcome in &file.outcomes {
            let level = match outcome.status {
                Status::Failed => "error",
                Status::Undetermined => "warning",
                Status::Passed | Status::Skipped => continue,
            };
            let _ = writeln!(
                out,
                "::{level} file={},line={},title={}::{}",
                property(&outcome.place.path),
                outcome.place.line,
                property(&name(outcome)),
                data(&plain(outcome))
            );
        }
    }
    for own in run.coverage.iter().flat_map(|own| &own.unnoticed) {
        let _ = writeln!(
            out,
            "::notice file={},line={},title=no test::nobody would miss {}",
            property(&own.place.path),
            own.place.line,
            data(&own.what)
        );
    }
    out
}
