//! Which CNI a cluster has, read off its objects.
//!
//! A provider moves packets and an enforcer drops them: only the enforcer counts here, and flannel is the
//! answer only where nothing else is found. Left-over CustomResourceDefinitions, and annotations that
//! flannel leaves on nodes, tell nothing: Canal and k3s have them as well.

use super::cni::Cni;
use super::profile::{CniProfile, Enforcement, Sign};
use super::profiles::PROFILES;
use super::readings::{ends_with, read};
use crate::cluster::Clue;
use crate::diagnostic::{Code, Diagnostic, Span};

/// Something in the input that tells which CNI there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What it is: `DaemonSet kube-system/calico-node`.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// The CNI of a cluster.
#[derive(Clone, Debug)]
pub struct Detected {
    /// Which, with version and settings as far as they are known.
    pub cni: Cni,
    /// What tells so; empty where it is what is missing that tells.
    pub evidence: Vec<Evidence>,
    /// What contradicts it.
    pub diagnostics: Vec<Diagnostic>,
}

/// A sign that was found.
struct Hit<'c> {
    profile: &'static CniProfile,
    clue: &'c Clue,
    /// Such a sign outdoes that of another profile in the same object.
    strong: bool,
    span: Span,
}

/// Detects the CNI; `None` for manifests that tell nothing of a cluster.
pub fn detect(clues: &[Clue]) -> Option<Detected> {
    let mut hits: Vec<Hit<'_>> = Vec::new();
    for profile in PROFILES.iter().copied() {
        for clue in clues {
            let found = profile.signs.iter().find_map(|sign| holds(sign, clue));
            if let Some((span, strong)) = found {
                hits.push(Hit { profile, clue, strong, span });
            }
        }
    }
    // A DaemonSet before its pods, whatever the order of files.
    hits.sort_by_key(|hit| (hit.clue.kind.as_ref() != "DaemonSet", hit.clue.span));
    let outdone: Vec<Span> =
        hits.iter().filter(|hit| hit.strong).map(|hit| hit.clue.span).collect();
    hits.retain(|hit| hit.strong || !outdone.contains(&hit.clue.span));
    // What enforces nothing as it is set up is no enforcer.
    let mut enforcers: Vec<(Cni, Vec<&Hit<'_>>)> = Vec::new();
    let mut idle: Vec<(Cni, Vec<&Hit<'_>>)> = Vec::new();
    for profile in PROFILES.iter().copied() {
        let own: Vec<&Hit<'_>> = hits.iter().filter(|hit| hit.profile == profile).collect();
        if own.is_empty() {
            continue;
        }
        let shown_by: Vec<&Clue> = own.iter().map(|hit| hit.clue).collect();
        let cni = read(profile, clues, &shown_by);
        let list = if enforces_nothing(&cni) { &mut idle } else { &mut enforcers };
        list.push((cni, own));
    }
    let evidence = |hits: &[&Hit<'_>]| -> Vec<Evidence> {
        let first = hits.first();
        first.map(|hit| Evidence { text: name(hit.clue), span: hit.span }).into_iter().collect()
    };
    match enforcers.as_slice() {
        [(cni, hits)] => {
            Some(Detected { cni: cni.clone(), evidence: evidence(hits), diagnostics: Vec::new() })
        }
        [] => match idle.as_slice() {
            [] if is_dump(clues) => Some(unknown(Vec::new(), Vec::new())),
            [] => None,
            [(cni, hits), ..] => Some(Detected {
                cni: cni.clone(),
                evidence: evidence(hits),
                diagnostics: Vec::new(),
            }),
        },
        [(first, first_hits), (second, second_hits), ..] => {
            let all = enforcers.iter().flat_map(|(_, hits)| evidence(hits)).collect();
            let mut warning = Diagnostic::new(
                Code::SeveralEnforcers,
                format!(
                    "the input shows two policy enforcers, {} and {}: which one is at work is not known",
                    first.name(),
                    second.name()
                ),
            )
            .help("say which one: `--cni NAME`");
            if let (Some(a), Some(b)) = (first_hits.first(), second_hits.first()) {
                warning = warning.at(b.span, second.name()).also_at(a.span, first.name());
            }
            Some(unknown(all, vec![warning]))
        }
    }
}

fn unknown(evidence: Vec<Evidence>, diagnostics: Vec<Diagnostic>) -> Detected {
    let profile = PROFILES.iter().find(|p| p.enforcement == Enforcement::Unknown);
    let cni = Cni::from(*profile.unwrap_or(&PROFILES[0]));
    Detected { cni, evidence, diagnostics }
}

/// Whether the input is what a cluster has, and not what somebody would give it: servers stored its
/// nodes, or the DaemonSets of its system and what else runs on the network of its nodes.
fn is_dump(clues: &[Clue]) -> bool {
    clues.iter().any(|clue| {
        let system = clue.namespace.as_deref() == Some("kube-system");
        clue.stored
            && (&*clue.kind == "Node" || system && matches!(&*clue.kind, "DaemonSet" | "Pod"))
    })
}

fn enforces_nothing(cni: &Cni) -> bool {
    use super::profile::Habit;
    use crate::policy::Certainty;
    cni.profile.enforcement == Enforcement::Ignored
        || cni.profile.traits.iter().any(|own| {
            own.habit == Habit::EnforcesNothing && cni.holds(&own.when) == Certainty::Yes
        })
}

/// `DaemonSet kube-system/calico-node`
fn name(clue: &Clue) -> String {
    match &clue.namespace {
        Some(namespace) => format!("{} {namespace}/{}", clue.kind, clue.name),
        None => format!("{} {}", clue.kind, clue.name),
    }
}

/// Whether a sign is on an object: where, and whether it outdoes others there.
fn holds(sign: &Sign, clue: &Clue) -> Option<(Span, bool)> {
    let container = |name: &str| clue.containers.iter().find(|c| &*c.name == name);
    let daemon_set = |name: &str| &*clue.kind == "DaemonSet" && &*clue.name == name;
    match sign {
        Sign::Container(name) => container(name).map(|_| (clue.span, false)),
        Sign::Containers(a, b) => container(a).and(container(b)).map(|_| (clue.span, true)),
        Sign::Image(parts) => {
            let found = clue.containers.iter().any(|c| ends_with(&c.image, parts));
            found.then_some((clue.span, false))
        }
        Sign::DaemonSet(name) => daemon_set(name).then_some((clue.span, false)),
        Sign::DaemonSetOver(name) => daemon_set(name).then_some((clue.span, true)),
        Sign::DaemonSetIn(namespace, name) => {
            let own = clue.namespace.as_deref() == Some(*namespace) && daemon_set(name);
            own.then_some((clue.span, false))
        }
        Sign::Node(key, value) => {
            let node = clue.settings.iter().filter(|_| &*clue.kind == "Node");
            let mut own = node.filter(|(name, ..)| &**name == *key);
            let found = own.find(|(_, own, _)| value.is_none_or(|value| &**own == value));
            found.map(|(.., span)| (*span, false))
        }
        Sign::Object(kind, path, value) => {
            let own = clue.settings.iter().filter(|_| &*clue.kind == *kind);
            let mut own = own.filter(|(name, ..)| &**name == *path);
            own.find(|(_, own, _)| &**own == *value).map(|(.., span)| (*span, false))
        }
    }
}
