//! Domain names, and the patterns that policies write them as.

use std::fmt;
use std::sync::Arc;

/// A domain name in lower case, without the dot at its end: `api.example.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// Reads a name of two labels or more, as resolvers take it; `None` if it is none. The last
    /// label starts with a letter, which tells a name from an address.
    pub fn new(text: &str) -> Option<Self> {
        let name = normal(text);
        let mut labels = name.split('.');
        let legal = |label: &str| {
            let byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            !label.is_empty() && label.len() <= 63 && label.bytes().all(byte)
        };
        let last = name.rsplit('.').next().unwrap_or_default();
        let letter = last.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let fine = name.len() <= 253 && labels.clone().count() > 1 && labels.all(legal) && letter;
        fine.then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lower case, without the dot that marks a name as complete.
fn normal(text: &str) -> String {
    text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()
}

/// How many labels the `*` of a pattern stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wildcard {
    /// One: `*.x` of an EgressFirewall (`k8s.ovn.org/v1`, `dnsName`).
    OneLabel,
    /// One or more: `*.x` of the policies of `policy.networking.k8s.io` (`domainNames`).
    Labels,
}

/// A name, or every name below one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainPattern {
    name: Arc<str>,
    wildcard: Option<Wildcard>,
}

impl DomainPattern {
    /// Reads `example.com` or `*.example.com`; what the `*` stands for is the API's to say. The
    /// bare `example.com` is not below itself.
    pub fn new(text: &str, star: Wildcard) -> Self {
        let (name, wildcard) = match text.strip_prefix("*.") {
            Some(rest) => (rest, Some(star)),
            None => (text, None),
        };
        Self { name: normal(name).into(), wildcard }
    }

    /// Whether a name is the one, or one of those, that is meant.
    pub fn matches(&self, name: &DomainName) -> bool {
        let Some(wildcard) = self.wildcard else { return name.0 == self.name };
        let below = name.0.strip_suffix(&*self.name).and_then(|front| front.strip_suffix('.'));
        below.is_some_and(|front| match wildcard {
            Wildcard::OneLabel => !front.is_empty() && !front.contains('.'),
            Wildcard::Labels => !front.is_empty(),
        })
    }

    /// A name that is matched by this pattern, and by those others that match all that this one does.
    pub fn stand_in(&self) -> DomainName {
        // No host has a label `*`, and every pattern takes it for one.
        DomainName(if self.wildcard.is_some() {
            format!("*.{}", self.name).into()
        } else {
            Arc::clone(&self.name)
        })
    }

    /// The name, if it is one alone.
    pub fn exact(&self) -> Option<&str> {
        self.wildcard.is_none().then_some(&*self.name)
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.wildcard.is_some() { "*." } else { "" };
        write!(f, "{star}{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_other_text() {
        for (text, want) in [
            ("api.example.com", Some("api.example.com")),
            ("API.Example.COM.", Some("api.example.com")),
            ("_dmarc.example.com", Some("_dmarc.example.com")),
            ("localhost", None),
            ("10.0.0.1", None),
            ("10.0.0.1x", None),
            ("a..b", None),
            ("a b.com", None),
            ("*.example.com", None),
            ("", None),
        ] {
            let found = DomainName::new(text);
            assert_eq!(found.as_ref().map(DomainName::as_str), want, "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_labels_as_its_api_says_and_never_for_the_bare_name() {
        let name = |text| DomainName::new(text).unwrap_or_else(|| panic!("{text} is a name"));
        for (pattern, text, labels, one) in [
            ("example.com", "example.com", true, true),
            ("Example.com.", "example.com", true, true),
            ("example.com", "www.example.com", false, false),
            ("*.example.com", "www.example.com", true, true),
            ("*.example.com", "a.b.example.com", true, false),
            ("*.example.com", "example.com", false, false),
            ("*.example.com", "badexample.com", false, false),
            ("*.example.com", "example.com.evil.org", false, false),
        ] {
            for (star, want) in [(Wildcard::Labels, labels), (Wildcard::OneLabel, one)] {
                let found = DomainPattern::new(pattern, star).matches(&name(text));
                assert_eq!(found, want, "{pattern} {text} {star:?}");
            }
        }
    }
}
