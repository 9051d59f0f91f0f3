//! Manifests that another program makes: kustomizations and charts.

use super::git::GitFile;
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

/// Renders a kustomization, as `kubectl kustomize DIR` or `kustomize build DIR` does, whichever is there.
pub fn render_kustomization(folder: &Path) -> Result<GitFile, RenderError> {
    let programs = [("kubectl", "kustomize"), ("kustomize", "build")];
    for (program, verb) in programs {
        let arguments = [OsString::from(verb), folder.as_os_str().to_owned()];
        if let Some(text) = run(program, &arguments)? {
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
    let mut arguments = vec![OsString::from("template"), chart.as_os_str().to_owned()];
    for file in values {
        arguments.extend([OsString::from("--values"), file.as_os_str().to_owned()]);
    }
    if let Some(namespace) = namespace {
        arguments.extend([OsString::from("--namespace"), OsString::from(namespace)]);
    }
    match run("helm", &arguments)? {
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

/// Renders a folder by what is in it: a kustomization or a chart; `None` if it is neither.
pub fn render_folder(folder: &Path) -> Result<Option<GitFile>, RenderError> {
    let has = |name: &str| folder.join(name).is_file();
    if ["kustomization.yaml", "kustomization.yml", "Kustomization"].iter().any(|name| has(name)) {
        return render_kustomization(folder).map(Some);
    }
    if has("Chart.yaml") {
        return render_chart(folder, &[], None).map(Some);
    }
    Ok(None)
}

/// How rendered text is called: lines are counted in what the program prints.
fn name_of(path: &Path, by: &str) -> PathBuf {
    PathBuf::from(format!("<{by} {}>", path.display()))
}

/// Runs a program; `None` if it is not there.
fn run(program: &str, arguments: &[OsString]) -> Result<Option<Vec<u8>>, RenderError> {
    match Command::new(program).args(arguments).output() {
        Ok(done) if done.status.success() => Ok(Some(done.stdout)),
        Ok(done) => {
            let shown: Vec<_> = arguments.iter().map(|own| own.to_string_lossy()).collect();
            let text = String::from_utf8_lossy(&done.stderr).trim().to_owned();
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
