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

    fn git_says(&self, arguments: &[&str]) -> String {
        let done = Command::new("git").args(arguments).current_dir(&self.0).output().expect("git");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Puts a program into `bin`, which [`Self::diff`] finds first.
    #[cfg(unix)]
    fn program(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = format!("bin/{name}");
        self.write(&path, text);
        let path = self.0.join(path);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program");
    }

    fn diff(&self, folder: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let path = std::env::var("PATH").expect("a PATH");
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_kubereach"))
            .arg("diff")
            .args(arguments)
            .env("PATH", format!("{}:{path}", self.0.join("bin").display()))
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
    // Main has gone on: its files may have other lines by now.
    let base = folder.git_says(&["merge-base", "main", "HEAD"]);
    let base = &base[..7];
    assert!(out.contains(&format!("deploy/policies.yaml:23 at {base}")), "{out}");
    // What main has done since is not this branch's doing.
    assert!(!out.contains("db-from-web"), "{out}");
    let (_, out, _) = folder.diff(".", &["--git", "main..HEAD"]);
    assert!(out.contains("removed: db-from-web, rule 1"), "{out}");
    assert!(out.contains("other/late.yaml:7 at main"), "{out}");
    // Paths are seen from where one stands.
    let (status, out, _) = folder.diff("deploy", &["--git", "main...feature"]);
    assert_eq!(status, Some(1));
    assert!(out.contains(&format!("  policies.yaml:23 at {base}")), "{out}");
    // From where it still is, main is called by its name.
    folder.git(&["checkout", "-q", "-b", "late", "main"]);
    folder.git(&["rm", "-q", "other/late.yaml"]);
    folder.git(&["commit", "-q", "-m", "goes back"]);
    let (_, out, _) = folder.diff(".", &["--git", "main...late"]);
    assert!(out.contains("other/late.yaml:7 at main"), "{out}");
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
fn of_the_working_tree_nothing_is_read_that_git_ignores() {
    let folder = repository("ignored");
    folder.write(".gitignore", "build/\nlocal.yaml\n");
    folder.write("build/db.yaml", &fixture("db-from-web.yaml"));
    folder.write("local.yaml", &fixture("db-from-web.yaml"));
    let (status, out, err) = folder.diff(".", &["--git", "HEAD"]);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    // What is named is read, and so is what is new and not ignored.
    let (status, out, _) = folder.diff(".", &["--git", "HEAD", "--", "deploy", "local.yaml"]);
    assert_eq!(status, Some(1), "{out}");
    assert!(out.contains("db-from-web, rule 1"), "{out}");
    folder.write("new/db.yaml", &fixture("db-from-web.yaml"));
    let (status, out, _) = folder.diff("deploy", &["--git", "HEAD"]);
    assert_eq!(status, Some(0), "only what is below: {out}");
    let (status, out, _) = folder.diff(".", &["--git", "HEAD"]);
    assert_eq!(status, Some(1), "{out}");
    assert!(out.contains("new/db.yaml:"), "{out}");
}

#[test]
fn paths_are_read_as_they_are_meant_however_they_are_written() {
    let folder = repository("spelt");
    folder.write(".hid/h.yaml", &fixture("db-from-web.yaml"));
    folder.write("a*/p.yaml", &fixture("db-from-web.yaml"));
    folder.write("ab/named.txt", &fixture("db-from-web.yaml"));
    folder.write("ab/more.yaml", &fixture("db-from-web.yaml"));
    folder.git(&["add", "."]);
    folder.git(&["commit", "-q", "-m", "odd names"]);
    let whole = folder.0.join(".hid").display().to_string();
    for path in
        ["./.hid", ".hid/h.yaml", "./.hid/h.yaml", "./ab/named.txt", "ab/../ab", "a*", &whole]
    {
        for range in ["HEAD", "HEAD..HEAD"] {
            let (status, out, err) = folder.diff(".", &["--git", range, "--", "deploy", path]);
            assert_eq!((status, err.as_str()), (Some(0), ""), "{range} {path}: {out}");
        }
        let alone = ["./.hid", "./.hid/h.yaml", "./ab/named.txt", "ab/../ab", &whole];
        if alone.contains(&path) {
            let (status, out, _) = folder.diff(".", &["--git", "main..HEAD", "--", "deploy", path]);
            assert!(status == Some(1) && out.contains("db-from-web, rule 1"), "{path}: {out}");
        }
    }
    // What a sparse checkout leaves out is not gone.
    folder.git(&["sparse-checkout", "set", "--no-cone", "/ab/"]);
    assert!(!folder.0.join("deploy").exists());
    let (status, out, _) = folder.diff(".", &["--git", "HEAD"]);
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("no change"), "{out}");
}

/// A program that stands in for kustomize: it prints what the folder and the one that it is made from hold.
const KUSTOMIZE: &str = "#!/bin/sh\nset -e\n[ \"$1\" = kustomize ]\n[ -d \"$2/../base\" ] || { echo \"no base at $PWD/$2/../base\" >&2; exit 1; }\ncat \"$2\"/*.part \"$2\"/../base/*.part\n";

#[cfg(unix)]
#[test]
fn revisions_are_rendered_from_their_own_files() {
    let folder = repository("rendered");
    folder.program("kubectl", KUSTOMIZE);
    let diff = |from: &str, arguments: &[&str]| folder.diff(from, arguments);
    folder.write("k/base/workloads.part", &fixture("before/workloads.yaml"));
    folder.write("k/prod/policies.part", &format!("---\n{}---\n", fixture("before/policies.yaml")));
    folder.write("k/prod/kustomization.yaml", "resources: [../base]\n");
    folder.git(&["add", "."]);
    folder.git(&["commit", "-q", "-m", "overlay"]);
    folder.git(&["branch", "-q", "-f", "main"]);
    folder.write("k/prod/policies.part", &format!("---\n{}---\n", fixture("after/policies.yaml")));
    let head = folder.git_says(&["rev-parse", "HEAD"]);
    let state = || folder.git_says(&["status", "--porcelain"]);
    let before = state();
    let (status, out, err) = diff(".", &["--git", "HEAD", "--render", "--", "k/prod"]);
    assert_eq!((status, err.as_str()), (Some(1), ""), "{out}");
    assert!(out.contains("web, rule 1") && out.contains("<kustomize k/prod>:"), "{out}");
    assert!(out.contains(" at HEAD"), "{out}");
    folder.git(&["commit", "-q", "-a", "-m", "change"]);
    let (status, committed, err) = diff(".", &["--git", "main...HEAD", "--render", "--", "k/prod"]);
    assert_eq!((status, err.as_str()), (Some(1), ""), "{committed}");
    assert_eq!(committed, out.replace(" at HEAD", " at main"));
    // Paths are seen from where one stands, and neither the working tree nor the index is touched.
    let (_, below, err) = diff("k", &["--git", "main...HEAD", "--render", "--", "prod"]);
    assert_eq!((below, err.as_str()), (committed.replace("<kustomize k/", "<kustomize "), ""));
    // An absolute path is one of either revision, too, and so is a kustomization without an extension.
    let whole = folder.0.join("k/prod").display().to_string();
    for from in [".", "k", "deploy"] {
        let (status, again, err) = diff(from, &["--git", "main...HEAD", "--render", "--", &whole]);
        assert_eq!((status, err.as_str()), (Some(1), ""), "{from}: {again}");
        assert_eq!(again.lines().count(), committed.lines().count(), "{from}: {again}");
    }
    let (status, _, err) = diff(".", &["--git", "main...HEAD", "--render", "--", "/"]);
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("`/` is not in this repository"), "{err}");
    folder.git(&["mv", "k/prod/kustomization.yaml", "k/prod/Kustomization"]);
    let (status, again, err) = diff(".", &["--git", "main", "--render", "--", "k/prod"]);
    assert_eq!((status, err.as_str()), (Some(1), ""), "{again}");
    folder.git(&["mv", "k/prod/Kustomization", "k/prod/kustomization.yaml"]);
    assert_ne!(head, folder.git_says(&["rev-parse", "HEAD"]));
    assert_eq!(state(), "");
    assert_ne!(before, "");
    // Where the kustomization is new, what was there before it is read as it was.
    folder.git(&["rm", "-q", "k/prod/kustomization.yaml"]);
    folder.git(&["commit", "-q", "-m", "plain"]);
    let (status, out, err) = diff(".", &["--git", "main..HEAD", "--render", "--", "k/prod"]);
    assert_eq!(status, Some(1), "{out}{err}");
    assert!(err.contains("`k/prod` of HEAD is neither a kustomization nor a chart"), "{err}");
    let (status, _, err) = diff(".", &["--git", "HEAD", "--render", "--", "deploy"]);
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("`deploy` is neither a kustomization nor a chart"), "{err}");
    // What the program says is passed on, with paths as they are seen from here.
    folder.git(&["rm", "-r", "-q", "k/base"]);
    folder.write("k/prod/kustomization.yaml", "resources: [../base]\n");
    folder.git(&["add", "."]);
    folder.git(&["commit", "-q", "-m", "broken"]);
    let (status, _, err) = diff(".", &["--git", "main..HEAD", "--render", "--", "k/prod"]);
    assert_eq!(status, Some(2), "{err}");
    assert!(
        err.contains("of HEAD: `kubectl kustomize k/prod` failed: no base at k/prod/../base\n"),
        "{err}"
    );
}

/// A program that stands in for helm: it prints the chart's policies with the one value that they have.
const HELM: &str = "#!/bin/sh\nset -e\n[ \"$1 $3\" = 'template --values' ]\nsed \"s/PORT/$(cat \"$4\")/\" \"$2\"/policies.part\n";

#[cfg(unix)]
#[test]
fn values_are_those_of_the_revision_and_what_a_chart_has_no_more_is_gone_from_the_dump() {
    let folder = repository("chart");
    folder.program("helm", HELM);
    let diff = |arguments: &[&str]| folder.diff(".", arguments);
    let policies = fixture("db-from-web.yaml").replace("5432", "PORT");
    assert!(policies.contains("PORT"));
    folder.write("chart/Chart.yaml", "name: chart\n");
    folder.write("chart/policies.part", &policies);
    folder.write("values", "5432");
    folder.git(&["add", "."]);
    folder.git(&["commit", "-q", "-m", "chart"]);
    folder.git(&["branch", "-q", "-f", "main"]);
    folder.write("values", "5433");
    folder.git(&["commit", "-q", "-a", "-m", "value"]);
    let range = ["--git", "main...HEAD", "--render", "--values", "values", "-f", "deploy"];
    let (status, out, err) = diff(&[&range[..], &["--", "chart"]].concat());
    assert_eq!((status, err.as_str()), (Some(1), ""), "{out}");
    assert!(out.contains("tcp/5433"), "{out}");
    // The dump has the policy as well: without it in the chart it is gone from there, too.
    folder.write("dump/policies.yaml", &fixture("db-from-web.yaml"));
    folder.write("dump/workloads.yaml", &fixture("before/workloads.yaml"));
    folder.write("values", "5432");
    folder.write("chart/policies.part", "");
    folder.git(&["commit", "-q", "-a", "-m", "without"]);
    let range = ["--git", "main..HEAD", "--render", "--values", "values", "-f", "dump"];
    let (status, out, err) = diff(&[&range[..], &["--", "chart"]].concat());
    assert_eq!(status, Some(1), "{out}{err}");
    assert!(err.contains("HEAD has no more: NetworkPolicy shop/db-from-web"), "{err}");
    let (status, _, err) = diff(&["--git", "HEAD", "--values", "values"]);
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("`--values` are those of a chart"), "{err}");
    let (status, _, err) = diff(&["-f", "deploy", "--render"]);
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("`--render` goes with BASE and HEAD"), "{err}");
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
