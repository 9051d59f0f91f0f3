//! The flow of a pull request: a clone, two branches, one command.

#![expect(clippy::expect_used, reason = "helpers of tests, which say what they found")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of this test's own, gone when it ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kubereach-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn git(&self, arguments: &[&str]) {
        let done = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
            .args(["-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .expect("git");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn diff(&self, folder: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_kubereach"))
            .arg("diff")
            .args(arguments)
            .current_dir(self.0.join(folder))
            .output()
            .expect("kubereach");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (status.code(), text(&stdout), text(&stderr))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/input").join(name);
    fs::read_to_string(path).expect("a fixture")
}

/// A repository whose branch `feature` has other policies than `main`, which has gone on since.
fn repository(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.git(&["init", "-q", "-b", "main"]);
    folder.write("deploy/workloads.yaml", &fixture("before/workloads.yaml"));
    folder.write("deploy/policies.yaml", &fixture("before/policies.yaml"));
    folder.write("README.md", "text");
    folder.git(&["add", "."]);
    folder.git(&["commit", "-q", "-m", "base"]);
    folder.git(&["checkout", "-q", "-b", "feature"]);
    folder.write("deploy/policies.yaml", &fixture("after/policies.yaml"));
    folder.git(&["commit", "-q", "-a", "-m", "change"]);
    folder.git(&["checkout", "-q", "main"]);
    folder.write("other/late.yaml", &fixture("db-from-web.yaml"));
    folder.git(&["add", "."]);
    folder.git(&["commit", "-q", "-m", "goes on"]);
    folder.git(&["checkout", "-q", "feature"]);
    folder
}

#[test]
fn a_pull_request_is_compared_with_where_it_left() {
    let folder = repository("range");
    let (status, out, err) = folder.diff(".", &["--git", "main...HEAD", "--", "deploy/"]);
    assert_eq!((status, err.as_str()), (Some(1), ""), "{out}");
    assert!(out.contains("→ shop/deploy/web  tcp/8080"), "{out}");
    assert!(out.contains("deploy/policies.yaml:23"), "{out}");
    assert!(out.contains("deploy/policies.yaml:23 at main"), "{out}");
    // What main has done since is not this branch's doing.
    assert!(!out.contains("db-from-web"), "{out}");
    let (_, out, _) = folder.diff(".", &["--git", "main..HEAD"]);
    assert!(out.contains("removed: db-from-web, rule 1"), "{out}");
    assert!(out.contains("other/late.yaml:7 at main"), "{out}");
    // Paths are seen from where one stands.
    let (status, out, _) = folder.diff("deploy", &["--git", "main...feature"]);
    assert_eq!(status, Some(1));
    assert!(out.contains("  policies.yaml:23 at main"), "{out}");
}

#[test]
fn the_working_tree_is_compared_with_a_revision() {
    let folder = repository("tree");
    let (status, out, err) = folder.diff(".", &["--git", "HEAD"]);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    folder.write("deploy/policies.yaml", &fixture("before/policies.yaml"));
    let (status, out, _) = folder.diff(".", &["--git", "HEAD"]);
    assert_eq!(status, Some(1), "{out}");
    assert!(out.contains("removed: web, rule 1"), "{out}");
    // A path that only one side has is all new there.
    folder.write("more/db.yaml", &fixture("db-from-web.yaml"));
    let (status, out, _) = folder.diff(".", &["--git", "HEAD", "--", "deploy", "more"]);
    assert_eq!(status, Some(1), "{out}");
    assert!(out.contains("db-from-web, rule 1"), "{out}");
}

#[test]
fn what_git_cannot_do_is_said() {
    let folder = repository("errors");
    for (range, wanted) in [
        ("nope", "git knows no revision `nope`"),
        ("main...nope", "git knows no revision `nope`"),
        ("--upload-pack=x", "unexpected argument"),
    ] {
        let (status, out, err) = folder.diff(".", &["--git", range]);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{range}: {err}");
        assert!(err.contains(wanted), "{range}: {err}");
    }
    let outside = Folder::new("outside");
    let (status, _, err) = outside.diff(".", &["--git", "HEAD"]);
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("not a git repository"), "{err}");
}

#[test]
fn a_path_that_is_on_neither_side_is_an_error_and_one_that_is_gone_a_removal() {
    let folder = repository("paths");
    let (code, _, told) = folder.diff(".", &["--git", "main...feature", "--", "depoly", "deploy"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("`depoly` on either side"), "{told}");
    folder.git(&["rm", "-r", "-q", "deploy"]);
    let (code, told, error) = folder.diff(".", &["--git", "HEAD", "--", "deploy"]);
    assert_eq!(code, Some(1), "{told}{error}");
    assert!(told.contains("- workload shop/sts/db"), "{told}");
}

#[test]
fn what_was_not_understood_may_have_changed() {
    let folder = repository("unread");
    let policy = |peer: &str| {
        format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: db, namespace: shop}}\nspec: {{endpointSelector: {{}}, ingress: [{peer}]}}\n"
        )
    };
    folder.write("a/policy.yaml", &policy(""));
    folder.write("b/policy.yaml", &policy("{fromEntities: [all]}"));
    for side in ["a", "b"] {
        folder.write(&format!("{side}/workloads.yaml"), &fixture("before/workloads.yaml"));
    }
    let (code, told, _) = folder.diff(".", &["a", "b"]);
    assert_eq!((code, told.contains("no change")), (Some(3), false), "{told}");
    let (code, told, _) = folder.diff(".", &["a", "a"]);
    assert_eq!((code, told.contains("no change")), (Some(0), true), "{told}");
}

#[test]
fn standard_input_is_there_for_both_sides() {
    let folder = repository("stdin");
    let dump = fs::File::open(folder.0.join("deploy/workloads.yaml")).expect("a file");
    let done = Command::new(env!("CARGO_BIN_EXE_kubereach"))
        .args(["diff", "-f", "-", "--apply", "deploy/policies.yaml"])
        .current_dir(&folder.0)
        .stdin(dump)
        .output()
        .expect("kubereach");
    let told = String::from_utf8_lossy(&done.stdout);
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(!told.contains("workload shop/"), "{told}");
}
