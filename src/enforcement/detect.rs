//! Which CNI a cluster has, read off its objects.
//!
//! A provider moves packets and an enforcer drops them: only the enforcer counts here, and flannel is the
//! answer only where nothing else is found. Left-over CustomResourceDefinitions, and annotations that
//! flannel leaves on nodes, tell nothing: Canal and k3s have them as well.

use super::cni::{Cni, Version};
use super::profile::{CniProfile, Enforcement, From, Reading, Sign};
use super::profiles::PROFILES;
use crate::cluster::{Clue, ContainerClue};
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
    let canal: Vec<Span> = hits.iter().filter(|hit| hit.strong).map(|hit| hit.clue.span).collect();
    hits.retain(|hit| hit.strong || !canal.contains(&hit.clue.span));
    // What enforces nothing as it is set up is no enforcer.
    let mut enforcers: Vec<(Cni, Vec<&Hit<'_>>)> = Vec::new();
    let mut idle: Vec<(Cni, Vec<&Hit<'_>>)> = Vec::new();
    for profile in PROFILES.iter().copied() {
        let own: Vec<&Hit<'_>> = hits.iter().filter(|hit| hit.profile == profile).collect();
        if own.is_empty() {
            continue;
        }
        let cni = read(profile, clues, &own);
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
/// nodes, or the DaemonSets of its system.
fn is_dump(clues: &[Clue]) -> bool {
    clues.iter().any(|clue| {
        let system = clue.namespace.as_deref() == Some("kube-system");
        clue.stored && (&*clue.kind == "Node" || &*clue.kind == "DaemonSet" && system)
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

/// The path of an image without registry host, tag and digest.
fn path(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        // A colon before the last slash is that of the registry's port.
        Some((path, tag)) if !tag.contains('/') => path,
        _ => image,
    }
}

/// The tag of an image.
fn tag(image: &str) -> Option<&str> {
    let image = image.split('@').next().unwrap_or(image);
    image.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'))
}

/// Whether the path of an image ends with these parts.
fn ends_with(image: &str, parts: &str) -> bool {
    let path = path(image);
    path.strip_suffix(parts).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
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

/// Reads version and settings of a CNI that is there.
fn read(profile: &'static CniProfile, clues: &[Clue], hits: &[&Hit<'_>]) -> Cni {
    let mut cni = Cni::from(profile);
    cni.version = hits.iter().find_map(|hit| {
        let mut own = hit.clue.containers.iter().filter(|container| {
            profile.signs.iter().any(|sign| match sign {
                Sign::Container(name) | Sign::Containers(name, _) => &*container.name == *name,
                Sign::Image(parts) => ends_with(&container.image, parts),
                _ => false,
            }) || profile.name == "canal" && &*container.name == "calico-node"
        });
        own.find_map(|container| Version::new(tag(&container.image)?))
    });
    for reading in profile.readings {
        let value = match value(reading, clues) {
            Found::Value(value) => {
                let known = reading.values.iter().find(|(written, _)| *written == value);
                known.map(|(_, meaning)| *meaning)
            }
            Found::Absent => reading.absent,
            Found::Nowhere => None,
        };
        if let Some(value) = value {
            // Readings are of the profile's own options: `every_reading_is_of_an_option`.
            let _ = cni.set(reading.option, value);
        }
    }
    cni
}

/// What a reading yields.
enum Found {
    /// A value.
    Value(String),
    /// The object is there without it.
    Absent,
    /// The object is not in the input.
    Nowhere,
}

fn value(reading: &Reading, clues: &[Clue]) -> Found {
    let containers = |name: &'static str| {
        clues.iter().flat_map(|clue| &clue.containers).filter(move |c| &*c.name == name)
    };
    let first = |found: Option<String>, there: bool| match found {
        Some(value) => Found::Value(value),
        None if there => Found::Absent,
        None => Found::Nowhere,
    };
    match reading.from {
        From::Env(container, name) => {
            let there = containers(container).next().is_some();
            let mut all = containers(container).flat_map(|c| &c.env);
            first(all.find(|(own, ..)| &**own == name).map(|(_, v, _)| v.to_string()), there)
        }
        From::Arg(container, flag) => {
            let there = containers(container).next().is_some();
            first(containers(container).find_map(|c| argument(c, flag)), there)
        }
        From::Config(name, key) => {
            let maps = || {
                clues.iter().filter(move |clue| &*clue.kind == "ConfigMap" && &*clue.name == name)
            };
            let mut all = maps().flat_map(|clue| &clue.settings);
            let found = all.find(|(own, ..)| &**own == key).map(|(_, v, _)| v.to_string());
            first(found, maps().next().is_some())
        }
        From::Object(kind, path) => {
            let objects = || clues.iter().filter(move |clue| &*clue.kind == kind);
            let mut all = objects().flat_map(|clue| &clue.settings);
            let found = all.find(|(own, ..)| &**own == path).map(|(_, v, _)| v.to_string());
            first(found, objects().next().is_some())
        }
        From::TagEnd(container) => {
            let mut tags = containers(container).filter_map(|c| tag(&c.image));
            let found = tags.find_map(|tag| {
                let end = reading.values.iter().find(|(end, _)| tag.ends_with(end))?;
                Some(end.0.to_owned())
            });
            first(found, containers(container).next().is_some())
        }
        From::TagDate(container, date) => {
            let mut tags = containers(container).filter_map(|c| tag(&c.image));
            let found = tags.find_map(|tag| {
                let own = tag.strip_prefix('v')?.get(..date.len())?;
                let digits = own.bytes().all(|b| b.is_ascii_digit());
                digits.then(|| if own < date { "older" } else { "newer" }.to_owned())
            });
            first(found, false)
        }
        From::Namespace(container) => {
            let mut own =
                clues.iter().filter(|clue| clue.containers.iter().any(|c| &*c.name == container));
            first(own.find_map(|clue| Some(clue.namespace.as_ref()?.to_string())), false)
        }
        From::NodeWord(key, word) => {
            let nodes = clues.iter().filter(|clue| &*clue.kind == "Node");
            let mut own = nodes.flat_map(|clue| &clue.settings).filter(|(name, ..)| &**name == key);
            first(own.next().map(|(_, value, _)| value.contains(word).to_string()), false)
        }
    }
}

/// The value of a flag: `--flag=value`, `--flag value`, or `--flag`, which is `true`. A shell's command
/// line is looked through word by word.
fn argument(container: &ContainerClue, flag: &str) -> Option<String> {
    let words: Vec<&str> =
        container.args.iter().flat_map(|(arg, _)| arg.split_whitespace()).collect();
    words.iter().enumerate().find_map(|(at, word)| {
        let rest = word.strip_prefix(flag)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value.to_owned()),
            None if rest.is_empty() => {
                let next = words.get(at + 1).filter(|next| matches!(**next, "true" | "false"));
                Some((*next.unwrap_or(&"true")).to_owned())
            }
            None => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_is_of_an_option() {
        for profile in PROFILES {
            for reading in profile.readings {
                let meanings = reading.values.iter().map(|(_, meaning)| *meaning);
                for value in meanings.chain(reading.absent) {
                    let mut cni = Cni::from(*profile);
                    assert_eq!(cni.set(reading.option, value), Ok(()), "{}", profile.name);
                }
            }
            for option in profile.options {
                assert!(option.default.is_none_or(|value| option.values.contains(&value)));
            }
        }
    }

    #[test]
    fn images_are_compared_without_registry_and_tag() {
        for (image, parts, want) in [
            ("quay.io/cilium/cilium:v1.16.3@sha256:abc", "cilium/cilium", true),
            ("mirror.local:5000/quay/cilium/cilium", "cilium/cilium", true),
            ("quay.io/notcilium/cilium:v1", "cilium/cilium", false),
            ("cilium/cilium-operator:v1", "cilium/cilium", false),
        ] {
            assert_eq!(ends_with(image, parts), want, "{image}");
        }
        assert_eq!(tag("mirror.local:5000/quay/cilium/cilium"), None);
    }
}
