//! Selectors: parsed once into a type that cannot be wrong.

use super::state::{Namespace, Node};
use crate::diagnostic::Span;
use crate::manifest::{LabelSelector, Labels, Operator, Requirement};
use std::fmt;
use std::sync::Arc;

/// The label that the API server gives every namespace.
pub(super) const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// A label selector: the conjunction of its requirements.
///
/// Two selectors are equal if they say the same, wherever they stand.
#[derive(Clone, Debug)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.key().eq(other.key())
    }
}

impl Eq for Selector {}

impl std::hash::Hash for Selector {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for part in self.key() {
            part.hash(state);
        }
    }
}

impl From<&LabelSelector> for Selector {
    fn from(selector: &LabelSelector) -> Self {
        let mut requirements = selector.requirements.clone();
        requirements
            .sort_by(|a, b| (&a.key, a.operator, &a.values).cmp(&(&b.key, b.operator, &b.values)));
        Self { requirements }
    }
}

impl Selector {
    /// The selector that matches everything.
    pub fn everything() -> Self {
        Self { requirements: Vec::new() }
    }

    fn key(&self) -> impl Iterator<Item = (&Arc<str>, Operator, &Vec<Arc<str>>)> {
        self.requirements.iter().map(|r| (&r.key, r.operator, &r.values))
    }

    /// The requirements, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(labels))
    }

    /// Whether a namespace is selected; `None` if that depends on labels that are not known: a
    /// namespace without a Namespace object has only the label that the API server sets.
    pub fn matches_namespace(&self, namespace: &Namespace) -> Option<bool> {
        let known = |r: &Requirement| namespace.declared || &*r.key == NAMESPACE_NAME;
        self.matches_in_part(&namespace.labels, known)
    }

    /// Whether a node is selected; `None` if that depends on labels that are not known: those of a
    /// node that the input only mentions.
    pub fn matches_node(&self, node: &Node) -> Option<bool> {
        self.matches_in_part(&node.labels, |_| node.declared)
    }

    /// Whether labels are selected of which only some are known.
    fn matches_in_part(
        &self,
        labels: &Labels,
        known: impl Fn(&Requirement) -> bool,
    ) -> Option<bool> {
        // What nothing meets is not met, whatever the labels are.
        let decided = |r: &Requirement| known(r) || r.is_void();
        if self.requirements.iter().filter(|r| decided(r)).any(|r| !r.holds(labels)) {
            return Some(false);
        }
        self.requirements.iter().all(decided).then_some(true)
    }

    /// The requirements that these labels fail.
    pub fn unmet<'s>(&'s self, labels: &'s Labels) -> impl Iterator<Item = &'s Requirement> {
        self.requirements.iter().filter(|requirement| !requirement.holds(labels))
    }

    /// The requirements that a namespace is known to fail.
    pub fn unmet_by<'s>(
        &'s self,
        namespace: &'s Namespace,
    ) -> impl Iterator<Item = &'s Requirement> {
        let known =
            |r: &Requirement| namespace.declared || &*r.key == NAMESPACE_NAME || r.is_void();
        self.unmet(&namespace.labels).filter(move |requirement| known(requirement))
    }

    /// Reads a selector as `kubectl -l` takes it: `env=prod,tier in (a,b),!canary`.
    pub fn from_user(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let end = part_end(rest);
            let (part, after) = rest.split_at(end);
            requirements.push(requirement(part.trim())?);
            rest = after.strip_prefix(',').unwrap_or(after).trim_start();
            if rest.is_empty() && after.starts_with(',') {
                return Err(SelectorError { part: after.into() });
            }
        }
        Ok(Self { requirements })
    }
}

/// The end of the first comma-separated part; commas in parentheses do not count.
fn part_end(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

fn requirement(part: &str) -> Result<Requirement, SelectorError> {
    let fail = || SelectorError { part: part.into() };
    let build = |key: &str, operator, values: Vec<Arc<str>>| {
        let key = key.trim();
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
        let values_legal = values.iter().all(|v| v.bytes().all(legal));
        if key.is_empty() || !key.bytes().all(legal) || !values_legal {
            return Err(fail());
        }
        Ok(Requirement { key: key.into(), operator, values, span: Span::default() })
    };
    if let Some(key) = part.strip_prefix('!') {
        return build(key, Operator::DoesNotExist, Vec::new());
    }
    for (sign, operator) in [("!=", Operator::NotIn), ("==", Operator::In), ("=", Operator::In)] {
        if let Some((key, value)) = part.split_once(sign) {
            return build(key, operator, vec![value.trim().into()]);
        }
    }
    if let Some((head, list)) = part.split_once('(') {
        let list = list.trim_end().strip_suffix(')').ok_or_else(fail)?;
        let mut values: Vec<Arc<str>> = list.split(',').map(|v| v.trim().into()).collect();
        values.sort();
        values.dedup();
        let mut words = head.split_whitespace();
        let (key, word) = (words.next().ok_or_else(fail)?, words.next().ok_or_else(fail)?);
        let operator = match word {
            "in" => Operator::In,
            "notin" => Operator::NotIn,
            _ => return Err(fail()),
        };
        return build(key, operator, values);
    }
    build(part, Operator::Exists, Vec::new())
}

/// A selector that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError {
    /// The part that is wrong.
    pub part: String,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read `{}` as a label selector", self.part)
    }
}

impl std::error::Error for SelectorError {}

impl fmt::Display for Selector {
    /// As `kubectl -l` takes it; `<everything>` without requirements.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requirements.is_empty() {
            return f.write_str("<everything>");
        }
        for (i, requirement) in self.requirements.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_selectors_read_as_in_kubectl() {
        for (text, want) in [
            ("env=prod", "env=prod"),
            ("env==prod, tier in (b, a) ,!canary", "env=prod,tier in (a,b),!canary"),
            (
                "env!=prod,app notin (x,y),app.kubernetes.io/name",
                "env!=prod,app notin (x,y),app.kubernetes.io/name",
            ),
            ("env=", "env="),
        ] {
            assert_eq!(
                Selector::from_user(text).map(|s| s.to_string()).as_deref(),
                Ok(want),
                "{text}"
            );
        }
        for text in ["=", "a b", "a in b", "a in (b", "a=b,", "!", "a=b c"] {
            assert!(Selector::from_user(text).is_err(), "{text}");
        }
    }
}
