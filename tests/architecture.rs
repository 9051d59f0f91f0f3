//! Who may import whom: the table of `CONTRIBUTING.md`, read off the `use` lines.

#![expect(clippy::expect_used, reason = "helpers of tests, which say what they found")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// (module, what it may import)
const ALLOWED: &[(&str, &[&str])] = &[
    ("lazy", &[]),
    ("net", &[]),
    ("diagnostic", &["lazy"]),
    // Beyond text, a manifest speaks of protocols and addresses: parsed once, there.
    ("manifest", &["diagnostic", "net"]),
    ("cluster", &["manifest", "net", "diagnostic"]),
    ("policy", &["cluster", "net", "diagnostic"]),
    ("enforcement", &["policy", "cluster", "net", "diagnostic"]),
    ("engine", &["policy", "cluster", "net", "lazy"]),
    (
        "analysis",
        &["engine", "enforcement", "policy", "cluster", "manifest", "net", "diagnostic", "lazy"],
    ),
    (
        "render",
        &[
            "analysis",
            "engine",
            "enforcement",
            "policy",
            "cluster",
            "manifest",
            "net",
            "diagnostic",
        ],
    ),
    (
        "cli",
        &[
            "render",
            "analysis",
            "engine",
            "enforcement",
            "policy",
            "cluster",
            "manifest",
            "net",
            "diagnostic",
        ],
    ),
];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            out.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    out
}

/// Modules of this crate that a file names: `crate::module`.
fn imports(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for part in line.split("crate::").skip(1) {
            let end = part.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(part.len());
            out.insert(part[..end].to_owned());
        }
    }
    out
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    for (module, allowed) in ALLOWED {
        for file in rust_files(&src.join(module)) {
            let text = fs::read_to_string(&file).expect("a source file");
            for import in imports(&text) {
                let known = ALLOWED.iter().any(|(name, _)| *name == import);
                assert!(known, "{}: `crate::{import}` is no module of the table", file.display());
                let fine = import == *module || allowed.contains(&import.as_str());
                assert!(fine, "{}: `{module}` must not import `{import}`", file.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "only {checked} imports found: is the test reading the right folder?");
}

#[test]
fn every_module_is_in_the_table() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(src).expect("src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("bin") {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            assert!(
                ALLOWED.iter().any(|(module, _)| *module == name),
                "`{name}` is not in the table"
            );
        }
    }
}

#[test]
fn the_apis_own_types_stay_in_the_manifest_module() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in rust_files(&src) {
        let text = fs::read_to_string(&file).expect("a source file");
        let inside = file.starts_with(src.join("manifest"));
        assert!(inside || !text.contains("k8s_openapi"), "{} uses k8s-openapi", file.display());
    }
}

#[test]
fn only_the_manifest_module_reads_files() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in rust_files(&src) {
        let text = fs::read_to_string(&file).expect("a source file");
        let reads = ["fs::read", "File::open", "stdin()"].iter().any(|call| text.contains(call));
        // The console hands standard input over; it does not read it.
        let may = file.starts_with(src.join("manifest")) || file.ends_with("cli/console.rs");
        assert!(may || !reads, "{} reads files", file.display());
    }
}
