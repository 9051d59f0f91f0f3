//! A CNI as a user names it: `cilium@1.19,policy-cidr-match-mode=nodes`.

use super::profile::{CniProfile, When};
use super::profiles::PROFILES;
use crate::policy::Certainty;
use std::collections::BTreeSet;
use std::fmt;

/// A version: `1.19` is `1.19.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads `1.19`, `v3.31.2` or `3.34.0-0.dev`; `None` if it is none.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let end = text.find(['-', '+', '_']).unwrap_or(text.len());
        let mut parts = text[..end].split('.').map(str::parse::<u32>);
        let (major, minor) = (parts.next()?.ok()?, parts.next()?.ok()?);
        let patch = parts.next().unwrap_or(Ok(0)).ok()?;
        parts.next().is_none().then_some(Self(major, minor, patch))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)?;
        if self.2 > 0 { write!(f, ".{}", self.2) } else { Ok(()) }
    }
}

/// A CNI with what is known of its version and settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cni {
    /// What is known of it.
    pub profile: &'static CniProfile,
    /// Its version, if that is known.
    pub version: Option<Version>,
    /// Settings that are known: (name, value), by name.
    pub options: Vec<(&'static str, &'static str)>,
    /// Options that are set to something that nobody understands.
    unsettled: Vec<&'static str>,
}

impl PartialEq for CniProfile {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for CniProfile {}

/// A text that names no CNI, or names it wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CniError {
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for CniError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CniError {}

impl From<&'static CniProfile> for Cni {
    fn from(profile: &'static CniProfile) -> Self {
        Self { profile, version: None, options: Vec::new(), unsettled: Vec::new() }
    }
}

impl Cni {
    /// Reads `NAME[@VERSION][,OPTION=VALUE]…`.
    pub fn parse(text: &str) -> Result<Self, CniError> {
        let fail = |message: String| Err(CniError { message });
        let (head, settings) = match text.trim().split_once(',') {
            Some((head, settings)) => (head, Some(settings)),
            None => (text, None),
        };
        let (name, version) = match head.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (head, None),
        };
        let Some(profile) = find(name) else {
            let known: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
            return fail(format!("no CNI `{name}` is known; known are {}", known.join(", ")));
        };
        let mut cni = Self::from(profile);
        if let Some(text) = version {
            let Some(version) = Version::new(text) else {
                return fail(format!("`{text}` is no version, such as 1.19"));
            };
            cni.version = Some(version);
        }
        // A value may hold commas: `policy-cidr-match-mode=pods,nodes`.
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in settings.into_iter().flat_map(|settings| settings.split(',')) {
            match (part.split_once('='), pairs.last_mut()) {
                (Some((name, value)), _) => {
                    pairs.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                (None, Some((_, value))) => {
                    value.push(',');
                    value.push_str(part);
                }
                (None, None) => {
                    return fail(format!("`{part}` is no setting: write OPTION=VALUE"));
                }
            }
        }
        for (name, value) in pairs {
            if cni.options.iter().any(|(known, _)| *known == name) {
                return fail(format!("`{name}` is set twice"));
            }
            cni.set(&name, &value)?;
        }
        Ok(cni)
    }

    /// Notes that a setting is there that nobody understands: unless it is known otherwise, its default
    /// cannot be relied on.
    pub(super) fn unsettle(&mut self, name: &'static str) {
        self.unsettled.push(name);
    }

    /// Notes a setting.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), CniError> {
        let profile = self.profile;
        let Some(option) = profile.options.iter().find(|option| option.name == name) else {
            let known: Vec<&str> = profile.options.iter().map(|option| option.name).collect();
            let known = if known.is_empty() {
                "it has none here".to_owned()
            } else {
                format!("known are {}", known.join(", "))
            };
            return Err(CniError {
                message: format!("no option `{name}` of {} is known; {known}", profile.name),
            });
        };
        let wanted = plain(value);
        let Some(value) = option.values.iter().find(|known| plain(known) == wanted) else {
            return Err(CniError {
                message: format!(
                    "`{name}` of {} has the values {}",
                    profile.name,
                    option.values.join(" | ")
                ),
            });
        };
        self.options.retain(|(known, _)| *known != option.name);
        self.options.push((option.name, value));
        self.options.sort_unstable();
        Ok(())
    }

    /// The name of its profile.
    pub fn name(&self) -> &'static str {
        self.profile.name
    }

    /// The value of an option: the one that is known, else the default, if the program has one that
    /// can be relied on.
    pub fn option(&self, name: &str) -> Option<&'static str> {
        let given = self.options.iter().find(|(known, _)| *known == name);
        given.map(|(_, value)| *value).or_else(|| {
            let option = self.profile.options.iter().find(|option| option.name == name)?;
            option.default.filter(|_| !self.unsettled.contains(&option.name))
        })
    }

    /// Whether anything that it does depends on its version.
    pub fn depends_on_version(&self) -> bool {
        fn on_version(when: &When) -> bool {
            match when {
                When::From(_) | When::Before(_) => true,
                When::All(list) | When::Any(list) => list.iter().any(on_version),
                When::Always | When::Unverified | When::Is(..) | When::Said(..) => false,
            }
        }
        let traits = self.profile.traits.iter().map(|own| &own.when);
        let apis = self.profile.apis.iter().map(|(_, when, _)| when);
        traits.chain(apis).any(on_version)
    }

    /// Whether a condition holds.
    pub fn holds(&self, when: &When) -> Certainty {
        let yes_no = |yes| if yes { Certainty::Yes } else { Certainty::No };
        match when {
            When::Always => Certainty::Yes,
            When::Unverified => Certainty::Maybe,
            When::From(version) => {
                self.version.map_or(Certainty::Maybe, |own| yes_no(own >= *version))
            }
            When::Before(version) => {
                self.version.map_or(Certainty::Maybe, |own| yes_no(own < *version))
            }
            When::Is(option, value) => {
                self.option(option).map_or(Certainty::Maybe, |own| yes_no(own == *value))
            }
            When::Said(option, value) => yes_no(self.option(option) == Some(*value)),
            // The order of Certainty is that of a minimum.
            When::All(list) => {
                list.iter().map(|when| self.holds(when)).min().unwrap_or(Certainty::Yes)
            }
            When::Any(list) => {
                list.iter().map(|when| self.holds(when)).max().unwrap_or(Certainty::No)
            }
        }
    }
}

impl Cni {
    /// Its name and version, and the settings that are not the usual ones.
    pub fn brief(&self) -> String {
        fn rests_on(when: &When, name: &str, value: &str) -> bool {
            match when {
                When::Is(own, wanted) | When::Said(own, wanted) => *own == name && *wanted == value,
                When::All(list) | When::Any(list) => {
                    list.iter().any(|when| rests_on(when, name, value))
                }
                When::Always | When::Unverified | When::From(_) | When::Before(_) => false,
            }
        }
        let profile = self.profile;
        let usual = |name: &str, value: &str| {
            let mut options = profile.options.iter().filter(|option| option.name == name);
            // What the program does where nothing is set, and nothing comes of it.
            let mut readings = profile.readings.iter().filter(|reading| reading.option == name);
            options.any(|option| option.default == Some(value))
                || readings.any(|reading| reading.absent == Some(value))
                    && !profile.traits.iter().any(|own| rests_on(&own.when, name, value))
        };
        let mut brief = self.clone();
        brief.options.retain(|(name, value)| !usual(name, value));
        brief.to_string()
    }
}

impl fmt::Display for Cni {
    /// As `--cni` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.profile.name)?;
        if let Some(version) = self.version {
            write!(f, "@{version}")?;
        }
        for (name, value) in &self.options {
            write!(f, ",{name}={value}")?;
        }
        Ok(())
    }
}

/// A value in small letters; what programs take for yes and no as `true` and `false`; lists in order.
pub(super) fn plain(value: &str) -> String {
    let lower = value.trim().to_ascii_lowercase();
    match &*lower {
        "1" | "t" | "y" | "yes" | "on" => return "true".into(),
        "0" | "f" | "n" | "no" | "off" => return "false".into(),
        _ => {}
    }
    let words: BTreeSet<&str> = lower
        .trim_matches(|c| matches!(c, '[' | ']'))
        .split(|c: char| c == ',' || c.is_whitespace())
        .map(|word| word.trim_matches(|c| matches!(c, '"' | '\'')))
        .filter(|word| !word.is_empty())
        .collect();
    words.into_iter().collect::<Vec<_>>().join(",")
}

/// The profile of a name, in any case.
pub fn find(name: &str) -> Option<&'static CniProfile> {
    let lower = name.to_ascii_lowercase();
    let found = PROFILES.iter().find(|p| p.name == lower || p.aliases.contains(&&*lower));
    found.copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cni_is_a_name_a_version_and_settings() {
        for text in [
            "cilium",
            "cilium@1.19",
            "cilium@1.20.2,policy-cidr-match-mode=pods,nodes",
            "cilium,enable-sctp=true,policy-cidr-match-mode=nodes",
        ] {
            let found = Cni::parse(text).map(|cni| cni.to_string());
            assert_eq!(found.as_deref(), Ok(text));
        }
        assert_eq!(Cni::parse("OVN").map(|cni| cni.name()), Ok("ovn-kubernetes"));
        let loose = Cni::parse("Cilium@V1.19, enable-sctp=TRUE, policy-cidr-match-mode=nodes,pods");
        let strict = Cni::parse("cilium@1.19,enable-sctp=true,policy-cidr-match-mode=pods,nodes");
        assert_eq!(loose, strict);
        for text in [
            "",
            "ciliun",
            "cilium@new",
            "cilium,enable-sctp",
            "cilium,enable-sctp=maybe",
            "cilium@1",
            "cilium,enable-sctp=true,enable-sctp=false",
            "cilium@1.19@2",
            "cilium@1.2.3.4",
            "cilium,x=y",
        ] {
            assert!(Cni::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert_eq!(Version::new("v3.34.0-0.dev"), Some(Version(3, 34, 0)));
        assert_eq!(Version::new("1.9"), Some(Version(1, 9, 0)));
        assert!(Version::new("1.9") < Version::new("1.10"));
        assert_eq!(Version::new("latest"), None);
    }

    #[test]
    fn what_rests_on_an_unknown_version_is_not_known() {
        let (old, new) = (Cni::parse("cilium@1.15"), Cni::parse("cilium@1.16"));
        let before = When::Before(Version(1, 16, 0));
        assert_eq!(old.map(|cni| cni.holds(&before)), Ok(Certainty::Yes));
        assert_eq!(new.map(|cni| cni.holds(&before)), Ok(Certainty::No));
        assert_eq!(Cni::parse("cilium").map(|cni| cni.holds(&before)), Ok(Certainty::Maybe));
    }
}
