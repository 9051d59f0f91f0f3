//! Manifests of a git revision, read from its object store: the working tree and the index are left alone.
//!
//! The program `git` reads: it knows packs, alternates, partial clones and worktrees.

use super::discover::{is_manifest, normal};
use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What git says is wrong, or that there is no git.
#[derive(Clone, Debug)]
pub struct GitError(pub String);

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GitError {}

/// A file of a revision: its path as seen from the working folder, and what it holds.
pub type GitFile = (PathBuf, Vec<u8>);

/// The two sides of a range: `A...B` from where B left A (a commit's short id, unless A is there still), `A..B` from
/// A, `A` to the working tree (`None`).
pub fn git_range(text: &str) -> Result<(String, Option<String>), GitError> {
    let or_head = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
    if let Some((a, b)) = text.split_once("...") {
        let (a, b) = (or_head(a), or_head(b));
        let (commit_a, commit_b) = (commit(&a)?, commit(&b)?);
        let base = run(&["merge-base", &commit_a, &commit_b], &[])
            .map_err(|_| GitError(format!("`{a}` and `{b}` have no commit in common")))?;
        let base = String::from_utf8_lossy(&base).trim().to_owned();
        let base = if base == commit_a { a } else { short(&base)? };
        return Ok((base, Some(b)));
    }
    if let Some((a, b)) = text.split_once("..") {
        return Ok((or_head(a), Some(or_head(b))));
    }
    commit(text)?;
    Ok((text.to_owned(), None))
}

/// The commit that a name stands for.
fn commit(name: &str) -> Result<String, GitError> {
    let wanted = format!("{name}^{{commit}}");
    let found = run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted], &[])
        .map_err(|error| match error.0.as_str() {
            "" => GitError(format!("git knows no revision `{name}`")),
            _ => error,
        })?;
    Ok(String::from_utf8_lossy(&found).trim().to_owned())
}

/// A commit's id, as short as git writes it.
fn short(commit: &str) -> Result<String, GitError> {
    line(&["rev-parse", "--short", commit])
}

/// Whether a revision has a manifest of this path or below it.
pub fn git_has(revision: &str, path: &str) -> Result<bool, GitError> {
    Ok(!listed(revision, &[path.to_owned()])?.is_empty())
}

/// The manifests of a revision below these paths, which are seen from the working folder; below all of it without
/// any. Symbolic links and submodules are left out.
pub fn git_files(revision: &str, paths: &[String]) -> Result<Vec<GitFile>, GitError> {
    blobs(&format!("`{revision}`"), listed(revision, paths)?)
}

/// What objects of these ids hold, which are of a revision or of the index.
fn blobs(of: &str, found: Vec<(PathBuf, String)>) -> Result<Vec<GitFile>, GitError> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = found.iter().map(|(_, id)| id.as_str()).collect();
    let ids = ids.join("\n") + "\n";
    let blobs = run(&["cat-file", "--batch"], ids.as_bytes())?;
    let mut rest: &[u8] = &blobs;
    let mut out = Vec::new();
    for (path, id) in found {
        let broken = || GitError(format!("git cannot read `{}` of {of}", path.display()));
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or_else(broken)?;
        let head = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
        // `<id> blob <size>`
        let size = head.strip_prefix(&*id).and_then(|own| own.strip_prefix(" blob "));
        let size: usize = size.and_then(|own| own.parse().ok()).ok_or_else(broken)?;
        let text = rest.get(end + 1..end + 1 + size).ok_or_else(broken)?;
        out.push((path.clone(), text.to_vec()));
        rest = rest.get(end + 2 + size..).unwrap_or_default();
    }
    Ok(out)
}

/// Their paths and the ids of what they hold.
fn listed(revision: &str, paths: &[String]) -> Result<Vec<(PathBuf, String)>, GitError> {
    let paths = &seen_from_here(paths)?;
    let commit = commit(revision)?;
    let mut arguments = vec!["ls-tree", "-r", "-z", &commit, "--"];
    arguments.extend(paths.iter().map(String::as_str));
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for entry in entries(&run(&arguments, &[])?) {
        let Some((head, path)) = head_and_path(entry) else { continue };
        let mut words = head.split(' ');
        let (Some(mode), Some("blob"), Some(id)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if mode.starts_with("100") && is_wanted(&path, paths) {
            found.push((path, id.to_owned()));
        }
    }
    Ok(found)
}

/// Whether a file below these paths is read. One that is named is whatever it is called, as elsewhere, and so is
/// a hidden folder.
fn is_wanted(path: &Path, paths: &[String]) -> bool {
    let below = paths.iter().filter_map(|own| path.strip_prefix(own).ok());
    let below = below.min_by_key(|below| below.as_os_str().len()).unwrap_or(path);
    below.as_os_str().is_empty() || is_manifest(below)
}

/// The manifests of the working tree below these paths, as [`git_files`] has those of a revision: files that git
/// knows, and new ones that it is not told to ignore; those that are named in any case. With them what is not
/// checked out (a sparse checkout), as the index has it.
pub fn git_working_files(paths: &[String]) -> Result<(Vec<PathBuf>, Vec<GitFile>), GitError> {
    let paths = &seen_from_here(paths)?;
    let listed = |arguments: &[&str]| {
        let all = arguments.iter().copied().chain(["-z", "--"]);
        run(
            &["ls-files"]
                .into_iter()
                .chain(all)
                .chain(paths.iter().map(String::as_str))
                .collect::<Vec<_>>(),
            &[],
        )
    };
    let mut found: BTreeSet<PathBuf> = BTreeSet::new();
    let mut missing: Vec<(PathBuf, String)> = Vec::new();
    // `<tag> <mode> <id> <stage>\t<path>`
    for entry in entries(&listed(&["--cached", "--stage", "-t"])?) {
        let Some((head, path)) = head_and_path(entry) else { continue };
        let mut words = head.split(' ');
        let (Some(tag), Some(mode), Some(id)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        if !mode.starts_with("100") || !is_wanted(&path, paths) {
            continue;
        }
        if tag == "S" && !path.exists() {
            missing.push((path, id.to_owned()));
        } else {
            found.insert(path);
        }
    }
    let others = listed(&["--others", "--exclude-standard"])?;
    found.extend(entries(&others).map(path_of).filter(|path| is_wanted(path, paths)));
    found.extend(paths.iter().map(PathBuf::from));
    // What is gone is no file, nor is a folder.
    found.retain(|path| path.symlink_metadata().is_ok_and(|own| own.is_file()));
    Ok((found.into_iter().collect(), blobs("the index", missing)?))
}

/// What stands between NUL bytes.
fn entries(listed: &[u8]) -> impl Iterator<Item = &[u8]> {
    listed.split(|&byte| byte == 0).filter(|entry| !entry.is_empty())
}

/// An entry's words, and behind a tab its path.
fn head_and_path(entry: &[u8]) -> Option<(String, PathBuf)> {
    let tab = entry.iter().position(|&byte| byte == b'\t')?;
    Some((String::from_utf8_lossy(&entry[..tab]).into_owned(), path_of(&entry[tab + 1..])))
}

/// Paths as git lists what is below them.
fn seen_from_here(paths: &[String]) -> Result<Vec<String>, GitError> {
    let each = paths.iter().map(|path| {
        let found = git_relative(Path::new(path))?.unwrap_or_else(|| PathBuf::from(path));
        Ok(found.to_string_lossy().into_owned())
    });
    each.collect()
}

/// A path as git writes it.
fn path_of(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    return PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes));
    #[cfg(not(unix))]
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// A path as git takes it: an empty one is the folder itself.
fn or_here(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_path_buf() }
}

/// A path as it is seen from the working folder in any revision: one that is absolute leads to the working tree. `None`
/// if it is not in the repository.
pub(super) fn git_relative(path: &Path) -> Result<Option<PathBuf>, GitError> {
    if path.is_relative() {
        return Ok(Some(or_here(&normal(path))));
    }
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let top = real(Path::new(&line(&["rev-parse", "--show-toplevel"])?));
    let Ok(below) = real(path).strip_prefix(&top).map(Path::to_path_buf) else { return Ok(None) };
    let prefix = PathBuf::from(line(&["rev-parse", "--show-prefix"])?);
    Ok(Some(match below.strip_prefix(&prefix) {
        Ok(rest) => or_here(rest),
        Err(_) => {
            prefix.components().map(|_| Component::ParentDir).chain(below.components()).collect()
        }
    }))
}

/// A revision as files in a folder of their own, for programs that read files. It is gone with this value.
#[derive(Debug)]
pub(super) struct GitTree {
    root: TempDir,
    prefix: PathBuf,
}

impl GitTree {
    /// What the working folder is there.
    pub(super) fn folder(&self) -> PathBuf {
        // Without a part that is empty, and would end the path with a slash.
        self.root.path().components().chain(self.prefix.components()).collect()
    }
}

/// Writes the files of a revision to a folder of their own.
pub(super) fn git_tree(revision: &str) -> Result<GitTree, GitError> {
    let commit = commit(revision)?;
    let repository = line(&["rev-parse", "--absolute-git-dir"])?;
    let prefix = PathBuf::from(line(&["rev-parse", "--show-prefix"])?);
    let failed = |error: std::io::Error| GitError(format!("cannot write `{revision}`: {error}"));
    let folder = || tempfile::Builder::new().prefix("kubereach-").tempdir();
    let (root, index) = (folder().map_err(failed)?, folder().map_err(failed)?);
    for arguments in [&["read-tree", &*commit][..], &["checkout-index", "--all", "--force"]] {
        let mut git = Command::new("git");
        // An index of its own, and nobody is told of it.
        git.args(["-c", "core.hooksPath=/dev/null"]).args(arguments).current_dir(root.path());
        git.env("GIT_DIR", &repository).env("GIT_WORK_TREE", root.path());
        git.env("GIT_INDEX_FILE", index.path().join("index"));
        run_as(git, &[])?;
    }
    std::fs::create_dir_all(root.path().join(&prefix)).map_err(failed)?;
    Ok(GitTree { root, prefix })
}

/// The one line that git prints.
fn line(arguments: &[&str]) -> Result<String, GitError> {
    Ok(String::from_utf8_lossy(&run(arguments, &[])?).trim_end_matches('\n').to_owned())
}

/// Runs git here.
fn run(arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
    // A `*` in a path is one of its name.
    let mut git = Command::new("git");
    git.arg("--literal-pathspecs").args(arguments);
    run_as(git, input)
}

/// Runs git. An error without text is one that it was asked to be quiet about.
fn run_as(mut git: Command, input: &[u8]) -> Result<Vec<u8>, GitError> {
    let mut child = git
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| GitError(format!("cannot run `git`: {error}")))?;
    let stdin = child.stdin.take();
    // Both ends are pipes: what is written must not wait for what is read.
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(&input);
        }
    });
    let done = child.wait_with_output();
    let _ = writer.join();
    let done = done.map_err(|error| GitError(format!("cannot run `git`: {error}")))?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    let text = String::from_utf8_lossy(&done.stderr);
    let first = text.lines().next().unwrap_or_default();
    let plain = first.strip_prefix("fatal: ").or_else(|| first.strip_prefix("error: "));
    Err(GitError(plain.unwrap_or(first).to_owned()))
}
