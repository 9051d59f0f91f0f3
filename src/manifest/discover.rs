//! Which files to read.

use crate::diagnostic::{Code, Diagnostic};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// What `-f` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputPath {
    /// `-`
    Stdin,
    /// A file, or a folder that is read recursively.
    Path(PathBuf),
}

impl From<&str> for InputPath {
    fn from(text: &str) -> Self {
        if text == "-" { Self::Stdin } else { Self::Path(text.into()) }
    }
}

/// Files to read: each once, by the name that the user will see, in the order of these names, so
/// that the order of arguments changes nothing.
pub(super) fn files(inputs: &[InputPath], unread: &mut Vec<Unread>) -> Vec<PathBuf> {
    let mut found: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for input in inputs {
        let InputPath::Path(path) = input else {
            continue;
        };
        if path.is_dir() {
            folder(path, &mut found, unread);
        } else {
            add(path.clone(), &mut found, unread);
        }
    }
    let mut files: Vec<PathBuf> = found.into_values().collect();
    files.sort();
    files
}

fn add(path: PathBuf, found: &mut BTreeMap<PathBuf, PathBuf>, unread: &mut Vec<Unread>) {
    match path.canonicalize() {
        Ok(real) => {
            // The same file by two names: the lesser name stays, whichever came first.
            let name = found.entry(real).or_insert_with(|| path.clone());
            if path < *name {
                *name = path;
            }
        }
        // A pipe (`<(…)`) has no real path, and can be read all the same.
        Err(_) if path.exists() => {
            found.insert(path.clone(), path);
        }
        Err(error) => unread.push(Unread::new(&path, &error)),
    }
}

/// A file or folder that was to be read and could not be.
pub(super) struct Unread {
    pub(super) path: PathBuf,
    pub(super) diagnostic: Diagnostic,
}

impl Unread {
    pub(super) fn new(path: &Path, error: &dyn std::fmt::Display) -> Self {
        let mut diagnostic = Diagnostic::new(
            Code::UnreadableInput,
            format!("cannot read `{}`: {error}", path.display()),
        );
        let text = path.to_string_lossy();
        if text.starts_with("http://") || text.starts_with("https://") {
            diagnostic = diagnostic.help(format!(
                "kubereach does not use the network: `curl -sL {text} | kubereach … -f -`"
            ));
        }
        Self { path: path.to_path_buf(), diagnostic }
    }
}

/// Hidden folders and files (`.git`, `.github`, `.venv`, …) hold no manifests of a cluster.
/// `..data` is how Kubernetes mounts a ConfigMap; what it points to is reached by other links.
fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
}

/// Whether a file in a folder is one of manifests, by its name. Tests that stand beside them are none.
fn has_extension(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let name = path.file_name().map(|name| name.to_string_lossy());
    matches!(extension.as_deref(), Some("yaml" | "yml" | "json"))
        && !name.is_some_and(|name| is_test_file(&name))
}

/// Whether a file holds tests of reachability, by its name: `*.reach.yaml`, `*.netassert.yaml`.
pub fn is_test_file(name: &str) -> bool {
    let mut parts = name.rsplit('.');
    matches!(parts.next(), Some("yaml" | "yml"))
        && matches!(parts.next(), Some("reach" | "netassert"))
        && parts.next().is_some()
}

/// The path without `.` and `..`, as text: enough to compare paths below one root.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Whether a path below a folder is one of a manifest that would be read there.
pub(super) fn is_manifest(path: &Path) -> bool {
    let hidden = |part: Component<'_>| match part {
        Component::Normal(name) => name.to_string_lossy().starts_with('.'),
        _ => false,
    };
    has_extension(path) && !path.components().any(hidden)
}

fn folder(root: &Path, found: &mut BTreeMap<PathBuf, PathBuf>, unread: &mut Vec<Unread>) {
    let walk = WalkDir::new(root).follow_links(true).into_iter().filter_entry(|e| !is_hidden(e));
    for entry in walk {
        match entry {
            Ok(entry) => {
                let path = entry.path();
                if has_extension(path) && entry.file_type().is_file() {
                    add(entry.into_path(), found, unread);
                }
            }
            // A link to a folder above it: what it leads to is read anyway.
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => {
                let path = error.path().unwrap_or(root).to_path_buf();
                let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
                let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
                let dangling = path.is_symlink()
                    && !matches!(extension.as_deref(), None | Some("yaml" | "yml" | "json"));
                if !hidden && !dangling {
                    let reason =
                        error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    unread.push(Unread::new(&path, &reason));
                }
            }
        }
    }
}
