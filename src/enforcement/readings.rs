//! Version and settings of a CNI, read off the objects of a cluster.

use super::cni::{Cni, Version, plain};
use super::profile::{CniProfile, Enforcement, From, Reading, Sign};
use crate::cluster::{Clue, ContainerClue};
use crate::diagnostic::Span;
use crate::policy::Certainty;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Reads version and settings of a CNI that these objects show.
pub(super) fn read(profile: &'static CniProfile, clues: &[Clue], shown_by: &[&Clue]) -> Cni {
    let mut cni = Cni::from(profile);
    let named = profile.enforcement != Enforcement::Unknown;
    cni.version = shown_by.iter().filter(|_| named).find_map(|clue| {
        let mut own = clue.containers.iter().filter(|container| is_own(profile, container));
        own.find_map(|container| version(tag(&container.image)?))
    });
    let mut namespaces: BTreeSet<&str> =
        shown_by.iter().filter_map(|clue| clue.namespace.as_deref()).collect();
    if namespaces.is_empty() {
        namespaces.insert("kube-system");
    }
    let objects = Objects { clues, namespaces: &namespaces };
    for reading in profile.readings {
        if cni.holds(&reading.when) != Certainty::Yes {
            continue;
        }
        let value = match objects.value(reading, &cni) {
            Found::Value(value) => {
                let value = plain(&value);
                let known = reading.values.iter().find(|(written, _)| *written == value);
                if known.is_none() {
                    cni.unsettle(reading.option);
                }
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

/// Whether a container is the program of a profile.
fn is_own(profile: &CniProfile, container: &ContainerClue) -> bool {
    profile.signs.iter().any(|sign| match sign {
        Sign::Container(name) | Sign::Containers(name, _) => &*container.name == *name,
        Sign::Image(parts) => ends_with(&container.image, parts),
        _ => false,
    })
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

impl Found {
    fn first(value: Option<impl Into<String>>, there: bool) -> Self {
        match value {
            Some(value) => Self::Value(value.into()),
            None if there => Self::Absent,
            None => Self::Nowhere,
        }
    }
}

/// Where values are looked for.
struct Objects<'c> {
    clues: &'c [Clue],
    /// The namespaces that the program runs in.
    namespaces: &'c BTreeSet<&'c str>,
}

impl<'c> Objects<'c> {
    fn containers(&self, name: &'static str) -> impl Iterator<Item = &'c ContainerClue> + use<'c> {
        self.clues.iter().flat_map(|clue| &clue.containers).filter(move |c| &*c.name == name)
    }

    fn value(&self, reading: &Reading, cni: &Cni) -> Found {
        match reading.from {
            From::Env(container, name) => {
                let there = self.containers(container).next().is_some();
                let mut all = self.containers(container).flat_map(|c| &c.env);
                let found = all.find(|(own, ..)| &**own == name).map(|(_, v, _)| v.to_string());
                Found::first(found, there)
            }
            From::Arg(container, flag) => {
                let there = self.containers(container).next().is_some();
                Found::first(self.containers(container).find_map(|c| argument(c, flag)), there)
            }
            From::Config(name, key) => {
                let maps = self.clues.iter().filter(move |clue| {
                    let own = clue.namespace.as_deref();
                    &*clue.kind == "ConfigMap"
                        && &*clue.name == name
                        && own.is_none_or(|namespace| self.namespaces.contains(namespace))
                });
                setting(maps, key)
            }
            From::Object(kind, name, path) => {
                let own = move |clue: &&Clue| &*clue.kind == kind && &*clue.name == name;
                setting(self.clues.iter().filter(own), path)
            }
            From::TagEnd => {
                let all = self.clues.iter().flat_map(|clue| &clue.containers);
                let own: Vec<&ContainerClue> = all.filter(|c| is_own(cni.profile, c)).collect();
                let found = own.iter().filter_map(|c| tag(&c.image)).find_map(|tag| {
                    let end = reading.values.iter().find(|(end, _)| tag.ends_with(end))?;
                    Some(end.0)
                });
                // An image by digest alone does not show its variant.
                Found::first(found, own.iter().any(|c| tag(&c.image).is_some()))
            }
            From::TagDate(image, date) => {
                let all = self.clues.iter().flat_map(|clue| &clue.containers);
                // An image by its number alone may be any.
                let mut own = all.filter(|c| {
                    let number = path(&c.image) == "sha256" && is_own(cni.profile, c);
                    number || ends_with(&c.image, image)
                });
                let found = own.next().map(|container| {
                    let tag = tag(&container.image).unwrap_or_default();
                    let own = tag.strip_prefix('v').and_then(|tag| tag.get(..date.len()));
                    match own.filter(|own| own.bytes().all(|b| b.is_ascii_digit())) {
                        Some(own) if own < date => "older",
                        Some(_) => "newer",
                        // Before there were dates there were versions: 0.5.4.
                        None if version(tag).is_some() => "older",
                        None => "unknown",
                    }
                });
                Found::first(found, false)
            }
            From::Namespace(container) => {
                let has = |clue: &&Clue| clue.containers.iter().any(|c| &*c.name == container);
                let mut own = self.clues.iter().filter(has);
                Found::first(own.find_map(|clue| clue.namespace.as_deref()), false)
            }
            From::Lacks(container, other) => {
                let there = self.containers(container).next().is_some();
                let lacks = self.containers(other).next().is_none();
                Found::first(there.then(|| lacks.to_string()), false)
            }
            From::ServerFlag(flag) => {
                let nodes = self.clues.iter().filter(|clue| &*clue.kind == "Node");
                let args = nodes
                    .flat_map(|clue| &clue.settings)
                    .filter(|(key, ..)| &**key == "k3s.io/node-args")
                    .map(|(_, value, _)| node_args(value));
                // Agents do not have the flag: the controller runs on every node as servers say.
                let servers: Vec<Vec<String>> = args
                    .filter(|args| args.first().is_some_and(|first| first == "server"))
                    .collect();
                let set = servers.iter().any(|args| word_of(args, flag).as_deref() == Some("true"));
                let agents = self.clues.iter().any(|clue| {
                    let k3s = |(key, value, _): &(Arc<str>, Arc<str>, Span)| {
                        &**key == "k3s.io/node-args" || &**value == "k3s"
                    };
                    &*clue.kind == "Node" && clue.settings.iter().any(k3s)
                });
                match (servers.is_empty(), agents) {
                    (false, _) => Found::Value(set.to_string()),
                    // Only a server would tell.
                    (true, true) => Found::Value("unknown".to_owned()),
                    (true, false) => Found::Nowhere,
                }
            }
        }
    }
}

/// A setting of these objects.
fn setting<'c>(clues: impl Iterator<Item = &'c Clue> + Clone, path: &str) -> Found {
    let mut all = clues.clone().flat_map(|clue| &clue.settings);
    let found = all.find(|(own, ..)| &**own == path).map(|(_, value, _)| value.to_string());
    Found::first(found, clues.count() > 0)
}

/// `["server","--disable-network-policy"]`
fn node_args(annotation: &str) -> Vec<String> {
    serde_json::from_str(annotation).unwrap_or_default()
}

/// The value of a flag of a container. A shell's command line is looked through word by word.
fn argument(container: &ContainerClue, flag: &str) -> Option<String> {
    let words = container.args.iter().flat_map(|(arg, _)| arg.split_whitespace());
    word_of(&words.collect::<Vec<_>>(), flag)
}

/// The value of a flag: `--flag=value`, `--flag true`, or `--flag`, which is `true`.
fn word_of(words: &[impl AsRef<str>], flag: &str) -> Option<String> {
    words.iter().enumerate().find_map(|(at, word)| {
        let rest = word.as_ref().strip_prefix(flag)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value.to_owned()),
            None if rest.is_empty() => {
                let next = words.get(at + 1).map(AsRef::as_ref);
                Some(next.filter(|next| !next.starts_with('-')).unwrap_or("true").to_owned())
            }
            None => None,
        }
    })
}

/// The version that a tag names: `v1.16.3`, but not a date or a digest.
fn version(tag: &str) -> Option<Version> {
    let number = tag.strip_prefix('v').unwrap_or(tag);
    let (major, _) = number.split_once('.')?;
    (major.len() < 5).then(|| Version::new(tag)).flatten()
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
pub(super) fn ends_with(image: &str, parts: &str) -> bool {
    let path = path(image);
    path.strip_suffix(parts).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::super::profiles::PROFILES;
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
