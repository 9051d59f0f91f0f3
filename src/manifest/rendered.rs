//! Manifests that another program makes: kustomizations and charts.

use super::git::{
    GitError, GitFile, GitTree, git_files, git_relative, git_tree, git_working_files,
};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What keeps something from being rendered.
#[derive(Clone, Debug)]
pub struct RenderError {
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RenderError {}

impl From<GitError> for RenderError {
    fn from(error: GitError) -> Self {
        Self { message: error.0, help: None }
    }
}

/// Renders a kustomization, as `kubectl kustomize DIR` or `kustomize build DIR` does, whichever is there.
pub fn render_kustomization(folder: &Path) -> Result<GitFile, RenderError> {
    kustomization(Path::new("."), folder)
}

/// The same of one that is called as it is seen from another folder.
fn kustomization(from: &Path, folder: &Path) -> Result<GitFile, RenderError> {
    let programs = [("kubectl", "kustomize"), ("kustomize", "build")];
    for (program, verb) in programs {
        let arguments = [OsString::from(verb), folder.as_os_str().to_owned()];
        if let Some(text) = run(program, &arguments, from)? {
            return Ok((name_of(folder, "kustomize"), text));
        }
    }
    Err(RenderError {
        message: format!(
            "cannot render `{}`: neither `kubectl` nor `kustomize` is there",
            folder.display()
        ),
        help: Some(
            "install one of them, or render it elsewhere: `kustomize build DIR | kubereach … -f -`"
                .into(),
        ),
    })
}

/// Renders a chart with these values, as `helm template` does.
pub fn render_chart(
    chart: &Path,
    values: &[PathBuf],
    namespace: Option<&str>,
) -> Result<GitFile, RenderError> {
    self::chart(Path::new("."), chart, values, namespace)
}

fn chart(
    from: &Path,
    chart: &Path,
    values: &[PathBuf],
    namespace: Option<&str>,
) -> Result<GitFile, RenderError> {
    let mut arguments = vec![OsString::from("template"), chart.as_os_str().to_owned()];
    for file in values {
        arguments.extend([OsString::from("--values"), file.as_os_str().to_owned()]);
    }
    if let Some(namespace) = namespace {
        arguments.extend([OsString::from("--namespace"), OsString::from(namespace)]);
    }
    match run("helm", &arguments, from)? {
        Some(text) => Ok((name_of(chart, "helm"), text)),
        None => Err(RenderError {
            message: format!("cannot render `{}`: `helm` is not there", chart.display()),
            help: Some(
                "install it, or render the chart elsewhere: `helm template CHART | kubereach … -f -`"
                    .into(),
            ),
        }),
    }
}

/// Renders a folder by what is in it: a kustomization or, with these values, a chart.
pub fn render_folder(
    folder: &Path,
    values: &[PathBuf],
    namespace: Option<&str>,
) -> Result<GitFile, RenderError> {
    let found = seen_from(Path::new("."), folder, values, namespace)?;
    found.ok_or_else(|| neither(&folder.display().to_string()))
}

fn neither(path: &str) -> RenderError {
    RenderError {
        message: format!("`{path}` is neither a kustomization nor a chart"),
        help: Some("without `--render` its files are read as they are".into()),
    }
}

/// The same where it and the values are called as they are seen from a folder; `None` if it is neither.
fn seen_from(
    from: &Path,
    folder: &Path,
    values: &[PathBuf],
    namespace: Option<&str>,
) -> Result<Option<GitFile>, RenderError> {
    let has = |name: &str| from.join(folder).join(name).is_file();
    if ["kustomization.yaml", "kustomization.yml", "Kustomization"].iter().any(|name| has(name)) {
        return kustomization(from, folder).map(Some);
    }
    if has("Chart.yaml") {
        return chart(from, folder, values, namespace).map(Some);
    }
    Ok(None)
}

/// What two revisions make of paths.
#[derive(Clone, Debug, Default)]
pub struct RenderedRevisions {
    /// What is rendered of each.
    pub sides: [Vec<GitFile>; 2],
    /// Paths that are a kustomization or a chart on one side only, and the other side: there their files are taken
    /// as they are.
    pub plain: Vec<(String, usize)>,
}

/// Renders paths, as they are seen from the working folder, with values that are of the same revision, in two
/// revisions, or in the working tree (`None`). What is not there on one side is left out of it. Without a path it is
/// the working folder that is rendered.
pub fn render_revisions(
    revisions: [Option<&str>; 2],
    paths: &[String],
    values: &[PathBuf],
    namespace: Option<&str>,
) -> Result<RenderedRevisions, RenderError> {
    let in_any = |path: &str| -> Result<String, RenderError> {
        let found = git_relative(Path::new(path))?.map(|own| own.to_string_lossy().into_owned());
        found.ok_or_else(|| RenderError {
            message: format!("`{path}` is not in this repository"),
            help: None,
        })
    };
    let mut paths = paths.iter().map(|path| in_any(path)).collect::<Result<Vec<_>, _>>()?;
    if paths.is_empty() {
        paths.push(".".into());
    }
    // Values from elsewhere are the same for both.
    let of_any = |file: &PathBuf| Ok(git_relative(file)?.unwrap_or_else(|| file.clone()));
    let values = values.iter().map(of_any).collect::<Result<Vec<_>, GitError>>()?;
    let [before, after] = revisions.map(|name| name.map(git_tree).transpose());
    let trees = [before?, after?];
    let mut out = RenderedRevisions::default();
    for path in &paths {
        let mut plain = Vec::new();
        let mut is_rendered = false;
        for (side, tree) in trees.iter().enumerate() {
            let from = tree.as_ref().map_or_else(|| PathBuf::from("."), GitTree::folder);
            let found = seen_from(&from, Path::new(path), &values, namespace).map_err(|error| {
                let name = revisions[side].unwrap_or("the working tree");
                RenderError { message: format!("of {name}: {}", error.message), ..error }
            })?;
            match found {
                Some(file) => {
                    out.sides[side].push(file);
                    is_rendered = true;
                }
                None if from.join(path).exists() => plain.push(side),
                None => {}
            }
        }
        if !is_rendered {
            return Err(neither(path));
        }
        for side in plain {
            let own = std::slice::from_ref(path);
            out.sides[side].extend(match revisions[side] {
                Some(name) => git_files(name, own)?,
                None => read_working(own)?,
            });
            out.plain.push((path.clone(), side));
        }
    }
    Ok(out)
}

/// The manifests of the working tree, read.
fn read_working(paths: &[String]) -> Result<Vec<GitFile>, RenderError> {
    let read = |path: PathBuf| match std::fs::read(&path) {
        Ok(bytes) => Ok((path, bytes)),
        Err(error) => Err(RenderError {
            message: format!("cannot read `{}`: {error}", path.display()),
            help: None,
        }),
    };
    let (files, missing) = git_working_files(paths)?;
    let read = files.into_iter().map(read);
    read.chain(missing.into_iter().map(Ok)).collect()
}

/// How rendered text is called: lines are counted in what the program prints.
fn name_of(path: &Path, by: &str) -> PathBuf {
    PathBuf::from(format!("<{by} {}>", path.display()))
}

/// Runs a program in a folder; `None` if it is not there.
fn run(program: &str, arguments: &[OsString], from: &Path) -> Result<Option<Vec<u8>>, RenderError> {
    match Command::new(program).args(arguments).current_dir(from).output() {
        Ok(done) if done.status.success() => Ok(Some(done.stdout)),
        Ok(done) => {
            let shown: Vec<_> = arguments.iter().map(|own| own.to_string_lossy()).collect();
            // Paths are told as they are seen from there.
            let text = String::from_utf8_lossy(&done.stderr).trim().to_owned();
            let text = if from == Path::new(".") {
                text
            } else {
                text.replace(&format!("{}/", from.display()), "")
            };
            Err(RenderError {
                message: format!("`{program} {}` failed: {text}", shown.join(" ")),
                help: None,
            })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(RenderError { message: format!("cannot run `{program}`: {error}"), help: None })
        }
    }
}
