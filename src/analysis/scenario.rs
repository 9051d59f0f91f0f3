//! Expectations beside manifests: documents and tests at once.

use super::answer::Answer;
use super::divergence::Engines;
use super::endpoint::{parse_resolution, resolve_endpoint};
use super::port::PortQuery;
use super::query::can;
use super::world::{Options, World};
use crate::cluster::Assumptions;
use crate::diagnostic::Severity;
use crate::enforcement::Cni;
use crate::manifest::{InputPath, load, read_text};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A `scenario.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// `kubereach/v1`
    pub api_version: String,
    /// `ReachabilityTest`
    pub kind: String,
    /// Its name.
    pub metadata: ScenarioMeta,
    /// What it shows, in one sentence.
    pub description: String,
    /// Files and folders, relative to the scenario.
    #[serde(default = "here")]
    pub manifests: Vec<String>,
    /// The CNI that the expectations hold for; without one, what the policies declare.
    pub cni: Option<String>,
    /// Addresses of domain names, each as NAME=ADDRESS.
    #[serde(default)]
    pub resolve: Vec<String>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
}

/// `metadata` of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioMeta {
    /// The name.
    pub name: String,
}

/// One thing that must hold, for every pair and port.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// What it is about, as a sentence.
    pub name: String,
    /// Sources.
    pub from: OneOrMany,
    /// Destinations.
    pub to: OneOrMany,
    /// Ports; without any, that something or nothing at all is allowed.
    pub port: Option<OneOrMany>,
    /// What must come out.
    pub verdict: Expected,
    /// The CNI that it holds for.
    pub cni: Option<String>,
}

/// `allowed`, `denied` or `undetermined`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// Every pair may connect.
    Allowed,
    /// No pair may.
    Denied,
    /// It cannot be said: of no pair is it known to be denied, and not all are known to be allowed.
    Undetermined,
}

/// A value, or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// A number.
    Number(u32),
    /// A text.
    Text(String),
    /// Several.
    List(Vec<OneOrMany>),
}

impl OneOrMany {
    fn texts(&self) -> Vec<String> {
        match self {
            Self::Number(number) => vec![number.to_string()],
            Self::Text(text) => vec![text.clone()],
            Self::List(list) => list.iter().flat_map(Self::texts).collect(),
        }
    }
}

fn here() -> Vec<String> {
    vec![".".into()]
}

/// Why a scenario cannot be run.
#[derive(Clone, Debug)]
pub struct ScenarioError(pub String);

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScenarioError {}

/// An expectation that does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its name.
    pub name: String,
    /// What came out instead.
    pub message: String,
}

/// What became of a scenario.
#[derive(Clone, Debug)]
pub struct ScenarioResult {
    /// Its name.
    pub name: String,
    /// How many expectations it has.
    pub expectations: usize,
    /// Those that do not hold.
    pub failures: Vec<Failure>,
}

impl Scenario {
    /// Reads a scenario file.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let fail = |error: &dyn fmt::Display| ScenarioError(format!("{}: {error}", path.display()));
        let text = read_text(&InputPath::Path(path.to_path_buf())).map_err(|error| fail(&error))?;
        let scenario: Self = serde_yaml::from_str(&text).map_err(|error| fail(&error))?;
        if scenario.api_version != "kubereach/v1" || scenario.kind != "ReachabilityTest" {
            return Err(fail(&"not a `kubereach/v1 ReachabilityTest`"));
        }
        Ok(scenario)
    }
}

/// Runs a scenario file.
pub fn run_scenario(path: &Path) -> Result<ScenarioResult, ScenarioError> {
    let scenario = Scenario::read(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let own = profile(scenario.cni.as_deref())?;
    scenario.run_each(folder, |expectation| match &expectation.cni {
        Some(name) => profile(Some(name)),
        None => Ok(own.clone()),
    })
}

impl Scenario {
    /// Runs every expectation under one CNI, whatever the scenario says.
    pub fn run_with(
        &self,
        folder: &Path,
        cni: Option<&Cni>,
    ) -> Result<ScenarioResult, ScenarioError> {
        self.run_each(folder, |_| Ok(cni.cloned()))
    }

    /// What the scenario says of the whole run.
    pub fn options(&self, cni: Option<Cni>) -> Result<Options, ScenarioError> {
        let resolved = self.resolve.iter().map(|text| parse_resolution(text));
        let resolved = resolved.collect::<Result<_, _>>().map_err(ScenarioError)?;
        let assumptions = Assumptions { resolved, ..Assumptions::default() };
        // Without a CNI the expectations are about what the policies declare.
        let as_declared = cni.is_none();
        Ok(Options { assumptions, cni, as_declared, ..Options::default() })
    }

    fn run_each(
        &self,
        folder: &Path,
        cni_of: impl Fn(&Expectation) -> Result<Option<Cni>, ScenarioError>,
    ) -> Result<ScenarioResult, ScenarioError> {
        let inputs: Vec<InputPath> =
            self.manifests.iter().map(|m| InputPath::Path(clean(&folder.join(m)))).collect();
        // Each CNI makes a world of its own out of the same manifests.
        let mut groups: BTreeMap<Option<String>, (Option<Cni>, Vec<&Expectation>)> =
            BTreeMap::new();
        for expectation in &self.expectations {
            let cni = cni_of(expectation)?;
            let name = cni.as_ref().map(ToString::to_string);
            groups.entry(name).or_insert((cni, Vec::new())).1.push(expectation);
        }
        let mut failures = Vec::new();
        for (cni, expectations) in groups.into_values() {
            let loaded = load(&inputs, &mut std::io::empty());
            let world = World::new(loaded, self.options(cni)?);
            if world.errors() > 0 {
                let first = world
                    .diagnostics
                    .iter()
                    .find(|d| d.severity == Severity::Error)
                    .map_or("", |d| d.message.as_str());
                let message = format!("{}: the manifests have errors: {first}", folder.display());
                return Err(ScenarioError(message));
            }
            let engines = Engines::new(&world);
            for expectation in expectations {
                if let Err(message) = check(&world, &engines, expectation) {
                    failures.push(Failure { name: expectation.name.clone(), message });
                }
            }
        }
        Ok(ScenarioResult {
            name: self.metadata.name.clone(),
            expectations: self.expectations.len(),
            failures,
        })
    }
}

fn profile(name: Option<&str>) -> Result<Option<Cni>, ScenarioError> {
    let cni = name.map(Cni::parse).transpose();
    cni.map_err(|error| ScenarioError(error.to_string()))
}

/// `a/./b` → `a/b`, so that places print well.
fn clean(path: &Path) -> PathBuf {
    path.components().filter(|c| !matches!(c, std::path::Component::CurDir)).collect()
}

/// One question of an expectation: source, destination, ports.
pub type ExpectedQuestion = (String, String, Vec<PortQuery>);

impl Expectation {
    /// Every question that it asks. An error is about a port that cannot be read.
    pub fn questions(&self) -> Result<Vec<ExpectedQuestion>, String> {
        let ports = self.port.as_ref().map(OneOrMany::texts).unwrap_or_default();
        let ports: Vec<Vec<PortQuery>> = if ports.is_empty() {
            vec![Vec::new()]
        } else {
            let read = ports.iter().map(|text| text.parse().map(|port| vec![port]));
            let read: Result<_, super::port::PortError> = read.collect();
            read.map_err(|error| error.to_string())?
        };
        let mut out = Vec::new();
        for from in self.from.texts() {
            for to in self.to.texts() {
                out.extend(ports.iter().map(|port| (from.clone(), to.clone(), port.clone())));
            }
        }
        Ok(out)
    }
}

/// Whether an expectation holds; else what came out instead.
pub fn check(
    world: &World,
    engines: &Engines<'_>,
    expectation: &Expectation,
) -> Result<(), String> {
    for (from, to, ports) in expectation.questions()? {
        let source = resolve_endpoint(world, &from).map_err(|error| error.to_string())?;
        let destination = resolve_endpoint(world, &to).map_err(|error| error.to_string())?;
        let answer = can(world, engines, &source, &destination, &ports)
            .map_err(|error| error.to_string())?;
        let wanted = match expectation.verdict {
            Expected::Allowed => Answer::Allowed,
            Expected::Denied => Answer::Denied,
            Expected::Undetermined => Answer::Undetermined,
        };
        if answer.answer != wanted {
            let port = answer.port.as_deref().unwrap_or("any port");
            let why: Vec<&str> =
                answer.groups.iter().flat_map(|g| &g.reasons).map(|r| r.text.as_str()).collect();
            return Err(format!(
                "{from} → {to} on {port} is {}, expected {}: {}",
                answer.answer.word(),
                wanted.word(),
                why.join("; ")
            ));
        }
    }
    Ok(())
}
